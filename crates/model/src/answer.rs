//! What the model says to one request, before it is put into the form of an API.

use serde_json::{Map, Value};
use std::time::Duration;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) blocks: Vec<Block>,
    /// Time between two events.
    pub(crate) pause: Duration,
    pub(crate) end: End,
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Block {
    Text(String),
    Tool { name: String, input: Map<String, Value> },
}

/// How a stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum End {
    /// As it should.
    #[default]
    Whole,
    /// Half of it is sent, and nothing more until the agent leaves.
    Hang,
    /// Half of it is sent, then the connection is closed.
    Cut,
}

/// What is said instead of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// The API's word for it.
    pub(crate) kind: String,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, kind: &str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind: kind.to_owned(),
            message: message.into(),
        }
    }

    /// The request is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }
}

impl Answer {
    /// Whether it asks for tools.
    pub(crate) fn uses_tools(&self) -> bool {
        self.blocks.iter().any(|block| matches!(block, Block::Tool { .. }))
    }

    /// About how many tokens it is.
    pub(crate) fn tokens(&self) -> usize {
        let bytes = |block: &Block| match block {
            Block::Text(text) => text.len(),
            Block::Tool { name, input } => name.len() + json(input).len(),
        };
        self.blocks.iter().map(bytes).sum::<usize>().div_ceil(4).max(1)
    }
}

/// The JSON text of a tool's input.
pub(crate) fn json(input: &Map<String, Value>) -> String {
    Value::Object(input.clone()).to_string()
}

/// Cuts text as a model's tokens would: a few words at a time, nothing lost.
pub(crate) fn pieces(text: &str) -> Vec<&str> {
    let (mut found, mut from, mut words) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        let next = at + character.len_utf8();
        words += usize::from(character.is_whitespace());
        if words == WORDS || next - from >= PIECE {
            found.extend(text.get(from..next));
            (from, words) = (next, 0);
        }
    }
    found.extend(text.get(from..).filter(|rest| !rest.is_empty()));
    found
}

/// Words in one event.
const WORDS: usize = 3;
/// Bytes in one event, about.
const PIECE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_text() {
        for text in ["", "a", "one two three four five", &"äöü".repeat(100), "a\n\n\nb  c"] {
            let pieces = pieces(text);
            assert_eq!(pieces.concat(), text);
            assert!(pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE + 3));
        }
        assert_eq!(pieces("one two three four").len(), 2);
    }
}
