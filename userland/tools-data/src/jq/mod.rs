//! `jq`: the command line of jq around the jaq engine.
//!
//! ```text
//!   options --> program text, named values --> filter
//!   files --json::Reader / raw lines / slurp / stream--> inputs --filter--> values --json::write--> standard output
//! ```
//!
//! Inputs are read as they arrive. Where jaq words an error differently, [`errors`] restates it as jq would.

mod errors;
mod filter;
mod inputs;
mod options;
mod output;
mod paths;
mod table;

pub use filter::{Event, Next, Program, compile};

use crate::cli;
use crate::io::{complain, is_closed_pipe, reason, stdout};
use options::{Options, Parsed};
use output::Output;
use std::ffi::OsString;
use std::io::Write;

/// What an error says, in jq's words.
pub fn error_text(error: jaq_json::Error) -> String {
    errors::message(error).0
}

/// Bytes of the stack that filters may use: of the 1 MiB that this target's linker gives, the most that leaves room for what
/// a filter calls.
#[cfg(target_os = "wasi")]
const FILTER_STACK: usize = 900_000;

/// The applet.
pub fn jq(args: Vec<OsString>) -> i32 {
    #[cfg(target_os = "wasi")]
    jaq_core::limit_stack(FILTER_STACK);
    let options = match options::parse(args) {
        Parsed::Run(options) => options,
        Parsed::Help => return cli::help(options::HELP),
        Parsed::Version => {
            crate::io::print(b"jq-1.7.1\n");
            return 0;
        }
        Parsed::Wrong(message) => {
            if !message.is_empty() {
                complain("jq", message);
            }
            eprint!("{}", options::SHORT_HELP);
            return 2;
        }
    };
    let program = match compile(&options.program, &options.names()) {
        Ok(program) => program,
        Err(message) => {
            eprint!("{message}");
            return 3;
        }
    };
    let mut output = Output::new(&options, stdout());
    let status = run(&options, &program, &mut output);
    match output.writer.flush() {
        Err(error) if !is_closed_pipe(&error) => {
            complain("jq", format_args!("error: writing output failed: {}", reason(&error)));
            2
        }
        _ => status,
    }
}

fn run(options: &Options, program: &Program, output: &mut Output<'_>) -> i32 {
    let inputs = inputs::Inputs::new(options);
    let position = inputs.position();
    let failed = inputs.failed();
    let outcome = program.run(options.values(), inputs, options.null_input, |event| {
        output.event(event, &position)
    });
    let status = match outcome {
        Some(status) => status,
        None => output.status(),
    };
    if failed.get() != 0 && outcome.is_none() {
        failed.get()
    } else {
        status
    }
}
