//! One process of a tool, from its arguments to its exit code.
//!
//! ```text
//!   arguments ─▶ kit, tool ─▶ policy ─▶ text of the input ─▶ slot ─▶ parse, check ─▶ function ─▶ line ─▶ exit code
//! ```
//!
//! The text of the input comes from the guest at the guest's pace, and the line goes to it at its pace; a slot is held only
//! between them, so that a guest that does not read or write holds up nobody's call. Everything before the function may be
//! undone at any moment by a signal, and a call that has to end drops its function's future.

mod input;
mod invoke;
mod io;
mod reply;
mod slots;

pub(crate) use slots::Slots;

use crate::context::unless;
use crate::executor::Shared;
use crate::help;
use crate::kits::{CheckedTool, Command, Kit};
use agentos_kernel::process::{Gate, Process};
use io::Doomed;
use reply::{Code, Reply};
use serde_json::Value;
use std::future::poll_fn;

/// What a process prints.
enum Answer {
    /// Text for people; exit code 0.
    Text(String),
    /// One line of JSON, and its exit code.
    Reply(Reply),
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// Runs a process and gives its exit code; none if it has to end for another reason.
pub(crate) async fn run(shared: &Shared, command: Command, process: &Process) -> Option<u8> {
    if poll_fn(|cx| process.gate(Some(cx.waker()))).await == Gate::Die {
        return None;
    }
    let work = async {
        let answer = answer(shared, command, process).await?;
        deliver(process, answer).await
    };
    let ended = unless(|cx| process.poll_doomed(cx.waker()), work).await;
    ended.ok()?.ok()
}

async fn answer(shared: &Shared, command: Command, process: &Process) -> Result<Answer, Doomed> {
    let argv = process.argv();
    let Some(args) = texts(argv.get(1..).unwrap_or_default()) else {
        return Ok(Reply::invalid("Arguments must be UTF-8").into());
    };
    match command {
        Command::Index => Ok(index(shared, &args)),
        Command::Kit(at) => match shared.kits.kits.get(at) {
            Some(kit) => of_kit(shared, kit, &args, process).await,
            None => Ok(Reply::unknown("This kit does not exist").into()),
        },
    }
}

fn texts(argv: &[Vec<u8>]) -> Option<Vec<&str>> {
    argv.iter().map(|arg| std::str::from_utf8(arg).ok()).collect()
}

/// `agentos`.
fn index(shared: &Shared, args: &[&str]) -> Answer {
    let (json, words): (Vec<&str>, Vec<&str>) = args.iter().partition(|arg| **arg == "--json");
    let all: Vec<&Kit> = shared.kits.kits.iter().collect();
    let listed = |kits: &[&Kit], text: String| match json.is_empty() {
        true => Answer::Text(text),
        false => Reply::ok(&help::listing(kits)).into(),
    };
    match words.as_slice() {
        [] | ["--help" | "-h" | "help"] => Answer::Text(help::USAGE.to_owned()),
        ["list-tools", rest @ ..] if rest.iter().any(|word| is_help(word)) => Answer::Text(help::USAGE.to_owned()),
        ["list-tools"] => listed(&all, help::index(&shared.kits)),
        ["list-tools", name] => match all.iter().find(|kit| *kit.name == **name) {
            Some(kit) => listed(&[*kit], help::kit(kit)),
            None => Reply::unknown(format!(
                "Unknown kit. Available kits: {}",
                names(all.iter().map(|kit| &*kit.name))
            ))
            .into(),
        },
        ["list-tools", ..] => Reply::invalid("Usage: agentos list-tools [kit] [--json]").into(),
        _ => Reply::invalid("Unknown command. Usage: agentos list-tools [kit] [--json]").into(),
    }
}

/// `agentos-{kit}`.
async fn of_kit(shared: &Shared, kit: &Kit, args: &[&str], process: &Process) -> Result<Answer, Doomed> {
    let (name, flags) = match args {
        [] => return Ok(Answer::Text(help::kit(kit))),
        [word, ..] if is_help(word) => return Ok(Answer::Text(help::kit(kit))),
        [name, flags @ ..] => (*name, flags),
    };
    let Some(tool) = kit.tool(name) else {
        let known = names(kit.tools.iter().map(|tool| &*tool.name));
        return Ok(Reply::unknown(format!("Unknown tool in kit {}. Available tools: {known}", kit.name)).into());
    };
    if asks_for_help(tool, flags) {
        return Ok(Answer::Text(help::tool(kit, tool)));
    }
    let resource = format!("{}:{}", kit.name, tool.name);
    if let Err(error) = process.may_invoke(&resource) {
        process.note_denial(&error);
        return Ok(Reply::denied(&resource).into());
    }
    let reply = match input::text(process, tool, flags).await? {
        Ok(input) => invoke::invoke(shared, (kit, tool), input, process).await?,
        Err(reply) => reply,
    };
    Ok(reply.into())
}

/// Whether one of the arguments asks for help, and is not the value of a flag.
fn asks_for_help(tool: &CheckedTool, args: &[&str]) -> bool {
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if is_help(arg) {
            return true;
        }
        let takes_value = arg.strip_prefix("--").is_some_and(|name| {
            let field = tool.fields().iter().find(|field| field.flag.as_deref() == Some(name));
            matches!(name, "json" | "json-file") || field.is_some_and(|field| !field.is_switch())
        });
        if takes_value {
            args.next();
        }
    }
    false
}

fn is_help(word: &str) -> bool {
    matches!(word, "--help" | "-h")
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

/// Prints an answer and gives the exit code.
async fn deliver(process: &Process, answer: Answer) -> Result<u8, Doomed> {
    match answer {
        Answer::Text(text) => match io::write(process, io::STDOUT, text.as_bytes()).await? {
            true => Ok(0),
            false => Ok(Code::Execution.exit()),
        },
        Answer::Reply(reply) => {
            let written = io::write(process, io::STDOUT, &reply.line).await?;
            if let Some((code, message)) = &reply.failure {
                // Who cannot be told on standard error is told by the line and the exit code.
                io::write(process, io::STDERR, format!("{message}\n").as_bytes()).await?;
                return Ok(code.exit());
            }
            Ok(if written { 0 } else { Code::Execution.exit() })
        }
    }
}

/// Input before it was checked.
enum Input {
    /// JSON, as text.
    Text(Vec<u8>),
    /// Read from flags.
    Flags(serde_json::Map<String, Value>),
}
