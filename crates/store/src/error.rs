//! The store's one error type, and the one place where errors of SQLite and of the host become it.
//!
//! A guest sees an [`Errno`] ([`Error::errno`]), a client a code ([`Error::code`]). The texts name files of the host; they
//! are for logs and for the operator, not for guests.

use std::path::{Path, PathBuf};

use agentos_kernel::{Errno, LimitExceeded, descriptors};
use rusqlite::ErrorCode;

/// Result of an operation of the store.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why an operation of the store failed. Cheap to clone, because one failed commit answers many submissions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk is full, or so nearly full that new persistent writes are refused (`ENOSPC`).
    #[error("no space left on device: {0}")]
    NoSpace(Box<str>),
    /// The host's storage failed (`EIO`).
    #[error("input/output error: {0}")]
    Io(Box<str>),
    /// This process has no descriptor left to open a file with (`ENFILE`).
    #[error("{0}")]
    Descriptors(Box<LimitExceeded>),
    /// The file is damaged or is no database of ours; it is left as it is.
    #[error("{}: storage is corrupt: {detail}", path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// What was found.
        detail: Box<str>,
    },
    /// The file was written by a newer version of agentOS; it is left as it is.
    #[error("{}: schema version {found} is newer than {known}, the newest this version of agentOS knows", path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest version this build knows.
        known: u32,
    },
    /// Another process holds the lock.
    #[error("{} is in use by {}", path.display(), holder(*pid))]
    Locked {
        /// The directory that is locked.
        path: PathBuf,
        /// The process that holds the lock, if it said so.
        pid: Option<u32>,
    },
    /// A later opening of the same file took over; this one must not write any more.
    #[error("{}: generation {held} was superseded by {found}", path.display())]
    Superseded {
        /// The file.
        path: PathBuf,
        /// The generation of this opening.
        held: u64,
        /// The generation found in the file.
        found: u64,
    },
    /// The database is closed.
    #[error("the database is closed")]
    Closed,
    /// A configured limit was reached.
    #[error("{limit}: {observed} exceeds {capacity}")]
    Limit {
        /// The limit's field in the configuration.
        limit: &'static str,
        /// What was asked for.
        observed: u64,
        /// The cap.
        capacity: u64,
    },
    /// A value that the store does not take.
    #[error("{what}: {detail}")]
    Invalid {
        /// Which argument.
        what: &'static str,
        /// What is wrong with it.
        detail: Box<str>,
    },
    /// Something with this identity exists already.
    #[error("{what} exists already: {id}")]
    Exists {
        /// The kind of thing.
        what: &'static str,
        /// Its identity.
        id: Box<str>,
    },
    /// A statement of a user database failed; the text is SQLite's and is meant for the author of the statement.
    #[error("{0}")]
    Sql(Box<str>),
    /// A statement ran longer than `sqlite.queryTimeoutMs`, or a transaction stayed open for longer.
    #[error("query interrupted after {0} ms (limits.sqlite.queryTimeoutMs)")]
    Interrupted(u64),
    /// A statement would make a user database larger than it may be.
    #[error("database or disk is full: {observed} of {capacity} bytes (limits.sqlite.maxDatabaseBytes)")]
    DatabaseFull {
        /// Bytes that the database would have come to, at least.
        observed: u64,
        /// The cap.
        capacity: u64,
    },
    /// Whoever asked for it does not wait any more.
    #[error("the call was cancelled")]
    Cancelled,
    /// A sealed value cannot be opened with the key at hand.
    #[error("sealed value cannot be opened: {0}")]
    Sealed(Box<str>),
    /// A defect of agentOS itself.
    #[error("internal error of the store: {0}")]
    Internal(Box<str>),
}

impl Error {
    /// The error number that a guest sees.
    pub fn errno(&self) -> Errno {
        match self {
            Self::NoSpace(_) => Errno::ENOSPC,
            Self::Limit { .. } | Self::DatabaseFull { .. } => Errno::ENOSPC,
            Self::Descriptors(limit) => limit.errno,
            Self::Cancelled => Errno::EINTR,
            Self::Invalid { .. } => Errno::EINVAL,
            Self::Exists { .. } => Errno::EEXIST,
            _ => Errno::EIO,
        }
    }

    /// The stable code that a client sees: `ENOSPC`, `EIO`, `storage_corrupt`, `limit_exceeded`, ...
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoSpace(_) => "ENOSPC",
            Self::Corrupt { .. } | Self::TooNew { .. } => "storage_corrupt",
            Self::Limit { .. } | Self::DatabaseFull { .. } | Self::Interrupted(_) | Self::Descriptors(_) => {
                "limit_exceeded"
            }
            Self::Invalid { .. } => "invalid_argument",
            Self::Exists { .. } => "EEXIST",
            Self::Sql(_) => "sql_error",
            Self::Cancelled => "cancelled",
            Self::Internal(_) => "internal_error",
            Self::Sealed(_) => "sealed",
            Self::Io(_) | Self::Locked { .. } | Self::Superseded { .. } | Self::Closed => "EIO",
        }
    }

    /// An argument that the store does not take.
    pub fn invalid(what: &'static str, detail: impl Into<Box<str>>) -> Self {
        Self::Invalid {
            what,
            detail: detail.into(),
        }
    }

    /// A file whose content contradicts itself.
    pub fn corrupt(path: &Path, detail: impl Into<Box<str>>) -> Self {
        Self::Corrupt {
            path: path.to_owned(),
            detail: detail.into(),
        }
    }

    /// An error of the host on `path`.
    pub(crate) fn host(path: &Path, error: &std::io::Error) -> Self {
        let text = format!("{}: {error}", path.display()).into();
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::NoSpace(text),
            _ if error.raw_os_error() == Some(Errno::EMFILE.raw()) => Self::descriptors(),
            _ => Self::Io(text),
        }
    }

    /// No descriptor is left.
    fn descriptors() -> Self {
        Self::Descriptors(Box::new(descriptors::exhausted("open")))
    }

    /// An error of SQLite on the database at `path`.
    pub(crate) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        let text = || format!("{}: {error}", path.display()).into();
        match error.sqlite_error_code() {
            // SQLite does not say why it cannot open one of its files.
            Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) if descriptors::are_exhausted() => {
                Self::descriptors()
            }
            Some(ErrorCode::DiskFull) => Self::NoSpace(text()),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::corrupt(path, error.to_string()),
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::PermissionDenied
                | ErrorCode::FileLockingProtocolFailed
                | ErrorCode::NoLargeFileSupport
                | ErrorCode::DatabaseBusy
                | ErrorCode::OutOfMemory,
            ) => Self::Io(text()),
            _ => Self::Internal(text()),
        }
    }
}

/// Errors inside of a mutation or a query, where the path is not at hand; `Error::at` adds it.
impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        Self::sqlite(Path::new("database"), &error)
    }
}

impl Error {
    /// The same error, with the file it belongs to.
    pub(crate) fn at(self, path: &Path) -> Self {
        match self {
            Self::Corrupt { path: old, detail } if old == Path::new("database") => Self::corrupt(path, detail),
            other => other,
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}
