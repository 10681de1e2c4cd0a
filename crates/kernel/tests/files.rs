//! Open descriptions of files, directories and FIFOs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod common;

use agentos_kernel::cred::Credentials;
use agentos_kernel::errno::Errno;
use agentos_kernel::fd::{AccessMode, FdLimits, FifoOpening, Fifos, OpenFile, PollEvents, SeekFrom, StatusFlags};
use agentos_kernel::limits::{Counter, Limits};
use agentos_kernel::vfs::memory::{FsQuota, MemoryFs};
use agentos_kernel::vfs::{FileType, FsContext, Location, Mode, OpenOptions, Opened, Vfs};
use common::{Alarm, ManualClock, ready, wait};
use core::ops::ControlFlow;
use std::sync::Arc;

struct World {
    vfs: Vfs,
    root: Location,
    cred: Credentials,
    limits: Arc<FdLimits>,
    fifos: Fifos,
}

impl World {
    fn new(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        let counter = |path, cap| Counter::new(path, "units", cap, Errno::ENOSPC);
        let quota = Arc::new(FsQuota {
            bytes: counter("limits.resources.maxFilesystemBytes", limits.max_filesystem_bytes),
            inodes: counter("limits.resources.maxInodeCount", limits.max_inode_count),
        });
        let fs = MemoryFs::new(Arc::new(ManualClock::default()), quota);
        let vfs = Vfs::new(fs);
        let root = vfs.root();
        Self {
            root,
            vfs,
            cred: Credentials::root(),
            limits: FdLimits::new(&limits),
            fifos: Fifos::default(),
        }
    }

    fn cx(&self) -> FsContext<'_> {
        FsContext::new(&self.cred, &self.root)
    }

    fn open(&self, path: &str, access: AccessMode, status: StatusFlags) -> Arc<OpenFile> {
        let options = OpenOptions {
            read: access.contains(AccessMode::READ),
            write: access.contains(AccessMode::WRITE),
            create: access.contains(AccessMode::WRITE),
            mode: Mode::new(0o644),
            ..OpenOptions::default()
        };
        match self.vfs.open(&self.cx(), None, path.as_bytes(), options).unwrap() {
            Opened::Inode(handle) => OpenFile::from_inode(handle, access, status, &self.limits).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    fn file(&self, path: &str) -> Arc<OpenFile> {
        self.open(path, AccessMode::READ_WRITE, StatusFlags::empty())
    }

    fn open_fifo(&self, access: AccessMode, status: StatusFlags) -> Result<FifoOpening, Errno> {
        let options = OpenOptions {
            read: true,
            ..OpenOptions::default()
        };
        match self.vfs.open(&self.cx(), None, b"/fifo", options).unwrap() {
            Opened::Special(location, attr) => self
                .fifos
                .open(location, &attr, access, status, &self.limits)
                .map_err(|error| error.errno()),
            other => panic!("{other:?}"),
        }
    }

    fn with_fifo() -> Self {
        let world = Self::new(|_| {});
        world
            .vfs
            .mknod(&world.cx(), None, b"/fifo", FileType::Fifo, Mode::new(0o644), 0)
            .unwrap();
        world
    }
}

fn read(file: &OpenFile, most: usize) -> Vec<u8> {
    let mut buf = vec![0; most];
    let count = ready(file.read(&mut buf, None)).unwrap();
    buf.truncate(count);
    buf
}

fn write(file: &OpenFile, data: &[u8]) -> usize {
    ready(file.write(data, None)).unwrap()
}

#[test]
fn the_offset_belongs_to_the_description() {
    let world = World::new(|_| {});
    let one = world.file("/f");
    let shared = Arc::clone(&one);
    assert_eq!(write(&one, b"hello "), 6);
    assert_eq!(write(&shared, b"world"), 5);
    let other = world.file("/f");
    assert_eq!(read(&other, 5), b"hello");
    assert_eq!(one.seek(SeekFrom::Current(0)).unwrap(), 11);
    assert_eq!(other.seek(SeekFrom::Current(1)).unwrap(), 6);
    assert_eq!(other.available().unwrap(), 5);
    assert_eq!(read(&other, 99), b"world");
    assert_eq!(read(&other, 99), b"");
    let mut buf = [0; 5];
    assert_eq!(ready(other.pread(6, &mut buf, None)).unwrap(), 5);
    assert_eq!((&buf, other.seek(SeekFrom::Current(0)).unwrap()), (b"world", 11));
    assert_eq!(ready(other.pwrite(&world.cred, 0, b"J", None)).unwrap(), 1);
    assert_eq!(ready(other.pread(0, &mut buf, None)).unwrap(), 5);
    assert_eq!(&buf, b"Jello");
    assert_ne!(one.id(), other.id());
}

#[test]
fn seeking_follows_lseek() {
    let world = World::new(|_| {});
    let file = world.file("/f");
    write(&file, &[7; 10]);
    assert_eq!(file.seek(SeekFrom::End(-4)).unwrap(), 6);
    assert_eq!(file.seek(SeekFrom::End(1 << 20)).unwrap(), (1 << 20) + 10);
    write(&file, b"end");
    assert_eq!(file.seek(SeekFrom::Start(u64::MAX)).unwrap_err(), Errno::EINVAL);
    assert_eq!(file.seek(SeekFrom::Current(i64::MIN)).unwrap_err(), Errno::EINVAL);
    assert_eq!(file.seek(SeekFrom::Data(1 << 40)).unwrap_err(), Errno::ENXIO);
    let hole = file.seek(SeekFrom::Hole(0)).unwrap();
    let data = file.seek(SeekFrom::Data(hole)).unwrap();
    assert!((10..=1 << 20).contains(&hole) && (hole..=(1 << 20) + 10).contains(&data));
    assert_eq!(file.seek(SeekFrom::Hole(data)).unwrap(), (1 << 20) + 13);
    assert_eq!(file.seek(SeekFrom::Start(i64::MAX as u64)).unwrap(), i64::MAX as u64);
    assert_eq!(ready(file.write(b"x", None)).unwrap_err(), Errno::EINVAL);
}

#[test]
fn appending_is_atomic_between_descriptions() {
    const WRITERS: u8 = 4;
    let world = World::new(|_| {});
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let file = world.open("/log", AccessMode::WRITE, StatusFlags::APPEND);
            scope.spawn(move || {
                for _ in 0..500 {
                    assert_eq!(write(&file, &[writer; 13]), 13);
                }
            });
        }
    });
    let file = world.file("/log");
    let all = read(&file, 100_000);
    assert_eq!(all.len(), 13 * 500 * usize::from(WRITERS));
    assert!(
        all.chunks(13)
            .all(|record| record.iter().all(|byte| *byte == record[0]))
    );

    let append = world.open("/log", AccessMode::READ_WRITE, StatusFlags::APPEND);
    ready(append.pwrite(&world.cred, 0, b"end", None)).unwrap();
    assert_eq!(file.stat().unwrap().attr.size, all.len() as u64 + 3);
    append.set_flags(StatusFlags::NONBLOCK);
    assert_eq!(append.flags(), StatusFlags::NONBLOCK);
    ready(append.pwrite(&world.cred, 0, b"start", None)).unwrap();
    assert_eq!(file.stat().unwrap().attr.size, all.len() as u64 + 3);
}

#[test]
fn a_description_shared_by_threads_gives_every_byte_once() {
    let world = World::new(|_| {});
    let file = world.file("/f");
    let data: Vec<u8> = (0..100_000u32).map(|at| (at % 251) as u8).collect();
    write(&file, &data);
    file.seek(SeekFrom::Start(0)).unwrap();
    let total: usize = std::thread::scope(|scope| {
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut sum = 0;
                    loop {
                        match read(&file, 97) {
                            chunk if chunk.is_empty() => return sum,
                            chunk => sum += chunk.len(),
                        }
                    }
                })
            })
            .collect();
        readers.into_iter().map(|reader| reader.join().unwrap()).sum()
    });
    assert_eq!(total, data.len());
}

#[test]
fn the_access_mode_is_checked() {
    let world = World::new(|_| {});
    write(&world.file("/f"), b"x");
    let reader = world.open("/f", AccessMode::READ, StatusFlags::empty());
    let writer = world.open("/f", AccessMode::WRITE, StatusFlags::empty());
    let path = world.open("/f", AccessMode::empty(), StatusFlags::empty());
    let mut buf = [0; 1];
    assert_eq!(ready(reader.write(b"x", None)).unwrap_err(), Errno::EBADF);
    assert_eq!(
        ready(reader.pwrite(&world.cred, 0, b"x", None)).unwrap_err(),
        Errno::EBADF
    );
    assert_eq!(reader.truncate(&world.cred, 0).unwrap_err(), Errno::EINVAL);
    assert_eq!(
        reader.allocate(&world.cred, 0, 1, false, false).unwrap_err(),
        Errno::EBADF
    );
    assert_eq!(ready(writer.read(&mut buf, None)).unwrap_err(), Errno::EBADF);
    assert_eq!(ready(writer.pread(0, &mut buf, None)).unwrap_err(), Errno::EBADF);
    writer.truncate(&world.cred, 0).unwrap();
    for error in [
        ready(path.read(&mut buf, None)).unwrap_err(),
        path.seek(SeekFrom::Start(0)).unwrap_err(),
        path.truncate(&world.cred, 0).unwrap_err(),
        path.sync(false).unwrap_err(),
    ] {
        assert_eq!(error, Errno::EBADF);
    }
    assert_eq!(path.stat().unwrap().attr.size, 0);
    assert_eq!(
        reader.poll(PollEvents::IN | PollEvents::OUT, None),
        PollEvents::IN | PollEvents::OUT
    );
}

#[test]
fn one_call_moves_at_most_what_is_configured() {
    let world = World::new(|limits| {
        limits.set("maxPreadBytes", 1000).unwrap();
        limits.set("maxFdWriteBytes", 3000).unwrap();
    });
    let file = world.file("/f");
    assert_eq!(write(&file, &[1; 5000]), 3000);
    assert_eq!(ready(file.pwrite(&world.cred, 3000, &[1; 5000], None)).unwrap(), 3000);
    file.seek(SeekFrom::Start(0)).unwrap();
    assert_eq!(read(&file, 5000).len(), 1000);
    assert_eq!(ready(file.pread(0, &mut [0; 5000], None)).unwrap(), 1000);
}

#[test]
fn directories_list_from_where_they_stopped() {
    let world = World::new(|_| {});
    for name in ["/a", "/b", "/c"] {
        world.file(name);
    }
    let dir = world.open("/", AccessMode::READ, StatusFlags::empty());
    let mut names = Vec::new();
    let mut calls = 0;
    loop {
        let before = names.len();
        dir.readdir_next(&mut |entry| {
            if names.len() == before + 2 {
                return ControlFlow::Break(());
            }
            names.push(String::from_utf8_lossy(entry.name).into_owned());
            ControlFlow::Continue(())
        })
        .unwrap();
        calls += 1;
        if names.len() == before {
            break;
        }
    }
    names.sort();
    assert_eq!((names.join(" ").as_str(), calls), (". .. a b c", 4));
    dir.seek(SeekFrom::Start(0)).unwrap();
    let mut first = None;
    dir.readdir_next(&mut |entry| {
        first.get_or_insert_with(|| entry.name.to_vec());
        ControlFlow::Continue(())
    })
    .unwrap();
    assert_eq!(first.as_deref(), Some(&b"."[..]));
    assert_eq!(ready(dir.read(&mut [0; 1], None)).unwrap_err(), Errno::EISDIR);
    let none = &mut |_: agentos_kernel::vfs::DirEntry<'_>| ControlFlow::Continue(());
    assert_eq!(world.file("/a").readdir(0, none).unwrap_err(), Errno::ENOTDIR);
}

#[test]
fn both_sides_of_a_fifo_wait_for_each_other() {
    let world = World::with_fifo();
    let (alarm, waker) = Alarm::new();
    let reading = world.open_fifo(AccessMode::READ, StatusFlags::empty()).unwrap();
    assert!(reading.poll(Some(&waker)).is_pending());
    let writing = world.open_fifo(AccessMode::WRITE, StatusFlags::empty()).unwrap();
    assert_eq!(alarm.rings(), 1);
    let writer = ready(writing.poll(None)).unwrap();
    drop(writing);
    // The writer comes, writes and goes before the reader looks again.
    write(&writer, b"hello");
    drop(writer);
    let reader = ready(reading.poll(None)).unwrap();
    assert_eq!(reader.stat().unwrap().attr.kind, FileType::Fifo);
    assert_eq!((read(&reader, 9), read(&reader, 9)), (b"hello".to_vec(), b"".to_vec()));
    drop((reading, reader));
    assert!(world.fifos.is_empty());
    assert_eq!(
        (world.limits.pipes().used(), world.limits.descriptions().used()),
        (0, 0)
    );
}

#[test]
fn a_reader_that_gives_up_is_no_reader() {
    let world = World::with_fifo();
    let reading = world.open_fifo(AccessMode::READ, StatusFlags::empty()).unwrap();
    assert!(reading.poll(None).is_pending());
    drop(reading);
    let nonblocking = world.open_fifo(AccessMode::WRITE, StatusFlags::NONBLOCK);
    assert_eq!(nonblocking.unwrap_err(), Errno::ENXIO);
    assert_eq!(
        (world.limits.pipes().used(), world.limits.descriptions().used()),
        (0, 0)
    );
}

#[test]
fn a_non_blocking_reader_opens_alone_and_is_not_hung_up_on() {
    let world = World::with_fifo();
    let reading = world.open_fifo(AccessMode::READ, StatusFlags::NONBLOCK).unwrap();
    let reader = ready(reading.poll(None)).unwrap();
    assert_eq!(read(&reader, 1), b"");
    assert!(reader.poll(PollEvents::IN, None).is_empty());
    let both = world.open_fifo(AccessMode::READ_WRITE, StatusFlags::empty()).unwrap();
    let both_file = ready(both.poll(None)).unwrap();
    write(&both_file, b"x");
    assert_eq!(read(&reader, 1), b"x");
    assert_eq!(ready(reader.read(&mut [0; 1], None)).unwrap_err(), Errno::EAGAIN);
    drop((both, both_file));
    assert_eq!(reader.poll(PollEvents::IN, None), PollEvents::HUP);
    let writer = world.open_fifo(AccessMode::WRITE, StatusFlags::NONBLOCK).unwrap();
    assert_eq!(write(&ready(writer.poll(None)).unwrap(), b"y"), 1);
}

/// Many readers and writers meet at one FIFO from threads; none waits in vain.
#[test]
fn openings_never_miss_each_other() {
    let world = World::with_fifo();
    let kept = parking_lot::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for access in [AccessMode::READ, AccessMode::WRITE] {
            let (world, kept) = (&world, &kept);
            scope.spawn(move || {
                for _ in 0..1000 {
                    let opening = world.open_fifo(access, StatusFlags::empty()).unwrap();
                    drop(wait(|waker| opening.poll(waker)).unwrap());
                }
                // One opening may have met two of the other side. Whoever is done first lets the rest of the other go on.
                let both = world.open_fifo(AccessMode::READ_WRITE, StatusFlags::empty()).unwrap();
                kept.lock().push(ready(both.poll(None)).unwrap());
            });
        }
    });
    drop(kept);
    assert_eq!(
        (world.limits.pipes().used(), world.limits.descriptions().used()),
        (0, 0)
    );
}

#[test]
fn a_reader_that_found_a_writer_is_hung_up_on_when_that_one_leaves() {
    let world = World::with_fifo();
    let both = world.open_fifo(AccessMode::READ_WRITE, StatusFlags::empty()).unwrap();
    let both_file = ready(both.poll(None)).unwrap();
    let late = world.open_fifo(AccessMode::READ, StatusFlags::empty()).unwrap();
    let reader = ready(late.poll(None)).unwrap();
    assert!(reader.poll(PollEvents::IN, None).is_empty());
    drop((both, both_file));
    assert_eq!(reader.poll(PollEvents::IN, None), PollEvents::HUP);
}
