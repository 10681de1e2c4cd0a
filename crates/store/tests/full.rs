//! A disk that is full, nearly full, or fails: who is told, what goes on, and how it ends.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "../../kernel/tests/filesystem/cases.rs"]
#[allow(dead_code, unused_imports, unused_macros)]
mod cases;
mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use agentos_kernel::Errno;
use agentos_kernel::vfs::{FileType, Filesystem};
use agentos_store::database::Options;
use agentos_store::fs::{DurableFs, FsLimits};
use agentos_store::tables::VM_SCHEMA;
use agentos_store::{Database, DiskSpace, Headroom};
use agentos_store_faults::{Disk, Fault};
use cases::{content, file, node, quota};
use common::{Home, Still};

fn open(database: &Database, limits: FsLimits) -> Arc<DurableFs> {
    DurableFs::open(database, Arc::new(Still::default()), quota(1 << 30, 10_000), limits).unwrap()
}

#[test]
fn a_full_disk_refuses_growth_and_nothing_else() {
    for (fault, errno) in [(Fault::Full, Errno::ENOSPC), (Fault::Io, Errno::EIO)] {
        let disk = Disk::new();
        let mut home = Home::new();
        home.vfs = Some(disk.vfs().to_owned());
        let database = home.database().unwrap();
        let fs = open(&database, FsLimits::default());
        let (old, other) = (file(&*fs, "old"), file(&*fs, "other"));
        fs.write(old, 0, &[1; 10_000]).unwrap();
        fs.sync().unwrap();
        let (told, failures) = mpsc::channel();
        fs.watch(move |error| {
            let _ = told.send(error.errno());
        });
        disk.fail(disk.count(), fault, true);
        fs.write(other, 0, b"more").unwrap();
        assert_eq!(fs.fsync(other, true).unwrap_err(), errno);
        assert_eq!(failures.recv().unwrap(), errno);
        assert_eq!(fs.write(other, 0, b"more").unwrap_err(), errno);
        assert_eq!(
            fs.create(fs.root(), b"new", &node(FileType::Regular)).unwrap_err(),
            errno
        );
        assert_eq!(content(&*fs, old), [1; 10_000], "reading goes on");
        assert_eq!(content(&*fs, other), b"more", "what was written is seen");
        fs.unlink(fs.root(), b"old").unwrap();
        disk.heal();
        fs.sync().unwrap();
        fs.write(other, 4, b" and more").unwrap();
        database.close().unwrap();
        drop(fs);
        let fs = open(&home.database().unwrap(), FsLimits::default());
        let other = fs.lookup(fs.root(), b"other").unwrap().ino;
        assert_eq!(content(&*fs, other), b"more and more");
        assert_eq!(fs.lookup(fs.root(), b"old").unwrap_err(), Errno::ENOENT);
    }
}

#[test]
fn what_failed_is_tried_again_by_itself() {
    let disk = Disk::new();
    let mut home = Home::new();
    home.vfs = Some(disk.vfs().to_owned());
    let database = home.database().unwrap();
    let fs = open(&database, FsLimits::default());
    let (told, failures) = mpsc::channel();
    fs.watch(move |error| {
        let _ = told.send(error.errno());
    });
    disk.fail(disk.count(), Fault::Full, true);
    file(&*fs, "file");
    // Nobody asks; two attempts fail all the same.
    assert_eq!(failures.recv().unwrap(), Errno::ENOSPC);
    assert_eq!(failures.recv().unwrap(), Errno::ENOSPC);
    disk.heal();
    fs.sync().unwrap();
    database.close().unwrap();
    let fs = open(&home.database().unwrap(), FsLimits::default());
    fs.lookup(fs.root(), b"file").unwrap();
}

#[test]
fn a_writer_that_is_faster_than_the_disk_waits_for_it() {
    let disk = Disk::new();
    let mut home = Home::new();
    home.vfs = Some(disk.vfs().to_owned());
    let database = home.database().unwrap();
    let mut limits = FsLimits::default();
    limits.dirty_bytes = 200_000;
    let fs = open(&database, limits);
    let ino = file(&*fs, "file");
    let before = disk.count();
    for index in 0..1000 {
        fs.write(ino, index * 4096, &[index as u8; 4096]).unwrap();
    }
    assert!(disk.count() > before + 500, "most of it is on disk");
    disk.fail(disk.count(), Fault::Full, true);
    let refused = (0..1000).find_map(|index| fs.write(ino, index * 4096, &[7; 4096]).err());
    assert_eq!(refused.unwrap(), Errno::ENOSPC, "memory is not filled instead");
    disk.heal();
    database.close().unwrap();
}

#[test]
fn the_last_of_the_disk_is_kept_for_removing() {
    let home = Home::new();
    let free = Arc::new(AtomicU64::new(1 << 30));
    let seen = Arc::clone(&free);
    let mut options = Options::default();
    options.headroom = Some(Arc::new(Headroom::with(1 << 20, 0, move || {
        Ok(DiskSpace {
            total: 1 << 40,
            free: seen.load(Ordering::Relaxed),
        })
    })));
    let database = Database::open(&home.path(), &VM_SCHEMA, options).unwrap();
    let fs = open(&database, FsLimits::default());
    let ino = file(&*fs, "file");
    fs.sync().unwrap();
    free.store(1000, Ordering::Relaxed);
    // The measurement of a moment ago may still count; a commit looks again.
    let refused = loop {
        if let Err(error) = fs.write(ino, 0, b"more") {
            break error;
        }
        fs.sync().unwrap();
    };
    assert_eq!(refused, Errno::ENOSPC);
    fs.unlink(fs.root(), b"file").unwrap();
    fs.sync().unwrap();
    free.store(1 << 30, Ordering::Relaxed);
    while fs.create(fs.root(), b"new", &node(FileType::Regular)).is_err() {
        std::thread::yield_now();
    }
    database.close().unwrap();
}

#[test]
fn many_filesystems_share_few_committers() {
    let homes: Vec<Home> = (0..30).map(|_| Home::new()).collect();
    let mut limits = FsLimits::default();
    (limits.cache_bytes, limits.dirty_bytes) = (10_000, 60_000);
    let all: Vec<Arc<DurableFs>> = homes
        .iter()
        .map(|home| open(&home.database().unwrap(), limits))
        .collect();
    std::thread::scope(|scope| {
        for (index, fs) in all.iter().enumerate() {
            for side in ["a", "b"] {
                scope.spawn(move || {
                    let dir = fs
                        .mkdir(fs.root(), side.as_bytes(), &node(FileType::Directory))
                        .unwrap()
                        .ino;
                    for round in 0..20u64 {
                        let name = format!("{side}{}", round % 7);
                        let made = fs.create(dir, name.as_bytes(), &node(FileType::Regular));
                        let ino = made.or_else(|_| fs.lookup(dir, name.as_bytes())).unwrap().ino;
                        fs.write(ino, round * 3000, &[index as u8; 9000]).unwrap();
                        match round % 3 {
                            0 => fs.fsync(ino, true).unwrap(),
                            1 => fs.read(ino, 0, &mut [0; 20_000]).map(drop).unwrap(),
                            _ => assert!(fs.name_of(ino).unwrap().1 == name.as_bytes()),
                        }
                    }
                });
            }
        }
    });
    for (fs, home) in all.into_iter().zip(&homes) {
        fs.database().close().unwrap();
        drop(fs);
        let database = home.database().unwrap();
        let report = DurableFs::check(&database).unwrap();
        assert!(report.is_sound() && report.inodes == 3 + 14, "{report:?}");
    }
}
