//! `exec`: a command to its end.

use super::{Call, Effect, Entry, Reply, absolute, entry};
use crate::computer::{Command, OnOutput};
use crate::failure::{Exceeded, Failure};
use crate::limits::{OUTPUT_BYTES, TIMEOUT, bounded, millis};
use agentos::Stream;
use bytes::Bytes;
use parking_lot::Mutex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) fn entries() -> Vec<Entry> {
    vec![entry(
        "exec",
        "Run a command",
        "Run a command in the VM to its end and return its exit code and output. Give either `command`, a line for sh, or \
         `argv`, a program with arguments that no shell touches. Cancelling the call kills the command. For servers and \
         everything that goes on use process_start.",
        Effect::Changes,
        exec,
    )]
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Exec {
    /// A line for the VM's shell, for example "ls | sort".
    command: Option<String>,
    /// A program and its arguments, for example ["ls", "-l"].
    argv: Option<Vec<String>>,
    /// Directory to start in; the VM's working directory unless given.
    cwd: Option<String>,
    /// Environment variables besides the VM's.
    env: Option<BTreeMap<String, String>>,
    /// What the command reads from standard input.
    stdin: Option<String>,
    /// Stop the command after this time; 120000 unless given.
    #[schemars(range(min = 1))]
    timeout_ms: Option<u64>,
    /// Bytes of each output stream that are returned, its beginning and its end; 65536 unless given.
    #[schemars(range(min = 1))]
    max_output_bytes: Option<u64>,
}

/// What a command left behind.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Executed {
    /// Exit code; 128 + n after signal n, 124 after the timeout.
    exit_code: i32,
    /// Standard output.
    stdout: String,
    /// Standard error.
    stderr: String,
    /// Whether the timeout ended it.
    timed_out: bool,
    /// Time that it took.
    duration_ms: u64,
    /// Output that is not returned, a line for each stream that is cut.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    truncated: Vec<Exceeded>,
    /// The limit of the VM for which it was killed, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<Exceeded>,
}

async fn exec(call: Call, input: Exec) -> Result<Reply<Executed>, Failure> {
    let cap = bounded(
        "maxOutputBytes",
        "mcp.maxOutputBytes",
        input.max_output_bytes,
        OUTPUT_BYTES,
        call.limits.max_output_bytes,
    )?;
    let most = millis(call.limits.max_timeout);
    let timeout = bounded("timeoutMs", "mcp.maxTimeoutMs", input.timeout_ms, millis(TIMEOUT), most)?;
    let timeout = Duration::from_millis(timeout);
    let command = Command {
        argv: argv(input.command, input.argv)?,
        cwd: input.cwd.map(|cwd| absolute(&call, "cwd", &cwd)).transpose()?,
        env: input.env.unwrap_or_default(),
        stdin: input.stdin.map(Bytes::from),
        timeout: Some(timeout),
    };
    call.progress.total(timeout);
    let kept = Arc::new(Mutex::new([Kept::new(cap), Kept::new(cap)]));
    let start = Instant::now();
    let ended = call.vm.exec(command, tap(&call, &kept)).await?;
    let [stdout, stderr] = &*kept.lock();
    let streams = [("stdout", stdout), ("stderr", stderr)];
    let executed = Executed {
        exit_code: ended.exit_code,
        stdout: stdout.text(),
        stderr: stderr.text(),
        timed_out: ended.timed_out,
        duration_ms: millis(start.elapsed()),
        truncated: streams
            .into_iter()
            .filter_map(|(name, kept)| kept.notice(name))
            .collect(),
        limit: ended.limit,
    };
    Ok(Reply::text(told(&executed, timeout), executed))
}

/// Keeps what is written, and shows it as progress.
fn tap(call: &Call, kept: &Arc<Mutex<[Kept; 2]>>) -> OnOutput {
    let (progress, kept) = (call.progress.clone(), Arc::clone(kept));
    Box::new(move |stream, data| {
        progress.output(&data);
        kept.lock()[usize::from(stream == Stream::Stderr)].add(&data);
    })
}

/// The words to run.
pub(super) fn argv(command: Option<String>, argv: Option<Vec<String>>) -> Result<Vec<String>, Failure> {
    match (command, argv) {
        (Some(command), None) if command.trim().is_empty() => {
            Err(Failure::argument("command", "expected a line for sh, got an empty one"))
        }
        (Some(command), None) => Ok(vec!["sh".to_owned(), "-c".to_owned(), command]),
        (None, Some(argv)) if argv.first().is_none_or(String::is_empty) => Err(Failure::argument(
            "argv",
            "expected a program and its arguments, got no program",
        )),
        (None, Some(argv)) => Ok(argv),
        (Some(_), Some(_)) => Err(Failure::argument(
            "argv",
            "command is given as well; give one of the two",
        )),
        (None, None) => Err(Failure::argument(
            "command",
            "is missing; give command, a line for sh, or argv, a list of words",
        )),
    }
}

/// What a model reads.
fn told(executed: &Executed, timeout: Duration) -> String {
    let mut text = executed.stdout.clone();
    let mut section = |line: std::fmt::Arguments<'_>| {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let _ = text.write_fmt(line);
    };
    if !executed.stderr.is_empty() {
        section(format_args!("[stderr]\n{}", executed.stderr));
    }
    for cut in &executed.truncated {
        section(format_args!("[{cut}; its middle is left out]"));
    }
    if let Some(limit) = &executed.limit {
        section(format_args!("[killed: {limit}]"));
    }
    match executed.timed_out {
        true => section(format_args!(
            "[stopped after {} ms, exit code {}]",
            timeout.as_millis(),
            executed.exit_code
        )),
        false => section(format_args!("[exit code {}]", executed.exit_code)),
    }
    text
}

/// The beginning and the end of a stream.
#[derive(Debug)]
pub(super) struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    cap: usize,
    seen: u64,
}

impl Kept {
    pub(super) fn new(cap: u64) -> Self {
        Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            cap: usize::try_from(cap).unwrap_or(usize::MAX),
            seen: 0,
        }
    }

    pub(super) fn add(&mut self, data: &[u8]) {
        self.seen = self.seen.saturating_add(data.len() as u64);
        let half = self.cap.div_ceil(2);
        let room = half.saturating_sub(self.head.len()).min(data.len());
        let (head, rest) = data.split_at(room);
        self.head.extend_from_slice(head);
        // Only the end of what comes can be kept.
        let most = self.cap - half;
        let rest = rest.get(rest.len().saturating_sub(most)..).unwrap_or_default();
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(most);
        self.tail.drain(..over);
    }

    fn is_cut(&self) -> bool {
        self.seen > self.cap as u64
    }

    pub(super) fn notice(&self, field: &str) -> Option<Exceeded> {
        let cut = Exceeded::new("maxOutputBytes", self.seen, self.cap as u64, field);
        self.is_cut().then_some(cut)
    }

    pub(super) fn text(&self) -> String {
        let tail: Vec<u8> = self.tail.iter().copied().collect();
        if !self.is_cut() {
            return String::from_utf8_lossy(&[&self.head[..], &tail].concat()).into_owned();
        }
        let missing = self.seen - self.cap as u64;
        let (head, tail) = (String::from_utf8_lossy(&self.head), String::from_utf8_lossy(&tail));
        format!("{head}\n[... {missing} bytes left out ...]\n{tail}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_of_a_stream_are_kept_however_it_comes() {
        let all: Vec<u8> = (0..100_u8).collect();
        for size in [1, 3, 7, 50, 100] {
            let mut kept = Kept::new(10);
            all.chunks(size).for_each(|chunk| kept.add(chunk));
            assert_eq!(kept.head, [0, 1, 2, 3, 4], "{size}");
            assert_eq!(kept.tail, [95, 96, 97, 98, 99], "{size}");
            assert_eq!(
                kept.notice("stdout"),
                Some(Exceeded::new("maxOutputBytes", 100, 10, "stdout"))
            );
        }
    }

    #[test]
    fn what_fits_is_whole() {
        for size in 0..=10 {
            let mut kept = Kept::new(10);
            kept.add(&b"abcdefghij"[..size]);
            assert_eq!(kept.text(), "abcdefghij"[..size]);
            assert_eq!(kept.notice("stdout"), None);
        }
    }
}
