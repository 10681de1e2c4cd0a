//! What is wrong with a configuration.

use std::cell::RefCell;
use std::fmt;

/// Everything that is wrong with a configuration, each with the full path of the key; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConfig(Vec<String>);

impl InvalidConfig {
    /// One problem.
    pub(crate) fn one(path: &str, reason: impl fmt::Display) -> Self {
        Self(vec![format!("{path}: {reason}")])
    }

    /// Problems that some other check has put into lines, under a path.
    pub(crate) fn lines(path: &str, text: &str) -> Self {
        let prefix = if path.is_empty() {
            String::new()
        } else {
            format!("{path}.")
        };
        Self(text.lines().map(|line| format!("{prefix}{line}")).collect())
    }

    /// The problems, a line for each.
    pub fn problems(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for InvalidConfig {}

/// Problems as they are found.
#[derive(Debug, Default)]
pub(crate) struct Problems(RefCell<Vec<String>>);

/// Problems that are kept; a configuration with more is not worth reading to its end.
const MOST: usize = 100;

impl Problems {
    pub(crate) fn add(&self, path: &str, reason: impl fmt::Display) {
        let mut problems = self.0.borrow_mut();
        if problems.len() < MOST {
            problems.push(format!("{path}: {reason}"));
        }
    }

    pub(crate) fn extend(&self, invalid: InvalidConfig) {
        let mut problems = self.0.borrow_mut();
        let room = MOST.saturating_sub(problems.len());
        problems.extend(invalid.0.into_iter().take(room));
    }

    pub(crate) fn finish(&self) -> Result<(), InvalidConfig> {
        let problems = self.0.take();
        match problems.is_empty() {
            true => Ok(()),
            false => Err(InvalidConfig(problems)),
        }
    }
}
