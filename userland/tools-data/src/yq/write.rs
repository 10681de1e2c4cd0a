//! YAML out: block style, quotes only where they are needed, long texts as literal blocks.

use crate::json::{self, number_text};
use jaq_json::Val;

/// Appends a value as a document.
pub fn document(out: &mut Vec<u8>, value: &Val, indent: usize) {
    match value {
        Val::Arr(items) if !items.is_empty() => sequence(out, items, 0, indent),
        Val::Obj(map) if !map.is_empty() => mapping(out, map, 0, indent, false),
        _ => {
            scalar(out, value, 0, indent);
            out.push(b'\n');
        }
    }
}

fn spaces(out: &mut Vec<u8>, count: usize) {
    out.resize(out.len() + count, b' ');
}

fn sequence(out: &mut Vec<u8>, items: &[Val], column: usize, indent: usize) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 || out.last() == Some(&b'\n') || out.is_empty() {
            spaces(out, column);
        }
        out.extend_from_slice(b"-");
        match item {
            Val::Obj(map) if !map.is_empty() => {
                out.push(b' ');
                mapping(out, map, column + 2, indent, true);
            }
            Val::Arr(inner) if !inner.is_empty() => {
                out.push(b' ');
                sequence(out, inner, column + 2, indent);
            }
            _ => {
                out.push(b' ');
                scalar(out, item, column + indent, indent);
                out.push(b'\n');
            }
        }
    }
}

/// `inline`: the first key stands behind a dash.
fn mapping(out: &mut Vec<u8>, map: &jaq_json::Map, column: usize, indent: usize, inline: bool) {
    for (index, (key, item)) in map.iter().enumerate() {
        if index > 0 || !inline {
            spaces(out, column);
        }
        match key {
            Val::TStr(text) => out.extend_from_slice(&plain_or_quoted(&String::from_utf8_lossy(text))),
            other => json::write(out, other, &json::Style::default()),
        }
        out.push(b':');
        match item {
            Val::Obj(inner) if !inner.is_empty() => {
                out.push(b'\n');
                mapping(out, inner, column + indent, indent, false);
            }
            Val::Arr(inner) if !inner.is_empty() => {
                out.push(b'\n');
                sequence(out, inner, column + indent, indent);
            }
            _ => {
                out.push(b' ');
                scalar(out, item, column + indent, indent);
                out.push(b'\n');
            }
        }
    }
}

fn scalar(out: &mut Vec<u8>, value: &Val, column: usize, indent: usize) {
    match value {
        Val::Null => out.extend_from_slice(b"null"),
        Val::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
        Val::Num(number) => out.extend_from_slice(number_text(number).as_bytes()),
        Val::TStr(text) => string(out, &String::from_utf8_lossy(text), column, indent),
        Val::BStr(bytes) => string(out, &String::from_utf8_lossy(bytes), column, indent),
        Val::Arr(_) => out.extend_from_slice(b"[]"),
        Val::Obj(_) => out.extend_from_slice(b"{}"),
    }
}

fn string(out: &mut Vec<u8>, text: &str, column: usize, indent: usize) {
    let printable = |c: char| !c.is_control() || c == '\n' || c == '\t';
    let first_blank = text.starts_with([' ', '\n', '\t']);
    if text.contains('\n')
        && text.chars().all(printable)
        && !first_blank
        && text.lines().all(|line| !line.ends_with(' '))
    {
        let body = text.trim_end_matches('\n');
        let newlines = text.len() - body.len();
        out.extend_from_slice(match newlines {
            0 => b"|-",
            1 => b"|",
            _ => b"|+",
        });
        let column = column.max(indent);
        for line in body.split('\n') {
            out.push(b'\n');
            if !line.is_empty() {
                spaces(out, column);
                out.extend_from_slice(line.as_bytes());
            }
        }
        out.resize(out.len() + newlines.saturating_sub(1), b'\n');
        return;
    }
    out.extend_from_slice(&plain_or_quoted(text));
}

/// A text of one line, quoted when it would read as something else.
fn plain_or_quoted(text: &str) -> Vec<u8> {
    if text.chars().any(|c| c.is_control() || c == '\u{feff}') {
        let mut out = Vec::new();
        json::write(
            &mut out,
            &Val::utf8_str(text.as_bytes().to_vec()),
            &json::Style::default(),
        );
        return out;
    }
    if !needs_quotes(text) {
        return text.as_bytes().to_vec();
    }
    // As other writers do: double quotes for what looks like another type, single quotes for signs.
    if !text.contains('"') && !text.contains('\\') {
        return format!("\"{text}\"").into_bytes();
    }
    format!("'{}'", text.replace('\'', "''")).into_bytes()
}

fn needs_quotes(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let word = matches!(
        lower.as_str(),
        "" | "~"
            | "null"
            | "true"
            | "false"
            | "yes"
            | "no"
            | "on"
            | "off"
            | "y"
            | "n"
            | ".inf"
            | "-.inf"
            | "+.inf"
            | ".nan"
            | "<<"
            | "="
            | "---"
    );
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && (text.replace('_', "").parse::<f64>().is_ok() || lower.starts_with("0x") || lower.starts_with("0o"));
    let date = text.len() >= 10
        && text.as_bytes()[4] == b'-'
        && text[..4].bytes().all(|b| b.is_ascii_digit())
        && text.is_char_boundary(10);
    let first = text.chars().next().unwrap_or(' ');
    let indicator = matches!(
        first,
        ',' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`'
    ) || (matches!(first, '-' | '?' | ':')
        && text[first.len_utf8()..].chars().next().is_none_or(|c| c == ' '));
    word || numeric
        || date
        || indicator
        || text.starts_with(' ')
        || text.ends_with(' ')
        || text.contains(": ")
        || text.contains(" #")
        || text.ends_with(':')
}
