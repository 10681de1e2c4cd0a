//! What `--help` and `list-tools` print. Everything here is the host's text; nothing of a guest's is repeated.

use crate::flags::{Field, Kind};
use crate::kits::{CheckedTool, Kit, Kits};
use serde_json::{Value, json};
use std::fmt::Write;

/// All kits with their tools.
pub(crate) fn index(kits: &Kits) -> String {
    let mut text = String::from("Host tools of this VM. Call one with: agentos-<kit> <tool> [flags]\n");
    for kit in &kits.kits {
        let _ = write!(text, "\n{}", heading(&kit.command(), &kit.description));
        text.push_str(&table(&tools(kit)));
    }
    text.push_str("\nagentos-<kit> <tool> --help shows the flags of a tool.\n");
    text
}

/// How `agentos` is used.
pub(crate) const USAGE: &str = "\
Usage: agentos list-tools [kit] [--json]

Lists the host tools of this VM, or those of one kit. A tool is called with:
  agentos-<kit> <tool> [flags]
";

/// One kit.
pub(crate) fn kit(kit: &Kit) -> String {
    let command = kit.command();
    let mut text = heading(&command, &kit.description);
    let _ = write!(
        text,
        "\nUsage: {command} <tool> [flags]\n       {command} <tool> --help\n\nTools:\n"
    );
    text.push_str(&table(&tools(kit)));
    text
}

/// One tool.
pub(crate) fn tool(kit: &Kit, tool: &CheckedTool) -> String {
    let command = format!("{} {}", kit.command(), tool.name);
    let mut text = heading(&command, &tool.tool.description);
    let _ = write!(text, "\nUsage: {command} [flags]\n");
    let (flags, others): (Vec<&Field>, Vec<&Field>) = tool.fields().iter().partition(|field| field.flag.is_some());
    if !flags.is_empty() {
        let rows: Vec<_> = flags
            .into_iter()
            .map(|field| (usage(field, tool.fields()), note(field)))
            .collect();
        let _ = write!(text, "\nFlags:\n{}", table(&rows));
    }
    if !others.is_empty() {
        let row = |field: &Field| (format!("{} <{}>", field.name, field.values), note(field));
        let rows: Vec<_> = others.into_iter().map(row).collect();
        let _ = write!(text, "\nFields that only JSON input can give:\n{}", table(&rows));
    }
    let json = [
        ("--json <object>", "The whole input as JSON"),
        ("--json-file <path>", "The whole input as JSON, from a file"),
    ];
    let rows = json.map(|(flag, meaning)| (flag.to_owned(), meaning.to_owned()));
    let _ = write!(text, "\nWithout flags (also from standard input):\n{}", table(&rows));
    if !tool.tool.examples.is_empty() {
        text.push_str("\nExamples:\n");
        for example in &tool.tool.examples {
            let line = format!("{command}{}", arguments(tool.fields(), &example.input));
            let _ = write!(text, "  # {}\n  {line}\n", one_line(&example.description));
        }
    }
    text
}

/// The kits, or one of them, for programs.
pub(crate) fn listing(kits: &[&Kit]) -> Value {
    let tool = |tool: &CheckedTool| json!({ "name": *tool.name, "description": tool.tool.description, "inputSchema": tool.tool.schema });
    let kit = |kit: &&Kit| {
        let tools: Vec<Value> = kit.tools.iter().map(tool).collect();
        json!({ "name": *kit.name, "description": kit.description, "tools": tools })
    };
    json!({ "toolKits": kits.iter().map(kit).collect::<Vec<Value>>() })
}

fn heading(command: &str, description: &str) -> String {
    match description.is_empty() {
        true => format!("{command}\n"),
        false => format!("{command}: {}\n", one_line(description)),
    }
}

fn tools(kit: &Kit) -> Vec<(String, String)> {
    let row = |tool: &CheckedTool| (tool.name.to_string(), one_line(&tool.tool.description));
    kit.tools.iter().map(row).collect()
}

fn usage(field: &Field, all: &[Field]) -> String {
    let flag = field.flag.as_deref().unwrap_or_default();
    let negated = format!("no-{flag}");
    match &field.kind {
        // The flag of a field of that name is that field's.
        Kind::Switch if all.iter().any(|other| other.flag.as_ref() == Some(&negated)) => {
            format!("--{flag}, --{flag}=false")
        }
        Kind::Switch => format!("--{flag}, --{negated}"),
        Kind::Many(_) => format!("--{flag} <{}>...", field.values),
        _ => format!("--{flag} <{}>", field.values),
    }
}

fn note(field: &Field) -> String {
    let mut note = one_line(&field.description);
    let mut add = |part: String| {
        if !note.is_empty() {
            note.push(' ');
        }
        note.push_str(&part);
    };
    if matches!(field.kind, Kind::Many(_)) {
        add("(may be repeated)".to_owned());
    }
    if field.required {
        add("(required)".to_owned());
    }
    if let Some(default) = &field.default {
        add(format!("(default: {default})"));
    }
    note
}

/// Rows of two columns.
fn table(rows: &[(String, String)]) -> String {
    let width = rows
        .iter()
        .map(|(left, _)| left.chars().count())
        .filter(|width| *width <= WIDEST)
        .max();
    let width = width.unwrap_or(0);
    let mut text = String::new();
    for (left, right) in rows {
        let line = match left.chars().count() > width {
            true if !right.is_empty() => format!("  {left}\n  {:width$}  {right}", ""),
            _ => format!("  {left:width$}  {right}"),
        };
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Widest left column that decides where the right one begins.
const WIDEST: usize = 36;

/// Flags that give `input`, or the whole as JSON where flags cannot.
fn arguments(fields: &[Field], input: &Value) -> String {
    let as_json = || match input.as_object() {
        Some(object) if object.is_empty() => String::new(),
        _ => format!(" --json {}", quoted(&input.to_string())),
    };
    let Some(object) = input.as_object() else {
        return as_json();
    };
    let mut line = String::new();
    for (name, value) in object {
        let field = fields.iter().find(|field| field.name == *name);
        let Some((field, flag)) = field.and_then(|field| Some((field, field.flag.as_deref()?))) else {
            return as_json();
        };
        let many = matches!(field.kind, Kind::Many(_));
        let values = match value {
            Value::Array(items) if many && !items.is_empty() => items.as_slice(),
            Value::Array(_) | Value::Object(_) | Value::Null => return as_json(),
            one => std::slice::from_ref(one),
        };
        for value in values {
            match (&field.kind, value) {
                (Kind::Switch, Value::Bool(true)) => line.push_str(&format!(" --{flag}")),
                (Kind::Switch, Value::Bool(false)) => line.push_str(&format!(" --no-{flag}")),
                (_, Value::String(text)) => line.push_str(&format!(" --{flag} {}", quoted(text))),
                (_, other) => line.push_str(&format!(" --{flag} {other}")),
            }
        }
    }
    line
}

/// One word of a shell.
fn quoted(text: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_./:=@%+,".contains(char);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
