//! Where the input of a call comes from: one of the JSON forms, flags, or standard input.

use super::Input;
use super::io::{self, Doomed, Read};
use super::reply::{Code, Reply};
use crate::flags;
use crate::kits::CheckedTool;
use crate::names::cut;
use agentos_kernel::process::Process;
use agentos_kernel::{Errno, LimitExceeded};

/// Longest piece of a path that is repeated, in bytes.
const QUOTE: usize = 200;

/// The input as the guest gives it; `args` is what follows the name of the tool.
pub(super) async fn text(process: &Process, tool: &CheckedTool, args: &[&str]) -> Result<Result<Input, Reply>, Doomed> {
    let max = process.kernel().limits().max_tool_input_bytes;
    let (form, rest) = match json_form(args) {
        Ok(form) => form,
        Err(reply) => return Ok(Err(reply)),
    };
    match form {
        Some(_) if !rest.is_empty() => {
            let message = "--json and --json-file cannot be combined with one another or with other flags";
            Ok(Err(Reply::invalid(message)))
        }
        Some(Form::Text(text)) if text.len() as u64 > max => Ok(Err(too_large(process, text.len() as u64))),
        Some(Form::Text(text)) => Ok(Ok(Input::Text(text.as_bytes().to_vec()))),
        Some(Form::File(path)) => {
            let read = io::read_file(process, path, capped(max)).await?;
            let name = format!("--json-file {}", cut(path, QUOTE));
            Ok(taken(process, &name, read, max).map(Input::Text))
        }
        None if !rest.is_empty() => Ok(from_flags(process, tool, args, max)),
        None => standard_input(process, tool, max).await,
    }
}

enum Form<'a> {
    Text(&'a str),
    File(&'a str),
}

/// The JSON form among the arguments, and all other arguments.
fn json_form<'a>(args: &[&'a str]) -> Result<(Option<Form<'a>>, Vec<&'a str>), Reply> {
    let (mut form, mut rest) = (None, Vec::new());
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (name, attached) = match arg.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (*arg, None),
        };
        if !matches!(name, "--json" | "--json-file") {
            rest.push(*arg);
            continue;
        }
        let Some(value) = attached.or_else(|| args.next().copied()) else {
            return Err(Reply::invalid(format!("Flag {name} needs a value")));
        };
        if form.is_some() {
            rest.push(*arg);
        }
        form = Some(if name == "--json" {
            Form::Text(value)
        } else {
            Form::File(value)
        });
    }
    Ok((form, rest))
}

fn from_flags(process: &Process, tool: &CheckedTool, args: &[&str], max: u64) -> Result<Input, Reply> {
    let size: u64 = args.iter().map(|arg| arg.len() as u64).sum();
    if size > max {
        return Err(too_large(process, size));
    }
    flags::read(tool.fields(), args)
        .map(Input::Flags)
        .map_err(Reply::invalid)
}

async fn standard_input(process: &Process, tool: &CheckedTool, max: u64) -> Result<Result<Input, Reply>, Doomed> {
    let nothing = || from_flags(process, tool, &[], max);
    // A terminal has somebody at it who was not asked for anything.
    if process.terminal(io::STDIN).is_ok() || process.file(io::STDIN).is_err() {
        return Ok(nothing());
    }
    let read = io::read(process, io::STDIN, capped(max)).await?;
    Ok(match taken(process, "standard input", read, max) {
        Ok(text) if text.iter().all(u8::is_ascii_whitespace) => nothing(),
        Ok(text) => Ok(Input::Text(text)),
        Err(reply) => Err(reply),
    })
}

fn taken(process: &Process, source: &str, read: Read, max: u64) -> Result<Vec<u8>, Reply> {
    match read {
        Read::Whole(text) => Ok(text),
        // What lies beyond is not read.
        Read::TooMuch => Err(too_large(process, max.saturating_add(1))),
        Read::NoMemory => Err(no_memory(process)),
        Read::Failed(error) => Err(Reply::invalid(format!("{source} cannot be read: {error}"))),
    }
}

fn too_large(process: &Process, observed: u64) -> Reply {
    let path = "limits.tools.maxToolInputBytes";
    let capacity = process.kernel().limits().max_tool_input_bytes;
    let limit = LimitExceeded::new(path, "bytes", observed, capacity, "tool", Errno::E2BIG);
    process.kernel().audit().limit_exceeded(&limit, Some(process.pid()));
    Reply::limit(Code::Validation, &limit)
}

/// The VM has no memory left for what a call holds.
pub(super) fn no_memory(process: &Process) -> Reply {
    let usage = process.kernel().usage();
    let memory = usage.memory;
    Reply::limit(
        Code::Execution,
        &memory.exceeded(memory.used().saturating_add(1), "tool"),
    )
}

fn capped(max: u64) -> usize {
    usize::try_from(max).unwrap_or(usize::MAX)
}
