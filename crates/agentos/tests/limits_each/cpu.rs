//! Limits of CPU time and of CPUs.

use crate::modules::{NOTHING, SPIN, WRITE, module_of};
use crate::tools::{check, idle, install, limited, run, start, until};
use agentos::{AgentOs, Errno, Limits};
use std::time::{Duration, Instant};

/// CPUs that the VM uses at once: CPU time per time that passes, the least of what is seen until that is below `expected`. What
/// a process used is counted when it is taken off its CPU, which on a busy host may be late, so one look is right to about a
/// third; what is really too much is so in every one.
async fn cpus_in_use(vm: &AgentOs, expected: f64) -> f64 {
    until(|| vm.usage().cpu_time > Duration::from_millis(50)).await;
    let mut least = f64::INFINITY;
    for _ in 0..10 {
        least = least.min(cpus_seen(vm).await);
        if least < expected {
            break;
        }
    }
    least
}

async fn cpus_seen(vm: &AgentOs) -> f64 {
    let (began, before) = (Instant::now(), vm.usage().cpu_time);
    until(|| vm.usage().cpu_time - before > Duration::from_millis(800)).await;
    (vm.usage().cpu_time - before).as_secs_f64() / began.elapsed().as_secs_f64()
}

pub(crate) mod cpu_count {
    use super::*;

    pub(crate) async fn program() {
        for cpus in [1, 2] {
            let vm = limited(&[("cpuCount", cpus)]).await;
            let seen = vm.exec("nproc; grep -c ^processor /proc/cpuinfo").await.unwrap();
            assert_eq!(seen.stdout_text(), format!("{cpus}\n{cpus}\n"));
            let mut busy = Vec::new();
            for script in [
                "while :; do :; done",
                "yes > /dev/null",
                "seq 1000000000 | sort > /dev/null",
            ] {
                busy.push(start(&vm, script).await);
            }
            let at_once = cpus_in_use(&vm, cpus as f64 + 0.5).await;
            assert!(at_once < cpus as f64 + 0.5, "{cpus} CPUs, {at_once:.2} in use");
            drop(busy);
            idle(&vm).await;
        }
    }

    pub(crate) async fn hostile() {
        let vm = limited(&[("cpuCount", 1), ("maxProcesses", 32)]).await;
        let path = install(&vm, "spin.wasm", SPIN).await;
        let mut spinners = vec![start(&vm, "while :; do (:); done").await];
        for _ in 0..5 {
            spinners.push(vm.spawn(&path, [""; 0]).start().await.unwrap());
        }
        let at_once = cpus_in_use(&vm, 1.5).await;
        assert!(at_once < 1.5, "{at_once:.2} in use");
        drop(spinners);
        idle(&vm).await;
    }
}

pub(crate) mod max_wasm_fuel {
    use super::*;

    async fn fuelled(fuel: u64) -> AgentOs {
        let mut limits = Limits::default();
        limits.set("maxWasmFuel", fuel).unwrap();
        AgentOs::builder().limits(limits).create().await.unwrap()
    }

    pub(crate) async fn program() {
        let vm = fuelled(3_000_000).await;
        // A shell says how far it comes, and comes as far each time: instructions are counted, not time.
        let script = "i=0; while :; do i=$((i+1)); echo $i; done";
        let first = vm.exec(script).await.unwrap();
        let second = vm.exec(script).await.unwrap();
        assert_eq!((first.exit_code, second.exit_code), (152, 152));
        assert!(
            first.stdout.len() > 10 && first.stdout == second.stdout,
            "{}",
            first.stdout_text()
        );
        let expected = ("resources.maxWasmFuel", "count", 3_000_001, 3_000_000, Errno::EINTR);
        check(&first.limit.unwrap(), expected);
        assert_eq!(vm.exec("echo enough").await.unwrap().stdout_text(), "enough\n");
        idle(&vm).await;
    }

    pub(crate) async fn hostile() {
        let vm = fuelled(100_000).await;
        let path = install(&vm, "spin.wasm", SPIN).await;
        let output = vm.exec_argv([path]).await.unwrap();
        assert_eq!(output.exit_code, 152);
        let expected = ("resources.maxWasmFuel", "count", 100_001, 100_000, Errno::EINTR);
        check(&output.limit.unwrap(), expected);
        // Calls that wait or fail do not give any back.
        let body =
            "(loop $more (drop (call $write (i32.const 99) (i32.const 0) (i32.const 1) (i32.const 16))) (br $more))";
        assert_eq!(run(&vm, "calls.wasm", &module_of(WRITE, "", "", body)).await, 152);
        assert_eq!(run(&vm, "ends.wasm", NOTHING).await, 0);
        idle(&vm).await;
    }
}

/// A program that works is told, and one that does not listen has a second more.
async fn a_working_shell(path: &'static str) {
    let vm = limited(&[(path, 100)]).await;
    let output = vm.exec_argv(["sh", "-c", "while :; do :; done"]).await.unwrap();
    assert_eq!(output.exit_code, 152, "{path}");
    let limit = output.limit.expect("the reason");
    check(&limit, (path, "ms", limit.observed, 100, Errno::EINTR));
    let output = vm
        .exec("trap 'echo told; exit 3' XCPU; while :; do :; done")
        .await
        .unwrap();
    assert_eq!(
        (output.exit_code, output.stdout_text()),
        (3, "told\n".to_owned()),
        "{path}"
    );
    idle(&vm).await;
}

async fn a_spinner(path: &'static str) {
    let vm = limited(&[(path, 100)]).await;
    install(&vm, "spin.wasm", SPIN).await;
    let output = vm.exec_argv(["./spin.wasm"]).await.unwrap();
    assert_eq!(output.exit_code, 152, "{path}");
    let limit = output.limit.expect("the reason");
    check(&limit, (path, "ms", limit.observed, 100, Errno::EINTR));
    let output = vm.exec("trap '' XCPU; while :; do :; done").await.unwrap();
    assert_eq!(output.exit_code, 137);
    assert_eq!(format!("limits.{path}"), output.limit.unwrap().configuration_path);
    idle(&vm).await;
}

pub(crate) mod max_cpu_time_ms {
    const PATH: &str = "process.maxCpuTimeMs";

    pub(crate) async fn program() {
        super::a_working_shell(PATH).await;
    }

    pub(crate) async fn hostile() {
        super::a_spinner(PATH).await;
    }
}

pub(crate) mod runner_cpu_time_limit_ms {
    const PATH: &str = "wasm.runnerCpuTimeLimitMs";

    pub(crate) async fn program() {
        super::a_working_shell(PATH).await;
    }

    pub(crate) async fn hostile() {
        super::a_spinner(PATH).await;
    }
}
