//! Whole-file locks of open descriptions.

use super::{FileKey, LockMode, State};
use crate::error::Result;
use core::task::Poll;
use smallvec::SmallVec;

/// The `flock` locks of one file: one exclusive, or any number of shared.
#[derive(Debug, Default)]
pub(super) struct Flocks(SmallVec<[(u64, LockMode); 2]>);

impl Flocks {
    fn held(&self, description: u64) -> Option<LockMode> {
        self.0
            .iter()
            .find(|(owner, _)| *owner == description)
            .map(|(_, mode)| *mode)
    }

    fn admits(&self, description: u64, mode: LockMode) -> bool {
        let in_the_way = |(owner, held): &(u64, LockMode)| {
            *owner != description && (mode, *held) != (LockMode::Shared, LockMode::Shared)
        };
        !self.0.iter().any(in_the_way)
    }
}

impl State {
    /// The second value tells whether other waiters may have got a chance.
    pub(super) fn flock(&mut self, key: FileKey, description: u64, mode: LockMode) -> (Poll<Result<()>>, bool) {
        let held = self.flocks.get(&key).and_then(|locks| locks.held(description));
        if held == Some(mode) {
            return (Poll::Ready(Ok(())), false);
        }
        let released = self.release_flock(key, description);
        let locks = self.flocks.entry(key).or_default();
        if !locks.admits(description, mode) {
            return (Poll::Pending, released);
        }
        locks.0.push((description, mode));
        if let Err(error) = self.recount(0, 1) {
            self.drop_flock(key, description);
            return (Poll::Ready(Err(error)), released);
        }
        (Poll::Ready(Ok(())), released)
    }

    pub(super) fn release_flock(&mut self, key: FileKey, description: u64) -> bool {
        let released = self.drop_flock(key, description);
        if released {
            self.count = self.count.saturating_sub(1);
        }
        released
    }

    fn drop_flock(&mut self, key: FileKey, description: u64) -> bool {
        let Some(locks) = self.flocks.get_mut(&key) else {
            return false;
        };
        let before = locks.0.len();
        locks.0.retain(|(owner, _)| *owner != description);
        let dropped = locks.0.len() < before;
        if locks.0.is_empty() {
            self.flocks.remove(&key);
        }
        dropped
    }
}
