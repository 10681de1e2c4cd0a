//! One counted resource of a VM.

use crate::errno::Errno;
use crate::error::{LimitExceeded, Result};
use core::sync::atomic::{AtomicU64, Ordering};

/// A stock with a cap. Taking is atomic: of two callers that race for the last unit, one fails.
#[derive(Debug)]
pub struct Counter {
    used: AtomicU64,
    capacity: u64,
    path: &'static str,
    unit: &'static str,
    errno: Errno,
}

impl Counter {
    /// An empty stock. `path` is where the cap is configured, `errno` what a guest gets at the cap.
    pub const fn new(path: &'static str, unit: &'static str, capacity: u64, errno: Errno) -> Self {
        Self {
            used: AtomicU64::new(0),
            capacity,
            path,
            unit,
            errno,
        }
    }

    /// Takes `amount`, all or nothing; `operation` names the refused call in the error.
    pub fn take(&self, amount: u64, operation: &'static str) -> Result<()> {
        let taken = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            used.checked_add(amount).filter(|total| *total <= self.capacity)
        });
        match taken {
            Ok(_) => Ok(()),
            Err(used) => Err(self.exceeded(used.saturating_add(amount), operation).into()),
        }
    }

    /// Takes as much of `amount` as fits and returns how much that was.
    pub fn take_up_to(&self, amount: u64) -> u64 {
        let mut fits = 0;
        let _ = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            fits = amount.min(self.capacity.saturating_sub(used));
            Some(used.saturating_add(fits))
        });
        fits
    }

    /// Counts `amount` that exists already, even beyond the cap: usage above a lowered cap is kept, growth is refused.
    pub fn add(&self, amount: u64) {
        let _ = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            Some(used.saturating_add(amount))
        });
    }

    /// Gives `amount` back. More than was taken leaves zero.
    pub fn give(&self, amount: u64) {
        let _ = self.used.fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
            Some(used.saturating_sub(amount))
        });
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
        LimitExceeded::new(self.path, self.unit, observed, self.capacity, operation, self.errno)
    }
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
}
