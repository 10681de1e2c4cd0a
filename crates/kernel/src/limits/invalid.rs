//! What is wrong with a configuration of limits.

use core::fmt;

/// A limit that cannot be set as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLimit {
    /// No such field or group.
    #[error("{name}: unknown field{}", hint(nearest.as_deref()))]
    Unknown {
        /// What was given.
        name: String,
        /// A known name that may have been meant: of a field in the same group, or a path.
        nearest: Option<String>,
    },
    /// A value that is not a whole number.
    #[error("{path}: must be an integer, got {given}")]
    NotInteger {
        /// The field.
        path: &'static str,
        /// Kind of the value, and the value if it is short.
        given: String,
    },
    /// Something else where a group of fields is expected.
    #[error("{path}: must be an object, got {given}")]
    NotObject {
        /// The group.
        path: String,
        /// Kind of the value, and the value if it is short.
        given: String,
    },
    /// A value outside the bounds.
    #[error("{path}: must be an integer between {min} and {max}, got {given}")]
    OutOfRange {
        /// The field.
        path: &'static str,
        /// Smallest accepted.
        min: u64,
        /// Largest accepted.
        max: u64,
        /// What was given, as written.
        given: String,
    },
    /// Two fields that exclude each other.
    #[error("{low} ({low_value}) must not exceed {} ({high_value})", beside(low, high))]
    Conflict {
        /// The field that must be the smaller.
        low: &'static str,
        /// Its value.
        low_value: u64,
        /// The field that must be the larger.
        high: &'static str,
        /// Its value.
        high_value: u64,
    },
}

/// Everything that is wrong, in the order in which it was found; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidLimits(pub Vec<InvalidLimit>);

impl fmt::Display for InvalidLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl core::error::Error for InvalidLimits {}

impl From<InvalidLimit> for InvalidLimits {
    fn from(problem: InvalidLimit) -> Self {
        Self(vec![problem])
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!(" (did you mean {name}?)"))
}

/// The name of `high` for somebody who reads the path of `low`: in the same group the last part will do.
fn beside<'a>(low: &str, high: &'a str) -> &'a str {
    match (low.rsplit_once('.'), high.rsplit_once('.')) {
        (Some((low, _)), Some((group, name))) if low == group => name,
        _ => high,
    }
}
