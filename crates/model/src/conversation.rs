//! What a script can know of a request, whichever API it came by.

use serde_json::Value;

/// A conversation as the agent tells it.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Conversation {
    /// The model that was asked for.
    pub(crate) model: String,
    /// Whether the answer is to come as events.
    pub(crate) stream: bool,
    /// What the person said last.
    pub(crate) prompt: String,
    /// Answers of the model since then.
    pub(crate) answers: usize,
    /// The last result of a tool since then.
    pub(crate) result: Option<ToolResult>,
    /// Tools that the agent declares.
    pub(crate) tools: Vec<Declared>,
    /// Bytes of text in it, for the counts of tokens.
    pub(crate) bytes: usize,
}

/// What a tool gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct ToolResult {
    pub(crate) text: String,
    pub(crate) failed: bool,
}

/// A tool of the agent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Declared {
    pub(crate) name: String,
    /// JSON Schema of its input.
    pub(crate) schema: Value,
    /// Whether its input is any text, which stands under `input`, and no JSON.
    pub(crate) freeform: bool,
}

impl Conversation {
    /// A person speaks: what the model said before belongs to an earlier prompt.
    pub(crate) fn prompted(&mut self, text: String) {
        self.bytes += text.len();
        self.prompt = text;
        self.answers = 0;
        self.result = None;
    }

    /// The model spoke.
    pub(crate) fn answered(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.answers += 1;
    }

    /// A tool gave something.
    pub(crate) fn returned(&mut self, text: String, failed: bool) {
        self.bytes += text.len();
        self.result = Some(ToolResult { text, failed });
    }

    /// About how many tokens it is: the rule of thumb of four bytes each. No tokenizer is at work.
    pub(crate) fn tokens(&self) -> usize {
        self.bytes.div_ceil(4).max(1)
    }
}
