//! From a configuration to checked rules.

/// A configuration that is no policy, with every problem in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("invalid permissions policy")]
pub struct InvalidPolicy {}
