//! From patterns to a matcher.

use super::options::Options;
use crate::regex::{self, Groups, Regex, Syntax};
use grep::matcher::{Captures, LineTerminator, Match, Matcher, NoError};
use grep::regex::{RegexMatcher, RegexMatcherBuilder};

/// Largest compiled expression, in bytes.
const SIZE_LIMIT: usize = 100 << 20;

/// One automaton for all patterns.
///
/// # Errors
///
/// The message about the pattern.
pub fn build(options: &Options) -> Result<RegexMatcher, String> {
    let mut builder = RegexMatcherBuilder::new();
    builder
        .multi_line(true)
        .unicode(!options.no_unicode)
        .octal(false)
        .fixed_strings(options.fixed)
        .whole_line(options.line)
        .word(options.word)
        .case_insensitive(options.ignore_case)
        .case_smart(options.smart_case)
        .size_limit(SIZE_LIMIT)
        .dfa_size_limit(32 << 20);
    if options.multiline {
        builder.dot_matches_new_line(options.dot_all);
        if options.crlf {
            builder.crlf(true).line_terminator(None);
        }
    } else {
        builder.line_terminator(Some(b'\n')).dot_matches_new_line(false);
        if options.crlf {
            builder.crlf(true);
        }
        if options.null_data {
            builder.line_terminator(Some(0));
        }
    }
    builder.build_many(&options.patterns).map_err(|error| error.to_string())
}

/// Patterns with look-around and back-references.
pub struct Perl {
    regex: Regex,
}

impl Perl {
    /// Compiles the patterns as one.
    ///
    /// # Errors
    ///
    /// The message about the pattern.
    pub fn new(options: &Options) -> Result<Self, String> {
        let parts: Vec<String> = options
            .patterns
            .iter()
            .map(|pattern| format!("(?:{pattern})"))
            .collect();
        let mut pattern = if parts.len() == 1 {
            options.patterns[0].clone()
        } else {
            parts.join("|")
        };
        if options.fixed {
            pattern = options
                .patterns
                .iter()
                .map(|text| literal(text))
                .collect::<Vec<_>>()
                .join("|");
        }
        if options.line {
            pattern = format!("^(?:{pattern})$");
        } else if options.word {
            pattern = format!(r"(?<!\w)(?:{pattern})(?!\w)");
        }
        let upper = options.patterns.iter().any(|text| text.chars().any(char::is_uppercase));
        let settings = regex::Options {
            ignore_case: options.ignore_case || (options.smart_case && !upper),
            multi_line: true,
            dot_newline: options.dot_all,
            ..regex::Options::new(Syntax::Perl)
        };
        let regex = Regex::new(pattern.as_bytes(), &settings).map_err(|error| error.to_string())?;
        Ok(Self { regex })
    }
}

fn literal(text: &str) -> String {
    let special = |c: char| !(c.is_alphanumeric() || c == '_' || c == ' ' || !c.is_ascii());
    text.chars()
        .map(|c| if special(c) { format!("\\{c}") } else { c.to_string() })
        .collect()
}

/// Groups of a match.
pub struct PerlCaptures(Groups, usize);

impl Captures for PerlCaptures {
    fn len(&self) -> usize {
        self.1
    }

    fn get(&self, i: usize) -> Option<Match> {
        self.0
            .get(i)
            .copied()
            .flatten()
            .map(|(start, end)| Match::new(start, end))
    }
}

impl Matcher for Perl {
    type Captures = PerlCaptures;
    type Error = NoError;

    fn find_at(&self, text: &[u8], at: usize) -> Result<Option<Match>, NoError> {
        Ok(self.regex.find_at(text, at).map(|(start, end)| Match::new(start, end)))
    }

    fn new_captures(&self) -> Result<PerlCaptures, NoError> {
        Ok(PerlCaptures(Vec::new(), self.regex.group_count()))
    }

    fn capture_count(&self) -> usize {
        self.regex.group_count()
    }

    fn captures_at(&self, text: &[u8], at: usize, captures: &mut PerlCaptures) -> Result<bool, NoError> {
        Ok(self.regex.captures_at(text, at, &mut captures.0))
    }

    fn line_terminator(&self) -> Option<LineTerminator> {
        None
    }
}
