//! Spawning, replacing, copying and waiting, as guests do it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use agentos_kernel::process::{ExitStatus, Signal};
use common::*;

const DONE: &str = "(call $proc_exit (i32.const 0))";

fn exits(vm: &Vm, name: &str, status: u32) {
    vm.install(name, &native("", &format!("(call $proc_exit (i32.const {status}))")));
}

/// Result of `proc_wait` at 0x1000: pid, kind, code.
const WAIT: &str = "(call $ok (call $proc_wait (i32.const -1) (i32.const 0) (i32.const 0x1000)))";
const CODE: &str = "(i32.load (i32.const 0x1008))";

#[test]
fn a_child_runs_and_is_waited_for() {
    let vm = Vm::new();
    exits(&vm, "child", 42);
    let text = native(
        &spawn_request(0x100, "/bin/child", &["child"], 0, &[]),
        &format!(
            "(call $ok (call $proc_spawn (i32.const 0x100) (i32.const 0))) {WAIT}
            (if (i32.ne (i32.load (i32.const 0)) (i32.load (i32.const 0x1000))) (then unreachable))
            (call $proc_exit {CODE})"
        ),
    );
    vm.install("parent", &text);
    assert_eq!(vm.run(&["parent"]).0, ExitStatus::Exited(42));
    assert_eq!(vm.processes(), 0);
}

#[test]
fn errors_of_spawn_name_their_reason_and_leave_nothing() {
    let vm = Vm::new();
    vm.install_bytes("bad", b"\0asm junk");
    let open_missing = [3, 5, 0, 0x100, 0, 0x800, 4];
    let cases: [(&str, u32, &[[u32; 7]], u32); 6] = [
        ("/bin/none", 0, &[], 44),
        ("/bin/bad", 0, &[], 45),
        ("/bin", 0, &[], 2),
        ("/bin/parent", 0x1000, &[], 28),
        ("/bin/parent", 0, &[[9, 0, 0, 0, 0, 0, 0]], 28),
        ("/bin/parent", 0, &[open_missing], 44),
    ];
    for (path, flags, actions, errno) in cases {
        let more = spawn_request(0x100, path, &["x"], flags, actions) + &data(0x800, b"none");
        vm.install(
            &format!("p{errno}{flags}{}", actions.len()),
            "(module (func (export \"_start\")))",
        );
        let name = format!("test{}{errno}{flags}{}", path.len(), actions.len());
        vm.install(
            &name,
            &native(
                &more,
                "(call $proc_exit (call $proc_spawn (i32.const 0x100) (i32.const 0)))",
            ),
        );
        if path == "/bin/parent" && vm.process(0).is_none() && actions.is_empty() {
            vm.install("parent", "(module (func (export \"_start\")))");
        }
        assert_eq!(
            vm.run(&[&name]).0,
            ExitStatus::Exited(errno as u8),
            "{path} {flags:#x} {actions:?}"
        );
    }
    assert_eq!(vm.processes(), 0);
}

#[test]
fn file_actions_give_a_child_its_descriptors() {
    let vm = Vm::new();
    // The child copies descriptor 0 to 1.
    vm.install(
        "cat",
        &native(
            &data(0x40, &[0, 2, 0, 0, 0, 1, 0, 0]),
            "(loop $more
            (call $ok (call $fd_read (i32.const 0) (i32.const 0x40) (i32.const 1) (i32.const 0x20)))
            (local.set $a (i32.load (i32.const 0x20)))
            (i32.store (i32.const 0x44) (local.get $a))
            (if (local.get $a) (then
                (call $ok (call $fd_write (i32.const 1) (i32.const 0x40) (i32.const 1) (i32.const 0x20)))
                (i32.store (i32.const 0x44) (i32.const 256))
                (br $more))))",
        ),
    );
    // dup2(2 -> 7), dup2(7 -> 1), close(2): the output arrives through the parent's descriptor 2.
    let actions = [[2, 7, 2, 0, 0, 0, 0], [2, 1, 7, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0, 0]];
    let text = native(
        &spawn_request(0x100, "/bin/cat", &["cat"], 0, &actions),
        &format!("(call $ok (call $proc_spawn (i32.const 0x100) (i32.const 0))) {WAIT} (call $proc_exit {CODE})"),
    );
    vm.install("parent", &text);
    let (status, output) = vm.run_with(&["parent"], b"through two processes");
    assert_eq!(
        (status, output),
        (ExitStatus::Exited(0), b"through two processes".to_vec())
    );
}

#[test]
fn exec_keeps_the_process_and_fails_without_harm() {
    let vm = Vm::new();
    exits(&vm, "next", 9);
    let more =
        spawn_request(0x100, "/bin/none", &["x"], 0, &[]) + &spawn_request(0x600, "/bin/next", &["next"], 0, &[]);
    let body = "(if (i32.ne (call $proc_exec (i32.const 0x100)) (i32.const 44)) (then unreachable))
        (call $ok (call $proc_exec (i32.const 0x600))) unreachable";
    vm.install("first", &native(&more, body));
    let process = vm.spawn(&["first"]);
    assert_eq!(wait(&process), ExitStatus::Exited(9));
    assert_eq!(process.argv(), [b"next".to_vec()]);
    eventually(|| vm.executor.live_processes() == 0);
}

fn clone_program(entry: &str, start: &str) -> String {
    native(&format!("
        (global $sp (export \"__stack_pointer\") (mut i32) (i32.const 4096))
        (func (export \"agentos_clone_entry\") (param $arg i32) (result i32) {entry})
        (func $clone (param $arg i32) (call $ok (call $proc_clone (i32.const 0) (i32.const 0) (local.get $arg) (i32.const 0))))"), start)
}

#[test]
fn a_clone_sees_a_copy_of_the_memory_and_changes_only_its_own() {
    let vm = Vm::new();
    let text = clone_program(
        // 100 was set by the parent before, in a page that exists only since it grew.
        "(i32.store (i32.const 0x2000) (i32.add (i32.load (i32.const 0x2000)) (i32.const 1)))
         (i32.add (i32.add (i32.load (i32.const 0x2000)) (i32.load (i32.const 0xa0000))) (i32.add (local.get $arg) (global.get $sp)))",
        &format!("(drop (memory.grow (i32.const 9)))
            (i32.store (i32.const 0xa0000) (i32.const 100))
            (i32.store (i32.const 0x2000) (i32.const 5))
            (global.set $sp (i32.const 20))
            (call $clone (i32.const 3)) {WAIT}
            (if (i32.ne (i32.load (i32.const 0x2000)) (i32.const 5)) (then unreachable))
            (call $proc_exit {CODE})"),
    );
    vm.install("clones", &text);
    assert_eq!(vm.run(&["clones"]).0, ExitStatus::Exited(6 + 100 + 3 + 20));
}

#[test]
fn clones_can_clone() {
    let vm = Vm::new();
    let text = clone_program(
        &format!(
            "(if (result i32) (local.get $arg) (then
            (call $clone (i32.sub (local.get $arg) (i32.const 1))) {WAIT} (i32.add (i32.const 1) {CODE}))
            (else (i32.const 0)))"
        ),
        &format!("(call $clone (i32.const 5)) {WAIT} (call $proc_exit {CODE})"),
    );
    vm.install("nested", &text);
    assert_eq!(vm.run(&["nested"]).0, ExitStatus::Exited(5));
}

#[test]
fn a_clone_shares_descriptors_and_has_its_own_numbers() {
    let vm = Vm::new();
    // The clone writes into the parent's pipe and closes its copy; the parent reads until the end.
    let text = clone_program(
        "(i32.store (i32.const 0x48) (i32.const 0x2000)) (i32.store (i32.const 0x4c) (i32.const 3))
         (call $ok (call $fd_close (i32.load (i32.const 0x30))))
         (call $ok (call $fd_write (i32.load (i32.const 0x34)) (i32.const 0x48) (i32.const 1) (i32.const 0x20)))
         (i32.const 0)",
        &format!(
            "{} (call $ok (call $fd_pipe (i32.const 0) (i32.const 0x30) (i32.const 0x34)))
            (call $clone (i32.const 0))
            (call $ok (call $fd_close (i32.load (i32.const 0x34))))
            (i32.store (i32.const 0x48) (i32.const 0x3000)) (i32.store (i32.const 0x4c) (i32.const 100))
            (loop $more
                (call $ok (call $fd_read (i32.load (i32.const 0x30)) (i32.const 0x48) (i32.const 1) (i32.const 0x20)))
                (local.set $a (i32.load (i32.const 0x20)))
                (local.set $b (i32.add (local.get $b) (local.get $a)))
                (br_if $more (local.get $a)))
            (if (i32.ne (local.get $b) (i32.const 3)) (then unreachable))
            {WAIT} (call $proc_exit {CODE})",
            "(i32.store (i32.const 0x2000) (i32.const 0x00636261))"
        ),
    );
    vm.install("pipes", &text);
    assert_eq!(vm.run(&["pipes"]).0, ExitStatus::Exited(0));
}

#[test]
fn a_clone_that_traps_or_exits_is_seen_by_its_parent() {
    let vm = Vm::new();
    let text = clone_program(
        "unreachable",
        &format!(
            "(call $clone (i32.const 0)) {WAIT}
        (call $proc_exit (i32.add (i32.mul (i32.load (i32.const 0x1004)) (i32.const 16)) {CODE}))"
        ),
    );
    vm.install("traps", &text);
    // Killed (2) by SIGILL (4).
    assert_eq!(vm.run(&["traps"]).0, ExitStatus::Exited(2 * 16 + 4));
    vm.install(
        "exits",
        &clone_program(
            "(call $proc_exit (i32.const 77)) unreachable",
            &format!("(call $clone (i32.const 0)) {WAIT} (call $proc_exit {CODE})"),
        ),
    );
    assert_eq!(vm.run(&["exits"]).0, ExitStatus::Exited(77));
}

#[test]
fn a_program_without_an_entry_cannot_be_cloned() {
    let vm = Vm::new();
    vm.install(
        "plain",
        &native(
            "",
            "(call $proc_exit (call $proc_clone (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))",
        ),
    );
    assert_eq!(vm.run(&["plain"]).0, ExitStatus::Exited(52));
}

#[test]
fn a_parent_that_asks_in_a_loop_does_not_starve_its_child() {
    let vm = Vm::new();
    exits(&vm, "child", 3);
    let text = native(
        &spawn_request(0x100, "/bin/child", &["child"], 0, &[]),
        &format!(
            "(call $ok (call $proc_spawn (i32.const 0x100) (i32.const 0)))
            (loop $again
                (call $ok (call $proc_wait (i32.const -1) (i32.const 1) (i32.const 0x1000)))
                (br_if $again (i32.eqz (i32.load (i32.const 0x1000)))))
            (call $proc_exit {CODE})"
        ),
    );
    vm.install("spins", &text);
    assert_eq!(vm.run(&["spins"]).0, ExitStatus::Exited(3));
}

#[test]
fn a_signal_to_oneself_acts_before_the_call_returns() {
    let vm = Vm::new();
    let body = "(drop (call $sig_kill (i32.const 0) (i32.const 15)))";
    vm.install("own", &native("", &format!("{body} (call $proc_exit (i32.const 1))")));
    let mut request = vm.request(&["own"]);
    request.setsid = true;
    assert_eq!(
        wait(&vm.spawn_request(&request).unwrap()),
        ExitStatus::Signaled(Signal::TERM)
    );
    // A broken pipe.
    let text = native(
        &data(0x40, &[0, 0, 0, 0, 1, 0, 0, 0]),
        &format!(
            "
        (call $ok (call $fd_pipe (i32.const 0) (i32.const 0x30) (i32.const 0x34)))
        (call $ok (call $fd_close (i32.load (i32.const 0x30))))
        (drop (call $fd_write (i32.load (i32.const 0x34)) (i32.const 0x40) (i32.const 1) (i32.const 0x20))) {DONE}"
        ),
    );
    vm.install("pipe", &text);
    assert_eq!(vm.run(&["pipe"]).0, ExitStatus::Signaled(Signal::PIPE));
}

#[test]
fn a_caught_signal_interrupts_and_can_be_taken() {
    let vm = Vm::new();
    // SIGALRM (14) is caught, a timer sends it, the read of nothing ends with EINTR (27), sig_take finds it.
    let text = native(&data(0x40, &[0, 2, 0, 0, 1, 0, 0, 0]), "
        (call $ok (call $sig_disposition (i32.const 14) (i32.const 2) (i32.const 0x20)))
        (call $ok (call $timer_real (i64.const 1000000) (i64.const 0) (i32.const 0x20)))
        (call $ok (call $fd_pipe (i32.const 0) (i32.const 0x30) (i32.const 0x34)))
        (if (i32.ne (call $fd_read (i32.load (i32.const 0x30)) (i32.const 0x40) (i32.const 1) (i32.const 0x20)) (i32.const 27)) (then unreachable))
        (call $ok (call $sig_take (i64.const -1) (i32.const 0x400)))
        (call $proc_exit (i32.load (i32.const 0x400)))");
    vm.install("alarm", &text);
    assert_eq!(vm.run(&["alarm"]).0, ExitStatus::Exited(14));
}
