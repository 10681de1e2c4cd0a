//! How a guest stopped running.

use agentos_kernel::process::{Program, Signal};
use wasmtime::{ThrownException, Trap};

/// How a guest stopped running.
pub(crate) enum Outcome {
    /// It ended by itself, with this status.
    Exited(u32),
    /// It did what the hardware would punish with this signal.
    Fault(Signal),
    /// The kernel wants it gone.
    Killed,
    /// Its process runs this program from now on.
    Exec(Box<dyn Program>),
}

/// Why an import does not return to the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unwind {
    /// `proc_exit`.
    #[error("exit with status {0}")]
    Exit(u32),
    /// The process was killed.
    #[error("killed")]
    Killed,
    /// `proc_exec` succeeded.
    #[error("exec")]
    Exec,
}

/// The signal that a fault amounts to.
pub(super) fn signal_of(error: &wasmtime::Error) -> Option<Signal> {
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return match trap {
            Trap::Interrupt => None,
            Trap::UnreachableCodeReached => Some(Signal::ILL),
            Trap::IntegerDivisionByZero | Trap::IntegerOverflow | Trap::BadConversionToInteger => Some(Signal::FPE),
            _ => Some(Signal::SEGV),
        };
    }
    if error.is::<ThrownException>() {
        return Some(Signal::ABRT);
    }
    // What is left is a lack of memory: of the VM at the start, or for the payloads of exceptions.
    Some(Signal::KILL)
}
