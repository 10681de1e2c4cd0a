//! Names of members: which are meant, and what becomes of them.

use agentos_tools_text::glob::{self, Flags};
use agentos_tools_text::regex::{Groups, Options as RegexOptions, Regex, Syntax};
use chrono::{NaiveDate, NaiveDateTime};

/// Patterns that leave members out, and how patterns are read.
#[derive(Clone, Debug)]
pub struct Rules {
    pub exclude: Vec<Vec<u8>>,
    /// Operands of extraction and listing are patterns.
    pub wildcards: bool,
    /// Patterns match from the beginning only.
    pub anchored: bool,
    /// Wildcards match slashes.
    pub slash: bool,
    pub fold_case: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            exclude: Vec::new(),
            wildcards: false,
            anchored: false,
            slash: true,
            fold_case: false,
        }
    }
}

const VCS: &[&str] = &[
    "CVS",
    ".cvsignore",
    "RCS",
    "SCCS",
    ".git",
    ".gitignore",
    ".gitmodules",
    ".gitattributes",
    ".svn",
    ".arch-ids",
    "{arch}",
    "=RELEASE-ID",
    "=meta-update",
    "=update",
    ".bzr",
    ".bzrignore",
    ".bzrtags",
    ".hg",
    ".hgignore",
    ".hgtags",
    "_darcs",
];

impl Rules {
    /// Leaves out what version control systems keep.
    pub fn exclude_vcs(&mut self) {
        self.exclude.extend(VCS.iter().map(|name| name.as_bytes().to_vec()));
    }

    fn flags(&self) -> Flags {
        Flags {
            pathname: !self.slash,
            fold_case: self.fold_case,
        }
    }

    /// Whether a member, or a directory above it, is left out.
    pub fn excludes(&self, name: &[u8]) -> bool {
        let name = trim(name);
        let starts = |at: usize| at == 0 || (!self.anchored && name[at - 1] == b'/');
        let ends = |at: usize| at == name.len() || name[at] == b'/';
        self.exclude.iter().any(|pattern| {
            let pattern = trim(pattern);
            (0..name.len()).filter(|&at| starts(at)).any(|from| {
                (from + 1..=name.len())
                    .filter(|&at| ends(at))
                    .any(|to| glob::matches(pattern, &name[from..to], self.flags()))
            })
        })
    }

    /// Whether an operand names a member or a directory above it.
    pub fn selects(&self, operand: &[u8], name: &[u8]) -> bool {
        let (operand, name) = (trim(operand), trim(name));
        if self.wildcards {
            let ends = |at: usize| at == name.len() || name[at] == b'/';
            return (1..=name.len())
                .filter(|&at| ends(at))
                .any(|to| glob::matches(operand, &name[..to], self.flags()));
        }
        name.strip_prefix(operand)
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

/// Without slashes at the end.
pub fn trim(name: &[u8]) -> &[u8] {
    let mut name = name;
    while name.len() > 1 && name.ends_with(b"/") {
        name = &name[..name.len() - 1];
    }
    name
}

/// The part of a name that is safe to use below the current directory, and the part taken off.
pub fn safe(name: &[u8]) -> (&[u8], &[u8]) {
    let mut cut = 0;
    let mut at = 0;
    while at <= name.len() {
        let end = name[at..]
            .iter()
            .position(|&b| b == b'/')
            .map_or(name.len(), |offset| at + offset);
        let part = &name[at..end];
        if part == b".." || (part.is_empty() && at == cut) {
            cut = (end + 1).min(name.len());
        }
        at = end + 1;
    }
    (&name[cut..], &name[..cut])
}

/// Without its first `count` components; `None` when nothing is left.
pub fn strip(name: &[u8], count: usize) -> Option<&[u8]> {
    let mut rest = name;
    for _ in 0..count {
        while rest.starts_with(b"/") {
            rest = &rest[1..];
        }
        let slash = rest.iter().position(|&b| b == b'/')?;
        rest = &rest[slash + 1..];
    }
    (!rest.is_empty()).then_some(rest)
}

/// One `s/regex/replacement/flags`.
pub struct Transform {
    regex: Regex,
    replacement: Vec<u8>,
    global: bool,
}

impl Transform {
    /// Reads expressions separated by semicolons.
    ///
    /// # Errors
    ///
    /// A message about the expression.
    pub fn parse(text: &[u8]) -> Result<Vec<Self>, String> {
        let mut out = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let bad = || "Invalid transform expression".to_owned();
            let [b's', delimiter, body @ ..] = rest else {
                return Err(bad());
            };
            let (pattern, after) = section(body, *delimiter).ok_or_else(bad)?;
            let (replacement, after) = section(after, *delimiter).ok_or_else(bad)?;
            let end = after.iter().position(|&b| b == b';').unwrap_or(after.len());
            let flags = &after[..end];
            let syntax = if flags.contains(&b'x') {
                Syntax::Extended
            } else {
                Syntax::Basic
            };
            let settings = RegexOptions {
                ignore_case: flags.contains(&b'i'),
                ..RegexOptions::new(syntax)
            };
            let regex = Regex::new(&pattern, &settings).map_err(|error| error.to_string())?;
            out.push(Self {
                regex,
                replacement,
                global: flags.contains(&b'g'),
            });
            rest = after.get(end + 1..).unwrap_or_default();
        }
        Ok(out)
    }

    /// The name that becomes of `name`.
    pub fn apply(&self, name: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut groups = Groups::new();
        let mut from = 0;
        while from <= name.len() && self.regex.captures_at(name, from, &mut groups) {
            let Some((start, end)) = groups[0] else { break };
            out.extend_from_slice(&name[from..start]);
            self.push_replacement(&mut out, name, &groups);
            from = end;
            if start == end {
                out.extend(name.get(end));
                from += 1;
            }
            if !self.global {
                break;
            }
        }
        out.extend_from_slice(name.get(from..).unwrap_or_default());
        out
    }

    fn push_replacement(&self, out: &mut Vec<u8>, name: &[u8], groups: &Groups) {
        let group = |out: &mut Vec<u8>, number: usize| {
            if let Some((start, end)) = groups.get(number).copied().flatten() {
                out.extend_from_slice(&name[start..end]);
            }
        };
        let mut bytes = self.replacement.iter();
        while let Some(&byte) = bytes.next() {
            match byte {
                b'&' => group(out, 0),
                b'\\' => match bytes.next() {
                    Some(digit @ b'0'..=b'9') => group(out, usize::from(digit - b'0')),
                    Some(other) => out.push(*other),
                    None => {}
                },
                _ => out.push(byte),
            }
        }
    }
}

/// Text up to an unescaped delimiter, whose escapes are taken off.
fn section(text: &[u8], delimiter: u8) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' if text.get(at + 1) == Some(&delimiter) => {
                out.push(delimiter);
                at += 2;
            }
            b'\\' if at + 1 < text.len() => {
                out.extend_from_slice(&text[at..at + 2]);
                at += 2;
            }
            byte if byte == delimiter => return Some((out, &text[at + 1..])),
            byte => {
                out.push(byte);
                at += 1;
            }
        }
    }
    None
}

/// A time: `@seconds`, or a date with or without a time of day, in UTC.
pub fn time(text: &str) -> Option<u64> {
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse().ok();
    }
    let text = text.trim_end_matches('Z').trim_end_matches(" UTC").replace('T', " ");
    let full = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"];
    let found = full
        .iter()
        .find_map(|pattern| NaiveDateTime::parse_from_str(&text, pattern).ok());
    let found = found.or_else(|| NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
    u64::try_from(found.and_utc().timestamp()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_safe() {
        let rows: &[(&str, &str)] = &[
            ("a/b", "a/b"),
            ("/etc/passwd", "etc/passwd"),
            ("//x", "x"),
            ("../../x", "x"),
            ("a/../../b/c", "b/c"),
            ("..", ""),
            ("./a", "./a"),
        ];
        for (name, expected) in rows {
            assert_eq!(safe(name.as_bytes()).0, expected.as_bytes(), "{name}");
        }
        assert_eq!(strip(b"a/b/c", 1), Some(b"b/c".as_slice()));
        assert_eq!(strip(b"a", 1), None);
    }
}
