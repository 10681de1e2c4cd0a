//! `help`: the commands there are, a line for each.

use std::ffi::OsString;
use std::io::Write;

use agentos_tools_sys::Applet;

use crate::coreutils;

/// The tool, as a table.
pub(crate) const APPLETS: &[(&str, Applet)] = &[("help", |args| help(&args))];

fn help(args: &[OsString]) -> i32 {
    let mut lines: Vec<(&str, &str)> = Vec::new();
    for table in [
        agentos_tools_sys::synopses(),
        agentos_tools_text::synopses(),
        agentos_tools_data::synopses(),
        agentos_tools_sqlite::synopses(),
        coreutils::SYNOPSES,
        OTHERS,
    ] {
        lines.extend(
            table
                .iter()
                .filter(|(name, _)| !lines.iter().any(|(known, _)| known == name))
                .collect::<Vec<_>>(),
        );
    }
    lines.sort_unstable();
    let wanted: Vec<&str> = args.iter().skip(1).filter_map(|arg| arg.to_str()).collect();
    let known = |name: &str| lines.iter().any(|(known, _)| *known == name);
    let mut text = String::new();
    for (name, synopsis) in lines
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.contains(name))
    {
        text.push_str(&format!("{name} {synopsis}\n"));
    }
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    let mut status = 0;
    for name in wanted.iter().filter(|name| !known(name)) {
        let _ = writeln!(std::io::stderr(), "help: no help for '{name}'");
        status = 1;
    }
    status
}

/// Commands that are programs of their own.
const OTHERS: &[(&str, &str)] = &[
    (
        "bash",
        "[-c COMMAND] [FILE [ARG]...]   the shell; `help` in it tells of its own commands",
    ),
    ("curl", "[OPTION]... URL...   fetch and send over HTTP; curl --help"),
    ("help", "[COMMAND]...   this list"),
    ("sh", "[-c COMMAND] [FILE [ARG]...]   the shell"),
    ("wget", "[OPTION]... URL...   fetch files over HTTP; wget --help"),
];
