//! What can go wrong before the gateway serves.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A gateway that could not be built, started or handed over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The address is open to others, and nothing would ask who they are.
    #[error(
        "refusing to listen on {address}: definition \"{definition}\" has no onBeforeConnect and no token is set; add one, or pass allowInsecureBind"
    )]
    InsecureBind {
        /// The address that was to be served.
        address: SocketAddr,
        /// A definition that would admit everyone.
        definition: String,
    },
    /// An option is not usable.
    #[error("{field}: {problem}")]
    Config {
        /// The option's name.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A certificate or key could not be used.
    #[error("{path}: {problem}")]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A listening socket could not be made, inherited or handed over.
    #[error("{what}: {source}")]
    Socket {
        /// What was being done.
        what: String,
        /// The operating system's answer.
        source: io::Error,
    },
}

impl GatewayError {
    pub(crate) fn socket(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Socket { what, source }
    }

    pub(crate) fn config(field: &'static str, problem: impl Into<String>) -> Self {
        Self::Config {
            field,
            problem: problem.into(),
        }
    }
}
