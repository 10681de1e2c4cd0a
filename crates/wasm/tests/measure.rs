//! What things cost. Prints; asserts nothing about time. `cargo test --release -p agentos-wasm --test measure -- --ignored --nocapture`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use agentos_kernel::id::Fd;
use agentos_kernel::process::{ExitStatus, FileAction, Signal};
use common::*;
use std::future::poll_fn;
use std::time::Instant;

fn p50(name: &str, count: usize, mut work: impl FnMut()) {
    for _ in 0..count / 10 + 1 {
        work();
    }
    let mut times: Vec<u64> = (0..count)
        .map(|_| {
            let begin = Instant::now();
            work();
            begin.elapsed().as_nanos() as u64
        })
        .collect();
    times.sort_unstable();
    let at = |part: usize| times[times.len() * part / 100] as f64 / 1000.0;
    println!(
        "{name:50} min {:9.1} us   p50 {:9.1} us   p90 {:9.1} us",
        times[0] as f64 / 1000.0,
        at(50),
        at(90)
    );
}

const SPAWN: (&str, &str, &str) = (OS, "proc_spawn", "(param i32 i32) (result i32)");
const WAIT: (&str, &str, &str) = (OS, "proc_wait", "(param i32 i32 i32) (result i32)");

/// A program that runs `/bin/true` as often as its first argument has bytes... a constant number of times.
fn spawner(times: u32) -> String {
    program(
        &[SPAWN, WAIT],
        &format!(
            r#"
        (data (i32.const 256) "/bin/true") (data (i32.const 288) "true\00")
        (data (i32.const 0) "\50\00\00\00\00\00\00\00\00\01\00\00\09\00\00\00\20\01\00\00\05\00\00\00")
        (func (export "_start") (local $n i32)
          (loop $again
            (if (call $proc_spawn (i32.const 0) (i32.const 512)) (then unreachable))
            (if (call $proc_wait (i32.const -1) (i32.const 0) (i32.const 520)) (then unreachable))
            (local.set $n (i32.add (local.get $n) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $n) (i32.const {times}))))) "#
        ),
    )
}

#[test]
#[ignore = "measures"]
fn costs() {
    let vm = Vm::new();
    vm.install(
        "true",
        "(module (memory (export \"memory\") 1) (func (export \"_start\")))",
    );
    vm.install("spawn100", &spawner(100));
    assert_eq!(wait(&vm.spawn(&["true"])), ExitStatus::Exited(0));
    assert_eq!(wait(&vm.spawn(&["spawn100"])), ExitStatus::Exited(0));
    p50("spawn + wait of a trivial module, from the host", 2000, || {
        let _ = wait(&vm.spawn(&["true"]));
    });
    p50("100 x spawn + wait of it, from a guest", 200, || {
        let _ = wait(&vm.spawn(&["spawn100"]));
    });
    vm.install("loop", "(module (func (export \"_start\") (loop (br 0))))");
    p50("spawn, kill and wait of a spinner", 100, || {
        let process = vm.spawn(&["loop"]);
        eventually(|| process.usage().user_ns > 0);
        vm.kill(&process, Signal::KILL);
        wait(&process);
    });
    pipes(&vm);
    clones(&vm);
    idle_memory();
    artefacts(&vm);
}

/// Two processes that send one byte to and fro.
fn pipes(vm: &Vm) {
    let io = |call: &str, fd: u32| {
        format!("(call $ok (call ${call} (i32.load (i32.const {fd})) (i32.const 0x48) (i32.const 1) (i32.const 0x20)))")
    };
    let (to, from) = ((0x30, 0x34), (0x38, 0x3c));
    let looped = |body: String| {
        format!(
            "(loop $again {body} (global.set $n (i32.add (global.get $n) (i32.const 1))) (br_if $again (i32.lt_u (global.get $n) (i32.const 1000))))"
        )
    };
    let text = native(
        &(data(0x48, &[0, 0x20, 0, 0, 1, 0, 0, 0]) + &format!("(global $n (mut i32) (i32.const 0))
            (func (export \"agentos_clone_entry\") (param i32) (result i32) {} (i32.const 0))", looped(io("fd_read", to.0) + &io("fd_write", from.1)))),
        &format!("(call $ok (call $fd_pipe (i32.const 0) (i32.const {}) (i32.const {}))) (call $ok (call $fd_pipe (i32.const 0) (i32.const {}) (i32.const {})))
            (call $ok (call $proc_clone (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
            {} (call $ok (call $proc_wait (i32.const -1) (i32.const 0) (i32.const 0x1000)))",
            to.0, to.1, from.0, from.1, looped(io("fd_write", to.1) + &io("fd_read", from.0))),
    );
    vm.install("pingpong", &text);
    p50("1000 round trips between two processes", 100, || {
        assert_eq!(wait(&vm.spawn(&["pingpong"])), ExitStatus::Exited(0));
    });
}

/// A process of 4 MiB that has written to 1 MiB clones itself 100 times.
fn clones(vm: &Vm) {
    let text = native(
        "(func (export \"agentos_clone_entry\") (param i32) (result i32) (i32.const 0))",
        "(drop (memory.grow (i32.const 62))) (memory.fill (i32.const 0x10000) (i32.const 1) (i32.const 0x100000))
         (loop $again
            (call $ok (call $proc_clone (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))
            (call $ok (call $proc_wait (i32.const -1) (i32.const 0) (i32.const 0x1000)))
            (local.set $a (i32.add (local.get $a) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $a) (i32.const 100))))",
    );
    vm.install("clones", &text);
    p50("100 x clone (1 of 4 MiB written) + wait", 50, || {
        assert_eq!(wait(&vm.spawn(&["clones"])), ExitStatus::Exited(0));
    });
}

fn pss_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .unwrap_or("0 kB");
    line.trim()
        .split(' ')
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0)
}

fn idle_memory() {
    let executor = executor(agentos_wasm::WasmConfig {
        pool_slots: 600,
        workers: 2,
        ..Default::default()
    });
    let mut limits = agentos_kernel::limits::Limits::default();
    limits.max_processes = 600;
    let vm = Vm::with(executor, limits);
    vm.install(
        "wait",
        &native(
            "",
            "(drop (call $sig_wait (i64.const -1) (i64.const -1) (i32.const 0)))",
        ),
    );
    let first = vm.spawn(&["wait"]);
    let before = pss_kib();
    let begin = Instant::now();
    let all: Vec<_> = (0..500).map(|_| vm.spawn(&["wait"])).collect();
    println!(
        "500 blocked processes: {} KiB each, started in {:?}",
        (pss_kib() - before) / 500,
        begin.elapsed()
    );
    let switches = || std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let begin = switches();
    std::thread::sleep(std::time::Duration::from_millis(300));
    println!(
        "schedstat of the main thread over 300 ms: {begin:?} -> {:?}",
        switches()
    );
    for process in all.iter().chain([&first]) {
        vm.kill(process, Signal::KILL);
    }
}

fn artefacts(vm: &Vm) {
    let Ok(folder) = std::env::var("WASM_PROGRAMS") else {
        return;
    };
    for name in ["tiny", "box", "sh"] {
        if let Ok(bytes) = std::fs::read(format!("{folder}/{name}.wasm")) {
            let begin = Instant::now();
            vm.install_bytes(name, &bytes);
            let mut request = vm.request(&[name]);
            request.argv = vec![b"true".to_vec()];
            let _ = wait(&vm.spawn_request(&request).unwrap());
            println!("{name} first use: {:?}", begin.elapsed());
        }
    }
    let tool = |program: &str, argv: &[&str]| {
        let mut request = vm.request(&[program]);
        request.argv = argv.iter().map(|arg| arg.as_bytes().to_vec()).collect();
        request.env = vec![b"PATH=/bin".to_vec()];
        request
    };
    for (program, argv) in [
        ("tiny", &["true"][..]),
        ("tiny", &["echo", "hi"]),
        ("box", &["true"]),
        ("box", &["wc", "/bin/true"]),
        ("sh", &["sh", "-c", ":"]),
        ("sh", &["sh", "-c", "echo hi"]),
    ] {
        let request = tool(program, argv);
        if vm.spawn_request(&request).is_err() {
            continue;
        }
        p50(&format!("{program}: {argv:?}"), 1000, || {
            let _ = wait(&vm.spawn_request(&request).unwrap());
        });
    }
}

/// Two guests over a loopback connection: GB/s and the time of a byte forth and back.
#[test]
#[ignore = "measures"]
fn loopback() {
    let vm = Vm::new();
    vm.install("net", include_str!("../../cli/src/bench/network.wat"));
    for (role, name) in [(0usize, "256 MiB"), (1, "20000 round trips")] {
        for _ in 0..5 {
            let args = |count: usize| ["net", "a", "b", "c"][..=count].to_vec();
            let (ready, stdout) = vm.pipe();
            let mut request = vm.request(&args(role));
            request.actions = vec![FileAction::Inherit(Fd(1), stdout)];
            let server = vm.spawn_request(&request).unwrap();
            drop(request);
            block_on(poll_fn(|cx| ready.read(&mut [0; 1], Some(cx.waker())))).unwrap();
            let (status, took) = vm.run(&args(role + 2));
            assert_eq!((status, wait(&server)), (ExitStatus::Exited(0), ExitStatus::Exited(0)));
            let nanos = u64::from_le_bytes(took.try_into().unwrap()) as f64;
            match role {
                0 => println!("{name:50} {:9.2} GB/s", 256.0 * 1048576.0 / nanos),
                _ => println!("{name:50} {:9.2} us each", nanos / 20_000.0 / 1000.0),
            }
        }
    }
}

/// The benchmark of the command line carries its guest assembled; `BLESS=1` assembles it anew.
#[test]
fn the_guest_of_the_benchmark_is_what_its_text_says() {
    let assembled = wat::parse_str(include_str!("../../cli/src/bench/network.wat")).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/src/bench/network.wasm");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &assembled).unwrap();
    }
    assert!(
        std::fs::read(path).unwrap() == assembled,
        "{path} is stale: run with BLESS=1"
    );
}
