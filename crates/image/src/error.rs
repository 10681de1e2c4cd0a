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
    /// One image of several things: which one the error is about.
    #[error("image {}: {error}", path.display())]
    In {
        /// The image as it was asked for.
        path: PathBuf,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// One layer of an image: which one the error is about.
    #[error("layer {digest}: {error}")]
    Layer {
        /// Digest of the layer.
        digest: String,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// A member of an archive that is not accepted.
    #[error("member {member:?}: {reason}")]
    Member {
        /// Its name, with what is not text replaced, and cut where it is very long.
        member: String,
        /// Why it is refused.
        reason: String,
    },
    /// Bytes that are not what they should be.
    #[error("{what}: {reason}")]
    Format {
        /// What was read, for example `tar archive`.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// More than an image may have.
    #[error("{what}: {observed} exceed the limit of {capacity} {unit}")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// How much there is, at least.
        observed: u64,
        /// How much there may be.
        capacity: u64,
        /// In which unit.
        unit: &'static str,
    },
    /// Content that is not what its digest says.
    #[error("{what} has the digest {found}, not {expected}")]
    Digest {
        /// What was read.
        what: String,
        /// The digest that it should have.
        expected: String,
        /// The digest that it has.
        found: String,
    },
    /// Reading or writing failed.
    #[error("{0}")]
    Io(std::io::Error),
    /// The host failed.
    #[error("{}: {error}", path.display())]
    Host {
        /// File or directory of the host.
        path: PathBuf,
        /// What the host says.
        error: std::io::Error,
    },
}

impl From<std::io::Error> for Error {
    /// Errors of ours travel through readers as errors of the host; here they are ours again.
    fn from(error: std::io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Io)
    }
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl Error {
    /// Wraps a failure of the host with a file or directory.
    pub(crate) fn host<E: Into<std::io::Error>>(path: &Path) -> impl Fn(E) -> Self + '_ {
        move |error| Self::Host {
            path: path.to_owned(),
            error: error.into(),
        }
    }

    /// Says which image an error is about.
    pub(crate) fn of(path: &Path) -> impl Fn(Self) -> Self + '_ {
        move |error| match error {
            Self::Source { .. } | Self::In { .. } => error,
            error => Self::In {
                path: path.to_owned(),
                error: Box::new(error),
            },
        }
    }

    /// A member that is refused.
    pub(crate) fn member(name: &[u8], reason: impl Into<String>) -> Self {
        let shown = name.get(..NAME_SHOWN).unwrap_or(name);
        let mut member = String::from_utf8_lossy(shown).into_owned();
        if shown.len() < name.len() {
            member.push_str("...");
        }
        Self::Member {
            member,
            reason: reason.into(),
        }
    }

    /// Bytes that are not what they should be.
    pub(crate) fn format(what: &'static str, reason: impl Into<String>) -> Self {
        Self::Format {
            what,
            reason: reason.into(),
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

/// Bytes of a member's name that an error shows.
const NAME_SHOWN: usize = 256;
