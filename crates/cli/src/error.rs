//! How the command fails, and with which exit status (api.md section 11, `sysexits.h`).

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// An exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exit(u8);

impl Exit {
    /// Everything worked.
    pub(crate) const SUCCESS: Self = Self(0);
    /// A goal was missed, and whoever asked wants to know by the status.
    pub(crate) const MISSED: Self = Self(1);
    /// The command line or the configuration is wrong.
    pub(crate) const USAGE: Self = Self(64);
    /// A policy refuses what was asked about.
    pub(crate) const REFUSED: Self = Self(77);
    /// A server cannot be reached.
    pub(crate) const UNAVAILABLE: Self = Self(69);
    /// The product failed.
    pub(crate) const INTERNAL: Self = Self(70);
    /// The command ran out of its time.
    pub(crate) const TIMEOUT: Self = Self(124);

    /// The status of a program that ends because of a signal.
    pub(crate) fn signal(number: i32) -> Self {
        Self::guest(128 + number)
    }

    /// The status of a guest, reduced to what a process can exit with.
    pub(crate) fn guest(code: i32) -> Self {
        Self(u8::try_from(code & 0xff).unwrap_or(u8::MAX))
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

/// Why the command could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The VM or the SDK refused.
    #[error("{0}")]
    Vm(#[from] agentos::Error),
    /// The server could not be reached, or refused.
    #[error("{0}")]
    Server(#[from] agentos_client::Error),
    /// The server of this process did not start.
    #[error("{0}")]
    Serve(#[from] agentos_server::ServeError),
    /// The session with an agent failed.
    #[error("{0}")]
    Session(#[from] agentos::session::Error),
    /// The scripted model server did not start.
    #[error("{0}")]
    Model(#[from] agentos_model::Error),
    /// The stored files cannot be read or written.
    #[error("{0}")]
    Store(#[from] agentos_store::Error),
    /// A configuration file is unreadable or wrong.
    #[error("{}: {reason}", path.display())]
    Config { path: PathBuf, reason: String },
    /// The words on the command line do not fit together.
    #[error("{0}")]
    Usage(String),
    /// The host's terminal or streams failed.
    #[error("{what}: {source}")]
    Host { what: &'static str, source: std::io::Error },
}

impl Error {
    /// Wraps a failure of the host.
    pub(crate) fn host(what: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| match source.raw_os_error() {
            Some(errno) if errno == agentos::Errno::EMFILE.raw() => {
                Self::Vm(agentos::descriptors::exhausted(what).into())
            }
            _ => Self::Host { what, source },
        }
    }

    /// Prints the error and gives the exit status that goes with it.
    pub(crate) fn report(&self) -> Exit {
        // A closed standard error leaves only the status to tell.
        let _ = writeln!(std::io::stderr(), "agentos: {self}");
        match self {
            Self::Config { .. } | Self::Usage(_) => Exit::USAGE,
            Self::Vm(error) => match error.code() {
                "invalid_config" | "invalid_params" | "invalid_image" | "invalid_software" | "software_not_found" => {
                    Exit::USAGE
                }
                "registry_failed" => Exit::UNAVAILABLE,
                _ if matches!(error, agentos::Error::File { operation: "chdir", .. }) => Exit::USAGE,
                "ENOENT" if matches!(error, agentos::Error::CommandNotFound(_)) => Exit(127),
                "ENOEXEC" | "EACCES" if matches!(error, agentos::Error::CannotExecute { .. }) => Exit(126),
                _ => Exit::INTERNAL,
            },
            Self::Server(error) => server(error),
            Self::Serve(error) if error.is_usage() => Exit::USAGE,
            Self::Serve(_) => Exit::INTERNAL,
            Self::Store(agentos_store::Error::Invalid { .. }) => Exit::USAGE,
            Self::Store(agentos_store::Error::Locked { .. }) => Exit::UNAVAILABLE,
            Self::Store(_) => Exit::INTERNAL,
            Self::Session(error) => match error.code() {
                "invalid_argument" => Exit::USAGE,
                "agent_not_installed" => Exit(127),
                _ => Exit(1),
            },
            Self::Model(_) | Self::Host { .. } => Exit::INTERNAL,
        }
    }
}

/// The status for what a server said, or did not say.
fn server(error: &agentos_client::Error) -> Exit {
    match error {
        agentos_client::Error::Unreachable { .. } | agentos_client::Error::Closed { .. } => Exit::UNAVAILABLE,
        agentos_client::Error::Invalid { .. } => Exit::USAGE,
        agentos_client::Error::Actor(error) => match (&*error.group, &*error.code) {
            ("auth" | "user", _) | (_, "EACCES") => Exit::REFUSED,
            (_, "invalid_argument" | "invalid_params" | "invalid_schedule" | "past_schedule" | "invalid_expiry") => {
                Exit::USAGE
            }
            ("internal", _) => Exit::INTERNAL,
            // What a command of a system would say of a missing file, say.
            _ => Exit(1),
        },
        _ => Exit::INTERNAL,
    }
}
