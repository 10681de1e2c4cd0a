//! What a program adds to a server besides its VM: functions, resources and prompts of its own.
//!
//! An embedding program knows more than the VM does: data of its own as resources, functions that answer with pictures or ask
//! the client's user, prompts that people pick. [`Additions`] collects them, [`crate::Server::with`] takes them. They run in
//! the embedding program with its rights, not in the VM; what guests are to call as well is a host tool of the VM instead.
//!
//! ```text
//!   Additions ─┬─ Tool      name, schema ─▶ function(input, ToolCall) ─▶ Answer: Content, fields
//!              ├─ Resource  address or template ─▶ function(Variables) ─▶ Body
//!              └─ Prompt    name, arguments ─▶ function(Variables) ─▶ messages
//! ```

mod call;
mod content;
mod pattern;
mod prompt;
mod resource;
mod resources;
mod tool;

pub use call::{Action, Elicited, LogLevel, Sampled, ToolCall};
pub use content::{Body, Content, Document};
pub use prompt::{Message, Prompt};
pub use resource::Resource;
pub(crate) use resources::{Resources, follow};
pub use tool::{Answer, Tool};

use crate::computer::BoxFuture;
use crate::failure::Failure;
use std::collections::{BTreeMap, HashSet};
use std::future::Future;
use std::sync::Arc;

/// The values of a template's variables, or of a prompt's arguments.
pub type Variables = BTreeMap<String, String>;

/// Says which values begin with what was typed.
#[derive(Clone)]
pub(crate) struct Completion(Arc<dyn Fn(String) -> BoxFuture<'static, Vec<String>> + Send + Sync>);

impl Completion {
    fn new<F, R>(function: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = Vec<String>> + Send + 'static,
    {
        Self(Arc::new(move |typed| Box::pin(function(typed))))
    }

    pub(crate) async fn values(&self, typed: &str) -> Vec<String> {
        (self.0)(typed.to_owned()).await
    }
}

/// What a program adds to a server.
#[derive(Default)]
pub struct Additions {
    pub(crate) tools: Vec<Tool>,
    pub(crate) resources: Vec<Resource>,
    pub(crate) prompts: Vec<Prompt>,
}

impl std::fmt::Debug for Additions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Additions")
            .field("tools", &self.tools)
            .field("resources", &self.resources)
            .field("prompts", &self.prompts)
            .finish()
    }
}

impl Additions {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Adds a resource, or many of them by a template.
    #[must_use]
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    /// Adds a prompt.
    #[must_use]
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        self.prompts.push(prompt);
        self
    }

    /// Checks that clients can tell all of them apart.
    pub(crate) fn check<'a>(&'a self, taken: impl Iterator<Item = &'a str>) -> Result<(), Failure> {
        let mut names: HashSet<&str> = taken.collect();
        for tool in &self.tools {
            if !is_name(&tool.name) {
                let problem = format_args!("{:?} is no name; expected 1 to 128 of A-Z a-z 0-9 _ - .", tool.name);
                return Err(Failure::argument("tools", problem));
            }
            if !tool.schema.get("type").is_none_or(|kind| kind == "object") {
                let problem = format_args!("the input of {} must be an object by its schema", tool.name);
                return Err(Failure::argument("tools", problem));
            }
            unique(&mut names, "tools", &tool.name)?;
        }
        let mut names = HashSet::new();
        for resource in &self.resources {
            if let Some(problem) = resource.problem() {
                return Err(Failure::argument(
                    "resources",
                    format_args!("{:?} {problem}", resource.uri),
                ));
            }
            unique(&mut names, "resources", &resource.uri)?;
        }
        let mut names = HashSet::new();
        for prompt in &self.prompts {
            if prompt.name.is_empty() {
                return Err(Failure::argument("prompts", "a prompt has no name"));
            }
            unique(&mut names, "prompts", &prompt.name)?;
        }
        Ok(())
    }
}

fn unique<'a>(names: &mut HashSet<&'a str>, field: &'static str, name: &'a str) -> Result<(), Failure> {
    match names.insert(name) {
        true => Ok(()),
        false => Err(Failure::argument(field, format_args!("two are called {name:?}"))),
    }
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    (1..=128).contains(&name.len()) && name.bytes().all(fits)
}
