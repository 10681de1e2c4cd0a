//! What a terminal needs of the process layer, and what it asks about a caller.
//!
//! The terminal stands below the process table. It says *which* group deserves a signal and *whether* a caller may go on;
//! delivering the signal and knowing groups is the process layer's part, behind these two traits.

use crate::id::Pid;

/// A signal that a terminal generates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TtySignal {
    /// `SIGHUP`: the other side went away.
    HangUp,
    /// `SIGINT`: the `VINTR` character.
    Interrupt,
    /// `SIGQUIT`: the `VQUIT` character.
    Quit,
    /// `SIGTSTP`: the `VSUSP` character.
    Suspend,
    /// `SIGCONT`: accompanies a hang-up, so that a stopped process takes it.
    Continue,
    /// `SIGTTIN`: a background read.
    BackgroundRead,
    /// `SIGTTOU`: a background write or change.
    BackgroundWrite,
    /// `SIGWINCH`: the window has a new size.
    WindowChange,
}

impl TtySignal {
    /// The signal's Linux number.
    pub const fn number(self) -> u32 {
        match self {
            Self::HangUp => 1,
            Self::Interrupt => 2,
            Self::Quit => 3,
            Self::Continue => 18,
            Self::Suspend => 20,
            Self::BackgroundRead => 21,
            Self::BackgroundWrite => 22,
            Self::WindowChange => 28,
        }
    }
}

/// Delivery of signals, given to a terminal when it is made. Called without any terminal lock held, so an implementation
/// may call back into the terminal.
pub trait JobControl: Send + Sync + 'static {
    /// Sends `signal` to every process of `group`; nobody there is not an error.
    fn signal_group(&self, group: Pid, signal: TtySignal);

    /// Sends `signal` to the process that leads `session`, if it lives.
    fn signal_leader(&self, session: Pid, signal: TtySignal);
}

/// The process on whose behalf a terminal is used.
pub trait Caller {
    /// Its session.
    fn session(&self) -> Pid;

    /// Its process group.
    fn group(&self) -> Pid;

    /// Whether it ignores or blocks `signal`.
    fn ignores(&self, signal: TtySignal) -> bool;

    /// Whether its group is orphaned (`credentials(7)`): nobody could continue it.
    fn group_is_orphaned(&self) -> bool;
}

/// What a caller is about to do with its terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Read,
    /// Write; only restricted under `TOSTOP`.
    Write,
    /// Change attributes, the foreground group or the window.
    Change,
}

/// Whether a caller may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Admission {
    /// Go on.
    Proceed,
    /// A stop signal was sent to the caller's group. The call is to be tried again after the caller took the signal: once it
    /// was continued, or as `EINTR` if it catches the signal.
    Signalled,
}
