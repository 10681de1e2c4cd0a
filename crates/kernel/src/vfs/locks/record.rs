//! Record locks of processes: ranges that split, join and change mode.

use super::{FileKey, LockMode, NativeLock, State, Wait};
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

    /// The range between two bytes, both included; `i64::MAX` for the last reaches to the end of the file.
    pub fn between(first: u64, last: u64) -> Self {
        Self {
            start: first,
            end: if last >= i64::MAX as u64 { u64::MAX } else { last },
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

impl RecordLock {
    /// Whether another process could not have `wanted`.
    pub(super) fn is_in_the_way_of(&self, wanted: &Self) -> bool {
        self.process != wanted.process
            && self.range.overlaps(&wanted.range)
            && (wanted.mode, self.mode) != (LockMode::Shared, LockMode::Shared)
    }
}

impl Records {
    pub(super) fn all(&self) -> &[RecordLock] {
        &self.0
    }

    /// Whether a process holds anything.
    pub(super) fn has(&self, process: Pid) -> bool {
        self.0.iter().any(|lock| lock.process == process)
    }

    /// Who holds just this.
    pub(super) fn holder(&self, range: LockRange, mode: LockMode) -> Option<Pid> {
        let same = |lock: &&RecordLock| lock.range == range && lock.mode == mode;
        self.0.iter().find(same).map(|lock| lock.process)
    }

    /// The lock with the lowest start that stands in the way.
    pub(super) fn conflict(&self, process: Pid, range: LockRange, mode: LockMode) -> Option<&RecordLock> {
        self.conflicts(process, range, mode).min_by_key(|lock| lock.range.start)
    }

    fn conflicts(&self, process: Pid, range: LockRange, mode: LockMode) -> impl Iterator<Item = &RecordLock> {
        let wanted = RecordLock { process, range, mode };
        self.0.iter().filter(move |lock| lock.is_in_the_way_of(&wanted))
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
        let records = self.records.get(&wait.key);
        let own = records.is_some_and(|records| records.conflict(process, wait.range, wait.mode).is_some());
        if !own && self.replace(wait.key, process, wait.range, Some(wait.mode))?.is_some() {
            return Poll::Ready(Ok(()));
        }
        if waits {
            if self.would_deadlock(process, &wait) {
                return Poll::Ready(Err(Errno::EDEADLK.into()));
            }
            self.waits.insert(process, wait);
            // A native that waits for somebody here is told of no deadlock, so whoever waits here looks for one.
            if !own || self.twins.contains_key(&wait.key) {
                self.expect_natives();
            }
        }
        Poll::Pending
    }

    /// Whether anything was given up.
    pub(super) fn unlock_record(&mut self, key: FileKey, process: Pid, range: LockRange) -> Result<bool> {
        self.replace(key, process, range, None)
            .map(|changed| changed == Some(true))
    }

    /// Whether anything was changed; none if a native is in the way.
    fn replace(
        &mut self,
        key: FileKey,
        process: Pid,
        range: LockRange,
        mode: Option<LockMode>,
    ) -> Result<Option<bool>> {
        let none = Records::default();
        let before = self.records.get(&key).unwrap_or(&none);
        let after = before.with(process, range, mode);
        let changed = after != before.0;
        let count = self.counted(before.0.len(), after.len())?;
        if !self.record_natively(key, process, range, mode)? {
            return Ok(None);
        }
        self.count = count;
        if after.is_empty() {
            self.records.remove(&key);
        } else {
            self.records.insert(key, Records(after));
        }
        Ok(Some(changed))
    }

    /// Whether one of those whom `process` would wait for waits, directly or not, for `process`.
    fn would_deadlock(&self, process: Pid, wait: &Wait) -> bool {
        let natives = match (&self.natives, self.twins.is_empty()) {
            (Some(natives), false) => natives.list(),
            _ => Vec::new(),
        };
        let mut seen = Vec::new();
        let mut pending = self.holders(process, wait, &natives);
        while let Some(holder) = pending.pop() {
            if holder == process {
                return true;
            }
            if seen.contains(&holder) {
                continue;
            }
            seen.push(holder);
            if let Some(next) = self.waits.get(&holder) {
                pending.extend(self.holders(holder, next, &natives));
            }
            let waited = natives.iter().filter(|lock| lock.waits && lock.process == Some(holder));
            waited.for_each(|lock| pending.extend(self.holders_for_native(lock, &natives)));
        }
        false
    }

    /// Who is in the way of a process of the kernel's.
    fn holders(&self, process: Pid, wait: &Wait, natives: &[NativeLock]) -> Vec<Pid> {
        let wanted = RecordLock {
            process,
            range: wait.range,
            mode: wait.mode,
        };
        let mut holders = self.holders_in_table(wait.key, &wanted);
        if let Some(twins) = self.twins.get(&wait.key) {
            // Also what the process held when it was a native.
            holders.extend(natives_holding(natives, twins.file, wanted));
        }
        holders
    }

    /// Who is in the way of a native.
    fn holders_for_native(&self, waited: &NativeLock, natives: &[NativeLock]) -> Vec<Pid> {
        let wanted = RecordLock {
            process: waited.process.unwrap_or(Pid(u32::MAX)),
            range: waited.range,
            mode: waited.mode,
        };
        let mut holders = natives_holding(natives, waited.file, wanted);
        let keys = self.twins.iter().filter(|(_, twins)| twins.file == waited.file);
        keys.for_each(|(key, _)| holders.extend(self.holders_in_table(*key, &wanted)));
        holders
    }

    fn holders_in_table(&self, key: FileKey, wanted: &RecordLock) -> Vec<Pid> {
        let records = self.records.get(&key).map_or(&[][..], Records::all);
        let in_the_way = records.iter().filter(|lock| lock.is_in_the_way_of(wanted));
        in_the_way.map(|lock| lock.process).collect()
    }
}

/// Natives that hold what is in the way.
fn natives_holding(natives: &[NativeLock], file: (u64, u64), wanted: RecordLock) -> Vec<Pid> {
    let others = RecordLock {
        process: Pid(u32::MAX),
        ..wanted
    };
    let held = natives.iter().filter(|lock| lock.file == file && !lock.waits);
    let in_the_way = held.filter_map(|lock| {
        let process = lock.process?;
        let held = RecordLock {
            process,
            range: lock.range,
            mode: lock.mode,
        };
        held.is_in_the_way_of(&others).then_some(process)
    });
    in_the_way.collect()
}
