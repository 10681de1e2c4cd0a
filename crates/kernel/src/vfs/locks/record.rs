//! Record locks of processes: ranges that split, join and change mode.

use super::{FileKey, LockMode, State, Wait};
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Pid;
use core::task::Poll;

/// A range of bytes, both ends included; never empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LockRange {
    /// First byte.
    start: u64,
    /// Last byte; the largest value reaches to the end of the file, however long it gets.
    end: u64,
}

/// A lock that somebody holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordLock {
    /// Holder.
    pub process: Pid,
    /// Bytes.
    pub range: LockRange,
    /// Kind.
    pub mode: LockMode,
}

/// The record locks of one file, sorted by process and start; those of one process do not overlap.
#[derive(Debug, Default)]
pub(super) struct Records(Vec<RecordLock>);

impl LockRange {
    /// The whole file.
    pub const ALL: Self = Self {
        start: 0,
        end: u64::MAX,
    };

    /// The range that `fcntl(2)` describes by an absolute `start` and a length: 0 reaches to the end of the file, a
    /// negative one lies before `start`.
    ///
    /// # Errors
    /// `EINVAL` if it begins before byte 0, `EOVERFLOW` if it ends beyond the largest offset.
    pub fn new(start: i64, len: i64) -> Result<Self> {
        let (first, last) = match len {
            0 => (start, i64::MAX),
            1.. => (start, start.checked_add(len - 1).ok_or(Errno::EOVERFLOW)?),
            _ => (
                start.checked_add(len).ok_or(Errno::EINVAL)?,
                start.checked_sub(1).ok_or(Errno::EINVAL)?,
            ),
        };
        let first = u64::try_from(first).map_err(|_| Errno::EINVAL)?;
        let last = u64::try_from(last).map_err(|_| Errno::EINVAL)?;
        let end = if last == i64::MAX as u64 { u64::MAX } else { last };
        Ok(Self { start: first, end })
    }

    /// First byte.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Number of bytes; 0 means to the end of the file, as `fcntl(2)` reports it.
    // A range is never empty.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        if self.end == u64::MAX {
            0
        } else {
            self.end - self.start + 1
        }
    }

    /// Whether it reaches to the end of the file.
    pub fn is_open_ended(&self) -> bool {
        self.end == u64::MAX
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }

    fn touches(&self, other: &Self) -> bool {
        self.start <= other.end.saturating_add(1) && other.start <= self.end.saturating_add(1)
    }
}

impl Records {
    /// The lock with the lowest start that stands in the way.
    pub(super) fn conflict(&self, process: Pid, range: LockRange, mode: LockMode) -> Option<&RecordLock> {
        self.conflicts(process, range, mode).min_by_key(|lock| lock.range.start)
    }

    fn conflicts(&self, process: Pid, range: LockRange, mode: LockMode) -> impl Iterator<Item = &RecordLock> {
        self.0.iter().filter(move |lock| {
            lock.process != process
                && lock.range.overlaps(&range)
                && (mode, lock.mode) != (LockMode::Shared, LockMode::Shared)
        })
    }

    /// The list after `range` of `process` was set to `mode`, or cleared.
    fn with(&self, process: Pid, range: LockRange, mode: Option<LockMode>) -> Vec<RecordLock> {
        let mut kept = Vec::with_capacity(self.0.len() + 2);
        let mut joined = range;
        for lock in &self.0 {
            if lock.process != process {
                kept.push(*lock);
            } else if Some(lock.mode) == mode && lock.range.touches(&range) {
                joined.start = joined.start.min(lock.range.start);
                joined.end = joined.end.max(lock.range.end);
            } else {
                kept.extend(outside(lock, range));
            }
        }
        if let Some(mode) = mode {
            kept.push(RecordLock {
                process,
                range: joined,
                mode,
            });
        }
        kept.sort_by_key(|lock| (lock.process, lock.range.start));
        kept
    }
}

/// What remains of a lock without `range`.
fn outside(lock: &RecordLock, range: LockRange) -> impl Iterator<Item = RecordLock> {
    let piece = |start: u64, end: u64| RecordLock {
        range: LockRange { start, end },
        ..*lock
    };
    if !lock.range.overlaps(&range) {
        return [Some(*lock), None].into_iter().flatten();
    }
    let before = (lock.range.start < range.start).then(|| piece(lock.range.start, range.start.saturating_sub(1)));
    let after = (lock.range.end > range.end).then(|| piece(range.end.saturating_add(1), lock.range.end));
    [before, after].into_iter().flatten()
}

impl State {
    pub(super) fn lock_record(&mut self, process: Pid, wait: Wait, waits: bool) -> Poll<Result<()>> {
        self.waits.remove(&process);
        let records = self.records.entry(wait.key).or_default();
        if records.conflict(process, wait.range, wait.mode).is_some() {
            if waits {
                if self.would_deadlock(process, &wait) {
                    return Poll::Ready(Err(Errno::EDEADLK.into()));
                }
                self.waits.insert(process, wait);
            }
            return Poll::Pending;
        }
        Poll::Ready(self.replace(wait.key, process, wait.range, Some(wait.mode)).map(|_| ()))
    }

    /// Whether anything was given up.
    pub(super) fn unlock_record(&mut self, key: FileKey, process: Pid, range: LockRange) -> Result<bool> {
        self.replace(key, process, range, None)
    }

    fn replace(&mut self, key: FileKey, process: Pid, range: LockRange, mode: Option<LockMode>) -> Result<bool> {
        let Some(records) = self.records.get(&key) else {
            return Ok(false);
        };
        let after = records.with(process, range, mode);
        let changed = after != records.0;
        let before = records.0.len();
        if let Err(error) = self.recount(before, after.len()) {
            // The entry may have been made for this lock only.
            if before == 0 {
                self.records.remove(&key);
            }
            return Err(error);
        }
        if after.is_empty() {
            self.records.remove(&key);
        } else {
            self.records.insert(key, Records(after));
        }
        Ok(changed)
    }

    /// Whether one of those whom `process` would wait for waits, directly or not, for `process`.
    fn would_deadlock(&self, process: Pid, wait: &Wait) -> bool {
        let mut seen = vec![process];
        let mut pending = self.holders(process, wait);
        while let Some(holder) = pending.pop() {
            if holder == process {
                return true;
            }
            if seen.contains(&holder) {
                continue;
            }
            seen.push(holder);
            if let Some(next) = self.waits.get(&holder) {
                pending.extend(self.holders(holder, next));
            }
        }
        false
    }

    fn holders(&self, process: Pid, wait: &Wait) -> Vec<Pid> {
        let Some(records) = self.records.get(&wait.key) else {
            return Vec::new();
        };
        records
            .conflicts(process, wait.range, wait.mode)
            .map(|lock| lock.process)
            .collect()
    }
}
