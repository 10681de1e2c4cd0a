//! One counted resource of a VM.

use crate::errno::Errno;
use crate::error::{LimitExceeded, Result};
use crate::events::Audit;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// A stock with a cap. Taking is atomic: of two callers that race for the last unit, one fails.
///
/// A stock that is [watched](Self::watch) reports once when it becomes 80 % full, and again only after it has fallen below
/// 50 % (limits.md section 2). What that costs a caller is one comparison.
#[derive(Debug)]
pub struct Counter {
    used: AtomicU64,
    capacity: u64,
    /// Usage at which a warning is due; `u64::MAX` for never.
    warn_at: u64,
    warned: AtomicBool,
    path: &'static str,
    noun: &'static str,
    errno: Errno,
    audit: OnceLock<Arc<Audit>>,
}

/// Smallest cap that is warned about.
const WORTH_WARNING: u64 = 5;

impl Counter {
    /// An empty stock of `noun`. `path` is where the cap is configured, `errno` what a guest gets at the cap.
    pub const fn new(path: &'static str, noun: &'static str, capacity: u64, errno: Errno) -> Self {
        Self {
            used: AtomicU64::new(0),
            capacity,
            warn_at: warn_at(capacity),
            warned: AtomicBool::new(false),
            path,
            noun,
            errno,
            audit: OnceLock::new(),
        }
    }

    /// Reports to `audit` when the stock becomes full. The first call counts.
    pub fn watch(&self, audit: &Arc<Audit>) {
        if self.audit.set(Arc::clone(audit)).is_ok() {
            self.grown(self.used());
        }
    }

    /// Takes `amount`, all or nothing; `operation` names the refused call in the error.
    pub fn take(&self, amount: u64, operation: &'static str) -> Result<()> {
        let taken = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            used.checked_add(amount).filter(|total| *total <= self.capacity)
        });
        match taken {
            Ok(used) => {
                self.grown(used + amount);
                Ok(())
            }
            Err(used) => Err(self.exceeded(used.saturating_add(amount), operation).into()),
        }
    }

    /// Takes as much of `amount` as fits and returns how much that was.
    pub fn take_up_to(&self, amount: u64) -> u64 {
        let mut fits = 0;
        let mut total = 0;
        let _ = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            fits = amount.min(self.capacity.saturating_sub(used));
            total = used.saturating_add(fits);
            Some(total)
        });
        self.grown(total);
        fits
    }

    /// Counts `amount` that exists already, even beyond the cap: usage above a lowered cap is kept, growth is refused.
    pub fn add(&self, amount: u64) {
        let before = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            Some(used.saturating_add(amount))
        });
        self.grown(before.unwrap_or_default().saturating_add(amount));
    }

    /// Gives `amount` back. More than was taken leaves zero.
    pub fn give(&self, amount: u64) {
        let before = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            Some(used.saturating_sub(amount))
        });
        if self.warned.load(Ordering::Relaxed)
            && before.unwrap_or_default().saturating_sub(amount) < self.capacity.div_ceil(2)
        {
            self.warned.store(false, Ordering::Relaxed);
        }
    }

    /// Present usage.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Acquire)
    }

    /// The cap.
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Where the cap is configured.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// The error of a refused request that would have led to `observed`.
    pub fn exceeded(&self, observed: u64, operation: &'static str) -> LimitExceeded {
        LimitExceeded::new(self.path, self.noun, observed, self.capacity, operation, self.errno)
    }

    /// Usage has become `total`.
    fn grown(&self, total: u64) {
        if total >= self.warn_at {
            self.warn(total);
        }
    }

    #[cold]
    fn warn(&self, total: u64) {
        if let Some(audit) = self.audit.get()
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            audit.limit_near(self.path, self.noun, total, self.capacity);
        }
    }
}

/// 80 % of a cap, rounded up.
const fn warn_at(capacity: u64) -> u64 {
    if capacity < WORTH_WARNING || capacity == u64::MAX {
        return u64::MAX;
    }
    capacity - capacity / 5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taking_is_all_or_nothing() {
        let counter = Counter::new("limits.resources.maxProcesses", "processes", 4, Errno::EAGAIN);
        counter.take(3, "spawn").unwrap();
        let error = counter.take(2, "spawn").unwrap_err();
        assert_eq!((error.limit().unwrap().observed, counter.used()), (5, 3));
        assert_eq!(counter.take_up_to(9), 1);
        counter.give(4);
        assert_eq!(counter.used(), 0);
    }

    #[test]
    fn a_warning_is_due_at_four_fifths() {
        for capacity in 5..1000u64 {
            let at = warn_at(capacity);
            assert!(
                at * 100 >= capacity * 80 && (at - 1) * 100 < capacity * 80,
                "{capacity}: {at}"
            );
        }
        assert_eq!((warn_at(4), warn_at(u64::MAX)), (u64::MAX, u64::MAX));
    }
}
