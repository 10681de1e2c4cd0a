//! The table of tools.

use crate::{awk, grep, rg, sed};
use std::ffi::OsString;

/// A tool: takes its arguments, `argv[0]` included, and returns its exit status.
pub type Applet = fn(Vec<OsString>) -> i32;

/// The tools of this crate by name, sorted by name.
pub const fn applets() -> &'static [(&'static str, Applet)] {
    APPLETS
}

/// One line for each tool of this crate, for `help`: name and what follows it on the command line.
pub const fn synopses() -> &'static [(&'static str, &'static str)] {
    SYNOPSES
}

const APPLETS: &[(&str, Applet)] = &[
    ("awk", awk::awk),
    ("egrep", grep::egrep),
    ("fgrep", grep::fgrep),
    ("gawk", awk::awk),
    ("grep", grep::grep),
    ("rg", rg::rg),
    ("sed", sed::sed),
];

const SYNOPSES: &[(&str, &str)] = &[
    (
        "awk",
        "[-F FS] [-v VAR=VALUE] [-f FILE | PROGRAM] [FILE]...   scan records and process fields",
    ),
    ("egrep", "[OPTION]... PATTERN [FILE]...   grep -E"),
    ("fgrep", "[OPTION]... STRING [FILE]...   grep -F"),
    ("gawk", "see awk"),
    (
        "grep",
        "[-EFPivnwxcloqrHh] [-A N] [-B N] [-e PATTERN] PATTERN [FILE]...   print lines that match",
    ),
    (
        "sed",
        "[-nEisz] [-e SCRIPT] [-f FILE] [SCRIPT] [FILE]...   edit a stream of lines",
    ),
];
