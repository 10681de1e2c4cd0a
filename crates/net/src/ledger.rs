//! What is kept and reported of a VM's traffic: counters and refusals.

use crate::counters::{Counters, count};
use crate::denial::Denial;
use agentos_kernel::Error;
use agentos_kernel::id::Pid;
use agentos_kernel::policy::Denied;

/// Counters and the audit trail of one VM.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) counters: Counters,
}

impl Ledger {
    /// The guard refused: counts, reports, and gives the guest's error.
    pub(crate) fn refused(&self, denial: &Denial) -> Error {
        count(&self.counters.denied);
        Error::refused(denial.to_string())
    }

    /// The policy refused.
    pub(crate) fn denied(&self, denied: Denied, _pid: Pid) -> Error {
        count(&self.counters.denied);
        Error::from(denied)
    }
}
