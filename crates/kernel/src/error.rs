//! The kernel's one error type.
//!
//! A guest sees an [`Errno`]; a client of the VM also wants to know which limit was hit and how to raise it. Both travel in
//! one value: [`Error::errno`] is what the guest gets.

use crate::errno::Errno;
use crate::policy::Denied;

/// Result of a kernel operation.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why a kernel operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An ordinary system error.
    #[error("{0}")]
    Os(Errno),
    /// A configured limit was reached.
    #[error("{0}")]
    Limit(Box<LimitExceeded>),
    /// The permission policy refused.
    #[error("{0}")]
    Denied(Box<Denied>),
    /// A file that cannot be run as a program, and why.
    #[error("{message}")]
    NotExecutable {
        /// What the guest gets: `ENOEXEC`, `EACCES`, `ELOOP`.
        errno: Errno,
        /// The reason, for people.
        message: Box<str>,
    },
    /// A destination or a path that something outside of the policy refuses (`EACCES`), and why.
    #[error("{0}")]
    Refused(Box<str>),
}

impl Error {
    /// The error number that the guest sees.
    pub fn errno(&self) -> Errno {
        match self {
            Self::Os(errno) => *errno,
            Self::Limit(limit) => limit.errno,
            Self::Denied(_) => Errno::EACCES,
            Self::NotExecutable { errno, .. } => *errno,
            Self::Refused(_) => Errno::EACCES,
        }
    }

    /// A file that cannot be run as a program (`ENOEXEC`), with the reason.
    pub fn not_executable(message: impl Into<Box<str>>) -> Self {
        Self::NotExecutable {
            errno: Errno::ENOEXEC,
            message: message.into(),
        }
    }

    /// A destination that a guard refuses, with the whole text, which begins with `EACCES: `.
    pub fn refused(message: impl Into<Box<str>>) -> Self {
        Self::Refused(message.into())
    }

    /// Why a policy or a guard refused, for people, if that is the reason.
    pub fn denial(&self) -> Option<String> {
        match self {
            Self::Refused(message) => Some(message.to_string()),
            Self::Denied(denied) => Some(denied.to_string()),
            _ => None,
        }
    }

    /// The limit that was exceeded, if that is the reason.
    pub fn limit(&self) -> Option<&LimitExceeded> {
        match self {
            Self::Limit(limit) => Some(limit),
            _ => None,
        }
    }

    /// The refusal by the permission policy, if that is the reason.
    pub fn denied(&self) -> Option<&Denied> {
        match self {
            Self::Denied(denied) => Some(denied),
            _ => None,
        }
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::Os(errno)
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(host: rustix::io::Errno) -> Self {
        match host {
            rustix::io::Errno::MFILE => crate::descriptors::exhausted("open").into(),
            host => Self::Os(host.into()),
        }
    }
}

impl PartialEq<Errno> for Error {
    fn eq(&self, other: &Errno) -> bool {
        self.errno() == *other
    }
}

/// A refused operation, as limits.md section 1 describes it to clients.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("limit exceeded: {limit}: {observed} of {capacity} {noun} ({configuration_path})")]
#[non_exhaustive]
pub struct LimitExceeded {
    /// Field name, for example `maxProcesses`.
    pub limit: &'static str,
    /// Value that the operation would have led to.
    pub observed: u64,
    /// The cap in force.
    pub capacity: u64,
    /// Unit of both: `count`, `bytes`, `ms`, `entries`.
    pub unit: &'static str,
    /// What is counted, in the plural: `processes`, `bytes`, ...
    pub noun: &'static str,
    /// Kernel call that was refused.
    pub operation: &'static str,
    /// Where to raise it, for example `limits.resources.maxProcesses`.
    pub configuration_path: &'static str,
    /// What the guest got.
    pub errno: Errno,
}

impl LimitExceeded {
    /// Describes a breach of a limit on `noun`; `errno` is what the guest sees.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        configuration_path: &'static str,
        noun: &'static str,
        observed: u64,
        capacity: u64,
        operation: &'static str,
        errno: Errno,
    ) -> Self {
        let limit = configuration_path.rsplit('.').next().unwrap_or(configuration_path);
        Self {
            limit,
            observed,
            capacity,
            unit: crate::limits::unit(noun),
            noun,
            operation,
            configuration_path,
            errno,
        }
    }
}

impl From<LimitExceeded> for Error {
    fn from(limit: LimitExceeded) -> Self {
        Self::Limit(Box::new(limit))
    }
}

impl From<Denied> for Error {
    fn from(denied: Denied) -> Self {
        Self::Denied(Box::new(denied))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_breach_reads_as_the_specification_writes_it() {
        let breach = LimitExceeded::new(
            "limits.resources.maxProcesses",
            "processes",
            65,
            64,
            "spawn",
            Errno::EAGAIN,
        );
        assert_eq!(
            breach.to_string(),
            "limit exceeded: maxProcesses: 65 of 64 processes (limits.resources.maxProcesses)"
        );
        assert_eq!(Error::from(breach).errno(), Errno::EAGAIN);
    }
}
