//! How a configuration that is no policy is reported: everything that is wrong with it, each with its place.

use core::fmt;

/// A configuration that is no policy, with every problem in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidPolicy {
    problems: Vec<Problem>,
    more: usize,
}

/// One thing that is wrong in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Where, for example `network.rules[0].patterns[2]`; `permissions` is the whole.
    pub path: String,
    /// What is wrong there and what is accepted, to be read after the path.
    pub reason: String,
}

/// Gathers problems; past [`PROBLEMS_MAX`] they are only counted.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<Problem>,
    more: usize,
}

impl InvalidPolicy {
    /// What is wrong, by the name of the scope; at most 64.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl Problems {
    /// Adds a problem.
    pub(super) fn add(&mut self, path: impl Into<String>, reason: impl Into<String>) {
        if self.found.len() == PROBLEMS_MAX {
            self.more += 1;
            return;
        }
        let mut reason = reason.into();
        if let Some((end, _)) = reason.char_indices().nth(REASON_MAX) {
            reason.truncate(end);
            reason.push_str("...");
        }
        self.found.push(Problem {
            path: path.into(),
            reason,
        });
    }

    /// An error if there was any problem.
    pub(super) fn finish(self) -> Result<(), InvalidPolicy> {
        match self.found.is_empty() {
            true => Ok(()),
            false => Err(InvalidPolicy {
                problems: self.found,
                more: self.more,
            }),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.path, self.reason)
    }
}

impl fmt::Display for InvalidPolicy {
    /// One line for each problem.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (problem, number) in self.problems.iter().zip(0..) {
            let line = if number == 0 { "" } else { "\n" };
            write!(f, "{line}invalid permissions policy: {problem}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\ninvalid permissions policy: and {more} more problems"),
        }
    }
}

impl std::error::Error for InvalidPolicy {}

/// The known name that was probably meant, if one is close.
pub(super) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let close = |name: &&str| distance(name, given) <= (name.len() / 2).clamp(1, 3);
    known.into_iter().filter(close).min_by_key(|name| distance(name, given))
}

/// Edits that lead from one word to the other, without regard to case; a long word is cut.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (x, start) in a.chars().zip(1..) {
        let mut diagonal = start - 1;
        let mut left = start;
        for (cell, y) in row[1..].iter_mut().zip(&b) {
            let replace = diagonal + usize::from(!x.eq_ignore_ascii_case(y));
            diagonal = *cell;
            left = replace.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
        row[0] = start;
    }
    row.last().copied().unwrap_or_default()
}

/// Characters of a reason; more than this only quotes what was given.
const REASON_MAX: usize = 300;
/// Problems that are spelled out.
const PROBLEMS_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_guessed_only_when_close() {
        let known = ["read", "write", "stat", "create_dir"];
        assert_eq!(nearest("wirte", known), Some("write"));
        assert_eq!(nearest("createdir", known), Some("create_dir"));
        assert_eq!(nearest("READ", known), Some("read"));
        assert_eq!(nearest("network", known), None);
        assert_eq!(
            (distance("abc", "abc"), distance("", "abc"), distance("abc", "")),
            (0, 3, 3)
        );
    }
}
