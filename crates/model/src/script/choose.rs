//! Which turn answers a conversation, and what it then says.

use super::model::{Ending, Model, Part, ToolName, Turn, When};
use super::{Chosen, text, tools};
use crate::answer::{Answer, Block, End, Refusal};
use crate::conversation::Conversation;
use std::time::Duration;

pub(super) fn choose(model: &Model, conversation: &Conversation, used: &dyn Fn(usize) -> bool) -> Option<Chosen> {
    let mut place = 0;
    for (at, turn) in model.turns.iter().enumerate() {
        let holds = match &turn.when {
            Some(when) => when.holds(conversation),
            None => {
                place += 1;
                conversation.answers + 1 == place
            }
        };
        if holds && !(turn.once && used(at)) {
            return Some(Chosen {
                turn: at,
                said: say(model, turn, conversation),
            });
        }
    }
    None
}

impl When {
    fn holds(&self, conversation: &Conversation) -> bool {
        let result = conversation.result.as_ref();
        self.answers.is_none_or(|answers| answers == conversation.answers)
            && (self.prompt.as_ref()).is_none_or(|part| conversation.prompt.contains(part))
            && (self.last_result.as_ref()).is_none_or(|part| result.is_some_and(|result| result.text.contains(part)))
            && self
                .failed
                .is_none_or(|failed| result.is_some_and(|result| result.failed == failed))
            && self.tools.is_none_or(|tools| tools != conversation.tools.is_empty())
            && self.model.as_ref().is_none_or(|model| *model == conversation.model)
    }
}

fn say(model: &Model, turn: &Turn, conversation: &Conversation) -> Result<Answer, Refusal> {
    if let Some(error) = &turn.error {
        return Err(Refusal::new(error.status, &error.kind, &error.message));
    }
    let blocks: Result<Vec<Block>, Refusal> = turn.say.iter().map(|part| block(model, part, conversation)).collect();
    Ok(Answer {
        blocks: blocks?,
        pause: Duration::from_millis(turn.pause_ms),
        end: match turn.end {
            Ending::Whole => End::Whole,
            Ending::Hang => End::Hang,
            Ending::Cut => End::Cut,
        },
    })
}

fn block(model: &Model, part: &Part, conversation: &Conversation) -> Result<Block, Refusal> {
    let Some(tool) = &part.tool else {
        let said = part.text.as_deref().unwrap_or_default();
        return Ok(Block::Text(text::fill(said, model, conversation)));
    };
    let input = part.input.as_ref();
    let input = input
        .map(|input| text::fill_input(input, model, conversation))
        .unwrap_or_default();
    let found = match tool {
        ToolName::Role(role) => tools::adapt(role, &input, &conversation.tools),
        ToolName::Names(names) => {
            let declared = |name: &String| conversation.tools.iter().find(|tool| tool.name == *name);
            names.iter().find_map(declared).map(|tool| (tool.name.clone(), input))
        }
    };
    match found {
        Some((name, input)) => Ok(Block::Tool { name, input }),
        None => Err(missing(tool, conversation)),
    }
}

/// The agent has no such tool; its author learns which it has.
fn missing(tool: &ToolName, conversation: &Conversation) -> Refusal {
    let wanted = match tool {
        ToolName::Role(role) => format!("for {role:?}"),
        ToolName::Names(names) => format!("called {}", names.join(" or ")),
    };
    let names: Vec<&str> = conversation
        .tools
        .iter()
        .map(|tool| text::head(&tool.name, 64))
        .take(32)
        .collect();
    Refusal::invalid(format!(
        "the script needs a tool {wanted}, and the request declares {}",
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    ))
}
