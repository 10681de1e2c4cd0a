//! Signals: numbers and names, sets, sending, taking.
//!
//! A guest's handler is a loop: a caught signal is queued by the kernel, a waiting call returns `EINTR` (or poll reports
//! it), and the program takes it with [`take`].

use std::io;
use std::time::Duration;

use agentos_abi::errno::EAGAIN;
use agentos_abi::signal as abi;
pub use agentos_abi::signal::Siginfo;

use crate::call::errno;

macro_rules! signals {
    ($($name:ident = $n:literal $text:literal),* $(,)?) => {
        $(#[doc = concat!("`", stringify!($name), "`: ", $text)] pub const $name: u32 = $n;)*
        /// Names without `SIG`, in the order of their numbers, with their descriptions.
        const NAMES: &[(u32, &str, &str)] = &[$(($n, stringify!($name), $text)),*];
    };
}
signals! {
    SIGHUP = 1 "Hangup", SIGINT = 2 "Interrupt", SIGQUIT = 3 "Quit", SIGILL = 4 "Illegal instruction",
    SIGTRAP = 5 "Trace/breakpoint trap", SIGABRT = 6 "Aborted", SIGBUS = 7 "Bus error",
    SIGFPE = 8 "Floating point exception", SIGKILL = 9 "Killed", SIGUSR1 = 10 "User defined signal 1",
    SIGSEGV = 11 "Segmentation fault", SIGUSR2 = 12 "User defined signal 2", SIGPIPE = 13 "Broken pipe",
    SIGALRM = 14 "Alarm clock", SIGTERM = 15 "Terminated", SIGSTKFLT = 16 "Stack fault", SIGCHLD = 17 "Child exited",
    SIGCONT = 18 "Continued", SIGSTOP = 19 "Stopped (signal)", SIGTSTP = 20 "Stopped",
    SIGTTIN = 21 "Stopped (tty input)", SIGTTOU = 22 "Stopped (tty output)", SIGURG = 23 "Urgent I/O condition",
    SIGXCPU = 24 "CPU time limit exceeded", SIGXFSZ = 25 "File size limit exceeded",
    SIGVTALRM = 26 "Virtual timer expired", SIGPROF = 27 "Profiling timer expired", SIGWINCH = 28 "Window changed",
    SIGIO = 29 "I/O possible", SIGPWR = 30 "Power failure", SIGSYS = 31 "Bad system call",
}

/// First real-time signal.
pub const SIGRTMIN: u32 = 34;
/// Last real-time signal.
pub const SIGRTMAX: u32 = 64;

/// Name of a signal without `SIG`: `INT`, `RTMIN+3`.
pub fn name(signal: u32) -> Option<String> {
    if let Some((_, name, _)) = NAMES.iter().find(|(n, ..)| *n == signal) {
        return Some(name.trim_start_matches("SIG").to_owned());
    }
    match signal {
        SIGRTMIN => Some("RTMIN".to_owned()),
        SIGRTMAX => Some("RTMAX".to_owned()),
        35..=49 => Some(format!("RTMIN+{}", signal - SIGRTMIN)),
        50..=63 => Some(format!("RTMAX-{}", SIGRTMAX - signal)),
        _ => None,
    }
}

/// Description of a signal, as `strsignal(3)` gives it.
pub fn description(signal: u32) -> Option<&'static str> {
    NAMES.iter().find(|(n, ..)| *n == signal).map(|(.., text)| *text)
}

/// Number of a signal from its number or its name, with or without `SIG`, in either case. `0` and `EXIT` are 0.
pub fn parse(text: &str) -> Option<u32> {
    if let Ok(number) = text.parse::<u32>() {
        return (number <= SIGRTMAX).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    match short {
        "EXIT" => return Some(0),
        "CLD" => return Some(SIGCHLD),
        "POLL" => return Some(SIGIO),
        "IOT" => return Some(SIGABRT),
        _ => {}
    }
    (1..=SIGRTMAX)
        .find(|n| name(*n).is_some_and(|name| name == short))
        .or_else(|| relative(short))
}

/// `RTMIN+n` and `RTMAX-n` beyond the halves that [`name`] gives them.
fn relative(short: &str) -> Option<u32> {
    let number = if let Some(n) = short.strip_prefix("RTMIN+") {
        SIGRTMIN.checked_add(n.parse().ok()?)?
    } else {
        SIGRTMAX.checked_sub(short.strip_prefix("RTMAX-")?.parse().ok()?)?
    };
    (SIGRTMIN..=SIGRTMAX).contains(&number).then_some(number)
}

/// A set of signals; bit n-1 is signal n.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct SigSet(pub u64);

impl SigSet {
    /// No signal.
    pub const EMPTY: Self = Self(0);
    /// All signals.
    pub const ALL: Self = Self(u64::MAX);

    /// These signals; numbers beyond 1 to 64 are left out.
    pub fn of(signals: &[u32]) -> Self {
        signals.iter().fold(Self::EMPTY, |set, signal| set.with(*signal))
    }

    /// The set and one more signal.
    pub fn with(self, signal: u32) -> Self {
        Self(self.0 | bit(signal))
    }

    /// The set without a signal.
    pub fn without(self, signal: u32) -> Self {
        Self(self.0 & !bit(signal))
    }

    /// Whether the set holds a signal.
    pub fn has(self, signal: u32) -> bool {
        self.0 & bit(signal) != 0
    }

    /// Whether the set is empty.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

fn bit(signal: u32) -> u64 {
    signal
        .checked_sub(1)
        .and_then(|shift| 1u64.checked_shl(shift))
        .unwrap_or(0)
}

/// Sends `signal` (0 only asks) to `pid`; as in `kill(2)`, 0 means the caller's group, -1 all, -n group n.
pub fn kill(pid: i32, signal: u32) -> io::Result<()> {
    call!(sig_kill(pid, signal))
}

/// How [`mask`] changes the mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Block these too.
    Block,
    /// Block these no more.
    Unblock,
    /// Block exactly these.
    Set,
}

/// Changes the caller's signal mask; returns the one before.
pub fn mask(how: How, set: SigSet) -> io::Result<SigSet> {
    let how = match how {
        How::Block => abi::SIG_BLOCK,
        How::Unblock => abi::SIG_UNBLOCK,
        How::Set => abi::SIG_SETMASK,
    };
    let mut old = 0;
    call!(sig_mask(how, set.0, &mut old))?;
    Ok(SigSet(old))
}

/// The caller's pending signals.
pub fn pending() -> io::Result<SigSet> {
    let mut set = 0;
    call!(sig_pending(&mut set))?;
    Ok(SigSet(set))
}

/// Takes a caught or blocked signal of `set` that is pending, if there is one.
pub fn take(set: SigSet) -> io::Result<Option<Siginfo>> {
    let mut out = Siginfo::default();
    none_if_again(call!(sig_take(set.0, &mut out)).map(|()| out))
}

/// Waits for a signal of `set`, which must be blocked or caught; `None` when `timeout` passed.
pub fn wait(set: SigSet, timeout: Option<Duration>) -> io::Result<Option<Siginfo>> {
    let mut out = Siginfo::default();
    none_if_again(call!(sig_wait(set.0, crate::fd::timeout_ns(timeout), &mut out)).map(|()| out))
}

fn none_if_again(result: io::Result<Siginfo>) -> io::Result<Option<Siginfo>> {
    match result {
        Ok(info) => Ok(Some(info)),
        Err(error) if errno(&error) == Some(EAGAIN) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a signal does to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Its default action.
    Default,
    /// Nothing.
    Ignore,
    /// It is queued for [`take`].
    Catch,
}

/// Sets what a signal does; returns what it did before.
pub fn set_disposition(signal: u32, disposition: Disposition) -> io::Result<Disposition> {
    let number = match disposition {
        Disposition::Default => abi::DISP_DEFAULT,
        Disposition::Ignore => abi::DISP_IGNORE,
        Disposition::Catch => abi::DISP_CATCH,
    };
    change(signal, number)
}

/// What a signal does.
pub fn disposition(signal: u32) -> io::Result<Disposition> {
    change(signal, abi::DISP_QUERY)
}

fn change(signal: u32, number: u32) -> io::Result<Disposition> {
    let mut old = 0;
    call!(sig_disposition(signal, number, &mut old))?;
    Ok(match old {
        abi::DISP_IGNORE => Disposition::Ignore,
        abi::DISP_CATCH => Disposition::Catch,
        _ => Disposition::Default,
    })
}

/// Sets the real-time interval timer, which sends SIGALRM; zero stops it. Returns the time that was left.
pub fn timer(first: Duration, every: Duration) -> io::Result<Duration> {
    let ns = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
    let mut old = 0;
    call!(timer_real(ns(first), ns(every), &mut old))?;
    Ok(Duration::from_nanos(old))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_inverse() {
        for signal in (1..=31).chain(SIGRTMIN..=SIGRTMAX) {
            let name = name(signal).unwrap_or_default();
            assert_eq!(parse(&name), Some(signal), "{name}");
            assert_eq!(parse(&format!("sig{name}")), Some(signal), "{name}");
        }
        assert_eq!(parse("RTMIN+30"), Some(64));
        assert_eq!((parse("65"), parse("NOPE"), parse("RTMIN+31")), (None, None, None));
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_out_of_range() {
        let set = SigSet::of(&[1, 64, 0, 65]);
        assert_eq!(set.0, 1 | 1 << 63);
        assert!(set.has(64) && !set.has(2) && !set.without(64).has(64));
    }
}
