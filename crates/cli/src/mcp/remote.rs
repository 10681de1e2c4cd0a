//! A VM of a running server, as the MCP server uses it: each method is one or a few actions of the protocol.
//!
//! Commands are processes of the server's VM. While one runs, its log is looked at for what is new, so that clients see
//! progress; the server keeps the beginning and the end of each stream and counts what was in between, which is said where it is
//! missing. A command whose caller goes away is killed. What is not awaited any more but was started as a process stays with
//! the VM: it is the VM's and its other clients', not this program's.

use agentos::{EntryKind, Stream};
use agentos_client::{Error, StreamLog, Value, Vm};
use agentos_mcp::{
    Attributes, BoxFuture, Command, Computer, Ended, Entry, Exceeded, Failure, Log, OnOutput, ProcessLog, Started,
};
use bytes::Bytes;
use serde::Deserialize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Result of a method.
type Result<T> = std::result::Result<T, Failure>;

/// Between two looks at a log.
const PAUSE: Duration = Duration::from_millis(100);
/// Time between the polite and the impolite end of a command whose time is over.
const GRACE: Duration = Duration::from_secs(2);
/// What a command answers whose time is over.
const TIMED_OUT: i32 = 124;
/// Processes that were started here and are remembered.
const REMEMBERED: usize = 64;

/// The VM.
#[derive(Debug)]
pub(super) struct RemoteVm {
    vm: Vm,
    cwd: String,
    started: Mutex<Vec<u32>>,
}

#[derive(Deserialize)]
struct Spawned {
    pid: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    pid: u32,
    command: String,
    args: Vec<String>,
    exit_code: Option<i32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stat {
    mode: u32,
    size: u64,
    is_directory: bool,
    is_symbolic_link: bool,
    mtime_ms: f64,
    ino: u64,
    nlink: u32,
    uid: u32,
    gid: u32,
}

#[derive(Deserialize)]
struct Found {
    path: String,
    #[serde(rename = "type")]
    kind: String,
    size: u64,
}

/// What a call of the server failed with, in the words of this protocol.
fn failed(error: Error) -> Failure {
    let Error::Actor(error) = error else {
        return Failure::new("server_failed", error.to_string());
    };
    let mut failure = Failure::new(error.code.to_string(), error.message.clone());
    if error.code == "limit_exceeded"
        && let Some(metadata) = &error.metadata
    {
        let text = |name: &str| {
            metadata
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let count = |name: &str| {
            let count = metadata.get(name).and_then(Value::as_int);
            count.and_then(|count| u64::try_from(count).ok()).unwrap_or_default()
        };
        let path = text("configurationPath");
        let exceeded = Exceeded::new(&path, count("observed"), count("capacity"), text("operation"));
        failure.limit = Some(Box::new(exceeded));
    }
    failure
}

fn pid_value(pid: u32) -> Value {
    Value::from(i64::from(pid))
}

fn kind(name: &str) -> EntryKind {
    match name {
        "file" => EntryKind::File,
        "directory" => EntryKind::Directory,
        "symlink" => EntryKind::Symlink,
        _ => EntryKind::Other,
    }
}

/// Gives what is new of a stream, in its order, and says what is missing where it would be.
fn show(output: &mut OnOutput, stream: Stream, log: &StreamLog, seen: &mut u64) {
    let after = |bytes: &Bytes, count: u64| {
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(bytes.len());
        bytes.slice(count..)
    };
    let head = log.head.len() as u64;
    let tail = head.saturating_add(log.discarded);
    let missing = tail.saturating_sub((*seen).max(head));
    let note = match missing {
        0 => Bytes::new(),
        gone => format!("\n[... {gone} bytes that the server does not keep ...]\n").into(),
    };
    let pieces = [
        after(&log.head, *seen),
        note,
        after(&log.tail, seen.saturating_sub(tail)),
    ];
    *seen = log.end();
    for piece in pieces.into_iter().filter(|piece| !piece.is_empty()) {
        output(stream, piece);
    }
}

/// What is kept of a stream, as a piece with a position: its end, where something in between is gone.
fn piece(log: &StreamLog) -> Log {
    match log.discarded {
        0 => Log {
            start: 0,
            data: [&log.head[..], &log.tail[..]].concat().into(),
        },
        gone => Log {
            start: log.head.len() as u64 + gone,
            data: log.tail.clone(),
        },
    }
}

/// A command that runs; killed if nobody waits for it any more.
struct Running {
    vm: Vm,
    pid: Option<u32>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(pid) = self.pid.take() else { return };
        let vm = self.vm.clone();
        tokio::spawn(async move {
            // It may have ended, and the server may be gone.
            let _ = vm.call("killProcess", &[pid_value(pid)]).await;
        });
    }
}

impl RemoteVm {
    pub(super) fn new(vm: Vm, cwd: String) -> Self {
        Self {
            vm,
            cwd,
            started: Mutex::default(),
        }
    }

    async fn call(&self, action: &str, args: &[Value]) -> Result<Value> {
        self.vm.call(action, args).await.map_err(failed)
    }

    async fn spawn(&self, command: Command, streams: bool) -> Result<u32> {
        let mut words = command.argv.into_iter().map(Value::from);
        let program = words.next().unwrap_or_else(|| Value::from(String::new()));
        let cwd = command.cwd.unwrap_or_else(|| self.cwd.clone());
        let mut options = vec![("cwd", Value::from(cwd))];
        if !command.env.is_empty() {
            let env = command.env.into_iter().map(|(name, value)| (name, Value::from(value)));
            options.push(("env", Value::object(env)));
        }
        // A command without input reads none, and does not wait for it.
        match (command.stdin, streams) {
            (Some(stdin), _) => options.push(("stdin", Value::Bytes(stdin))),
            (None, false) => options.push(("stdin", Value::Bytes(Bytes::new()))),
            (None, true) => options.push(("streamStdin", Value::from(true))),
        }
        let args = [program, Value::Array(words.collect()), Value::object(options)];
        let spawned: Spawned = self.vm.call_as("spawn", &args).await.map_err(failed)?;
        Ok(spawned.pid)
    }

    async fn run(&self, command: Command, mut output: OnOutput) -> Result<Ended> {
        let timeout = command.timeout;
        let pid = self.spawn(command, false).await?;
        let mut running = Running {
            vm: self.vm.clone(),
            pid: Some(pid),
        };
        let mut seen = [0, 0];
        let started = tokio::time::Instant::now();
        let (mut stopped, mut killed) = (None, false);
        let pid_args = [pid_value(pid)];
        loop {
            let log = self.vm.process_log(pid).await.map_err(failed)?;
            show(&mut output, Stream::Stdout, &log.stdout, &mut seen[0]);
            show(&mut output, Stream::Stderr, &log.stderr, &mut seen[1]);
            if log.complete {
                break;
            }
            let now = tokio::time::Instant::now();
            match (timeout, stopped) {
                (Some(timeout), None) if now >= started + timeout => {
                    self.call("stopProcess", &pid_args).await?;
                    stopped = Some(now);
                }
                (_, Some(at)) if !killed && now >= at + GRACE => {
                    self.call("killProcess", &pid_args).await?;
                    killed = true;
                }
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
        let code: i32 = self.vm.call_as("waitProcess", &pid_args).await.map_err(failed)?;
        running.pid = None;
        Ok(Ended {
            exit_code: if stopped.is_some() { TIMED_OUT } else { code },
            timed_out: stopped.is_some(),
            limit: None,
        })
    }

    async fn begin(&self, command: Command) -> Result<u32> {
        let pid = self.spawn(command, true).await?;
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        started.retain(|known| *known != pid);
        started.push(pid);
        let over = started.len().saturating_sub(REMEMBERED);
        started.drain(..over);
        Ok(pid)
    }

    async fn known(&self) -> Result<Vec<Started>> {
        let listed: Vec<Listed> = self.vm.call_as("listProcesses", &[]).await.map_err(failed)?;
        let mine = self.started.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let listed = listed.into_iter().filter(|process| mine.contains(&process.pid));
        let started = listed.map(|process| Started {
            pid: process.pid,
            argv: std::iter::once(process.command).chain(process.args).collect(),
            exit_code: process.exit_code,
        });
        Ok(started.collect())
    }

    async fn written(&self, pid: u32, seen: (u64, u64), wait: Duration) -> Result<ProcessLog> {
        let until = tokio::time::Instant::now() + wait;
        let process = self.known().await?.into_iter().find(|known| known.pid == pid);
        let Some(mut process) = process else {
            let message = format!("Process not found: {pid} was not started by process_start");
            return Err(Failure {
                field: Some("pid".to_owned()),
                ..Failure::new("process_not_found", message)
            });
        };
        loop {
            let log = self.vm.process_log(pid).await.map_err(failed)?;
            let is_news = log.complete || log.stdout.end() > seen.0 || log.stderr.end() > seen.1;
            if is_news || tokio::time::Instant::now() >= until {
                if log.complete {
                    let code = self.vm.call_as("waitProcess", &[pid_value(pid)]).await;
                    process.exit_code = Some(code.map_err(failed)?);
                }
                let (stdout, stderr) = (piece(&log.stdout), piece(&log.stderr));
                return Ok(ProcessLog {
                    process,
                    stdout,
                    stderr,
                });
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn give(&self, pid: u32, data: Bytes, close: bool) -> Result<()> {
        if !data.is_empty() {
            self.call("writeProcessStdin", &[pid_value(pid), Value::Bytes(data)])
                .await?;
        }
        if close {
            self.call("closeProcessStdin", &[pid_value(pid)]).await?;
        }
        Ok(())
    }

    async fn attributes(&self, path: String, follow: bool) -> Result<Attributes> {
        if !follow && let Some(link) = self.link(&path).await? {
            return Ok(link);
        }
        let stat: Stat = self.vm.call_as("stat", &[Value::from(path)]).await.map_err(failed)?;
        let kind = match (stat.is_directory, stat.is_symbolic_link, stat.mode & 0o170_000) {
            (true, ..) => EntryKind::Directory,
            (_, true, _) => EntryKind::Symlink,
            (_, _, 0 | 0o100_000) => EntryKind::File,
            _ => EntryKind::Other,
        };
        Ok(Attributes {
            kind,
            size: stat.size,
            mode: stat.mode & 0o7777,
            uid: stat.uid,
            gid: stat.gid,
            nlink: stat.nlink,
            ino: stat.ino,
            // Whole milliseconds, as text to be no cast that could lose something.
            modified_ms: format!("{:.0}", stat.mtime_ms).parse().unwrap_or_default(),
        })
    }

    /// A symbolic link itself, which no action but a listing tells of.
    async fn link(&self, path: &str) -> Result<Option<Attributes>> {
        let above = path.rsplit_once('/').map_or("/", |(above, _)| above);
        let above = if above.is_empty() { "/" } else { above };
        let listed = self.entries(above.to_owned(), 0, Vec::new()).await?;
        let found = listed.into_iter().find(|entry| entry.path == path);
        Ok(found
            .filter(|entry| entry.kind == EntryKind::Symlink)
            .map(|entry| Attributes {
                kind: EntryKind::Symlink,
                size: entry.size,
                mode: 0o777,
                uid: 0,
                gid: 0,
                nlink: 1,
                ino: 0,
                modified_ms: 0,
            }))
    }

    async fn entries(&self, path: String, depth: usize, exclude: Vec<String>) -> Result<Vec<Entry>> {
        let depth = i64::try_from(depth).unwrap_or(i64::MAX).min(DEPTH_MOST);
        let mut options = vec![("maxDepth", Value::from(depth))];
        if !exclude.is_empty() {
            let exclude = exclude.into_iter().map(Value::from).collect();
            options.push(("exclude", Value::Array(exclude)));
        }
        let args = [Value::from(path), Value::object(options)];
        let found: Vec<Found> = self.vm.call_as("readdirRecursive", &args).await.map_err(failed)?;
        let entry = |found: Found| Entry {
            kind: kind(&found.kind),
            path: found.path,
            size: found.size,
        };
        Ok(found.into_iter().map(entry).collect())
    }

    async fn part(&self, path: String, offset: u64, length: u64) -> Result<Bytes> {
        let count = |count: u64| Value::from(i64::try_from(count).unwrap_or(i64::MAX));
        let range = Value::object([("offset", count(offset)), ("length", count(length))]);
        let value = self.call("readFile", &[Value::from(path), range]).await?;
        let bytes = value.as_bytes().cloned();
        bytes.ok_or_else(|| Failure::new("server_failed", "the server's answer to readFile holds no bytes"))
    }

    /// One action whose result says nothing.
    async fn done(&self, action: &'static str, args: Vec<Value>) -> Result<()> {
        self.call(action, &args).await.map(drop)
    }
}

/// Directories in directories that are asked for, at most.
const DEPTH_MOST: i64 = 1 << 20;

impl Computer for RemoteVm {
    fn cwd(&self) -> String {
        self.cwd.clone()
    }

    fn exec(&self, command: Command, output: OnOutput) -> BoxFuture<'_, Result<Ended>> {
        Box::pin(self.run(command, output))
    }

    fn start(&self, command: Command) -> BoxFuture<'_, Result<u32>> {
        Box::pin(self.begin(command))
    }

    fn started(&self) -> BoxFuture<'_, Result<Vec<Started>>> {
        Box::pin(self.known())
    }

    fn log(&self, pid: u32, seen: (u64, u64), wait: Duration) -> BoxFuture<'_, Result<ProcessLog>> {
        Box::pin(self.written(pid, seen, wait))
    }

    fn write_stdin(&self, pid: u32, data: Bytes, close: bool) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.give(pid, data, close))
    }

    fn signal(&self, pid: u32, signal: String) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.done("signalProcess", vec![pid_value(pid), Value::from(signal)]))
    }

    fn read(&self, path: String, offset: u64, length: u64) -> BoxFuture<'_, Result<Bytes>> {
        Box::pin(self.part(path, offset, length))
    }

    fn write(&self, path: String, content: Bytes) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.done("writeFile", vec![Value::from(path), Value::Bytes(content)]))
    }

    fn append(&self, path: String, content: Bytes) -> BoxFuture<'_, Result<()>> {
        let append = Value::object([("append", true)]);
        Box::pin(self.done("writeFile", vec![Value::from(path), Value::Bytes(content), append]))
    }

    fn stat(&self, path: String, follow: bool) -> BoxFuture<'_, Result<Attributes>> {
        Box::pin(self.attributes(path, follow))
    }

    fn list(&self, path: String, depth: usize, exclude: Vec<String>) -> BoxFuture<'_, Result<Vec<Entry>>> {
        Box::pin(self.entries(path, depth, exclude))
    }

    fn mkdir(&self, path: String, parents: bool) -> BoxFuture<'_, Result<()>> {
        let options = Value::object([("recursive", parents)]);
        Box::pin(self.done("mkdir", vec![Value::from(path), options]))
    }

    fn rename(&self, from: String, to: String) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.done("move", vec![Value::from(from), Value::from(to)]))
    }

    fn remove(&self, path: String, recursive: bool) -> BoxFuture<'_, Result<()>> {
        let options = Value::object([("recursive", recursive)]);
        Box::pin(self.done("deleteFile", vec![Value::from(path), options]))
    }
}
