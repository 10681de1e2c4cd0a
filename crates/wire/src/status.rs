//! The HTTP status of an error. Clients look at group and code alone; people and proxies look at this.

use agentos_value::ActorError;

/// The status that an error is answered with.
pub fn http_status(error: &ActorError) -> u16 {
    match error.group.as_ref() {
        "user" | "queue" => 400,
        "auth" => match error.code.as_ref() {
            "forbidden" => 403,
            "auth_timeout" => 408,
            "too_many_requests" => 429,
            _ => 401,
        },
        "actor" => actor_status(&error.code),
        "guard" => guard_status(&error.code),
        "agentos" => match error.code.as_ref() {
            "shutting_down" => 503,
            "vm_boot_failed" | "storage_corrupt" | "termination_failed" => 500,
            _ => 400,
        },
        _ => 500,
    }
}

fn actor_status(code: &str) -> u16 {
    match code {
        "not_found" | "route_not_found" | "action_not_found" => 404,
        "method_not_allowed" => 405,
        "action_timed_out" => 408,
        "message_too_large" => 413,
        "restarting" | "starting" | "stopping" | "destroying" | "not_configured" | "dropped_reply" | "overloaded" => {
            503
        }
        destroyed if destroyed.starts_with("destroyed") => 404,
        _ => 400,
    }
}

fn guard_status(code: &str) -> u16 {
    match code {
        "no_route" => 404,
        "too_many_requests" => 429,
        "tunnel_message_timeout" | "gateway_response_start_timeout" | "actor_ready_timeout" => 504,
        query if query.starts_with("query_") => 400,
        _ => 503,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        for (error, status) in [
            (ActorError::user("x", ""), 400),
            (ActorError::auth("unauthorized", ""), 401),
            (ActorError::auth("forbidden", ""), 403),
            (ActorError::auth("auth_timeout", ""), 408),
            (ActorError::actor("not_found", ""), 404),
            (ActorError::actor("action_not_found", ""), 404),
            (ActorError::actor("action_timed_out", ""), 408),
            (ActorError::actor("message_too_large", ""), 413),
            (ActorError::actor("stopping", ""), 503),
            (ActorError::actor("duplicate_key", ""), 400),
            (ActorError::actor("not_registered", ""), 400),
            (ActorError::guard("no_route", ""), 404),
            (ActorError::guard("query_missing_pool", ""), 400),
            (ActorError::guard("service_unavailable", ""), 503),
            (ActorError::guard("tunnel_message_timeout", ""), 504),
            (ActorError::queue("unsupported", ""), 400),
            (ActorError::agentos("ENOENT", ""), 400),
            (ActorError::internal("1"), 500),
        ] {
            assert_eq!(http_status(&error), status, "{error}");
        }
    }
}
