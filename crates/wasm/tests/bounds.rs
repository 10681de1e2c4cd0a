//! Memory, CPU time, number of processes; and fairness.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use agentos_kernel::Errno;
use agentos_kernel::limits::Limits;
use agentos_kernel::process::{ExitStatus, Signal};
use agentos_wasm::WasmConfig;
use common::*;

const SPIN: &str = "(module (func (export \"_start\") (loop (br 0))))";
const TRUE: &str = "(module (func (export \"_start\")))";

fn limits(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

fn small(pool_slots: u32, workers: usize) -> WasmConfig {
    WasmConfig {
        pool_slots,
        workers,
        ..WasmConfig::default()
    }
}

#[test]
fn memory_grows_to_the_cap_and_no_further() {
    let vm = Vm::limited(|limits| limits.max_wasm_memory_bytes = 1 << 20);
    // 2 pages at first, 16 at most: exits with the number of pages it got.
    vm.install(
        "grow",
        &native(
            "",
            "
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (call $proc_exit (memory.size))",
        ),
    );
    assert_eq!(vm.run(&["grow"]).0, ExitStatus::Exited(16));
    assert_eq!(vm.kernel.usage().memory.used(), 0);
    let vm = Vm::limited(|limits| {
        limits.max_memory_bytes = 640 << 10;
        limits.max_wasm_memory_bytes = 640 << 10;
    });
    vm.install(
        "grow",
        &native(
            "",
            "
        (loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (call $proc_exit (memory.size))",
        ),
    );
    assert_eq!(vm.run(&["grow"]).0, ExitStatus::Exited(10));
}

#[test]
fn a_table_grows_to_a_cap() {
    let vm = Vm::new();
    vm.install(
        "table",
        &native(
            "(table $t 1 funcref)",
            "
        (loop $more (br_if $more (i32.ne (table.grow $t (ref.null func) (i32.const 100000)) (i32.const -1))))
        (call $proc_exit (i32.div_u (table.size $t) (i32.const 100000)))",
        ),
    );
    assert!(matches!(vm.run(&["table"]).0, ExitStatus::Exited(0..=10)));
}

#[test]
fn a_vm_without_memory_left_refuses_to_start_more() {
    let vm = Vm::limited(|limits| {
        limits.max_memory_bytes = 256 << 10;
        limits.max_wasm_memory_bytes = 256 << 10;
    });
    vm.install("hold", "(module (memory 3) (func (export \"_start\") (loop (br 0))))");
    let first = vm.spawn(&["hold"]);
    eventually(|| first.memory() > 0);
    let refused = vm.spawn_request(&vm.request(&["hold"])).unwrap_err();
    assert_eq!(refused, Errno::ENOMEM);
    assert_eq!(refused.limit().map(|limit| limit.limit), Some("maxMemoryBytes"));
    vm.kill(&first, Signal::KILL);
    wait(&first);
    assert_eq!(vm.kernel.usage().memory.used(), 0);
}

#[test]
fn cpu_time_is_limited() {
    let vm = Vm::limited(|limits| limits.max_cpu_time_ms = 20);
    vm.install("spin", SPIN);
    let process = vm.spawn(&["spin"]);
    assert_eq!(wait(&process), ExitStatus::Signaled(Signal::XCPU));
    assert_eq!(process.limit().map(|limit| limit.limit), Some("maxCpuTimeMs"));
}

#[test]
fn processes_beyond_the_pool_run_on_demand() {
    let vm = Vm::with(executor(small(64, 2)), limits(|limits| limits.max_processes = 1000));
    vm.install(
        "wait",
        &native(
            "",
            "(drop (call $sig_wait (i64.const -1) (i64.const -1) (i32.const 0)))",
        ),
    );
    vm.install("true", TRUE);
    let waiting: Vec<_> = (0..200).map(|_| vm.spawn(&["wait"])).collect();
    assert_eq!(wait(&vm.spawn(&["true"])), ExitStatus::Exited(0));
    assert_eq!(vm.executor.live_processes(), 200);
    for process in &waiting {
        vm.kill(process, Signal::KILL);
    }
    for process in &waiting {
        assert_eq!(wait(process), ExitStatus::Signaled(Signal::KILL));
    }
    eventually(|| vm.executor.live_processes() == 0);
}

#[test]
fn without_a_pool_everything_works() {
    let vm = Vm::with(executor(small(0, 1)), Limits::default());
    vm.install("child", &native("", "(call $proc_exit (i32.const 4))"));
    let text = native(
        &spawn_request(0x100, "/bin/child", &["child"], 0, &[]),
        "
        (call $ok (call $proc_spawn (i32.const 0x100) (i32.const 0)))
        (call $ok (call $proc_wait (i32.const -1) (i32.const 0) (i32.const 0x1000)))
        (call $proc_exit (i32.load (i32.const 0x1008)))",
    );
    vm.install("parent", &text);
    assert_eq!(vm.run(&["parent"]).0, ExitStatus::Exited(4));
}

#[test]
fn a_module_that_does_not_fit_the_pool_runs_beside_it() {
    let vm = Vm::new();
    vm.install(
        "wide",
        "(module (table 30000 funcref) (memory 1) (memory 1) (func (export \"_start\")))",
    );
    assert_eq!(vm.run(&["wide"]).0, ExitStatus::Exited(0));
}

#[test]
fn a_host_without_room_for_a_process_says_so() {
    let config = WasmConfig {
        max_live_processes: 3,
        ..small(64, 1)
    };
    let vm = Vm::with(executor(config), Limits::default());
    vm.install(
        "wait",
        &native(
            "",
            "(drop (call $sig_wait (i64.const -1) (i64.const -1) (i32.const 0)))",
        ),
    );
    let waiting: Vec<_> = (0..3).map(|_| vm.spawn(&["wait"])).collect();
    let error = vm.spawn_request(&vm.request(&["wait"])).unwrap_err();
    assert_eq!(
        (error.errno(), error.limit().unwrap().limit),
        (Errno::EAGAIN, "max_live_processes")
    );
    vm.kill(&waiting[0], Signal::KILL);
    wait(&waiting[0]);
    eventually(|| vm.executor.live_processes() == 2);
    vm.spawn(&["wait"]);
}

#[test]
fn spinners_let_a_new_process_through() {
    let vm = Vm::with(executor(small(64, 2)), limits(|limits| limits.cpu_count = 2));
    vm.install("spin", SPIN);
    vm.install("true", TRUE);
    let spinners: Vec<_> = (0..8).map(|_| vm.spawn(&["spin"])).collect();
    for _ in 0..5 {
        assert_eq!(wait(&vm.spawn(&["true"])), ExitStatus::Exited(0));
    }
    eventually(|| spinners.iter().all(|process| process.usage().user_ns > 0));
}

#[test]
fn a_vm_full_of_spinners_does_not_delay_another() {
    let executor = executor(WasmConfig {
        max_live_processes: 1000,
        ..small(600, 2)
    });
    let loud = Vm::with(
        executor.clone(),
        limits(|limits| (limits.max_processes, limits.cpu_count) = (600, 2)),
    );
    loud.install("spin", SPIN);
    let spinners: Vec<_> = (0..500).map(|_| loud.spawn(&["spin"])).collect();
    let quiet = Vm::with(executor, Limits::default());
    quiet.install("true", TRUE);
    for _ in 0..5 {
        assert_eq!(wait(&quiet.spawn(&["true"])), ExitStatus::Exited(0));
    }
    drop(loud);
    for process in spinners {
        wait(&process);
    }
}

#[test]
fn caught_exceptions_do_not_grow_memory() {
    let vm = Vm::limited(|limits| {
        limits.max_memory_bytes = 64 << 20;
        limits.max_wasm_memory_bytes = 64 << 20;
    });
    vm.install(
        "throws",
        "(module (tag $e (param i32)) (memory 1) (func (export \"_start\") (local i32)
        (loop $again
            (drop (block $caught (result i32) (try_table (catch $e $caught) (throw $e (local.get 0))) unreachable))
            (local.set 0 (i32.add (local.get 0) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get 0) (i32.const 1000000))))))",
    );
    assert_eq!(vm.run(&["throws"]).0, ExitStatus::Exited(0));
    vm.install("uncaught", "(module (tag $e) (func (export \"_start\") (throw $e)))");
    assert_eq!(vm.run(&["uncaught"]).0, ExitStatus::Signaled(Signal::ABRT));
}

#[test]
fn a_vm_may_allow_less_stack() {
    // Goes 10,000 calls deep: too much for 64 KiB, little for a megabyte.
    let deep = "(module (func $f (param i32) (result i32) (if (result i32) (local.get 0)
        (then (i32.add (call $f (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))) (else (i32.const 0))))
        (func (export \"_start\") (drop (call $f (i32.const 10000)))))";
    for (stack, status) in [
        (64 << 10, ExitStatus::Signaled(Signal::SEGV)),
        (1 << 20, ExitStatus::Exited(0)),
    ] {
        let vm = Vm::limited(|limits| limits.max_wasm_stack_bytes = stack);
        vm.install("deep", deep);
        assert_eq!(vm.run(&["deep"]).0, status, "{stack}");
        // It can be killed on this engine, too.
        vm.install("spin", SPIN);
        let process = vm.spawn(&["spin"]);
        vm.kill(&process, Signal::KILL);
        assert_eq!(wait(&process), ExitStatus::Signaled(Signal::KILL));
    }
}
