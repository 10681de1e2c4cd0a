//! `diff` and `cmp`.
//!
//! ```text
//! options   the command line of diff
//! text      files as lines, lines as numbers that are equal when the lines count as equal
//! script    which lines differ: the algorithm of Myers, and where runs of changes are put
//! output    normal, context, unified, ed, side by side
//! tree      directories
//! ```

mod bytes;
mod options;
mod output;
mod script;
mod side;
mod text;
mod tree;

use std::ffi::OsString;

pub(crate) use bytes::cmp;

/// `diff`.
pub(crate) fn diff(args: Vec<OsString>) -> i32 {
    match options::parse(args) {
        options::Parsed::Run(options, from, to) => tree::run(&options, &from, &to),
        options::Parsed::Done(status) => status,
    }
}
