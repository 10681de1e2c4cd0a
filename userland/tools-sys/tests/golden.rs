//! The golden cases of this crate's tools; see the crate `agentos-golden`.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use agentos_golden::Applet;
use agentos_tools_sys::{applets, small};

fn main() -> ExitCode {
    let mut names: Vec<&str> = applets().iter().map(|(name, _)| *name).chain(small::NAMES).collect();
    names.sort_unstable();
    names.dedup();
    let tools: Vec<(&str, Applet)> = names.into_iter().map(|name| (name, play as Applet)).collect();
    agentos_golden::main(&tools, concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases"))
}

/// Runs the tool that `argv[0]` names. What a small tool leaves to the complete one is done by that.
fn play(args: Vec<OsString>) -> i32 {
    let name = args
        .first()
        .and_then(|name| Path::new(name).file_name()?.to_str())
        .unwrap_or_default()
        .to_owned();
    if let Some(status) = small::find(&name).and_then(|tool| tool(&args)) {
        return status;
    }
    let found = applets().iter().find(|(tool, _)| *tool == name);
    found.map_or(127, |(_, applet)| applet(args))
}
