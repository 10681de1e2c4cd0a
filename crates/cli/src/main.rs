//! The `agentos` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    agentos_cli::dispatch(std::env::args_os())
}
