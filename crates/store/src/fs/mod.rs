//! The durable filesystem.

/// The tables of the filesystem, a part of schema version 1 of `vm.sqlite`.
pub(crate) const SCHEMA: &str = "";
