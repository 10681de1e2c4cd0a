//! What is wrong with kits.

use std::fmt;

/// Everything that is wrong with the kits of a VM, with the path of each problem, for example `toolKits[0].name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidTools(Vec<String>);

impl InvalidTools {
    /// One line for each problem, which begins with its path.
    pub fn problems(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for InvalidTools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for InvalidTools {}

/// Collects problems.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<String>);

/// Problems that are kept; kits with more are not worth reading to their end.
const PROBLEMS: usize = 100;

impl Problems {
    pub(crate) fn add(&mut self, path: &str, problem: impl fmt::Display) {
        if self.0.len() < PROBLEMS {
            self.0.push(format!("{path}: {problem}"));
        }
    }

    pub(crate) fn finish(self) -> Result<(), InvalidTools> {
        match self.0.is_empty() {
            true => Ok(()),
            false => Err(InvalidTools(self.0)),
        }
    }
}
