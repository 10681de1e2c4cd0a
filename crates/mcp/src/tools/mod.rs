//! The tools: a table of what clients see, each with the function that answers.
//!
//! [`Table::new`] lists them. A tool is a type for its arguments, a type for its result and a function between them; schemas,
//! checks and the two forms of a result - text for a model, fields for a program - come from these.

mod edit;
mod exec;
mod find;
mod glob;
mod host;
mod process;
mod read;
mod tree;
mod write;

use crate::arguments::{self, nearest};
use crate::client::Client;
use crate::computer::{BoxFuture, Computer};
use crate::failure::Failure;
use crate::limits::Limits;
use crate::progress::Progress;
use rmcp::handler::server::tool::schema_for_input;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, MetaObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::sync::Arc;

pub(crate) use host::HostTool;
pub(crate) use read::text_of;

/// What a call works with.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) vm: Arc<dyn Computer>,
    pub(crate) limits: Limits,
    pub(crate) progress: Progress,
    pub(crate) client: Client,
    /// Held by what reads a file and writes it again.
    pub(crate) editing: Arc<tokio::sync::Mutex<()>>,
}

/// A result: for a model, and for a program.
pub(crate) struct Reply<T> {
    pub(crate) content: Vec<ContentBlock>,
    pub(crate) value: T,
}

impl<T> Reply<T> {
    pub(crate) fn text(text: impl Into<String>, value: T) -> Self {
        Self {
            content: vec![ContentBlock::text(text)],
            value,
        }
    }
}

type Function = dyn Fn(Call, JsonObject) -> BoxFuture<'static, Result<CallToolResult, Failure>> + Send + Sync;

/// One tool.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) tool: Tool,
    /// Whether it tells its progress itself.
    pub(crate) reports: bool,
    function: Arc<Function>,
}

/// All tools of a server.
#[derive(Clone)]
pub(crate) struct Table(Vec<Entry>);

impl Table {
    /// The tools of this crate, those that the VM's host gives, and those that a program adds.
    pub(crate) fn new(host: Vec<HostTool>, added: impl IntoIterator<Item = Entry>) -> Self {
        let own = [
            exec::entries(),
            process::entries(),
            read::entries(),
            write::entries(),
            edit::entries(),
            tree::entries(),
            find::entries(),
        ];
        let mut entries: Vec<Entry> = own.into_iter().flatten().collect();
        entries.extend(host.into_iter().map(host::entry));
        entries.extend(added);
        Self(entries)
    }

    pub(crate) fn tools(&self) -> Vec<Tool> {
        self.0.iter().map(|entry| entry.tool.clone()).collect()
    }

    /// The names of all.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|entry| &*entry.tool.name)
    }

    /// The tool of this name, or what to say about it.
    pub(crate) fn find(&self, name: &str) -> Result<&Entry, String> {
        let found = self.0.iter().find(|entry| entry.tool.name == name);
        found.ok_or_else(|| {
            let names = || self.0.iter().map(|entry| &*entry.tool.name);
            match nearest(name, names()) {
                Some(near) => format!("Unknown tool: {name}; did you mean {near}?"),
                None => format!(
                    "Unknown tool: {name}; there are {}",
                    names().collect::<Vec<_>>().join(", ")
                ),
            }
        })
    }
}

impl Entry {
    pub(crate) fn new(
        tool: Tool,
        function: impl Fn(Call, JsonObject) -> BoxFuture<'static, Result<CallToolResult, Failure>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            tool,
            reports: false,
            function: Arc::new(function),
        }
    }

    /// It tells its progress itself.
    pub(crate) fn reporting(self) -> Self {
        Self { reports: true, ..self }
    }

    pub(crate) fn call(
        &self,
        call: Call,
        arguments: JsonObject,
    ) -> BoxFuture<'static, Result<CallToolResult, Failure>> {
        (self.function)(call, arguments)
    }
}

/// What a tool does to the VM, for clients that ask people before some calls.
#[derive(Clone, Copy)]
pub(crate) enum Effect {
    /// It looks.
    Reads,
    /// It adds, and destroys nothing.
    Adds,
    /// It may change or destroy what is there.
    Changes,
}

/// Makes a tool of a function.
pub(crate) fn entry<I, O, R>(
    name: &'static str,
    title: &'static str,
    description: &'static str,
    effect: Effect,
    function: fn(Call, I) -> R,
) -> Entry
where
    I: DeserializeOwned + JsonSchema + Send + 'static,
    O: Serialize + JsonSchema + 'static,
    R: Future<Output = Result<Reply<O>, Failure>> + Send + 'static,
{
    // Types of this crate; a schema that is no object shows in the first test that lists tools.
    let input = schema_for_input::<I>().unwrap_or_default();
    let annotations = ToolAnnotations::with_title(title)
        .read_only(matches!(effect, Effect::Reads))
        .destructive(matches!(effect, Effect::Changes))
        .open_world(false);
    let tool = Tool::new(name, description, input.clone())
        .with_title(title)
        .with_output_schema::<O>()
        .with_annotations(annotations);
    let function = move |call: Call, arguments: JsonObject| -> BoxFuture<'static, _> {
        let parsed = arguments::read::<I>(&input, arguments);
        Box::pin(async move {
            let reply = function(call, parsed?).await?;
            result(reply)
        })
    };
    Entry::new(tool, function)
}

fn result<O: Serialize>(reply: Reply<O>) -> Result<CallToolResult, Failure> {
    let value = serde_json::to_value(&reply.value)
        .map_err(|error| Failure::new("internal_error", format!("the result cannot be written: {error}")))?;
    let mut result = CallToolResult::success(reply.content);
    result.structured_content = Some(value);
    Ok(result)
}

/// Where a program finds the fields of a failure. `structuredContent` would have to be what the tool's schema promises.
pub const FAILURE_META: &str = "agentos/failure";

/// The result of a call that failed: a model reads the text, a program the fields.
pub(crate) fn failed(failure: &Failure) -> CallToolResult {
    // Messages of the system begin with the code themselves.
    let text = match failure.message.starts_with(&failure.code) {
        true => failure.message.clone(),
        false => format!("{}: {}", failure.code, failure.message),
    };
    let mut meta = MetaObject::new();
    if let Ok(fields) = serde_json::to_value(failure) {
        meta.insert(FAILURE_META.to_owned(), fields);
    }
    CallToolResult::error(vec![ContentBlock::text(text)]).with_meta(Some(meta))
}

/// A path as a tool takes it: absolute, or below the working directory.
pub(crate) fn absolute(call: &Call, field: &'static str, path: &str) -> Result<String, Failure> {
    if path.is_empty() {
        return Err(Failure::argument(field, "expected a path, got an empty text"));
    }
    let joined = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{}/{path}", call.vm.cwd()),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            // Of a link that leads elsewhere this would be another directory than the VM's; it is the caller's to say.
            ".." => {
                return Err(Failure::argument(
                    field,
                    format_args!("{path:?} contains .., give the path without it"),
                ));
            }
            part => parts.push(part),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}
