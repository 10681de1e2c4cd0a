//! Patterns: what may be written, and the regular expression of each.
//!
//! The syntax is small on purpose. `*` and `?` are the only wildcards; `**` is a whole segment of a path. Everything that
//! other globbing languages would take for syntax is refused, so that a pattern never means less or more than it says.
//! Bytes are compared.

use core::fmt::Write;

/// What a pattern is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// An absolute path.
    Path,
    /// The real path of a program, or its last segment.
    Command,
    /// A normalised host.
    Host,
    /// The name of a variable.
    Name,
    /// `kit:tool`.
    Tool,
}

/// Whether the pattern matches everything of its kind.
pub(super) fn is_everything(kind: Kind, pattern: &str) -> bool {
    let bare = matches!(pattern, "*" | "**");
    match kind {
        Kind::Tool => pattern == "**" || pattern == "*",
        Kind::Path | Kind::Command => bare || (is_path(pattern) && pattern.split('/').skip(1).all(|part| part == "**")),
        Kind::Host | Kind::Name => bare,
    }
}

/// Why the pattern cannot be used; `None` if it can.
pub(super) fn problem(kind: Kind, pattern: &str) -> Option<String> {
    if pattern.is_empty() {
        return Some("must not be empty".to_owned());
    }
    if let Some(character) = pattern
        .chars()
        .find(|character| matches!(character, '[' | ']' | '{' | '}' | '\\'))
    {
        return Some(format!(
            "must not contain '{character}'; use '?' where a name contains it"
        ));
    }
    if pattern.contains('\0') {
        return Some("must not contain NUL".to_owned());
    }
    if pattern.contains("***") {
        return Some("must not contain '***'; use '**' for any number of segments".to_owned());
    }
    match kind {
        _ if is_everything(kind, pattern) => None,
        Kind::Path if !is_path(pattern) => Some(format!("must be an absolute path, got {pattern:?}")),
        Kind::Command if !is_path(pattern) && pattern.contains('/') => Some(format!(
            "must be an absolute path or a name without '/', got {pattern:?}"
        )),
        Kind::Path => path_problem(pattern),
        Kind::Command if is_path(pattern) => path_problem(pattern),
        Kind::Command if pattern.contains("**") => Some(WHOLE_SEGMENT.to_owned()),
        Kind::Command | Kind::Host | Kind::Name | Kind::Tool => None,
    }
}

fn path_problem(pattern: &str) -> Option<String> {
    let parts = || pattern.split('/').skip(1);
    if pattern != "/" && parts().any(|part| matches!(part, "" | "." | "..")) {
        return Some(format!(
            "must be normalized (no '.', '..', '//' or trailing slash), got {pattern:?}"
        ));
    }
    parts()
        .any(|part| part != "**" && part.contains("**"))
        .then(|| WHOLE_SEGMENT.to_owned())
}

/// The regular expression of a pattern without problems; it is meant to match from begin to end.
pub(super) fn regex(kind: Kind, pattern: &str) -> String {
    let mut regex = String::with_capacity(FLAGS.len() + 4 * pattern.len());
    regex.push_str(FLAGS);
    match kind {
        _ if is_everything(kind, pattern) => regex.push_str(".*"),
        Kind::Path => path(pattern, &mut regex),
        Kind::Command if is_path(pattern) => path(pattern, &mut regex),
        Kind::Command => {
            regex.push_str(".*/");
            characters(pattern, "[^/]", &mut regex);
        }
        Kind::Host | Kind::Name => characters(pattern, ".", &mut regex),
        Kind::Tool => characters(pattern, "[^:]", &mut regex),
    }
    regex
}

/// Real paths have no empty segments, so a segment `*` stands for at least one byte; only `/` could tell.
fn path(pattern: &str, regex: &mut String) {
    if pattern == "/" {
        return regex.push('/');
    }
    for part in pattern.split('/').skip(1) {
        match part {
            "**" => regex.push_str("(?:/[^/]+)*"),
            "*" => regex.push_str("/[^/]+"),
            _ => {
                regex.push('/');
                characters(part, "[^/]", regex);
            }
        }
    }
}

fn characters(pattern: &str, any: &str, regex: &mut String) {
    for byte in pattern.bytes() {
        match byte {
            b'*' => regex.extend([any, "*"]),
            b'?' => regex.push_str(any),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' => regex.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(regex, "\\x{byte:02x}")),
        }
    }
}

fn is_path(pattern: &str) -> bool {
    pattern.starts_with('/')
}

/// Bytes instead of characters, and a line break is a byte like any other.
const FLAGS: &str = "(?s-u)";
const WHOLE_SEGMENT: &str = "'**' must be a whole segment of a path; use '*' within one";
