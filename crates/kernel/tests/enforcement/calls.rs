//! Which operation of the policy each call is, on which path (security.md section 1.1).

use crate::common::ready;
use crate::world::{World, refusal};
use agentos_kernel::Errno;
use agentos_kernel::Result;
use agentos_kernel::events::{Event, EventSink};
use agentos_kernel::fd::SeekFrom;
use agentos_kernel::id::{Gid, Uid};
use agentos_kernel::net::{Domain, Kind, SocketAddress, UnixAddress};
use agentos_kernel::policy::Operation;
use agentos_kernel::process::{AtFlags, Dir};
use agentos_kernel::vfs::{Access, FileType, Mode, RenameFlags, SetTime, XattrMode};
use serde_json::json;
use std::sync::Arc;

type Call = fn(&World) -> Result<()>;

const CWD: Dir = Dir::Cwd;
const FOLLOW: AtFlags = AtFlags::FOLLOW;

/// Name, operation, path that is named in the refusal, call.
const CALLS: &[(&str, &str, &str, Call)] = &[
    ("open r", "read", "/d/f", |w| w.open("/d/f", "r").map(drop)),
    ("open r through a link", "read", "/d/f", |w| {
        w.open("/d/l", "r").map(drop)
    }),
    ("open r+w", "read", "/d/f", |w| w.open("/d/f", "rw").map(drop)),
    ("open w", "write", "/d/f", |w| w.open("/d/f", "w").map(drop)),
    ("open r+w for write", "write", "/d/f", |w| {
        w.open("/d/f", "rw").map(drop)
    }),
    ("open append", "write", "/d/f", |w| w.open("/d/f", "wa").map(drop)),
    ("create", "write", "/d/new", |w| w.open("/d/new", "wc").map(drop)),
    ("create for reading only", "write", "/d/new", |w| {
        w.open("/d/new", "rc").map(drop)
    }),
    ("create through a link", "write", "/d/gone", |w| {
        w.open("/d/dangling", "wc").map(drop)
    }),
    ("create unnamed", "write", "/d/#unnamed", |w| {
        w.open("/d", "wu").map(drop)
    }),
    ("open truncate", "write", "/d/f", |w| w.open("/d/f", "wt").map(drop)),
    ("open truncate", "truncate", "/d/f", |w| w.open("/d/f", "wt").map(drop)),
    ("truncate", "truncate", "/d/f", |w| w.process.truncate(CWD, b"/d/f", 0)),
    ("truncate", "write", "/d/f", |w| w.process.truncate(CWD, b"/d/f", 0)),
    ("ftruncate", "truncate", "/d/f", |w| {
        w.process.ftruncate(w.open("/d/f", "w")?, 0)
    }),
    ("open directory", "readdir", "/d/sub", |w| {
        w.open("/d/sub", "rd").map(drop)
    }),
    ("open for the path", "stat", "/d/f", |w| w.open("/d/f", "p").map(drop)),
    ("stat", "stat", "/d/f", |w| {
        w.process.stat(CWD, b"/d/l", FOLLOW).map(drop)
    }),
    ("lstat", "stat", "/d/l", |w| {
        w.process.stat(CWD, b"/d/l", AtFlags::empty()).map(drop)
    }),
    ("stat of a directory", "stat", "/d", |w| {
        w.process.stat(CWD, b"/d/sub/..", FOLLOW).map(drop)
    }),
    ("access", "stat", "/d/f", |w| {
        w.process.access(CWD, b"/d/f", Access::READ, FOLLOW)
    }),
    ("statfs", "stat", "/d/f", |w| {
        w.process.statfs(CWD, b"/d/f", FOLLOW).map(drop)
    }),
    ("realpath", "stat", "/d/f", |w| {
        w.process.realpath(CWD, b"/d/l", FOLLOW).map(drop)
    }),
    ("getxattr", "stat", "/d/f", |w| {
        w.process.getxattr(CWD, b"/d/f", b"user.a", FOLLOW).map(drop)
    }),
    ("listxattr", "stat", "/d/f", |w| {
        w.process.listxattr(CWD, b"/d/f", FOLLOW).map(drop)
    }),
    ("fgetxattr", "stat", "/d/f", |w| {
        let fd = Dir::Fd(w.open("/d/f", "w")?);
        w.process.getxattr(fd, b"", b"user.a", AtFlags::EMPTY_PATH).map(drop)
    }),
    ("flistxattr", "stat", "/d/f", |w| {
        let fd = Dir::Fd(w.open("/d/f", "w")?);
        w.process.listxattr(fd, b"", AtFlags::EMPTY_PATH).map(drop)
    }),
    ("mkdir", "create_dir", "/d/new", |w| {
        w.process.mkdir(CWD, b"/d/new", Mode::new(0o777))
    }),
    ("unlink", "rm", "/d/f", |w| w.process.unlink(CWD, b"/d/f")),
    ("unlink of a link", "rm", "/d/l", |w| w.process.unlink(CWD, b"/d/l")),
    ("rmdir", "rm", "/d/sub", |w| w.process.rmdir(CWD, b"/d/sub")),
    ("rename from", "rename", "/d/f", |w| {
        w.process.rename((CWD, b"/d/f"), (CWD, b"/tmp/f"), RenameFlags::Replace)
    }),
    ("rename to", "rename", "/d/g", |w| {
        w.process.rename((CWD, b"/tmp/t"), (CWD, b"/d/g"), RenameFlags::Replace)
    }),
    ("exchange", "rename", "/d/f", |w| {
        w.process
            .rename((CWD, b"/tmp/t"), (CWD, b"/d/f"), RenameFlags::Exchange)
    }),
    ("symlink", "symlink", "/d/new", |w| {
        w.process.symlink(b"/tmp", CWD, b"/d/new")
    }),
    ("readlink", "readlink", "/d/l", |w| {
        w.process.readlink(CWD, b"/d/l").map(drop)
    }),
    ("chmod", "chmod", "/d/f", |w| {
        w.process.chmod(CWD, b"/d/l", Mode::new(0o600), FOLLOW)
    }),
    ("fchmod", "chmod", "/d/f", |w| {
        let fd = Dir::Fd(w.open("/d/f", "r")?);
        w.process.chmod(fd, b"", Mode::new(0o600), AtFlags::EMPTY_PATH)
    }),
    ("chown", "chmod", "/d/f", |w| {
        w.process.chown(CWD, b"/d/f", Some(Uid(1)), Some(Gid(1)), FOLLOW)
    }),
    ("lchown", "chmod", "/d/l", |w| {
        w.process.chown(CWD, b"/d/l", Some(Uid(1)), None, AtFlags::empty())
    }),
    ("fchown", "chmod", "/d/f", |w| {
        let fd = Dir::Fd(w.open("/d/f", "r")?);
        w.process.chown(fd, b"", Some(Uid(1)), None, AtFlags::EMPTY_PATH)
    }),
    ("utimes", "chmod", "/d/f", |w| {
        w.process.set_times(CWD, b"/d/f", SetTime::Now, SetTime::Now, FOLLOW)
    }),
    ("futimes", "chmod", "/d/f", |w| {
        let fd = Dir::Fd(w.open("/d/f", "r")?);
        w.process
            .set_times(fd, b"", SetTime::Now, SetTime::Now, AtFlags::EMPTY_PATH)
    }),
    ("setxattr", "chmod", "/d/f", |w| {
        w.process
            .setxattr(CWD, b"/d/f", b"user.a", b"1", XattrMode::Any, FOLLOW)
    }),
    ("fsetxattr", "chmod", "/d/f", |w| {
        let fd = Dir::Fd(w.open("/d/f", "r")?);
        w.process
            .setxattr(fd, b"", b"user.a", b"1", XattrMode::Any, AtFlags::EMPTY_PATH)
    }),
    ("removexattr", "chmod", "/d/f", |w| {
        w.process.removexattr(CWD, b"/d/f", b"user.a", FOLLOW)
    }),
    ("mknod", "write", "/d/new", |w| {
        w.process.mknod(CWD, b"/d/new", FileType::Regular, Mode::new(0o600), 0)
    }),
    ("mkfifo", "write", "/d/new", |w| {
        w.process.mknod(CWD, b"/d/new", FileType::Fifo, Mode::new(0o600), 0)
    }),
    ("hard link to", "write", "/d/new", |w| {
        w.process.link((CWD, b"/tmp/t"), (CWD, b"/d/new"), FOLLOW)
    }),
    ("hard link from", "read", "/d/f", |w| {
        w.process.link((CWD, b"/d/f"), (CWD, b"/tmp/new"), FOLLOW)
    }),
    ("hard link of a descriptor", "read", "/d/f", |w| {
        let fd = Dir::Fd(w.open("/d/f", "w")?);
        w.process.link((fd, b""), (CWD, b"/tmp/new"), AtFlags::EMPTY_PATH)
    }),
    ("bind", "write", "/d/new", |w| {
        let socket = w.process.socket(Domain::Unix, Kind::Stream, 0, true, true)?;
        w.process
            .bind(socket, &SocketAddress::Unix(UnixAddress::Path(b"/d/new".to_vec())))
    }),
];

fn furnish(world: &World) {
    world.dir("/d");
    world.dir("/d/sub");
    world.file("/d/f", "content");
    world.file("/d/g", "");
    world.file("/tmp/t", "");
    world.link("f", "/d/l");
    world.link("/d/gone", "/d/dangling");
    world
        .trusted(|vfs, cx| vfs.setxattr(cx, None, b"/d/f", b"user.a", b"0", XattrMode::Any, true))
        .unwrap();
}

#[test]
fn every_call_is_its_operation_on_the_real_path() {
    for (name, operation, path, call) in CALLS {
        let denied = World::denying(&[operation], &[path]);
        furnish(&denied);
        assert_eq!(refusal(call(&denied)), format!("{operation} {path}"), "{name}");
        // Everything else denied at that path, and everything denied elsewhere, the call does not notice.
        let others: Vec<&str> = ALL
            .iter()
            .copied()
            .filter(|other| !needs(name, operation).contains(other))
            .collect();
        let allowed = World::denying(&others, &[path]);
        furnish(&allowed);
        call(&allowed).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

const ALL: &[&str] = &[
    "read",
    "write",
    "stat",
    "readdir",
    "create_dir",
    "rm",
    "rename",
    "symlink",
    "readlink",
    "chmod",
    "truncate",
    "mount_sensitive",
];

/// Operations that a call needs on the path in question, and those that a move must not gain.
fn needs(name: &str, operation: &'static str) -> Vec<&'static str> {
    match name {
        "open r+w" | "open r+w for write" => vec!["read", "write"],
        "create for reading only" => vec!["read", "write"],
        "open truncate" | "truncate" | "ftruncate" => vec!["write", "truncate"],
        "fgetxattr" | "flistxattr" => vec!["stat", "write"],
        "fchmod" | "fchown" | "futimes" | "fsetxattr" => vec!["chmod", "read"],
        "rename from" | "hard link from" | "exchange" => ALL[..ALL.len() - 1].to_vec(),
        "hard link of a descriptor" => ALL[..ALL.len() - 1].to_vec(),
        _ => vec![operation],
    }
}

#[test]
fn a_refusal_reads_as_the_specification_writes_it() {
    let w = World::denying(&["read"], &["/d/**"]);
    furnish(&w);
    let error = w.open("/d/f", "r").unwrap_err();
    assert_eq!(error.errno(), Errno::EACCES);
    assert_eq!(
        error.to_string(),
        "EACCES: permission denied, /d/f: blocked by fs.read policy"
    );
    let denied = error.denied().unwrap();
    assert_eq!(
        (&*denied.resource, &*denied.rule),
        (&b"/d/f"[..], "permissions.fs.rules[0]")
    );
}

#[test]
fn a_descriptor_keeps_what_it_was_opened_with() {
    let w = World::denying(&["write", "read"], &["/late/**"]);
    furnish(&w);
    w.dir("/late");
    let fd = w.open("/d/f", "rw").unwrap();
    // Moved to where nothing more may be opened.
    w.process
        .rename((CWD, b"/d/f"), (CWD, b"/late/f"), RenameFlags::Replace)
        .unwrap();
    assert_eq!(ready(w.process.write(fd, b"more", None)).unwrap(), 4);
    w.process.seek(fd, SeekFrom::Start(0)).unwrap();
    let mut buf = [0; 4];
    assert_eq!(ready(w.process.read(fd, &mut buf, None)).unwrap(), 4);
    assert_eq!(refusal(w.open("/late/f", "r")), "read /late/f");
    // Opening the descriptor's file once more is opening it.
    assert_eq!(
        refusal(w.open(&format!("/proc/self/fd/{}", fd.0), "w")),
        "write /late/f"
    );
}

#[test]
fn an_omitted_default_denies_and_the_root_of_the_host_is_not_asked() {
    let w = World::under(&serde_json::json!({ "fs": { "rules": [
        { "mode": "allow", "operations": ["read", "stat"], "paths": ["/d/**"] } ] } }));
    furnish(&w);
    assert_eq!(w.read("/d/f").unwrap(), b"content");
    assert_eq!(refusal(w.open("/tmp/t", "r")), "read /tmp/t");
    assert_eq!(refusal(w.process.stat(CWD, b"/", FOLLOW)), "stat /");
    assert_eq!(
        refusal(w.process.mkdir(CWD, b"/d/x", Mode::new(0o777))),
        "create_dir /d/x"
    );
    assert!(w.trusted(|vfs, cx| vfs.stat(cx, None, b"/", true)).is_ok());
}

#[test]
fn a_mount_over_a_protected_path_needs_its_own_right() {
    let w = World::denying(&["mount_sensitive"], &["/**"]);
    w.dir("/etc/deep");
    w.dir("/mnt");
    w.link("/etc/deep", "/way");
    let real = |path: &str| w.trusted(|vfs, cx| vfs.real_place(cx, path.as_bytes())).unwrap();
    assert_eq!(real("/way/not/there"), b"/etc/deep/not/there");
    for (path, refused) in [
        ("/etc", true),
        ("/etc/deep", true),
        ("/way", true),
        ("/usr/lib/x", true),
        ("/root", true),
        ("/mnt", false),
        ("/etcetera", false),
        ("/", false),
    ] {
        let real = real(path);
        let root = w.kernel.vfs().root();
        let cred = agentos_kernel::cred::Credentials::user();
        let cx = agentos_kernel::vfs::FsContext::new(&cred, &root);
        assert_eq!(w.kernel.vfs().may_mount(&cx, &real).is_err(), refused, "{path}");
    }
}

#[derive(Default)]
struct Collect(parking_lot::Mutex<Vec<serde_json::Value>>);

impl EventSink for Collect {
    fn emit(&self, event: Event) {
        if let Event::Audit(event) = event {
            self.0.lock().push(event.to_json());
        }
    }
}

#[test]
fn every_refusal_is_recorded_and_no_question_is() {
    let sink = Arc::new(Collect::default());
    let rules = json!({ "fs": { "default": "allow", "rules": [
        { "mode": "deny", "operations": ["read", "rename"], "paths": ["/d/**"] } ] } });
    let w = World::reporting(&rules, sink.clone());
    furnish(&w);
    // Nothing of this is an attempt that failed.
    w.read("/tmp/t").unwrap();
    w.trusted(|vfs, cx| assert!(vfs.resolve(cx, None, b"/d/f", true).is_ok()));
    let (cred, root) = (agentos_kernel::cred::Credentials::user(), w.kernel.vfs().root());
    let cx = agentos_kernel::vfs::FsContext::new(&cred, &root);
    assert!(!w.kernel.vfs().allows(&cx, Operation::FsRead, b"/d/f"));
    w.kernel.audit().flush();
    assert!(sink.0.lock().is_empty());
    assert!(w.open("/d/l", "r").is_err());
    assert!(
        w.process
            .rename((CWD, b"/tmp/t"), (CWD, b"/d/x\n"), RenameFlags::Replace)
            .is_err()
    );
    w.kernel.audit().flush();
    let seen: Vec<[serde_json::Value; 4]> = sink
        .0
        .lock()
        .iter()
        .map(|event| ["event", "operation", "resource", "rule"].map(|field| event[field].clone()))
        .collect();
    let event = |operation: &str, resource: &str| {
        [
            "security.permission.denied",
            operation,
            resource,
            "permissions.fs.rules[0]",
        ]
        .map(serde_json::Value::from)
    };
    assert_eq!(seen, [event("read", "/d/f"), event("rename", "/d/x\\n")]);
    // As often as it is tried, it is one event with a count.
    for _ in 0..1000 {
        assert!(w.open("/d/f", "r").is_err());
    }
    w.kernel.audit().flush();
    assert!(sink.0.lock().len() < 20);
}
