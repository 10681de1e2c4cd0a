//! Archives keep everything but inode numbers, other programs read them, and hostile ones do no harm.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "../../kernel/tests/filesystem/cases.rs"]
#[allow(dead_code, unused_imports, unused_macros)]
mod cases;
mod common;

use std::process::Command;
use std::sync::Arc;

use agentos_kernel::clock::Timestamp;
use agentos_kernel::vfs::{FileType, Filesystem, Mode, NewNode, SetAttr, SetTime, XattrMode};
use agentos_store::fs::archive::{export, import};
use agentos_store::fs::{DurableFs, FsLimits};
use agentos_store::{Error, Result};
use cases::{node, quota};
use common::{Home, Seen, Still, survey};

fn empty(clock: i64) -> Arc<DurableFs> {
    let home = Home::new();
    let clock = Arc::new(Still(clock.into()));
    home.kept(|home| home.open(clock, quota(1 << 30, 10_000), FsLimits::default()))
}

fn full() -> Arc<DurableFs> {
    let fs = empty(1_700_000_000_123_456_789);
    let root = fs.root();
    let dir = fs.mkdir(root, &[b'd'; 255], &node(FileType::Directory)).unwrap().ino;
    let deep = fs.mkdir(dir, &[b'e'; 255], &node(FileType::Directory)).unwrap().ino;
    let file = fs.create(deep, b"\xff\xfe\n", &node(FileType::Regular)).unwrap().ino;
    fs.write(file, 0, &[7; 10_000]).unwrap();
    fs.link(file, root, b"another name").unwrap();
    let sparse = fs.create(root, b"sparse", &node(FileType::Regular)).unwrap().ino;
    fs.write(sparse, 40_960, b"data").unwrap();
    fs.write(sparse, 1 << 40, b"far away").unwrap();
    let size = Some((1 << 40) + 100_000);
    fs.setattr(
        sparse,
        &SetAttr {
            size,
            ..SetAttr::default()
        },
    )
    .unwrap();
    fs.create(root, b"empty", &node(FileType::Regular)).unwrap();
    fs.symlink(root, b"link", &[b't'; 4095], &node(FileType::Symlink))
        .unwrap();
    for (name, kind) in [
        ("fifo", FileType::Fifo),
        ("socket", FileType::Socket),
        ("device", FileType::CharDevice),
    ] {
        let rdev = if kind == FileType::CharDevice {
            0x1234_5678_9abc
        } else {
            0
        };
        let mode = Mode::new(0o7751);
        fs.create(
            root,
            name.as_bytes(),
            &NewNode {
                rdev,
                mode,
                ..node(kind)
            },
        )
        .unwrap();
    }
    fs.setxattr(file, b"user.a=b", &[0xff; 40_000], XattrMode::Any).unwrap();
    fs.setxattr(dir, b"user.dir", b"", XattrMode::Any).unwrap();
    let old = SetAttr {
        atime: SetTime::At(Timestamp(-5_000_000_001)),
        mtime: SetTime::At(Timestamp(1)),
        ..SetAttr::default()
    };
    fs.setattr(deep, &old).unwrap();
    fs
}

fn packed(fs: &DurableFs) -> Vec<u8> {
    let mut bytes = Vec::new();
    export(fs, &mut bytes).unwrap();
    bytes
}

fn unpacked(mut bytes: &[u8]) -> (Arc<DurableFs>, Result<()>) {
    let fs = empty(5);
    let done = import(&fs, fs.root(), &mut bytes).map(drop);
    (fs, done)
}

/// Without what an archive does not keep.
fn comparable(fs: &DurableFs) -> Vec<Seen> {
    let mut all = survey(fs);
    for seen in &mut all {
        seen.attr.ino = Default::default();
        seen.position = 0;
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    all
}

#[test]
fn what_is_packed_is_unpacked() {
    let fs = full();
    let bytes = packed(&fs);
    assert!(bytes.len() < 200_000, "holes are not stored");
    let (copy, done) = unpacked(&bytes);
    done.unwrap();
    assert_eq!(common::difference(&comparable(&fs), &comparable(&copy)), None);
    assert_eq!(fs.charged().1, copy.charged().1);
    copy.sync().unwrap();
    assert!(DurableFs::check(copy.database()).unwrap().is_sound());
    let (_, again) = {
        let mut input = bytes.as_slice();
        (0, import(&copy, copy.root(), &mut input))
    };
    assert!(matches!(again, Err(Error::Exists { .. })), "{again:?}");
}

#[test]
fn the_tar_of_the_host_reads_it_and_is_read() {
    if Command::new("tar").arg("--version").output().is_err() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("ours.tar"), packed(&full())).unwrap();
    let list = Command::new("tar").arg("-tvf").arg(path("ours.tar")).output().unwrap();
    let text = String::from_utf8_lossy(&list.stdout);
    assert!(
        list.status.success() && text.contains("sparse") && text.contains("another name"),
        "{text}"
    );
    std::fs::create_dir_all(path("tree/sub")).unwrap();
    std::fs::write(path("tree/sub/file"), vec![9; 100_000]).unwrap();
    std::fs::hard_link(path("tree/sub/file"), path("tree/name")).unwrap();
    std::os::unix::fs::symlink("sub/file", path("tree/link")).unwrap();
    let holes = std::fs::File::create(path("tree/holes")).unwrap();
    holes.set_len(10 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&holes, b"data", 5 << 20).unwrap();
    for format in ["gnu", "ustar", "pax"] {
        let mut tar = Command::new("tar");
        tar.arg("-C")
            .arg(path("tree"))
            .arg(format!("--format={format}"))
            .arg("-cf")
            .arg(path("theirs.tar"));
        if format == "pax" {
            tar.arg("--sparse");
        }
        assert!(tar.arg(".").status().unwrap().success());
        let (fs, done) = unpacked(&std::fs::read(path("theirs.tar")).unwrap());
        done.unwrap_or_else(|error| std::panic::panic_any(format!("{format}: {error}")));
        let sub = fs.lookup(fs.root(), b"sub").unwrap().ino;
        let file = fs.lookup(sub, b"file").unwrap();
        assert_eq!(
            (file.size, file.nlink, fs.lookup(fs.root(), b"name").unwrap().ino),
            (100_000, 2, file.ino)
        );
        let holes = fs.lookup(fs.root(), b"holes").unwrap();
        let mut buf = [0; 4];
        fs.read(holes.ino, 5 << 20, &mut buf).unwrap();
        assert_eq!((&buf, holes.size), (b"data", 10 << 20));
        let link = fs.lookup(fs.root(), b"link").unwrap().ino;
        assert_eq!(fs.readlink(link).unwrap(), b"sub/file");
    }
}

#[test]
fn a_hostile_archive_does_no_harm() {
    let bytes = packed(&full());
    // Cut off anywhere, it is an error; changed anywhere, it is whatever it says, without a panic.
    for cut in (0..bytes.len() - 1024).step_by(3001) {
        let (_, done) = unpacked(&bytes[..cut]);
        assert!(done.is_err(), "cut at {cut}");
    }
    for at in (0..bytes.len()).step_by(997) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x41;
        let (fs, _) = unpacked(&changed);
        fs.sync().unwrap();
        assert!(DurableFs::check(fs.database()).unwrap().is_sound(), "changed at {at}");
    }
    let (fs, done) = unpacked(b"no archive");
    assert!(done.is_err() && survey(&*fs).len() == 1);
}

#[test]
fn names_never_lead_out() {
    let dir = tempfile::tempdir().unwrap();
    let archive = dir.path().join("a.tar");
    std::fs::write(dir.path().join("f"), "content").unwrap();
    let pack = |transform: &str| {
        let done = Command::new("tar")
            .arg("-P")
            .arg("-C")
            .arg(dir.path())
            .arg(format!("--transform=s,^f$,{transform},"))
            .arg("-cf")
            .arg(&archive)
            .arg("f")
            .status();
        done.is_ok_and(|status| status.success())
            .then(|| std::fs::read(&archive).unwrap())
    };
    let Some(up) = pack("../up") else { return };
    let (_, done) = unpacked(&up);
    assert!(matches!(done, Err(Error::Invalid { .. })), "{done:?}");
    let (fs, done) = unpacked(&pack("/etc/passwd").unwrap());
    done.unwrap();
    assert!(
        fs.lookup(fs.root(), b"etc").is_ok(),
        "an absolute name is below the root"
    );
    // A link that stands where a directory should be is not followed.
    fs.symlink(fs.root(), b"dir", b"etc", &node(FileType::Symlink)).unwrap();
    let mut through = &pack("dir/passwd2").unwrap()[..];
    assert!(import(&fs, fs.root(), &mut through).is_err());
}
