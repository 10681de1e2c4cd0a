//! The call itself: slot, check, function, deadline.

use super::Input;
use super::input::no_memory;
use super::io::Doomed;
use super::reply::{Code, Reply};
use crate::context::{Announces, End, ToolContext, unless};
use crate::error::{Kind, ToolError};
use crate::executor::{Shared, ToolFailure};
use crate::kits::{CheckedTool, Kit};
use crate::schema::violation;
use agentos_kernel::clock::Instant;
use agentos_kernel::process::Process;
use agentos_kernel::{Errno, LimitExceeded};
use serde_json::{Map, Value};
use std::any::Any;
use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What a node of parsed JSON takes at most, besides its text, in bytes.
const NODE: u64 = 64;

/// Calls a tool with input that was not checked yet.
pub(super) async fn invoke(
    shared: &Shared,
    (kit, tool): (&Kit, &CheckedTool),
    input: Input,
    process: &Process,
) -> Result<Reply, Doomed> {
    let kernel = process.kernel();
    let slot = shared.slots.take(kernel).await;
    let input = match checked(tool, input, process) {
        Ok(input) => input,
        Err(reply) => return Ok(reply),
    };
    let end = Arc::new(End::default());
    let _over = Announces(Arc::clone(&end));
    let names = (Arc::clone(&kit.name), Arc::clone(&tool.name));
    let context = ToolContext::new(names, Arc::clone(&shared.caller), process.pid().0, end);
    let ms = u64::try_from(tool.timeout.as_millis()).unwrap_or(u64::MAX);
    let deadline = kernel.clock().instant().after(ms.saturating_mul(1_000_000));
    let work = fenced(|| (tool.tool.function)(input, context));
    let outcome = unless(|cx| passed(process, deadline, cx), work).await;
    let reply = match outcome {
        Err(()) => Reply::failed(
            Code::Timeout,
            format!("{}:{} did not end within {ms} ms", kit.name, tool.name),
        ),
        Ok(Ok(Ok(result))) => written(&result, process),
        Ok(Ok(Err(error))) => failed(shared, (kit, tool), error, process),
        Ok(Err(panic)) => failed(shared, (kit, tool), ToolError::masked(panic), process),
    };
    drop(slot);
    Ok(reply)
}

/// Parses the input and asks the schema.
fn checked(tool: &CheckedTool, input: Input, process: &Process) -> Result<Value, Reply> {
    let value = match input {
        Input::Flags(fields) => Value::Object(fields),
        Input::Text(text) => {
            let nodes = text
                .iter()
                .filter(|byte| matches!(byte, b',' | b'[' | b'{' | b':'))
                .count() as u64;
            if !process.grow_memory((text.len() as u64).saturating_add(nodes.saturating_mul(NODE))) {
                return Err(no_memory(process));
            }
            serde_json::from_slice(&text).map_err(|error| Reply::invalid(format!("The input is no JSON: {error}")))?
        }
    };
    tool.check(&value).map_err(Reply::invalid)?;
    Ok(value)
}

/// Whether the deadline has passed; if not, the clock wakes the task then.
fn passed(process: &Process, deadline: Instant, cx: &Context<'_>) -> Poll<()> {
    let clock = process.kernel().clock();
    if clock.instant() >= deadline {
        return Poll::Ready(());
    }
    clock.wake_at(deadline, cx.waker());
    Poll::Pending
}

/// Runs the host's function; a panic in it is a text.
async fn fenced<T, F: Future<Output = T>>(start: impl FnOnce() -> F) -> Result<T, String> {
    let caught = |panic: Box<dyn Any + Send>| format!("the tool panicked: {}", panic_text(&*panic));
    let work = catch_unwind(AssertUnwindSafe(start)).map_err(caught)?;
    let mut work = pin!(work);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(caught(panic))),
    })
    .await
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no text")
}

/// The line for a result.
fn written(result: &Value, process: &Process) -> Reply {
    let limits = process.kernel().limits();
    let max = limits.max_tool_result_bytes;
    let mut text = Capped {
        text: Vec::new(),
        max: usize::try_from(max).unwrap_or(usize::MAX),
    };
    if serde_json::to_writer(&mut text, result).is_err() {
        let path = "limits.tools.maxToolResultBytes";
        let limit = LimitExceeded::new(path, "bytes", max.saturating_add(1), max, "tool", Errno::EFBIG);
        process.kernel().audit().limit_exceeded(&limit, Some(process.pid()));
        return Reply::limit(Code::Execution, &limit);
    }
    // The line is kept until the guest has read it.
    match process.grow_memory(text.text.len() as u64) {
        true => Reply::ok_text(&text.text),
        false => no_memory(process),
    }
}

/// Takes so much and no more.
struct Capped {
    text: Vec<u8>,
    max: usize,
}

impl Write for Capped {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if self.text.len().saturating_add(data.len()) > self.max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(data);
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The line for a failure of the host's function.
fn failed(shared: &Shared, (kit, tool): (&Kit, &CheckedTool), error: ToolError, process: &Process) -> Reply {
    match *error.0 {
        Kind::User {
            message,
            code,
            metadata,
        } => {
            let code = code.map(|code| ("code".to_owned(), Value::String(code)));
            let metadata = metadata.map(|metadata| ("metadata".to_owned(), metadata));
            let more: Map<String, Value> = code.into_iter().chain(metadata).collect();
            bounded(Reply::failed_with(Code::Execution, message, more), process)
        }
        Kind::Input { path, expected } => bounded(Reply::invalid(violation(&path, &expected)), process),
        Kind::Masked(error) => {
            let failure = ToolFailure {
                correlation_id: correlation_id(process),
                kit: Arc::clone(&kit.name),
                tool: Arc::clone(&tool.name),
                pid: process.pid().0,
                error,
            };
            report(shared, &failure);
            let id = &failure.correlation_id;
            let message = format!("Internal error. Read the server logs for more details. (correlation id {id})");
            Reply::failed(Code::Execution, message)
        }
    }
}

/// A failure is no way around the bound of results.
fn bounded(reply: Reply, process: &Process) -> Reply {
    let max = process.kernel().limits().max_tool_result_bytes;
    let observed = reply.line.len() as u64;
    if observed <= max {
        return reply;
    }
    let path = "limits.tools.maxToolResultBytes";
    let limit = LimitExceeded::new(path, "bytes", observed, max, "tool", Errno::EFBIG);
    Reply::limit(Code::Execution, &limit)
}

fn report(shared: &Shared, failure: &ToolFailure) {
    let ToolFailure {
        correlation_id,
        kit,
        tool,
        pid,
        error,
    } = failure;
    tracing::error!(target: "agentos::tools", correlation_id, %kit, %tool, pid, error, "a host tool failed");
    if let Some(report) = &shared.on_failure {
        report(failure);
    }
}

fn correlation_id(process: &Process) -> String {
    let mut bytes = [0; 16];
    process.kernel().entropy().fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
