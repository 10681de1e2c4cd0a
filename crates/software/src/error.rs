//! What can go wrong with software.

use agentos_kernel::Error as KernelError;

/// Why a package or image could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A package name that is not known.
    #[error("software: unknown package {name:?} (known: {known})")]
    UnknownPackage {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// The bundled manifest and the bundled artefacts disagree; the build is damaged.
    #[error("software: bundled userland is damaged: {0}")]
    Damaged(String),
    /// The template filesystem could not be filled.
    #[error("software: cannot place {path}: {source}")]
    Place {
        /// Path in the image.
        path: String,
        /// Reason.
        source: KernelError,
    },
    /// The store of software.
    #[error(transparent)]
    Store(#[from] crate::store::Error),
}
