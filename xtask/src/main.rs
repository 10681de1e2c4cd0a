//! Chores of the repository, run as `cargo xtask`.

#![forbid(unsafe_code)]
// A command-line program talks through standard output.
#![allow(clippy::print_stdout)]

mod error;
mod inspector;
mod run;
mod userland;

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.first().map(String::as_str) {
        Some("inspector") => inspector::dispatch(&args),
        _ => userland::dispatch(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
