//! The tools that the VM's host gives to programs in the VM, as tools of the server.
//!
//! They are found and called as programs do it, by the commands in the VM (`docs/tools.md`): so the policy is asked, the
//! limits hold, a call that takes too long is stopped by the VM, and a cancelled one is killed.

use super::{Call, Entry};
use crate::computer::{BoxFuture, Command, Computer};
use crate::failure::Failure;
use crate::progress::Progress;
use agentos::Stream;
use bytes::Bytes;
use parking_lot::Mutex;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, Tool, ToolAnnotations};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Time in which the VM has to list its tools.
const LISTING: Duration = Duration::from_secs(30);

/// A tool of the host.
#[derive(Debug, Clone)]
pub(crate) struct HostTool {
    kit: String,
    name: String,
    description: String,
    schema: JsonObject,
}

/// The line that `agentos list-tools --json` prints.
#[derive(Deserialize)]
struct Listing {
    result: Kits,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kits {
    tool_kits: Vec<Kit>,
}

#[derive(Deserialize)]
struct Kit {
    name: String,
    tools: Vec<Listed>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    input_schema: JsonObject,
}

impl HostTool {
    /// The tools that a VM's host gives; none if it gives none.
    pub(crate) async fn discover(vm: &dyn Computer) -> Vec<Self> {
        let listed = run(
            vm,
            ["/usr/bin/agentos", "list-tools", "--json"].map(str::to_owned).to_vec(),
            None,
            Some(LISTING),
            Progress::default(),
        );
        let Ok((0, output)) = listed.await else {
            return Vec::new();
        };
        let Ok(listing) = serde_json::from_slice::<Listing>(&output) else {
            tracing::warn!("the VM's list of host tools cannot be read");
            return Vec::new();
        };
        let of_kit = |kit: Kit| {
            let tool = move |tool: Listed| Self {
                kit: kit.name.clone(),
                name: tool.name,
                description: tool.description,
                schema: tool.input_schema,
            };
            kit.tools.into_iter().map(tool)
        };
        listing.result.tool_kits.into_iter().flat_map(of_kit).collect()
    }
}

/// Runs a command; its exit code and what it printed.
async fn run(
    vm: &dyn Computer,
    argv: Vec<String>,
    stdin: Option<Bytes>,
    timeout: Option<Duration>,
    progress: Progress,
) -> Result<(i32, Vec<u8>), Failure> {
    let output = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&output);
    let command = Command {
        argv,
        stdin,
        timeout,
        ..Command::default()
    };
    // A line is bounded by `limits.tools.maxToolResultBytes`.
    let tap = move |stream, data: Bytes| match stream {
        Stream::Stdout => kept.lock().extend_from_slice(&data),
        Stream::Stderr => progress.output(&data),
    };
    let ended = vm.exec(command, Box::new(tap)).await?;
    let output = std::mem::take(&mut *output.lock());
    Ok((ended.exit_code, output))
}

/// A tool as clients see it. No other has two underscores in its name, and kits and tools have none.
pub(super) fn entry(host: HostTool) -> Entry {
    let mut schema = host.schema.clone();
    schema.entry("type").or_insert_with(|| json!("object"));
    let title = format!("{}: {}", host.kit, host.name);
    let tool = Tool::new(format!("{}__{}", host.kit, host.name), host.description.clone(), schema)
        .with_annotations(ToolAnnotations::with_title(title.clone()).open_world(true))
        .with_title(title);
    let function = move |call: Call, arguments: JsonObject| -> BoxFuture<'static, _> {
        Box::pin(invoke(call, host.clone(), arguments))
    };
    Entry::new(tool, function)
}

async fn invoke(call: Call, tool: HostTool, arguments: JsonObject) -> Result<CallToolResult, Failure> {
    let argv = vec![format!("/usr/bin/agentos-{}", tool.kit), tool.name];
    let input = Value::Object(arguments).to_string();
    let progress = call.progress.clone();
    let (code, output) = run(&*call.vm, argv, Some(input.into()), None, progress).await?;
    let line: Value = serde_json::from_slice(&output).map_err(|_| {
        Failure::new(
            "EXECUTION_ERROR",
            format!("the tool gave no result and exit code {code}"),
        )
    })?;
    if line.get("ok") != Some(&Value::Bool(true)) {
        let text = |key: &str| line.get(key).and_then(Value::as_str).unwrap_or_default();
        return Err(Failure::new(text("error"), text("message")));
    }
    let value = line.get("result").cloned().unwrap_or_default();
    if let Some(result) = spoken(&value) {
        return Ok(result);
    }
    let text = match &value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = value.is_object().then_some(value);
    Ok(result)
}

/// A result that is one of the protocol, with pictures, sounds or resources in it: an object of `content` and perhaps
/// `structuredContent`, and of nothing else. A tool that answers so is understood; every other object is the tool's own.
fn spoken(value: &Value) -> Option<CallToolResult> {
    let members = value.as_object()?;
    let known = |name: &String| matches!(name.as_str(), "content" | "structuredContent");
    if !members.keys().all(known) {
        return None;
    }
    let content: Vec<ContentBlock> = serde_json::from_value(members.get("content")?.clone()).ok()?;
    let mut result = CallToolResult::success(content);
    result.structured_content = match members.get("structuredContent") {
        None => None,
        Some(fields) => Some(fields.is_object().then(|| fields.clone())?),
    };
    Some(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_the_protocol_are_told_from_others() {
        let image = json!({ "type": "image", "data": "AA==", "mimeType": "image/png" });
        let result = spoken(&json!({ "content": [image], "structuredContent": { "a": 1 } })).unwrap();
        assert!(result.content[0].as_image().is_some());
        assert_eq!(result.structured_content, Some(json!({ "a": 1 })));
        for other in [
            json!({ "content": "text" }),
            json!({ "content": [{ "type": "image" }] }),
            json!({ "content": [], "more": 1 }),
            json!({ "content": [], "structuredContent": 1 }),
            json!({ "structuredContent": {} }),
            json!([]),
        ] {
            assert!(spoken(&other).is_none(), "{other}");
        }
    }
}
