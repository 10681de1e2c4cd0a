//! A working copy: the bytes of one file where native programs can use them.
//!
//! While it exists everybody uses it, native or not, so that all see the same bytes at once. What the kernel's own callers change
//! goes to the filesystem and to the copy in one step; what natives change goes to the filesystem when the copy is written back.

use super::prints::{BLOCK, Prints, UNKNOWN, print};
use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Ino;
use crate::vfs::anew::anew;
use crate::vfs::attr::{Attr, SetAttr, SetTime};
use crate::vfs::filesystem::{Filesystem, SeekTarget};
use core::ops::Range;
use parking_lot::Mutex;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, FallocateFlags, MemfdFlags, OFlags};
use rustix::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes that are moved at once.
const PIECE: usize = 256 << 10;
/// The host may give changes that lie so close together the same time, in ns.
const COARSE: i64 = 50_000_000;

/// A working copy.
pub(super) struct Copy {
    pub(super) ino: Ino,
    file: OwnedFd,
    pub(super) state: Mutex<State>,
}

/// What is known of a working copy.
#[derive(Default)]
pub(super) struct State {
    /// What it looked like when the filesystem last had the same.
    stamp: Stamp,
    /// Whether that was so shortly after a change that another may look the same.
    unsure: bool,
    /// Its time of change that the filesystem's attributes know of, by the host's clock.
    seen: i64,
    /// What the filesystem has; only kept if natives may write.
    prints: Option<Prints>,
    /// Whether natives may write through a mapping, which leaves no trace.
    pub(super) mapped: bool,
    /// It is not used any more.
    pub(super) gone: bool,
}

/// What the host says of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) size: u64,
    pub(super) blocks: u64,
    modified: i64,
    changed: i64,
}

impl Copy {
    /// An empty copy.
    pub(super) fn new(ino: Ino) -> Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL;
        let made = match fs::memfd_create("file", flags) {
            // A host before Linux 6.3.
            Err(io::Errno::INVAL) => fs::memfd_create("file", MemfdFlags::CLOEXEC).and_then(|file| {
                fs::fchmod(&file, fs::Mode::from_raw_mode(0o666))?;
                Ok(file)
            }),
            made => made,
        };
        Ok(Self {
            ino,
            file: made?,
            state: Mutex::default(),
        })
    }

    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// A description for a native program.
    pub(super) fn open(&self, write: bool) -> Result<OwnedFd> {
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        anew(self.file(), access)
    }

    pub(super) fn stamp(&self) -> Stamp {
        // It is open, so nothing is left that could fail.
        let Ok(stat) = fs::fstat(&self.file) else {
            return Stamp::default();
        };
        let ns = |seconds: i64, nanos: u64| {
            seconds
                .saturating_mul(1_000_000_000)
                .saturating_add(nanos.cast_signed())
        };
        Stamp {
            size: u64::try_from(stat.st_size).unwrap_or(0),
            blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
            modified: ns(stat.st_mtime, stat.st_mtime_nsec),
            changed: ns(stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// Fills it with what the filesystem has.
    pub(super) fn load(&self, state: &mut State, from: &dyn Filesystem, prints: bool) -> Result<()> {
        let size = from.getattr(self.ino)?.size;
        fs::ftruncate(&self.file, size)?;
        let mut known = prints.then(Prints::new);
        let mut buf = vec![0; PIECE];
        let mut at = 0;
        while at < size {
            let data = match from.seek(self.ino, at, SeekTarget::Data) {
                Ok(data) => data,
                Err(error) if error == Errno::ENXIO => break,
                Err(error) => return Err(error),
            };
            let hole = from.seek(self.ino, data, SeekTarget::Hole).unwrap_or(size);
            let hole = if hole > data { hole } else { size };
            // Whole blocks, so that each has its print.
            let end = hole.next_multiple_of(BLOCK).min(size);
            at = (data / BLOCK * BLOCK).max(at);
            while at < end {
                let wanted = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
                let piece = buf.get_mut(..wanted).unwrap_or_default();
                let count = read_full(&mut |at, buf| from.read(self.ino, at, buf), at, piece)?;
                let piece = buf.get(..count).unwrap_or_default();
                if piece.is_empty() {
                    // It has become shorter in the meantime.
                    fs::ftruncate(&self.file, at)?;
                    at = size;
                    break;
                }
                self.put(at, piece)?;
                if let Some(known) = &mut known {
                    let blocks = piece.chunks(BLOCK as usize);
                    known.extend((at / BLOCK..).zip(blocks.map(print)));
                }
                at += count as u64;
            }
        }
        state.prints = known;
        self.settled(state, self.stamp());
        Ok(())
    }

    /// From now on natives may write.
    pub(super) fn make_writable(&self, state: &mut State) -> Result<()> {
        if state.prints.is_some() {
            return Ok(());
        }
        let mut prints = Prints::new();
        let size = self.stamp().size;
        self.each_block(size, &mut |index, block| {
            prints.insert(index, print(block));
            Ok(())
        })?;
        state.prints = Some(prints);
        Ok(())
    }

    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        read_full(&mut |at, buf| Ok(io::pread(&self.file, buf, at)?), offset, buf)
    }

    /// Finds data or a hole.
    pub(super) fn seek(&self, offset: u64, target: SeekTarget) -> Result<u64> {
        let to = match target {
            SeekTarget::Data => fs::SeekFrom::Data(offset),
            SeekTarget::Hole => fs::SeekFrom::Hole(offset),
        };
        Ok(fs::seek(&self.file, to)?)
    }

    /// The filesystem's attributes as they are with what is in the copy.
    pub(super) fn dress(&self, state: &State, attr: Attr) -> Attr {
        let now = self.stamp();
        let mut dressed = Attr { size: now.size, ..attr };
        if state.prints.is_some() && (now.blocks != state.stamp.blocks || now.size != state.stamp.size) {
            dressed.blocks = now.blocks;
        }
        if now.modified != state.seen {
            dressed.mtime = Timestamp(now.modified);
            dressed.ctime = Timestamp(now.modified).max(attr.ctime);
        }
        dressed
    }

    /// Times were given: what natives did before does not count any more.
    pub(super) fn note_times(&self, state: &mut State) {
        state.seen = self.stamp().modified;
    }

    /// Bytes that natives have added to it and that the filesystem has not taken.
    pub(super) fn growth(&self, state: &State) -> u64 {
        self.stamp()
            .blocks
            .saturating_sub(state.stamp.blocks)
            .saturating_mul(512)
    }

    /// Whether natives have changed it, as far as can be told without looking at every byte.
    pub(super) fn is_changed(&self, state: &State, now: Stamp) -> bool {
        state.prints.is_some() && now != state.stamp
    }

    fn put(&self, mut at: u64, mut data: &[u8]) -> Result<()> {
        while !data.is_empty() {
            match io::pwrite(&self.file, data, at) {
                Ok(count) => {
                    data = data.get(count..).unwrap_or_default();
                    at += count as u64;
                }
                Err(io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// The filesystem has what is here as of `now`.
    fn settled(&self, state: &mut State, now: Stamp) {
        state.stamp = now;
        state.seen = now.modified;
        state.unsure = clock() - now.changed.max(now.modified) < COARSE;
    }
}

/// What the kernel's own callers change.
impl Copy {
    /// Has the filesystem and the copy change alike. What natives did before goes first.
    pub(super) fn change<T>(
        &self,
        state: &mut State,
        to: &dyn Filesystem,
        change: impl FnOnce(u64) -> Result<T>,
        follow: impl FnOnce(&T) -> Result<Range<u64>>,
    ) -> Result<T> {
        let now = self.stamp();
        if self.is_changed(state, now) {
            self.write_back(state, to)?;
        }
        let done = change(self.stamp().size)?;
        let touched = follow(&done)?;
        self.learn(state, &touched)?;
        let unsure = state.unsure;
        self.settled(state, self.stamp());
        state.unsure |= unsure;
        Ok(done)
    }

    /// Cuts it. That must work also where there is no room for what natives did, so it is not written back first.
    pub(super) fn cut(&self, state: &mut State, size: u64, cut: impl FnOnce() -> Result<Attr>) -> Result<Attr> {
        let touched = self.resize(size)?;
        let attr = cut()?;
        // Its end may be something that the filesystem does not have.
        if let Some(prints) = &mut state.prints {
            let last = touched.start / BLOCK;
            prints.retain(|index, _| *index <= last);
            prints.entry(last).and_modify(|print| *print = UNKNOWN);
        }
        Ok(self.dress(state, attr))
    }

    pub(super) fn write(&self, at: u64, data: &[u8]) -> Result<Range<u64>> {
        self.put(at, data)?;
        Ok(at..at + data.len() as u64)
    }

    pub(super) fn resize(&self, size: u64) -> Result<Range<u64>> {
        let before = self.stamp().size;
        fs::ftruncate(&self.file, size)?;
        Ok(size.min(before)..size.max(before))
    }

    pub(super) fn allocate(&self, range: &Range<u64>, keep_size: bool, punch: bool) -> Result<Range<u64>> {
        let flags = match (punch, keep_size) {
            (true, _) => FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            (false, true) => FallocateFlags::KEEP_SIZE,
            (false, false) => FallocateFlags::empty(),
        };
        fs::fallocate(&self.file, flags, range.start, range.end - range.start)?;
        Ok(range.clone())
    }

    /// Takes the prints of blocks that were changed on both sides.
    fn learn(&self, state: &mut State, touched: &Range<u64>) -> Result<()> {
        let Some(prints) = &mut state.prints else {
            return Ok(());
        };
        let (first, last) = (touched.start / BLOCK, touched.end.div_ceil(BLOCK));
        if last - first > prints.len() as u64 + 64 {
            prints.retain(|index, _| !(first..last).contains(index));
        } else {
            (first..last).for_each(|index| {
                prints.remove(&index);
            });
        }
        let size = self.stamp().size;
        self.each_block_of(first * BLOCK..(last * BLOCK).min(size), &mut |index, block| {
            prints.insert(index, print(block));
            Ok(())
        })
    }
}

/// Writing back.
impl Copy {
    /// Writes back what natives have changed, if anything may be. After a failure it is as changed as before.
    pub(super) fn write_back(&self, state: &mut State, to: &dyn Filesystem) -> Result<()> {
        let now = self.stamp();
        if state.prints.is_none() || !(state.unsure || state.mapped || now != state.stamp) {
            return Ok(());
        }
        let before = to.getattr(self.ino)?;
        let mtime = match now.modified == state.seen {
            true => before.mtime,
            false => Timestamp(now.modified),
        };
        let mut changed = false;
        let done = self.transfer(state, to, (before.size, now.size), &mut changed);
        if changed || now.modified != state.seen {
            let times = SetAttr {
                mtime: SetTime::At(mtime),
                ..SetAttr::default()
            };
            to.setattr(self.ino, &times)?;
        }
        done.map(|()| self.settled(state, now))
    }

    fn transfer(&self, state: &mut State, to: &dyn Filesystem, sizes: (u64, u64), changed: &mut bool) -> Result<()> {
        let (had, size) = sizes;
        let resize = |size| {
            let set = SetAttr {
                size: Some(size),
                ..SetAttr::default()
            };
            to.setattr(self.ino, &set).map(drop)
        };
        if size < had {
            *changed = true;
            resize(size)?;
        }
        // What is left here at the end is not here any more: holes.
        let mut old = state.prints.take().unwrap_or_default();
        let mut new = Prints::with_capacity(old.len());
        let mut run = Run::new(to, self.ino);
        let mut walked = self.each_block(size, &mut |index, block| {
            let print = print(block);
            if old.remove(&index) != Some(print) {
                *changed = true;
                run.add(index * BLOCK, block)?;
            }
            new.insert(index, print);
            Ok(())
        });
        walked = walked.and_then(|()| run.flush());
        if walked.is_ok() {
            let mut holes: Vec<u64> = old.keys().copied().filter(|index| index * BLOCK < size).collect();
            holes.sort_unstable();
            walked = holes.into_iter().try_for_each(|index| {
                *changed = true;
                punch(to, self.ino, index * BLOCK..((index + 1) * BLOCK).min(size))?;
                old.remove(&index);
                Ok(())
            });
        }
        match walked {
            Ok(()) => state.prints = Some(new),
            Err(error) => {
                // What was on its way is perhaps there: it is written again, or punched if it is a hole by then.
                new.into_keys().for_each(|index| {
                    old.entry(index).or_insert(UNKNOWN);
                });
                state.prints = Some(old);
                return Err(error);
            }
        }
        if size > to.getattr(self.ino)?.size {
            *changed = true;
            resize(size)?;
        }
        Ok(())
    }

    fn each_block(&self, size: u64, take: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        self.each_block_of(0..size, take)
    }

    /// Every block of a range that is no hole, in order. The range begins with a block.
    fn each_block_of(&self, range: Range<u64>, take: &mut dyn FnMut(u64, &[u8]) -> Result<()>) -> Result<()> {
        let mut buf = vec![0; PIECE.min(usize::try_from(range.end - range.start.min(range.end)).unwrap_or(PIECE))];
        let mut at = range.start;
        while at < range.end {
            let Ok(data) = self.seek(at, SeekTarget::Data) else {
                break;
            };
            let end = self.seek(data, SeekTarget::Hole).unwrap_or(range.end);
            let end = end.next_multiple_of(BLOCK).min(range.end);
            at = (data / BLOCK * BLOCK).max(at);
            while at < end {
                let wanted = usize::try_from(end - at).unwrap_or(PIECE).min(buf.len());
                let count = self.read(at, buf.get_mut(..wanted).unwrap_or_default())?;
                if count == 0 {
                    // It has become shorter in the meantime.
                    return Ok(());
                }
                for (index, block) in (at / BLOCK..).zip(buf.get(..count).unwrap_or_default().chunks(BLOCK as usize)) {
                    take(index, block)?;
                }
                at += count as u64;
            }
        }
        Ok(())
    }
}

/// Neighbouring changed blocks, written as one.
struct Run<'a> {
    to: &'a dyn Filesystem,
    ino: Ino,
    at: u64,
    data: Vec<u8>,
}

impl<'a> Run<'a> {
    fn new(to: &'a dyn Filesystem, ino: Ino) -> Self {
        Self {
            to,
            ino,
            at: 0,
            data: Vec::new(),
        }
    }

    fn add(&mut self, at: u64, block: &[u8]) -> Result<()> {
        if self.at + self.data.len() as u64 != at || self.data.len() + block.len() > PIECE {
            self.flush()?;
            self.at = at;
        }
        self.data.extend_from_slice(block);
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let mut rest = self.data.as_slice();
        while !rest.is_empty() {
            let count = self.to.write(self.ino, self.at, rest)?;
            if count == 0 {
                return Err(Errno::EIO.into());
            }
            self.at += count as u64;
            rest = rest.get(count..).unwrap_or_default();
        }
        self.data.clear();
        Ok(())
    }
}

/// Makes a range read zeros.
fn punch(to: &dyn Filesystem, ino: Ino, range: Range<u64>) -> Result<()> {
    match to.allocate(ino, range.start, range.end - range.start, true, true) {
        Err(error) if error == Errno::EOPNOTSUPP => {
            let zeros = vec![0; BLOCK as usize];
            let mut run = Run::new(to, ino);
            let len = usize::try_from(range.end - range.start).unwrap_or(0);
            run.add(range.start, zeros.get(..len).unwrap_or(&zeros))?;
            run.flush()
        }
        done => done,
    }
}

/// Reads until the buffer is full or the file ends.
fn read_full(read: &mut dyn FnMut(u64, &mut [u8]) -> Result<usize>, at: u64, buf: &mut [u8]) -> Result<usize> {
    let mut done = 0;
    while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match read(at + done as u64, rest) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error == Errno::EINTR => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// The host's time, in ns.
fn clock() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
