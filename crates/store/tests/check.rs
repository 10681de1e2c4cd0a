//! The check finds what is wrong, and a file that contradicts itself answers `EIO` instead of something else's bytes.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

#[path = "../../kernel/tests/filesystem/cases.rs"]
#[allow(dead_code, unused_imports, unused_macros)]
mod cases;
mod common;

use std::sync::Arc;

use agentos_kernel::Errno;
use agentos_kernel::vfs::{FileType, Filesystem, XattrMode};
use agentos_store::fs::{DurableFs, FsLimits};
use cases::{content, file, node, quota};
use common::{Home, Still};

/// What is done to the tables, and what is found then.
const DAMAGE: &[(&str, &str)] = &[
    (
        "DELETE FROM agent_os_fs_inodes WHERE ino = 1",
        "the root is no directory",
    ),
    (
        "UPDATE agent_os_fs_inodes SET parent = 2 WHERE ino = 1",
        "the root is no directory",
    ),
    (
        "DELETE FROM agent_os_fs_inodes WHERE ino = 3",
        "a name refers to no inode",
    ),
    (
        "UPDATE agent_os_fs_dentries SET dir = 77 WHERE ino = 3",
        "a name is in no directory",
    ),
    (
        "UPDATE agent_os_fs_dentries SET kind = 4096 WHERE ino = 3",
        "another kind than its inode",
    ),
    (
        "UPDATE agent_os_fs_dentries SET position = 99 WHERE ino = 3",
        "never given out",
    ),
    (
        "UPDATE agent_os_fs_dentries SET name = x'612f62' WHERE ino = 3",
        "a name is none",
    ),
    (
        "UPDATE agent_os_fs_dentries SET name = x'2e2e' WHERE ino = 3",
        "a name is none",
    ),
    (
        "UPDATE agent_os_fs_dentries SET name = x'6c696e6b' WHERE dir = 1",
        "has a name twice",
    ),
    (
        "UPDATE agent_os_fs_inodes SET nlink = 3 WHERE ino = 3",
        "the count of links",
    ),
    (
        "UPDATE agent_os_fs_inodes SET nlink = 2 WHERE ino = 2",
        "a directory has several names",
    ),
    (
        "UPDATE agent_os_fs_inodes SET parent = 77 WHERE ino = 2",
        "in another one than it says",
    ),
    (
        "UPDATE agent_os_fs_inodes SET subdirs = 3 WHERE ino = 1",
        "the count of subdirectories",
    ),
    (
        "UPDATE agent_os_fs_inodes SET nlink = 0 WHERE ino = 2",
        "a removed directory has names",
    ),
    (
        "UPDATE agent_os_fs_inodes SET target = NULL WHERE ino = 4",
        "only a symbolic link has a target",
    ),
    (
        "UPDATE agent_os_fs_inodes SET kind = 7 WHERE ino = 3",
        "the kind is none",
    ),
    ("UPDATE agent_os_fs_blocks SET ino = 2", "belongs to no regular file"),
    ("UPDATE agent_os_fs_blocks SET idx = 9 WHERE idx = 1", "beyond the end"),
    (
        "UPDATE agent_os_fs_blocks SET data = CAST(data || x'00' AS BLOB) WHERE idx = 1",
        "beyond the end",
    ),
    (
        "UPDATE agent_os_fs_blocks SET data = CAST(data || x'00' AS BLOB) WHERE idx = 0",
        "a block is too long",
    ),
    (
        "DELETE FROM agent_os_fs_blocks WHERE idx = 0",
        "not those that the file says",
    ),
    ("UPDATE agent_os_fs_xattrs SET ino = 77", "belong to no inode"),
    (
        "UPDATE agent_os_fs_xattrs SET value = x''",
        "not those that the inode says",
    ),
    ("UPDATE agent_os_fs_totals SET bytes = 1", "the totals say"),
    ("UPDATE agent_os_fs_totals SET inodes = 1", "the totals say"),
    ("UPDATE agent_os_fs_totals SET next_ino = 3", "given out again"),
    ("DELETE FROM agent_os_fs_totals", "has no totals"),
    (
        "UPDATE agent_os_fs_inodes SET parent = ino WHERE ino = 2",
        "no way leads to the root",
    ),
];

fn home() -> Home {
    let home = Home::new();
    let fs = home.open(Arc::new(Still::default()), quota(1 << 30, 1000), FsLimits::default());
    let dir = fs.mkdir(fs.root(), b"dir", &node(FileType::Directory)).unwrap().ino;
    let ino = fs.create(dir, b"file", &node(FileType::Regular)).unwrap().ino;
    fs.write(ino, 0, &[1; 5000]).unwrap();
    fs.setxattr(ino, b"user.a", b"value", XattrMode::Any).unwrap();
    fs.symlink(fs.root(), b"link", b"dir", &node(FileType::Symlink))
        .unwrap();
    fs.sync().unwrap();
    fs.database().close().unwrap();
    home
}

#[test]
fn every_contradiction_is_found() {
    let home = home();
    let database = home.database().unwrap();
    let report = DurableFs::check(&database).unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!(
        (report.inodes, report.names, report.blocks, report.orphans),
        (4, 3, 2, 0)
    );
    database.close().unwrap();
    let sound = std::fs::read(home.path()).unwrap();
    for (damage, found) in DAMAGE {
        std::fs::write(home.path(), &sound).unwrap();
        let database = home.database().unwrap();
        let damage = *damage;
        let done = database.submit(move |tx| Ok(tx.execute(damage, [])?)).wait().unwrap();
        assert!(done > 0, "{damage}");
        let report = DurableFs::check(&database).unwrap();
        assert!(
            report.problems.iter().any(|problem| problem.contains(found)),
            "{damage}: {report:?}"
        );
        database.close().unwrap();
    }
}

#[test]
fn what_contradicts_itself_is_not_read() {
    let sound = home();
    let bytes = std::fs::read(sound.path()).unwrap();
    let reads = |damage: &'static str| {
        std::fs::write(sound.path(), &bytes).unwrap();
        let database = sound.database().unwrap();
        database.submit(move |tx| Ok(tx.execute(damage, [])?)).wait().unwrap();
        let fs = DurableFs::open(
            &database,
            Arc::new(Still::default()),
            quota(1 << 30, 1000),
            FsLimits::default(),
        );
        let fs = fs.unwrap();
        let answer = (|| {
            let dir = fs.lookup(fs.root(), b"dir")?;
            let file = fs.lookup(dir.ino, b"file")?;
            let mut buf = [0; 5000];
            fs.read(file.ino, 0, &mut buf)?;
            fs.getxattr(file.ino, b"user.a")
        })();
        drop(fs);
        database.close().unwrap();
        answer
    };
    assert!(reads("UPDATE agent_os_fs_totals SET id = id").is_ok());
    for damage in [
        "DELETE FROM agent_os_fs_inodes WHERE ino = 3",
        "UPDATE agent_os_fs_inodes SET kind = 7 WHERE ino = 3",
        "UPDATE agent_os_fs_dentries SET position = 99 WHERE ino = 3",
        "DELETE FROM agent_os_fs_blocks WHERE idx = 0",
        "UPDATE agent_os_fs_blocks SET idx = idx + 1 WHERE idx = 1",
        "UPDATE agent_os_fs_blocks SET data = zeroblob(5000) WHERE idx = 1",
        "UPDATE agent_os_fs_xattrs SET value = x''",
    ] {
        let answer = reads(damage);
        assert!(
            answer.as_ref().is_err_and(|error| *error == Errno::EIO),
            "{damage}: {answer:?}"
        );
    }
}

#[test]
fn files_that_were_only_open_are_removed_at_the_next_opening() {
    let home = home();
    let own = quota(1 << 30, 1000);
    let open = || home.open(Arc::new(Still::default()), own.clone(), FsLimits::default());
    let fs = open();
    let used = own.bytes.used();
    let gone = file(&*fs, "gone");
    fs.retain(gone).unwrap();
    fs.write(gone, 0, &[1; 10_000]).unwrap();
    fs.setxattr(gone, b"user.a", b"value", XattrMode::Any).unwrap();
    fs.unlink(fs.root(), b"gone").unwrap();
    let unnamed = fs.create_unnamed(&node(FileType::Regular)).unwrap().ino;
    fs.write(unnamed, 0, &[1; 10_000]).unwrap();
    fs.sync().unwrap();
    assert_eq!(DurableFs::check(fs.database()).unwrap().orphans, 2);
    fs.database().close().unwrap();
    drop(fs);
    let fs = open();
    assert_eq!(own.bytes.used(), used);
    assert_eq!(fs.getattr(gone).unwrap_err(), Errno::ESTALE);
    let report = DurableFs::check(fs.database()).unwrap();
    assert!(report.is_sound() && report.orphans == 0, "{report:?}");
    let dir = fs.lookup(fs.root(), b"dir").unwrap().ino;
    let kept = fs.lookup(dir, b"file").unwrap().ino;
    assert_eq!(content(&*fs, kept), [1; 5000]);
}

#[test]
fn a_lowered_quota_keeps_what_is_there_and_refuses_growth() {
    let home = home();
    let own = quota(1000, 2);
    let fs = home.open(Arc::new(Still::default()), own.clone(), FsLimits::default());
    assert!(own.bytes.used() > 5000 && own.inodes.used() == 3);
    let dir = fs.lookup(fs.root(), b"dir").unwrap().ino;
    let ino = fs.lookup(dir, b"file").unwrap().ino;
    assert_eq!(fs.append(ino, b"x").unwrap_err(), Errno::ENOSPC);
    assert_eq!(
        fs.create(dir, b"x", &node(FileType::Regular)).unwrap_err(),
        Errno::ENOSPC
    );
    fs.write(ino, 0, &[2; 5000]).unwrap();
    assert_eq!(content(&*fs, ino), [2; 5000]);
    fs.unlink(dir, b"file").unwrap();
    assert_eq!(own.inodes.used(), 2);
}

#[test]
fn files_that_contradict_themselves_are_not_opened_after_a_crash() {
    let home = home();
    let damage = "UPDATE agent_os_fs_inodes SET nlink = 3 WHERE ino = 3";
    let open = |database: &_| {
        DurableFs::open(
            database,
            Arc::new(Still::default()),
            quota(1 << 30, 1000),
            FsLimits::default(),
        )
        .map(drop)
    };
    let database = home.database().unwrap();
    database.submit(move |tx| Ok(tx.execute(damage, [])?)).wait().unwrap();
    // As a crash leaves it.
    drop(database);
    for _ in 0..2 {
        let database = home.database().unwrap();
        let refused = open(&database).unwrap_err();
        assert_eq!(refused.code(), "storage_corrupt");
        assert!(refused.to_string().contains("the count of links is wrong"), "{refused}");
        database.close().unwrap();
    }
    let database = home.database().unwrap();
    let mended = "UPDATE agent_os_fs_inodes SET nlink = 1 WHERE ino = 3";
    database.submit(move |tx| Ok(tx.execute(mended, [])?)).wait().unwrap();
    open(&database).unwrap();
    database.close().unwrap();
    assert!(!home.database().unwrap().recovered());
}
