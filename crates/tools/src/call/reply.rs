//! The line that a process prints, and its exit code (api.md section 6).

use agentos_kernel::LimitExceeded;
use serde_json::{Map, Value, json};

/// One line of JSON.
pub(super) struct Reply {
    /// The line with its end.
    pub(super) line: Vec<u8>,
    /// What went wrong, if something did.
    pub(super) failure: Option<(Code, String)>,
}

/// What a call can end with besides a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Execution,
    Validation,
    Timeout,
    Denied,
    Unknown,
}

impl Code {
    pub(super) fn exit(self) -> u8 {
        match self {
            Self::Execution => 1,
            Self::Validation => 2,
            Self::Timeout => 124,
            Self::Denied => 126,
            Self::Unknown => 127,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Execution => "EXECUTION_ERROR",
            Self::Validation => "VALIDATION_ERROR",
            Self::Timeout => "TIMEOUT",
            Self::Denied => "PERMISSION_DENIED",
            Self::Unknown => "UNKNOWN_TOOL",
        }
    }
}

impl Reply {
    /// A result.
    pub(super) fn ok(result: &Value) -> Self {
        Self::ok_text(result.to_string().as_bytes())
    }

    /// A result that is JSON already.
    pub(super) fn ok_text(result: &[u8]) -> Self {
        let line = [br#"{"ok":true,"result":"#, result, b"}\n"].concat();
        Self { line, failure: None }
    }

    /// A failure.
    pub(super) fn failed(code: Code, message: impl Into<String>) -> Self {
        Self::failed_with(code, message.into(), Map::new())
    }

    /// A failure with more fields.
    pub(super) fn failed_with(code: Code, message: String, mut more: Map<String, Value>) -> Self {
        more.insert("ok".to_owned(), Value::Bool(false));
        more.insert("error".to_owned(), code.name().into());
        more.insert("message".to_owned(), message.clone().into());
        // In this order, whatever follows.
        let mut line = b"{".to_vec();
        let known = ["ok", "error", "message"].map(|name| (name.to_owned(), more.remove(name).unwrap_or_default()));
        for (at, (name, value)) in known.into_iter().chain(more).enumerate() {
            let comma = if at == 0 { "" } else { "," };
            line.extend_from_slice(format!("{comma}{}:{value}", Value::String(name)).as_bytes());
        }
        line.extend_from_slice(b"}\n");
        Self {
            line,
            failure: Some((code, message)),
        }
    }

    /// A limit that was reached.
    pub(super) fn limit(code: Code, limit: &LimitExceeded) -> Self {
        let metadata = json!({
            "limit": limit.limit, "observed": limit.observed, "capacity": limit.capacity, "unit": limit.unit,
            "operation": limit.operation, "configurationPath": limit.configuration_path,
        });
        let more = Map::from_iter([("metadata".to_owned(), metadata)]);
        Self::failed_with(code, limit.to_string(), more)
    }

    /// Input that is not right.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::failed(Code::Validation, message)
    }

    /// No such tool.
    pub(super) fn unknown(message: impl Into<String>) -> Self {
        Self::failed(Code::Unknown, message)
    }

    /// A call that the policy refuses.
    pub(super) fn denied(resource: &str) -> Self {
        Self::failed(
            Code::Denied,
            format!("EACCES: blocked by tool.invoke policy for {resource}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(reply: &Reply) -> &str {
        std::str::from_utf8(&reply.line).unwrap()
    }

    #[test]
    fn lines_read_as_the_specification_writes_them() {
        assert_eq!(
            line(&Reply::ok(&json!({ "a": 1 }))),
            "{\"ok\":true,\"result\":{\"a\":1}}\n"
        );
        let denied = Reply::denied("weather:forecast");
        let expected = "{\"ok\":false,\"error\":\"PERMISSION_DENIED\",\
                        \"message\":\"EACCES: blocked by tool.invoke policy for weather:forecast\"}\n";
        assert_eq!(line(&denied), expected);
        assert_eq!(denied.failure.unwrap().0.exit(), 126);
    }

    #[test]
    fn a_message_stays_on_its_line() {
        let reply = Reply::failed_with(
            Code::Execution,
            "a\n\"b\"".to_owned(),
            Map::from_iter([("z".to_owned(), json!(1))]),
        );
        assert_eq!(
            line(&reply),
            "{\"ok\":false,\"error\":\"EXECUTION_ERROR\",\"message\":\"a\\n\\\"b\\\"\",\"z\":1}\n"
        );
    }
}
