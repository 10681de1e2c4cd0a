//! Descriptors of the process that hosts VMs.
//!
//! All VMs of a process share its descriptors: mounted directories, databases, sockets, pipes of Linux programs. How many it may
//! have is no limit of any VM but the host's, `RLIMIT_NOFILE`, and most systems start processes with 1,024 (so that those that
//! use `select(2)` work, which knows no higher numbers) and let them have many more. So a program that serves VMs [raises](raise)
//! its soft limit to the hard one before it starts the first. What it starts on the host gets the limit that it was started with
//! itself ([`program`]); guests have limits of their own.
//!
//! A process that has run out says so by [`exhausted`]: the error names the limit and what raises it, and guests get `ENFILE`,
//! because it is the machine's table that is full and not theirs.

use crate::{Errno, LimitExceeded};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::process::Command;
use std::sync::OnceLock;

/// Where the limit is raised.
const WHERE: &str = "ulimit -n";
/// What it is called.
const NAME: &str = "hostDescriptors";

/// The soft limit that this process was started with, once it was raised.
static INHERITED: OnceLock<u64> = OnceLock::new();

/// The soft and the hard limit of this process; `u64::MAX` if there is none.
pub fn limits() -> (u64, u64) {
    let limit = getrlimit(Resource::Nofile);
    (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX))
}

/// Raises the soft limit of this process to its hard one, and says what it was before. Where the host does not let it, all stays
/// as it is.
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let before = limit.current.unwrap_or(u64::MAX);
    if limit.current == limit.maximum {
        return inherited().unwrap_or(before);
    }
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => *INHERITED.get_or_init(|| before),
        Err(_) => before,
    }
}

/// The soft limit before it was [raised](raise), if it was.
pub fn inherited() -> Option<u64> {
    INHERITED.get().copied()
}

/// A program of the host, to be started with the soft limit that this process was started with.
pub fn program(name: &str) -> Command {
    let Some(soft) = inherited() else {
        return Command::new(name);
    };
    // A limit is changed by the process that has it, between `fork` and `exec`: a shell is the only one that does so for others.
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -S -n \"$0\" && exec \"$@\"", &soft.to_string(), name]);
    command
}

/// The error of an operation that found no free descriptor.
pub fn exhausted(operation: &'static str) -> LimitExceeded {
    let (soft, _) = limits();
    let mut limit = LimitExceeded::new(
        WHERE,
        "descriptors",
        soft.saturating_add(1),
        soft,
        operation,
        Errno::ENFILE,
    );
    limit.limit = NAME;
    limit
}

/// Whether this process has no free descriptor just now; for errors of libraries that do not tell why.
pub fn are_exhausted() -> bool {
    let opened = rustix::fs::open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
    matches!(opened, Err(rustix::io::Errno::MFILE))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    // One test, because the limit is the whole process's.
    #[test]
    fn a_raised_limit_is_named_and_not_inherited() {
        let (soft, hard) = limits();
        assert!(soft <= hard && !are_exhausted());
        assert_eq!(raise(), soft);
        assert_eq!(limits(), (hard, hard));
        assert_eq!(raise(), soft, "what it was at first");
        let said = program("sh")
            .args(["-c", "ulimit -S -n; ulimit -H -n"])
            .output()
            .unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let seen: Vec<u64> = said.lines().map(|line| line.parse().unwrap_or(u64::MAX)).collect();
        assert_eq!(seen, [soft, hard]);
        let error = exhausted("open");
        let observed = hard.saturating_add(1);
        assert_eq!(
            (error.observed, error.capacity, error.errno),
            (observed, hard, Errno::ENFILE)
        );
        assert_eq!(
            error.to_string(),
            format!("limit exceeded: hostDescriptors: {observed} of {hard} descriptors (ulimit -n)")
        );
        let converted = Error::from(rustix::io::Errno::MFILE);
        assert_eq!(converted.limit().map(|limit| limit.limit), Some("hostDescriptors"));
        assert_eq!(Error::from(rustix::io::Errno::NOENT), Errno::ENOENT);
    }
}
