//! The table of tools.

use crate::{
    awk, bc, column, ed, file, grep, hexdump, less, patch, rev, rg, sed, strings, terminal, timing, tree, xxd,
};
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
    "bc" bc::bc, "[-lq] [-e EXPRESSION] [FILE]...   calculate with any precision";
    "clear" terminal::clear, "clear the screen";
    "column" column::column, "[-t] [-s CHARS] [-o STRING] [-N NAMES] [FILE]...   lists and tables in columns";
    "ed" ed::ed, "[-s] [-E] [-p PROMPT] [FILE]   edit a file line by line";
    "egrep" grep::egrep, "[OPTION]... PATTERN [FILE]...   grep -E";
    "fgrep" grep::fgrep, "[OPTION]... STRING [FILE]...   grep -F";
    "file" file::file, "[-bi] [--mime-type] [-L] FILE...   what a file holds";
    "gawk" awk::awk, "see awk";
    "grep" grep::grep, "[-EFPivnwxcloqrHh] [-A N] [-B N] [-e PATTERN] PATTERN [FILE]...   print lines that match";
    "hd" hexdump::hexdump, "[OPTION]... [FILE]...   hexdump -C";
    "hexdump" hexdump::hexdump, "[-bcCdoxv] [-e FORMAT] [-n LENGTH] [-s OFFSET] [FILE]...   dump bytes";
    "less" less::less, "[-NSRFXie] [+COMMAND] [FILE]...   page through files";
    "more" less::more, "[FILE]...   page through files";
    "patch" patch::patch, "[-pN] [-R] [-N] [--dry-run] [-i FILE] [FILE]   apply a difference to files";
    "reset" terminal::reset, "reset the terminal";
    "rev" rev::rev, "[FILE]...   reverse each line";
    "rg" rg::rg, "[OPTION]... PATTERN [PATH]...   search directories recursively, honouring ignore files";
    "sed" sed::sed, "[-nEisz] [-e SCRIPT] [-f FILE] [SCRIPT] [FILE]...   edit a stream of lines";
    "strings" strings::strings, "[-n NUMBER] [-t o|d|x] [FILE]...   printable strings in binary files";
    "time" timing::time, "[-pv] [-f FORMAT] [-o FILE] COMMAND [ARG]...   measure a command";
    "tput" terminal::tput, "[-T TERM] CAPABILITY [PARAMETER]...   terminal capabilities";
    "tree" tree::tree, "[-adfpshDJ] [-L LEVEL] [-P PATTERN] [-I PATTERN] [DIRECTORY]...   draw a directory tree";
    "watch" timing::watch, "[-n SECS] [-d] [-t] [-g] [-e] COMMAND   run a command again and again";
    "xxd" xxd::xxd, "[-r] [-p] [-i] [-c COLUMNS] [-l LENGTH] [-s OFFSET] [FILE [FILE]]   hexadecimal dump, or back";
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_are_sorted() {
        assert!(super::APPLETS.is_sorted_by(|a, b| a.0 < b.0));
    }
}
