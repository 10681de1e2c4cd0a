//! The table of tools.

use crate::{grep, sed};
use std::ffi::OsString;

/// A tool: takes its arguments, `argv[0]` included, and returns its exit status.
pub type Applet = fn(Vec<OsString>) -> i32;

/// The tools of this crate by name, sorted by name.
pub const fn applets() -> &'static [(&'static str, Applet)] {
    APPLETS
}

const APPLETS: &[(&str, Applet)] = &[
    ("egrep", grep::egrep),
    ("fgrep", grep::fgrep),
    ("grep", grep::grep),
    ("sed", sed::sed),
];
