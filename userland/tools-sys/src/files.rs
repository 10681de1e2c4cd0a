//! Tools that make, remove and change files.

mod mkdir;
mod rm;
pub(crate) mod times;
mod touch;

pub(crate) use mkdir::{mkdir, rmdir};
pub(crate) use rm::rm;
pub(crate) use touch::touch;
