//! What can go wrong with the store. No text ever holds a credential.

use std::path::{Path, PathBuf};

/// Result of working with the store.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why software could not be added, found or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Words that name no software.
    #[error("software {given:?}: {reason}")]
    Spec {
        /// What was given.
        given: String,
        /// What is wrong with it, and what is accepted.
        reason: String,
    },
    /// Nothing of that name is in the store.
    #[error("software {given:?} is not in the store{hint}")]
    NotFound {
        /// What was asked for.
        given: String,
        /// What is there that may have been meant.
        hint: String,
    },
    /// Something that no package can be made of.
    #[error("software {what}: {reason}")]
    Source {
        /// The package, file or command.
        what: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// More than a package may have.
    #[error("software: {what}: {observed} exceed the limit of {capacity} {unit} ({field})")]
    Limit {
        /// What there is too much of.
        what: String,
        /// How much there is, at least.
        observed: u64,
        /// How much there may be.
        capacity: u64,
        /// In which unit.
        unit: &'static str,
        /// The field of [`Bounds`](super::Bounds) that says so.
        field: &'static str,
    },
    /// The registry cannot be reached, or refuses, or does not make sense.
    #[error("software: {url}: {reason}")]
    Registry {
        /// What was asked for, without credentials.
        url: String,
        /// What happened.
        reason: String,
    },
    /// No version fits what is asked for.
    #[error("software: no version of {name} is {wanted:?}, which {by} asks for{hint}")]
    NoVersion {
        /// The package of npm.
        name: String,
        /// The range or tag.
        wanted: String,
        /// Who asks for it.
        by: String,
        /// What there is.
        hint: String,
    },
    /// Bytes that are not those that were promised.
    #[error("software: {what} does not have the digest {expected}, but {found}")]
    Integrity {
        /// What was read.
        what: String,
        /// The digest that it should have.
        expected: String,
        /// The digest that it has.
        found: String,
    },
    /// A package whose content changed or vanished since it was added.
    #[error("software {name} is damaged: {reason}; remove it and add it again")]
    Damaged {
        /// The package.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// An install script that was allowed failed.
    #[error("software: the {event} script of {package} {reason}")]
    Script {
        /// The package, with its version.
        package: String,
        /// `preinstall`, `install` or `postinstall`.
        event: String,
        /// What happened, with the end of what it wrote.
        reason: String,
    },
    /// A package that a VM uses cannot be removed.
    #[error("software {name} is in use by a VM of this or another process")]
    InUse {
        /// The package.
        name: String,
    },
    /// An archive is not accepted, or a layer cannot be read or written.
    #[error("software: {0}")]
    Image(#[from] agentos_image::Error),
    /// The host failed.
    #[error("software: {}: {error}", path.display())]
    Host {
        /// File or directory of the host.
        path: PathBuf,
        /// What the host says.
        error: std::io::Error,
    },
}

impl Error {
    /// Stable machine-readable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Spec { .. } | Self::Source { .. } => "invalid_software",
            Self::NotFound { .. } | Self::NoVersion { .. } => "software_not_found",
            Self::Limit { .. } => "limit_exceeded",
            Self::Registry { .. } => "registry_failed",
            Self::Integrity { .. } | Self::Damaged { .. } | Self::Image(_) => "software_damaged",
            Self::Script { .. } => "install_script_failed",
            Self::InUse { .. } => "software_in_use",
            Self::Host { .. } => "store_failed",
        }
    }

    /// Whether whoever asked for it has to ask for something else.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Spec { .. } | Self::NotFound { .. } | Self::Source { .. } | Self::NoVersion { .. }
        )
    }

    /// Wraps a failure of the host with a file or directory.
    pub(super) fn host<E: Into<std::io::Error>>(path: &Path) -> impl Fn(E) -> Self + '_ {
        move |error| Self::Host {
            path: path.to_owned(),
            error: error.into(),
        }
    }

    /// Something that no package can be made of.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "texts and whatever is shown as a text are passed alike"
    )]
    pub(super) fn source(what: impl ToString, reason: impl Into<String>) -> Self {
        Self::Source {
            what: what.to_string(),
            reason: reason.into(),
        }
    }
}
