//! The conversation as rows, some of which may still change.
//!
//! Items stand in the order in which they began. What can change no more is given out once, from the front; the rest is
//! rendered again with each event. So a long conversation costs no more than its last answer.

use super::markdown;
use super::span::{Color, Row, Span, Style};
use super::tool::{ToolCall, head};
use serde_json::Value;
use std::collections::VecDeque;

/// What is shown of a running prompt.
#[derive(Debug, Default)]
pub(crate) struct View {
    items: VecDeque<Item>,
    /// Whether rows were given out, so that what comes next is set apart.
    begun: bool,
}

#[derive(Debug)]
enum Item {
    Said { text: String, thought: bool },
    Tool { id: String, call: ToolCall },
    Plan(Vec<Row>),
    Note(String),
}

/// Rows of the view.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Shown {
    /// Those that are done with.
    pub(crate) done: Vec<Row>,
    /// Those that may change.
    pub(crate) open: Vec<Row>,
}

/// Tool calls and other things that are open at once; the oldest is taken for done beyond that.
const MOST_ITEMS: usize = 256;

impl View {
    /// Takes an update of the session in.
    pub(crate) fn update(&mut self, update: &Value) {
        let text = || {
            let content = update.get("content");
            content
                .and_then(|content| content.get("text"))
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        match update.get("sessionUpdate").and_then(Value::as_str).unwrap_or_default() {
            "agent_message_chunk" => self.say(text(), false),
            "agent_thought_chunk" => self.say(text(), true),
            "tool_call" | "tool_call_update" => self.tool(update),
            "plan" => self.plan(update),
            "current_mode_update" => {
                let mode = update.get("currentModeId").and_then(Value::as_str).unwrap_or_default();
                self.note(&format!("mode: {}", head(mode, 100)));
            }
            _ => {}
        }
        if self.items.len() > MOST_ITEMS
            && let Some(Item::Tool { call, .. }) = self.items.front_mut()
        {
            call.update(&serde_json::json!({"status": "failed"}));
        }
    }

    /// Says something of our own.
    pub(crate) fn note(&mut self, text: &str) {
        self.items.push_back(Item::Note(text.to_owned()));
    }

    fn say(&mut self, said: &str, thought: bool) {
        match self.items.back_mut() {
            Some(Item::Said {
                text,
                thought: thinking,
            }) if *thinking == thought => text.push_str(said),
            _ => self.items.push_back(Item::Said {
                text: said.to_owned(),
                thought,
            }),
        }
    }

    fn tool(&mut self, update: &Value) {
        let id = update.get("toolCallId").and_then(Value::as_str).unwrap_or_default();
        let known = self.items.iter_mut().find_map(|item| match item {
            Item::Tool { id: known, call } if known == id => Some(call),
            _ => None,
        });
        match known {
            Some(call) => call.update(update),
            None => {
                let mut call = ToolCall::default();
                call.update(update);
                self.items.push_back(Item::Tool {
                    id: id.to_owned(),
                    call,
                });
            }
        }
    }

    fn plan(&mut self, update: &Value) {
        let entries = update.get("entries").and_then(Value::as_array);
        let rows = entries.into_iter().flatten().take(64).map(|entry| {
            let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            let (mark, style) = match text("status") {
                "completed" => ("☑ ", Style::DIM),
                "in_progress" => ("▸ ", Style::BOLD),
                _ => ("☐ ", Style::PLAIN),
            };
            Row(vec![
                Span::new(Style::color(Color::Yellow), mark),
                Span::new(style, head(text("content"), 400)),
            ])
        });
        let rows = rows.collect();
        match self.items.back_mut() {
            Some(Item::Plan(plan)) => *plan = rows,
            _ => self.items.push_back(Item::Plan(rows)),
        }
    }

    /// Renders what there is. `ended` says that nothing more belongs to it.
    pub(crate) fn show(&mut self, columns: usize, ended: bool) -> Shown {
        let mut shown = Shown::default();
        loop {
            let last = self.items.len() == 1 && !ended;
            let Some(item) = self.items.front_mut() else { break };
            if ended || item.is_final(last) {
                let rows = item.rows(columns);
                self.items.pop_front();
                self.give(&mut shown.done, rows);
                continue;
            }
            if let Item::Said { text, thought: false } = item {
                let settled = markdown::settled(text);
                if settled > 0 {
                    let rest = text.split_off(settled);
                    let head = std::mem::replace(text, rest);
                    self.give(&mut shown.done, markdown::render(&head, columns));
                }
            }
            break;
        }
        let mut begun = self.begun;
        for item in &self.items {
            let rows = item.rows(columns);
            if begun && !rows.is_empty() {
                shown.open.push(Row::default());
            }
            begun |= !rows.is_empty();
            shown.open.extend(rows);
        }
        if ended {
            self.begun = false;
        }
        shown
    }

    fn give(&mut self, done: &mut Vec<Row>, rows: Vec<Row>) {
        if rows.is_empty() {
            return;
        }
        if self.begun {
            done.push(Row::default());
        }
        self.begun = true;
        done.extend(rows);
    }
}

impl Item {
    /// Whether it can change no more; `last` if it is the last one of a prompt that runs.
    fn is_final(&self, last: bool) -> bool {
        match self {
            Self::Tool { call, .. } => call.is_done(),
            Self::Note(_) => true,
            Self::Said { .. } | Self::Plan(_) => !last,
        }
    }

    fn rows(&self, columns: usize) -> Vec<Row> {
        match self {
            Self::Said { text, thought: false } => markdown::render(text, columns),
            Self::Said { text, thought: true } => {
                let style = Style {
                    italic: true,
                    ..Style::DIM
                };
                let lines = text.trim().lines();
                lines
                    .flat_map(|line| Row::of(style, line).wrap(columns, &Row::default()))
                    .collect()
            }
            Self::Tool { call, .. } => call.rows(columns),
            Self::Plan(rows) => {
                let indent = Row(vec![Span::plain("  ")]);
                rows.iter().flat_map(|row| row.clone().wrap(columns, &indent)).collect()
            }
            Self::Note(text) => Row::of(Style::DIM, text).wrap(columns, &Row::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn say(view: &mut View, text: &str) {
        view.update(&json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}));
    }

    fn texts(rows: &[Row]) -> Vec<String> {
        rows.iter().map(Row::text).collect()
    }

    #[test]
    fn what_is_done_is_given_once_and_in_order() {
        let mut view = View::default();
        say(&mut view, "Hello **wo");
        let shown = view.show(40, false);
        assert_eq!(
            (texts(&shown.done), texts(&shown.open)),
            (vec![], vec!["Hello **wo".to_owned()])
        );
        say(&mut view, "rld**.\n\nNext");
        let shown = view.show(40, false);
        assert_eq!(
            (texts(&shown.done), texts(&shown.open)),
            (vec!["Hello world.".to_owned()], vec![String::new(), "Next".to_owned()])
        );
        // A tool that runs keeps its place, and so does what comes after it.
        view.update(&json!({"sessionUpdate": "tool_call", "toolCallId": "t", "title": "ls", "kind": "execute"}));
        say(&mut view, "After");
        let shown = view.show(40, false);
        assert_eq!(texts(&shown.done), ["", "Next"]);
        assert_eq!(texts(&shown.open), ["", "· execute ls", "", "After"]);
        view.update(&json!({"sessionUpdate": "tool_call_update", "toolCallId": "t", "status": "completed"}));
        let shown = view.show(40, true);
        assert_eq!(texts(&shown.done), ["", "✓ execute ls", "", "After"]);
        assert!(shown.open.is_empty());
    }

    #[test]
    fn tools_that_never_end_do_not_pile_up() {
        let mut view = View::default();
        for n in 0..1000 {
            view.update(&json!({"sessionUpdate": "tool_call", "toolCallId": n.to_string(), "title": "x"}));
            view.show(40, false);
        }
        assert!(view.items.len() <= MOST_ITEMS);
        for hostile in [
            json!(null),
            json!({"sessionUpdate": 3}),
            json!({"sessionUpdate": "plan", "entries": [1, {"content": []}]}),
        ] {
            view.update(&hostile);
        }
        view.show(4, true);
    }

    #[test]
    fn a_plan_takes_the_place_of_the_one_before() {
        let mut view = View::default();
        let plan = |status: &str| json!({"sessionUpdate": "plan", "entries": [{"content": "look", "status": status}]});
        view.update(&plan("pending"));
        assert_eq!(texts(&view.show(40, false).open), ["☐ look"]);
        view.update(&plan("completed"));
        assert_eq!(texts(&view.show(40, true).done), ["☑ look"]);
    }
}
