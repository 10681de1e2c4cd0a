//! Tools on files, identities, modes, processes and devices, each a function that the multicall program calls.
//!
//! [`small`] holds the tools that scripts spawn most, for a program of their own. Behaviour is that of the GNU tools;
//! the golden cases under `tests/cases` are recorded from them.

#![forbid(unsafe_code)]

mod access;
mod applets;
mod chmod;
mod chown;
mod clock;
mod compare;
mod date;
mod dates;
mod dd;
mod disk;
mod duration;
mod emacs;
mod files;
mod find;
mod glob;
mod human;
mod identity;
mod ls;
mod mode;
mod process;
mod realpath;
mod screen;
mod settings;
pub mod small;
mod sort;
mod stat;
mod statfs;
mod system;
mod tail;
mod terminal;
mod users;
mod version;
mod walk;
mod which;
mod write;
mod xargs;

pub use applets::{Applet, applets, synopses};

use std::fmt::Display;
use std::io::Write;

use agentos_tools_base::io::complain;

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
