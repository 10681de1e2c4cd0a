//! The actions of a VM, with types.

mod exec;
mod log;

use crate::connection::Connection;
use crate::error::Result;
use crate::handle::Handle;
use agentos_value::Value;
use bytes::Bytes;
pub use exec::{ExecOutput, ExecRequest};
pub use log::{ProcessLog, StreamLog};

/// One VM. Dereferences to the [`Handle`], for actions that have no method here.
#[derive(Debug, Clone)]
pub struct Vm(Handle);

impl From<Handle> for Vm {
    fn from(handle: Handle) -> Self {
        Self(handle)
    }
}

impl core::ops::Deref for Vm {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        &self.0
    }
}

impl Vm {
    /// The content of a file.
    ///
    /// # Errors
    /// `ENOENT`, `EISDIR`, `EACCES`, `message_too_large`.
    pub async fn read_file(&self, path: impl Into<String>) -> Result<Bytes> {
        let value = self.call("readFile", &[Value::from(path.into())]).await?;
        value
            .as_bytes()
            .cloned()
            .ok_or_else(|| unexpected("readFile", "bytes", &value))
    }

    /// Creates a file or replaces its content at once. Durable on a persistent path when this returns.
    ///
    /// # Errors
    /// `ENOENT`, `EISDIR`, `ENOSPC`, `EROFS`, `EACCES`.
    pub async fn write_file(&self, path: impl Into<String>, content: impl Into<Bytes>) -> Result<()> {
        self.call("writeFile", &[Value::from(path.into()), Value::Bytes(content.into())])
            .await
            .map(drop)
    }

    /// Makes a directory; with `recursive` its parents, too, and an existing one is no error.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `EACCES`.
    pub async fn mkdir(&self, path: impl Into<String>, recursive: bool) -> Result<()> {
        let options = Value::object([("recursive", recursive)]);
        self.call("mkdir", &[Value::from(path.into()), options]).await.map(drop)
    }

    /// Names in a directory, sorted.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`.
    pub async fn read_dir(&self, path: impl Into<String>) -> Result<Vec<String>> {
        self.call_as("readdir", &[Value::from(path.into())]).await
    }

    /// Whether the path leads to something.
    ///
    /// # Errors
    /// `EACCES`.
    pub async fn exists(&self, path: impl Into<String>) -> Result<bool> {
        self.call_as("exists", &[Value::from(path.into())]).await
    }

    /// Moves a file or directory.
    ///
    /// # Errors
    /// `ENOENT`, `EACCES`, `ENOTEMPTY`.
    pub async fn rename(&self, from: impl Into<String>, to: impl Into<String>) -> Result<()> {
        self.call("move", &[Value::from(from.into()), Value::from(to.into())])
            .await
            .map(drop)
    }

    /// Removes a file or directory; with `recursive` with all that is in it.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTEMPTY`, `EACCES`.
    pub async fn remove(&self, path: impl Into<String>, recursive: bool) -> Result<()> {
        let options = Value::object([("recursive", recursive)]);
        self.call("deleteFile", &[Value::from(path.into()), options])
            .await
            .map(drop)
    }

    /// Runs a shell command; awaiting the result starts it.
    pub fn exec(&self, command: impl Into<String>) -> ExecRequest {
        ExecRequest::new(self.0.clone(), "exec", Value::from(command.into()))
    }

    /// Runs a program with arguments, without a shell.
    pub fn exec_argv<A: Into<String>>(&self, argv: impl IntoIterator<Item = A>) -> ExecRequest {
        let argv = argv.into_iter().map(|argument| Value::from(argument.into())).collect();
        ExecRequest::new(self.0.clone(), "execArgv", Value::Array(argv))
    }

    /// What a process that `spawn` started wrote, as far as the server keeps it.
    ///
    /// # Errors
    /// `process_not_found`.
    pub async fn process_log(&self, pid: u32) -> Result<ProcessLog> {
        let value = self.call("getProcessLog", &[Value::from(i64::from(pid))]).await?;
        ProcessLog::read(&value)
    }

    /// Puts the VM to sleep now.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn sleep(&self) -> Result<()> {
        self.call("sleepVm", &[]).await.map(drop)
    }

    /// What the VM is doing.
    ///
    /// # Errors
    /// Those of every call.
    pub async fn status(&self) -> Result<serde_json::Value> {
        self.call_as("vmStatus", &[]).await
    }

    /// A connection for events.
    ///
    /// # Errors
    /// The refusal of the server's hooks.
    pub async fn connect(&self) -> Result<Connection> {
        self.0.connect().await
    }
}

fn unexpected(action: &str, expected: &str, value: &Value) -> crate::Error {
    crate::Error::Protocol(format!(
        "result of {action}: expected {expected}, received {}",
        value.kind()
    ))
}
