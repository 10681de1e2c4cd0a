//! Every limit of the table is reached twice: by a program that does its work, taken from the userland, and by a hostile one that
//! does nothing else. Both get what the specification of limits says (an errno, a text or a signal in the guest; a typed error or
//! an entry of the audit trail outside), and what is used is never more than the cap.
//!
//! The table below is the list of limits: each row names a module with the two functions `program` and `hostile`, which become
//! two tests. A row without them does not compile, and `every_limit_has_a_test` compares the rows with the kernel's own table.
//! The limits of what a server keeps for a VM are reached in `crates/server/tests/limits`.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod acp;
mod agents;
mod arguments;
mod audit;
mod capture;
mod cpu;
mod deadlines;
mod descriptors;
mod fetch;
mod files;
mod hosts;
mod kits;
mod memory;
mod modules;
mod names;
mod processes;
mod programs;
mod sessions;
mod sizes;
mod sockets;
mod software;
mod streams;
mod tls;
mod together;
mod tools;
mod waits;

use agentos::Limits;

/// The rows as a list, and two tests for each.
macro_rules! limits {
    ($($path:literal: $file:ident::$name:ident,)*) => {
        const ROWS: &[&str] = &[$($path),*];

        $(mod $name {
            #[tokio::test]
            async fn program() {
                crate::$file::$name::program().await;
            }

            #[tokio::test]
            async fn hostile() {
                crate::$file::$name::hostile().await;
            }
        })*
    };
}

limits! {
    "resources.cpuCount": cpu::cpu_count,
    "resources.maxProcesses": processes::max_processes,
    "resources.maxOpenFds": descriptors::max_open_fds,
    "resources.maxOpenFdsPerProcess": descriptors::max_open_fds_per_process,
    "resources.maxPipes": descriptors::max_pipes,
    "resources.maxPtys": descriptors::max_ptys,
    "resources.maxSockets": sockets::max_sockets,
    "resources.maxConnections": sockets::max_connections,
    "resources.maxSocketBufferedBytes": sockets::max_socket_buffered_bytes,
    "resources.maxSocketDatagramQueueLen": sockets::max_socket_datagram_queue_len,
    "resources.maxFilesystemBytes": files::max_filesystem_bytes,
    "resources.maxInodeCount": files::max_inode_count,
    "resources.maxBlockingReadMs": sizes::max_blocking_read_ms,
    "resources.maxPreadBytes": sizes::max_pread_bytes,
    "resources.maxFdWriteBytes": sizes::max_fd_write_bytes,
    "resources.maxProcessArgvBytes": arguments::max_process_argv_bytes,
    "resources.maxProcessEnvBytes": arguments::max_process_env_bytes,
    "resources.maxReaddirEntries": files::max_readdir_entries,
    "resources.maxWasmFuel": cpu::max_wasm_fuel,
    "resources.maxWasmMemoryBytes": memory::max_wasm_memory_bytes,
    "resources.maxWasmStackBytes": memory::max_wasm_stack_bytes,
    "resources.maxMemoryBytes": memory::max_memory_bytes,
    "process.pendingStdinBytes": streams::pending_stdin_bytes,
    "process.pendingEventCount": streams::pending_event_count,
    "process.pendingEventBytes": streams::pending_event_bytes,
    "process.maxCapturedOutputBytes": capture::max_captured_output_bytes,
    "process.maxCpuTimeMs": cpu::max_cpu_time_ms,
    "process.maxRetainedExited": processes::max_retained_exited,
    "process.maxSpawnFileActions": arguments::max_spawn_file_actions,
    "process.maxSpawnFileActionBytes": arguments::max_spawn_file_action_bytes,
    "wasm.maxModuleFileBytes": programs::max_module_file_bytes,
    "wasm.capturedOutputLimitBytes": capture::captured_output_limit_bytes,
    "wasm.syncReadLimitBytes": sizes::sync_read_limit_bytes,
    "wasm.prewarmTimeoutMs": programs::prewarm_timeout_ms,
    "wasm.runnerHeapLimitMb": memory::runner_heap_limit_mb,
    "wasm.runnerCpuTimeLimitMs": cpu::runner_cpu_time_limit_ms,
    "acp.maxReadLineBytes": agents::max_read_line_bytes,
    "acp.stdoutBufferByteLimit": agents::stdout_buffer_byte_limit,
    "acp.requestTimeoutMs": agents::request_timeout_ms,
    "acp.initializeTimeoutMs": agents::initialize_timeout_ms,
    "acp.newSessionTimeoutMs": agents::new_session_timeout_ms,
    "acp.promptTimeoutMs": agents::prompt_timeout_ms,
    "acp.maxSessionsPerVm": sessions::max_sessions_per_vm,
    "acp.maxLiveSessionsPerVm": sessions::max_live_sessions_per_vm,
    "acp.maxPromptsPerSession": sessions::max_prompts_per_session,
    "acp.maxPromptsPerVm": sessions::max_prompts_per_vm,
    "acp.maxQueuedPromptsPerSession": sessions::max_queued_prompts_per_session,
    "acp.maxPendingPermissionsPerSession": sessions::max_pending_permissions_per_session,
    "acp.maxPendingPermissionsPerVm": sessions::max_pending_permissions_per_vm,
    "acp.maxPermissionOutcomesPerSession": sessions::max_permission_outcomes_per_session,
    "acp.maxPermissionOutcomesPerVm": sessions::max_permission_outcomes_per_vm,
    "acp.maxGrantsPerSession": sessions::max_grants_per_session,
    "acp.maxHistoryBytesPerVm": sessions::max_history_bytes_per_vm,
    "acp.maxEventBytes": agents::max_event_bytes,
    "acp.maxFallbackContinuationBytes": agents::max_fallback_continuation_bytes,
    "acp.maxTerminalsPerSession": agents::max_terminals_per_session,
    "acp.terminalOutputByteLimit": agents::terminal_output_byte_limit,
    "network.connectTimeoutMs": deadlines::connect_timeout_ms,
    "network.dnsTimeoutMs": deadlines::dns_timeout_ms,
    "network.maxUdpPeersPerSocket": sockets::max_udp_peers_per_socket,
    "network.maxConcurrentLookups": names::max_concurrent_lookups,
    "network.maxCachedNames": names::max_cached_names,
    "tools.defaultToolTimeoutMs": kits::default_tool_timeout_ms,
    "tools.maxToolTimeoutMs": kits::max_tool_timeout_ms,
    "tools.maxRegisteredToolkits": kits::max_registered_toolkits,
    "tools.maxRegisteredToolsPerVm": kits::max_registered_tools_per_vm,
    "tools.maxToolsPerToolkit": kits::max_tools_per_toolkit,
    "tools.maxToolSchemaBytes": kits::max_tool_schema_bytes,
    "tools.maxToolExamplesPerTool": kits::max_tool_examples_per_tool,
    "tools.maxToolExampleInputBytes": kits::max_tool_example_input_bytes,
    "tools.maxToolInputBytes": kits::max_tool_input_bytes,
    "tools.maxToolResultBytes": kits::max_tool_result_bytes,
    "tools.maxConcurrentCalls": kits::max_concurrent_calls,
    "http.maxFetchResponseBytes": fetch::max_fetch_response_bytes,
    "http.maxFetchRequestBytes": fetch::max_fetch_request_bytes,
    "http.maxHeaderBytes": fetch::max_header_bytes,
    "http.fetchTimeoutMs": fetch::fetch_timeout_ms,
    "tls.handshakeTimeoutMs": tls::handshake_timeout_ms,
    "tls.maxBufferedBytes": tls::max_buffered_bytes,
    "plugins.maxWaitingCalls": waits::max_waiting_calls,
    "software.maxPackages": software::max_packages,
}

#[test]
fn every_limit_has_a_test() {
    let fields: Vec<&str> = Limits::FIELDS
        .iter()
        .filter(|field| !field.is_of_server())
        .map(|field| field.path.trim_start_matches("limits."))
        .collect();
    assert_eq!(ROWS, fields, "the rows are the fields, in their order");
}
