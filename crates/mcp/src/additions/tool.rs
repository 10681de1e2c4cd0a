//! Functions of the embedding program as tools.

use super::call::ToolCall;
use super::content::Content;
use crate::arguments;
use crate::computer::{BoxFuture, Result};
use crate::failure::Failure;
use crate::tools::{Call, Entry};
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, ToolAnnotations};
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;

type Function = dyn Fn(Value, ToolCall) -> BoxFuture<'static, Result<Answer>> + Send + Sync;

/// What a tool answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answer {
    content: Vec<Content>,
    fields: Option<JsonObject>,
}

impl Answer {
    /// An answer of these parts.
    pub fn new<C: Into<Content>>(content: impl IntoIterator<Item = C>) -> Self {
        Self {
            content: content.into_iter().map(Into::into).collect(),
            fields: None,
        }
    }

    /// The same for a program to read.
    #[must_use]
    pub fn fields(mut self, fields: JsonObject) -> Self {
        self.fields = Some(fields);
        self
    }
}

impl From<Content> for Answer {
    fn from(content: Content) -> Self {
        Self::new([content])
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self::new([text])
    }
}

impl From<&str> for Answer {
    fn from(text: &str) -> Self {
        Self::new([text])
    }
}

/// A function of the embedding program.
#[derive(Clone)]
pub struct Tool {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) schema: JsonObject,
    function: Arc<Function>,
}

impl std::fmt::Debug for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Tool").field(&self.name).finish()
    }
}

impl Tool {
    /// A tool whose input is an object that `schema`, a JSON Schema, describes; clients see the schema as it is given. Input
    /// that it does not admit does not reach the function: types, members, required ones, choices and bounds are checked.
    pub fn new<F, R>(name: impl Into<String>, description: impl Into<String>, schema: JsonObject, function: F) -> Self
    where
        F: Fn(Value, ToolCall) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Answer>> + Send + 'static,
    {
        Self {
            name: name.into(),
            description: description.into(),
            schema,
            function: Arc::new(move |input, call| Box::pin(function(input, call))),
        }
    }

    /// The tool as clients see it, with the function behind.
    pub(crate) fn entry(self) -> Entry {
        let mut schema = self.schema.clone();
        schema.entry("type").or_insert_with(|| json!("object"));
        let tool = rmcp::model::Tool::new(self.name.clone(), self.description.clone(), schema.clone())
            .with_annotations(ToolAnnotations::new().open_world(true));
        let this = Arc::new(self);
        let function = move |call: Call, input: JsonObject| -> BoxFuture<'static, Result<CallToolResult>> {
            let read = arguments::read::<Value>(&schema, input);
            let this = Arc::clone(&this);
            Box::pin(async move {
                let call = ToolCall::new(&call, &this.name);
                let answer = (this.function)(read?, call).await?;
                let blocks = answer.content.into_iter().map(ContentBlock::from).collect();
                let mut result = CallToolResult::success(blocks);
                result.structured_content = answer.fields.map(Value::Object);
                Ok::<_, Failure>(result)
            })
        };
        Entry::new(tool, function).reporting()
    }
}
