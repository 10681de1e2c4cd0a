//! Whole-file locks of open descriptions.

use super::{Description, FileKey, LockMode, State};
use crate::error::Result;
use core::task::Poll;
use smallvec::SmallVec;

/// The `flock` locks of one file: one exclusive, or any number of shared.
#[derive(Debug, Default)]
pub(super) struct Flocks(SmallVec<[(Description, LockMode); 2]>);

impl Flocks {
    pub(super) fn held(&self, description: u64) -> Option<LockMode> {
        self.0
            .iter()
            .find(|(owner, _)| owner.id == description)
            .map(|(_, mode)| *mode)
    }

    pub(super) fn all(&self) -> &[(Description, LockMode)] {
        &self.0
    }

    fn admits(&self, description: u64, mode: LockMode) -> bool {
        let in_the_way = |(owner, held): &(Description, LockMode)| {
            owner.id != description && (mode, *held) != (LockMode::Shared, LockMode::Shared)
        };
        !self.0.iter().any(in_the_way)
    }
}

impl State {
    /// The second value tells whether other waiters may have got a chance.
    pub(super) fn flock(
        &mut self,
        key: FileKey,
        description: Description,
        mode: LockMode,
        waits: bool,
    ) -> (Poll<Result<()>>, bool) {
        let held = self.flocks.get(&key).and_then(|locks| locks.held(description.id));
        if held == Some(mode) && !self.is_shared(key, description.id) {
            return (Poll::Ready(Ok(())), false);
        }
        let released = self.release_flock(key, description.id);
        let mut shared = false;
        if !self.admits(key, description, mode) {
            shared = self.read_shared(key, None);
        }
        if !self.admits(key, description, mode) {
            // The host would have given the old one up, too. What natives give up of a description of both kinds nobody tells.
            let _ = self.flock_natively(key, description.id, None);
            if waits && shared {
                self.expect_natives();
            }
            return (Poll::Pending, released);
        }
        let count = match self.counted(0, 1) {
            Ok(count) => count,
            Err(error) => {
                let _ = self.flock_natively(key, description.id, None);
                return (Poll::Ready(Err(error)), released);
            }
        };
        match self.flock_natively(key, description.id, Some(mode)) {
            Ok(true) => {}
            Ok(false) => {
                if waits {
                    self.expect_natives();
                }
                return (Poll::Pending, released);
            }
            Err(error) => return (Poll::Ready(Err(error)), released),
        }
        self.flocks.entry(key).or_default().0.push((description, mode));
        self.count = count;
        (Poll::Ready(Ok(())), released)
    }

    fn admits(&self, key: FileKey, description: Description, mode: LockMode) -> bool {
        let locks = self.flocks.get(&key);
        locks.is_none_or(|locks| locks.admits(description.id, mode))
    }

    /// A description holds this, as the host says.
    pub(super) fn note_flock(&mut self, key: FileKey, description: Description, held: Option<LockMode>) {
        self.release_flock(key, description.id);
        if let Some(mode) = held {
            self.flocks.entry(key).or_default().0.push((description, mode));
            self.count += 1;
        }
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
        locks.0.retain(|(owner, _)| owner.id != description);
        let dropped = locks.0.len() < before;
        if locks.0.is_empty() {
            self.flocks.remove(&key);
        }
        dropped
    }
}
