//! Parsing command lines with clap, with errors in the words of GNU's `getopt_long`.
//!
//! This replaces the original's own wording (and colours): `sort: unrecognized option '--x'`, then a pointer to `--help`.

use crate::error::{UResult, USimpleError};

use clap::error::{ContextKind, ErrorKind};
use clap::{ArgMatches, Command, Error};

use std::error::Error as _;
use std::ffi::OsString;
use std::io::Write as _;

/// Parses; a wrong command line is told of and ends with status 1.
pub fn handle_clap_result<I, T>(cmd: Command, itr: I) -> UResult<ArgMatches>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    handle_clap_result_with_exit_code(cmd, itr, 1)
}

/// Parses, and keeps the command line for diagnostics that point into it, if they are on.
pub fn handle_clap_result_with_diagnostics(
    cmd: Command,
    args: Vec<OsString>,
    exit_code: i32,
) -> UResult<(ArgMatches, Option<Vec<OsString>>)> {
    let diag_args = crate::diagnostics::capture(&args);
    Ok((handle_clap_result_with_exit_code(cmd, args, exit_code)?, diag_args))
}

/// Parses; a wrong command line is told of and ends with this status.
pub fn handle_clap_result_with_exit_code<I, T>(cmd: Command, itr: I, exit_code: i32) -> UResult<ArgMatches>
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    cmd.try_get_matches_from(itr).map_err(|error| {
        if error.exit_code() == 0 {
            error.into()
        } else {
            report(&error);
            USimpleError::new(exit_code, "")
        }
    })
}

/// Tells of an error and ends with this status.
pub fn handle_clap_error_with_exit_code(error: Error, exit_code: i32) -> ! {
    let status = if error.exit_code() == 0 {
        print!("{}", error.render());
        0
    } else {
        report(&error);
        exit_code
    };
    std::process::exit(status);
}

/// Help without colours.
pub fn configure_localized_command(cmd: Command) -> Command {
    cmd.color(clap::ColorChoice::Never)
        .help_template(crate::localized_help_template_with_colors(crate::util_name(), false))
}

/// Kept for callers of the original.
pub struct ErrorFormatter<'a> {
    _util: &'a str,
}

impl<'a> ErrorFormatter<'a> {
    pub fn new(util: &'a str) -> Self {
        Self { _util: util }
    }

    /// Tells of an error; returns the status.
    pub fn print_error(&self, error: &Error, exit_code: i32) -> i32 {
        if error.exit_code() == 0 {
            print!("{}", error.render());
            return 0;
        }
        report(error);
        exit_code
    }

    /// Tells of an error, calls `callback` and ends.
    pub fn print_error_and_exit_with_callback<F>(&self, error: &Error, exit_code: i32, callback: F) -> !
    where
        F: FnOnce(),
    {
        let status = self.print_error(error, exit_code);
        callback();
        std::process::exit(status);
    }
}

fn report(error: &Error) {
    let util = crate::util_name();
    let _ = writeln!(
        std::io::stderr(),
        "{util}: {}\nTry '{util} --help' for more information.",
        message(error)
    );
}

/// What an option is called without its argument: `-n` of `-n <LINES>`, `--lines` of `--lines <LINES>`.
fn bare(option: &str) -> &str {
    option.split([' ', '=', '<', '[']).next().unwrap_or(option)
}

fn message(error: &Error) -> String {
    let text = |kind: ContextKind| error.get(kind).map(ToString::to_string);
    let argument = text(ContextKind::InvalidArg);
    match (error.kind(), argument) {
        (ErrorKind::UnknownArgument, Some(argument)) => match argument.strip_prefix('-') {
            Some(rest) if rest.starts_with('-') => format!("unrecognized option '{argument}'"),
            Some(rest) if !rest.is_empty() => {
                format!("invalid option -- '{}'", rest.chars().next().unwrap_or('?'))
            }
            _ => format!("extra operand '{argument}'"),
        },
        (ErrorKind::InvalidValue, Some(argument)) => {
            let value = text(ContextKind::InvalidValue).unwrap_or_default();
            let option = bare(&argument);
            if value.is_empty() {
                return missing(option);
            }
            let valid = text(ContextKind::ValidValue).unwrap_or_default();
            let list: String = valid.split(", ").filter(|v| !v.is_empty()).map(|v| format!("\n  - '{v}'")).collect();
            let list = if list.is_empty() { list } else { format!("\nValid arguments are:{list}") };
            format!("invalid argument '{value}' for '{option}'{list}")
        }
        (ErrorKind::ValueValidation, Some(argument)) => {
            let value = text(ContextKind::InvalidValue).unwrap_or_default();
            let why = error.source().map_or_else(String::new, |source| format!(": {source}"));
            format!("invalid argument '{value}' for '{}'{why}", bare(&argument))
        }
        (ErrorKind::TooManyValues, Some(argument)) => {
            format!("option '{}' doesn't allow an argument", bare(&argument))
        }
        (ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues | ErrorKind::NoEquals, Some(argument)) => {
            missing(bare(&argument))
        }
        (ErrorKind::ArgumentConflict, Some(argument)) => {
            let prior = text(ContextKind::PriorArg).unwrap_or_default();
            if prior.is_empty() {
                format!("option '{}' cannot be used here", bare(&argument))
            } else {
                format!("options '{}' and '{}' are mutually exclusive", bare(&argument), bare(&prior))
            }
        }
        (ErrorKind::MissingRequiredArgument, _) => "missing operand".to_owned(),
        _ => {
            let rendered = error.render().to_string();
            let line = rendered.lines().next().unwrap_or_default();
            line.strip_prefix("error: ").unwrap_or(line).to_owned()
        }
    }
}

fn missing(option: &str) -> String {
    match option.strip_prefix("--") {
        Some(_) => format!("option '{option}' requires an argument"),
        None => format!("option requires an argument -- '{}'", option.trim_start_matches('-')),
    }
}
