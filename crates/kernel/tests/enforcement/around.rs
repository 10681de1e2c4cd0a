//! Ways around a rule that do not lead around it.

use crate::common::ready;
use crate::world::{World, how, refusal};
use agentos_kernel::Errno;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{AtFlags, Dir};
use agentos_kernel::vfs::{
    Filesystem, FsContext, HostDirFs, MemoryFs, Mode, MountOptions, OverlayFs, RenameFlags, XattrMode,
};
use serde_json::json;
use std::sync::Arc;

const CWD: Dir = Dir::Cwd;

/// `/secret/key` must not be read; everything else is free.
fn secret() -> World {
    let w = World::denying(&["read"], &["/secret/**"]);
    w.dir("/secret");
    w.dir("/secret/deep");
    w.dir("/work");
    w.file("/secret/key", "hidden");
    w.file("/secret/deep/key", "hidden");
    w
}

fn rename(w: &World, old: &str, new: &str) -> agentos_kernel::Result<()> {
    let (old, new) = (old.as_bytes(), new.as_bytes());
    w.process.rename((CWD, old), (CWD, new), RenameFlags::Replace)
}

#[test]
fn spellings_of_a_path() {
    let w = secret();
    w.link("/secret", "/work/link");
    w.link("link", "/work/chain1");
    w.link("/work/chain1", "/work/chain2");
    w.link("key", "/secret/self");
    w.link("../secret/./key", "/work/straight");
    w.link("/proc/self/root", "/work/root");
    for path in [
        "/secret/key",
        "//secret///key",
        "/./secret/./key",
        "/work/../secret/key",
        "/../../secret/key",
        "/secret/deep/../key",
        "/work/link/key",
        "/work/chain2/key",
        "/work/chain2/deep/../key",
        "/secret/self",
        "/work/link/self",
        "/work/straight",
        "/work/root/secret/key",
        "/proc/self/root/secret/key",
        "/proc/self/cwd/secret/key",
        "/proc/1/root/secret/key",
        "/proc/self/task/1/root/secret/key",
    ] {
        assert_eq!(refusal(w.open(path, "r")), "read /secret/key", "{path}");
    }
    // Other bytes are other names.
    for other in [
        "/secret/KEY",
        "/Secret/key",
        "/secret/key ",
        "/secret/k\u{200b}ey",
        "/secret%2fkey",
    ] {
        assert_eq!(w.open(other, "r").unwrap_err(), Errno::ENOENT, "{other}");
    }
}

#[test]
fn where_a_relative_path_starts() {
    let w = secret();
    w.process.chdir(b"/secret/deep").unwrap();
    assert_eq!(refusal(w.open("key", "r")), "read /secret/deep/key");
    assert_eq!(refusal(w.open("../key", "r")), "read /secret/key");
    assert_eq!(refusal(w.open("/proc/self/cwd/key", "r")), "read /secret/deep/key");
    let dir = w.open("/secret", "p").unwrap();
    assert_eq!(refusal(w.open_at(Dir::Fd(dir), b"key", "r")), "read /secret/key");
    assert_eq!(
        refusal(w.open(&format!("/proc/self/fd/{}/key", dir.0), "r")),
        "read /secret/key"
    );
    assert_eq!(
        refusal(w.open(&format!("/dev/fd/{}/deep/key", dir.0), "r")),
        "read /secret/deep/key"
    );
    w.process.fchdir(dir).unwrap();
    assert_eq!(refusal(w.open("./key", "r")), "read /secret/key");
}

/// Filesystems of each kind, to be mounted at `/a`; a directory of the host goes away with its guard.
fn filesystems() -> Vec<(Arc<dyn Filesystem>, Option<tempfile::TempDir>)> {
    let memory = || {
        MemoryFs::new(
            Arc::new(crate::common::ManualClock::default()),
            crate::world::quota(1 << 20, 1000),
        )
    };
    let host = tempfile::tempdir().unwrap();
    vec![
        (memory(), None),
        (OverlayFs::new(memory(), vec![memory()]).unwrap(), None),
        (HostDirFs::open(host.path(), false).unwrap(), Some(host)),
    ]
}

#[test]
fn a_directory_goes_by_the_name_that_it_has_now() {
    for (fs, _host) in filesystems() {
        let kind = fs.kind();
        let w = World::denying(&["read", "chmod"], &["/a/private/**"]);
        w.dir("/a");
        w.kernel.vfs().mount(b"/a", fs, MountOptions::default()).unwrap();
        w.dir("/a/open");
        w.dir("/a/open/deep");
        w.file("/a/open/deep/f", "x");
        let dir = w.open("/a/open/deep", "p").unwrap();
        let file = w.open("/a/open/deep/f", "w").unwrap();
        w.process.chdir(b"/a/open/deep").unwrap();
        assert!(w.open_at(Dir::Fd(dir), b"f", "r").is_ok(), "{kind}");
        let rename = |old: &[u8], new: &[u8]| {
            w.trusted(|vfs, cx| vfs.rename(cx, None, old, None, new, RenameFlags::Replace))
                .unwrap();
        };
        rename(b"/a/open", b"/a/private");
        let path = "read /a/private/deep/f";
        assert_eq!(refusal(w.open_at(Dir::Fd(dir), b"f", "r")), path, "{kind}");
        assert_eq!(refusal(w.open("f", "r")), path, "{kind}");
        assert_eq!(refusal(w.open("../deep/f", "r")), path, "{kind}");
        assert_eq!(
            refusal(w.open(&format!("/proc/self/fd/{}", file.0), "r")),
            path,
            "{kind}"
        );
        let chmod = w
            .process
            .chmod(Dir::Fd(file), b"", Mode::new(0o600), AtFlags::EMPTY_PATH);
        assert_eq!(refusal(chmod), "chmod /a/private/deep/f", "{kind}");
        rename(b"/a/private", b"/a/public");
        assert!(w.open("f", "r").is_ok(), "{kind}");
    }
}

#[test]
fn a_root_below_the_vm_s_is_not_where_paths_begin() {
    let w = secret();
    let jail = w.trusted(|vfs, cx| vfs.resolve(cx, None, b"/secret", true)).unwrap();
    let cred = agentos_kernel::cred::Credentials::root();
    let cx = FsContext::new(&cred, &jail);
    for path in [&b"/key"[..], b"/../key", b"key", b"/deep/../key"] {
        let opened = w.kernel.vfs().open(&cx, None, path, how("r").options);
        assert_eq!(refusal(opened), "read /secret/key");
    }
}

#[test]
fn renaming_what_must_not_be_read() {
    let w = secret();
    assert_eq!(refusal(rename(&w, "/secret/key", "/work/key")), "read /secret/key");
    assert_eq!(refusal(rename(&w, "/secret/deep", "/work/deep")), "read /secret/deep");
    assert_eq!(refusal(rename(&w, "/secret", "/open")), "read /secret");
    w.file("/work/mine", "");
    let exchange = |old: &[u8], new: &[u8]| w.process.rename((CWD, old), (CWD, new), RenameFlags::Exchange);
    assert_eq!(refusal(exchange(b"/secret/key", b"/work/mine")), "read /secret/key");
    assert_eq!(refusal(exchange(b"/work/mine", b"/secret/key")), "read /secret/key");
    // Within, and into where less is allowed, is no gain.
    rename(&w, "/secret/deep/key", "/secret/other").unwrap();
    rename(&w, "/work/mine", "/secret/mine").unwrap();
}

#[test]
fn renaming_a_directory_that_holds_what_must_not_be_read() {
    let w = World::denying(&["read"], &["/work/project/.env", "/**/id_rsa"]);
    w.dir("/work");
    w.dir("/work/project");
    w.dir("/work/project/src");
    w.dir("/work/plain");
    w.file("/work/plain/f", "x");
    w.file("/work/project/.env", "hidden");
    assert_eq!(
        refusal(rename(&w, "/work/project", "/work/other")),
        "read /work/project/.env"
    );
    assert_eq!(refusal(rename(&w, "/work", "/elsewhere")), "read /work/project/.env");
    // A name that is protected wherever it is moves with its directory.
    w.file("/work/plain/id_rsa", "hidden");
    rename(&w, "/work/plain", "/work/plainer").unwrap();
    assert_eq!(
        refusal(w.open("/work/plainer/id_rsa", "r")),
        "read /work/plainer/id_rsa"
    );
    // The directory, without what is protected, may be renamed.
    w.trusted(|vfs, cx| vfs.unlink(cx, None, b"/work/project/.env"))
        .unwrap();
    rename(&w, "/work/project", "/work/other").unwrap();
}

#[test]
fn a_denied_rename_counts_for_everything_that_would_be_renamed() {
    let w = World::with(&json!([
        { "mode": "deny", "operations": ["rename"], "paths": ["/work/keep/**", "/new/a/x"] }]));
    w.dir("/work");
    w.dir("/work/keep");
    w.dir("/new");
    assert_eq!(refusal(rename(&w, "/work", "/else")), "rename /work/keep");
    w.dir("/work/a");
    w.file("/work/a/x", "");
    assert_eq!(refusal(rename(&w, "/work/a", "/new/a")), "rename /new/a/x");
    rename(&w, "/work/a", "/new/b").unwrap();
}

#[test]
fn a_mount_below_a_directory_moves_with_it() {
    let w = World::denying(&["read"], &["/work/mnt/secret"]);
    w.dir("/work");
    w.dir("/work/mnt");
    let clock = Arc::new(crate::common::ManualClock::default());
    let fs = MemoryFs::new(clock, crate::world::quota(1 << 20, 100));
    w.kernel.vfs().mount(b"/work/mnt", fs, MountOptions::default()).unwrap();
    w.file("/work/mnt/secret", "hidden");
    assert_eq!(refusal(w.open("/work/mnt/secret", "r")), "read /work/mnt/secret");
    assert_eq!(refusal(w.open("/work/mnt/../mnt/secret", "r")), "read /work/mnt/secret");
    assert_eq!(refusal(rename(&w, "/work", "/other")), "read /work/mnt/secret");
    w.process.chdir(b"/work/mnt").unwrap();
    assert_eq!(refusal(w.open("secret", "r")), "read /work/mnt/secret");
}

/// One filesystem at two places has two paths, and a rule is about paths: each place needs its own.
#[test]
fn a_mount_alias_goes_by_the_path_of_its_mount() {
    let w = World::denying(&["read"], &["/a/secret/**"]);
    w.dir("/a");
    w.dir("/b");
    let clock = Arc::new(crate::common::ManualClock::default());
    let fs = MemoryFs::new(clock, crate::world::quota(1 << 20, 100));
    w.kernel
        .vfs()
        .mount(b"/a", fs.clone(), MountOptions::default())
        .unwrap();
    w.kernel.vfs().mount(b"/b", fs, MountOptions::default()).unwrap();
    w.dir("/a/secret");
    w.file("/a/secret/key", "hidden");
    assert_eq!(refusal(w.open("/a/secret/key", "r")), "read /a/secret/key");
    assert_eq!(refusal(w.open("/b/../a/secret/key", "r")), "read /a/secret/key");
    assert!(w.open("/b/secret/key", "r").is_ok());
    // A guest has no way to make one, nor to link or rename across.
    let link = w
        .process
        .link((CWD, b"/a/secret/key"), (CWD, b"/b/free"), AtFlags::FOLLOW);
    assert_eq!(refusal(link), "read /a/secret/key");
    assert_eq!(rename(&w, "/a/secret", "/b/secret2").unwrap_err(), Errno::EXDEV);
}

#[test]
fn hard_links() {
    let w = secret();
    let link = |old: &str, new: &str| {
        w.process
            .link((CWD, old.as_bytes()), (CWD, new.as_bytes()), AtFlags::FOLLOW)
    };
    assert_eq!(refusal(link("/secret/key", "/work/key")), "read /secret/key");
    let fd = w.open("/secret/key", "p").unwrap();
    let path = format!("/proc/self/fd/{}", fd.0);
    assert_eq!(refusal(link(&path, "/work/key")), "read /secret/key");
    let by_fd = w
        .process
        .link((Dir::Fd(fd), b""), (CWD, b"/work/key"), AtFlags::EMPTY_PATH);
    assert_eq!(refusal(by_fd), "read /secret/key");
    // What may be read but not written does not become writable under another name.
    let w = World::denying(&["write", "chmod"], &["/etc/**"]);
    w.dir("/work");
    w.file("/etc/conf", "x");
    let link = w
        .process
        .link((CWD, b"/etc/conf"), (CWD, b"/work/conf"), AtFlags::FOLLOW);
    assert_eq!(refusal(link), "write /etc/conf");
    let link = w
        .process
        .link((CWD, b"/etc/conf"), (CWD, b"/etc/conf2"), AtFlags::FOLLOW);
    assert_eq!(refusal(link), "write /etc/conf2");
}

#[test]
fn a_file_goes_by_the_name_it_was_reached_by() {
    let w = World::denying(&["write"], &["/work/b"]);
    w.dir("/work");
    w.file("/work/a", "x");
    w.trusted(|vfs, cx| vfs.link(cx, None, b"/work/a", None, b"/work/b", true))
        .unwrap();
    w.trusted(|vfs, cx| vfs.link(cx, None, b"/work/a", None, b"/work/c", true))
        .unwrap();
    for name in ["/work/a", "/work/c"] {
        let fd = w.open(name, "r").unwrap();
        assert!(w.open(&format!("/dev/fd/{}", fd.0), "w").is_ok(), "{name}");
    }
    let fd = w.open("/work/b", "r").unwrap();
    assert_eq!(refusal(w.open(&format!("/dev/fd/{}", fd.0), "w")), "write /work/b");
    // The other names go; what remains is the one that counts.
    w.trusted(|vfs, cx| vfs.unlink(cx, None, b"/work/a")).unwrap();
    assert_eq!(refusal(w.open(&format!("/dev/fd/{}", fd.0), "w")), "write /work/b");
}

#[test]
fn opening_a_descriptor_once_more() {
    let w = secret();
    let fd = w.open("/secret/key", "w").unwrap();
    for path in [
        format!("/proc/self/fd/{}", fd.0),
        format!("/dev/fd/{}", fd.0),
        format!("/proc/1/fd/{}", fd.0),
    ] {
        assert_eq!(refusal(w.open(&path, "r")), "read /secret/key", "{path}");
    }
    w.process.dup_to(fd, Fd(0), false).unwrap();
    assert_eq!(refusal(w.open("/dev/stdin", "r")), "read /secret/key");
    // Also when the file has no name any more.
    w.process.unlink(CWD, b"/secret/key").unwrap();
    assert_eq!(refusal(w.open("/dev/stdin", "r")), "read /secret/key");
    // A pipe is no file.
    let (read, _write) = w.process.pipe(true, false).unwrap();
    assert!(w.open(&format!("/proc/self/fd/{}", read.0), "r").is_ok());
}

#[test]
fn a_handle_on_a_path_gives_no_right() {
    let w = World::denying(&["read", "write", "chmod", "truncate"], &["/secret/**"]);
    w.dir("/secret");
    w.file("/secret/f", "x");
    let fd = w.open("/secret/f", "p").unwrap();
    let itself = AtFlags::EMPTY_PATH;
    let mut buf = [0; 1];
    assert_eq!(ready(w.process.read(fd, &mut buf, None)).unwrap_err(), Errno::EBADF);
    assert_eq!(
        refusal(w.process.chmod(Dir::Fd(fd), b"", Mode::new(0), itself)),
        "chmod /secret/f"
    );
    let set = w
        .process
        .setxattr(Dir::Fd(fd), b"", b"user.a", b"", XattrMode::Any, itself);
    assert_eq!(refusal(set), "chmod /secret/f");
    assert_eq!(
        refusal(w.open(&format!("/proc/self/fd/{}", fd.0), "rw")),
        "read /secret/f"
    );
    // Whoever may only append may not cut.
    let w = World::denying(&["truncate"], &["/log"]);
    w.file("/log", "line\n");
    let fd = w.open("/log", "wa").unwrap();
    assert_eq!(refusal(w.process.ftruncate(fd, 0)), "truncate /log");
    assert_eq!(refusal(w.open("/log", "wt")), "truncate /log");
    assert_eq!(ready(w.process.write(fd, b"more", None)).unwrap(), 4);
}

#[test]
fn removed_directories() {
    let w = World::denying(&["stat"], &["/secret/**", "/"]);
    w.dir("/secret");
    w.dir("/secret/gone");
    w.dir("/secret/up");
    w.process.chdir(b"/secret/gone").unwrap();
    w.trusted(|vfs, cx| vfs.rmdir(cx, None, b"/secret/gone")).unwrap();
    assert_eq!(refusal(w.process.stat(CWD, b".", AtFlags::FOLLOW)), "stat /secret/gone");
    assert_eq!(refusal(w.process.stat(CWD, b"..", AtFlags::FOLLOW)), "stat /secret");
    assert_eq!(
        refusal(w.process.stat(CWD, b"../up", AtFlags::FOLLOW)),
        "stat /secret/up"
    );
    // The parent of a removed directory is looked for where it is now.
    w.trusted(|vfs, cx| vfs.rename(cx, None, b"/secret", None, b"/open", RenameFlags::Replace))
        .unwrap();
    assert!(w.process.stat(CWD, b"../up", AtFlags::FOLLOW).is_ok());
    assert_eq!(refusal(w.process.stat(CWD, b"../..", AtFlags::FOLLOW)), "stat /");
}

#[test]
fn names_that_are_not_text() {
    let w = World::denying(&["read"], &["/work/?/key", "/work/*.pem"]);
    w.dir("/work");
    let made = |path: &[u8]| {
        w.trusted(|vfs, cx| vfs.mkdir(cx, None, path, Mode::new(0o777)))
            .map(drop)
    };
    made(b"/work/\xff").unwrap();
    made(b"/work/\xe2\x82").unwrap();
    let create = |path: &[u8]| w.open_at(CWD, path, "wc");
    create(b"/work/\xff/key").unwrap();
    create(b"/work/\xe2\x82/key").unwrap();
    create(b"/work/a\nb\xff.pem").unwrap();
    assert_eq!(refusal(w.open_at(CWD, b"/work/\xff/key", "r")), "read /work/\\xff/key");
    // `?` is one byte, as everything here is bytes.
    assert!(w.open_at(CWD, b"/work/\xe2\x82/key", "r").is_ok());
    assert_eq!(
        refusal(w.open_at(CWD, b"/work/a\nb\xff.pem", "r")),
        "read /work/a\\u{a}b\\xff.pem"
    );
}

#[test]
fn unnamed_files_get_no_more_by_a_name() {
    let w = World::denying(&["read"], &["/secret/**"]);
    w.dir("/secret");
    let fd = ready(w.process.open(CWD, b"/secret", &how("wu"), None)).unwrap();
    let link = w.process.link((Dir::Fd(fd), b""), (CWD, b"/free"), AtFlags::EMPTY_PATH);
    assert_eq!(refusal(link), "read /secret/#unnamed");
    assert_eq!(
        refusal(w.open(&format!("/proc/self/fd/{}", fd.0), "r")),
        "read /secret/#unnamed"
    );
}

#[test]
fn a_tree_too_deep_for_a_path_is_not_allowed_by_any_rule() {
    let w = World::denying(&["read"], &["/**/key"]);
    let name = "n".repeat(250);
    w.process.chdir(b"/tmp").unwrap();
    let mut refused = None;
    for _ in 0..400 {
        let made = w.process.mkdir(CWD, name.as_bytes(), Mode::new(0o777));
        if let Err(error) = made.and_then(|()| w.process.chdir(name.as_bytes())) {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused.unwrap(), Errno::ENAMETOOLONG);
}

#[test]
fn the_root_that_programs_find_open_gives_no_right() {
    let w = World::under(
        &json!({ "fs": { "rules": [{ "mode": "allow", "operations": ["read"], "paths": ["/tmp/**"] }] } }),
    );
    w.file("/tmp/f", "x");
    let root = w.process.open_root(true).unwrap();
    assert!(w.open_at(Dir::Fd(root), b"tmp/f", "r").is_ok());
    assert_eq!(refusal(w.open_at(Dir::Fd(root), b"tmp/../etc", "rd")), "readdir /etc");
    let listed = w
        .process
        .readdir(root, 0, &mut |_| core::ops::ControlFlow::Continue(()));
    assert_eq!(listed.unwrap_err(), Errno::EBADF);
    assert!(World::under(&json!("default")).process.open_root(true).is_ok());
}
