//! What goes wrong, and which part of it a client may see.
//!
//! Actors, hooks and the runtime fail with a [`Failure`]: either an error made for clients or anything else. The border
//! is crossed in one place, [`Failure::publish`]: an error for clients passes if its group is one that the product
//! documents; everything else is logged in full under a fresh correlation id and replaced by the mask.

use std::fmt;

use agentos_value::{ActorError, Key, Value};

use crate::random;

/// Groups that may reach clients as they are. `internal` is not among them: it is only ever made by the mask.
const PUBLIC_GROUPS: [&str; 6] = ["user", "agentos", "auth", "actor", "guard", "queue"];

/// Why an actor, a hook or the runtime did not do what it was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// Made for clients: a user's error or one that the product documents.
    Public(ActorError),
    /// Anything else. Clients see the mask; the log has the text.
    Internal(Box<dyn std::error::Error + Send + Sync>),
}

impl Failure {
    /// An error that clients must not see.
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(error.into())
    }

    /// The error for the client. What is not made for clients goes to the log under a correlation id.
    ///
    /// `what` says in the log where it happened.
    pub fn publish(self, what: &str) -> ActorError {
        match self {
            Self::Public(error) if PUBLIC_GROUPS.contains(&error.group.as_ref()) => error,
            // Already masked further down, and logged there under its id.
            Self::Public(error) if is_mask(&error) => error,
            Self::Public(error) => mask(what, &error),
            Self::Internal(error) => mask(what, &*error),
        }
    }
}

fn is_mask(error: &ActorError) -> bool {
    error.is("internal", "internal_error")
        && error.message == agentos_value::INTERNAL_MESSAGE
        && error
            .metadata
            .as_ref()
            .and_then(Value::as_object)
            .is_some_and(|object| {
                object.len() == 1
                    && object
                        .get("correlationId")
                        .and_then(Value::as_str)
                        .is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
            })
}

fn mask(what: &str, error: &dyn fmt::Display) -> ActorError {
    let correlation_id = random::correlation_id();
    tracing::error!(target: "agentos::actor", correlation_id, what, %error, "masked an internal error");
    ActorError::internal(correlation_id)
}

impl From<ActorError> for Failure {
    fn from(error: ActorError) -> Self {
        Self::Public(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::internal(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::internal(error)
    }
}

impl From<agentos_value::ValueError> for Failure {
    fn from(error: agentos_value::ValueError) -> Self {
        Self::internal(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public(error) => error.fmt(f),
            Self::Internal(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

// The documented errors of the runtime, one constructor each, so that no text is written twice.

pub(crate) fn not_found() -> ActorError {
    ActorError::actor("not_found", "The actor does not exist or was destroyed.")
}

pub(crate) fn not_registered(name: &str) -> ActorError {
    ActorError::actor(
        "not_registered",
        format!("No actor is registered under the name '{name}'."),
    )
}

pub(crate) fn duplicate_key(key: &Key, existing: &str) -> ActorError {
    let key = key.serialized();
    let metadata = Value::object([("existing_actor_id", existing), ("key", key.as_str())]);
    ActorError::actor(
        "duplicate_key",
        format!("Actor key '{key}' already in use for actor '{existing}'"),
    )
    .with_metadata(metadata)
}

pub(crate) fn route_not_found() -> ActorError {
    ActorError::actor("route_not_found", "The actor has nothing at this path.")
}

pub(crate) fn action_not_found(name: &str) -> ActorError {
    ActorError::actor("action_not_found", format!("Action `{name}` was not found."))
}

pub(crate) fn action_timed_out(name: &str, timeout_ms: u128) -> ActorError {
    ActorError::actor(
        "action_timed_out",
        format!("Action `{name}` took longer than {timeout_ms} ms."),
    )
}

/// The action may have had effects, so this is no code that clients retry.
pub(crate) fn action_aborted(name: &str) -> ActorError {
    ActorError::actor(
        "action_aborted",
        format!("Action `{name}` was interrupted because its actor stopped."),
    )
}

pub(crate) fn invalid_params(message: impl Into<String>) -> ActorError {
    ActorError::actor("invalid_params", message)
}

pub(crate) fn auth_timeout(step: &str, timeout_ms: u128) -> ActorError {
    ActorError::auth("auth_timeout", format!("{step} took longer than {timeout_ms} ms."))
}

/// Retried by clients: the work was not started.
pub(crate) fn service_unavailable(message: &str) -> ActorError {
    ActorError::guard("service_unavailable", message)
}

pub(crate) fn connection_closed() -> ActorError {
    ActorError::actor("connection_closed", "The connection is closed.")
}

/// A limit was hit, in the form that every limit of the product has.
pub(crate) fn limit_exceeded(
    limit: &str,
    observed: u64,
    capacity: u64,
    unit: &str,
    operation: &str,
    configuration_path: &str,
) -> ActorError {
    let noun = if unit == "count" { "" } else { unit };
    let space = if noun.is_empty() { "" } else { " " };
    let message = format!("limit exceeded: {limit}: {observed} of {capacity}{space}{noun} ({configuration_path})");
    ActorError::agentos("limit_exceeded", message).with_metadata(Value::object([
        ("limit", Value::from(limit)),
        ("observed", number(observed)),
        ("capacity", number(capacity)),
        ("unit", Value::from(unit)),
        ("operation", Value::from(operation)),
        ("configurationPath", Value::from(configuration_path)),
    ]))
}

fn number(count: u64) -> Value {
    i64::try_from(count).map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_documented_groups_pass() {
        let user = ActorError::user("forbidden", "Forbidden").with_metadata(Value::object([("a", 1)]));
        assert_eq!(Failure::from(user.clone()).publish("test"), user);
        for failure in [
            Failure::internal("secret"),
            Failure::from(std::io::Error::other("secret")),
            Failure::from(ActorError::new("homemade", "code", "secret")),
            Failure::from(ActorError::new("internal", "internal_error", "secret")),
        ] {
            let error = failure.publish("test");
            assert!(is_mask(&error), "{error:?}");
            assert!(!format!("{error:?}").contains("secret"));
        }
    }

    #[test]
    fn a_mask_is_not_masked_again() {
        let masked = Failure::internal("x").publish("test");
        assert_eq!(Failure::from(masked.clone()).publish("test"), masked);
    }
}
