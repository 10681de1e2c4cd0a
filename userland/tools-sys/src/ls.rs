//! `ls`, `dir` and `vdir`.
//!
//! ```text
//! options  the command line
//! entry    what is known of a file, as little of it as the options need
//! list     operands, directories, recursion, order
//! long     the columns of -l
//! grid     several names in a line
//! quote    names as they are shown
//! color    LS_COLORS
//! ```

mod color;
mod entry;
mod grid;
mod list;
mod long;
mod options;
mod quote;

use std::ffi::OsString;

pub(crate) use long::{major, minor};
pub(crate) use quote::{Style, columns, quoted};

use options::{Format, Parsed};

/// `ls`.
pub(crate) fn ls(args: Vec<OsString>) -> i32 {
    run("ls", args, None)
}

/// `dir`: columns and escapes.
pub(crate) fn dir(args: Vec<OsString>) -> i32 {
    run("dir", args, Some(Format::Columns))
}

/// `vdir`: long and escapes.
pub(crate) fn vdir(args: Vec<OsString>) -> i32 {
    run("vdir", args, Some(Format::Long))
}

fn run(tool: &'static str, args: Vec<OsString>, format: Option<Format>) -> i32 {
    match options::parse(tool, args, format) {
        Parsed::Run(options, operands) => list::list(*options, &operands),
        Parsed::Done(status) => status,
    }
}
