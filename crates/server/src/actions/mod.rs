//! actions
pub(crate) mod args;
