//! `sqlite3`: the command line of SQLite over the library itself, compiled in.
//!
//! ```text
//!   arguments, standard input --split--> statements --rusqlite--> rows --modes--> output
//!                             \--> dot commands (tables, schema, dump, import, ...)
//! ```

#![forbid(unsafe_code)]

use agentos_tools_base::io;

mod commands;
mod dump;
mod import;
mod modes;
mod options;
mod shell;
mod split;

use std::ffi::OsString;

/// A tool: takes its arguments, `argv[0]` included, and returns its exit status.
pub type Applet = fn(Vec<OsString>) -> i32;

/// The tools of this crate by name, sorted by name.
pub const fn applets() -> &'static [(&'static str, Applet)] {
    &[("sqlite3", sqlite3)]
}

/// One line for each tool of this crate, for `help`: name and what follows it on the command line.
pub const fn synopses() -> &'static [(&'static str, &'static str)] {
    &[(
        "sqlite3",
        "[-header] [-csv|-json|-line|-column|-box] [FILE [SQL]...]   SQLite databases",
    )]
}

/// The applet.
pub fn sqlite3(args: Vec<OsString>) -> i32 {
    match options::parse(args) {
        options::Parsed::Run(options) => shell::run(*options),
        options::Parsed::Done(status) => status,
    }
}
