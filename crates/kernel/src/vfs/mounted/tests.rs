//! Working copies against a model: what natives and the kernel's callers do in any order is what everybody reads, and what the
//! filesystem has after it was written back.

use super::MountedFs;
use crate::clock::{Clock, Instant, Timestamp};
use crate::errno::Errno;
use crate::id::{DeviceId, Gid, Ino, Uid};
use crate::limits::Counter;
use crate::vfs::attr::{FileType, Mode, SetAttr, SetTime};
use crate::vfs::filesystem::{Filesystem, Holders, NewNode, RenameFlags, SeekTarget};
use crate::vfs::news::News;
use crate::vfs::{CappedFs, FsQuota, MemoryFs};
use core::task::Waker;
use proptest::prelude::*;
use rustix::fd::OwnedFd;
use rustix::fs::FallocateFlags;
use std::sync::Arc;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(1)
    }

    fn instant(&self) -> Instant {
        Instant(1)
    }

    fn wake_at(&self, _: Instant, _: &Waker) {}
}

/// A filesystem whose files have no bytes on the host, below what mounting adds.
fn bench(bytes: u64) -> (Arc<dyn Filesystem>, Arc<MountedFs>) {
    let counter = |path| Counter::new(path, "", 1 << 40, Errno::ENOSPC);
    let quota = Arc::new(FsQuota {
        bytes: counter("bytes"),
        inodes: counter("inodes"),
    });
    let inner: Arc<dyn Filesystem> = CappedFs::new(MemoryFs::new(Arc::new(Still), quota), Some(bytes), None);
    let mounted = MountedFs::new(Arc::clone(&inner), DeviceId(1), &Arc::<News>::default());
    (inner, mounted)
}

fn create(fs: &dyn Filesystem, name: &[u8]) -> Ino {
    let node = NewNode {
        kind: FileType::Regular,
        mode: Mode::new(0o644),
        uid: Uid::ROOT,
        gid: Gid::ROOT,
        rdev: 0,
    };
    fs.create(fs.root(), name, &node).unwrap().ino
}

fn content(fs: &dyn Filesystem, ino: Ino) -> Vec<u8> {
    let mut buf = vec![0; fs.getattr(ino).unwrap().size as usize + 1];
    let count = fs.read(ino, 0, &mut buf).unwrap();
    buf.truncate(count);
    buf
}

fn resized(size: u64) -> SetAttr {
    SetAttr {
        size: Some(size),
        ..SetAttr::default()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Native(u64, Vec<u8>),
    NativeCut(u64),
    NativePunch(u64, u64),
    Write(u64, Vec<u8>),
    Append(Vec<u8>),
    Cut(u64),
    Punch(u64, u64),
    Back,
    Retire,
    Fsync,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let at = || prop_oneof![0..200_000u64, (0..12u64).prop_map(|block| block * super::prints::BLOCK)];
    let bytes = || (1..60_000usize, 1u8..=255).prop_map(|(len, byte)| vec![byte; len]);
    let step = prop_oneof![
        4 => (at(), bytes()).prop_map(|(at, data)| Step::Native(at, data)),
        2 => at().prop_map(Step::NativeCut),
        2 => (at(), 1..100_000u64).prop_map(|(at, len)| Step::NativePunch(at, len)),
        3 => (at(), bytes()).prop_map(|(at, data)| Step::Write(at, data)),
        2 => bytes().prop_map(Step::Append),
        2 => at().prop_map(Step::Cut),
        2 => (at(), 1..100_000u64).prop_map(|(at, len)| Step::Punch(at, len)),
        3 => Just(Step::Back),
        1 => Just(Step::Retire),
        1 => Just(Step::Fsync),
    ];
    prop::collection::vec(step, 1..40)
}

fn put(model: &mut Vec<u8>, at: u64, data: &[u8]) {
    let (at, end) = (at as usize, at as usize + data.len());
    if model.len() < end {
        model.resize(end, 0);
    }
    model[at..end].copy_from_slice(data);
}

fn zero(model: &mut [u8], at: u64, len: u64) {
    let size = model.len();
    let range = (at as usize).min(size)..((at + len) as usize).min(size);
    model[range].fill(0);
}

fn apply(fs: &MountedFs, ino: Ino, native: &mut OwnedFd, model: &mut Vec<u8>, step: &Step) {
    match step {
        Step::Native(at, data) => {
            assert_eq!(rustix::io::pwrite(&*native, data, *at).unwrap(), data.len());
            put(model, *at, data);
        }
        Step::NativeCut(size) => {
            rustix::fs::ftruncate(&*native, *size).unwrap();
            model.resize(*size as usize, 0);
        }
        Step::NativePunch(at, len) => {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            rustix::fs::fallocate(&*native, flags, *at, *len).unwrap();
            zero(model, *at, *len);
        }
        Step::Write(at, data) => {
            assert_eq!(fs.write(ino, *at, data).unwrap(), data.len());
            put(model, *at, data);
        }
        Step::Append(data) => {
            let end = model.len() as u64;
            assert_eq!(fs.append(ino, data).unwrap(), (data.len(), end + data.len() as u64));
            put(model, end, data);
        }
        Step::Cut(size) => {
            fs.setattr(ino, &resized(*size)).unwrap();
            model.resize(*size as usize, 0);
        }
        Step::Punch(at, len) => {
            fs.allocate(ino, *at, *len, true, true).unwrap();
            zero(model, *at, *len);
        }
        Step::Back => fs.write_back().unwrap(),
        Step::Retire => {
            *native = native_of(fs, ino);
            fs.tidy(&|_| Holders::None);
            *native = native_of(fs, ino);
        }
        Step::Fsync => fs.fsync(ino, false).unwrap(),
    }
}

fn native_of(fs: &MountedFs, ino: Ino) -> OwnedFd {
    fs.native(ino, true).unwrap().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn everybody_sees_the_same_and_the_filesystem_gets_it(steps in steps()) {
        let (inner, fs) = bench(1 << 40);
        let ino = create(&*fs, b"f");
        fs.write(ino, 3, b"before").unwrap();
        let mut model = b"\0\0\0before".to_vec();
        let mut native = native_of(&fs, ino);
        for step in &steps {
            apply(&fs, ino, &mut native, &mut model, step);
            prop_assert_eq!(fs.getattr(ino).unwrap().size, model.len() as u64);
            prop_assert!(content(&*fs, ino) == model, "read differs after {:?}", step);
        }
        drop(native);
        fs.tidy(&|_| Holders::None);
        prop_assert_eq!(fs.copies(), 0);
        prop_assert!(content(&*inner, ino) == model);
        prop_assert_eq!(inner.getattr(ino).unwrap().size, model.len() as u64);
    }
}

#[test]
fn a_reader_without_rights_to_write_shares_the_copy() {
    let (_, fs) = bench(1 << 40);
    let ino = create(&*fs, b"f");
    fs.write(ino, 0, b"one").unwrap();
    let reader = fs.native(ino, false).unwrap().unwrap();
    let writer = native_of(&fs, ino);
    rustix::io::pwrite(&writer, b"two", 0).unwrap();
    let mut buf = [0; 3];
    rustix::io::pread(&reader, &mut buf, 0).unwrap();
    assert_eq!(&buf, b"two");
    assert!(rustix::io::pwrite(&reader, b"no", 0).is_err());
    fs.write(ino, 0, b"six").unwrap();
    rustix::io::pread(&reader, &mut buf, 0).unwrap();
    assert_eq!(&buf, b"six");
}

#[test]
fn times_that_were_given_stay() {
    let (inner, fs) = bench(1 << 40);
    let ino = create(&*fs, b"f");
    let writer = native_of(&fs, ino);
    rustix::io::pwrite(&writer, b"x", 0).unwrap();
    let written = fs.getattr(ino).unwrap().mtime;
    assert!(written > Timestamp(1), "the time of a native's write counts");
    fs.write_back().unwrap();
    assert_eq!(fs.getattr(ino).unwrap().mtime, written);
    rustix::io::pwrite(&writer, b"y", 0).unwrap();
    let given = SetAttr {
        mtime: SetTime::At(Timestamp(77)),
        ..SetAttr::default()
    };
    fs.setattr(ino, &given).unwrap();
    assert_eq!(fs.getattr(ino).unwrap().mtime, Timestamp(77));
    fs.write_back().unwrap();
    assert_eq!(
        (
            fs.getattr(ino).unwrap().mtime,
            inner.getattr(ino).unwrap().mtime,
            content(&*inner, ino)
        ),
        (Timestamp(77), Timestamp(77), b"y".to_vec())
    );
}

#[test]
fn what_a_rename_publishes_is_complete() {
    let (inner, fs) = bench(1 << 40);
    let (old, new) = (create(&*fs, b"old"), create(&*fs, b"new"));
    fs.write(old, 0, b"before").unwrap();
    let writer = native_of(&fs, new);
    rustix::io::pwrite(&writer, b"after", 0).unwrap();
    fs.rename(fs.root(), b"new", fs.root(), b"old", RenameFlags::Replace)
        .unwrap();
    let found = inner.lookup(inner.root(), b"old").unwrap().ino;
    assert_eq!((found, content(&*inner, found)), (new, b"after".to_vec()));
}

#[test]
fn no_room_is_told_and_nothing_is_lost_meanwhile() {
    let (inner, fs) = bench(100_000);
    let ino = create(&*fs, b"f");
    let writer = native_of(&fs, ino);
    rustix::io::pwrite(&writer, &[7; 200_000], 0).unwrap();
    assert!(fs.growth() >= 200_000);
    assert_eq!(fs.write_back().unwrap_err().errno(), Errno::ENOSPC);
    assert_eq!(fs.fsync(ino, false).unwrap_err().errno(), Errno::ENOSPC);
    drop(writer);
    // It stays until there is room.
    fs.tidy(&|_| Holders::None);
    assert_eq!((fs.copies(), content(&*fs, ino).len()), (1, 200_000));
    fs.setattr(ino, &resized(50_000)).unwrap();
    fs.fsync(ino, false).unwrap();
    fs.tidy(&|_| Holders::None);
    assert_eq!((fs.copies(), content(&*inner, ino)), (0, vec![7; 50_000]));
}

#[test]
fn a_large_file_of_holes_costs_its_blocks_only() {
    let (inner, fs) = bench(1 << 40);
    let ino = create(&*fs, b"f");
    let writer = native_of(&fs, ino);
    rustix::fs::ftruncate(&writer, 10 << 30).unwrap();
    rustix::io::pwrite(&writer, b"end", (10 << 30) - 3).unwrap();
    fs.fsync(ino, false).unwrap();
    let attr = inner.getattr(ino).unwrap();
    assert_eq!(attr.size, 10 << 30);
    assert!(attr.blocks <= 64, "{}", attr.blocks);
    assert!(inner.seek(ino, 0, SeekTarget::Data).unwrap() >= (10 << 30) - (64 << 10));
}
