//! Running a command to its end.

use crate::error::Result;
use crate::handle::Handle;
use agentos_value::{Object, Value};
use core::future::{Future, IntoFuture};
use core::pin::Pin;
use serde::Deserialize;
use std::time::Duration;

/// A command that is about to run.
#[must_use = "nothing runs until this is awaited"]
#[derive(Debug)]
pub struct ExecRequest {
    handle: Handle,
    action: &'static str,
    command: Value,
    env: Object,
    options: Object,
}

/// What a command left behind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ExecOutput {
    /// Exit code; 128 + n after signal n; 124 after the timeout.
    pub exit_code: i32,
    /// What it printed, as UTF-8 with replacements.
    pub stdout: String,
    /// What it printed to standard error.
    pub stderr: String,
    /// Whether the timeout ended it.
    #[serde(default)]
    pub timed_out: bool,
    /// Whether the end of `stdout` is missing.
    #[serde(default)]
    pub stdout_truncated: bool,
    /// Whether the end of `stderr` is missing.
    #[serde(default)]
    pub stderr_truncated: bool,
}

impl ExecRequest {
    pub(super) fn new(handle: Handle, action: &'static str, command: Value) -> Self {
        Self {
            handle,
            action,
            command,
            env: Object::new(),
            options: Object::new(),
        }
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(name, value.into());
        self
    }

    /// Its working directory; `/home/user` unless told otherwise.
    pub fn cwd(mut self, path: impl Into<String>) -> Self {
        self.options.insert("cwd", path.into());
        self
    }

    /// What it reads.
    pub fn stdin(mut self, input: impl Into<bytes::Bytes>) -> Self {
        self.options.insert("stdin", Value::Bytes(input.into()));
        self
    }

    /// How long it may run: then SIGTERM, two seconds later SIGKILL. Milliseconds count.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        let millis = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX);
        self.options
            .insert("timeout", Value::Int(millis.min(agentos_value::MAX_SAFE_INTEGER)));
        self
    }
}

impl IntoFuture for ExecRequest {
    type Output = Result<ExecOutput>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            if !self.env.is_empty() {
                self.options.insert("env", Value::Object(self.env));
            }
            self.handle
                .call_as(self.action, &[self.command, Value::Object(self.options)])
                .await
        })
    }
}
