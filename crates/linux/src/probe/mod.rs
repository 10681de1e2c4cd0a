//! Whether this machine can jail Linux programs, found out by doing each thing once.
//!
//! A version number or a configuration file says little: containers, sandboxes and other supervisors forbid single calls. So each
//! feature is used as the executor will use it: a filter is installed, a guest is started, its memory is read and changed, a descriptor
//! is put into its table. Nothing of that is left behind.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod guest;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod here;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod host;

use std::fmt;
use std::io;

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What it is.
    pub feature: &'static str,
    /// Whether Linux programs cannot run without it.
    pub required: bool,
    /// What it is needed for.
    pub purpose: &'static str,
    /// How it went: a detail, or the host's error.
    pub result: Result<String, String>,
    /// The host's error number, if it gave one.
    pub errno: Option<i32>,
    /// What most likely causes the failure, and what helps.
    pub advice: Option<&'static str>,
}

impl Finding {
    /// What came of trying `feature`.
    pub fn new(feature: &'static str, required: bool, purpose: &'static str, result: io::Result<String>) -> Self {
        let errno = result.as_ref().err().and_then(io::Error::raw_os_error);
        Self {
            feature,
            required,
            purpose,
            advice: result.as_ref().err().and_then(|_| advice(feature, errno)),
            result: result.map_err(|error| error.to_string()),
            errno,
        }
    }
}

/// Everything that was tried.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Probe {
    /// In the order in which it was tried. What comes after a required thing that failed may not have been tried.
    pub findings: Vec<Finding>,
}

impl From<Vec<Finding>> for Probe {
    fn from(findings: Vec<Finding>) -> Self {
        Self { findings }
    }
}

impl Probe {
    /// Why Linux programs cannot run here, in one line; none if they can.
    pub fn refusal(&self) -> Option<String> {
        let missing = self
            .findings
            .iter()
            .find(|finding| finding.required && finding.result.is_err())?;
        let error = missing.result.as_ref().err()?;
        let (feature, purpose) = (missing.feature, missing.purpose);
        let advice = missing.advice.map(|advice| format!("; {advice}")).unwrap_or_default();
        Some(format!(
            "native Linux programs are off on this machine: {feature} ({purpose}): {error}{advice} (agentos doctor tells more)"
        ))
    }

    fn note(
        &mut self,
        feature: &'static str,
        required: bool,
        purpose: &'static str,
        result: io::Result<String>,
    ) -> bool {
        let works = result.is_ok();
        self.findings.push(Finding::new(feature, required, purpose, result));
        works
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.required { "required" } else { "optional" };
        match &self.result {
            Ok(detail) => write!(f, "ok   {} ({kind}; {}): {detail}", self.feature, self.purpose),
            Err(error) => write!(f, "FAIL {} ({kind}; {}): {error}", self.feature, self.purpose),
        }
    }
}

/// Names of features, as they are told and looked up.
pub(crate) mod feature {
    pub(crate) const LANDLOCK: &str = "Landlock";
    pub(crate) const MEMFD: &str = "memfd with MFD_NOEXEC_SEAL";
    pub(crate) const PIDFD: &str = "pidfd_open";
    pub(crate) const PLACE: &str = "a directory for the loader";
    pub(crate) const GUARDIAN: &str = "the guardian process";
    pub(crate) const CONFINE: &str = "Landlock on a thread";
    pub(crate) const LISTENER: &str = "seccomp notifications";
    pub(crate) const KILLABLE: &str = "seccomp WAIT_KILLABLE_RECV";
    pub(crate) const GUEST: &str = "a guest";
    pub(crate) const MEMORY: &str = "memory of a guest";
    pub(crate) const PATCH: &str = "/proc/PID/mem of a guest";
    pub(crate) const ADD_FD: &str = "seccomp ADDFD_SEND";
}

/// What most likely causes the failure of a feature.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn advice(name: &str, errno: Option<i32>) -> Option<&'static str> {
    use feature as f;
    let errno = errno?;
    Some(match (name, errno) {
        (f::LISTENER, libc::EBUSY) => {
            "another supervisor answers this process's system calls already (an agentOS around this one, LXD, sysbox), and the host \
             allows one only"
        }
        (f::LISTENER, libc::EINVAL) => {
            "this is not a Linux kernel of version 5.0 or later, or gVisor, which has no notifications"
        }
        (f::LISTENER | f::CONFINE | f::LANDLOCK, libc::EPERM | libc::EACCES) => {
            "a seccomp profile of the container forbids the call: allow it, or run with the default profile of Docker 20.10 or later"
        }
        (f::LISTENER, libc::ENOSYS) => "the kernel has no seccomp, or a sandbox hides it",
        (f::KILLABLE, libc::EINVAL) => "Linux 5.19 or later is needed",
        (f::LANDLOCK, libc::EOPNOTSUPP) => "Landlock is built in but off: the kernel's parameter lsm= has to name it",
        (f::LANDLOCK, libc::ENOSYS) => {
            "the kernel is older than 5.13 or was built without Landlock, or a seccomp profile hides it"
        }
        (f::MEMFD, libc::EINVAL) => "Linux 6.3 or later is needed",
        (f::MEMFD, libc::EACCES) => "vm.memfd_noexec of this machine does not allow it",
        (f::PLACE, libc::EACCES | libc::EPERM) => {
            "TMPDIR, /dev/shm and /var/tmp are all mounted noexec or read-only: set TMPDIR to a directory that allows executing"
        }
        (f::PLACE, libc::ENOSPC) => "the disk is full",
        (f::GUEST | f::GUARDIAN, libc::EAGAIN) => "the limit of processes (RLIMIT_NPROC, pids.max) is reached",
        (f::MEMORY | f::PATCH, libc::EPERM | libc::EACCES) => {
            "kernel.yama.ptrace_scope is 2 or 3, or a seccomp profile forbids process_vm_readv: a scope of 0 or 1 is needed"
        }
        _ => return None,
    })
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn advice(_: &str, _: Option<i32>) -> Option<&'static str> {
    None
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
impl Probe {
    /// Tries everything.
    pub fn run() -> Self {
        let other = io::Error::other("this is another one");
        let purpose = "the only system that Linux programs run on so far";
        vec![Finding::new("Linux on x86-64", true, purpose, Err(other))].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_what_is_missing_and_why_it_matters() {
        let finding = |required, result| Finding::new("a thing", required, "doing it", result);
        let denied = || Err(io::Error::other("not here"));
        let probe = |findings: Vec<Finding>| Probe::from(findings);
        let works = || Ok("ok".to_owned());
        assert_eq!(
            probe(vec![finding(true, works()), finding(false, denied())]).refusal(),
            None
        );
        let line = probe(vec![finding(true, denied())]).refusal();
        let wanted =
            "native Linux programs are off on this machine: a thing (doing it): not here (agentos doctor tells more)";
        assert_eq!(line.as_deref(), Some(wanted));
    }

    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn a_known_cause_is_told() {
        let busy = io::Error::from_raw_os_error(libc::EBUSY);
        let finding = Finding::new(feature::LISTENER, true, "answering", Err(busy));
        assert_eq!(finding.errno, Some(libc::EBUSY));
        assert!(
            finding
                .advice
                .is_some_and(|advice| advice.contains("another supervisor"))
        );
        let old = Finding::new(
            feature::LISTENER,
            true,
            "",
            Err(io::Error::from_raw_os_error(libc::EINVAL)),
        );
        assert!(old.advice.is_some_and(|advice| advice.contains("gVisor")));
        assert_eq!(
            Finding::new(feature::LISTENER, true, "", Ok(String::new())).advice,
            None
        );
    }
}
