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

macro_rules! tools {
    ($($name:literal $run:path, $synopsis:literal;)*) => {
        const APPLETS: &[(&str, Applet)] = &[$(($name, $run)),*];
        const SYNOPSES: &[(&str, &str)] = &[$(($name, $synopsis)),*];
    };
}

tools! {
    "awk" awk::awk, "[-F FS] [-v VAR=VALUE] [-f FILE | PROGRAM] [FILE]...   scan records and process fields";
    "egrep" grep::egrep, "[OPTION]... PATTERN [FILE]...   grep -E";
    "fgrep" grep::fgrep, "[OPTION]... STRING [FILE]...   grep -F";
    "gawk" awk::awk, "see awk";
    "grep" grep::grep, "[-EFPivnwxcloqrHh] [-A N] [-B N] [-e PATTERN] PATTERN [FILE]...   print lines that match";
    "rg" rg::rg, "[OPTION]... PATTERN [PATH]...   search directories recursively, honouring ignore files";
    "sed" sed::sed, "[-nEisz] [-e SCRIPT] [-f FILE] [SCRIPT] [FILE]...   edit a stream of lines";
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_sorted() {
        assert!(super::APPLETS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
