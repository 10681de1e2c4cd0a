//! What a server of this crate is held to, besides the limits of its VM.
//!
//! A client is a model, and what it is sent stands in its context: the bounds of results are far below what the VM itself
//! would give. Each bound that is reached is named, with what was asked for and what is possible.

use crate::failure::{Exceeded, Failure};
use std::time::Duration;

/// The bounds of one server, with their built-in values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// `mcp.maxConcurrentCalls`: calls of tools that run at once, over all clients.
    pub max_concurrent_calls: usize,
    /// `mcp.maxMessageBytes`: one message of a client, on standard input or as the body of a request.
    pub max_message_bytes: usize,
    /// `mcp.maxOutputBytes`: what one call returns of each output stream, and the most that it can ask for.
    pub max_output_bytes: u64,
    /// `mcp.maxReadBytes`: what one call returns of a file.
    pub max_read_bytes: u64,
    /// `mcp.maxImageBytes`: an image that is returned as one.
    pub max_image_bytes: u64,
    /// `mcp.maxEditBytes`: a file that can be edited or read by lines.
    pub max_edit_bytes: u64,
    /// `mcp.maxEntries`: entries of one listing.
    pub max_entries: u64,
    /// `mcp.maxProcesses`: started processes that are remembered; the oldest that has ended makes room.
    pub max_processes: usize,
    /// `mcp.maxProcessLogBytes`: what is kept of each stream of a started process, its end.
    pub max_process_log_bytes: u64,
    /// `mcp.maxTimeoutMs`: the longest time of one command.
    pub max_timeout: Duration,
    /// `mcp.maxWaitMs`: how long one call waits for a process that was started before.
    pub max_wait: Duration,
    /// `mcp.maxAskMs`: how long a call waits for what it asks of its client, of the client's model or user.
    pub max_ask: Duration,
    /// `mcp.maxSubscriptions`: resources that one client watches.
    pub max_subscriptions: usize,
    /// `mcp.maxSessions`: clients with a session over HTTP.
    pub max_sessions: usize,
    /// `mcp.maxConnections`: connections over HTTP.
    pub max_connections: usize,
    /// `mcp.maxBodyMs`: time in which the body of a request has to arrive.
    pub max_body_time: Duration,
    /// `mcp.maxIdleMs`: time without a request after which a session over HTTP ends.
    pub max_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_concurrent_calls: 64,
            max_message_bytes: 8 << 20,
            max_output_bytes: 1 << 20,
            max_read_bytes: 1 << 20,
            max_image_bytes: 4 << 20,
            max_edit_bytes: 16 << 20,
            max_entries: 10_000,
            max_processes: 64,
            max_process_log_bytes: 1 << 20,
            max_timeout: Duration::from_secs(3600),
            max_wait: Duration::from_secs(60),
            max_ask: Duration::from_secs(600),
            max_subscriptions: 32,
            max_sessions: 32,
            max_connections: 128,
            max_body_time: Duration::from_secs(30),
            max_idle: Duration::from_secs(3600),
        }
    }
}

/// What one call returns of each output stream unless it asks for more or less, in bytes.
pub(crate) const OUTPUT_BYTES: u64 = 64 << 10;

/// The same of a file.
pub(crate) const READ_BYTES: u64 = 256 << 10;

/// Entries of one listing unless a call asks for more or less.
pub(crate) const ENTRIES: u64 = 1000;

/// Time of a command unless a call says otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(120);

/// A value that a call asked for in `field`, if it is not more than `cap`.
pub(crate) fn bounded(
    field: &'static str,
    limit: &'static str,
    asked: Option<u64>,
    usual: u64,
    cap: u64,
) -> Result<u64, Failure> {
    match asked {
        None => Ok(usual.min(cap)),
        Some(asked) if asked <= cap => Ok(asked),
        Some(asked) => Err(Exceeded::new(limit, asked, cap, field).into()),
    }
}

/// Milliseconds of a duration.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
