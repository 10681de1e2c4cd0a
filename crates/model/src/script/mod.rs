//! Scripts: what the model says, as data.
//!
//! A script is a list of turns. They are tried in their order: a turn with `when` is taken if all that it names holds, one
//! without if it is its place's turn, that is if the model has answered as often since the prompt as there are such turns
//! before it. Words in double braces stand for what is known of the conversation. All of it is checked when a script is read,
//! so that a server never finds out in the middle of a demonstration.

mod choose;
mod model;
mod text;
mod tools;

use crate::answer::{Answer, Refusal};
use crate::conversation::Conversation;
use crate::error::{Error, Result};
use model::Model;
pub(crate) use text::head;

/// What a scripted model says; `docs/scripted-model.md` describes the format.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    model: Model,
}

/// A turn that was chosen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chosen {
    /// Its place in the script.
    pub(crate) turn: usize,
    pub(crate) said: Result<Answer, Refusal>,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// [`Error::Script`] and [`Error::Limit`], which say where.
    pub fn from_json(text: &str) -> Result<Self> {
        Error::check("maxScriptBytes", "script", text.len(), MAX_BYTES)?;
        let model: Model = serde_json::from_str(text).map_err(|error| Error::script("script", error.to_string()))?;
        model.check()?;
        Ok(Self { model })
    }

    /// The bundled script: it writes a program, runs it, and tells what it printed. It works with every agent that declares a
    /// tool that writes files and one that runs commands.
    pub fn write_and_run() -> Self {
        // It is checked by a test; an empty script would answer every request with an error.
        Self::from_json(WRITE_AND_RUN).unwrap_or(Self {
            model: Model::default(),
        })
    }

    /// Gives a variable of the script another value; `folder` of the bundled one is where it writes.
    ///
    /// # Errors
    /// [`Error::Script`] if the script has no such variable.
    pub fn var(mut self, name: &str, value: impl Into<String>) -> Result<Self> {
        match self.model.vars.get_mut(name) {
            Some(var) => *var = value.into(),
            None => return Err(Error::script(format!("vars.{name}"), "the script has no such variable")),
        }
        Ok(self)
    }

    /// Names of the models that it serves.
    pub(crate) fn models(&self) -> &[String] {
        &self.model.models
    }

    /// What is said to a conversation; `used` tells which turns were taken before.
    pub(crate) fn choose(&self, conversation: &Conversation, used: &dyn Fn(usize) -> bool) -> Option<Chosen> {
        choose::choose(&self.model, conversation, used)
    }

    /// Whether a turn is for one use.
    pub(crate) fn is_once(&self, turn: usize) -> bool {
        self.model.turns.get(turn).is_some_and(|turn| turn.once)
    }
}

/// The longest script.
const MAX_BYTES: usize = 1 << 20;

const WRITE_AND_RUN: &str = include_str!("../../scripts/write-and-run.json");

#[cfg(test)]
mod tests;
