//! Values as JSON.
//!
//! Reading is plain; whoever wants compat tags revived does that afterwards. Writing puts tags for what JSON lacks, and
//! `$Undefined` and `$Set` only for readers that know them.

mod read;
mod write;

pub use read::parse;
pub(crate) use write::{string, write, write_array};
