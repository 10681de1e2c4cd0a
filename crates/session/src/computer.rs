//! What sessions need of a VM.
//!
//! The layer does not know what a VM is made of. It starts programs in it, reads and writes files as a guest would, and puts
//! its own texts where guests cannot change them: these traits say how. The SDK implements them for its VMs; tests implement
//! them with agents that are functions.

use crate::model::EnvValue;
use bytes::Bytes;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A future as an object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Result of a call of the VM.
pub type VmResult<T> = core::result::Result<T, VmError>;

/// The VM refused, or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmError {
    /// An errno name or another code of the VM.
    pub code: String,
    /// For people.
    pub message: String,
}

impl VmError {
    /// An error by its parts.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
        }
    }
}

/// A program to start.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Launch {
    /// Program and arguments; a name without `/` is looked up in `PATH`.
    pub argv: Vec<String>,
    /// Variables besides those of the VM.
    pub env: Vec<(String, String)>,
    /// A directory that comes before all others in its `PATH`.
    pub path_first: Option<String>,
    /// Directory to start in.
    pub cwd: Option<String>,
    /// Whether it gets a pipe as standard input; `/dev/null` otherwise.
    pub stdin: bool,
    /// Columns and rows of a terminal that it gets in the place of pipes; what it writes then comes as standard output.
    pub terminal: Option<(u16, u16)>,
    /// Whether it is an agent of an idle session or belongs to one: such a process does not keep a VM awake.
    pub is_agent: bool,
}

impl Launch {
    /// A program without more.
    pub fn new(argv: Vec<String>) -> Self {
        Self {
            argv,
            ..Self::default()
        }
    }
}

/// Which stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Stream {
    Stdout,
    Stderr,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exit {
    /// Exit code, 128 + n after signal n.
    pub code: i32,
    /// Name of the signal, for example `SIGKILL`.
    pub signal: Option<String>,
}

/// A started process, in the parts that different tasks use.
pub struct Child {
    /// Its standard input.
    pub stdin: Box<dyn ChildInput>,
    /// What it writes.
    pub output: Box<dyn ChildOutput>,
    /// Signals and its end.
    pub control: Arc<dyn ChildControl>,
}

impl std::fmt::Debug for Child {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Child")
    }
}

/// The writing end of a process's standard input. Dropping it is the end of the input.
pub trait ChildInput: Send {
    /// Writes everything; waits while the process does not read.
    fn write<'a>(&'a mut self, data: &'a [u8]) -> BoxFuture<'a, VmResult<()>>;
}

/// What a process writes.
pub trait ChildOutput: Send {
    /// The next piece, of at most `most` bytes; none at the end. Nothing is lost if the future is dropped. What is not asked for
    /// stays with the process, which waits when it has written enough.
    fn next(&mut self, most: usize) -> BoxFuture<'_, Option<(Stream, Bytes)>>;
}

/// Signals to a process and its end.
pub trait ChildControl: Send + Sync {
    /// Asks it and its group to end.
    fn terminate(&self);
    /// Ends it and its group.
    fn kill(&self);
    /// Waits for its end.
    fn wait(&self) -> BoxFuture<'static, Exit>;
    /// Changes the size of its terminal.
    ///
    /// # Errors
    /// `ENOTTY` for a process that has none, and what the VM says of the size.
    fn resize(&self, _columns: u16, _rows: u16) -> VmResult<()> {
        Err(VmError::new("ENOTTY", "ENOTTY: it has pipes and no terminal"))
    }
}

/// A VM.
pub trait Computer: Send + Sync + 'static {
    /// Starts a program as the VM's user, under its policy.
    fn start(&self, launch: Launch) -> BoxFuture<'_, VmResult<Child>>;

    /// The path of a command in the VM, if it is there: `command` looked up in `PATH`, or itself if it has a `/`.
    fn find_command<'a>(&'a self, command: &'a str) -> BoxFuture<'a, Option<String>>;

    /// Reads a file as a guest would, if it has at most `most` bytes.
    fn read<'a>(&'a self, path: &'a str, most: usize) -> BoxFuture<'a, VmResult<Bytes>>;

    /// Writes a file as a guest would.
    fn write<'a>(&'a self, path: &'a str, content: Bytes) -> BoxFuture<'a, VmResult<()>>;

    /// Names in a directory.
    fn read_dir<'a>(&'a self, path: &'a str) -> BoxFuture<'a, VmResult<Vec<String>>>;

    /// Where a path leads, without symbolic links; what does not exist yet is left as it is.
    fn resolve<'a>(&'a self, path: &'a str) -> BoxFuture<'a, String>;

    /// Writes a file below `/etc/agentos`, which guests cannot write.
    fn publish<'a>(&'a self, path: &'a str, content: Bytes, executable: bool) -> BoxFuture<'a, VmResult<()>>;

    /// Puts values in the place of references to secrets. `path` is where the environment stands, for error messages.
    fn reveal<'a>(
        &'a self,
        path: &'a str,
        env: Vec<(String, EnvValue)>,
    ) -> BoxFuture<'a, VmResult<Vec<(String, String)>>>;

    /// What the system prompt says of the VM's host tools.
    fn tool_list(&self) -> Option<String>;
}
