//! The most spawned tools in a very small program; it becomes the multicall program for an option that it does not know.

use std::ffi::OsString;
use std::io::Write;

use agentos_tools_sys::small;

/// The program that has the complete tools.
const COMPLETE: &str = "/usr/bin/box";

fn main() {
    std::process::exit(run());
}

fn run() -> i32 {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    let mut name = agentos_guest::process::program_name(&args);
    if name == "tiny" && args.len() > 1 {
        args.remove(0);
        name = agentos_guest::process::program_name(&args);
    }
    match small::find(&name).and_then(|tool| tool(&args)) {
        Some(status) => status,
        None => complete(&name, &args),
    }
}

/// Becomes the multicall program.
fn complete(name: &str, args: &[OsString]) -> i32 {
    let mut program = agentos_guest::process::Spawn::new(COMPLETE);
    program
        .arg(name)
        .args(args.iter().skip(1))
        .inherit_env()
        .inherit_descriptors();
    let error = program.exec();
    let _ = writeln!(std::io::stderr(), "{name}: {COMPLETE}: {error}");
    126
}

agentos_guest::commands_of!(small::NAMES);
