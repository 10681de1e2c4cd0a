//! Promises of the memory filesystem: sharing, quotas, holes, lives of inodes.

use super::*;
use crate::clock::Instant;
use crate::limits::Counter;
use core::sync::atomic::{AtomicI64, Ordering};
use core::task::Waker;

struct Ticks(AtomicI64);

impl Clock for Ticks {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn instant(&self) -> Instant {
        Instant(0)
    }

    fn wake_at(&self, _: Instant, _: &Waker) {}
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(Ticks(AtomicI64::new(1)))
}

fn quota(bytes: u64, inodes: u64) -> Arc<FsQuota> {
    Arc::new(FsQuota {
        bytes: Counter::new("limits.resources.maxFilesystemBytes", "bytes", bytes, Errno::ENOSPC),
        inodes: Counter::new("limits.resources.maxInodeCount", "inodes", inodes, Errno::ENOSPC),
    })
}

fn node(kind: FileType) -> NewNode {
    NewNode {
        kind,
        mode: Mode::new(0o755),
        uid: Uid::USER,
        gid: Gid::USER,
        rdev: 0,
    }
}

fn file(fs: &MemoryFs, name: &str) -> Ino {
    fs.create(fs.root(), name.as_bytes(), &node(FileType::Regular))
        .unwrap()
        .ino
}

fn names(fs: &MemoryFs, dir: Ino) -> Vec<String> {
    let mut names = Vec::new();
    fs.readdir(dir, 0, &mut |entry| {
        names.push(String::from_utf8(entry.name.to_vec()).unwrap());
        ControlFlow::Continue(())
    })
    .unwrap();
    names
}

fn content(fs: &MemoryFs, ino: Ino) -> Vec<u8> {
    let mut bytes = vec![0xff; fs.getattr(ino).unwrap().size as usize + 1];
    let count = fs.read(ino, 0, &mut bytes).unwrap();
    bytes.truncate(count);
    bytes
}

#[test]
fn a_fork_shares_until_either_side_writes() {
    let template = MemoryFs::new(clock(), quota(u64::MAX, u64::MAX));
    let ino = file(&template, "a");
    template.write(ino, 0, &[1; 10_000]).unwrap();
    let own = quota(1 << 20, 100);
    let fork = template.fork(clock(), own.clone());
    assert_eq!((own.bytes.used(), own.inodes.used()), (0, 0), "the template is free");
    fork.write(ino, 5000, &[2; 10]).unwrap();
    assert_eq!(content(&template, ino), [1; 10_000]);
    assert_eq!(content(&fork, ino)[5000..5010], [2; 10]);
    assert_eq!(own.bytes.used(), 4096, "one page became the fork's own");
    template.unlink(template.root(), b"a").unwrap();
    assert!(names(&template, template.root()).is_empty());
    assert_eq!(content(&fork, ino).len(), 10_000);
    fork.unlink(fork.root(), b"a").unwrap();
    assert_eq!(
        (own.bytes.used(), own.inodes.used()),
        (0, 0),
        "what was free is not given back"
    );
}

#[test]
fn a_fork_of_a_vm_is_charged_like_the_original() {
    let own = quota(1 << 20, 100);
    let fs = MemoryFs::new(clock(), own.clone());
    let ino = file(&fs, "a");
    fs.write(ino, 0, &[1; 10_000]).unwrap();
    let deleted = file(&fs, "b");
    fs.write(deleted, 0, &[1; 10_000]).unwrap();
    fs.retain(deleted).unwrap();
    fs.unlink(fs.root(), b"b").unwrap();
    let copied = quota(10_000, 100);
    let fork = fs.fork(clock(), copied.clone());
    assert_eq!(
        copied.bytes.used(),
        256 + 1 + 10_000,
        "even beyond the cap, without open deleted files"
    );
    assert_eq!(fork.getattr(deleted).unwrap_err(), Errno::ESTALE);
    assert_eq!(fork.write(ino, 10_000, b"x").unwrap_err(), Errno::ENOSPC);
    fs.release(deleted);
    assert_eq!(own.bytes.used(), copied.bytes.used());
    drop(fork);
    assert_eq!((copied.bytes.used(), copied.inodes.used()), (0, 0));
}

#[test]
fn an_image_is_whole_until_written() {
    let own = quota(1 << 20, 100);
    let fs = MemoryFs::new(clock(), own.clone());
    let blob = Blob::new(vec![7; 10_000]);
    let put = |name: &[u8]| {
        fs.insert_blob(fs.root(), name, blob.clone(), Mode::new(0o755), Uid::ROOT, Gid::ROOT)
            .unwrap()
            .ino
    };
    let (ino, cut) = (put(b"a"), put(b"b"));
    let before = own.bytes.used();
    assert_eq!(fs.blob(ino).map(|found| found.id()), Some(blob.id()));
    fs.write(ino, 5000, &[1; 2]).unwrap();
    assert!(fs.blob(ino).is_none());
    assert_eq!(own.bytes.used(), before + 4096);
    let read = content(&fs, ino);
    assert_eq!(
        (read[4999], read[5000], read[5002], read[9999], read.len()),
        (7, 1, 7, 7, 10_000)
    );
    fs.allocate(ino, 0, 4096, true, true).unwrap();
    assert_eq!((content(&fs, ino)[0], content(&fs, ino)[4096]), (0, 7));
    assert_eq!(fs.seek(ino, 0, SeekTarget::Data).unwrap(), 4096);
    fs.setattr(
        cut,
        &SetAttr {
            size: Some(3),
            ..SetAttr::default()
        },
    )
    .unwrap();
    fs.setattr(
        cut,
        &SetAttr {
            size: Some(5),
            ..SetAttr::default()
        },
    )
    .unwrap();
    assert_eq!(content(&fs, cut), [7, 7, 7, 0, 0]);
    assert!(fs.blob(cut).is_none());
}

#[test]
fn many_threads_lose_nothing() {
    let own = quota(64 << 20, 10_000);
    let fs = MemoryFs::new(clock(), own.clone());
    let log = file(&fs, "log");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let fs = &fs;
            scope.spawn(move || {
                let dir = fs
                    .mkdir(fs.root(), format!("d{thread}").as_bytes(), &node(FileType::Directory))
                    .unwrap()
                    .ino;
                for index in 0..500 {
                    fs.append(log, b"0123456789").unwrap();
                    let name = format!("f{}", index % 20);
                    let made = fs.create(dir, name.as_bytes(), &node(FileType::Regular));
                    if let Ok(made) = made {
                        fs.retain(made.ino).unwrap();
                        fs.write(made.ino, 0, &[1; 5000]).unwrap();
                        fs.link(made.ino, fs.root(), format!("{thread}-{index}").as_bytes())
                            .unwrap();
                        fs.rename(dir, name.as_bytes(), fs.root(), name.as_bytes(), RenameFlags::Replace)
                            .unwrap();
                        fs.release(made.ino);
                        drop(fs.fork(clock(), quota(64 << 20, 10_000)));
                    }
                }
            });
        }
    });
    assert_eq!(content(&fs, log), b"0123456789".repeat(2000));
    for name in names(&fs, fs.root()) {
        let _ = fs
            .unlink(fs.root(), name.as_bytes())
            .or_else(|_| fs.rmdir(fs.root(), name.as_bytes()));
    }
    assert_eq!((own.bytes.used(), own.inodes.used()), (0, 0));
}
