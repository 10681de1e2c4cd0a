//! Why the executor could not be made.

/// Result of making the executor.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// A failure that concerns the host, not a guest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine could not be made on this host.
    #[error("the WebAssembly engine could not be made: {0}")]
    Engine(String),
    /// A thread could not be started.
    #[error("a thread could not be started: {0}")]
    Thread(std::io::Error),
}

impl Error {
    #[allow(clippy::needless_pass_by_value)]
    pub(crate) fn engine(error: wasmtime::Error) -> Self {
        Self::Engine(format!("{error:#}"))
    }
}
