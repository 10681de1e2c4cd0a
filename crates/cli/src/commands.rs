//! `agentos commands`.

use crate::args::CommandsArgs;
use crate::error::{Error, Exit};
use crate::report;
use serde_json::json;

/// Prints the names of the commands that a VM has, one per line.
pub(crate) fn main(args: &CommandsArgs) -> Result<Exit, Error> {
    let commands = agentos::commands()?;
    if args.json {
        report::json(&json!(commands))?;
    } else {
        report::text(&commands.iter().map(|name| format!("{name}\n")).collect::<String>())?;
    }
    Ok(Exit::SUCCESS)
}
