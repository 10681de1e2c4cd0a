//! Every limit of the table is reached by a program that does its work and by one that does nothing else, and both get what
//! the specification of limits says: an errno or a signal in the guest, a typed error or an entry of the audit trail outside.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use agentos::{
    AgentOs, AuditKind, Errno, Event, Events, LimitExceeded, LimitUsage, Limits, Process, ShellOptions, Signal,
};
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use support::{install, limited};

/// Which test reaches which limit; tests of other crates with their file.
const REACHED: &[(&str, &str, &str)] = &[
    ("resources.cpuCount", HERE, "cpus"),
    ("resources.maxProcesses", HERE, "processes"),
    ("resources.maxOpenFds", HERE, "descriptions"),
    ("resources.maxOpenFdsPerProcess", HERE, "descriptors"),
    ("resources.maxPipes", HERE, "pipes"),
    ("resources.maxPtys", HERE, "terminals"),
    ("resources.maxSockets", HERE, "sockets"),
    ("resources.maxConnections", HERE, "connections"),
    ("resources.maxSocketBufferedBytes", HERE, "socket_buffers"),
    ("resources.maxSocketDatagramQueueLen", HERE, "datagrams"),
    ("resources.maxFilesystemBytes", HERE, "file_bytes"),
    ("resources.maxInodeCount", HERE, "inodes"),
    ("resources.maxBlockingReadMs", HERE, "blocking_reads"),
    ("resources.maxPreadBytes", HERE, "read_sizes"),
    ("resources.maxFdWriteBytes", HERE, "write_sizes"),
    ("resources.maxProcessArgvBytes", HERE, "arguments"),
    ("resources.maxProcessEnvBytes", HERE, "environments"),
    ("resources.maxReaddirEntries", HERE, "listings"),
    ("resources.maxWasmFuel", HERE, "fuel"),
    ("resources.maxWasmMemoryBytes", HERE, "memory_of_a_process"),
    ("resources.maxWasmStackBytes", HERE, "stacks"),
    ("resources.maxMemoryBytes", HERE, "memory_of_the_vm"),
    ("process.pendingStdinBytes", HERE, "pending_input"),
    ("process.pendingEventCount", HERE, "pending_streams"),
    ("process.pendingEventBytes", HERE, "pending_output"),
    ("process.maxCapturedOutputBytes", HERE, "captured_output"),
    ("process.maxCpuTimeMs", HERE, "cpu_time"),
    (
        "process.maxRetainedExited",
        "kernel/tests/process/limits.rs",
        "max_retained_exited",
    ),
    (
        "process.maxSpawnFileActions",
        "kernel/tests/process/programs.rs",
        "maxSpawnFileActions",
    ),
    (
        "process.maxSpawnFileActionBytes",
        "kernel/tests/process/programs.rs",
        "maxSpawnFileActionBytes",
    ),
    ("wasm.maxModuleFileBytes", HERE, "module_files"),
    ("wasm.capturedOutputLimitBytes", HERE, "captured_output"),
    ("wasm.syncReadLimitBytes", HERE, "read_sizes"),
    ("wasm.runnerHeapLimitMb", HERE, "heaps"),
    ("wasm.runnerCpuTimeLimitMs", HERE, "cpu_time"),
    ("wasm.prewarmTimeoutMs", HERE, "prewarming"),
    (
        "network.connectTimeoutMs",
        "net/tests/connections.rs",
        "a_connection_that_does_not_come_about_ends_with_its_deadline",
    ),
    ("network.dnsTimeoutMs", "net/tests/dns.rs", "timeout"),
    (
        "network.maxUdpPeersPerSocket",
        "kernel/tests/sockets/outside.rs",
        "maxUdpPeersPerSocket",
    ),
    (
        "network.maxConcurrentLookups",
        "net/tests/dns.rs",
        "more_lookups_than_may_run_at_once_wait_for_their_turn",
    ),
    ("network.maxCachedNames", "net/src/names.rs", "fn "),
    (
        "http.maxFetchResponseBytes",
        "agentos/tests/fetch.rs",
        "maxFetchResponseBytes",
    ),
    (
        "http.maxFetchRequestBytes",
        "agentos/tests/fetch.rs",
        "maxFetchRequestBytes",
    ),
    ("http.maxHeaderBytes", "agentos/tests/fetch.rs", "maxHeaderBytes"),
    ("http.fetchTimeoutMs", "agentos/tests/fetch.rs", "fetchTimeoutMs"),
    (
        "tls.handshakeTimeoutMs",
        "net/src/intercept/tests/world.rs",
        "handshake_timeout",
    ),
    ("tls.maxBufferedBytes", "net/src/intercept/tls.rs", "max_buffered_bytes"),
];
const HERE: &str = "agentos/tests/limits_each.rs";

#[test]
fn every_limit_has_a_test() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for field in Limits::FIELDS {
        let path = field.path.trim_start_matches("limits.");
        let found = REACHED.iter().find(|(name, ..)| *name == path);
        let (_, file, test) = found.unwrap_or_else(|| panic!("no test reaches {path}"));
        let text = std::fs::read_to_string(crates.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        let named = if *file == HERE {
            format!("async fn {test}()")
        } else {
            (*test).to_owned()
        };
        assert!(text.contains(&named), "{file} has no {named}, which is to reach {path}");
    }
    for (path, ..) in REACHED {
        assert!(Limits::find(path).is_ok(), "{path} is no limit");
    }
}

// Helpers.

/// A module that makes a call again and again until it fails, and exits with the preview-1 number of the error.
fn until_it_fails(import: &str, call: &str) -> String {
    format!(
        r#"(module {import}
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") (local $error i32)
            (loop $more
                (local.set $error {call})
                (br_if $more (i32.eqz (local.get $error))))
            (call $exit (local.get $error))))"#
    )
}

/// Runs a module alone and gives its exit status.
async fn run(vm: &AgentOs, name: &str, module: &str) -> i32 {
    let path = install(vm, name, module).await;
    vm.exec_argv([path]).await.unwrap().exit_code
}

/// The next entry of the audit trail about this limit.
async fn breach(events: &mut Events, name: &str) -> LimitExceeded {
    loop {
        let Event::Audit(entry) = events.next().await.expect("the VM still lives") else {
            continue;
        };
        if let AuditKind::LimitExceeded { limit, .. } | AuditKind::ProcessKilled { limit, .. } = entry.kind
            && limit.limit == name
        {
            return limit;
        }
    }
}

/// Checks everything that a typed error says.
fn check(limit: &LimitExceeded, path: &str, unit: &str, observed: u64, capacity: u64, errno: Errno) {
    let name = path.rsplit('.').next().unwrap();
    assert_eq!(
        (limit.limit, limit.configuration_path),
        (name, format!("limits.{path}").as_str())
    );
    assert_eq!(
        (limit.unit, limit.observed, limit.capacity, limit.errno),
        (unit, observed, capacity, errno),
        "{limit}"
    );
    assert!(!limit.operation.is_empty());
}

fn used(vm: &AgentOs, name: &str) -> LimitUsage {
    *vm.usage()
        .limits
        .iter()
        .find(|used| used.limit == name)
        .expect("a limit that is shown")
}

/// Lets everybody run until `condition` holds.
async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// Everything has ended and nothing is counted any more.
async fn idle(vm: &AgentOs) {
    for process in vm.all_processes().await.unwrap() {
        let _ = vm.signal_process(process.pid, Signal::Kill).await;
    }
    let files = ["maxFilesystemBytes", "maxInodeCount"];
    until(|| {
        vm.usage()
            .limits
            .iter()
            .all(|used| used.observed == 0 || files.contains(&used.limit))
    })
    .await;
}

async fn start(vm: &AgentOs, script: &str) -> Process {
    vm.spawn("sh", ["-c", script]).start().await.unwrap()
}

fn poll_once<T>(future: impl Future<Output = T>) -> Poll<T> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

const GAVE_UP: [i32; 4] = [1, 2, 126, 254];

// One test for each limit, or for two that are one.

#[tokio::test]
async fn cpus() {
    for cpus in [1, 2] {
        let vm = limited(&[("cpuCount", cpus)]).await;
        let seen = vm.exec("nproc; grep -c ^processor /proc/cpuinfo").await.unwrap();
        assert_eq!(seen.stdout_text(), format!("{cpus}\n{cpus}\n"));
        // CPU time per time that passes is the number of CPUs in use, however busy the host is.
        let spin = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#;
        let path = install(&vm, "spin.wasm", spin).await;
        let mut spinners = Vec::new();
        for script in ["while :; do :; done", "while :; do (:); done"] {
            spinners.push(start(&vm, script).await);
        }
        for _ in 0..2 {
            spinners.push(vm.spawn(&path, [""; 0]).start().await.unwrap());
        }
        until(|| vm.usage().cpu_time > Duration::from_millis(50)).await;
        let (began, before) = (Instant::now(), vm.usage().cpu_time);
        until(|| vm.usage().cpu_time - before > Duration::from_millis(400)).await;
        let (cpu, passed) = (vm.usage().cpu_time - before, began.elapsed());
        let at_once = cpu.as_secs_f64() / passed.as_secs_f64();
        assert!(at_once < cpus as f64 * 1.05 + 0.05, "{cpus} CPUs, {at_once:.2} in use");
        drop(spinners);
        idle(&vm).await;
    }
}

#[tokio::test]
async fn processes() {
    let vm = limited(&[("maxProcesses", 8), ("maxPipes", 1000)]).await;
    let mut events = vm.events();
    let output = vm
        .exec("for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo $?")
        .await
        .unwrap();
    let text = output.stderr_text();
    assert!(text.contains("esource temporarily unavailable"), "{text}");
    check(
        &breach(&mut events, "maxProcesses").await,
        "resources.maxProcesses",
        "count",
        9,
        8,
        Errno::EAGAIN,
    );
    idle(&vm).await;
    let fork = r#"(import "agentos_v1" "proc_clone" (func $clone (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
        (func (export "agentos_clone_entry") (param i32) (result i32) (loop $l (drop (call $yield)) (br $l)) (i32.const 0))"#;
    let bomb = until_it_fails(
        fork,
        "(call $clone (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 64))",
    );
    // Imports come before everything else in a module.
    let (before, after) = bomb.split_once("(func (export \"agentos").unwrap();
    let (clone, rest) = after
        .split_once("(import \"wasi_snapshot_preview1\" \"proc_exit\"")
        .unwrap();
    let bomb = format!("{before}(import \"wasi_snapshot_preview1\" \"proc_exit\"{rest}");
    let end = bomb.rfind(')').unwrap();
    let bomb = format!("{}(func (export \"agentos{clone})", &bomb[..end]);
    assert_eq!(run(&vm, "bomb.wasm", &bomb).await, 6);
    until(|| used(&vm, "maxProcesses").observed <= 7).await;
    idle(&vm).await;
    let mut held = Vec::new();
    let error = loop {
        match vm.spawn("sleep", ["1000"]).start().await {
            Ok(process) => held.push(process),
            Err(error) => break error,
        }
    };
    assert_eq!(held.len(), 8);
    check(
        error.limit().unwrap(),
        "resources.maxProcesses",
        "count",
        9,
        8,
        Errno::EAGAIN,
    );
    drop(held);
    idle(&vm).await;
}

const PIPE: &str = r#"(import "agentos_v1" "fd_pipe" (func $pipe (param i32 i32 i32) (result i32)))"#;
const MAKE_PIPE: &str = "(call $pipe (i32.const 0) (i32.const 64) (i32.const 68))";

#[tokio::test]
async fn descriptions() {
    let vm = limited(&[("maxOpenFds", 40), ("maxOpenFdsPerProcess", 40), ("maxPipes", 1000)]).await;
    let mut events = vm.events();
    assert_eq!(run(&vm, "open.wasm", &until_it_fails(PIPE, MAKE_PIPE)).await, 41);
    check(
        &breach(&mut events, "maxOpenFds").await,
        "resources.maxOpenFds",
        "count",
        41,
        40,
        Errno::ENFILE,
    );
    let many = "for i in $(seq 3 39); do eval \"exec $i</etc/passwd\" || exit 9; done";
    let scripts = [
        start(&vm, &format!("{many}; sleep 1000")).await,
        start(&vm, &format!("{many}; sleep 1000")).await,
    ];
    check(
        &breach(&mut events, "maxOpenFds").await,
        "resources.maxOpenFds",
        "count",
        41,
        40,
        Errno::ENFILE,
    );
    drop(scripts);
    idle(&vm).await;
}

#[tokio::test]
async fn descriptors() {
    let vm = limited(&[("maxOpenFdsPerProcess", 16)]).await;
    let mut events = vm.events();
    let dup = r#"(import "agentos_v1" "fd_dup" (func $dup (param i32 i32 i32 i32) (result i32)))"#;
    let all = until_it_fails(
        dup,
        "(call $dup (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 64))",
    );
    assert_eq!(run(&vm, "dup.wasm", &all).await, 33);
    let limit = breach(&mut events, "maxOpenFdsPerProcess").await;
    check(&limit, "resources.maxOpenFdsPerProcess", "count", 17, 16, Errno::EMFILE);
    let script = "for i in $(seq 3 40); do eval \"exec $i</dev/null\" || exit 9; done";
    assert_ne!(vm.exec(script).await.unwrap().exit_code, 0);
    idle(&vm).await;
}

#[tokio::test]
async fn pipes() {
    let vm = limited(&[("maxPipes", 6)]).await;
    let mut events = vm.events();
    assert_eq!(run(&vm, "pipes.wasm", &until_it_fails(PIPE, MAKE_PIPE)).await, 6);
    check(
        &breach(&mut events, "maxPipes").await,
        "resources.maxPipes",
        "count",
        7,
        6,
        Errno::EAGAIN,
    );
    let output = vm.exec("true | true | true | true | true | true | true").await.unwrap();
    assert!(
        output.stderr_text().contains("esource temporarily unavailable"),
        "{}",
        output.stderr_text()
    );
    let none = limited(&[("maxPipes", 0)]).await;
    let error = none.exec("true").await.unwrap_err();
    check(
        error.limit().unwrap(),
        "resources.maxPipes",
        "count",
        1,
        0,
        Errno::EAGAIN,
    );
    idle(&vm).await;
}

#[tokio::test]
async fn terminals() {
    let vm = limited(&[("maxPtys", 2)]).await;
    let mut events = vm.events();
    let open = r#"(import "agentos_v1" "tty_open" (func $open (param i32 i32 i32) (result i32)))"#;
    let all = until_it_fails(open, "(call $open (i32.const 0) (i32.const 64) (i32.const 68))");
    assert_eq!(run(&vm, "ptys.wasm", &all).await, 6);
    check(
        &breach(&mut events, "maxPtys").await,
        "resources.maxPtys",
        "count",
        3,
        2,
        Errno::EAGAIN,
    );
    let held = [
        vm.open_shell(ShellOptions::default()).await.unwrap(),
        vm.open_shell(ShellOptions::default()).await.unwrap(),
    ];
    let error = vm.open_shell(ShellOptions::default()).await.unwrap_err();
    check(
        error.limit().unwrap(),
        "resources.maxPtys",
        "count",
        3,
        2,
        Errno::EAGAIN,
    );
    drop(held);
    idle(&vm).await;
}

#[tokio::test]
async fn sockets() {
    let vm = limited(&[("maxSockets", 7)]).await;
    let mut events = vm.events();
    let open = r#"(import "agentos_v1" "sock_open" (func $open (param i32 i32 i32 i32) (result i32)))"#;
    let all = until_it_fails(
        open,
        "(call $open (i32.const 2) (i32.const 1) (i32.const 0) (i32.const 64))",
    );
    assert_eq!(run(&vm, "sockets.wasm", &all).await, 6);
    check(
        &breach(&mut events, "maxSockets").await,
        "resources.maxSockets",
        "count",
        8,
        7,
        Errno::EAGAIN,
    );
    idle(&vm).await;
}

const PAIR: &str = r#"(import "agentos_v1" "sock_pair" (func $pair (param i32 i32 i32 i32) (result i32)))"#;

#[tokio::test]
async fn connections() {
    let vm = limited(&[("maxConnections", 3)]).await;
    let mut events = vm.events();
    let all = until_it_fails(
        PAIR,
        "(call $pair (i32.const 1) (i32.const 1) (i32.const 64) (i32.const 68))",
    );
    assert_eq!(run(&vm, "pairs.wasm", &all).await, 6);
    check(
        &breach(&mut events, "maxConnections").await,
        "resources.maxConnections",
        "count",
        4,
        3,
        Errno::EAGAIN,
    );
    idle(&vm).await;
}

/// Writes to one end of a pair of this kind for ever.
fn flood(kind: u32) -> String {
    format!(
        r#"(module {PAIR}
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 2)
        (func (export "_start")
            (drop (call $pair (i32.const 1) (i32.const {kind}) (i32.const 64) (i32.const 68)))
            (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 1000))
            (loop $more
                (drop (call $write (i32.load (i32.const 64)) (i32.const 0) (i32.const 1) (i32.const 16)))
                (br $more))))"#
    )
}

#[tokio::test]
async fn socket_buffers() {
    let vm = limited(&[("maxSocketBufferedBytes", 100_000)]).await;
    let path = install(&vm, "flood.wasm", &flood(1)).await;
    let writers = [
        vm.spawn(&path, [""; 0]).start().await.unwrap(),
        vm.spawn(&path, [""; 0]).start().await.unwrap(),
        vm.spawn(&path, [""; 0]).start().await.unwrap(),
    ];
    // The writers wait; what is buffered never exceeds the cap, and counts as memory of the VM.
    until(|| {
        let buffered = used(&vm, "maxSocketBufferedBytes");
        assert!(buffered.observed <= 100_000);
        buffered.observed > 99_000
    })
    .await;
    assert!(vm.usage().memory_bytes > 100_000);
    drop(writers);
    idle(&vm).await;
}

#[tokio::test]
async fn datagrams() {
    let vm = limited(&[("maxSocketDatagramQueueLen", 3), ("maxSocketBufferedBytes", 1 << 20)]).await;
    let path = install(&vm, "packets.wasm", &flood(2)).await;
    let writer = vm.spawn(&path, [""; 0]).start().await.unwrap();
    // Between unix sockets the writer waits, and three packets are all that is ever there.
    until(|| {
        let buffered = used(&vm, "maxSocketBufferedBytes").observed;
        assert!(buffered <= 3 * 1100, "{buffered}");
        buffered >= 3000
    })
    .await;
    drop(writer);
    idle(&vm).await;
}

#[tokio::test]
async fn file_bytes() {
    let vm = limited(&[("maxFilesystemBytes", 1 << 20)]).await;
    let mut events = vm.events();
    let error = vm.write_file("/home/user/big", vec![0; 2 << 20]).await.unwrap_err();
    let limit = error.limit().unwrap();
    check(
        limit,
        "resources.maxFilesystemBytes",
        "bytes",
        limit.observed,
        1 << 20,
        Errno::ENOSPC,
    );
    assert!(limit.observed >= 2 << 20);
    let output = vm.exec("head -c 2000000 /dev/zero > big").await.unwrap();
    assert!(
        output.stderr_text().contains("No space left on device"),
        "{}",
        output.stderr_text()
    );
    let usage = used(&vm, "maxFilesystemBytes");
    assert!(
        usage.observed <= usage.capacity && usage.observed > usage.capacity - 4096,
        "{usage:?}"
    );
    assert_eq!(breach(&mut events, "maxFilesystemBytes").await.errno, Errno::ENOSPC);
    vm.exec("rm big").await.unwrap();
    assert_eq!(used(&vm, "maxFilesystemBytes").observed, 0);
}

#[tokio::test]
async fn inodes() {
    let vm = limited(&[("maxInodeCount", 20)]).await;
    let mut events = vm.events();
    let output = vm
        .exec("for i in $(seq 100); do mkdir d$i || exit 3; done")
        .await
        .unwrap();
    assert_eq!(output.exit_code, 3);
    check(
        &breach(&mut events, "maxInodeCount").await,
        "resources.maxInodeCount",
        "count",
        21,
        20,
        Errno::ENOSPC,
    );
    let error = vm.write_file("/home/user/more", "").await.unwrap_err();
    check(
        error.limit().unwrap(),
        "resources.maxInodeCount",
        "count",
        21,
        20,
        Errno::ENOSPC,
    );
    assert_eq!(used(&vm, "maxInodeCount").observed, 20);
    vm.exec("rm -r d*").await.unwrap();
    assert_eq!(used(&vm, "maxInodeCount").observed, 0);
}

#[tokio::test]
async fn blocking_reads() {
    let vm = limited(&[("maxBlockingReadMs", 30)]).await;
    let mut events = vm.events();
    let read = r#"(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))"#;
    let once = until_it_fails(
        read,
        "(i32.store (i32.const 4) (i32.const 8)) (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 16))",
    );
    let once = once.replace(
        "(local.set $error (i32.store (i32.const 4) (i32.const 8)) ",
        "(i32.store (i32.const 4) (i32.const 8)) (local.set $error ",
    );
    let path = install(&vm, "read.wasm", &once).await;
    for (command, status) in [(path.as_str(), Some(73)), ("cat", None)] {
        let mut process = vm.spawn(command, [""; 0]).start().await.unwrap();
        let _held = process.stdin();
        let ended = process.control().wait().await.unwrap();
        assert!(
            status.map_or(ended != 0, |status| ended == status),
            "{command}: {ended}"
        );
        let limit = breach(&mut events, "maxBlockingReadMs").await;
        check(&limit, "resources.maxBlockingReadMs", "ms", 30, 30, Errno::ETIMEDOUT);
    }
    idle(&vm).await;
}

/// Exits with 1/100 of what one call moves of 5000 bytes; 200 for an error.
fn one_call(name: &str, fd: u32) -> String {
    format!(
        r#"(module (import "wasi_snapshot_preview1" "{name}" (func $move (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start")
            (i32.store (i32.const 0) (i32.const 4096)) (i32.store (i32.const 4) (i32.const 2500))
            (i32.store (i32.const 8) (i32.const 8192)) (i32.store (i32.const 12) (i32.const 2500))
            (if (call $move (i32.const {fd}) (i32.const 0) (i32.const 2) (i32.const 16)) (then (call $exit (i32.const 200))))
            (call $exit (i32.div_u (i32.load (i32.const 16)) (i32.const 100)))))"#
    )
}

#[tokio::test]
async fn read_sizes() {
    for name in ["maxPreadBytes", "syncReadLimitBytes"] {
        let vm = limited(&[(name, 1000)]).await;
        vm.as_host()
            .write_file("/home/user/file", vec![b'x'; 5000])
            .await
            .unwrap();
        install(&vm, "read.wasm", &one_call("fd_read", 0)).await;
        let output = vm.exec("./read.wasm < file; echo $?; cat file | wc -c").await.unwrap();
        assert_eq!(output.stdout_text(), "10\n5000\n", "{name}: {}", output.stderr_text());
        let read = vm.read_file("/home/user/file").await;
        if name == "maxPreadBytes" {
            let error = read.unwrap_err();
            check(
                error.limit().unwrap(),
                "resources.maxPreadBytes",
                "bytes",
                5000,
                1000,
                Errno::EFBIG,
            );
            assert_eq!(
                vm.read_file_range("/home/user/file", 4500, 1000).await.unwrap().len(),
                500
            );
        }
        idle(&vm).await;
    }
}

#[tokio::test]
async fn write_sizes() {
    let vm = limited(&[("maxFdWriteBytes", 1000)]).await;
    install(&vm, "write.wasm", &one_call("fd_write", 1)).await;
    let output = vm
        .exec("./write.wasm > file; echo $?; wc -c < file; head -c 5000 /dev/zero | cat > all; wc -c < all")
        .await
        .unwrap();
    assert_eq!(output.stdout_text(), "10\n1000\n5000\n", "{}", output.stderr_text());
    idle(&vm).await;
}

#[tokio::test]
async fn arguments() {
    let vm = limited(&[("maxProcessArgvBytes", 1000)]).await;
    let mut events = vm.events();
    let output = vm.exec("/bin/echo $(seq 1000)").await.unwrap();
    assert!(GAVE_UP.contains(&output.exit_code), "{output:?}");
    assert!(
        output.stderr_text().contains("rgument list too long"),
        "{}",
        output.stderr_text()
    );
    let limit = breach(&mut events, "maxProcessArgvBytes").await;
    check(
        &limit,
        "resources.maxProcessArgvBytes",
        "bytes",
        limit.observed,
        1000,
        Errno::E2BIG,
    );
    let error = vm.exec_argv(["echo", &"x".repeat(2000)]).await.unwrap_err();
    check(
        error.limit().unwrap(),
        "resources.maxProcessArgvBytes",
        "bytes",
        2000 + 4 + 2 * 8,
        1000,
        Errno::E2BIG,
    );
    idle(&vm).await;
}

#[tokio::test]
async fn environments() {
    let vm = limited(&[("maxProcessEnvBytes", 2000)]).await;
    let mut events = vm.events();
    let output = vm.exec("export X=$(seq 1000); /bin/true").await.unwrap();
    assert!(GAVE_UP.contains(&output.exit_code), "{output:?}");
    let limit = breach(&mut events, "maxProcessEnvBytes").await;
    check(
        &limit,
        "resources.maxProcessEnvBytes",
        "bytes",
        limit.observed,
        2000,
        Errno::E2BIG,
    );
    let error = vm.exec("true").env("X", "x".repeat(3000)).await.unwrap_err();
    let limit = error.limit().unwrap();
    check(
        limit,
        "resources.maxProcessEnvBytes",
        "bytes",
        limit.observed,
        2000,
        Errno::E2BIG,
    );
    idle(&vm).await;
}

#[tokio::test]
async fn listings() {
    let vm = limited(&[("maxReaddirEntries", 10)]).await;
    vm.exec("mkdir d; for i in $(seq 11); do : > d/$i; done").await.unwrap();
    let error = vm.read_dir("/home/user/d").await.unwrap_err();
    check(
        error.limit().unwrap(),
        "resources.maxReaddirEntries",
        "entries",
        11,
        10,
        Errno::ENOMEM,
    );
    assert_eq!(
        vm.exec("rm d/1; ls d | wc -l").await.unwrap().stdout_text().trim(),
        "10"
    );
    assert_eq!(vm.read_dir("/home/user/d").await.unwrap().len(), 10);
}

#[tokio::test]
async fn fuel() {
    let mut limits = Limits::default();
    limits.set("maxWasmFuel", 100_000).unwrap();
    let vm = AgentOs::builder().limits(limits).create().await.unwrap();
    let spin = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#;
    let path = install(&vm, "spin.wasm", spin).await;
    let output = vm.exec_argv([path]).await.unwrap();
    assert_eq!(output.exit_code, 152);
    check(
        &output.limit.unwrap(),
        "resources.maxWasmFuel",
        "count",
        100_001,
        100_000,
        Errno::EINTR,
    );
    // One that works: it says how far it comes, and always comes as far.
    let count = r#"(module (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (func (export "_start") (local $i i32)
            (i32.store (i32.const 4) (i32.const 1))
            (loop $more
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 100)))
                    (then (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 16)))))
                (br $more))))"#;
    let path = install(&vm, "count.wasm", count).await;
    let first = vm.exec_argv([&path]).await.unwrap();
    let second = vm.exec_argv([&path]).await.unwrap();
    assert_eq!((first.exit_code, second.exit_code), (152, 152));
    assert!(first.stdout.len() > 10 && first.stdout.len() == second.stdout.len());
    let ends = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    assert_eq!(run(&vm, "ends.wasm", ends).await, 0);
    idle(&vm).await;
}

const GROW: &str = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (func (export "_start") (local $mib i32)
        (loop $more (if (i32.ne (memory.grow (i32.const 16)) (i32.const -1))
            (then (local.set $mib (i32.add (local.get $mib) (i32.const 1))) (br $more))))
        (call $exit (local.get $mib))))"#;

#[tokio::test]
async fn memory_of_a_process() {
    let vm = limited(&[("maxWasmMemoryBytes", 16 << 20)]).await;
    let mut events = vm.events();
    assert_eq!(run(&vm, "grow.wasm", GROW).await, 15);
    let limit = breach(&mut events, "maxWasmMemoryBytes").await;
    let observed = (16 << 20) + (1 << 16);
    check(
        &limit,
        "resources.maxWasmMemoryBytes",
        "bytes",
        observed,
        16 << 20,
        Errno::ENOMEM,
    );
    let output = vm.exec("x=xxxxxxxx; while :; do x=$x$x; done").await.unwrap();
    assert_ne!(output.exit_code, 0);
    let large = r#"(module (memory (export "memory") 512) (func (export "_start")))"#;
    let path = install(&vm, "large.wasm", large).await;
    let error = vm.exec_argv([path]).await.unwrap_err();
    check(
        error.limit().unwrap(),
        "resources.maxWasmMemoryBytes",
        "bytes",
        32 << 20,
        16 << 20,
        Errno::ENOMEM,
    );
    idle(&vm).await;
}

#[tokio::test]
async fn stacks() {
    let vm = limited(&[("maxWasmStackBytes", 64 << 10)]).await;
    let deep = r#"(module (memory (export "memory") 1)
        (func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))
        (func (export "_start") (drop (call $deep (i32.const 0)))))"#;
    assert_eq!(run(&vm, "deep.wasm", deep).await, 139);
    let output = vm.exec("f() { f; }; f").await.unwrap();
    assert_ne!(output.exit_code, 0);
    idle(&vm).await;
}

/// A program that takes what it can get of memory in steps of 1 MiB, and stays.
const HOG: &str = r#"(module (import "agentos_v1" "sig_wait" (func $wait (param i64 i64 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "_start")
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        (loop $stay (drop (call $wait (i64.const 0) (i64.const -1) (i32.const 64))) (br $stay))))"#;

#[tokio::test]
async fn memory_of_the_vm() {
    let cap = 64 << 20;
    let vm = limited(&[("maxMemoryBytes", cap), ("maxWasmMemoryBytes", cap)]).await;
    let mut events = vm.events();
    // A small program that will want to become a larger one, for which no call can fail any more.
    let large = r#"(module (memory (export "memory") 768) (func (export "_start")))"#;
    install(&vm, "large.wasm", large).await;
    let mut shell = vm
        .spawn("sh", ["-c", "echo ready; read x; exec ./large.wasm"])
        .start()
        .await
        .unwrap();
    shell.first_output().await.unwrap();
    let hog = install(&vm, "hog.wasm", HOG).await;
    let hog = vm.spawn(&hog, [""; 0]).start().await.unwrap();
    until(|| vm.usage().memory_bytes > cap - (2 << 20)).await;
    assert!(vm.usage().memory_bytes <= cap);
    let limit = breach(&mut events, "maxMemoryBytes").await;
    check(
        &limit,
        "resources.maxMemoryBytes",
        "bytes",
        limit.observed,
        cap,
        Errno::ENOMEM,
    );
    assert!(limit.observed > cap);
    // A call that can fail does.
    let error = vm.exec_argv(["./large.wasm"]).await.unwrap_err();
    let limit = error.limit().unwrap();
    check(
        limit,
        "resources.maxMemoryBytes",
        "bytes",
        limit.observed,
        cap,
        Errno::ENOMEM,
    );
    // One that cannot costs the largest process its life.
    shell.stdin().write_all("go\n").await.unwrap();
    assert_eq!(hog.control().wait().await.unwrap(), 137);
    let limit = hog.control().limit().expect("the reason");
    check(
        &limit,
        "resources.maxMemoryBytes",
        "bytes",
        limit.observed,
        cap,
        Errno::ENOMEM,
    );
    assert_eq!(shell.wait().await.unwrap(), 0);
    drop((hog, shell));
    idle(&vm).await;
}

#[tokio::test]
async fn pending_input() {
    let vm = limited(&[("pendingStdinBytes", 100_000)]).await;
    let mut held = Vec::new();
    for script in ["sleep 1000", "exec sleep 1000", "while :; do :; done"] {
        let mut process = start(&vm, script).await;
        let mut stdin = process.stdin();
        // The host's writer waits: for the pipe, or because all pipes together hold enough.
        assert!(poll_once(stdin.write_all(vec![b'x'; 1 << 20])).is_pending());
        assert!(used(&vm, "pendingStdinBytes").observed <= 100_000);
        held.push((process, stdin));
    }
    assert_eq!(used(&vm, "pendingStdinBytes").observed, 100_000);
    // A guest that reads makes room for another's input.
    let mut reader = start(&vm, "cat > /dev/null").await;
    let mut stdin = reader.stdin();
    drop(held.remove(0));
    for process in vm.all_processes().await.unwrap() {
        if process.args.iter().any(|arg| arg.contains("sleep") || arg == "1000") {
            vm.signal_process(process.pid, Signal::Kill).await.unwrap();
        }
    }
    stdin.write_all(vec![b'x'; 300_000]).await.unwrap();
    stdin.close();
    assert_eq!(reader.wait().await.unwrap(), 0);
    drop((held, reader));
    idle(&vm).await;
}

#[tokio::test]
async fn pending_streams() {
    let vm = limited(&[("pendingEventCount", 3)]).await;
    let mut writers = Vec::new();
    for _ in 0..5 {
        writers.push(start(&vm, "echo hello; sleep 1000").await);
    }
    until(|| used(&vm, "pendingEventCount").observed == 3).await;
    // The others wait until the host takes what is there, and then come, too.
    for writer in &mut writers {
        assert_eq!(&writer.first_output().await.unwrap().data[..], b"hello\n");
        assert!(used(&vm, "pendingEventCount").observed <= 3);
    }
    drop(writers);
    idle(&vm).await;
}

#[tokio::test]
async fn pending_output() {
    let vm = limited(&[("pendingEventBytes", 100_000)]).await;
    let mut writers = [
        start(&vm, "yes").await,
        start(&vm, "yes no").await,
        start(&vm, "seq 1000000").await,
    ];
    until(|| {
        let pending = used(&vm, "pendingEventBytes").observed;
        assert!(pending <= 100_000);
        pending > 95_000
    })
    .await;
    // What one of them gives up goes to whoever waits.
    writers[0].close_output(agentos::Stream::Stdout);
    writers[1].close_output(agentos::Stream::Stdout);
    let mut bytes = 0;
    while let Some(output) = writers[2].next_output().await.unwrap() {
        bytes += output.data.len();
    }
    assert_eq!(bytes, 6_888_896);
    drop(writers);
    idle(&vm).await;
}

#[tokio::test]
async fn captured_output() {
    for name in ["maxCapturedOutputBytes", "capturedOutputLimitBytes"] {
        let vm = limited(&[(name, 1000)]).await;
        let output = vm.exec("yes | head -c 300000; echo done >&2").await.unwrap();
        assert_eq!(
            (output.exit_code, output.stdout.len(), output.stdout_truncated),
            (0, 1000, true),
            "{name}"
        );
        assert_eq!(
            (output.stderr_text(), output.stderr_truncated),
            ("done\n".to_owned(), false)
        );
        idle(&vm).await;
    }
}

#[tokio::test]
async fn cpu_time() {
    let spin = r#"(module (memory (export "memory") 1) (func (export "_start") (loop $l (br $l))))"#;
    for path in ["process.maxCpuTimeMs", "wasm.runnerCpuTimeLimitMs"] {
        let vm = limited(&[(path, 100)]).await;
        install(&vm, "spin.wasm", spin).await;
        for argv in [&["./spin.wasm"][..], &["sh", "-c", "while :; do :; done"][..]] {
            let output = vm.exec_argv(argv.iter().copied()).await.unwrap();
            assert_eq!(output.exit_code, 152, "{path} {argv:?}");
            let limit = output.limit.expect("the reason");
            check(&limit, path, "ms", limit.observed, 100, Errno::EINTR);
        }
        // One that does not want to hear of it has one more second.
        let output = vm.exec("trap '' XCPU; while :; do :; done").await.unwrap();
        assert_eq!(output.exit_code, 137);
        assert_eq!(format!("limits.{path}"), output.limit.unwrap().configuration_path);
        idle(&vm).await;
    }
}

#[tokio::test]
async fn module_files() {
    let vm = limited(&[("maxModuleFileBytes", 1000)]).await;
    let fill = "x".repeat(2000);
    let module =
        format!(r#"(module (memory (export "memory") 1) (data (i32.const 0) "{fill}") (func (export "_start")))"#);
    let path = install(&vm, "large.wasm", &module).await;
    let error = vm.exec_argv([path]).await.unwrap_err();
    let limit = error.limit().unwrap();
    check(
        limit,
        "wasm.maxModuleFileBytes",
        "bytes",
        limit.observed,
        1000,
        Errno::ENOEXEC,
    );
}

#[tokio::test]
async fn heaps() {
    let vm = limited(&[("runnerHeapLimitMb", 32)]).await;
    let output = vm.exec_argv([install(&vm, "grow.wasm", GROW).await]).await.unwrap();
    assert_eq!(output.exit_code, 137);
    check(
        &output.limit.unwrap(),
        "wasm.runnerHeapLimitMb",
        "count",
        33,
        32,
        Errno::ENOMEM,
    );
    let output = vm.exec("x=xxxxxxxx; while :; do x=$x$x; done").await.unwrap();
    assert_eq!(output.exit_code, 137);
    idle(&vm).await;
}

#[tokio::test]
async fn prewarming() {
    let mut limits = Limits::default();
    limits.set("prewarmTimeoutMs", 1).unwrap();
    let cold = AgentOs::builder().limits(limits).create().await.unwrap();
    // Whatever could be compiled in that time: a program that was not is compiled when it is run.
    cold.prepare(|_| {}).await.unwrap();
    let module = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    assert_eq!(run(&cold, "any.wasm", module).await, 0);
}

// The documented example, and what is promised of all limits together.

#[tokio::test]
async fn the_documented_example_is_honoured() {
    let value = serde_json::json!({ "resources": {
        "cpuCount": 1, "maxProcesses": 64, "maxFilesystemBytes": 536_870_912, "maxWasmMemoryBytes": 268_435_456,
    }});
    let vm = AgentOs::builder()
        .limits(Limits::from_json(&value).unwrap())
        .create()
        .await
        .unwrap();
    vm.prepare(|_| {}).await.unwrap();
    assert_eq!(vm.exec("nproc").await.unwrap().stdout_text(), "1\n");
    let mut events = vm.events();
    let shell = start(&vm, "for i in $(seq 70); do sleep 1000 & done; wait").await;
    let limit = breach(&mut events, "maxProcesses").await;
    check(&limit, "resources.maxProcesses", "count", 65, 64, Errno::EAGAIN);
    // The place of the `seq` may be free again by now.
    assert!((63..=64).contains(&vm.all_processes().await.unwrap().len()));
    drop(shell);
    idle(&vm).await;
    // One inode with one name is 256 bytes and the name; the rest is content, to the byte.
    let room = 536_870_912 - used(&vm, "maxFilesystemBytes").observed;
    let script = format!("truncate -s 0 f; head -c {} /dev/zero >> f", room);
    let output = vm.exec(script).await.unwrap();
    assert!(
        output.stderr_text().contains("No space left on device"),
        "{}",
        output.stderr_text()
    );
    let full = used(&vm, "maxFilesystemBytes");
    assert_eq!(full.observed, full.capacity);
    assert_eq!(vm.stat("/home/user/f").await.unwrap().size, room - 256 - 1);
    vm.exec("rm f").await.unwrap();
    let pages = GROW
        .replace("(i32.const 16)) (i32.const -1)", "(i32.const 1)) (i32.const -1)")
        .replace(
            "(call $exit (local.get $mib))",
            "(call $exit (i32.ne (local.get $mib) (i32.const 4095)))",
        );
    assert_eq!(run(&vm, "pages.wasm", &pages).await, 0, "256 MiB are 4096 pages");
}

#[tokio::test]
async fn stocks_warn_at_four_fifths_and_again_only_after_half() {
    let vm = limited(&[("maxProcesses", 10), ("maxPipes", 1000)]).await;
    let mut events = vm.events();
    let mut warnings = Vec::new();
    for _ in 0..2 {
        let mut held = Vec::new();
        for _ in 0..9 {
            held.push(vm.spawn("sleep", ["1000"]).start().await.unwrap());
        }
        let warning = loop {
            if let Event::LimitWarning(warning) = events.next().await.unwrap() {
                break warning;
            }
        };
        warnings.push((
            warning.limit,
            warning.category,
            warning.observed,
            warning.capacity,
            warning.fill_percent,
        ));
        drop(held);
        idle(&vm).await;
    }
    assert_eq!(warnings, [("maxProcesses", "resources", 8, 10, 80); 2]);
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let told = seen.clone();
    let mut limits = Limits::default();
    limits.set("maxFilesystemBytes", 1 << 20).unwrap();
    let vm = AgentOs::builder()
        .limits(limits)
        .on_limit_warning(move |warning| told.lock().unwrap().push(warning.message.clone()))
        .create()
        .await
        .unwrap();
    vm.write_file("/home/user/big", vec![0; 900_000]).await.unwrap();
    until(|| !seen.lock().unwrap().is_empty()).await;
    assert!(seen.lock().unwrap()[0].contains("maxFilesystemBytes"));
}
