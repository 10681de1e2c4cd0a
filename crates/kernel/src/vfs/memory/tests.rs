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

#[test]
fn adopted_content_is_paid_like_written_content_and_split_when_it_changes() {
    const SIZE: usize = (1 << 20) + 5;
    let size = |size| SetAttr {
        size: Some(size),
        ..SetAttr::default()
    };
    let bytes: Vec<u8> = (0..SIZE).map(|at| (at / 1000) as u8).collect();
    type Change = fn(&MemoryFs, Ino);
    let changes: [(&str, Change); 6] = [
        ("nothing", |_, _| {}),
        ("write", |fs, ino| {
            assert_eq!(fs.write(ino, 5000, &[9; 10]).unwrap(), 10);
        }),
        ("append", |fs, ino| assert_eq!(fs.append(ino, &[9; 10]).unwrap().0, 10)),
        ("punch", |fs, ino| fs.allocate(ino, 8000, 9000, true, true).unwrap()),
        ("reserve", |fs, ino| fs.allocate(ino, 8000, 9000, true, false).unwrap()),
        ("keep", |fs, ino| fs.retain(ino).unwrap()),
    ];
    for (what, change) in changes {
        for cut in [0, 1, 4096, 5000, SIZE as u64 - 1, SIZE as u64, SIZE as u64 + 1] {
            let sides = [true, false].map(|adopts| {
                let own = quota(4 << 20, 100);
                let fs = MemoryFs::new(clock(), own.clone());
                let ino = file(&fs, "a");
                if adopts {
                    assert!(fs.adopt(ino, bytes.clone().into()).unwrap());
                    assert!(fs.blob(ino).is_some());
                } else {
                    assert_eq!(fs.write(ino, 0, &bytes).unwrap(), SIZE);
                }
                change(&fs, ino);
                let (changed, paid) = (content(&fs, ino), own.bytes.used());
                fs.setattr(ino, &size(cut)).unwrap();
                fs.setattr(ino, &size(cut + 10_000)).unwrap();
                let seen = (changed, paid, content(&fs, ino), own.bytes.used());
                fs.unlink(fs.root(), b"a").unwrap();
                if what == "keep" {
                    fs.release(ino);
                }
                assert_eq!((own.bytes.used(), own.inodes.used()), (0, 0), "{what}, cut at {cut}");
                seen
            });
            assert!(sides[0] == sides[1], "{what}, cut at {cut}");
        }
    }
}

#[test]
fn only_an_empty_file_adopts_and_only_what_the_quota_pays_for() {
    let own = quota(1 << 20, 100);
    let fs = MemoryFs::new(clock(), own.clone());
    let (ino, other) = (file(&fs, "a"), file(&fs, "b"));
    let before = own.bytes.used();
    assert!(!fs.adopt(ino, vec![1; 4096].into()).unwrap(), "so little is copied");
    assert_eq!(fs.adopt(ino, vec![1; 2 << 20].into()).unwrap_err(), Errno::ENOSPC);
    assert_eq!((own.bytes.used(), content(&fs, ino).len()), (before, 0));
    assert!(fs.adopt(ino, vec![1; 600 << 10].into()).unwrap());
    assert!(!fs.adopt(ino, vec![2; 300 << 10].into()).unwrap(), "it is not empty");
    assert_eq!(content(&fs, ino), [1; 600 << 10]);
    assert_eq!(
        fs.adopt(fs.root(), vec![1; 300 << 10].into()).unwrap_err(),
        Errno::EISDIR
    );
    let copied = quota(1 << 20, 100);
    let fork = fs.fork(clock(), copied.clone());
    assert_eq!(copied.bytes.used(), own.bytes.used());
    fork.write(ino, 0, &[3]).unwrap();
    assert_eq!((content(&fork, ino)[0], content(&fs, ino)[0]), (3, 1));
    assert_eq!(copied.bytes.used(), own.bytes.used());
    fs.write(other, 0, &[5; 300 << 10]).unwrap();
    assert_eq!(
        fs.write(ino, 0, &[4; 600 << 10]).unwrap(),
        600 << 10,
        "no room is needed to change it"
    );
}

/// Looks after what natives have, who `hold` files as it says when it is asked.
fn tidied(fs: &MemoryFs, hold: impl Fn() -> Holders) -> NativeUse {
    fs.tidy_natives(&|_| hold())
}

#[test]
fn what_natives_had_is_taken_back_with_its_bytes_and_holes() {
    for quota in [quota(u64::MAX, u64::MAX), quota(1 << 20, 64)] {
        let fs = MemoryFs::new(clock(), Arc::clone(&quota));
        let ino = file(&fs, "file");
        fs.write(ino, 3 * 4096, b"content").unwrap();
        fs.setattr(
            ino,
            &SetAttr {
                size: Some(9 * 4096),
                ..SetAttr::default()
            },
        )
        .unwrap();
        let before = content(&fs, ino);
        let native = fs.native(ino, true).unwrap().unwrap();
        assert!(fs.shares_natively(ino, true));
        assert_eq!(tidied(&fs, || Holders::Writers).open, 1);
        assert!(fs.shares_natively(ino, true), "it is in use");
        assert_eq!(std::fs::File::from(native).metadata().unwrap().len(), 9 * 4096);
        assert_eq!(tidied(&fs, || Holders::None).open, 0);
        assert!(!fs.shares_natively(ino, true));
        assert!(content(&fs, ino) == before);
        fs.unlink(fs.root(), b"file").unwrap();
        assert_eq!(quota.bytes.used(), 0, "what was charged is given back");
    }
}

#[test]
fn what_is_opened_or_changed_while_it_is_looked_at_is_not_taken_back() {
    let fs = MemoryFs::new(clock(), quota(1 << 20, 64));
    let (opened, changed) = (file(&fs, "opened"), file(&fs, "changed"));
    for ino in [opened, changed] {
        fs.write(ino, 0, b"before").unwrap();
        fs.native(ino, true).unwrap();
    }
    let meanwhile = std::cell::RefCell::new(None);
    tidied(&fs, || {
        // Nothing is locked here.
        *meanwhile.borrow_mut() = fs.native(opened, true).unwrap();
        fs.write(changed, 0, b"after!").unwrap();
        Holders::None
    });
    let native = std::fs::File::from(meanwhile.take().unwrap());
    std::os::unix::fs::FileExt::write_at(&native, b"native", 0).unwrap();
    assert_eq!(content(&fs, opened), b"native", "both still have the same bytes");
    assert_eq!(content(&fs, changed), b"after!");
    tidied(&fs, || Holders::None);
    assert!(!fs.shares_natively(changed, true));
    assert_eq!(content(&fs, changed), b"after!");
}
