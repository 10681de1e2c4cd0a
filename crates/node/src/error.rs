//! Errors on their way to JavaScript: a plain object `{group, code, message, metadata}`, of which the TypeScript packages make
//! their classes. No error of ours is thrown in any other form, so that nothing has to be parsed out of a text.

use agentos_value::{ActorError, Object, Value};

/// The plain object.
pub(crate) fn to_value(error: ActorError) -> Value {
    let mut object = Object::with_capacity(4);
    object.insert("group", error.group.into_owned());
    object.insert("code", error.code.into_owned());
    object.insert("message", error.message);
    if let Some(metadata) = error.metadata {
        object.insert("metadata", metadata);
    }
    Value::Object(object)
}

/// What a script threw or rejected with, as the TypeScript side describes it: an error that users may see has a group and a
/// code; everything else only a text, which is for the log.
pub(crate) fn from_value(value: &Value) -> Result<ActorError, String> {
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    match (text("group"), text("code"), text("message")) {
        (Some(group), Some(code), Some(message)) => {
            let error = ActorError::new(group, code, message);
            Ok(match value.get("metadata").filter(|metadata| !metadata.is_nullish()) {
                Some(metadata) => error.with_metadata(metadata.clone()),
                None => error,
            })
        }
        (_, _, message) => Err(message.unwrap_or_else(|| "a value that is no error".to_owned())),
    }
}
