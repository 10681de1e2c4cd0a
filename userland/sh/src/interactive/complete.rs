//! Completion of commands, variables and paths.

use std::fs;

use crate::shell::Shell;
use crate::text::{from_os, is_name, to_os};

/// What a word can be completed to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// Where the word begins, in characters.
    pub start: usize,
    /// The candidates, quoted as they are to be typed, sorted.
    pub words: Vec<String>,
}

/// Candidates for the word that ends at `pos`.
pub fn complete(sh: &mut Shell, line: &[char], pos: usize) -> Completions {
    let before = &line[..pos];
    let start = word_start(before);
    let raw: String = before[start..].iter().collect();
    let head: String = before[..start].iter().collect();
    let word = unquoted(&raw);
    let command = head.trim_end().is_empty()
        || head.trim_end().ends_with(['|', '&', ';', '(', '{'])
        || head.trim_end().ends_with("$(");
    let mut words = if let Some(name) = raw.strip_prefix('$').filter(|n| n.is_empty() || is_name(n)) {
        sh.vars
            .names()
            .iter()
            .filter(|n| n.starts_with(name))
            .map(|n| format!("${n}"))
            .collect()
    } else if command && !word.contains('/') {
        commands(sh, &word)
    } else {
        let only_dirs = matches!(head.split_whitespace().last(), Some("cd" | "pushd" | "rmdir"));
        let home = sh.vars.text("HOME").unwrap_or_default().to_owned();
        paths(&word, &home, only_dirs)
    };
    words.sort_unstable();
    words.dedup();
    Completions { start, words }
}

fn word_start(before: &[char]) -> usize {
    let mut start = 0;
    let (mut quote, mut skip) = (None, false);
    for (i, c) in before.iter().enumerate() {
        if skip {
            skip = false;
            continue;
        }
        match (quote, c) {
            (Some(q), c) if q == *c => quote = None,
            (Some(_), _) => {}
            (None, '\\') => skip = true,
            (None, '\'' | '"') => quote = Some(*c),
            (None, ' ' | '\t' | '\n' | ';' | '|' | '&' | '<' | '>' | '(' | ')' | '=' | ':' | '`') => start = i + 1,
            _ => {}
        }
    }
    start
}

fn unquoted(raw: &str) -> String {
    let mut out = String::new();
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            '\'' | '"' => {}
            c => out.push(c),
        }
    }
    out
}

/// Names of commands that begin with a text.
pub fn commands(sh: &mut Shell, start: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    all.extend(sh.functions.keys().cloned());
    all.extend(sh.aliases.keys().cloned());
    all.extend(crate::builtins::NAMES.iter().map(|n| (*n).to_owned()));
    all.extend(crate::builtins::names::KEYWORDS.iter().map(|n| (*n).to_owned()));
    let path = sh.vars.text("PATH").unwrap_or_default().to_owned();
    for dir in path.split(':') {
        if let Ok(entries) = fs::read_dir(to_os(dir)) {
            all.extend(entries.flatten().map(|e| from_os(e.file_name())));
        }
    }
    all.retain(|name| name.starts_with(start));
    all.sort_unstable();
    all.dedup();
    all
}

/// Paths that begin with a text, without quoting.
pub fn files(start: &str, only_dirs: bool) -> Vec<String> {
    let mut all: Vec<String> = entries(start, start, only_dirs)
        .into_iter()
        .map(|(path, _)| path)
        .collect();
    all.sort_unstable();
    all
}

fn entries(start: &str, real: &str, only_dirs: bool) -> Vec<(String, bool)> {
    let (shown, prefix) = match start.rfind('/') {
        Some(at) => start.split_at(at + 1),
        None => ("", start),
    };
    let dir = match real.rfind('/') {
        Some(at) => &real[..=at],
        None => ".",
    };
    let Ok(found) = fs::read_dir(to_os(dir)) else {
        return Vec::new();
    };
    found
        .flatten()
        .map(|entry| {
            let name = from_os(entry.file_name());
            let full = format!("{dir}/{name}");
            let is_dir = crate::sys::stat(&full, true).is_ok_and(|s| s.is_dir());
            (name, is_dir)
        })
        .filter(|(name, is_dir)| {
            name.starts_with(prefix) && (!name.starts_with('.') || prefix.starts_with('.')) && (*is_dir || !only_dirs)
        })
        .map(|(name, is_dir)| (format!("{shown}{name}"), is_dir))
        .collect()
}

fn paths(word: &str, home: &str, only_dirs: bool) -> Vec<String> {
    let real = match word.strip_prefix("~/") {
        Some(rest) => format!("{home}/{rest}"),
        None => word.to_owned(),
    };
    entries(word, &real, only_dirs)
        .into_iter()
        .map(|(path, is_dir)| if is_dir { quoted(&path) + "/" } else { quoted(&path) })
        .collect()
}

fn quoted(path: &str) -> String {
    let mut out = String::new();
    for (i, c) in path.chars().enumerate() {
        if " \t\n'\"\\$`&|;<>()[]{}*?!#".contains(c) && !(c == '#' && i > 0) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// The longest beginning that all have in common.
pub fn common(words: &[String]) -> String {
    let Some(first) = words.first() else {
        return String::new();
    };
    let mut len = first.chars().count();
    for word in words {
        len = len.min(first.chars().zip(word.chars()).take_while(|(a, b)| a == b).count());
    }
    first.chars().take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_common_beginnings() {
        let line: Vec<char> = "echo a\\ b;cat 'x y".chars().collect();
        assert_eq!(word_start(&line), 14);
        assert_eq!(unquoted("a\\ b'c'"), "a bc");
        assert_eq!(common(&["alpha".to_owned(), "alps".to_owned()]), "alp");
    }
}
