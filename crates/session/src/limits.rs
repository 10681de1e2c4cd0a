//! What sessions are held to (limits.md section 4.4).

use std::time::Duration;

/// The limits `acp.*` of one VM, with their built-in values.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the field of that name in docs/limits.md")]
#[non_exhaustive]
pub struct SessionLimits {
    pub max_read_line_bytes: usize,
    pub stdout_buffer_byte_limit: usize,
    pub request_timeout: Duration,
    pub initialize_timeout: Duration,
    pub new_session_timeout: Duration,
    /// None: a prompt may take for ever.
    pub prompt_timeout: Option<Duration>,
    pub max_sessions_per_vm: u64,
    pub max_live_sessions_per_vm: u64,
    pub max_prompts_per_session: u64,
    pub max_prompts_per_vm: u64,
    pub max_queued_prompts_per_session: u64,
    pub max_pending_permissions_per_session: u64,
    pub max_pending_permissions_per_vm: u64,
    pub max_permission_outcomes_per_session: u64,
    pub max_permission_outcomes_per_vm: u64,
    pub max_grants_per_session: u64,
    pub max_history_bytes_per_vm: u64,
    pub max_event_bytes: usize,
    pub max_fallback_continuation_bytes: usize,
    pub max_terminals_per_session: u64,
    pub terminal_output_byte_limit: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            max_read_line_bytes: 16 << 20,
            stdout_buffer_byte_limit: 16 << 20,
            request_timeout: Duration::from_millis(120_000),
            initialize_timeout: Duration::from_millis(30_000),
            new_session_timeout: Duration::from_millis(30_000),
            prompt_timeout: Some(Duration::from_millis(900_000)),
            max_sessions_per_vm: 10_000,
            max_live_sessions_per_vm: 32,
            max_prompts_per_session: 100_000,
            max_prompts_per_vm: 1_000_000,
            max_queued_prompts_per_session: 16,
            max_pending_permissions_per_session: 1000,
            max_pending_permissions_per_vm: 10_000,
            max_permission_outcomes_per_session: 10_000,
            max_permission_outcomes_per_vm: 100_000,
            max_grants_per_session: 1000,
            max_history_bytes_per_vm: 1 << 30,
            max_event_bytes: 4 << 20,
            max_fallback_continuation_bytes: 4 << 20,
            max_terminals_per_session: 64,
            terminal_output_byte_limit: 1 << 20,
        }
    }
}

/// Time that an agent has to end a prompt that was cancelled (lifecycle.md section 7.1).
pub(crate) const CANCEL_GRACE: Duration = Duration::from_secs(10);
/// Restarts of a crashed agent within [`RESTART_WINDOW_MS`] (lifecycle.md section 6).
pub(crate) const RESTARTS: usize = 3;
/// One hour.
pub(crate) const RESTART_WINDOW_MS: i64 = 3_600_000;
/// Messages in a row that are none, after which an agent is restarted (lifecycle.md section 7.2).
pub(crate) const NONSENSE_IN_A_ROW: u32 = 100;
/// Answers that are remembered for requests that come twice, and their bytes.
pub(crate) const REMEMBERED_ANSWERS: usize = 4096;
pub(crate) const REMEMBERED_BYTES: usize = 1 << 20;
/// Requests of one agent that wait for somebody at once: for an approval, for the end of a command.
pub(crate) const WAITING_AT_ONCE: usize = 2048;
/// Other requests of one agent that are worked on at once.
pub(crate) const REQUESTS_AT_ONCE: usize = 256;
/// Lines that wait to be written to an agent.
pub(crate) const OUTGOING_LINES: usize = 64;
/// Error output that is kept of an agent.
pub(crate) const STDERR_TAIL: usize = 4096;
/// Largest file that an agent reads or writes through the protocol.
pub(crate) const MAX_FILE_BYTES: usize = 8 << 20;
/// Time that an MCP server has to end when its input is closed, after it was seen to start.
pub(crate) const MCP_CLOSING: Duration = Duration::from_millis(500);
/// Characters of what such a server wrote in the place of a message that are shown.
pub(crate) const MCP_STDOUT_SHOWN: usize = 200;
/// Messages of one prompt that are known by their ids.
pub(crate) const REMEMBERED_MESSAGES: usize = 4096;
/// Tool calls that are remembered for permission requests which only name them.
pub(crate) const REMEMBERED_TOOL_CALLS: usize = 256;

/// Limits by their path and what they count.
pub(crate) mod named {
    pub(crate) type Named = (&'static str, &'static str);
    pub(crate) const READ_LINE: Named = ("limits.acp.maxReadLineBytes", "bytes");
    pub(crate) const EVENT: Named = ("limits.acp.maxEventBytes", "bytes");
    pub(crate) const SESSIONS: Named = ("limits.acp.maxSessionsPerVm", "sessions");
    pub(crate) const LIVE: Named = ("limits.acp.maxLiveSessionsPerVm", "agents");
    pub(crate) const PROMPTS: Named = ("limits.acp.maxPromptsPerSession", "prompts");
    pub(crate) const PROMPTS_OF_VM: Named = ("limits.acp.maxPromptsPerVm", "prompts");
    pub(crate) const QUEUED: Named = ("limits.acp.maxQueuedPromptsPerSession", "prompts");
    pub(crate) const PENDING: Named = ("limits.acp.maxPendingPermissionsPerSession", "requests");
    pub(crate) const PENDING_OF_VM: Named = ("limits.acp.maxPendingPermissionsPerVm", "requests");
    pub(crate) const GRANTS: Named = ("limits.acp.maxGrantsPerSession", "grants");
    pub(crate) const HISTORY: Named = ("limits.acp.maxHistoryBytesPerVm", "bytes");
    pub(crate) const TERMINALS: Named = ("limits.acp.maxTerminalsPerSession", "terminals");
}
