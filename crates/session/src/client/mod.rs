//! What agents may ask of the VM: files, terminals, permission (lifecycle.md section 7.2).
//!
//! Everything happens as a guest would do it, under the VM's policy and limits; a refusal is an error of the protocol, with
//! the errno in its data.

mod files;
mod terminals;

pub(crate) use terminals::Terminals;

use crate::agent::live::Live;
use crate::agent::message::{Answer, INTERNAL, INVALID_PARAMS, NOT_FOUND, RpcError};
use crate::computer::VmError;
use serde_json::{Value, json};
use std::sync::Arc;

/// The methods that are served; every other is answered as not found.
pub(crate) const METHODS: &[&str] = &[
    "fs/read_text_file",
    "fs/write_text_file",
    "fs/read",
    "fs/write",
    "fs/readDir",
    "terminal/create",
    "terminal/output",
    "terminal/wait_for_exit",
    "terminal/kill",
    "terminal/release",
    "terminal/write",
    "terminal/resize",
    "session/request_permission",
    "request/permission",
];

/// Serves one request of a method that is in [`METHODS`].
pub(crate) async fn serve(live: &Arc<Live>, method: &str, params: Value) -> Answer {
    let computer = &*live.core.computer;
    match method {
        "fs/read_text_file" | "fs/read" => files::read(computer, &params, method == "fs/read").await,
        "fs/write_text_file" | "fs/write" => files::write(computer, &params, method == "fs/write").await,
        "fs/readDir" => files::read_dir(computer, &params).await,
        "terminal/create" => live.terminals.create(live, &params).await,
        "terminal/output" => live.terminals.output(&params),
        "terminal/wait_for_exit" => live.terminals.wait(&params).await,
        "terminal/kill" => live.terminals.kill(&params),
        "terminal/release" => live.terminals.release(&params),
        "terminal/write" => live.terminals.write(&params).await,
        "terminal/resize" => live.terminals.resize(&params),
        "session/request_permission" | "request/permission" => match live.session() {
            Some(session) => crate::approvals::request(&session, params).await,
            None => Ok(crate::approvals::cancelled()),
        },
        _ => Err(RpcError::new(INTERNAL, "Internal error")),
    }
}

/// A member that must be a text.
fn text<'a>(params: &'a Value, name: &str) -> Result<&'a str, RpcError> {
    match params.get(name) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(invalid(&format!("{name} must be a string"))),
        None => Err(invalid(&format!("{name} is missing"))),
    }
}

/// A member that is a count, if it is there.
fn count(params: &Value, name: &str) -> Result<Option<u64>, RpcError> {
    match params.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64() {
            Some(count) => Ok(Some(count)),
            None => Err(invalid(&format!("{name} must be a non-negative integer"))),
        },
    }
}

fn invalid(what: &str) -> RpcError {
    RpcError::new(INVALID_PARAMS, format!("Invalid params: {what}"))
}

/// A refusal of the VM as an error of the protocol.
fn refused(error: VmError) -> RpcError {
    let code = if error.code == "ENOENT" { NOT_FOUND } else { INTERNAL };
    RpcError {
        code,
        message: error.message,
        data: Some(json!({"errno": error.code})),
    }
}
