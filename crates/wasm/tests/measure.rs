//! What things cost. Prints; asserts nothing about time. `cargo test --release -p agentos-wasm --test measure -- --ignored --nocapture`

mod common;

use agentos_kernel::process::{ExitStatus, Signal};
use common::*;
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
    artefacts(&vm);
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
