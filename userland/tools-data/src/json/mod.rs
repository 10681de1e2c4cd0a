//! JSON text in and out, on the value type of the filter language.
//!
//! Reading keeps its own stack, so that nesting costs heap and not host stack, and refuses what is deeper than
//! [`DEPTH_LIMIT`]: values are walked recursively by everything else.

mod read;
mod write;

pub use read::Reader;
pub use write::{Style, number_text, write};

/// Deepest nesting accepted.
pub const DEPTH_LIMIT: usize = 512;
