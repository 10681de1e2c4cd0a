//! How processes end, and what waiting for them reports.

use super::signal::Signal;
use crate::id::Pid;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// It exited with this status.
    Exited(u8),
    /// A signal ended it.
    Signaled(Signal),
}

impl ExitStatus {
    /// The exit code that a shell reports: the status, or 128 + n after signal n.
    pub const fn code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            // At most 64.
            Self::Signaled(signal) => 128 + signal.number() as u8,
        }
    }

    /// The signal that ended it.
    pub const fn signal(self) -> Option<Signal> {
        match self {
            Self::Exited(_) => None,
            Self::Signaled(signal) => Some(signal),
        }
    }
}

/// Which children to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitTarget {
    /// Any.
    Any,
    /// This one.
    Pid(Pid),
    /// Any of this process group.
    Group(Pid),
    /// Any of the caller's process group.
    OwnGroup,
}

impl WaitTarget {
    /// Reads the first argument of `waitpid(2)`.
    pub const fn from_raw(which: i32) -> Self {
        match which {
            -1 => Self::Any,
            0 => Self::OwnGroup,
            1.. => Self::Pid(Pid(which.unsigned_abs())),
            _ => Self::Group(Pid(which.unsigned_abs())),
        }
    }
}

bitflags::bitflags! {
    /// How to wait, with Linux's numbers.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct WaitOptions: u32 {
        /// Do not wait.
        const NOHANG = 1;
        /// Report stopped children too.
        const UNTRACED = 2;
        /// Report continued children too.
        const CONTINUED = 8;
        /// Leave what is reported waitable.
        const NOWAIT = 0x0100_0000;
    }
}

/// What happened to a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitEvent {
    /// It ended.
    Ended(ExitStatus),
    /// A signal stopped it.
    Stopped(Signal),
    /// It was continued.
    Continued,
}

/// Result of waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waited {
    /// The child.
    pub pid: Pid,
    /// What happened.
    pub event: WaitEvent,
    /// What it used, its own waited-for children included.
    pub usage: ProcessUsage,
}

/// What one process has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessUsage {
    /// CPU time in guest code, in ns.
    pub user_ns: u64,
    /// CPU time in the kernel on its behalf, in ns.
    pub sys_ns: u64,
    /// Most memory held at once, in bytes.
    pub max_rss: u64,
}

/// CPU times of a process and of its waited-for children, in ns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    /// User time of the process.
    pub user: u64,
    /// System time of the process.
    pub sys: u64,
    /// User time of its children.
    pub children_user: u64,
    /// System time of its children.
    pub children_sys: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(ExitStatus::Exited(3).code(), 3);
        assert_eq!(ExitStatus::Signaled(Signal::KILL).code(), 137);
        assert_eq!(WaitTarget::from_raw(i32::MIN), WaitTarget::Group(Pid(1 << 31)));
    }
}
