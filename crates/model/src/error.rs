//! What making a script or a server fails with.

/// Result of a call.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why a script cannot be used or a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A script says what a script cannot say.
    #[error("the script is wrong: {field}: {reason}")]
    Script {
        /// Where, for example `turns[2].say[0].tool`.
        field: String,
        /// What is wrong.
        reason: String,
    },
    /// Something of a script or of the server's options is beyond its bound.
    #[error("{field}: {observed} is more than {cap} ({limit})")]
    Limit {
        /// Name of the bound.
        limit: &'static str,
        /// What was asked for.
        observed: u64,
        /// The bound.
        cap: u64,
        /// Where.
        field: String,
    },
    /// The server cannot listen.
    #[error("the model server cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port that was asked for.
        port: u16,
        /// What the host said.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn script(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Script {
            field: field.into(),
            reason: reason.into(),
        }
    }

    /// Whether `observed` is within a bound.
    pub(crate) fn check(limit: &'static str, field: &str, observed: usize, cap: usize) -> Result<()> {
        if observed <= cap {
            return Ok(());
        }
        Err(Self::Limit {
            limit,
            observed: observed as u64,
            cap: cap as u64,
            field: field.to_owned(),
        })
    }
}
