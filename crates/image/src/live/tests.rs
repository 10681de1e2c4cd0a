use super::host::view;
use super::*;
use agentos_kernel::vfs::NAME_MAX;
use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

struct Bench {
    dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        bench.mode("", 0o755);
        bench
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn mkdir(&self, path: &str) {
        std::fs::create_dir_all(self.path(path)).unwrap();
    }

    fn mode(&self, path: &str, mode: u32) {
        std::fs::set_permissions(self.path(path), Permissions::from_mode(mode)).unwrap();
    }

    fn file(&self, path: &str, text: &str, mode: u32) {
        self.mkdir(Path::new(path).parent().unwrap().to_str().unwrap());
        std::fs::write(self.path(path), text).unwrap();
        self.mode(path, mode);
    }

    fn open(&self) -> OwnedFd {
        File::open(self.dir.path()).unwrap().into()
    }

    /// Shown by one that looks at everything each time.
    fn directory(&self) -> LiveFs {
        LiveFs::believing(Rules::default(), Nodes::new(Top::real(self.open())), Duration::ZERO)
    }

    fn host(&self) -> Arc<LiveFs> {
        view(&self.open()).unwrap()
    }
}

fn find(fs: &LiveFs, path: &str) -> Result<Attr> {
    let names = path.split('/').filter(|name| !name.is_empty());
    let mut at = fs.getattr(fs.root())?;
    for name in names {
        at = fs.lookup(at.ino, name.as_bytes())?;
    }
    Ok(at)
}

fn names(fs: &LiveFs, path: &str) -> Vec<String> {
    let dir = find(fs, path).unwrap();
    let (mut names, mut position) = (Vec::new(), 0);
    loop {
        // One at a time, as the worst of callers.
        let before = position;
        fs.readdir(dir.ino, position, &mut |entry| {
            names.push(String::from_utf8_lossy(entry.name).into_owned());
            position = entry.next;
            ControlFlow::Break(())
        })
        .unwrap();
        if position == before {
            return names;
        }
    }
}

fn text(fs: &LiveFs, path: &str) -> Result<String> {
    let mut buf = [0; 64];
    let count = fs.read(find(fs, path)?.ino, 0, &mut buf)?;
    Ok(String::from_utf8_lossy(&buf[..count]).into_owned())
}

#[test]
fn a_directory_is_shown_as_it_is() {
    let bench = Bench::new();
    bench.file("b/deep/file", "text", 0o640);
    bench.file("a", "", 0o6755);
    symlink("../../../etc/passwd", bench.path("b/link")).unwrap();
    std::fs::hard_link(bench.path("b/deep/file"), bench.path("b/same")).unwrap();
    let fs = bench.directory();
    assert_eq!(names(&fs, ""), ["a", "b"]);
    assert_eq!(names(&fs, "b"), ["deep", "link", "same"]);
    assert_eq!(text(&fs, "b/deep/file").unwrap(), "text");
    let file = find(&fs, "b/deep/file").unwrap();
    assert_eq!((file.uid, file.mode.bits(), file.nlink), (Uid::ROOT, 0o640, 2));
    assert_eq!(find(&fs, "b/same").unwrap().ino, file.ino);
    assert_eq!(find(&fs, "a").unwrap().mode.bits(), 0o755);
    let link = find(&fs, "b/link").unwrap();
    assert_eq!(fs.readlink(link.ino).unwrap(), b"../../../etc/passwd");
    assert_eq!(fs.read(link.ino, 0, &mut [0; 8]).unwrap_err().errno(), Errno::EINVAL);
    assert_eq!(find(&fs, "b/link/x").unwrap_err().errno(), Errno::ENOTDIR);
    let deep = find(&fs, "b/deep").unwrap();
    assert_eq!(fs.parent(deep.ino).unwrap(), find(&fs, "b").unwrap().ino);
    assert_eq!(fs.name_of(deep.ino).unwrap().1, b"deep");
    assert_eq!(fs.mkdir(fs.root(), b"x", &node()).unwrap_err().errno(), Errno::EROFS);
}

fn node() -> NewNode {
    NewNode {
        kind: FileType::Directory,
        mode: Mode::new(0o755),
        uid: Uid::ROOT,
        gid: Gid::ROOT,
        rdev: 0,
    }
}

#[test]
fn sockets_and_fifos_are_not_there() {
    let bench = Bench::new();
    bench.file("file", "", 0o644);
    let _socket = UnixListener::bind(bench.path("socket")).unwrap();
    fs::mkfifoat(fs::CWD, bench.path("fifo"), fs::Mode::from_raw_mode(0o666)).unwrap();
    let fs = bench.directory();
    assert_eq!(names(&fs, ""), ["file"]);
    for name in ["socket", "fifo"] {
        assert_eq!(find(&fs, name).unwrap_err().errno(), Errno::ENOENT);
    }
}

#[test]
fn a_descriptor_is_read_only_and_has_its_own_position() {
    let bench = Bench::new();
    bench.file("file", "content", 0o644);
    let fs = bench.directory();
    let ino = find(&fs, "file").unwrap().ino;
    for _ in 0..2 {
        let mut file = File::from(fs.host_file(ino).unwrap().unwrap());
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "content");
        assert!(file.write_all(b"x").is_err());
    }
    assert_eq!(fs.host_file(fs.root()).unwrap().map(drop), None);
}

#[test]
fn another_file_of_the_same_name_is_never_read_for_the_old_one() {
    let bench = Bench::new();
    bench.file("dir/file", "old", 0o644);
    bench.file("new", "new", 0o644);
    let fs = bench.directory();
    let old = find(&fs, "dir/file").unwrap();
    std::fs::rename(bench.path("new"), bench.path("dir/file")).unwrap();
    assert_eq!(fs.getattr(old.ino).unwrap_err().errno(), Errno::ESTALE);
    assert_eq!(fs.host_file(old.ino).unwrap_err().errno(), Errno::ESTALE);
    assert_eq!(text(&fs, "dir/file").unwrap(), "new");
}

#[test]
fn a_directory_that_leaves_is_not_followed() {
    let (bench, outside) = (Bench::new(), Bench::new());
    bench.file("dir/inner/file", "inside", 0o644);
    outside.file("secret", "secret", 0o644);
    let fs = bench.directory();
    let inner = find(&fs, "dir/inner").unwrap();
    std::fs::rename(bench.path("dir"), outside.path("dir")).unwrap();
    symlink(outside.dir.path(), bench.path("dir")).unwrap();
    assert_eq!(find(&fs, "dir/secret").unwrap_err().errno(), Errno::ENOTDIR);
    // `..` is what it was, and not the host's.
    assert_eq!(fs.name_of(inner.ino).unwrap().1, b"inner");
    assert!(fs.parent(inner.ino).is_ok());
    assert!(find(&fs, "dir").is_ok_and(|attr| attr.kind == FileType::Symlink));
}

#[test]
fn a_directory_that_is_replaced_is_seen_soon_and_files_at_once() {
    let bench = Bench::new();
    bench.file("dir/file", "old", 0o644);
    bench.file("new/file", "new", 0o644);
    let fs = LiveFs::directory(bench.open());
    assert_eq!(text(&fs, "dir/file").unwrap(), "old");
    bench.file("dir/later", "later", 0o644);
    assert_eq!(text(&fs, "dir/later").unwrap(), "later");
    std::fs::remove_file(bench.path("dir/file")).unwrap();
    assert_eq!(find(&fs, "dir/file").unwrap_err().errno(), Errno::ENOENT);
    std::fs::rename(bench.path("dir"), bench.path("old")).unwrap();
    std::fs::rename(bench.path("new"), bench.path("dir")).unwrap();
    let start = Instant::now();
    while find(&fs, "dir/file").is_err() {
        assert!(start.elapsed() < Duration::from_secs(10));
    }
    assert_eq!(text(&fs, "dir/file").unwrap(), "new");
}

#[test]
fn what_is_gone_ends_what_is_believed() {
    let bench = Bench::new();
    bench.file("dir/file", "old", 0o644);
    bench.file("new/file", "new", 0o644);
    // It would believe for ever.
    let fs = LiveFs::believing(Rules::default(), Nodes::new(Top::real(bench.open())), Duration::MAX);
    let file = find(&fs, "dir/file").unwrap();
    std::fs::remove_file(bench.path("dir/file")).unwrap();
    std::fs::rename(bench.path("dir"), bench.path("old")).unwrap();
    std::fs::rename(bench.path("new"), bench.path("dir")).unwrap();
    assert_eq!(find(&fs, "dir/file").unwrap_err().errno(), Errno::ENOENT);
    assert_eq!(fs.getattr(file.ino).unwrap_err().errno(), Errno::ESTALE);
    assert_eq!(text(&fs, "dir/file").unwrap(), "new");
}

#[test]
fn deep_trees_and_long_names_work() {
    let bench = Bench::new();
    let name = "n".repeat(NAME_MAX);
    let mut at = bench.open();
    for _ in 0..40 {
        fs::mkdirat(&at, &*name, fs::Mode::from_raw_mode(0o755)).unwrap();
        at = fs::openat(&at, &*name, fs::OFlags::DIRECTORY, fs::Mode::empty()).unwrap();
    }
    fs::symlinkat("end", &at, "link").unwrap();
    let live = bench.directory();
    let path = vec![name.as_str(); 40].join("/");
    let dir = find(&live, &path).unwrap();
    // More directories than are kept open.
    bench.mkdir("many");
    for index in 0..2 * DIRS_KEPT {
        bench.file(&format!("many/{index}/x"), "", 0o644);
        assert_eq!(names(&live, &format!("many/{index}")), ["x"]);
    }
    let link = live.lookup(dir.ino, b"link").unwrap();
    assert_eq!(live.readlink(link.ino).unwrap(), b"end");
}

fn host() -> Bench {
    let bench = Bench::new();
    bench.file("usr/bin/tool", "tool", 0o755);
    bench.file("usr/lib/libc.so", "libc", 0o644);
    symlink("usr/bin", bench.path("bin")).unwrap();
    bench.file("lib64/ld.so", "ld", 0o755);
    bench.file("usr/share/secret", "secret", 0o640);
    bench.file("usr/private/file", "secret", 0o644);
    bench.mode("usr/private", 0o750);
    bench.file("etc/ssl/certs/ca.crt", "certificate", 0o644);
    bench.file("etc/ssl/private/key.pem", "secret", 0o644);
    bench.file("etc/ssl/openssl.cnf", "configuration", 0o644);
    bench.file("etc/shadow", "secret", 0o644);
    bench.file("etc/passwd", "secret", 0o644);
    bench.file("etc/hostname", "secret", 0o644);
    bench.file("etc/ld.so.cache", "cache", 0o644);
    bench.file("etc/python3.11/sitecustomize.py", "pass", 0o644);
    symlink("/usr/share/zoneinfo/UTC", bench.path("etc/localtime")).unwrap();
    for dir in [
        "home/user",
        "root",
        "proc",
        "sys",
        "run",
        "var/lib",
        "tmp",
        "dev",
        "boot",
        "srv",
        "opt",
        "mnt",
    ] {
        bench.file(&format!("{dir}/file"), "secret", 0o644);
    }
    bench
}

#[test]
fn the_host_shows_programs_and_nothing_private() {
    let bench = host();
    let fs = bench.host();
    assert_eq!(names(&fs, ""), ["bin", "etc", "lib64", "usr"]);
    assert_eq!(names(&fs, "etc"), ["ld.so.cache", "localtime", "python3.11", "ssl"]);
    assert_eq!(names(&fs, "etc/ssl"), ["certs", "openssl.cnf"]);
    assert_eq!(names(&fs, "usr"), ["bin", "lib", "share"]);
    assert_eq!(fs.readlink(find(&fs, "bin").unwrap().ino).unwrap(), b"usr/bin");
    assert_eq!(text(&fs, "usr/bin/tool").unwrap(), "tool");
    assert_eq!(text(&fs, "etc/ssl/certs/ca.crt").unwrap(), "certificate");
    assert_eq!(text(&fs, "etc/python3.11/sitecustomize.py").unwrap(), "pass");
    let hidden = [
        "home",
        "root",
        "proc",
        "run",
        "var",
        "tmp",
        "dev",
        "opt",
        "etc/shadow",
        "etc/passwd",
        "etc/hostname",
        "etc/ssl/private",
        "usr/share/secret",
        "usr/private",
    ];
    for path in hidden {
        assert_eq!(find(&fs, path).unwrap_err().errno(), Errno::ENOENT, "{path}");
    }
    let etc = find(&fs, "etc").unwrap();
    assert_eq!(fs.parent(find(&fs, "etc/ssl").unwrap().ino).unwrap(), etc.ino);
    assert_eq!(fs.name_of(find(&fs, "etc/ssl/certs").unwrap().ino).unwrap().1, b"certs");
}

#[test]
fn what_becomes_private_is_gone() {
    let bench = host();
    let fs = bench.host();
    let tool = find(&fs, "usr/bin/tool").unwrap();
    bench.mode("usr/bin/tool", 0o700);
    assert_eq!(fs.getattr(tool.ino).unwrap_err().errno(), Errno::ESTALE);
    assert!(fs.host_file(tool.ino).is_err());
    assert_eq!(find(&fs, "usr/bin/tool").unwrap_err().errno(), Errno::ENOENT);
}

#[test]
fn a_host_that_lacks_most_of_it_is_shown_as_well() {
    let fs = Bench::new().host();
    assert!(names(&fs, "").is_empty());
}

#[test]
fn this_host_has_programs() {
    let root: OwnedFd = File::open("/").unwrap().into();
    let fs = view(&root).unwrap();
    assert!(!names(&fs, "usr").is_empty());
    assert_eq!(find(&fs, "etc/shadow").unwrap_err().errno(), Errno::ENOENT);
    assert_eq!(find(&fs, "root").unwrap_err().errno(), Errno::ENOENT);
}
