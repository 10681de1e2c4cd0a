//! Places for agents that run: only so many do in a VM at once.

use crate::core::Core;
use crate::error::{Error, Result};
use crate::limits::named::LIVE;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// One of the agents that may run in a VM at once.
pub(crate) struct LivePlace(Arc<Core>);

impl LivePlace {
    /// Takes a place.
    ///
    /// # Errors
    /// [`Error::Limit`] if there is none.
    pub(crate) fn take(core: &Arc<Core>) -> Result<Self> {
        let capacity = core.limits.max_live_sessions_per_vm;
        let taken = core.live.fetch_update(Ordering::AcqRel, Ordering::Acquire, |live| {
            (live < capacity).then_some(live + 1)
        });
        match taken {
            Ok(before) => {
                core.used(LIVE, before + 1, capacity);
                Ok(Self(Arc::clone(core)))
            }
            Err(live) => Err(core.refused(Error::limit(LIVE, live + 1, capacity, "startAgent"))),
        }
    }
}

impl Drop for LivePlace {
    fn drop(&mut self) {
        let before = self.0.live.fetch_sub(1, Ordering::AcqRel);
        self.0.used(LIVE, before - 1, self.0.limits.max_live_sessions_per_vm);
    }
}
