//! Compiles the English message catalogue (`messages/*.ftl`) to one sorted table, so that a lookup at run time is a binary
//! search and nothing is parsed when a program starts.
//!
//! Of the Fluent syntax the catalogue uses: messages with indented continuation lines, comments, placeables that name a
//! variable, a text literal or another message, and selectors over numbers. A pattern is stored with control characters
//! in place of braces:
//!
//! ```text
//! \x01 name \x02                                        variable
//! \x03 name \x04 key \x05 text \x04 key \x05 text \x06  selector, its default last
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=messages");
    let mut messages: BTreeMap<String, String> = BTreeMap::new();
    let mut files: Vec<_> = fs::read_dir("messages")?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.sort();
    for file in files {
        for (id, text) in entries(&fs::read_to_string(&file)?) {
            // The few ids that occur twice differ only in optional features that are not built.
            messages.entry(id).or_insert(text);
        }
    }
    let mut code = String::from("static MESSAGES: &[(&str, &str)] = &[\n");
    for (id, text) in &messages {
        writeln!(code, "    ({id:?}, {:?}),", pattern(text, &messages)?)?;
    }
    code.push_str("];\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("messages.rs"), code)?;
    Ok(())
}

/// Messages of a file: identifier and value, continuation lines joined and stripped of their common indentation.
fn entries(text: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for line in text.lines() {
        if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
            if let Some((id, value)) = line.split_once('=') {
                found.push((id.trim().to_owned(), vec![value.trim().to_owned()]));
            }
        } else if line.starts_with('#') {
            continue;
        } else if let Some((_, lines)) = found.last_mut() {
            lines.push(line.trim_end().to_owned());
        }
    }
    found.into_iter().map(|(id, lines)| (id, joined(&lines))).collect()
}

fn joined(lines: &[String]) -> String {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let rest = &lines[1..];
    let common = rest.iter().filter(|line| !line.is_empty() && *line != "}").map(|line| indent(line)).min().unwrap_or(0);
    let mut text = lines[0].clone();
    for line in rest {
        text.push('\n');
        text.push_str(line.get(common..).unwrap_or(line.trim_start()));
    }
    text.trim_matches('\n').to_owned()
}

fn pattern(text: &str, messages: &BTreeMap<String, String>) -> Result<String, Box<dyn Error>> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        out.push_str(&rest[..start]);
        let inner = &rest[start + 1..];
        let end = closing(inner).ok_or("unbalanced brace")?;
        out.push_str(&placeable(inner[..end].trim(), messages)?);
        rest = &inner[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the brace that was opened before `text` closes.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quoted, mut escaped) = (0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted && depth == 0 => return Some(at),
            '}' if !quoted => depth -= 1,
            _ => {}
        }
    }
    None
}

fn placeable(inner: &str, messages: &BTreeMap<String, String>) -> Result<String, Box<dyn Error>> {
    if let Some(literal) = inner.strip_prefix('"') {
        return Ok(unescaped(literal.strip_suffix('"').ok_or("unterminated literal")?));
    }
    if let Some((variable, variants)) = inner.split_once("->") {
        return selector(variable.trim().trim_start_matches('$'), variants, messages);
    }
    if let Some(name) = inner.strip_prefix('$') {
        return Ok(format!("\u{1}{name}\u{2}"));
    }
    let text = messages.get(inner).ok_or_else(|| format!("no message {inner}"))?;
    pattern(text, messages)
}

fn selector(name: &str, variants: &str, messages: &BTreeMap<String, String>) -> Result<String, Box<dyn Error>> {
    let mut list: Vec<(bool, String)> = Vec::new();
    for line in variants.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (default, line) = line.strip_prefix('*').map_or((false, line), |line| (true, line));
        let (key, text) = line.strip_prefix('[').and_then(|l| l.split_once(']')).ok_or("malformed variant")?;
        list.push((default, format!("\u{4}{}\u{5}{}", key.trim(), pattern(text.trim(), messages)?)));
    }
    list.sort_by_key(|(default, _)| *default);
    Ok(format!("\u{3}{name}{}\u{6}", list.into_iter().map(|(_, text)| text).collect::<String>()))
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('u') => {
                    let code: String = chars.by_ref().take(4).collect();
                    out.extend(u32::from_str_radix(&code, 16).ok().and_then(char::from_u32));
                }
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}
