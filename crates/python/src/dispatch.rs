//! From a handle, a method and its arguments to a call.

pub(crate) use bytes::Bytes;

use crate::failure::Failure;
use crate::objects::{Handle, Object, find, keep};
use crate::runtime::Call;
use crate::{events, options, process, terminal, vm};
use serde::de::DeserializeOwned;
use serde_json::json;

/// The one method of no object; its bytes are a snapshot to start from.
const CREATE: &str = "create";

/// Begins a call. Nothing happens until it is polled.
///
/// # Errors
/// No such object or method, or arguments of another shape.
pub(crate) fn call(handle: Handle, method: &str, args: &str, data: Bytes) -> Result<Call, Failure> {
    if handle == Handle(0) && method == CREATE {
        let mut builder = options::builder(args)?;
        if !data.is_empty() {
            builder = builder.snapshot(data);
        }
        return Ok(Box::pin(async move {
            let Handle(handle) = keep(Object::Vm(builder.create().await?));
            Ok(json!({ "handle": handle }).into())
        }));
    }
    match find(handle)? {
        Object::Vm(vm) => vm::call(vm, method, args, data),
        Object::Process(process) => process::call(process, method, args, data),
        Object::Terminal(terminal) => terminal::call(terminal, method, args, data),
        Object::Events(feed) => events::call(feed, method),
        Object::Queue(_) | Object::Desk(_) => Err(Failure::invalid("a queue has no methods")),
    }
}

/// Arguments in the shape that a method wants.
pub(crate) fn arguments<T: DeserializeOwned>(json: &str) -> Result<T, Failure> {
    serde_json::from_str(json).map_err(|error| Failure::invalid(error.to_string()))
}
