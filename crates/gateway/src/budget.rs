//! The memory for what clients have begun to send.
//!
//! One message may be large, and there may be many clients; the product of both is more than a machine has. Whoever holds
//! more than [`FREE`] bytes of something unfinished takes the rest from one budget and waits if it is used up. Those who
//! wait are bounded by the deadline of what they read.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What everybody may hold without asking.
pub(crate) const FREE: usize = 64 * 1024;
/// The grain of the budget.
const PAGE: usize = 4096;

/// Memory for unfinished messages, over all clients.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Semaphore>);

/// One client's part of it.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Semaphore>,
    pages: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A budget of `bytes`, but at least what one message of `largest` bytes needs.
    pub(crate) fn new(bytes: usize, largest: usize) -> Self {
        // A message in parts is held twice for a moment.
        let bytes = bytes.max(largest.saturating_mul(2).saturating_add(1 << 20));
        Self(Arc::new(Semaphore::new((bytes / PAGE).min(Semaphore::MAX_PERMITS))))
    }

    pub(crate) fn share(&self) -> Share {
        Share {
            budget: Arc::clone(&self.0),
            pages: None,
        }
    }

    #[cfg(test)]
    pub(crate) fn available(&self) -> usize {
        self.0.available_permits() * PAGE
    }
}

impl Share {
    /// Waits until `bytes` may be held.
    pub(crate) async fn grow(&mut self, bytes: usize) {
        let wanted = bytes.saturating_sub(FREE).div_ceil(PAGE);
        let have = self.pages.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(more) = wanted.checked_sub(have).filter(|more| *more > 0) else {
            return;
        };
        let more = u32::try_from(more).unwrap_or(u32::MAX);
        // The semaphore is never closed.
        let Ok(more) = Arc::clone(&self.budget).acquire_many_owned(more).await else {
            return;
        };
        match &mut self.pages {
            Some(pages) => pages.merge(more),
            none => *none = Some(more),
        }
    }

    /// Gives back what is not needed for `bytes`.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let wanted = bytes.saturating_sub(FREE).div_ceil(PAGE);
        let Some(pages) = &mut self.pages else { return };
        if wanted == 0 {
            self.pages = None;
        } else if let Some(spare) = pages.num_permits().checked_sub(wanted) {
            drop(pages.split(spare));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_share_is_taken_and_given_back() {
        let budget = Budget::new(8 << 20, 1 << 20);
        let (mut first, mut second) = (budget.share(), budget.share());
        first.grow(FREE).await;
        assert_eq!(budget.available(), 8 << 20);
        first.grow(FREE + (6 << 20)).await;
        assert_eq!(budget.available(), 2 << 20);
        {
            let waits = second.grow(FREE + (3 << 20));
            tokio::pin!(waits);
            assert!(futures_util::poll!(waits.as_mut()).is_pending());
            first.shrink(FREE + 1);
            waits.await;
        }
        assert_eq!(budget.available(), (5 << 20) - PAGE);
        drop((first, second));
        assert_eq!(budget.available(), 8 << 20);
    }
}
