//! What is told of a connection while it is carried: deadlines that passed, to the operator and to the guest.

use crate::ledger::{Ledger, handshake_timeout};
use crate::piped::Resetter;
use agentos_kernel::Errno;
use agentos_kernel::id::Pid;
use core::time::Duration;
use std::sync::Arc;

/// Where to tell it. The empty one tells nobody.
#[derive(Default)]
pub(crate) struct Trace(Option<Told>);

struct Told {
    ledger: Arc<Ledger>,
    guest: Resetter,
    pid: Pid,
}

impl Trace {
    /// Tells `ledger`, and the guest behind `guest`, about a connection of `pid`.
    pub(crate) fn new(ledger: Arc<Ledger>, guest: Resetter, pid: Pid) -> Self {
        Self(Some(Told { ledger, guest, pid }))
    }

    /// The guest's greeting or handshake took longer than `cap`: its connection has timed out. To be told before the guest's end
    /// is dropped, which would only break it off.
    pub(super) fn slow_guest(&self, cap: Duration) {
        if let Some(told) = &self.0 {
            told.guest.reset(Errno::ETIMEDOUT.into());
        }
        self.slow_host(cap);
    }

    /// The host's handshake took longer than `cap`. The guest hears of it in an answer.
    pub(super) fn slow_host(&self, cap: Duration) {
        if let Some(told) = &self.0 {
            told.ledger.exceeded(&handshake_timeout(cap), told.pid);
        }
    }
}
