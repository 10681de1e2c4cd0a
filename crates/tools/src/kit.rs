//! Kits and tools as the host writes them.

use crate::context::ToolContext;
use crate::error::ToolError;
use crate::flags::{self, Field};
use crate::schema::Schema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// One call of a tool, under way.
pub type ToolFuture = Pin<Box<dyn Future<Output = Result<Value, ToolError>> + Send>>;

/// The function of a tool.
pub(crate) type Function = dyn Fn(Value, ToolContext) -> ToolFuture + Send + Sync;

/// Tools under one name, which become the command `agentos-{name}`.
///
/// ```
/// use agentos_tools::{Tool, ToolContext, ToolError, ToolKit};
/// use serde_json::{Value, json};
/// let schema = json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
/// let forecast = Tool::new(schema, async |input: Value, _: ToolContext| {
///     Ok::<_, ToolError>(json!({ "city": input["city"], "temperature": 22 }))
/// });
/// let kit = ToolKit::new("weather", "Weather data").tool("forecast", forecast.description("Forecast for a city"));
/// assert_eq!(kit.name(), "weather");
/// ```
#[derive(Debug, Clone)]
pub struct ToolKit {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) tools: Vec<(String, Tool)>,
}

impl ToolKit {
    /// A kit without tools. The name consists of lower-case letters and digits, with single hyphens between; the description has
    /// at most 200 characters.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            tools: Vec::new(),
        }
    }

    /// Adds a tool. Names are as those of kits.
    #[must_use]
    pub fn tool(mut self, name: impl Into<String>, tool: Tool) -> Self {
        self.tools.push((name.into(), tool));
        self
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A function of the host that programs in a VM may call.
#[derive(Clone)]
pub struct Tool {
    pub(crate) schema: Value,
    pub(crate) function: Arc<Function>,
    pub(crate) description: String,
    pub(crate) examples: Vec<Example>,
    pub(crate) timeout: Option<Duration>,
    /// Made when a VM first needs it, and shared by all of them.
    compiled: Arc<OnceLock<Result<Compiled, String>>>,
}

/// A schema in the forms in which it is used.
pub(crate) struct Compiled {
    pub(crate) schema: Schema,
    pub(crate) fields: Vec<Field>,
}

/// An example of a call.
#[derive(Debug, Clone)]
pub(crate) struct Example {
    pub(crate) description: String,
    pub(crate) input: Value,
}

impl Tool {
    /// A tool whose input is an object that `schema`, a JSON Schema of type `object`, admits. The function gets the input as any
    /// type that can be read from JSON, and gives what can be written as JSON.
    ///
    /// It runs on a thread of the host that serves other calls as well: what takes long and does not wait belongs on a thread
    /// of its own. Its future is dropped when the time is over or the caller is killed.
    pub fn new<I, O, F, R>(schema: Value, function: F) -> Self
    where
        I: DeserializeOwned,
        O: Serialize,
        F: Fn(I, ToolContext) -> R + Send + Sync + 'static,
        R: Future<Output = Result<O, ToolError>> + Send + 'static,
    {
        Self::raw(schema, move |input, context| {
            let call = match serde_json::from_value(input) {
                Ok(input) => Ok(function(input, context)),
                Err(error) => Err(ToolError::input("$", format!("input that the tool can read: {error}"))),
            };
            Box::pin(async move { Ok(serde_json::to_value(call?.await?)?) })
        })
    }

    /// A tool whose function is called with JSON, for bindings of other languages.
    pub fn raw(schema: Value, function: impl Fn(Value, ToolContext) -> ToolFuture + Send + Sync + 'static) -> Self {
        Self {
            schema,
            function: Arc::new(function),
            description: String::new(),
            examples: Vec::new(),
            timeout: None,
            compiled: Arc::default(),
        }
    }

    /// The compiled schema, or why there is none.
    pub(crate) fn compiled(&self) -> Result<&Compiled, &str> {
        let compile = || {
            let fields = flags::fields(&self.schema);
            Schema::new(&self.schema).map(|schema| Compiled { schema, fields })
        };
        self.compiled.get_or_init(compile).as_ref().map_err(String::as_str)
    }

    /// What the tool does, in at most 200 characters.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = description.into();
        self
    }

    /// Adds an example to the tool's help.
    #[must_use]
    pub fn example(mut self, description: impl Into<String>, input: Value) -> Self {
        self.examples.push(Example {
            description: description.into(),
            input,
        });
        self
    }

    /// Longest time of one call, at most `limits.tools.maxToolTimeoutMs`; `limits.tools.defaultToolTimeoutMs` unless set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool")
            .field("description", &self.description)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// Positions of names that stand more than once.
pub(crate) fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Vec<usize> {
    let mut seen = HashMap::new();
    let repeats = names.enumerate().filter(|(at, name)| seen.insert(*name, *at).is_some());
    repeats.map(|(at, _)| at).collect()
}
