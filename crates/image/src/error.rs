//! What can be wrong with an image.

use std::path::{Path, PathBuf};

/// Result of working with images.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why an image cannot be used or made. The text names the image, and the file in it where there is one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is nothing of that name, or nothing that an image can be made of.
    #[error("image {}: {reason}", path.display())]
    Source {
        /// The image as it was asked for.
        path: PathBuf,
        /// What was found and what would be accepted.
        reason: String,
    },
    /// The host failed.
    #[error("{}: {error}", path.display())]
    Host {
        /// File or directory of the host.
        path: PathBuf,
        /// What the host says.
        error: std::io::Error,
    },
}

impl Error {
    /// Wraps a failure of the host with a file or directory.
    pub(crate) fn host<E: Into<std::io::Error>>(path: &Path) -> impl Fn(E) -> Self + '_ {
        move |error| Self::Host {
            path: path.to_owned(),
            error: error.into(),
        }
    }

    /// Something that no image can be made of.
    pub(crate) fn source(path: &Path, reason: impl Into<String>) -> Self {
        Self::Source {
            path: path.to_owned(),
            reason: reason.into(),
        }
    }
}
