//! Regular expressions as POSIX tools know them, on top of Rust's engines.
//!
//! ```text
//!   pattern (bytes) --translate--> target syntax --+-- no back-references: lazy automata (linear time)
//!                                                  +-- back-references, look-around: bounded backtracking
//! ```
//!
//! POSIX wants the *longest* of the leftmost matches where Rust's engines prefer the first alternative. The two differ
//! only for expressions with alternatives or repeated groups; for those, a second automaton with "all matches"
//! semantics finds the end of the match, and captures are taken from a search confined to that extent.

mod bracket;
mod perl;
mod translate;

pub use translate::literal_at;

use regex_automata::meta;
use regex_automata::util::captures::Captures as EngineCaptures;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input, MatchKind, Span};

/// The dialect of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// POSIX basic, with GNU's `\+ \? \|`.
    Basic,
    /// POSIX extended.
    Extended,
    /// Perl-compatible.
    Perl,
    /// No operators at all.
    Fixed,
}

/// Which letters after a backslash mean a control character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escapes {
    /// None (`grep`).
    None,
    /// `\n \t \f \v \r \a` (`sed`, `find`).
    Sed,
    /// The escapes of `awk`, inside brackets too; no back-references.
    Awk,
    /// As none, and a newline separates alternatives (`grep` pattern lists).
    Lines,
}

impl Escapes {
    /// The control character that `letter` means after a backslash.
    pub fn control(self, letter: u8) -> Option<u8> {
        let code = match letter {
            b'n' => b'\n',
            b't' => b'\t',
            b'f' => 0x0c,
            b'v' => 0x0b,
            b'r' => b'\r',
            b'a' => 0x07,
            _ => return None,
        };
        matches!(self, Self::Sed | Self::Awk).then_some(code)
    }

    fn is_awk(self) -> bool {
        self == Self::Awk
    }

    fn newline_alternates(self) -> bool {
        self == Self::Lines
    }
}

/// How to compile an expression.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Dialect.
    pub syntax: Syntax,
    /// Upper and lower case are equal.
    pub ignore_case: bool,
    /// `^` and `$` also match at line ends inside the text.
    pub multi_line: bool,
    /// `.` matches a newline.
    pub dot_newline: bool,
    /// Escapes beyond the operators.
    pub escapes: Escapes,
}

impl Options {
    /// Defaults of a dialect: case matters, the text is one string.
    pub fn new(syntax: Syntax) -> Self {
        Self {
            syntax,
            ignore_case: false,
            multi_line: false,
            dot_newline: true,
            escapes: Escapes::None,
        }
    }
}

/// Why an expression was refused, in the words of `regerror(3)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegexError(String);

impl RegexError {
    /// An error with the given message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl std::fmt::Display for RegexError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RegexError {}

/// Extents of the match and of each group, by number.
pub type Groups = Vec<Option<(usize, usize)>>;

/// An expression in the target syntax, not compiled yet.
pub struct Prepared {
    /// The expression.
    pub pattern: String,
    /// It needs the backtracking engine.
    pub fancy: bool,
    /// The longest match must be looked for.
    pub ambiguous: bool,
}

/// Translates an expression into the target syntax.
///
/// # Errors
///
/// The messages of `regcomp(3)`.
pub fn prepare(pattern: &[u8], options: &Options) -> Result<Prepared, RegexError> {
    Ok(match options.syntax {
        Syntax::Basic | Syntax::Extended => {
            let out = translate::translate(pattern, options)?;
            Prepared {
                fancy: out.backrefs,
                ambiguous: out.ambiguous && !out.backrefs,
                pattern: out.pattern,
            }
        }
        Syntax::Fixed => {
            let mut text = String::new();
            let mut at = 0;
            while at < pattern.len() {
                let (literal, length) = literal_at(&pattern[at..]);
                text.push_str(&literal);
                at += length;
            }
            Prepared {
                pattern: text,
                fancy: false,
                ambiguous: false,
            }
        }
        Syntax::Perl => {
            let text = String::from_utf8_lossy(&perl::perl_escapes(pattern)).into_owned();
            let plain = build_meta(&text, options, MatchKind::LeftmostFirst).is_ok();
            Prepared {
                pattern: text,
                fancy: !plain,
                ambiguous: false,
            }
        }
    })
}

/// A compiled expression.
pub struct Regex {
    engine: Engine,
}

enum Engine {
    Automaton(Box<meta::Regex>),
    Longest(Box<Longest>),
    Backtracking(Box<fancy_regex::Regex>),
}

/// A leftmost-first engine to find where a match starts, one over all matches for where it ends, and one that captures
/// groups when the end is known.
struct Longest {
    first: meta::Regex,
    all: meta::Regex,
    whole: Option<meta::Regex>,
}

impl Regex {
    /// Compiles `pattern`.
    ///
    /// # Errors
    ///
    /// A message in the words of `regcomp(3)`.
    pub fn new(pattern: &[u8], options: &Options) -> Result<Self, RegexError> {
        Self::compile(&prepare(pattern, options)?, options)
    }

    /// Compiles an expression that is in the target syntax already.
    ///
    /// # Errors
    ///
    /// When the expression exceeds the engine's size limits.
    pub fn compile(prepared: &Prepared, options: &Options) -> Result<Self, RegexError> {
        let pattern = &prepared.pattern;
        let engine = if prepared.fancy {
            Engine::Backtracking(Box::new(build_fancy(pattern, options)?))
        } else if prepared.ambiguous {
            Engine::Longest(Box::new(Longest::new(pattern, options)?))
        } else {
            Engine::Automaton(Box::new(build_meta(pattern, options, MatchKind::LeftmostFirst)?))
        };
        Ok(Self { engine })
    }

    /// Whether the expression matches anywhere in `text`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        match &self.engine {
            Engine::Automaton(regex) => regex.is_match(text),
            Engine::Longest(regex) => regex.first.is_match(text),
            Engine::Backtracking(regex) => regex.is_match(text).unwrap_or(false),
        }
    }

    /// The leftmost match that starts at or after `from`, as start and end.
    pub fn find_at(&self, text: &[u8], from: usize) -> Option<(usize, usize)> {
        if from > text.len() {
            return None;
        }
        match &self.engine {
            Engine::Automaton(regex) => regex
                .find(Input::new(text).range(from..))
                .map(|found| (found.start(), found.end())),
            Engine::Longest(regex) => regex.find(text, from),
            Engine::Backtracking(regex) => {
                let found = regex.find_from_pos(text, from).ok().flatten()?;
                Some((found.start(), found.end()))
            }
        }
    }

    /// The leftmost match that starts at or after `from`, with its groups; group 0 is the match.
    pub fn captures_at(&self, text: &[u8], from: usize, groups: &mut Groups) -> bool {
        groups.clear();
        if from > text.len() {
            return false;
        }
        match &self.engine {
            Engine::Automaton(regex) => capture(regex, Input::new(text).range(from..), groups),
            Engine::Longest(regex) => regex.captures(text, from, groups),
            Engine::Backtracking(regex) => {
                let Ok(Some(found)) = regex.captures_from_pos(text, from) else {
                    return false;
                };
                groups.extend((0..found.len()).map(|i| found.get(i).map(|m| (m.start(), m.end()))));
                true
            }
        }
    }

    /// Number of groups, the match itself included.
    pub fn group_count(&self) -> usize {
        match &self.engine {
            Engine::Automaton(regex) => regex.captures_len(),
            Engine::Longest(regex) => regex.first.captures_len(),
            Engine::Backtracking(regex) => regex.captures_len(),
        }
    }
}

impl Longest {
    fn new(pattern: &str, options: &Options) -> Result<Self, RegexError> {
        let first = build_meta(pattern, options, MatchKind::LeftmostFirst)?;
        let all = build_meta(pattern, options, MatchKind::All)?;
        let has_groups = first.captures_len() > 1;
        let whole = if has_groups {
            Some(build_meta(
                &format!("(?:{pattern})\\z"),
                options,
                MatchKind::LeftmostFirst,
            )?)
        } else {
            None
        };
        Ok(Self { first, all, whole })
    }

    fn find(&self, text: &[u8], from: usize) -> Option<(usize, usize)> {
        let first = self.first.find(Input::new(text).range(from..))?;
        let input = Input::new(text).range(first.start()..).anchored(Anchored::Yes);
        let end = self.all.search_half(&input).map_or(first.end(), |half| half.offset());
        Some((first.start(), end.max(first.end())))
    }

    fn captures(&self, text: &[u8], from: usize, groups: &mut Groups) -> bool {
        let Some((start, end)) = self.find(text, from) else {
            return false;
        };
        let Some(whole) = &self.whole else {
            groups.push(Some((start, end)));
            return true;
        };
        let confined = Input::new(&text[..end])
            .span(Span { start, end })
            .anchored(Anchored::Yes);
        capture(whole, confined, groups) || capture(&self.first, Input::new(text).range(start..), groups)
    }
}

fn capture(regex: &meta::Regex, input: Input<'_>, groups: &mut Groups) -> bool {
    let mut found: EngineCaptures = regex.create_captures();
    regex.search_captures(&input, &mut found);
    if !found.is_match() {
        return false;
    }
    groups.extend((0..regex.captures_len()).map(|i| found.get_group(i).map(|span| (span.start, span.end))));
    true
}

fn build_meta(pattern: &str, options: &Options, kind: MatchKind) -> Result<meta::Regex, RegexError> {
    let syntax = syntax::Config::new()
        .utf8(false)
        .case_insensitive(options.ignore_case)
        .multi_line(options.multi_line)
        .dot_matches_new_line(options.dot_newline);
    let config = meta::Config::new()
        .utf8_empty(false)
        .match_kind(kind)
        .nfa_size_limit(Some(32 << 20));
    let built = meta::Builder::new().configure(config).syntax(syntax).build(pattern);
    built.map_err(|error| match error.syntax_error() {
        Some(syntax) => RegexError::new(first_line(&syntax.to_string())),
        None => RegexError::new("Regular expression too big"),
    })
}

fn build_fancy(pattern: &str, options: &Options) -> Result<fancy_regex::Regex, RegexError> {
    fancy_regex::RegexBuilder::new(pattern)
        .case_insensitive(options.ignore_case)
        .multi_line(options.multi_line)
        .dot_matches_new_line(options.dot_newline)
        .bytes_mode(fancy_regex::BytesMode::UnicodeBytes)
        .build()
        .map_err(|error| RegexError::new(first_line(&error.to_string())))
}

fn first_line(text: &str) -> String {
    let last = text
        .lines()
        .rfind(|line| !line.trim().is_empty())
        .unwrap_or("invalid expression");
    last.trim().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests;
