//! Why a decision is as it is, without taking it.

/// A decision and what decided it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Explanation {
    /// Whether the policy allows the request.
    pub allowed: bool,
    /// What decided: `permissions.network.rules[2]`, `network.default`, `profile:default`, `permissions.network` or
    /// `implied`.
    pub rule: String,
    /// The first pattern of that rule that matches, as written; none if the rule has no patterns.
    pub pattern: Option<String>,
    /// The normalised resource; of a candidate set the one that matched, else the first.
    pub resource: String,
}

/// A question that cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidQuery(pub(super) String);
