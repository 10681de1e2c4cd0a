//! The history of a session as a text, for an agent that cannot load it (lifecycle.md section 6).
//!
//! What was said, and which tools were used; thoughts and output are left out. The newest part is kept where not all fits.

use crate::error::Result;
use crate::session::Session;
use crate::storage::Storage;
use serde_json::Value;

/// Events that are read at once.
const PAGE: usize = 512;

/// The transcript as Markdown; none if nothing was said yet.
pub(crate) fn render(storage: &dyn Storage, session_id: &str, most: usize) -> Result<Option<String>> {
    let mut writer = Writer::default();
    let mut from = 0;
    loop {
        let page = storage.events(session_id, from..u64::MAX, PAGE)?;
        let Some(last) = page.last() else { break };
        from = last.seq + 1;
        for event in &page {
            // What we stored ourselves is JSON.
            let event: Value = serde_json::from_str(&event.event).unwrap_or_default();
            writer.event(&event);
        }
        writer.bound(most);
    }
    writer.bound(most);
    Ok(writer.finish())
}

/// What the next prompt is preceded by.
pub(crate) fn preamble(session: &Session) -> String {
    format!(
        "This conversation continues an earlier one of the same session, of which you have no memory. Its transcript is in the \
         file {}. Read it where you need to know what was said and done.",
        crate::instructions::transcript_path(session)
    )
}

#[derive(Default)]
struct Writer {
    text: String,
    speaker: &'static str,
    cut: bool,
}

impl Writer {
    fn event(&mut self, event: &Value) {
        let Some(update) = event.get("params").and_then(|params| params.get("update")) else {
            return;
        };
        match update.get("sessionUpdate").and_then(Value::as_str).unwrap_or_default() {
            "user_message_chunk" => self.say("User", update),
            "agent_message_chunk" => self.say("Agent", update),
            "tool_call" => {
                self.turn("Tools");
                let title = update.get("title").and_then(Value::as_str).unwrap_or("a tool");
                self.text.push_str(&format!("- {}\n", crate::text::shown(title, 400)));
            }
            _ => {}
        }
    }

    fn say(&mut self, speaker: &'static str, update: &Value) {
        self.turn(speaker);
        let content = update.get("content");
        match content.and_then(|content| content.get("text")).and_then(Value::as_str) {
            Some(text) => self.text.push_str(text),
            None => {
                let kind = content
                    .and_then(|content| content.get("type"))
                    .and_then(Value::as_str)
                    .unwrap_or("content");
                self.text.push_str(&format!("[{}]", crate::text::shown(kind, 40)));
            }
        }
    }

    fn turn(&mut self, speaker: &'static str) {
        if self.speaker != speaker {
            self.speaker = speaker;
            let gap = if self.text.is_empty() { "" } else { "\n\n" };
            self.text.push_str(&format!("{gap}## {speaker}\n\n"));
        }
    }

    fn bound(&mut self, most: usize) {
        if self.text.len() > most {
            let kept = crate::text::tail(&self.text, most).to_owned();
            self.text = kept;
            self.cut = true;
        }
    }

    fn finish(self) -> Option<String> {
        if self.text.is_empty() {
            return None;
        }
        let mark = if self.cut {
            "[the beginning was left out]\n\n"
        } else {
            ""
        };
        Some(format!("# Transcript\n\n{mark}{}\n", self.text))
    }
}
