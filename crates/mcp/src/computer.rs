//! What this crate needs of a VM, wherever it is: in this process ([`crate::LocalVm`]) or behind a server.
//!
//! Every method acts as a client of the VM does, under its policy and its limits; nothing here goes around them.

use crate::failure::{Exceeded, Failure};
use agentos::{EntryKind, Stream};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// A future of a method.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Result of a method.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

/// Called with each piece of output as it comes.
pub type OnOutput = Box<dyn FnMut(Stream, Bytes) + Send>;

/// A program to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Command {
    /// The program and its arguments; not empty.
    pub argv: Vec<String>,
    /// Where it starts; the VM's working directory unless set.
    pub cwd: Option<String>,
    /// Variables besides the VM's.
    pub env: BTreeMap<String, String>,
    /// What it reads. None for a started process, whose input comes later.
    pub stdin: Option<Bytes>,
    /// When it is stopped.
    pub timeout: Option<Duration>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "made by every implementation")]
pub struct Ended {
    /// Exit code; 128 + n after signal n, 124 after the timeout.
    pub exit_code: i32,
    /// Whether its time was over.
    pub timed_out: bool,
    /// The limit for which it was killed, if it was.
    pub limit: Option<Exceeded>,
}

/// A process that was started and goes on by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "made by every implementation")]
pub struct Started {
    /// Process id in the VM.
    pub pid: u32,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Exit code, once it has ended.
    pub exit_code: Option<i32>,
}

/// What is kept of one output stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "made by every implementation")]
pub struct Log {
    /// Position of the first byte that is kept.
    pub start: u64,
    /// What is kept.
    pub data: Bytes,
}

impl Log {
    /// Bytes of the stream so far.
    pub fn end(&self) -> u64 {
        self.start.saturating_add(self.data.len() as u64)
    }
}

/// What a started process wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "made by every implementation")]
pub struct ProcessLog {
    /// The process.
    pub process: Started,
    /// Its standard output.
    pub stdout: Log,
    /// Its standard error.
    pub stderr: Log,
}

/// Attributes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "made by every implementation")]
pub struct Attributes {
    /// What it is.
    pub kind: EntryKind,
    /// Size in bytes.
    pub size: u64,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Hard links.
    pub nlink: u32,
    /// Inode.
    pub ino: u64,
    /// Last change of the content, ms since the epoch.
    pub modified_ms: i64,
}

/// An entry of a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs, reason = "made by every implementation")]
pub struct Entry {
    /// Absolute path.
    pub path: String,
    /// What it is; links are not followed.
    pub kind: EntryKind,
    /// Size in bytes.
    pub size: u64,
}

/// A VM.
pub trait Computer: Send + Sync + 'static {
    /// Where commands start and relative paths begin.
    fn cwd(&self) -> String;

    /// Runs a command to its end. Dropping the future kills it with its descendants.
    fn exec(&self, command: Command, output: OnOutput) -> BoxFuture<'_, Result<Ended>>;

    /// Starts a process and gives its id.
    fn start(&self, command: Command) -> BoxFuture<'_, Result<u32>>;

    /// The started processes that are remembered.
    fn started(&self) -> BoxFuture<'_, Result<Vec<Started>>>;

    /// What a started process wrote. Waits up to `wait` until there is more than `seen` of either stream, or it has ended.
    fn log(&self, pid: u32, seen: (u64, u64), wait: Duration) -> BoxFuture<'_, Result<ProcessLog>>;

    /// Gives input to a started process, and its end.
    fn write_stdin(&self, pid: u32, data: Bytes, close: bool) -> BoxFuture<'_, Result<()>>;

    /// Sends a signal, for example `SIGTERM`, to a started process and its descendants.
    fn signal(&self, pid: u32, signal: String) -> BoxFuture<'_, Result<()>>;

    /// Reads `length` bytes from `offset`; fewer at the end.
    fn read(&self, path: String, offset: u64, length: u64) -> BoxFuture<'_, Result<Bytes>>;

    /// Creates or replaces a file.
    fn write(&self, path: String, content: Bytes) -> BoxFuture<'_, Result<()>>;

    /// Appends to a file, which is created if it is not there.
    fn append(&self, path: String, content: Bytes) -> BoxFuture<'_, Result<()>>;

    /// Attributes; of a link itself if `follow` is false.
    fn stat(&self, path: String, follow: bool) -> BoxFuture<'_, Result<Attributes>>;

    /// Everything below a directory to `depth` levels below its own entries, breadth first.
    fn list(&self, path: String, depth: usize, exclude: Vec<String>) -> BoxFuture<'_, Result<Vec<Entry>>>;

    /// Makes a directory; with `parents` its parents, too, and an existing one is no error.
    fn mkdir(&self, path: String, parents: bool) -> BoxFuture<'_, Result<()>>;

    /// Moves a file or directory.
    fn rename(&self, from: String, to: String) -> BoxFuture<'_, Result<()>>;

    /// Removes a file or an empty directory; with `recursive` a directory with all it holds.
    fn remove(&self, path: String, recursive: bool) -> BoxFuture<'_, Result<()>>;
}
