//! Signals: numbers, sets, dispositions (`signal(7)`, Linux x86-64 numbers).

use crate::id::{Pid, Uid};
use crate::tty::TtySignal;

/// A signal number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(u8);

macro_rules! signals {
    ($($name:ident = $number:literal, $doc:literal;)*) => {
        impl Signal {
            $(#[doc = $doc] pub const $name: Self = Self($number);)*

            /// Name without `SIG`, for example `TERM`; `RT` for real-time signals.
            pub const fn name(self) -> &'static str {
                match self.0 { $($number => stringify!($name),)* _ => "RT" }
            }
        }
    };
}

signals! {
    HUP = 1, "The terminal or its owner went away.";
    INT = 2, "Interrupt from the keyboard.";
    QUIT = 3, "Quit from the keyboard.";
    ILL = 4, "Illegal instruction.";
    TRAP = 5, "Trap.";
    ABRT = 6, "Abort.";
    BUS = 7, "Bus error.";
    FPE = 8, "Arithmetic error.";
    KILL = 9, "Kill; can be neither caught, blocked nor ignored.";
    USR1 = 10, "User-defined.";
    SEGV = 11, "Invalid memory reference.";
    USR2 = 12, "User-defined.";
    PIPE = 13, "Write to a pipe without readers.";
    ALRM = 14, "Timer.";
    TERM = 15, "Termination.";
    STKFLT = 16, "Unused.";
    CHLD = 17, "A child stopped, continued or ended.";
    CONT = 18, "Continue if stopped.";
    STOP = 19, "Stop; can be neither caught, blocked nor ignored.";
    TSTP = 20, "Stop from the keyboard.";
    TTIN = 21, "Terminal input for a background process.";
    TTOU = 22, "Terminal output of a background process.";
    URG = 23, "Urgent data at a socket.";
    XCPU = 24, "CPU time limit.";
    XFSZ = 25, "File size limit.";
    VTALRM = 26, "Virtual timer.";
    PROF = 27, "Profiling timer.";
    WINCH = 28, "The window has a new size.";
    IO = 29, "I/O is possible.";
    PWR = 30, "Power failure.";
    SYS = 31, "Bad system call.";
}

impl Signal {
    /// Number of signals.
    pub const MAX: u32 = 64;
    /// First real-time signal.
    pub const RT_MIN: u32 = 32;

    /// The signal with this number, if there is one.
    pub const fn new(number: u32) -> Option<Self> {
        match number {
            // The pattern makes the value fit.
            1..=Self::MAX => Some(Self(number as u8)),
            _ => None,
        }
    }

    /// Linux number.
    pub const fn number(self) -> u32 {
        self.0 as u32
    }

    /// Whether several of it can be pending at once.
    pub const fn is_realtime(self) -> bool {
        self.0 as u32 >= Self::RT_MIN
    }

    /// What happens by default.
    pub const fn default_action(self) -> DefaultAction {
        match self {
            Self::CHLD | Self::URG | Self::WINCH | Self::CONT => DefaultAction::Ignore,
            Self::STOP | Self::TSTP | Self::TTIN | Self::TTOU => DefaultAction::Stop,
            Self::QUIT
            | Self::ILL
            | Self::TRAP
            | Self::ABRT
            | Self::BUS
            | Self::FPE
            | Self::SEGV
            | Self::XCPU
            | Self::XFSZ
            | Self::SYS => DefaultAction::Core,
            _ => DefaultAction::Terminate,
        }
    }
}

impl core::fmt::Debug for Signal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{self}")
    }
}

impl core::fmt::Display for Signal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.number() {
            number @ Self::RT_MIN.. => write!(f, "SIGRT{number}"),
            _ => write!(f, "SIG{}", self.name()),
        }
    }
}

impl From<TtySignal> for Signal {
    fn from(signal: TtySignal) -> Self {
        match signal {
            TtySignal::HangUp => Self::HUP,
            TtySignal::Interrupt => Self::INT,
            TtySignal::Quit => Self::QUIT,
            TtySignal::Suspend => Self::TSTP,
            TtySignal::Continue => Self::CONT,
            TtySignal::BackgroundRead => Self::TTIN,
            TtySignal::BackgroundWrite => Self::TTOU,
            TtySignal::WindowChange => Self::WINCH,
        }
    }
}

/// What a signal does to a process that does nothing about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultAction {
    /// Ends the process.
    Terminate,
    /// Ends it; Linux would write a core file, which a VM never does.
    Core,
    /// Stops it.
    Stop,
    /// Nothing; for `SIGCONT` nothing more than continuing.
    Ignore,
}

/// A set of signals; bit n-1 is signal n.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct SigSet(pub u64);

impl SigSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// Every signal.
    pub const ALL: Self = Self(u64::MAX);
    /// Those that cannot be blocked, caught or ignored.
    pub const UNBLOCKABLE: Self = Self::of(&[Signal::KILL, Signal::STOP]);
    /// Those that stop by default.
    pub(crate) const STOPPING: Self = Self::of(&[Signal::STOP, Signal::TSTP, Signal::TTIN, Signal::TTOU]);

    /// The set of the given signals.
    pub const fn of(signals: &[Signal]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < signals.len() {
            bits |= 1 << (signals[at].0 - 1);
            at += 1;
        }
        Self(bits)
    }

    /// Whether the signal is in it.
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 & Self::of(&[signal]).0 != 0
    }

    /// Whether it holds nothing.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds a signal.
    pub fn insert(&mut self, signal: Signal) {
        self.0 |= Self::of(&[signal]).0;
    }

    /// Takes a signal out.
    pub fn remove(&mut self, signal: Signal) {
        self.0 &= !Self::of(&[signal]).0;
    }

    /// Signals in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Signals in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Signals in `self` and not in `other`.
    #[must_use]
    pub const fn difference(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The signal with the lowest number.
    pub const fn first(self) -> Option<Signal> {
        match self.0 {
            0 => None,
            // At most 63 trailing zeros, so the number is at most 64.
            bits => Some(Signal(bits.trailing_zeros() as u8 + 1)),
        }
    }
}

impl core::fmt::Debug for SigSet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let mut rest = *self;
        let mut set = f.debug_set();
        while let Some(signal) = rest.first() {
            rest.remove(signal);
            set.entry(&signal);
        }
        set.finish()
    }
}

/// What a process does about a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Disposition {
    /// [`Signal::default_action`].
    #[default]
    Default,
    /// Nothing.
    Ignore,
    /// It stays pending until the process takes it (the guest's libc runs the handler); blocked calls end with `EINTR`.
    Catch,
}

/// How to change a signal mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaskHow {
    /// Add the set.
    Block,
    /// Take the set out.
    Unblock,
    /// Replace.
    Set,
}

/// What is known about a signal that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SigInfo {
    /// The signal.
    pub signal: Signal,
    /// `si_code`: why it was sent.
    pub code: i32,
    /// Sender; for `SIGCHLD` the child.
    pub pid: Pid,
    /// Real user of the sender.
    pub uid: Uid,
    /// For `SIGCHLD`: exit status or signal.
    pub status: i32,
    /// Value given by the sender.
    pub value: u64,
}

impl SigInfo {
    /// `si_code`: sent by `kill(2)`.
    pub const USER: i32 = 0;
    /// `si_code`: sent by the kernel.
    pub const KERNEL: i32 = 0x80;
    /// `si_code` of `SIGCHLD`: exited.
    pub const EXITED: i32 = 1;
    /// `si_code` of `SIGCHLD`: killed.
    pub const KILLED: i32 = 2;
    /// `si_code` of `SIGCHLD`: stopped.
    pub const STOPPED: i32 = 5;
    /// `si_code` of `SIGCHLD`: continued.
    pub const CONTINUED: i32 = 6;

    /// A signal from the kernel itself.
    pub const fn kernel(signal: Signal) -> Self {
        Self {
            signal,
            code: Self::KERNEL,
            pid: Pid(0),
            uid: Uid::ROOT,
            status: 0,
            value: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_hold_the_first_and_the_last_signal() {
        let mut set = SigSet::EMPTY;
        let last = Signal::new(64).unwrap();
        set.insert(last);
        set.insert(Signal::HUP);
        assert_eq!((set.first(), set.contains(last)), (Some(Signal::HUP), true));
        set.remove(Signal::HUP);
        assert_eq!(set.first(), Some(last));
        assert_eq!((Signal::new(0), Signal::new(65)), (None, None));
        assert_eq!(format!("{:?}", SigSet::of(&[Signal::TERM, last])), "{SIGTERM, SIGRT64}");
    }
}
