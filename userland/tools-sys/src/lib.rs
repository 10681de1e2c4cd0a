//! Tools on files, identities, modes, processes and devices, each a function that the multicall program calls.
//!
//! [`small`] holds the tools that scripts spawn most, for a program of their own. Behaviour is that of the GNU tools;
//! the golden cases under `tests/cases` are recorded from them.

#![forbid(unsafe_code)]

mod access;
mod chmod;
mod chown;
mod clock;
mod date;
mod dates;
mod duration;
mod emacs;
mod files;
mod find;
mod glob;
mod human;
mod ls;
mod mode;
mod realpath;
mod screen;
pub mod small;
mod stat;
mod statfs;
mod users;
mod version;
mod walk;
mod write;
mod xargs;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;

use agentos_tools_base::io::complain;

/// A tool: takes its arguments, `argv[0]` included, and returns its exit status.
pub type Applet = fn(Vec<OsString>) -> i32;

/// The tools of this crate by name, sorted by name.
pub const fn applets() -> &'static [(&'static str, Applet)] {
    APPLETS
}

const APPLETS: &[(&str, Applet)] = &[
    ("chgrp", chown::chgrp),
    ("chmod", chmod::chmod),
    ("chown", chown::chown),
    ("cp", files::cp),
    ("date", date::date),
    ("dir", ls::dir),
    ("find", find::find),
    ("link", files::link),
    ("ln", files::ln),
    ("ls", ls::ls),
    ("mkdir", files::mkdir),
    ("mkfifo", files::mkfifo),
    ("mknod", files::mknod),
    ("mv", files::mv),
    ("readlink", realpath::readlink),
    ("realpath", realpath::realpath),
    ("rm", files::rm),
    ("rmdir", files::rmdir),
    ("stat", stat::stat),
    ("touch", files::touch),
    ("unlink", files::unlink),
    ("vdir", ls::vdir),
    ("xargs", xargs::xargs),
];

#[cfg(test)]
mod tests {
    #[test]
    fn tables_are_sorted() {
        assert!(super::applets().windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(super::small::NAMES.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

/// Reports a wrong command line in the words of GNU; returns `status`.
fn usage(tool: &str, message: impl Display, status: i32) -> i32 {
    complain(tool, message);
    try_help(tool, status)
}

/// Points to `--help`; returns `status`.
fn try_help(tool: &str, status: i32) -> i32 {
    let _ = writeln!(std::io::stderr(), "Try '{tool} --help' for more information.");
    status
}
