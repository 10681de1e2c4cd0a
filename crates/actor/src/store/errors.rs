//! The one place where errors of the store become failures: what a client may know of them, without the host's paths.

use agentos_store::Error;
use agentos_value::{ActorError, Value};

use crate::Failure;
use crate::error::limit_exceeded;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let public = match &error {
            Error::NoSpace(_) => errno("ENOSPC", "no space left on device"),
            Error::Io(_) => errno("EIO", "input/output error"),
            Error::Descriptors(limit) => {
                let (path, capacity) = (limit.configuration_path, limit.capacity);
                let told = limit_exceeded(limit.limit, limit.observed, capacity, limit.unit, limit.operation, path);
                ActorError {
                    message: limit.to_string(),
                    ..told
                }
            }
            Error::Corrupt { .. } | Error::TooNew { .. } => ActorError::agentos(
                "storage_corrupt",
                "the actor's storage is damaged or of a newer version",
            ),
            Error::Limit {
                limit,
                observed,
                capacity,
            } => {
                let name = limit.rsplit('.').next().unwrap_or(limit);
                let unit = if name.ends_with("Bytes") { "bytes" } else { "count" };
                limit_exceeded(name, *observed, *capacity, unit, "store", limit)
            }
            Error::DatabaseFull { observed, capacity } => {
                let path = "limits.sqlite.maxDatabaseBytes";
                limit_exceeded("maxDatabaseBytes", *observed, *capacity, "bytes", "execute", path)
            }
            Error::Interrupted(ms) => {
                let path = "limits.sqlite.queryTimeoutMs";
                limit_exceeded("queryTimeoutMs", *ms, *ms, "ms", "execute", path)
            }
            _ => return Self::internal(error),
        };
        if public.code != "limit_exceeded" {
            tracing::error!(target: "agentos::actor", %error, "storage failed");
        }
        Self::Public(public)
    }
}

fn errno(name: &'static str, text: &str) -> ActorError {
    let metadata = Value::object([("errno", name), ("syscall", "write")]);
    ActorError::agentos(name, format!("{name}: {text}, write")).with_metadata(metadata)
}

/// Whether an error is the storage's, so that trying again at once would not help: the disk is full or fails, or the process has no
/// descriptor left to open a file with.
pub fn is_of_storage(error: &ActorError) -> bool {
    let names = |limit: &str| {
        error
            .metadata
            .as_ref()?
            .get("limit")?
            .as_str()
            .map(|name| name == limit)
    };
    match (&*error.group, &*error.code) {
        ("agentos", "ENOSPC" | "EIO") => true,
        ("agentos", "limit_exceeded") => names("hostDescriptors") == Some(true),
        _ => false,
    }
}
