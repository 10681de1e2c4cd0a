//! Tools that make, remove and change files.
//!
//! `target` says what operands mean and keeps backups, `copy` copies files and trees for `cp`, `mv` and `install`.

mod copy;
mod cp;
mod install;
mod ln;
mod mkdir;
mod mktemp;
mod mv;
mod node;
mod rm;
mod target;
pub(crate) mod times;
mod touch;

pub(crate) use cp::cp;
pub(crate) use install::install;
pub(crate) use ln::{between, link, ln, unlink};
pub(crate) use mkdir::{mkdir, rmdir};
pub(crate) use mktemp::mktemp;
pub(crate) use mv::mv;
pub(crate) use node::{mkfifo, mknod};
pub(crate) use rm::rm;
pub(crate) use target::{join, last};
pub(crate) use touch::touch;
