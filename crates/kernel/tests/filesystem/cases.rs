//! Promises that every filesystem of a VM keeps that stores files itself: quotas, holes, lives of inodes, names.
//!
//! Each function is a test of a filesystem that `make` makes over a quota; `cases!` makes tests of all of them.

use agentos_kernel::Errno;
use agentos_kernel::id::{Ino, Uid};
use agentos_kernel::limits::Counter;
use agentos_kernel::vfs::{FileType, Filesystem, FsQuota, Mode, NewNode, RenameFlags, SeekTarget, SetAttr, XattrMode};
use core::ops::ControlFlow;
use std::sync::Arc;

/// Makes an empty filesystem.
pub(crate) type Make = dyn Fn(Arc<FsQuota>) -> Arc<dyn Filesystem>;

/// Makes a test of each case, with filesystems that the given expression makes of a quota.
macro_rules! cases {
    ($make:expr; $($case:ident)*) => {
        $(#[test]
        fn $case() {
            cases::$case(&$make);
        })*
    };
}
pub(crate) use cases;

pub(crate) fn quota(bytes: u64, inodes: u64) -> Arc<FsQuota> {
    Arc::new(FsQuota {
        bytes: Counter::new("limits.resources.maxFilesystemBytes", "bytes", bytes, Errno::ENOSPC),
        inodes: Counter::new("limits.resources.maxInodeCount", "inodes", inodes, Errno::ENOSPC),
    })
}

pub(crate) fn node(kind: FileType) -> NewNode {
    NewNode {
        kind,
        mode: Mode::new(0o755),
        uid: Uid::USER,
        gid: agentos_kernel::id::Gid::USER,
        rdev: 0,
    }
}

pub(crate) fn file(fs: &dyn Filesystem, name: &str) -> Ino {
    fs.create(fs.root(), name.as_bytes(), &node(FileType::Regular))
        .unwrap()
        .ino
}

pub(crate) fn names(fs: &dyn Filesystem, dir: Ino) -> Vec<String> {
    let mut names = Vec::new();
    fs.readdir(dir, 0, &mut |entry| {
        names.push(String::from_utf8(entry.name.to_vec()).unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    names
}

pub(crate) fn content(fs: &dyn Filesystem, ino: Ino) -> Vec<u8> {
    let mut bytes = vec![0xff; fs.getattr(ino).unwrap().size as usize + 1];
    let count = fs.read(ino, 0, &mut bytes).unwrap();
    bytes.truncate(count);
    bytes
}

pub(crate) fn writes_store_what_fits(make: &Make) {
    let own = quota(256 + 1 + 5000, 100);
    let fs = make(own.clone());
    let ino = file(&*fs, "a");
    assert_eq!(fs.write(ino, 0, &[1; 8000]).unwrap(), 5000);
    let refused = fs.write(ino, 5000, b"x").unwrap_err();
    assert_eq!(refused.limit().unwrap().limit, "maxFilesystemBytes");
    assert_eq!(fs.getattr(ino).unwrap().size, 5000);
    assert_eq!(fs.write(ino, 0, &[2; 5000]).unwrap(), 5000, "overwriting costs nothing");
    fs.setattr(
        ino,
        &SetAttr {
            size: Some(0),
            ..SetAttr::default()
        },
    )
    .unwrap();
    assert_eq!(own.bytes.used(), 257);
}

pub(crate) fn everything_that_grows_is_charged(make: &Make) {
    let own = quota(4096, 100);
    let fs = make(own.clone());
    let root = fs.root();
    let long = [b'n'; 255];
    let ino = file(&*fs, "f");
    let used = own.bytes.used();
    fs.link(ino, root, &long).unwrap();
    assert_eq!(own.bytes.used(), used + 128 + 255);
    fs.rename(root, &long, root, b"l", RenameFlags::Replace).unwrap();
    assert_eq!(own.bytes.used(), used + 128 + 1);
    fs.symlink(root, b"s", &[b't'; 1000], &node(FileType::Symlink)).unwrap();
    assert_eq!(own.bytes.used(), used + 129 + 257 + 1000);
    fs.setxattr(ino, b"user.a", &[0; 500], XattrMode::Any).unwrap();
    fs.setxattr(ino, b"user.a", &[0; 100], XattrMode::Any).unwrap();
    assert_eq!(own.bytes.used(), used + 129 + 1257 + 64 + 106);
    assert_eq!(
        fs.setxattr(ino, b"user.b", &[0; 4000], XattrMode::Any).unwrap_err(),
        Errno::ENOSPC
    );
    assert_eq!(
        fs.symlink(root, b"t", &[b't'; 4000], &node(FileType::Symlink))
            .unwrap_err(),
        Errno::ENOSPC
    );
    assert_eq!(fs.allocate(ino, 0, 1 << 30, true, false).unwrap_err(), Errno::ENOSPC);
    for name in ["f", "l", "s"] {
        fs.unlink(root, name.as_bytes()).unwrap();
    }
    assert_eq!((own.bytes.used(), own.inodes.used()), (0, 0));
}

pub(crate) fn the_inode_count_is_bounded(make: &Make) {
    let own = quota(1 << 20, 2);
    let fs = make(own.clone());
    file(&*fs, "a");
    fs.mkdir(fs.root(), b"b", &node(FileType::Directory)).unwrap();
    let refused = fs.create(fs.root(), b"c", &node(FileType::Regular)).unwrap_err();
    assert_eq!(refused.limit().unwrap().limit, "maxInodeCount");
    assert_eq!(fs.create_unnamed(&node(FileType::Regular)).unwrap_err(), Errno::ENOSPC);
    fs.rmdir(fs.root(), b"b").unwrap();
    let unnamed = fs.create_unnamed(&node(FileType::Regular)).unwrap().ino;
    fs.link(unnamed, fs.root(), b"c").unwrap();
    fs.release(unnamed);
    assert_eq!(names(&*fs, fs.root()), ["a", "c"]);
}

pub(crate) fn holes_read_zeros_and_are_found(make: &Make) {
    let fs = make(quota(1 << 20, 100));
    let ino = file(&*fs, "a");
    fs.write(ino, 3 * 4096 + 5, b"data").unwrap();
    fs.write(ino, 20 * 4096, b"more").unwrap();
    let seek = |offset, target| fs.seek(ino, offset, target).ok();
    assert_eq!(seek(0, SeekTarget::Data), Some(3 * 4096));
    assert_eq!(seek(3 * 4096, SeekTarget::Hole), Some(4 * 4096));
    assert_eq!(seek(4 * 4096, SeekTarget::Data), Some(20 * 4096));
    assert_eq!(seek(20 * 4096 + 1, SeekTarget::Hole), Some(20 * 4096 + 4));
    assert_eq!(seek(20 * 4096 + 4, SeekTarget::Data), None);
    fs.allocate(ino, 0, 4 * 4096, true, true).unwrap();
    assert_eq!(seek(0, SeekTarget::Data), Some(20 * 4096));
    assert_eq!(fs.getattr(ino).unwrap().blocks, 8);
    fs.setattr(
        ino,
        &SetAttr {
            size: Some(20 * 4096 + 2),
            ..SetAttr::default()
        },
    )
    .unwrap();
    fs.setattr(
        ino,
        &SetAttr {
            size: Some(20 * 4096 + 8),
            ..SetAttr::default()
        },
    )
    .unwrap();
    assert_eq!(content(&*fs, ino)[20 * 4096..], *b"mo\0\0\0\0\0\0");
}

pub(crate) fn a_reservation_is_paid_and_used(make: &Make) {
    let own = quota(256 + 1 + 3 * 4096, 100);
    let fs = make(own.clone());
    let ino = file(&*fs, "a");
    fs.allocate(ino, 0, 2 * 4096, false, false).unwrap();
    assert_eq!((own.bytes.used(), fs.getattr(ino).unwrap().size), (257 + 8192, 8192));
    let other = file(&*fs, "b");
    assert_eq!(fs.write(other, 0, &[1; 9000]).unwrap(), 4096 - 257);
    assert_eq!(fs.write(ino, 0, &[1; 8192]).unwrap(), 8192);
    fs.unlink(fs.root(), b"b").unwrap();
    fs.unlink(fs.root(), b"a").unwrap();
    assert_eq!(own.bytes.used(), 0);
}

pub(crate) fn listings_see_what_stays_exactly_once(make: &Make) {
    let fs = make(quota(1 << 20, 1000));
    for index in 0..100 {
        file(&*fs, &format!("f{index}"));
    }
    let (mut seen, mut position) = (Vec::new(), 0);
    loop {
        let before = seen.len();
        fs.readdir(fs.root(), position, &mut |entry| {
            seen.push(String::from_utf8(entry.name.to_vec()).unwrap());
            position = entry.next;
            if seen.len() % 7 == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
        if seen.len() == before {
            break;
        }
        let victim = seen.len();
        let _ = fs.unlink(fs.root(), format!("f{}", victim - 1).as_bytes());
        if victim < 60 {
            file(&*fs, &format!("g{victim}"));
        }
    }
    for index in 0..100 {
        let name = format!("f{index}");
        assert!(seen.iter().filter(|seen| **seen == name).count() <= 1, "{name}");
        if fs.lookup(fs.root(), name.as_bytes()).is_ok() {
            assert!(seen.contains(&name), "{name}");
        }
    }
}

pub(crate) fn names_of_inodes_follow_links_and_renames(make: &Make) {
    let fs = make(quota(1 << 20, 1000));
    let root = fs.root();
    let dir = fs.mkdir(root, b"d", &node(FileType::Directory)).unwrap().ino;
    let ino = file(&*fs, "a");
    fs.link(ino, dir, b"b").unwrap();
    fs.unlink(root, b"a").unwrap();
    assert_eq!(fs.name_of(ino).unwrap(), (dir, b"b".to_vec()));
    fs.rename(root, b"d", root, b"e", RenameFlags::Replace).unwrap();
    assert_eq!(fs.name_of(dir).unwrap(), (root, b"e".to_vec()));
    fs.rename(dir, b"b", root, b"e", RenameFlags::Exchange).unwrap_err();
    file(&*fs, "x");
    fs.rename(root, b"x", dir, b"b", RenameFlags::Exchange).unwrap();
    assert_eq!(fs.name_of(ino).unwrap(), (root, b"x".to_vec()));
}

pub(crate) fn renames_have_all_their_cases(make: &Make) {
    let own = quota(1 << 20, 1000);
    let fs = make(own.clone());
    let root = fs.root();
    let dir = |at, name: &[u8]| fs.mkdir(at, name, &node(FileType::Directory)).unwrap().ino;
    let (a, b) = (dir(root, b"a"), dir(root, b"b"));
    let inner = dir(a, b"inner");
    let one = file(&*fs, "one");
    fs.write(one, 0, b"one").unwrap();
    let two = file(&*fs, "two");
    let rename = |from: Ino, name: &str, to: Ino, to_name: &str, flags| {
        fs.rename(from, name.as_bytes(), to, to_name.as_bytes(), flags)
            .map_err(|error| error.errno())
    };
    let replace = RenameFlags::Replace;
    assert_eq!(
        rename(root, "a", inner, "x", replace),
        Err(Errno::EINVAL),
        "into itself"
    );
    assert_eq!(rename(root, "a", root, "one", replace), Err(Errno::ENOTDIR));
    assert_eq!(rename(root, "one", root, "a", replace), Err(Errno::EISDIR));
    assert_eq!(rename(root, "b", root, "a", replace), Err(Errno::ENOTEMPTY));
    assert_eq!(
        rename(root, "one", root, "two", RenameFlags::NoReplace),
        Err(Errno::EEXIST)
    );
    assert_eq!(
        rename(root, "one", root, "none", RenameFlags::Exchange),
        Err(Errno::ENOENT)
    );
    assert_eq!(rename(root, "a", inner, "x", RenameFlags::Exchange), Err(Errno::ENOENT));
    fs.link(one, root, b"same").unwrap();
    rename(root, "one", root, "same", replace).unwrap();
    assert_eq!(fs.getattr(one).unwrap().nlink, 2, "two names of one file stay");
    rename(root, "one", root, "two", replace).unwrap();
    assert_eq!(fs.getattr(two).unwrap_err(), Errno::ESTALE);
    assert_eq!(fs.lookup(root, b"two").unwrap().ino, one);
    rename(root, "b", a, "b", replace).unwrap();
    assert_eq!(
        (
            fs.parent(b).unwrap(),
            fs.getattr(a).unwrap().nlink,
            fs.getattr(root).unwrap().nlink
        ),
        (a, 4, 3)
    );
    rename(a, "b", a, "inner", replace).unwrap();
    assert_eq!(
        (fs.lookup(a, b"inner").unwrap().ino, fs.getattr(a).unwrap().nlink),
        (b, 3)
    );
    rename(root, "two", a, "inner", RenameFlags::Exchange).unwrap();
    assert_eq!(
        (fs.parent(b).unwrap(), fs.lookup(a, b"inner").unwrap().ino),
        (root, one)
    );
    assert_eq!((fs.getattr(a).unwrap().nlink, fs.getattr(root).unwrap().nlink), (2, 4));
    for (dir, name) in [(a, "inner"), (root, "same")] {
        fs.unlink(dir, name.as_bytes()).unwrap();
    }
    for name in ["a", "two"] {
        fs.rmdir(root, name.as_bytes()).unwrap();
    }
    assert_eq!((own.bytes.used(), own.inodes.used()), (0, 0));
}

pub(crate) fn what_is_open_lives_on(make: &Make) {
    let own = quota(1 << 20, 1000);
    let fs = make(own.clone());
    let ino = file(&*fs, "f");
    fs.retain(ino).unwrap();
    fs.retain(ino).unwrap();
    fs.write(ino, 0, &[7; 5000]).unwrap();
    fs.unlink(fs.root(), b"f").unwrap();
    assert_eq!(fs.getattr(ino).unwrap().nlink, 0);
    assert_eq!(fs.link(ino, fs.root(), b"g").unwrap_err(), Errno::ENOENT);
    fs.append(ino, b"more").unwrap();
    assert_eq!(content(&*fs, ino).len(), 5004);
    fs.release(ino);
    assert_eq!(content(&*fs, ino).len(), 5004);
    fs.release(ino);
    assert_eq!(fs.getattr(ino).unwrap_err(), Errno::ESTALE);
    assert_eq!(fs.read(ino, 0, &mut [0]).unwrap_err(), Errno::ESTALE);
    assert_eq!((own.bytes.used(), own.inodes.used()), (0, 0));
    let dir = fs.mkdir(fs.root(), b"d", &node(FileType::Directory)).unwrap().ino;
    fs.retain(dir).unwrap();
    fs.rmdir(fs.root(), b"d").unwrap();
    assert_eq!(
        fs.create(dir, b"x", &node(FileType::Regular)).unwrap_err(),
        Errno::ENOENT
    );
    assert_eq!((names(&*fs, dir).len(), fs.parent(dir).unwrap()), (0, fs.root()));
    fs.release(dir);
    assert_eq!(fs.getattr(dir).unwrap_err(), Errno::ESTALE);
}

pub(crate) fn names_and_links_have_their_lengths(make: &Make) {
    let fs = make(quota(1 << 30, 1 << 20));
    let root = fs.root();
    let target = vec![b't'; 4095];
    let link = fs
        .symlink(root, &[0xff; 255], &target, &node(FileType::Symlink))
        .unwrap();
    assert_eq!((link.size, fs.readlink(link.ino).unwrap()), (4095, target));
    for (name, kind) in [
        ("p", FileType::Fifo),
        ("s", FileType::Socket),
        ("c", FileType::CharDevice),
    ] {
        let rdev = if kind == FileType::CharDevice { 0x103 } else { 0 };
        let new = NewNode { rdev, ..node(kind) };
        let made = fs.create(root, name.as_bytes(), &new).unwrap();
        assert_eq!((made.kind, made.rdev, made.size), (kind, rdev, 0));
    }
    let value = vec![1; 60_000];
    let ino = file(&*fs, "x");
    fs.setxattr(ino, b"user.big", &value, XattrMode::Create).unwrap();
    assert_eq!(
        fs.setxattr(ino, b"user.more", &[0; 6000], XattrMode::Any).unwrap_err(),
        Errno::ENOSPC
    );
    assert_eq!(
        fs.setxattr(ino, b"user.big", b"", XattrMode::Create).unwrap_err(),
        Errno::EEXIST
    );
    assert_eq!(
        fs.setxattr(ino, b"user.new", b"", XattrMode::Replace).unwrap_err(),
        Errno::ENODATA
    );
    assert_eq!(fs.getxattr(ino, b"user.big").unwrap(), value);
    fs.removexattr(ino, b"user.big").unwrap();
    assert_eq!(fs.removexattr(ino, b"user.big").unwrap_err(), Errno::ENODATA);
    assert!(fs.listxattr(ino).unwrap().is_empty());
}

pub(crate) fn a_file_has_many_names(make: &Make) {
    let fs = make(quota(1 << 30, 1 << 20));
    let ino = file(&*fs, "f");
    for index in 1..65_000 {
        fs.link(ino, fs.root(), format!("l{index}").as_bytes()).unwrap();
    }
    assert_eq!(fs.getattr(ino).unwrap().nlink, 65_000);
    assert_eq!(fs.link(ino, fs.root(), b"more").unwrap_err(), Errno::EMLINK);
    for index in 1..65_000 {
        fs.unlink(fs.root(), format!("l{index}").as_bytes()).unwrap();
    }
    assert_eq!(
        (fs.getattr(ino).unwrap().nlink, fs.name_of(ino).unwrap()),
        (1, (fs.root(), b"f".to_vec()))
    );
}

pub(crate) fn threads_lose_nothing(make: &Make) {
    let own = quota(64 << 20, 10_000);
    let fs = make(own.clone());
    let log = file(&*fs, "log");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let fs = &fs;
            scope.spawn(move || {
                let name = format!("d{thread}");
                let dir = fs
                    .mkdir(fs.root(), name.as_bytes(), &node(FileType::Directory))
                    .unwrap()
                    .ino;
                for index in 0..300 {
                    fs.append(log, b"0123456789").unwrap();
                    let name = format!("f{}", index % 20);
                    if let Ok(made) = fs.create(dir, name.as_bytes(), &node(FileType::Regular)) {
                        fs.retain(made.ino).unwrap();
                        fs.write(made.ino, 0, &[1; 5000]).unwrap();
                        fs.link(made.ino, fs.root(), format!("{thread}-{index}").as_bytes())
                            .unwrap();
                        fs.rename(dir, name.as_bytes(), fs.root(), name.as_bytes(), RenameFlags::Replace)
                            .unwrap();
                        fs.release(made.ino);
                    }
                    if index % 50 == 0 {
                        fs.fsync(log, true).unwrap();
                    }
                }
            });
        }
    });
    assert_eq!(content(&*fs, log), b"0123456789".repeat(1200));
    for name in names(&*fs, fs.root()) {
        let gone = fs.unlink(fs.root(), name.as_bytes());
        gone.or_else(|_| fs.rmdir(fs.root(), name.as_bytes())).unwrap();
    }
    assert_eq!((own.bytes.used(), own.inodes.used()), (0, 0));
}
