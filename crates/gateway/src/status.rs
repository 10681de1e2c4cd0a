//! Which HTTP status an error has. Clients of the protocol ignore it; people, proxies and monitoring do not.

use agentos_value::ActorError;
use http::StatusCode;

/// The status of an error: the protocol's, but for the codes that only the gateway itself has.
pub(crate) fn of(error: &ActorError) -> StatusCode {
    let own = match (error.group.as_ref(), error.code.as_ref()) {
        ("guard", "forbidden_host" | "forbidden_origin") => Some(StatusCode::FORBIDDEN),
        ("guard", "target_too_long") => Some(StatusCode::URI_TOO_LONG),
        ("guard", "headers_too_large") => Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        ("guard", "body_timed_out") => Some(StatusCode::REQUEST_TIMEOUT),
        ("guard", "upgrade_required") => Some(StatusCode::UPGRADE_REQUIRED),
        ("guard", "too_many_requests") => Some(StatusCode::TOO_MANY_REQUESTS),
        _ => None,
    };
    own.or_else(|| StatusCode::from_u16(agentos_wire::http_status(error)).ok())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
