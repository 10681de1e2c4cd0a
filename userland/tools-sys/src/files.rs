//! Tools that make, remove and change files.

mod mkdir;
mod rm;

pub(crate) use mkdir::{mkdir, rmdir};
pub(crate) use rm::rm;
