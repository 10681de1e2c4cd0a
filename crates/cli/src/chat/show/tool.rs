//! A tool call: its kind, title and state, and what it changed or printed.

use super::span::{Color, Row, Span, Style};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};
use std::time::{Duration, Instant};

/// What an agent has said of a tool call, added up.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct ToolCall {
    title: String,
    kind: String,
    status: String,
    content: Vec<Value>,
    input: Value,
}

/// Rows of a diff, and of output, that are shown.
const DIFF_ROWS: usize = 40;
const OUTPUT_ROWS: usize = 12;
/// Bytes of a text that are compared or shown; and the time for comparing.
const MOST_BYTES: usize = 256 << 10;
const COMPARE: Duration = Duration::from_millis(200);

impl ToolCall {
    /// Takes an update in: what it does not name stays.
    pub(crate) fn update(&mut self, update: &Value) {
        let text = |name: &str| update.get(name).and_then(Value::as_str).map(str::to_owned);
        let keep = |field: &mut String, given: Option<String>| {
            if let Some(given) = given {
                *field = given;
            }
        };
        keep(&mut self.title, text("title"));
        keep(&mut self.kind, text("kind"));
        keep(&mut self.status, text("status"));
        if let Some(content) = update.get("content").and_then(Value::as_array) {
            self.content.clone_from(content);
        }
        if let Some(input) = update.get("rawInput").filter(|input| !input.is_null()) {
            self.input = input.clone();
        }
    }

    /// Whether nothing more is to come.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.status.as_str(), "completed" | "failed")
    }

    /// One line, for those who have no terminal.
    pub(crate) fn line(&self) -> String {
        let status = if self.status.is_empty() {
            "pending"
        } else {
            &self.status
        };
        format!("[{}] {}: {status}", self.kind_name(), self.title_text())
    }

    pub(crate) fn rows(&self, columns: usize) -> Vec<Row> {
        let (mark, style) = match self.status.as_str() {
            "completed" => ("✓ ", Style::color(Color::Green)),
            "failed" => ("✗ ", Style::color(Color::Red)),
            _ => ("· ", Style::color(Color::Yellow)),
        };
        let head = Row(vec![
            Span::new(style, mark),
            Span::new(Style::BOLD, self.kind_name()),
            Span::plain(" "),
            Span::plain(&self.title_text()),
        ]);
        let mut rows = head.wrap(columns, &indent());
        if let Some(command) = self.command() {
            rows.extend(command_rows(command, columns));
        }
        for part in &self.content {
            rows.extend(content(part, columns));
        }
        rows
    }

    fn kind_name(&self) -> &str {
        if self.kind.is_empty() { "tool" } else { &self.kind }
    }

    fn title_text(&self) -> String {
        head(&self.title, 400).replace(['\n', '\r'], " ")
    }

    /// The command, where the title does not say it.
    fn command(&self) -> Option<&str> {
        let command = self.input.get("command").or_else(|| self.input.get("cmd"))?.as_str()?;
        (!self.title.contains(command)).then_some(command)
    }
}

/// A command as a shell shows it.
pub(crate) fn command_rows(command: &str, columns: usize) -> Vec<Row> {
    let lines = command.lines().enumerate().take(OUTPUT_ROWS);
    let rows = lines.flat_map(|(at, line)| {
        let sign = if at == 0 { "  $ " } else { "    " };
        Row(vec![
            Span::new(Style::DIM, sign),
            Span::new(Style::color(Color::Cyan), line),
        ])
        .wrap(columns, &indent())
    });
    let mut rows: Vec<Row> = rows.collect();
    more(
        &mut rows,
        command.lines().count().saturating_sub(OUTPUT_ROWS),
        "more lines",
    );
    rows
}

fn indent() -> Row {
    Row(vec![Span::plain("    ")])
}

fn content(part: &Value, columns: usize) -> Vec<Row> {
    let text = |name: &str| part.get(name).and_then(Value::as_str);
    match text("type") {
        Some("diff") => diff(
            text("path").unwrap_or_default(),
            text("oldText"),
            text("newText").unwrap_or_default(),
            columns,
        ),
        Some("content") => {
            let text = part
                .get("content")
                .and_then(|content| content.get("text"))
                .and_then(Value::as_str);
            text.map_or_else(Vec::new, |text| output(text, columns))
        }
        _ => Vec::new(),
    }
}

/// The beginning of what a tool printed.
fn output(text: &str, columns: usize) -> Vec<Row> {
    let text = text.trim_end();
    let mut rows = Vec::new();
    for line in head(text, MOST_BYTES).lines().take(OUTPUT_ROWS) {
        let row = Row(vec![Span::plain("    "), Span::new(Style::DIM, line)]);
        // A line is no wider than three rows; the rest of it is in the events.
        rows.extend(row.wrap(columns, &indent()).into_iter().take(3));
    }
    more(
        &mut rows,
        text.lines().count().saturating_sub(OUTPUT_ROWS),
        "more lines",
    );
    rows
}

/// What changes in a file: removed lines red, added ones green, three lines around them.
pub(crate) fn diff(path: &str, old: Option<&str>, new: &str, columns: usize) -> Vec<Row> {
    let what = if old.is_some() { "" } else { " (new)" };
    let mut rows = vec![Row(vec![
        Span::new(Style::DIM, "    "),
        Span::new(Style::BOLD, head(path, 400)),
        Span::new(Style::DIM, what),
    ])];
    let (old, new) = (head(old.unwrap_or_default(), MOST_BYTES), head(new, MOST_BYTES));
    let compared = TextDiff::configure()
        .deadline(Instant::now() + COMPARE)
        .diff_lines(old, new);
    let mut left = 0;
    for (at, group) in compared.grouped_ops(3).iter().enumerate() {
        if at > 0 {
            rows.push(Row(vec![Span::new(Style::DIM, "    ⋯")]));
        }
        for change in group.iter().flat_map(|operation| compared.iter_changes(operation)) {
            if rows.len() > DIFF_ROWS {
                left += 1;
                continue;
            }
            let (sign, style) = match change.tag() {
                ChangeTag::Delete => ("  - ", Style::color(Color::Red)),
                ChangeTag::Insert => ("  + ", Style::color(Color::Green)),
                ChangeTag::Equal => ("    ", Style::DIM),
            };
            let line = change.value().trim_end_matches(['\n', '\r']);
            let row = Row(vec![Span::new(style, sign), Span::new(style, line)]);
            rows.extend(row.wrap(columns, &indent()).into_iter().take(3));
        }
    }
    more(&mut rows, left, "more lines");
    rows
}

fn more(rows: &mut Vec<Row>, left: usize, what: &str) {
    if left > 0 {
        rows.push(Row::of(Style::DIM, &format!("    … {left} {what}")));
    }
}

/// At most `most` bytes of a text, whole characters.
pub(crate) fn head(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(rows: &[Row]) -> Vec<String> {
        rows.iter().map(Row::text).collect()
    }

    #[test]
    fn updates_add_up() {
        let mut call = ToolCall::default();
        call.update(
            &json!({"title": "Write a\nfile", "kind": "edit", "status": "pending", "rawInput": {"path": "/a"}}),
        );
        assert_eq!(call.line(), "[edit] Write a file: pending");
        let diff = json!({"type": "diff", "path": "/a", "oldText": "same\nold\n", "newText": "same\nnew\n"});
        call.update(&json!({"status": "completed", "content": [diff]}));
        assert!(call.is_done());
        assert_eq!(
            texts(&call.rows(40)),
            ["✓ edit Write a file", "    /a", "    same", "  - old", "  + new"]
        );
        let painted: String = call.rows(40).iter().map(|row| row.paint(true)).collect();
        assert!(
            painted.contains("\x1b[0;31m  - old") && painted.contains("\x1b[0;32m  + new"),
            "{painted:?}"
        );
    }

    #[test]
    fn commands_and_output_are_shown_in_part() {
        let mut call = ToolCall::default();
        let printed: String = (0..50).map(|n| format!("{n}\x1b[31m\n")).collect();
        let content = json!([{"type": "content", "content": {"type": "text", "text": printed}}, {"type": "odd"}, 3]);
        call.update(&json!({"title": "bash", "kind": "execute", "status": "failed", "rawInput": {"command": "seq 50"}, "content": content}));
        let rows = texts(&call.rows(40));
        assert_eq!(rows[..3], ["✗ execute bash", "  $ seq 50", "    0␛[31m"]);
        assert_eq!(rows.last().unwrap(), "    … 38 more lines");
        // A title that is the command is enough.
        call.update(&json!({"title": "seq 50"}));
        assert!(!texts(&call.rows(40)).contains(&"  $ seq 50".to_owned()));
    }

    #[test]
    fn long_diffs_are_cut() {
        let new: String = (0..500).map(|n| format!("line {n}\n")).collect();
        let rows = texts(&diff("/a", None, &new, 40));
        assert_eq!((rows[0].as_str(), rows.len()), ("    /a (new)", 42));
        assert_eq!(rows[41], "    … 460 more lines");
    }
}
