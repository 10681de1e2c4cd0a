//! The gateway's own errors, one constructor each, so that no text is written twice.
//!
//! A code that clients retry is a promise that the call had no effect; only [`draining`] is one.

use agentos_value::{ActorError, Value};

pub(crate) fn no_route() -> ActorError {
    ActorError::guard("no_route", "No route matches the request.")
}

pub(crate) fn route_not_found() -> ActorError {
    ActorError::actor("route_not_found", "The actor has nothing at this path.")
}

pub(crate) fn method_not_allowed(allowed: &'static str) -> ActorError {
    ActorError::actor("method_not_allowed", format!("Only {allowed} is allowed here."))
}

pub(crate) fn unauthorized() -> ActorError {
    ActorError::auth("unauthorized", "The gateway's token is missing or wrong.")
}

pub(crate) fn administrative() -> ActorError {
    ActorError::auth(
        "forbidden",
        "This route needs the gateway's token, or a peer on the server's own machine if it has none.",
    )
}

pub(crate) fn forbidden_host() -> ActorError {
    ActorError::guard(
        "forbidden_host",
        "A server on loopback without a token answers to names of loopback only.",
    )
}

pub(crate) fn forbidden_origin() -> ActorError {
    ActorError::guard(
        "forbidden_origin",
        "Pages of this origin may not use the server; add it to cors.origins.",
    )
}

pub(crate) fn too_many_failures() -> ActorError {
    ActorError::guard(
        "too_many_requests",
        "Too many failed attempts from this address; try again in a minute.",
    )
}

pub(crate) fn draining() -> ActorError {
    ActorError::guard("service_unavailable", "The server is shutting down.")
}

pub(crate) fn target_too_long(bytes: usize, most: usize) -> ActorError {
    too_large(
        ActorError::guard(
            "target_too_long",
            format!("The request target has {bytes} of {most} bytes."),
        ),
        bytes,
        most,
    )
}

pub(crate) fn headers_too_large(bytes: usize, most: usize) -> ActorError {
    let error = ActorError::guard(
        "headers_too_large",
        format!("The request's headers have {bytes} of {most} bytes."),
    );
    too_large(error, bytes, most)
}

/// A message or body in either direction. `field` names the limit.
pub(crate) fn message_too_large(bytes: u64, most: usize, field: &str) -> ActorError {
    let message = format!("message too large: {bytes} of {most} bytes (limits.server.{field})");
    let metadata = Value::object([
        ("limit", Value::from(field)),
        ("observed", i64::try_from(bytes).map_or(Value::Null, Value::from)),
        ("capacity", size(most)),
        ("unit", Value::from("bytes")),
        ("configurationPath", Value::from(format!("limits.server.{field}"))),
    ]);
    ActorError::actor("message_too_large", message).with_metadata(metadata)
}

pub(crate) fn invalid_request(problem: impl Into<String>) -> ActorError {
    ActorError::actor("invalid_request", problem)
}

pub(crate) fn invalid_params(problem: impl Into<String>) -> ActorError {
    ActorError::actor("invalid_params", problem)
}

pub(crate) fn body_timed_out() -> ActorError {
    ActorError::guard("body_timed_out", "The request's body did not arrive in time.")
}

pub(crate) fn upgrade_required() -> ActorError {
    ActorError::guard("upgrade_required", "This path is for WebSockets of version 13.")
}

pub(crate) fn open_timed_out() -> ActorError {
    ActorError::auth("auth_timeout", "The connection was not admitted in time.")
}

/// The mask, with the cause in the log.
pub(crate) fn internal(what: &str, cause: &dyn std::fmt::Display) -> ActorError {
    let correlation_id = crate::ids::correlation_id();
    tracing::error!(correlation_id, what, %cause, "masked an internal error");
    ActorError::internal(correlation_id)
}

fn too_large(error: ActorError, bytes: usize, most: usize) -> ActorError {
    error.with_metadata(Value::object([
        ("observed", size(bytes)),
        ("capacity", size(most)),
        ("unit", "bytes".into()),
    ]))
}

fn size(bytes: usize) -> Value {
    i64::try_from(bytes).map_or(Value::Null, Value::from)
}

pub(crate) fn not_found() -> ActorError {
    ActorError::actor("not_found", "The actor does not exist or was destroyed.")
}

pub(crate) fn not_registered(name: &str) -> ActorError {
    let name: String = name.chars().take(64).collect();
    ActorError::actor(
        "not_registered",
        format!("No actor is registered under the name '{name}'."),
    )
}
