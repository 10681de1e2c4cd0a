//! Bytes of a file that native programs use too.
//!
//! At the first native open of a file its bytes move from pages on the heap into a file in the host's memory, and stay there: both
//! kinds of programs see the same bytes at once, also through mappings. Such a file can be executed by nobody (a host that knows
//! `MFD_NOEXEC_SEAL` makes sure of that); programs are mapped from it.
//!
//! What natives do to it nobody hears of: size, blocks and time of change are asked for, and the quota is charged with what is
//! found whenever the kernel has to do with the file, and when it is told to look. Growth beyond the quota is therefore noticed, not
//! prevented; the next write through the kernel, and the next native open for writing, fail, and whoever runs the natives sees to
//! it that they stop.

use super::quota::Ledger;
use crate::errno::Errno;
use crate::error::Result;
use crate::vfs::anew::anew;
use crate::vfs::filesystem::SeekTarget;
use core::ops::Range;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{self, FallocateFlags, MemfdFlags, OFlags};
use rustix::io;
use std::sync::Arc;

/// A file in the host's memory. Clones are the same file.
#[derive(Debug, Clone)]
pub(super) struct Native {
    file: Arc<OwnedFd>,
    /// The host's time of the last change that the kernel knows of, in ns.
    seen: i64,
    /// How often somebody was to get it or the kernel has changed it: who looked at it without the lock sees here whether
    /// what was seen still holds.
    pub(super) uses: u64,
}

/// What the host says of it now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    pub(super) size: u64,
    pub(super) blocks: u64,
    /// Host's time of the last change.
    pub(super) changed: i64,
}

/// Bytes moved at once.
const CHUNK: usize = 128 << 10;

impl Native {
    /// An empty file.
    pub(super) fn new() -> Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::NOEXEC_SEAL;
        let made = match fs::memfd_create("file", flags) {
            // A host before Linux 6.3: nothing native can execute it either, as natives cannot set its mode.
            Err(io::Errno::INVAL) => fs::memfd_create("file", MemfdFlags::CLOEXEC).and_then(|file| {
                fs::fchmod(&file, fs::Mode::from_raw_mode(0o666))?;
                Ok(file)
            }),
            made => made,
        };
        Ok(Self {
            file: Arc::new(made?),
            seen: 0,
            uses: 0,
        })
    }

    /// A new description of it, for a native program.
    pub(super) fn open(&self, write: bool) -> Result<OwnedFd> {
        let access = if write { OFlags::RDWR } else { OFlags::RDONLY };
        anew(self.file(), access)
    }

    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    pub(super) fn now(&self) -> Now {
        // It is open, so nothing is left that could fail.
        let stat = fs::fstat(&*self.file).ok();
        stat.map_or(
            Now {
                size: 0,
                blocks: 0,
                changed: 0,
            },
            |stat| Now {
                size: u64::try_from(stat.st_size).unwrap_or(0),
                blocks: u64::try_from(stat.st_blocks).unwrap_or(0),
                changed: stat
                    .st_mtime
                    .saturating_mul(1_000_000_000)
                    .saturating_add(stat.st_mtime_nsec.cast_signed()),
            },
        )
    }

    /// When natives have changed it since the kernel last did, by the host's clock.
    pub(super) fn changed(&self) -> Option<i64> {
        self.changed_at(&self.now())
    }

    /// The same from what the host has said.
    pub(super) fn changed_at(&self, now: &Now) -> Option<i64> {
        (now.changed != self.seen).then_some(now.changed)
    }

    /// What it looks like now is known.
    pub(super) fn settle(&mut self) {
        self.uses += 1;
        self.seen = self.now().changed;
    }

    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(rest) = buf.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match io::pread(&*self.file, rest, offset + done as u64) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(io::Errno::INTR) => {}
                Err(_) => break,
            }
        }
        done
    }

    /// Writes everything, or what there was memory for.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> Result<usize> {
        let done = self.fill(offset, data);
        self.settle();
        done
    }

    /// As [`write`](Self::write), while it is being made: what it looks like is settled at the end.
    pub(super) fn fill(&self, offset: u64, data: &[u8]) -> Result<usize> {
        let mut done = 0;
        while let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) {
            match io::pwrite(&*self.file, rest, offset + done as u64) {
                Ok(count) => done += count,
                Err(io::Errno::INTR) => {}
                Err(errno) if done == 0 => return Err(errno.into()),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    pub(super) fn resize(&mut self, size: u64) -> Result<()> {
        fs::ftruncate(&*self.file, size)?;
        self.settle();
        Ok(())
    }

    pub(super) fn allocate(&mut self, range: &Range<u64>, punch: bool) -> Result<()> {
        let flags = match punch {
            true => FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            false => FallocateFlags::KEEP_SIZE,
        };
        fs::fallocate(&*self.file, flags, range.start, range.end - range.start)?;
        self.settle();
        Ok(())
    }

    pub(super) fn seek(&self, offset: u64, target: SeekTarget) -> Option<u64> {
        let to = match target {
            SeekTarget::Data => fs::SeekFrom::Data(offset),
            SeekTarget::Hole => fs::SeekFrom::Hole(offset),
        };
        fs::seek(&*self.file, to).ok()
    }

    /// Every part that is no hole, in order.
    pub(super) fn each_part(&self, size: u64, mut take: impl FnMut(u64, &[u8])) {
        let mut buf = piece(size);
        let mut at = 0;
        while let Some(data) = self.seek(at, SeekTarget::Data) {
            let end = self.seek(data, SeekTarget::Hole).unwrap_or(data);
            at = data;
            while at < end {
                let wanted = usize::try_from(end - at).unwrap_or(CHUNK).min(buf.len());
                let count = self.read(at, buf.get_mut(..wanted).unwrap_or_default());
                if count == 0 {
                    return;
                }
                take(at, buf.get(..count).unwrap_or_default());
                at += count as u64;
            }
        }
    }
}

/// Room for the bytes of a file of this size that are moved at once: most files are small, and clearing more than they need costs
/// more than moving them.
pub(super) fn piece(size: u64) -> Vec<u8> {
    vec![0; usize::try_from(size).unwrap_or(CHUNK).clamp(1, CHUNK)]
}

/// Makes what a file is charged what it takes; `charge` is what it was charged so far. Fails if there is no room for growth,
/// having taken what there was.
pub(super) fn recharge(ledger: &mut Ledger, charge: &mut u64, takes: u64) -> Result<()> {
    if !ledger.limited() {
        return Ok(());
    }
    if takes < *charge {
        ledger.give(*charge - takes);
        *charge = takes;
        return Ok(());
    }
    let more = takes - *charge;
    let taken = ledger.take_up_to(more);
    *charge += taken;
    match taken == more {
        true => Ok(()),
        false => Err(Errno::ENOSPC.into()),
    }
}
