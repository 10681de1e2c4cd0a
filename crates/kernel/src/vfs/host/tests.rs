//! What a guest sees of a host directory, and what it cannot reach.

use super::*;
use crate::cred::Credentials;
use crate::vfs::{FileType, FsContext, InodeHandle, Mode, MountOptions, OpenOptions, Opened, SetTime, Vfs};
use crate::vfs::{FsQuota, MemoryFs};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

struct Clock;

impl crate::clock::Clock for Clock {
    fn now(&self) -> Timestamp {
        Timestamp(1)
    }

    fn instant(&self) -> crate::clock::Instant {
        crate::clock::Instant(0)
    }

    fn wake_at(&self, _: crate::clock::Instant, _: &core::task::Waker) {}
}

/// A VM whose `/mnt` is a directory `inside` of the host, next to a file `secret`.
struct Bench {
    host: tempfile::TempDir,
    vfs: Vfs,
    cred: Credentials,
}

impl Bench {
    fn new(read_only: bool) -> Self {
        let host = tempfile::tempdir().unwrap();
        std::fs::create_dir(host.path().join("inside")).unwrap();
        std::fs::write(host.path().join("secret"), "secret").unwrap();
        let counter = || crate::limits::Counter::new("limits.x", "x", u64::MAX, Errno::ENOSPC);
        let quota = Arc::new(FsQuota {
            bytes: counter(),
            inodes: counter(),
        });
        let vfs = Vfs::new(MemoryFs::new(Arc::new(Clock), quota));
        let bench = Self {
            host,
            vfs,
            cred: Credentials::root(),
        };
        bench.with(|vfs, cx| vfs.mkdir(cx, None, b"/mnt", Mode::new(0o755)).unwrap());
        let fs = HostDirFs::open(bench.path(""), read_only).unwrap();
        bench.vfs.mount(b"/mnt", fs, MountOptions::default()).unwrap();
        bench
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.host.path().join("inside").join(name)
    }

    fn with<T>(&self, work: impl FnOnce(&Vfs, &FsContext<'_>) -> T) -> T {
        let root = self.vfs.root();
        work(&self.vfs, &FsContext::new(&self.cred, &root))
    }

    fn open(&self, path: &str, options: OpenOptions) -> Result<InodeHandle> {
        match self.with(|vfs, cx| vfs.open(cx, None, path.as_bytes(), options))? {
            Opened::Inode(handle) => Ok(handle),
            other => panic!("{other:?}"),
        }
    }

    fn read(&self, path: &str) -> Result<Vec<u8>> {
        self.open(path, read())?.read_all(1 << 20).map(|bytes| bytes.to_vec())
    }

    fn list(&self, path: &str) -> Vec<String> {
        let mut names = Vec::new();
        let dir = self.open(path, read()).unwrap();
        dir.readdir(0, &mut |entry| {
            names.push(String::from_utf8(entry.name.to_vec()).unwrap());
            ControlFlow::Continue(())
        })
        .unwrap();
        names.sort();
        names
    }
}

fn read() -> OpenOptions {
    OpenOptions {
        read: true,
        ..OpenOptions::default()
    }
}

fn create() -> OpenOptions {
    OpenOptions {
        read: true,
        write: true,
        create: true,
        mode: Mode::new(0o666),
        ..OpenOptions::default()
    }
}

#[test]
fn files_pass_through_in_both_directions() {
    let bench = Bench::new(false);
    let file = bench.open("/mnt/a", create()).unwrap();
    file.write_at(&bench.cred, 0, b"hello").unwrap();
    file.append(&bench.cred, b" world").unwrap();
    assert_eq!(std::fs::read(bench.path("a")).unwrap(), b"hello world");
    std::fs::write(bench.path("a"), "from the host").unwrap();
    assert_eq!(bench.read("/mnt/a").unwrap(), b"from the host");
    file.truncate(&bench.cred, 4).unwrap();
    assert_eq!(std::fs::read(bench.path("a")).unwrap(), b"from");
    bench.with(|vfs, cx| {
        vfs.mkdir(cx, None, b"/mnt/d", Mode::new(0o777)).unwrap();
        vfs.rename(cx, None, b"/mnt/a", None, b"/mnt/d/b", RenameFlags::Replace)
            .unwrap();
        vfs.link(cx, None, b"/mnt/d/b", None, b"/mnt/c", false).unwrap();
        vfs.symlink(cx, b"d/b", None, b"/mnt/l").unwrap();
        vfs.chmod(cx, None, b"/mnt/c", Mode::new(0o4640), true).unwrap();
        let time = SetTime::At(Timestamp(1_000_000_001));
        vfs.set_times(cx, None, b"/mnt/c", time, time, true).unwrap();
        let stat = vfs.attr(cx, None, b"/mnt/l", true).unwrap();
        assert_eq!((stat.nlink, stat.mode.bits(), stat.mtime.0), (2, 0o640, 1_000_000_001));
        assert_eq!(vfs.unlink(cx, None, b"/mnt/d").unwrap_err(), Errno::EISDIR);
        assert_eq!(vfs.rmdir(cx, None, b"/mnt/d").unwrap_err(), Errno::ENOTEMPTY);
        assert_eq!(vfs.realpath(cx, None, b"/mnt/l").unwrap(), b"/mnt/d/b");
    });
    assert_eq!(std::fs::metadata(bench.path("c")).unwrap().mode() & 0o7777, 0o640);
    assert_eq!(bench.list("/mnt"), [".", "..", "c", "d", "l"]);
    assert_eq!(bench.read("/mnt/l").unwrap(), b"from");
}

#[test]
fn an_open_file_outlives_its_name_and_renames() {
    let bench = Bench::new(false);
    let file = bench.open("/mnt/a", create()).unwrap();
    file.write_at(&bench.cred, 0, b"kept").unwrap();
    let ino = file.getattr().unwrap().ino;
    std::fs::rename(bench.path("a"), bench.path("b")).unwrap();
    assert_eq!(
        bench.with(|vfs, cx| vfs.attr(cx, None, b"/mnt/b", true)).unwrap().ino,
        ino
    );
    bench.with(|vfs, cx| vfs.unlink(cx, None, b"/mnt/b")).unwrap();
    assert_eq!(file.getattr().unwrap().nlink, 0);
    assert_eq!(file.read_all(100).unwrap(), "kept");
    let held = bench.open("/mnt/c", create()).unwrap();
    std::fs::remove_file(bench.path("c")).unwrap();
    held.write_at(&bench.cred, 0, b"x").unwrap();
    assert_eq!(held.read_all(100).unwrap(), "x");
}

#[test]
fn a_read_only_mount_changes_nothing() {
    let bench = Bench::new(true);
    std::fs::write(bench.path("a"), "a").unwrap();
    assert_eq!(bench.open("/mnt/b", create()).unwrap_err(), Errno::EROFS);
    assert_eq!(bench.open("/mnt/a", create()).unwrap_err(), Errno::EROFS);
    let fs = HostDirFs::open(bench.path(""), true).unwrap();
    let ino = fs.lookup(fs.root(), b"a").unwrap().ino;
    let node = NewNode {
        kind: FileType::Regular,
        mode: Mode::new(0o644),
        uid: crate::id::Uid::USER,
        gid: crate::id::Gid::USER,
        rdev: 0,
    };
    let refused = [
        fs.create(fs.root(), b"x", &node).map(drop),
        fs.mkdir(fs.root(), b"x", &node).map(drop),
        fs.symlink(fs.root(), b"x", b"y", &node).map(drop),
        fs.link(ino, fs.root(), b"x").map(drop),
        fs.unlink(fs.root(), b"a"),
        fs.rmdir(fs.root(), b"a"),
        fs.rename(fs.root(), b"a", fs.root(), b"b", RenameFlags::Replace),
        fs.write(ino, 0, b"x").map(drop),
        fs.append(ino, b"x").map(drop),
        fs.setattr(
            ino,
            &SetAttr {
                size: Some(0),
                ..SetAttr::default()
            },
        )
        .map(drop),
        fs.allocate(ino, 0, 1, false, false),
        fs.setxattr(ino, b"user.a", b"", XattrMode::Any),
        fs.removexattr(ino, b"user.a"),
    ];
    for (index, result) in refused.into_iter().enumerate() {
        assert_eq!(result.unwrap_err(), Errno::EROFS, "{index}");
    }
    assert_eq!(bench.read("/mnt/a").unwrap(), b"a");
}

#[test]
fn links_and_dots_do_not_lead_out() {
    let bench = Bench::new(false);
    for (name, target) in [
        ("up", "../secret"),
        ("root", "/"),
        ("etc", "/etc/passwd"),
        ("far", "../../../../../../etc"),
    ] {
        symlink(target, bench.path(name)).unwrap();
    }
    symlink("/proc/self/root", bench.path("magic")).unwrap();
    symlink("up", bench.path("chain")).unwrap();
    let stat = |path: &str| bench.with(|vfs, cx| vfs.stat(cx, None, path.as_bytes(), true));
    for path in [
        "/mnt/up",
        "/mnt/root",
        "/mnt/etc",
        "/mnt/far",
        "/mnt/magic/etc",
        "/mnt/chain",
    ] {
        let errno = stat(path).unwrap_err().errno();
        assert!(matches!(errno, Errno::EACCES | Errno::ENOENT), "{path}: {errno}");
    }
    // `..` of the mount is the guest's own tree.
    assert!(bench.list("/mnt/..").contains(&"mnt".to_owned()));
    assert_eq!(bench.read("/mnt/../secret").unwrap_err(), Errno::ENOENT);
    assert_eq!(bench.read("/mnt/../../secret").unwrap_err(), Errno::ENOENT);
    bench.with(|vfs, cx| {
        assert_eq!(vfs.readlink(cx, None, b"/mnt/up").unwrap(), b"../secret");
        // Writing through a link that leads out creates nothing there.
        assert!(vfs.open(cx, None, b"/mnt/up", create()).is_err());
        assert!(vfs.truncate(cx, None, b"/mnt/up", 0).is_err());
        assert!(vfs.chmod(cx, None, b"/mnt/up", Mode::new(0), true).is_err());
    });
    assert_eq!(std::fs::read(bench.host.path().join("secret")).unwrap(), b"secret");
}

#[test]
fn a_name_that_becomes_a_link_is_not_followed() {
    let bench = Bench::new(false);
    std::fs::create_dir(bench.path("d")).unwrap();
    std::fs::write(bench.path("d/f"), "inside").unwrap();
    let outside = bench.host.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("f"), "outside").unwrap();
    let fs = HostDirFs::open(bench.path(""), false).unwrap();
    let dir = fs.lookup(fs.root(), b"d").unwrap().ino;
    let file = fs.lookup(dir, b"f").unwrap().ino;
    // Between a lookup and the use of its result, the host replaces the directory by a link.
    std::fs::rename(bench.path("d"), bench.path("e")).unwrap();
    symlink(&outside, bench.path("d")).unwrap();
    let fresh = HostDirFs::open(bench.path(""), false).unwrap();
    let link = fresh.lookup(fresh.root(), b"d").unwrap();
    assert_eq!(link.kind, FileType::Symlink);
    assert_eq!(fresh.lookup(link.ino, b"f").unwrap_err(), Errno::ENOTDIR);
    let mut buf = [0; 16];
    let count = fs.read(file, 0, &mut buf).unwrap_or(0);
    assert!(buf[..count].is_empty() || buf[..count] == *b"inside");
    assert!(
        fs.create(
            dir,
            b"new",
            &NewNode {
                kind: FileType::Regular,
                mode: Mode::new(0o644),
                uid: crate::id::Uid::USER,
                gid: crate::id::Gid::USER,
                rdev: 0,
            }
        )
        .is_ok_and(|_| bench.path("e/new").exists())
            || !outside.join("new").exists()
    );
    assert!(!outside.join("new").exists());
}

#[test]
fn a_directory_moved_out_does_not_lead_out() {
    let bench = Bench::new(false);
    std::fs::create_dir_all(bench.path("d/deep")).unwrap();
    std::fs::write(bench.path("d/deep/f"), "was inside").unwrap();
    let held = bench
        .with(|vfs, cx| vfs.resolve(cx, None, b"/mnt/d/deep", true))
        .unwrap();
    std::fs::rename(bench.path("d"), bench.host.path().join("moved")).unwrap();
    // By path it is gone; from a held directory, `..` ends where the guest thinks it is, and not beside the secret.
    assert_eq!(bench.read("/mnt/d/deep/f").unwrap_err(), Errno::ENOENT);
    bench.with(|vfs, cx| {
        for path in [&b"../../secret"[..], b"../../../secret", b"../../moved"] {
            assert_eq!(vfs.stat(cx, Some(&held), path, true).unwrap_err(), Errno::ENOENT);
        }
        let up = vfs.resolve(cx, Some(&held), b"../..", true).unwrap();
        assert!(up.same(&vfs.resolve(cx, None, b"/mnt", true).unwrap()));
    });
}

/// Says so when it goes.
struct Done<'a>(&'a std::sync::atomic::AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

#[test]
fn racing_swaps_never_lead_out() {
    let bench = Bench::new(false);
    std::fs::create_dir(bench.path("d")).unwrap();
    std::fs::write(bench.path("d/f"), "inside").unwrap();
    let outside = bench.host.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("f"), "outside").unwrap();
    symlink(&outside, bench.path("link")).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let (d, link) = (bench.path("d"), bench.path("link"));
    std::thread::scope(|scope| {
        // The host exchanges the directory and a link that leads out, as fast as it can.
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                fs::renameat_with(fs::CWD, &d, fs::CWD, &link, fs::RenameFlags::EXCHANGE).unwrap();
            }
        });
        // The other thread ends with this one, also if a check fails.
        let _done = Done(&done);
        let mut seen = 0;
        for round in 0..20_000 {
            match bench.read("/mnt/d/f") {
                Ok(content) => {
                    assert_eq!(content, b"inside");
                    seen += 1;
                }
                Err(error) => assert!(
                    matches!(
                        error.errno(),
                        Errno::EACCES | Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP
                    ),
                    "{error}"
                ),
            }
            if let Ok(file) = bench.open("/mnt/d/f", create()) {
                file.write_at(&bench.cred, 0, b"inside").unwrap();
            }
            let _ =
                bench.with(|vfs, cx| vfs.mkdir(cx, None, format!("/mnt/d/new{round}").as_bytes(), Mode::new(0o755)));
            if seen > 200 && round > 2000 {
                break;
            }
        }
    });
    assert_eq!(std::fs::read(outside.join("f")).unwrap(), b"outside");
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn special_files_are_shown_and_never_opened() {
    let bench = Bench::new(false);
    fs::mknodat(
        fs::CWD,
        bench.path("fifo"),
        fs::FileType::Fifo,
        fs::Mode::from_raw_mode(0o666),
        0,
    )
    .unwrap();
    let socket = std::os::unix::net::UnixListener::bind(bench.path("socket")).unwrap();
    for (name, kind) in [("fifo", FileType::Fifo), ("socket", FileType::Socket)] {
        let path = format!("/mnt/{name}");
        let attr = bench.with(|vfs, cx| vfs.attr(cx, None, path.as_bytes(), true)).unwrap();
        assert_eq!(attr.kind, kind);
        assert_eq!(bench.open(&path, read()).unwrap_err(), Errno::EACCES);
    }
    drop(socket);
    bench.with(|vfs, cx| {
        let made = vfs.mknod(cx, None, b"/mnt/new", FileType::Fifo, Mode::new(0o666), 0);
        assert_eq!(made.unwrap_err(), Errno::EPERM);
        let bound = vfs.mknod(cx, None, b"/mnt/new", FileType::Socket, Mode::new(0o777), 0);
        assert_eq!(bound.unwrap_err(), Errno::EOPNOTSUPP);
        let set_id = std::fs::Permissions::from_mode(0o6755);
        std::fs::write(bench.path("tool"), "").unwrap();
        std::fs::set_permissions(bench.path("tool"), set_id).unwrap();
        let attr = vfs.attr(cx, None, b"/mnt/tool", true).unwrap();
        assert_eq!((attr.mode.bits(), attr.uid), (0o755, crate::id::Uid::USER));
        let chown = vfs.chown(cx, None, b"/mnt/tool", Some(crate::id::Uid::ROOT), None, true);
        assert_eq!(chown.unwrap_err(), Errno::EPERM);
    });
}

#[test]
fn wide_and_deep_trees_stay_within_bounds() {
    let bench = Bench::new(false);
    for index in 0..300 {
        std::fs::create_dir(bench.path(&format!("d{index:03}"))).unwrap();
        std::fs::write(bench.path(&format!("d{index:03}/f")), format!("{index}")).unwrap();
    }
    let open_fds = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open_fds();
    for index in (0..300).chain(0..300) {
        assert_eq!(
            bench.read(&format!("/mnt/d{index:03}/f")).unwrap(),
            format!("{index}").as_bytes()
        );
    }
    // Other tests of this process have files open as well.
    assert!(open_fds() < before + 200);
    assert_eq!(bench.list("/mnt").len(), 302);
    let mut path = "/mnt".to_owned();
    let mut location = bench.with(|vfs, cx| vfs.resolve(cx, None, b"/mnt", true)).unwrap();
    for _ in 0..200 {
        bench.with(|vfs, cx| {
            vfs.mkdir(cx, Some(&location), b"nested-directory", Mode::new(0o755))
                .unwrap();
            location = vfs.resolve(cx, Some(&location), b"nested-directory", true).unwrap();
        });
        path.push_str("/nested-directory");
    }
    let back = "../".repeat(200);
    let up = bench
        .with(|vfs, cx| vfs.resolve(cx, Some(&location), back.as_bytes(), true))
        .unwrap();
    assert_eq!(up.ino(), bench.vfs.mounts()[1].filesystem.root());
    assert_eq!(
        bench.with(|vfs, cx| vfs.path_of(cx, &location)).unwrap(),
        path.as_bytes()
    );
}

#[test]
fn user_attributes_pass_through() {
    let bench = Bench::new(false);
    std::fs::write(bench.path("a"), "").unwrap();
    bench.with(|vfs, cx| {
        let set = vfs.setxattr(cx, None, b"/mnt/a", b"user.key", b"value", XattrMode::Create, true);
        match set.map_err(|error| error.errno()) {
            // Not every host filesystem keeps them.
            Err(Errno::EOPNOTSUPP) => return,
            set => set.unwrap(),
        }
        assert_eq!(vfs.getxattr(cx, None, b"/mnt/a", b"user.key", true).unwrap(), b"value");
        assert_eq!(
            vfs.listxattr(cx, None, b"/mnt/a", true).unwrap(),
            [b"user.key".to_vec()]
        );
        let again = vfs.setxattr(cx, None, b"/mnt/a", b"user.key", b"value", XattrMode::Create, true);
        assert_eq!(again.unwrap_err(), Errno::EEXIST);
        let trusted = vfs.getxattr(cx, None, b"/mnt/a", b"trusted.key", true);
        assert_eq!(trusted.unwrap_err(), Errno::EOPNOTSUPP);
        vfs.removexattr(cx, None, b"/mnt/a", b"user.key", true).unwrap();
    });
}
