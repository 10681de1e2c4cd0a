//! Finding and calling a tool.
//!
//! Names are looked up in several tables; the first that has a name wins, so that our own tools stand before those of
//! uutils where both exist.

use std::ffi::OsString;
use std::io::Write;

use agentos_tools_sys::Applet;

use crate::{commands, coreutils, help};

/// The tables, the one that wins first.
pub(crate) const TABLES: &[&[(&str, Applet)]] = &[
    agentos_tools_sys::applets(),
    agentos_tools_text::applets(),
    agentos_tools_data::applets(),
    agentos_tools_sqlite::applets(),
    coreutils::APPLETS,
    help::APPLETS,
];

/// Runs the tool that the command line names; returns its status.
pub(crate) fn run() -> i32 {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let mut name = agentos_guest::process::program_name(&args);
    if name == "box" && args.len() > 1 {
        args.remove(0);
        name = agentos_guest::process::program_name(&args);
        uucore::set_utility_is_second_arg();
    }
    if name == "box" || name == "--list" {
        return list();
    }
    let Some(applet) = find(&name) else {
        let _ = writeln!(std::io::stderr(), "box: {name}: no such tool");
        return 127;
    };
    let status = applet(args);
    // A reader that went away is no failure of the tool.
    let _ = std::io::stdout().flush();
    status
}

fn find(name: &str) -> Option<Applet> {
    TABLES.iter().find_map(|table| {
        let at = table.binary_search_by(|(tool, _)| (*tool).cmp(name)).ok()?;
        table.get(at).map(|(_, applet)| *applet)
    })
}

fn list() -> i32 {
    let mut names: Vec<&str> = TABLES
        .iter()
        .flat_map(|table| table.iter().map(|(name, _)| *name))
        .collect();
    names.sort_unstable();
    names.dedup();
    let _ = writeln!(std::io::stdout(), "{}", names.join("\n"));
    0
}

agentos_guest::commands_of!(commands::NAMES);
