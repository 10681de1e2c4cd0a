//! The disk's last reserve.
//!
//! A database that runs into a full disk may be unable even to note that it stops. So new persistent data is refused, with
//! `ENOSPC`, while some space is left: below 5 % or below 1 GiB free, whichever is reached first. Commits in progress,
//! deletions and the bookkeeping of a stop go on.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::{Error, Result};

/// Below this many free bytes new persistent data is refused.
pub const MIN_FREE_BYTES: u64 = 1 << 30;
/// Below this share of free bytes, in percent, new persistent data is refused.
pub const MIN_FREE_PERCENT: u64 = 5;
/// A measurement is used for this long.
const FRESH: Duration = Duration::from_millis(200);

/// Size of a disk, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    /// What this process could use of it in all: what is used, and what is free.
    pub total: u64,
    /// What is free for this process.
    pub free: u64,
}

/// Watches the free space of one disk.
pub struct Headroom {
    measure: Box<dyn Fn() -> std::io::Result<DiskSpace> + Send + Sync>,
    min_bytes: u64,
    min_percent: u64,
    last: Mutex<Option<(Instant, bool)>>,
    low: AtomicBool,
    refused: AtomicU64,
}

impl Headroom {
    /// Watches the disk that holds `path`, with the thresholds of this module.
    pub fn of_disk(path: PathBuf) -> Self {
        Self::with(MIN_FREE_BYTES, MIN_FREE_PERCENT, move || {
            let found = rustix::fs::statvfs(&path)?;
            // As `df` counts: blocks that are kept for others are no part of the disk.
            let used = found.f_blocks.saturating_sub(found.f_bfree);
            Ok(DiskSpace {
                total: used.saturating_add(found.f_bavail).saturating_mul(found.f_frsize),
                free: found.f_bavail.saturating_mul(found.f_frsize),
            })
        })
    }

    /// Watches what `measure` reports, with own thresholds; both 0 means that nothing is refused.
    pub fn with(
        min_bytes: u64,
        min_percent: u64,
        measure: impl Fn() -> std::io::Result<DiskSpace> + Send + Sync + 'static,
    ) -> Self {
        Self {
            measure: Box::new(measure),
            min_bytes,
            min_percent,
            last: Mutex::new(None),
            low: AtomicBool::new(false),
            refused: AtomicU64::new(0),
        }
    }

    /// [`Error::NoSpace`] while the disk is below a threshold. A disk that cannot be measured refuses nothing.
    pub fn check(&self) -> Result<()> {
        if !self.is_low() {
            return Ok(());
        }
        self.refused.fetch_add(1, Ordering::Relaxed);
        Err(Error::NoSpace("the disk of the data directory is nearly full".into()))
    }

    /// Whether the disk is below a threshold, as of at most 200 ms ago.
    pub fn is_low(&self) -> bool {
        let mut last = self.last.lock();
        if let Some((when, low)) = *last
            && when.elapsed() < FRESH
        {
            return low;
        }
        let low = (self.measure)().is_ok_and(|space| self.falls_short(space));
        *last = Some((Instant::now(), low));
        drop(last);
        if low && !self.low.swap(true, Ordering::Relaxed) {
            tracing::warn!("the disk of the data directory is nearly full: new persistent writes are refused");
        } else if !low && self.low.swap(false, Ordering::Relaxed) {
            tracing::info!("the disk of the data directory has space again");
        }
        low
    }

    /// How many writes were refused since the start.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn falls_short(&self, space: DiskSpace) -> bool {
        space.free < self.min_bytes
            || u128::from(space.free) * 100 < u128::from(space.total) * u128::from(self.min_percent)
    }
}

impl std::fmt::Debug for Headroom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Headroom")
            .field("min_bytes", &self.min_bytes)
            .field("min_percent", &self.min_percent)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn low(total: u64, free: u64) -> bool {
        Headroom::with(MIN_FREE_BYTES, MIN_FREE_PERCENT, move || Ok(DiskSpace { total, free })).is_low()
    }

    #[test]
    fn refuses_below_either_threshold() {
        let gib = 1 << 30;
        assert!(low(100 * gib, 5 * gib - 1));
        assert!(!low(100 * gib, 5 * gib));
        assert!(low(10 * gib, gib - 1));
        assert!(!low(10 * gib, gib));
    }

    #[test]
    fn an_unmeasurable_disk_refuses_nothing() {
        let headroom = Headroom::with(1, 1, || Err(std::io::Error::other("gone")));
        assert_eq!(headroom.check(), Ok(()));
    }
}
