//! What terminals need of the process table.

use super::kernel::Kernel;
use super::process::Process;
use super::signal::{SigInfo, Signal};
use crate::id::Pid;
use crate::tty::{Caller, JobControl, TtySignal};
use std::sync::Weak;

/// Delivers the signals of a VM's terminals.
pub(super) struct Jobs(Weak<Kernel>);

impl Jobs {
    pub(super) fn new(kernel: Weak<Kernel>) -> Self {
        Self(kernel)
    }
}

impl JobControl for Jobs {
    fn signal_group(&self, group: Pid, signal: TtySignal) {
        if let Some(kernel) = self.0.upgrade() {
            kernel.signal_group(group, SigInfo::kernel(signal.into()));
        }
    }

    fn signal_leader(&self, session: Pid, signal: TtySignal) {
        if let Some(kernel) = self.0.upgrade() {
            kernel.signal_session_leader(session, SigInfo::kernel(signal.into()));
        }
    }
}

impl Caller for Process {
    fn session(&self) -> Pid {
        self.sid()
    }

    fn group(&self) -> Pid {
        self.pgid()
    }

    fn ignores(&self, signal: TtySignal) -> bool {
        self.ignores_or_blocks(Signal::from(signal))
    }

    fn group_is_orphaned(&self) -> bool {
        self.kernel().table.lock().is_orphaned(self.pgid())
    }
}
