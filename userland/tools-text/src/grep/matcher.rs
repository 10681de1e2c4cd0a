//! From the pattern list to two engines: one that finds lines, one that finds the parts of a line.

use super::options::{Options, Output};
use crate::regex::{Escapes, Options as RegexOptions, Prepared, Regex, RegexError, prepare};
use grep::matcher::{LineTerminator, Match, Matcher, NoCaptures, NoError};
use grep::regex::{RegexMatcher, RegexMatcherBuilder};

/// Both engines.
pub struct Engines {
    /// Finds lines.
    pub lines: LineMatcher,
    /// Finds the matching parts of a line, when they are printed.
    pub parts: Vec<Regex>,
}

/// Finds lines that match.
pub enum LineMatcher {
    /// One automaton for all patterns, with literal prefilters.
    Fast(Box<RegexMatcher>),
    /// One engine per pattern, line by line: back-references, look-around, NUL-terminated lines.
    Slow(Vec<Regex>),
}

/// Compiles the patterns.
///
/// # Errors
///
/// The message about the first bad pattern.
pub fn build(options: &Options) -> Result<Engines, RegexError> {
    let regex_options = RegexOptions {
        syntax: options.syntax,
        ignore_case: options.ignore_case,
        multi_line: false,
        dot_newline: options.delimiter == 0,
        escapes: Escapes::None,
    };
    let mut prepared = Vec::with_capacity(options.patterns.len());
    for pattern in &options.patterns {
        prepared.push(prepare(pattern, &regex_options)?);
    }
    let wants_parts = options.output == Output::Parts || options.color;
    let slow = options.delimiter == 0 || prepared.iter().any(|one| one.fancy);
    let lines = if slow {
        LineMatcher::Slow(compile_each(&prepared, options, &regex_options)?)
    } else {
        fast(&prepared, options).map_or_else(
            || compile_each(&prepared, options, &regex_options).map(LineMatcher::Slow),
            |matcher| Ok(LineMatcher::Fast(Box::new(matcher))),
        )?
    };
    let parts = match (wants_parts, slow) {
        (false, _) => Vec::new(),
        (true, true) => compile_each(&prepared, options, &regex_options)?,
        (true, false) => {
            let mut joined = join(&prepared);
            joined.pattern = wrap(&joined.pattern, options, false);
            vec![Regex::compile(&joined, &regex_options)?]
        }
    };
    Ok(Engines { lines, parts })
}

fn fast(prepared: &[Prepared], options: &Options) -> Option<RegexMatcher> {
    let mut builder = RegexMatcherBuilder::new();
    builder
        .multi_line(true)
        .unicode(true)
        .case_insensitive(options.ignore_case)
        .line_terminator(Some(b'\n'))
        .size_limit(64 << 20)
        .word(options.word)
        .whole_line(options.line);
    if prepared.is_empty() {
        return builder.build("[a&&b]").ok();
    }
    let patterns: Vec<&str> = prepared.iter().map(|one| one.pattern.as_str()).collect();
    builder.build_many(&patterns).ok()
}

fn compile_each(
    prepared: &[Prepared],
    options: &Options,
    regex_options: &RegexOptions,
) -> Result<Vec<Regex>, RegexError> {
    let compile = |one: &Prepared| {
        let pattern = wrap(&one.pattern, options, one.fancy);
        let wrapped = Prepared {
            pattern,
            fancy: one.fancy,
            ambiguous: one.ambiguous,
        };
        Regex::compile(&wrapped, regex_options)
    };
    prepared.iter().map(compile).collect()
}

fn join(prepared: &[Prepared]) -> Prepared {
    let patterns: Vec<String> = prepared.iter().map(|one| format!("(?:{})", one.pattern)).collect();
    Prepared {
        pattern: if patterns.is_empty() {
            "[a&&b]".to_owned()
        } else {
            patterns.join("|")
        },
        fancy: false,
        ambiguous: prepared.len() > 1 || prepared.iter().any(|one| one.ambiguous),
    }
}

/// Adds the conditions of `-x` and `-w`.
fn wrap(pattern: &str, options: &Options, fancy: bool) -> String {
    if options.line {
        format!("^(?:{pattern})$")
    } else if options.word && fancy {
        format!(r"(?<!\w)(?:{pattern})(?!\w)")
    } else if options.word {
        format!(r"\b{{start-half}}(?:{pattern})\b{{end-half}}")
    } else {
        pattern.to_owned()
    }
}

/// The leftmost, then longest match of any of the expressions at or after `from`.
pub fn find_any(expressions: &[Regex], text: &[u8], from: usize) -> Option<(usize, usize)> {
    let found = expressions.iter().filter_map(|regex| regex.find_at(text, from));
    found.min_by_key(|&(start, end)| (start, usize::MAX - end))
}

impl Matcher for LineMatcher {
    type Captures = NoCaptures;
    type Error = NoError;

    fn find_at(&self, text: &[u8], at: usize) -> Result<Option<Match>, NoError> {
        match self {
            Self::Fast(matcher) => matcher.find_at(text, at),
            Self::Slow(all) => Ok(find_any(all, text, at).map(|(start, end)| Match::new(start, end))),
        }
    }

    fn new_captures(&self) -> Result<NoCaptures, NoError> {
        Ok(NoCaptures::new())
    }

    fn is_match_at(&self, text: &[u8], at: usize) -> Result<bool, NoError> {
        match self {
            Self::Fast(matcher) => matcher.is_match_at(text, at),
            Self::Slow(all) => Ok(all.iter().any(|regex| regex.find_at(text, at).is_some())),
        }
    }

    fn shortest_match_at(&self, text: &[u8], at: usize) -> Result<Option<usize>, NoError> {
        match self {
            Self::Fast(matcher) => matcher.shortest_match_at(text, at),
            Self::Slow(_) => Ok(self.find_at(text, at)?.map(|found| found.end())),
        }
    }

    fn non_matching_bytes(&self) -> Option<&grep::matcher::ByteSet> {
        match self {
            Self::Fast(matcher) => matcher.non_matching_bytes(),
            Self::Slow(_) => None,
        }
    }

    fn line_terminator(&self) -> Option<LineTerminator> {
        match self {
            Self::Fast(matcher) => matcher.line_terminator(),
            Self::Slow(_) => None,
        }
    }

    fn find_candidate_line(&self, text: &[u8]) -> Result<Option<grep::matcher::LineMatchKind>, NoError> {
        match self {
            Self::Fast(matcher) => matcher.find_candidate_line(text),
            Self::Slow(_) => Ok(self
                .shortest_match_at(text, 0)?
                .map(grep::matcher::LineMatchKind::Confirmed)),
        }
    }
}
