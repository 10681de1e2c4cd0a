//! `process_start` and what is done with the processes that it started.

use super::exec::{Kept, argv};
use super::{Call, Effect, Entry, Reply, absolute, entry};
use crate::computer::{Command, Log, Started};
use crate::failure::{Exceeded, Failure};
use crate::limits::{OUTPUT_BYTES, bounded, millis};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

pub(super) fn entries() -> Vec<Entry> {
    vec![
        entry(
            "process_start",
            "Start a process",
            "Start a command in the VM that goes on by itself, such as a server, and return its process id at once. Read \
             what it writes with process_output.",
            Effect::Changes,
            start,
        ),
        entry(
            "process_status",
            "List started processes",
            "Say which of the processes that process_start started run, and how the others ended.",
            Effect::Reads,
            status,
        ),
        entry(
            "process_output",
            "Read a process's output",
            "Return what a started process wrote, from a position on. With waitMs the call waits until there is something \
             new or the process has ended; pass the positions of the last result to get only what is new.",
            Effect::Reads,
            output,
        ),
        entry(
            "process_input",
            "Write to a process",
            "Write to the standard input of a started process, or close it.",
            Effect::Changes,
            write_input,
        ),
        entry(
            "process_kill",
            "Stop a process",
            "Send a signal to a started process and its descendants, SIGTERM unless told otherwise.",
            Effect::Changes,
            kill,
        ),
    ]
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Start {
    /// A line for the VM's shell.
    command: Option<String>,
    /// A program and its arguments.
    argv: Option<Vec<String>>,
    /// Directory to start in; the VM's working directory unless given.
    cwd: Option<String>,
    /// Environment variables besides the VM's.
    env: Option<BTreeMap<String, String>>,
}

/// A process that was started.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Process {
    /// Process id, for the other tools.
    pid: u32,
    /// Program and arguments.
    argv: Vec<String>,
    /// Whether it runs.
    running: bool,
    /// Exit code once it has ended; 128 + n after signal n.
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<i32>,
}

impl From<Started> for Process {
    fn from(started: Started) -> Self {
        Self {
            pid: started.pid,
            argv: started.argv,
            running: started.exit_code.is_none(),
            exit_code: started.exit_code,
        }
    }
}

impl Process {
    fn told(&self) -> String {
        match self.exit_code {
            None => format!("process {} runs: {}", self.pid, self.argv.join(" ")),
            Some(code) => format!("process {} has ended with {code}: {}", self.pid, self.argv.join(" ")),
        }
    }
}

async fn start(call: Call, input: Start) -> Result<Reply<Process>, Failure> {
    let argv = argv(input.command, input.argv)?;
    let command = Command {
        argv: argv.clone(),
        cwd: input.cwd.map(|cwd| absolute(&call, "cwd", &cwd)).transpose()?,
        env: input.env.unwrap_or_default(),
        ..Command::default()
    };
    let pid = call.vm.start(command).await?;
    let process = Process {
        pid,
        argv,
        running: true,
        exit_code: None,
    };
    Ok(Reply::text(format!("started process {pid}"), process))
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Status {
    /// Only this process.
    pid: Option<u32>,
}

/// Started processes.
#[derive(Serialize, JsonSchema)]
struct Processes {
    /// All that are remembered, the oldest first.
    processes: Vec<Process>,
}

async fn status(call: Call, input: Status) -> Result<Reply<Processes>, Failure> {
    let processes: Vec<Process> = match input.pid {
        Some(pid) => vec![
            call.vm
                .log(pid, (u64::MAX, u64::MAX), Duration::ZERO)
                .await?
                .process
                .into(),
        ],
        None => call.vm.started().await?.into_iter().map(Process::from).collect(),
    };
    let lines: Vec<String> = processes.iter().map(Process::told).collect();
    let text = match lines.is_empty() {
        true => "no process was started".to_owned(),
        false => lines.join("\n"),
    };
    Ok(Reply::text(text, Processes { processes }))
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Output {
    /// The process.
    pid: u32,
    /// Position in standard output from which to read; 0, its beginning, unless given.
    stdout_from: Option<u64>,
    /// Position in standard error from which to read; 0 unless given.
    stderr_from: Option<u64>,
    /// Wait this long for something new; 0 unless given.
    wait_ms: Option<u64>,
    /// Bytes of each stream that are returned, its beginning and its end; 65536 unless given.
    #[schemars(range(min = 1))]
    max_output_bytes: Option<u64>,
}

/// What a process wrote.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Written {
    #[serde(flatten)]
    process: Process,
    /// Standard output from the position on.
    stdout: String,
    /// Standard error from the position on.
    stderr: String,
    /// Position after `stdout`, for the next call.
    stdout_next: u64,
    /// Position after `stderr`, for the next call.
    stderr_next: u64,
    /// Output that is not returned, a line for each stream that is cut or of which the beginning is not kept any more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    truncated: Vec<Exceeded>,
}

async fn output(call: Call, input: Output) -> Result<Reply<Written>, Failure> {
    let cap = bounded(
        "maxOutputBytes",
        "mcp.maxOutputBytes",
        input.max_output_bytes,
        OUTPUT_BYTES,
        call.limits.max_output_bytes,
    )?;
    let wait = bounded(
        "waitMs",
        "mcp.maxWaitMs",
        input.wait_ms,
        0,
        millis(call.limits.max_wait),
    )?;
    call.progress.total(Duration::from_millis(wait));
    let from = (input.stdout_from.unwrap_or(0), input.stderr_from.unwrap_or(0));
    let log = call.vm.log(input.pid, from, Duration::from_millis(wait)).await?;
    let mut truncated = Vec::new();
    let stdout = part(&log.stdout, from.0, cap, "stdout", &mut truncated);
    let stderr = part(&log.stderr, from.1, cap, "stderr", &mut truncated);
    let written = Written {
        process: log.process.into(),
        stdout,
        stderr,
        stdout_next: log.stdout.end(),
        stderr_next: log.stderr.end(),
        truncated,
    };
    Ok(Reply::text(told(&written), written))
}

/// The part of a stream that a call gets, and what it does not.
fn part(log: &Log, from: u64, cap: u64, field: &'static str, truncated: &mut Vec<Exceeded>) -> String {
    let lost = log.start.saturating_sub(from);
    if lost > 0 {
        let kept = log.data.len() as u64;
        truncated.push(Exceeded::new(
            "mcp.maxProcessLogBytes",
            kept.saturating_add(lost),
            kept,
            field,
        ));
    }
    let skip = usize::try_from(from.saturating_sub(log.start)).unwrap_or(usize::MAX);
    let mut kept = Kept::new(cap);
    kept.add(log.data.get(skip..).unwrap_or_default());
    truncated.extend(kept.notice(field));
    kept.text()
}

fn told(written: &Written) -> String {
    let mut text = written.stdout.clone();
    let mut section = |line: std::fmt::Arguments<'_>| {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let _ = text.write_fmt(line);
    };
    if !written.stderr.is_empty() {
        section(format_args!("[stderr]\n{}", written.stderr));
    }
    for cut in &written.truncated {
        section(format_args!("[{cut}; part of it is left out]"));
    }
    section(format_args!("[{}]", written.process.told()));
    text
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Input {
    /// The process.
    pid: u32,
    /// What to write.
    text: Option<String>,
    /// The same as base64, for what is no text.
    base64: Option<String>,
    /// Close its standard input afterwards.
    close: Option<bool>,
}

async fn write_input(call: Call, input: Input) -> Result<Reply<Process>, Failure> {
    let data = match (input.text, input.base64) {
        (Some(_), Some(_)) => {
            return Err(Failure::argument(
                "base64",
                "text is given as well; give one of the two",
            ));
        }
        (Some(text), None) => Bytes::from(text),
        (None, Some(text)) => decoded("base64", &text)?,
        (None, None) if input.close == Some(true) => Bytes::new(),
        (None, None) => return Err(Failure::argument("text", "is missing; give text, base64, or close")),
    };
    let length = data.len();
    call.vm.write_stdin(input.pid, data, input.close == Some(true)).await?;
    let log = call.vm.log(input.pid, (u64::MAX, u64::MAX), Duration::ZERO).await?;
    let process = Process::from(log.process);
    Ok(Reply::text(
        format!("wrote {length} bytes to process {}", process.pid),
        process,
    ))
}

/// Bytes of an argument in base64.
pub(super) fn decoded(field: &'static str, text: &str) -> Result<Bytes, Failure> {
    let decoded = STANDARD
        .decode(text.trim())
        .map_err(|error| Failure::argument(field, format_args!("is no base64: {error}")));
    decoded.map(Bytes::from)
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kill {
    /// The process.
    pid: u32,
    /// Name of the signal, for example SIGTERM, SIGKILL or SIGINT; SIGTERM unless given.
    signal: Option<String>,
    /// Wait this long for its end; 2000 unless given.
    wait_ms: Option<u64>,
}

async fn kill(call: Call, input: Kill) -> Result<Reply<Process>, Failure> {
    let wait = bounded(
        "waitMs",
        "mcp.maxWaitMs",
        input.wait_ms,
        2000,
        millis(call.limits.max_wait),
    )?;
    let signal = input.signal.unwrap_or_else(|| "SIGTERM".to_owned());
    call.vm.signal(input.pid, signal).await?;
    // Nothing is new but its end.
    let seen = (u64::MAX, u64::MAX);
    let log = call.vm.log(input.pid, seen, Duration::from_millis(wait)).await?;
    let process = Process::from(log.process);
    Ok(Reply::text(process.told(), process))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_says_what_is_missing() {
        let log = Log {
            start: 10,
            data: Bytes::from_static(b"0123456789"),
        };
        let mut truncated = Vec::new();
        assert_eq!(part(&log, 15, 100, "stdout", &mut truncated), "56789");
        assert_eq!(part(&log, 99, 100, "stdout", &mut truncated), "");
        assert!(truncated.is_empty());
        assert_eq!(part(&log, 0, 100, "stdout", &mut truncated), "0123456789");
        assert_eq!(truncated, [Exceeded::new("mcp.maxProcessLogBytes", 20, 10, "stdout")]);
    }
}
