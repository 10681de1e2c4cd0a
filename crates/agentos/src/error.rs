//! What SDK calls fail with.

use agentos_kernel::limits::{InvalidLimit, InvalidLimits};
use agentos_kernel::policy::{Denied, InvalidPolicy, InvalidQuery};
use agentos_kernel::{Errno, Error as KernelError, LimitExceeded};
use std::path::PathBuf;

/// Result of an SDK call.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why a call failed. [`code`](Error::code) is stable and machine-readable; the message is for people.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel refused a file operation.
    #[error("{errno}, {operation} '{path}'")]
    File {
        /// System error.
        errno: Errno,
        /// What was attempted, for example `readFile`.
        operation: &'static str,
        /// Path as given.
        path: String,
    },
    /// The kernel refused an operation that has no path.
    #[error("{errno}, {operation}")]
    Os {
        /// System error.
        errno: Errno,
        /// What was attempted.
        operation: &'static str,
    },
    /// A configured limit was reached; the value says which and how to raise it.
    #[error(transparent)]
    Limit(#[from] LimitExceeded),
    /// The permission policy refused; the value says what, on which resource, and which rule decided.
    #[error("{0}")]
    Denied(Box<Denied>),
    /// A guard outside of the policy refused, for example a link that leads out of a mounted directory; the text says why.
    #[error("{reason}, {operation}")]
    Refused {
        /// Why, beginning with `EACCES`.
        reason: Box<str>,
        /// What was attempted.
        operation: &'static str,
    },
    /// A guest path that is not absolute.
    #[error("Path must be absolute: {0}")]
    RelativePath(String),
    /// A guest path with `.`, `..`, `//` or a trailing slash.
    #[error("Path must be normalized: {0}")]
    UnnormalizedPath(String),
    /// A guest path that is generated and cannot be written.
    #[error("EROFS: Path is read-only: {0}")]
    ReadOnlyPath(String),
    /// No such program.
    #[error("command not found: {0}")]
    CommandNotFound(String),
    /// A program that cannot be run: not executable, not a program, or no executor for it.
    #[error("{errno}: cannot run {command}: {reason}")]
    CannotExecute {
        /// What was to run.
        command: String,
        /// `EACCES` or `ENOEXEC`.
        errno: Errno,
        /// Explanation.
        reason: String,
    },
    /// A mount that cannot be made.
    #[error("mount {source_name} at {guest}: {reason}")]
    Mount {
        /// Guest path.
        guest: String,
        /// What was to be mounted.
        source_name: String,
        /// Explanation, with what would be accepted.
        reason: String,
    },
    /// A host path that cannot be used.
    #[error("{path}: {reason}", path = path.display())]
    HostPath {
        /// The path.
        path: PathBuf,
        /// Explanation.
        reason: String,
    },
    /// Options with unacceptable values: a line for each, with its path, what was given and what is accepted.
    #[error("{0}")]
    InvalidConfig(String),
    /// An option with an unacceptable value.
    #[error("{option}: {reason}")]
    InvalidOption {
        /// Name of the option.
        option: &'static str,
        /// What was given and what is accepted.
        reason: String,
    },
    /// Limits that do not exist, have unacceptable values or exclude each other: all of them.
    #[error(transparent)]
    InvalidLimits(#[from] InvalidLimits),
    /// A policy that says something unknown; every problem is named.
    #[error(transparent)]
    InvalidPolicy(#[from] InvalidPolicy),
    /// A question to the policy that cannot be answered.
    #[error(transparent)]
    InvalidQuery(InvalidQuery),
    /// No process with this id was started by this VM.
    #[error("Process not found: {0}")]
    ProcessNotFound(u32),
    /// An image cannot be opened or used; the text names it, and the file in it that is wrong.
    #[error(transparent)]
    Image(#[from] agentos_image::Error),
    /// Software, bundled or of a store, could not be used.
    #[error(transparent)]
    Software(#[from] agentos_software::Error),
    /// Software that the VM has already.
    #[error("software {name} is in the VM already ({spec})")]
    SoftwareExists {
        /// Its name.
        name: String,
        /// The words that it was added to the store with.
        spec: String,
    },
    /// The WebAssembly engine could not be started on this host.
    #[error("the WebAssembly engine cannot start: {0}")]
    Engine(String),
    /// Nobody listens on this port of the VM.
    #[error("ECONNREFUSED: nothing in the VM listens on port {port}")]
    NoListener {
        /// The port.
        port: u16,
    },
    /// A server in the VM that does not answer as HTTP asks for.
    #[error("the server in the VM did not answer properly: {reason}")]
    Fetch {
        /// What was wrong.
        reason: String,
    },
    /// The VM was disposed.
    #[error("the VM is disposed")]
    Disposed,
}

impl From<InvalidLimit> for Error {
    fn from(problem: InvalidLimit) -> Self {
        Self::InvalidLimits(problem.into())
    }
}

impl Error {
    /// Stable machine-readable code (api.md section 5): an errno name, or a word such as `limit_exceeded`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { errno, .. } | Self::Os { errno, .. } | Self::CannotExecute { errno, .. } => errno.name(),
            Self::Limit(_) => "limit_exceeded",
            Self::Denied(_) | Self::Refused { .. } => Errno::EACCES.name(),
            Self::RelativePath(_) | Self::UnnormalizedPath(_) | Self::HostPath { .. } | Self::Mount { .. } => {
                "invalid_params"
            }
            Self::ReadOnlyPath(_) => "EROFS",
            Self::CommandNotFound(_) => "ENOENT",
            Self::Image(_) => "invalid_image",
            Self::InvalidOption { .. } | Self::InvalidPolicy(_) | Self::InvalidLimits(_) | Self::InvalidConfig(_) => {
                "invalid_config"
            }
            Self::InvalidQuery(_) => "invalid_params",
            Self::ProcessNotFound(_) => "process_not_found",
            Self::Software(agentos_software::Error::Store(error)) => error.code(),
            Self::SoftwareExists { .. } => "software_exists",
            Self::Software(_) | Self::Engine(_) => "vm_boot_failed",
            Self::NoListener { .. } => "no_listener",
            Self::Fetch { .. } => "bad_response",
            Self::Disposed => "vm_disposed",
        }
    }

    /// The system error behind it, if there is one.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::File { errno, .. } | Self::Os { errno, .. } | Self::CannotExecute { errno, .. } => Some(*errno),
            Self::Limit(limit) => Some(limit.errno),
            Self::Denied(_) | Self::Refused { .. } => Some(Errno::EACCES),
            Self::ReadOnlyPath(_) => Some(Errno::EROFS),
            Self::CommandNotFound(_) => Some(Errno::ENOENT),
            Self::NoListener { .. } => Some(Errno::ECONNREFUSED),
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

    /// A port that cannot be connected to.
    pub(crate) fn port_zero() -> Self {
        Self::InvalidOption {
            option: "port",
            reason: "must be an integer between 1 and 65535, got 0".to_owned(),
        }
    }

    /// Names the port that could not be connected to.
    pub(crate) fn no_listener(port: u16, error: KernelError) -> Self {
        match error.errno() {
            Errno::ECONNREFUSED => Self::NoListener { port },
            _ => Self::os("connect")(error),
        }
    }

    /// The refusal by the permission policy, if that is the reason.
    pub fn denied(&self) -> Option<&Denied> {
        match self {
            Self::Denied(denied) => Some(denied),
            _ => None,
        }
    }

    /// Names the operation that the kernel refused.
    pub(crate) fn os(operation: &'static str) -> impl Fn(KernelError) -> Self {
        move |error| match error {
            KernelError::Limit(limit) => Self::Limit(*limit),
            KernelError::Denied(denied) => Self::Denied(denied),
            KernelError::Refused(reason) => Self::Refused { reason, operation },
            other => Self::Os {
                errno: other.errno(),
                operation,
            },
        }
    }

    /// Names the file operation and the path that the kernel refused.
    pub(crate) fn file<'a>(operation: &'static str, path: &'a str) -> impl Fn(KernelError) -> Self + use<'a> {
        move |error| match error {
            KernelError::Limit(limit) => Self::Limit(*limit),
            KernelError::Denied(denied) => Self::Denied(denied),
            KernelError::Refused(reason) => Self::Refused { reason, operation },
            other => Self::File {
                errno: other.errno(),
                operation,
                path: path.to_owned(),
            },
        }
    }
}
