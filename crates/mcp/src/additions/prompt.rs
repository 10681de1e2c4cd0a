//! Prompts of the embedding program: messages that people pick, made of a few arguments.

use super::content::Content;
use super::{Completion, Variables};
use crate::arguments::nearest;
use crate::computer::{BoxFuture, Result};
use crate::failure::Failure;
use rmcp::model::{self, PromptArgument, PromptMessage, Role};
use std::future::Future;
use std::sync::Arc;

type Render = dyn Fn(Variables) -> BoxFuture<'static, Result<Vec<Message>>> + Send + Sync;

/// A message of a prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    role: Role,
    content: Content,
}

impl Message {
    /// What the user says.
    pub fn user(content: impl Into<Content>) -> Self {
        Self {
            role: Role::User,
            content: content.into(),
        }
    }

    /// What the model says.
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self {
            role: Role::Assistant,
            content: content.into(),
        }
    }
}

impl From<Message> for PromptMessage {
    fn from(message: Message) -> Self {
        Self::new(message.role, message.content.into())
    }
}

/// A prompt.
#[derive(Clone)]
pub struct Prompt {
    pub(crate) name: String,
    pub(crate) description: String,
    arguments: Vec<Argument>,
    render: Arc<Render>,
}

#[derive(Clone)]
struct Argument {
    name: String,
    description: String,
    required: bool,
    completion: Option<Completion>,
}

impl std::fmt::Debug for Prompt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Prompt").field(&self.name).finish()
    }
}

impl Prompt {
    /// A prompt whose messages a function makes of its arguments.
    pub fn new<F, R>(name: impl Into<String>, description: impl Into<String>, render: F) -> Self
    where
        F: Fn(Variables) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Vec<Message>>> + Send + 'static,
    {
        Self {
            name: name.into(),
            description: description.into(),
            arguments: Vec::new(),
            render: Arc::new(move |values| Box::pin(render(values))),
        }
    }

    /// Adds an argument that has to be given.
    #[must_use]
    pub fn argument(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.with(name.into(), description.into(), true)
    }

    /// Adds an argument that may be left out.
    #[must_use]
    pub fn optional(self, name: impl Into<String>, description: impl Into<String>) -> Self {
        self.with(name.into(), description.into(), false)
    }

    /// Completes values of an argument that was added before.
    #[must_use]
    pub fn completion<F, R>(mut self, argument: &str, function: F) -> Self
    where
        F: Fn(String) -> R + Send + Sync + 'static,
        R: Future<Output = Vec<String>> + Send + 'static,
    {
        let known = self.arguments.iter_mut().find(|known| known.name == argument);
        if let Some(known) = known {
            known.completion = Some(Completion::new(function));
        }
        self
    }

    fn with(mut self, name: String, description: String, required: bool) -> Self {
        self.arguments.push(Argument {
            name,
            description,
            required,
            completion: None,
        });
        self
    }

    /// How clients see it.
    pub(crate) fn listed(&self) -> model::Prompt {
        let arguments = self.arguments.iter().map(|argument| {
            PromptArgument::new(&argument.name)
                .with_description(&argument.description)
                .with_required(argument.required)
        });
        let arguments: Vec<PromptArgument> = arguments.collect();
        model::Prompt::new(
            &self.name,
            Some(&self.description),
            (!arguments.is_empty()).then_some(arguments),
        )
    }

    /// Its messages.
    pub(crate) async fn messages(&self, values: Variables) -> Result<Vec<PromptMessage>> {
        for name in values.keys() {
            if !self.names().any(|known| known == name) {
                let near = nearest(name, self.names());
                let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                let problem = format_args!("is no argument of {}{hint}", self.name);
                return Err(Failure::argument(format!("arguments.{name}"), problem));
            }
        }
        let missing = self
            .arguments
            .iter()
            .find(|argument| argument.required && !values.contains_key(&argument.name));
        if let Some(missing) = missing {
            let problem = format_args!("is missing; it is {}", missing.description);
            return Err(Failure::argument(format!("arguments.{}", missing.name), problem));
        }
        let messages = (self.render)(values).await?;
        Ok(messages.into_iter().map(PromptMessage::from).collect())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.arguments.iter().map(|argument| argument.name.as_str())
    }

    /// Whether it has an argument of this name, and how that is completed, if it is.
    pub(crate) fn completes(&self, argument: &str) -> Option<Option<&Completion>> {
        let known = self.arguments.iter().find(|known| known.name == argument)?;
        Some(known.completion.as_ref())
    }
}
