//! The `agentos` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    // Whoever starts this may ignore the ends of its own children, which would be inherited.
    agentos::hear_of_children();
    agentos_cli::dispatch(std::env::args_os())
}
