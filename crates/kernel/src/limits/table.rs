//! The table of configurable limits (limits.md section 4).

/// One configurable limit: where it stands, what it counts, what values it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// Full path, for example `limits.resources.maxProcesses`.
    pub path: &'static str,
    /// What one of it is, in the plural: `processes`, `bytes`, `ms`.
    pub noun: &'static str,
    /// Built-in value.
    pub default: u64,
    /// Smallest accepted value.
    pub min: u64,
    /// Largest accepted value.
    pub max: u64,
    /// What a value of 0 means, configured or built in.
    pub zero: Zero,
    /// Whether a warning is given before it is reached (limits.md section 2), and `usage` shows it.
    pub warns: bool,
    /// What it bounds.
    pub meaning: &'static str,
    /// What happens when it is reached.
    pub breach: &'static str,
}

/// What a value of 0 means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Zero {
    /// None allowed.
    None,
    /// The limit is off.
    Off,
}

impl Field {
    /// The last part of the path, for example `maxProcesses`.
    pub fn name(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }

    /// The middle part of the path, for example `resources`.
    pub fn group(&self) -> &'static str {
        self.path.split('.').nth(1).unwrap_or_default()
    }

    /// Whether the sessions of a VM enforce it, which are beside the kernel and are opened when they are needed.
    pub fn is_of_sessions(&self) -> bool {
        self.group() == "acp"
    }

    /// Whether it bounds what a server keeps for a VM (previews, scheduled jobs, the user's database) and is enforced there; a
    /// VM without a server has nothing of it.
    pub fn is_of_server(&self) -> bool {
        SERVER_GROUPS.contains(&self.group())
    }

    /// `count`, `bytes`, `ms` or `entries` (limits.md section 1).
    pub fn unit(&self) -> &'static str {
        unit(self.noun)
    }
}

/// The unit of what is counted.
pub(crate) fn unit(noun: &'static str) -> &'static str {
    match noun {
        "bytes" | "ms" | "entries" => noun,
        _ => "count",
    }
}

/// Groups that no kernel enforces, but the server around it, which reads the values from the limits of the VM.
const SERVER_GROUPS: [&str; 3] = ["sqlite", "preview", "cron"];

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MAX_BYTES: u64 = 1 << 40;
const MAX_COUNT: u64 = (1 << 31) - 1;

macro_rules! limits {
    ($($field:ident = $path:literal, $noun:literal, $default:expr, $min:expr, $max:expr, $zero:ident, $warns:literal,
        $meaning:literal, $breach:literal;)*) => {
        /// Every limit of a VM with its value.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Limits {
            $(#[doc = $meaning] pub $field: u64,)*
            pub(super) given: super::draft::Given,
        }

        impl Limits {
            /// All fields, in the order of the specification.
            pub const FIELDS: &[Field] = &[
                $(Field {
                    path: $path, noun: $noun, default: $default, min: $min, max: $max, zero: Zero::$zero, warns: $warns,
                    meaning: $meaning, breach: $breach,
                },)*
            ];

            /// Present value of the field with this full path.
            pub fn get(&self, path: &str) -> Option<u64> {
                match path { $($path => Some(self.$field),)* _ => None }
            }

            pub(super) fn slot(&mut self, path: &str) -> Option<&mut u64> {
                match path { $($path => Some(&mut self.$field),)* _ => None }
            }
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($field: $default,)* given: super::draft::Given::default() }
            }
        }
    };
}

limits! {
    cpu_count = "limits.resources.cpuCount", "cpus", 1, 1, 256, None, false,
        "CPUs that all processes of the VM together may use at once, and that guests see.", "execution is throttled";
    max_processes = "limits.resources.maxProcesses", "processes", 256, 1, 65_536, None, true,
        "Processes, running or not yet reaped.", "`EAGAIN`";
    max_open_fds = "limits.resources.maxOpenFds", "descriptors", 4096, 1, MAX_COUNT, None, true,
        "Open descriptions of the VM.", "`ENFILE`";
    max_open_fds_per_process = "limits.resources.maxOpenFdsPerProcess", "descriptors", 1024, 1, MAX_COUNT, None, false,
        "Descriptors of one process; also its first `RLIMIT_NOFILE`.", "`EMFILE`";
    max_pipes = "limits.resources.maxPipes", "pipes", 128, 0, MAX_COUNT, None, true,
        "Pipes, those of the host to its processes included.", "`EAGAIN`";
    max_ptys = "limits.resources.maxPtys", "terminals", 128, 0, MAX_COUNT, None, true,
        "Pseudo-terminals, those of shells included.", "`EAGAIN`";
    max_sockets = "limits.resources.maxSockets", "sockets", 256, 0, MAX_COUNT, None, true,
        "Sockets of all families.", "`EAGAIN`";
    max_connections = "limits.resources.maxConnections", "connections", 256, 0, MAX_COUNT, None, true,
        "Established stream connections.", "`EAGAIN`; those from outside wait";
    max_socket_buffered_bytes = "limits.resources.maxSocketBufferedBytes", "bytes", 4 * MIB, 1, MAX_BYTES, None, true,
        "Bytes in all sockets together.", "the writer waits; `EAGAIN` on non-blocking sockets";
    max_socket_datagram_queue_len = "limits.resources.maxSocketDatagramQueueLen", "datagrams", 1024, 1, MAX_COUNT, None, false,
        "Datagrams queued at one socket.", "the datagram is dropped and counted";
    max_filesystem_bytes = "limits.resources.maxFilesystemBytes", "bytes", GIB, 1, MAX_BYTES, None, true,
        "Bytes that the VM wrote and that are still there: content, names, link targets, attributes, 256 for each inode.",
        "`ENOSPC`; a `write` stores what fits";
    max_inode_count = "limits.resources.maxInodeCount", "inodes", 262_144, 1, MAX_COUNT, None, true,
        "Inodes that the VM created and that are still there.", "`ENOSPC`";
    max_blocking_read_ms = "limits.resources.maxBlockingReadMs", "ms", 0, 0, MAX_COUNT, Off, false,
        "Longest wait of a blocking read.", "`ETIMEDOUT`";
    max_pread_bytes = "limits.resources.maxPreadBytes", "bytes", 64 * MIB, 1, MAX_BYTES, None, false,
        "Bytes of one read call.", "short count; a client's call fails";
    max_fd_write_bytes = "limits.resources.maxFdWriteBytes", "bytes", 64 * MIB, 1, MAX_BYTES, None, false,
        "Bytes of one write call.", "short count";
    max_process_argv_bytes = "limits.resources.maxProcessArgvBytes", "bytes", MIB, 1, MAX_BYTES, None, false,
        "Bytes of the arguments of one process, with 8 for each.", "`E2BIG`";
    max_process_env_bytes = "limits.resources.maxProcessEnvBytes", "bytes", MIB, 1, MAX_BYTES, None, false,
        "Bytes of the environment of one process, with 8 for each.", "`E2BIG`";
    max_readdir_entries = "limits.resources.maxReaddirEntries", "entries", 4096, 1, MAX_COUNT, None, false,
        "Entries of one listing that is returned to a client; guests' listings are streamed.", "`ENOMEM`";
    max_wasm_fuel = "limits.resources.maxWasmFuel", "units", 0, 1, MAX_COUNT, Off, false,
        "Instruction budget of one process, about one unit an instruction; the same program always ends at the same place.",
        "the process ends as by `SIGXCPU` (152)";
    max_wasm_memory_bytes = "limits.resources.maxWasmMemoryBytes", "bytes", 128 * MIB, 1, MAX_BYTES, None, false,
        "Linear memory of one WebAssembly process.", "`memory.grow` gives -1";
    max_wasm_stack_bytes = "limits.resources.maxWasmStackBytes", "bytes", MIB, 64 * KIB, MIB, None, false,
        "Native stack of one WebAssembly process.", "the process ends as by `SIGSEGV` (139)";
    max_memory_bytes = "limits.resources.maxMemoryBytes", "bytes", GIB, 1, MAX_BYTES, None, true,
        "Memory of all processes of the VM, and what waits in its pipes, terminals and sockets.",
        "`ENOMEM`; where no call can fail the largest process is killed (137)";
    pending_stdin_bytes = "limits.process.pendingStdinBytes", "bytes", 64 * MIB, 1, MAX_BYTES, None, true,
        "Input from the host that guests have not read yet, and what guests store in their own pipes.", "the writer waits";
    pending_event_count = "limits.process.pendingEventCount", "events", 10_000, 1, MAX_COUNT, None, true,
        "Streams of output with something that the host has not taken yet.", "the guest's writer waits";
    pending_event_bytes = "limits.process.pendingEventBytes", "bytes", 64 * MIB, 1, MAX_BYTES, None, true,
        "Output that the host has not taken yet.", "the guest's writer waits";
    max_captured_output_bytes = "limits.process.maxCapturedOutputBytes", "bytes", 16 * MIB, 1, MAX_BYTES, None, false,
        "Captured output of one stream of an `exec`.", "the rest is thrown away and `stdout_truncated` says so";
    max_cpu_time_ms = "limits.process.maxCpuTimeMs", "ms", 3_600_000, 0, MAX_COUNT, Off, false,
        "CPU time of one process.", "`SIGXCPU`, one second later `SIGKILL`";
    max_retained_exited = "limits.process.maxRetainedExited", "processes", 1024, 1, MAX_COUNT, None, false,
        "Exited processes that are remembered for the client.", "the oldest is forgotten";
    max_spawn_file_actions = "limits.process.maxSpawnFileActions", "actions", 4096, 1, MAX_COUNT, None, false,
        "File actions of one spawn.", "`E2BIG`";
    max_spawn_file_action_bytes = "limits.process.maxSpawnFileActionBytes", "bytes", MIB, 1, MAX_BYTES, None, false,
        "Bytes of the paths of one spawn's file actions.", "`E2BIG`";
    max_module_file_bytes = "limits.wasm.maxModuleFileBytes", "bytes", 256 * MIB, 1, MAX_BYTES, None, false,
        "Size of a WebAssembly module file.", "`ENOEXEC`";
    wasm_captured_output_limit_bytes = "limits.wasm.capturedOutputLimitBytes", "bytes", 16 * MIB, 1, MAX_BYTES, None, false,
        "The same as `process.maxCapturedOutputBytes`, for WebAssembly programs; the smaller of both applies.",
        "the rest is thrown away and `stdout_truncated` says so";
    wasm_sync_read_limit_bytes = "limits.wasm.syncReadLimitBytes", "bytes", 16 * MIB, 1, MAX_BYTES, None, false,
        "Bytes of one read call of a WebAssembly program.", "short count";
    wasm_prewarm_timeout_ms = "limits.wasm.prewarmTimeoutMs", "ms", 30_000, 1, MAX_COUNT, None, false,
        "Time to compile the bundled programs before they are needed.", "what is left is compiled when it is first run";
    wasm_runner_heap_limit_mb = "limits.wasm.runnerHeapLimitMb", "MiB", 2048, 1, 1 << 20, None, false,
        "Memory of one WebAssembly process with everything that the host keeps for it.", "the process is killed (137)";
    wasm_runner_cpu_time_limit_ms = "limits.wasm.runnerCpuTimeLimitMs", "ms", 0, 0, MAX_COUNT, Off, false,
        "CPU time of one WebAssembly process; the smaller of this and `process.maxCpuTimeMs` applies.",
        "`SIGXCPU`, one second later `SIGKILL`";
    acp_max_read_line_bytes = "limits.acp.maxReadLineBytes", "bytes", 16 * MIB, 1, MAX_BYTES, None, false,
        "One line that an agent writes.", "the running prompt fails, the agent is started again";
    acp_stdout_buffer_byte_limit = "limits.acp.stdoutBufferByteLimit", "bytes", 16 * MIB, 1, MAX_BYTES, None, false,
        "What is taken of an agent's output before it is stored.", "the agent's writes wait";
    acp_request_timeout_ms = "limits.acp.requestTimeoutMs", "ms", 120_000, 1, MAX_COUNT, None, false,
        "Time of an agent to answer a request that is no prompt.", "`acp_timeout`";
    acp_initialize_timeout_ms = "limits.acp.initializeTimeoutMs", "ms", 30_000, 1, MAX_COUNT, None, false,
        "Time of an agent to answer `initialize`.", "`acp_timeout`; the agent is ended";
    acp_new_session_timeout_ms = "limits.acp.newSessionTimeoutMs", "ms", 30_000, 1, MAX_COUNT, None, false,
        "Time of an agent to begin, load or resume a conversation.", "`acp_timeout`; the agent is ended";
    acp_prompt_timeout_ms = "limits.acp.promptTimeoutMs", "ms", 900_000, 0, MAX_COUNT, Off, false,
        "Time of a prompt that names none of its own; waiting for approval counts.",
        "`prompt_timeout`: the prompt is cancelled, and the agent ended 10 s later";
    acp_max_sessions_per_vm = "limits.acp.maxSessionsPerVm", "sessions", 10_000, 1, MAX_COUNT, None, true,
        "Sessions that are kept; closed ones count, destroyed ones do not.", "`createSession` fails";
    acp_max_live_sessions_per_vm = "limits.acp.maxLiveSessionsPerVm", "agents", 32, 1, MAX_COUNT, None, true,
        "Agents that run at a time.", "whatever needs one more fails";
    acp_max_prompts_per_session = "limits.acp.maxPromptsPerSession", "prompts", 100_000, 1, MAX_COUNT, None, false,
        "Prompts of one session since it was made.", "`sendPrompt` fails";
    acp_max_prompts_per_vm = "limits.acp.maxPromptsPerVm", "prompts", 1_000_000, 1, MAX_COUNT, None, false,
        "Prompts of all sessions that are kept.", "`sendPrompt` fails";
    acp_max_queued_prompts_per_session = "limits.acp.maxQueuedPromptsPerSession", "prompts", 16, 1, MAX_COUNT, None, false,
        "Prompts of one session that wait for the one that runs.", "`sendPrompt` fails";
    acp_max_pending_permissions_per_session = "limits.acp.maxPendingPermissionsPerSession", "requests", 1000, 1, MAX_COUNT, None, true,
        "Permission requests of one session that wait for an answer.", "the request is answered `cancelled`";
    acp_max_pending_permissions_per_vm = "limits.acp.maxPendingPermissionsPerVm", "requests", 10_000, 1, MAX_COUNT, None, true,
        "Permission requests of all sessions that wait for an answer.", "the request is answered `cancelled`";
    acp_max_permission_outcomes_per_session = "limits.acp.maxPermissionOutcomesPerSession", "outcomes", 10_000, 1, MAX_COUNT, None, false,
        "Outcomes of permission requests of one session that are remembered.", "the oldest is forgotten";
    acp_max_permission_outcomes_per_vm = "limits.acp.maxPermissionOutcomesPerVm", "outcomes", 100_000, 1, MAX_COUNT, None, false,
        "Outcomes of permission requests of all sessions that are remembered.", "the oldest is forgotten";
    acp_max_grants_per_session = "limits.acp.maxGrantsPerSession", "grants", 1000, 1, MAX_COUNT, None, true,
        "Grants of one session.", "`respondPermission` fails, the request waits on";
    acp_max_history_bytes_per_vm = "limits.acp.maxHistoryBytesPerVm", "bytes", GIB, 1, MAX_BYTES, None, true,
        "Events of all sessions that are kept.", "new prompts fail, a running one is cancelled; nothing is thrown away";
    acp_max_event_bytes = "limits.acp.maxEventBytes", "bytes", 4 * MIB, 1, MAX_BYTES, None, false,
        "One event of an agent.", "the running prompt fails, the agent is started again";
    acp_max_fallback_continuation_bytes = "limits.acp.maxFallbackContinuationBytes", "bytes", 4 * MIB, 1, MAX_BYTES, None, false,
        "Transcript for an agent that cannot load its conversation.", "the newest part is kept, with a mark where it was cut";
    acp_max_terminals_per_session = "limits.acp.maxTerminalsPerSession", "terminals", 64, 1, MAX_COUNT, None, false,
        "Open terminals of one agent.", "the agent gets the error -32000";
    acp_terminal_output_byte_limit = "limits.acp.terminalOutputByteLimit", "bytes", MIB, 1, MAX_BYTES, None, false,
        "Output that is kept of one terminal of an agent.", "the oldest is dropped and `truncated` says so";
    connect_timeout_ms = "limits.network.connectTimeoutMs", "ms", 30_000, 1, MAX_COUNT, None, false,
        "Time to connect to an address outside of the VM.", "`ETIMEDOUT`";
    dns_timeout_ms = "limits.network.dnsTimeoutMs", "ms", 5000, 1, MAX_COUNT, None, false,
        "Time to look a name up.", "`EAI_AGAIN`";
    max_udp_peers_per_socket = "limits.network.maxUdpPeersPerSocket", "peers", 64, 1, MAX_COUNT, None, false,
        "Destinations outside of the VM of one datagram socket.", "`EAGAIN`";
    max_concurrent_lookups = "limits.network.maxConcurrentLookups", "lookups", 64, 1, MAX_COUNT, None, false,
        "Names that are being looked up.", "the lookup waits";
    max_cached_names = "limits.network.maxCachedNames", "names", 4096, 1, MAX_COUNT, None, false,
        "Names that are remembered with their addresses, for the permission policy.", "the oldest is forgotten";
    default_tool_timeout_ms = "limits.tools.defaultToolTimeoutMs", "ms", 30_000, 1, MAX_COUNT, None, false,
        "Time of one call of a host tool that names no time of its own.", "`TIMEOUT` (124)";
    max_tool_timeout_ms = "limits.tools.maxToolTimeoutMs", "ms", 900_000, 1, MAX_COUNT, None, false,
        "Longest time that a host tool may ask for.", "the VM is not created";
    max_registered_toolkits = "limits.tools.maxRegisteredToolkits", "toolkits", 64, 1, MAX_COUNT, None, false,
        "Kits of host tools.", "the VM is not created";
    max_registered_tools_per_vm = "limits.tools.maxRegisteredToolsPerVm", "tools", 512, 1, MAX_COUNT, None, false,
        "Host tools of all kits.", "the VM is not created";
    max_tools_per_toolkit = "limits.tools.maxToolsPerToolkit", "tools", 128, 1, MAX_COUNT, None, false,
        "Host tools of one kit.", "the VM is not created";
    max_tool_schema_bytes = "limits.tools.maxToolSchemaBytes", "bytes", 64 * KIB, 1, MAX_BYTES, None, false,
        "Schema of a host tool's input, as JSON.", "the VM is not created";
    max_tool_examples_per_tool = "limits.tools.maxToolExamplesPerTool", "examples", 16, 1, MAX_COUNT, None, false,
        "Examples of one host tool.", "the VM is not created";
    max_tool_example_input_bytes = "limits.tools.maxToolExampleInputBytes", "bytes", 16 * KIB, 1, MAX_BYTES, None, false,
        "Input of one example of a host tool, as JSON.", "the VM is not created";
    max_tool_input_bytes = "limits.tools.maxToolInputBytes", "bytes", MIB, 1, MAX_BYTES, None, false,
        "Input of one call of a host tool, as JSON.", "`VALIDATION_ERROR` (2)";
    max_tool_result_bytes = "limits.tools.maxToolResultBytes", "bytes", 4 * MIB, 1, MAX_BYTES, None, false,
        "Result of one call of a host tool, as JSON.", "`EXECUTION_ERROR` (1)";
    max_concurrent_tool_calls = "limits.tools.maxConcurrentCalls", "calls", 64, 1, MAX_COUNT, None, true,
        "Host tools of the VM that run at a time.", "the call waits";
    max_fetch_response_bytes = "limits.http.maxFetchResponseBytes", "bytes", 16 * MIB, 1, MAX_BYTES, None, false,
        "Body of a response to `fetch`.", "the call fails and the connection is closed";
    max_fetch_request_bytes = "limits.http.maxFetchRequestBytes", "bytes", 16 * MIB, 1, MAX_BYTES, None, false,
        "Body of a request of `fetch`.", "the call fails";
    max_header_bytes = "limits.http.maxHeaderBytes", "bytes", 64 * KIB, 8 * KIB, MAX_BYTES, None, false,
        "Head of a request or a response of `fetch`.", "the call fails";
    fetch_timeout_ms = "limits.http.fetchTimeoutMs", "ms", 300_000, 1, MAX_COUNT, None, false,
        "Longest wait of `fetch`: for the head, and for each further part of the body.", "the call fails";
    tls_handshake_timeout_ms = "limits.tls.handshakeTimeoutMs", "ms", 5000, 1, MAX_COUNT, None, false,
        "Time of one TLS handshake that the host makes for a guest.", "`ETIMEDOUT`";
    tls_max_buffered_bytes = "limits.tls.maxBufferedBytes", "bytes", 4 * MIB, 1, MAX_BYTES, None, false,
        "Bytes that wait in one TLS connection that the host makes for a guest.", "the sender waits";
    max_waiting_calls = "limits.plugins.maxWaitingCalls", "calls", 1024, 1, 65_536, None, false,
        "Programs of all VMs of the process that wait for filesystems which somebody else serves, beyond which one of this VM does not.",
        "`EAGAIN`";
    software_max_packages = "limits.software.maxPackages", "packages", 32, 0, 64, None, false,
        "Packages of the store that a VM has, those that it was given while it ran included.", "the package is refused: `ENOSPC`";
    sqlite_max_database_bytes = "limits.sqlite.maxDatabaseBytes", "bytes", GIB, 4 * KIB, MAX_BYTES, None, true,
        "Size of the user's database of a VM (`db`).", "the statement fails: the database is full";
    sqlite_max_result_bytes = "limits.sqlite.maxResultBytes", "bytes", 8 * MIB, 1, GIB, None, false,
        "Bytes of one result of the user's database, and of one value in it.", "the statement fails";
    sqlite_query_timeout_ms = "limits.sqlite.queryTimeoutMs", "ms", 30_000, 1, MAX_COUNT, None, false,
        "Time of one call to the user's database, and of a transaction over several calls.",
        "the statement is interrupted, the transaction taken back";
    preview_max_active = "limits.preview.maxActive", "previews", 1024, 1, MAX_COUNT, None, true,
        "Preview URLs of a VM that are valid.", "`createSignedPreviewUrl` fails";
    preview_max_concurrent_requests = "limits.preview.maxConcurrentRequests", "requests", 256, 1, MAX_COUNT, None, false,
        "Requests and open streams of the previews of a VM.", "503 with `Retry-After`";
    preview_idle_timeout_ms = "limits.preview.idleTimeoutMs", "ms", 300_000, 1, MAX_COUNT, None, false,
        "Silence on a stream of a preview.", "the stream is closed";
    preview_max_failures_per_minute = "limits.preview.maxFailuresPerMinute", "failures", 20, 1, MAX_COUNT, None, false,
        "Refused tokens of one address in a minute; of the definitions of a server, the smallest holds for all.", "429";
    cron_max_jobs = "limits.cron.maxJobs", "jobs", 1024, 1, MAX_COUNT, None, true,
        "Scheduled jobs of a VM.", "`scheduleCron` fails";
    cron_max_queued_runs_per_job = "limits.cron.maxQueuedRunsPerJob", "runs", 100, 1, MAX_COUNT, None, false,
        "Runs of one job that wait, with overlap `queue`.", "the run is not queued: `cron:error`";
    cron_max_concurrent_runs_per_job = "limits.cron.maxConcurrentRunsPerJob", "runs", 16, 1, MAX_COUNT, None, false,
        "Runs of one job at a time, with overlap `allow`.", "the run does not start: `cron:error`";
    cron_run_timeout_ms = "limits.cron.runTimeoutMs", "ms", 3_600_000, 0, MAX_COUNT, Off, false,
        "Time of one run.", "the run is cancelled: `cron:error`";
    cron_max_history_per_job = "limits.cron.maxHistoryPerJob", "records", 32, 1, MAX_COUNT, None, false,
        "Finished runs of one job that are remembered.", "the oldest is forgotten";
}

/// Pairs of fields of which the first must not exceed the second (limits.md section 3).
pub(super) const ORDERED: &[(&str, &str)] = &[
    ("limits.resources.maxOpenFdsPerProcess", "limits.resources.maxOpenFds"),
    ("limits.resources.maxWasmMemoryBytes", "limits.resources.maxMemoryBytes"),
    (
        "limits.tools.maxToolsPerToolkit",
        "limits.tools.maxRegisteredToolsPerVm",
    ),
    ("limits.tools.defaultToolTimeoutMs", "limits.tools.maxToolTimeoutMs"),
    ("limits.acp.maxPromptsPerSession", "limits.acp.maxPromptsPerVm"),
    (
        "limits.acp.maxPendingPermissionsPerSession",
        "limits.acp.maxPendingPermissionsPerVm",
    ),
    (
        "limits.acp.maxPermissionOutcomesPerSession",
        "limits.acp.maxPermissionOutcomesPerVm",
    ),
];

/// Names of older versions, and the present ones.
pub(super) const RENAMED: &[(&str, &str)] = &[
    ("maxMemoryMb", "limits.resources.maxMemoryBytes"),
    ("memoryMb", "limits.resources.maxMemoryBytes"),
    ("memoryLimit", "limits.resources.maxMemoryBytes"),
    ("memoryLimitMb", "limits.resources.maxMemoryBytes"),
    ("maxWasmMemoryMb", "limits.resources.maxWasmMemoryBytes"),
    ("maxCpuPercent", "limits.resources.cpuCount"),
    ("cpuPercent", "limits.resources.cpuCount"),
    ("maxCpus", "limits.resources.cpuCount"),
    ("cpus", "limits.resources.cpuCount"),
    ("maxFds", "limits.resources.maxOpenFds"),
    ("maxDiskMb", "limits.resources.maxFilesystemBytes"),
    ("maxDiskBytes", "limits.resources.maxFilesystemBytes"),
    ("maxStorageBytes", "limits.resources.maxFilesystemBytes"),
    ("maxFilesystemMb", "limits.resources.maxFilesystemBytes"),
    ("maxInodes", "limits.resources.maxInodeCount"),
    ("cpuTimeLimitMs", "limits.process.maxCpuTimeMs"),
    ("maxOutputBytes", "limits.process.maxCapturedOutputBytes"),
    ("maxFuel", "limits.resources.maxWasmFuel"),
];
