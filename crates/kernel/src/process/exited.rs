//! What is remembered of processes that have ended and were reaped by init.
//!
//! The host learns how its own children ended from their handles; this is for clients that ask by pid later. A record is
//! small whatever the process was, and there are at most `maxRetainedExited`.

use super::process::Process;
use super::status::{ExitStatus, ProcessUsage};
use crate::clock::Timestamp;
use crate::id::Pid;
use std::collections::VecDeque;

/// A process that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Exited {
    /// Process id; it may belong to another process by now.
    pub pid: Pid,
    /// Process group at its end.
    pub group: Pid,
    /// Session at its end.
    pub session: Pid,
    /// Arguments, joined by blanks and cut to 256 bytes.
    pub command: Box<[u8]>,
    /// How it ended.
    pub status: ExitStatus,
    /// When it was started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What it used.
    pub usage: ProcessUsage,
}

/// Bytes that are kept of a command.
const COMMAND_MAX: usize = 256;

impl Exited {
    pub(super) fn new(process: &Process, status: ExitStatus) -> Self {
        let mut command = Vec::with_capacity(32);
        for arg in &process.image().argv {
            if !command.is_empty() {
                command.push(b' ');
            }
            let room = COMMAND_MAX.saturating_sub(command.len());
            command.extend_from_slice(arg.get(..room).unwrap_or(arg));
            if command.len() >= COMMAND_MAX {
                break;
            }
        }
        Self {
            pid: process.pid(),
            group: process.pgid(),
            session: process.sid(),
            command: command.into(),
            status,
            started: process.start_time(),
            ended: process.kernel().clock().now(),
            usage: process.usage(),
        }
    }
}

/// The latest of them, oldest first.
#[derive(Debug, Default)]
pub(super) struct Records(VecDeque<Exited>);

impl Records {
    /// Remembers one more, forgetting the oldest beyond `cap`.
    pub(super) fn push(&mut self, record: Exited, cap: u64) {
        while self.0.len() as u64 >= cap && self.0.pop_front().is_some() {}
        self.0.push_back(record);
    }

    pub(super) fn all(&self) -> Vec<Exited> {
        self.0.iter().cloned().collect()
    }
}
