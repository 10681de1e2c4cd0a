//! Host tools whose functions are functions of the script (api.md section 6).
//!
//! Input and result travel as JSON text, which is what they are in the VM. A call that is over - its time has passed, its
//! process was killed - is dropped here, which aborts the function's signal there.

use crate::callback::{CallError, Callback};
use crate::mailbox::Mailbox;
use agentos::{Tool, ToolContext, ToolError};
use agentos_value::{ActorError, Value};
use std::sync::Arc;
use std::time::Duration;

/// The VM bounds the time of every call; this only has to be longer.
const DEADLINE: Duration = Duration::from_secs(1 << 31);

/// The tool whose function has this number.
///
/// # Errors
/// It is no number of a function.
pub(super) fn tool(
    mailbox: &Arc<Mailbox>,
    schema: serde_json::Value,
    function: &serde_json::Value,
) -> Result<Tool, String> {
    let number = function.as_u64().and_then(|number| u32::try_from(number).ok());
    let function = Callback::new(mailbox, number.ok_or("must be the number of a function")?);
    Ok(Tool::raw(schema, move |input, context| {
        let (function, args) = (function.clone(), vec![Value::from(input.to_string()), told(&context)]);
        Box::pin(async move {
            match function.call(args, DEADLINE).await {
                Ok(Value::Text(result)) => Ok(serde_json::from_str(&result)?),
                Ok(_) => Err(ToolError::masked("the function gave no JSON")),
                Err(error) => Err(failure(error)),
            }
        })
    }))
}

/// What the function is told besides its input.
fn told(context: &ToolContext) -> Value {
    let mut told = agentos_value::Object::new();
    told.insert("pid", Value::from(context.pid));
    if let Some(key) = &context.caller.key {
        let parts = key.iter().map(|part| Value::from(part.as_str()));
        told.insert("key", Value::Array(parts.collect()));
    }
    if let Some(id) = &context.caller.actor_id {
        told.insert("actorId", Value::from(id.as_str()));
    }
    if let Some(id) = &context.session_id {
        told.insert("sessionId", Value::from(&**id));
    }
    Value::Object(told)
}

/// The guest sees what was thrown for it, and nothing else.
fn failure(error: CallError) -> ToolError {
    match error {
        CallError::Refused(error) if error.group == "user" => user(error),
        CallError::Refused(error) if error.group == "agentos" && error.code == "tool_input" => {
            let text = |name: &str| {
                error
                    .metadata
                    .as_ref()
                    .and_then(|data| data.get(name))
                    .and_then(Value::as_str)
            };
            ToolError::input(text("path").unwrap_or("$"), text("expected").unwrap_or("other input"))
        }
        other => ToolError::masked(other.to_string()),
    }
}

fn user(error: ActorError) -> ToolError {
    let told = ToolError::user(error.message).with_code(error.code);
    match error.metadata.map(Value::deserialize) {
        Some(Ok(metadata)) => told.with_metadata(metadata),
        // Metadata that is no JSON is left out rather than losing the message.
        _ => told,
    }
}
