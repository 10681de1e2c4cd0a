//! From errors of the SDK and the store to those that clients see (api.md section 5.3). This is the only place where it is
//! decided; what has no documented form is masked by the actor runtime.

use agentos::{Errno, Error, LimitExceeded};
use agentos_value::{ActorError, Object, Value};

/// The error of an SDK call, as a client sees it.
pub(crate) fn from_sdk(error: Error) -> ActorError {
    match error {
        Error::File {
            errno,
            operation,
            ref path,
        } => ActorError::agentos(errno.name(), error.to_string()).with_metadata(file(errno, operation, Some(path))),
        Error::Os { errno, operation } => {
            ActorError::agentos(errno.name(), error.to_string()).with_metadata(file(errno, operation, None))
        }
        Error::Limit(limit) => exceeded(&limit),
        Error::Denied(denied) => ActorError::agentos("EACCES", denied.to_string()).with_metadata(Value::object([
            ("errno", "EACCES".to_owned()),
            ("syscall", denied.operation.to_string()),
            ("path", denied.resource_text()),
            ("rule", denied.rule.to_string()),
        ])),
        Error::Refused { operation, .. } => {
            ActorError::agentos("EACCES", error.to_string()).with_metadata(file(Errno::EACCES, operation, None))
        }
        Error::RelativePath(ref path) => path_refused(&error, "an absolute path", path),
        Error::UnnormalizedPath(ref path) => path_refused(&error, "a path without ., .., // and trailing /", path),
        Error::ReadOnlyPath(path) => {
            ActorError::agentos("EROFS", format!("Path is read-only: {path}")).with_metadata(Value::object([
                ("errno", "EROFS".to_owned()),
                ("syscall", "open".to_owned()),
                ("path", path),
            ]))
        }
        Error::CommandNotFound(ref command) => {
            ActorError::agentos("ENOENT", error.to_string()).with_metadata(file(Errno::ENOENT, "spawn", Some(command)))
        }
        Error::CannotExecute { ref command, errno, .. } => {
            ActorError::agentos(errno.name(), error.to_string()).with_metadata(file(errno, "spawn", Some(command)))
        }
        Error::InvalidOption { option, ref reason } => ActorError::agentos("invalid_argument", error.to_string())
            .with_metadata(Value::object([("path", option), ("expected", reason.as_str())])),
        Error::InvalidQuery(ref query) => ActorError::agentos("invalid_argument", query.to_string()),
        Error::ProcessNotFound(pid) => process_not_found(pid),
        Error::NoListener { port } => {
            ActorError::agentos("no_listener", error.to_string()).with_metadata(Value::object([("port", port)]))
        }
        Error::Fetch { .. } => ActorError::agentos("bad_response", error.to_string()),
        Error::Disposed => shutting_down(),
        error => ActorError::agentos(error.code(), error.to_string()),
    }
}

/// The error of sessions, as a client sees it.
#[allow(clippy::needless_pass_by_value, reason = "it is what map_err calls")]
pub(crate) fn session_error(error: agentos::session::Error) -> ActorError {
    let metadata = Value::from_serialize(&error.metadata()).unwrap_or_default();
    ActorError::agentos(error.code().to_owned(), error.to_string()).with_metadata(metadata)
}

/// `limit_exceeded` with the metadata of limits.md section 1.
pub(crate) fn exceeded(limit: &LimitExceeded) -> ActorError {
    ActorError::agentos("limit_exceeded", limit.to_string()).with_metadata(limit_value(limit))
}

/// What clients get to know of a breach.
pub(crate) fn limit_value(limit: &LimitExceeded) -> Value {
    let mut object = Object::new();
    object.insert("limit", limit.limit);
    object.insert("observed", number(limit.observed));
    object.insert("capacity", number(limit.capacity));
    object.insert("unit", limit.unit);
    object.insert("operation", limit.operation);
    object.insert("configurationPath", limit.configuration_path);
    object.insert("errno", limit.errno.name());
    Value::Object(object)
}

/// A count as a number of JavaScript; beyond 2^53 the largest safe one, which no counter of ours reaches.
pub(crate) fn number(count: u64) -> Value {
    Value::Int(
        i64::try_from(count)
            .unwrap_or(i64::MAX)
            .min(agentos_value::MAX_SAFE_INTEGER),
    )
}

/// `process_not_found`.
pub(crate) fn process_not_found(pid: u32) -> ActorError {
    ActorError::agentos("process_not_found", format!("Process not found: {pid}"))
        .with_metadata(Value::object([("pid", pid)]))
}

/// `shell_not_found`.
pub(crate) fn shell_not_found(id: &str) -> ActorError {
    ActorError::agentos("shell_not_found", format!("Shell not found: {id}"))
        .with_metadata(Value::object([("shellId", id)]))
}

/// `shutting_down`: the action was not executed.
pub(crate) fn shutting_down() -> ActorError {
    ActorError::agentos("shutting_down", "the VM is shutting down; the action was not executed")
}

fn file(errno: Errno, operation: &str, path: Option<&str>) -> Value {
    let mut object = Object::new();
    object.insert("errno", errno.name());
    object.insert("syscall", operation);
    if let Some(path) = path {
        object.insert("path", path);
    }
    Value::Object(object)
}

fn path_refused(error: &Error, expected: &str, path: &str) -> ActorError {
    ActorError::agentos("invalid_argument", error.to_string()).with_metadata(Value::object([
        ("path", "path"),
        ("expected", expected),
        ("received", path),
    ]))
}

/// The error of the store, as a client sees it. The full text names files of the host and goes to the log.
pub(crate) fn from_store(error: &agentos_store::Error) -> ActorError {
    tracing::error!(%error, "the storage failed");
    match error {
        agentos_store::Error::Limit {
            limit,
            observed,
            capacity,
        } => ActorError::agentos(
            "limit_exceeded",
            format!("limit exceeded: {limit}: {observed} of {capacity}"),
        )
        .with_metadata(Value::object([
            ("limit", Value::from(limit.rsplit('.').next().unwrap_or(limit))),
            ("observed", number(*observed)),
            ("capacity", number(*capacity)),
            ("configurationPath", Value::from(*limit)),
        ])),
        agentos_store::Error::Descriptors(limit) => exceeded(limit),
        error if error.code() == "storage_corrupt" => ActorError::agentos(
            "storage_corrupt",
            "the storage of this VM is damaged; its files are left as they are",
        ),
        error => {
            let errno = error.errno();
            ActorError::agentos(errno.name(), errno.to_string()).with_metadata(file(errno, "fsync", None))
        }
    }
}
