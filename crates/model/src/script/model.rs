//! The format of scripts and what is checked of it.

use super::text;
use crate::error::{Error, Result};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A script.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Model {
    /// Names of the models that the server lists.
    #[serde(default = "scripted")]
    pub(crate) models: Vec<String>,
    /// Values for words in braces.
    #[serde(default)]
    pub(crate) vars: BTreeMap<String, String>,
    pub(crate) turns: Vec<Turn>,
}

fn scripted() -> Vec<String> {
    vec!["scripted".to_owned()]
}

/// One answer and when it is given.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Turn {
    pub(crate) when: Option<When>,
    /// Taken once in the life of the server.
    #[serde(default)]
    pub(crate) once: bool,
    #[serde(default)]
    pub(crate) say: Vec<Part>,
    /// Said instead: an error of the API.
    pub(crate) error: Option<ApiError>,
    #[serde(default)]
    pub(crate) pause_ms: u64,
    #[serde(default)]
    pub(crate) end: Ending,
}

/// Conditions, of which those that are given must all hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct When {
    /// Answers of the model since the prompt.
    pub(crate) answers: Option<usize>,
    /// The prompt contains this.
    pub(crate) prompt: Option<String>,
    /// The last result of a tool contains this.
    pub(crate) last_result: Option<String>,
    /// The last result of a tool is a failure, or is there and none.
    pub(crate) failed: Option<bool>,
    /// The agent declares tools.
    pub(crate) tools: Option<bool>,
    /// The model that is asked for.
    pub(crate) model: Option<String>,
}

/// A part of an answer: text, or a tool with its input.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Part {
    pub(crate) text: Option<String>,
    pub(crate) tool: Option<ToolName>,
    pub(crate) input: Option<Map<String, Value>>,
}

/// A role (`write`), or the tool's own names, of which the first that is declared is taken.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(crate) enum ToolName {
    Role(String),
    Names(Vec<String>),
}

/// An error of the API.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) message: String,
}

/// How the stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Ending {
    #[default]
    Whole,
    Hang,
    Cut,
}

impl Model {
    /// Finds what the types do not.
    pub(crate) fn check(&self) -> Result<()> {
        Error::check("maxScriptTurns", "turns", self.turns.len(), MAX_TURNS)?;
        if self.models.is_empty() || self.models.iter().any(String::is_empty) {
            return Err(Error::script(
                "models",
                "expected at least one name, none of them empty",
            ));
        }
        let wrong = |name: &&String| name.is_empty() || text::KNOWN.contains(&name.as_str());
        if let Some(name) = self.vars.keys().find(wrong) {
            let reason = "the name is empty or one of the conversation's own";
            return Err(Error::script(format!("vars.{name}"), reason));
        }
        for (at, turn) in self.turns.iter().enumerate() {
            self.check_turn(turn, &format!("turns[{at}]"))?;
        }
        Ok(())
    }

    fn check_turn(&self, turn: &Turn, field: &str) -> Result<()> {
        Error::check("maxScriptParts", &format!("{field}.say"), turn.say.len(), MAX_PARTS)?;
        let pause = usize::try_from(turn.pause_ms).unwrap_or(usize::MAX);
        Error::check("maxScriptPauseMs", &format!("{field}.pauseMs"), pause, MAX_PAUSE_MS)?;
        match (&turn.error, turn.say.is_empty()) {
            (Some(_), false) => return Err(Error::script(field, "say and error exclude each other")),
            (None, true) => return Err(Error::script(field, "expected say or error")),
            (Some(error), true) if !(400..600).contains(&error.status) => {
                let field = format!("{field}.error.status");
                return Err(Error::script(
                    field,
                    format!("expected 400 to 599, got {}", error.status),
                ));
            }
            _ => {}
        }
        for (at, part) in turn.say.iter().enumerate() {
            self.check_part(part, &format!("{field}.say[{at}]"))?;
        }
        Ok(())
    }

    fn check_part(&self, part: &Part, field: &str) -> Result<()> {
        match part {
            Part {
                text: Some(said),
                tool: None,
                input: None,
            } => self.check_words(said, &format!("{field}.text")),
            Part {
                text: None,
                tool: Some(tool),
                input,
            } => {
                let empty = match tool {
                    ToolName::Role(role) => !super::tools::is_role(role),
                    ToolName::Names(names) => names.is_empty(),
                };
                if empty {
                    let roles = super::tools::roles().join(", ");
                    let reason = format!("expected one of {roles}, or a list of names");
                    return Err(Error::script(format!("{field}.tool"), reason));
                }
                let values = input.iter().flat_map(Map::values);
                values
                    .into_iter()
                    .try_for_each(|value| self.check_value(value, &format!("{field}.input")))
            }
            _ => Err(Error::script(field, "expected text, or tool with input")),
        }
    }

    fn check_value(&self, value: &Value, field: &str) -> Result<()> {
        match value {
            Value::String(said) => self.check_words(said, field),
            Value::Array(items) => items.iter().try_for_each(|item| self.check_value(item, field)),
            Value::Object(members) => members.values().try_for_each(|member| self.check_value(member, field)),
            _ => Ok(()),
        }
    }

    fn check_words(&self, said: &str, field: &str) -> Result<()> {
        let known = |word: &str| text::KNOWN.contains(&word) || self.vars.contains_key(word);
        match text::words(said).find(|word| !known(word)) {
            Some(word) => Err(Error::script(field, format!("there is no variable {word:?}"))),
            None => Ok(()),
        }
    }
}

const MAX_TURNS: usize = 256;
const MAX_PARTS: usize = 64;
const MAX_PAUSE_MS: usize = 60_000;
