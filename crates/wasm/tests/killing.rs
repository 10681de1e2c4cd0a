//! SIGKILL ends a process wherever it is: running, waiting in any import, or not yet loaded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use agentos_kernel::fd::OpenFile;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{ExitStatus, FileAction, Process, Signal};
use common::*;
use std::future::poll_fn;
use std::sync::Arc;

/// Says that it is about to wait.
const READY: &str = "(call $ok (call $fd_write (i32.const 1) (i32.const 0x40) (i32.const 1) (i32.const 0x20)))";

/// Starts a program, waits until it said that it is ready, and then until it has given its CPU away.
fn start(vm: &Vm, name: &str) -> (Arc<Process>, Vec<Arc<OpenFile>>) {
    let (stdin, feed) = vm.pipe();
    let (said, stdout) = vm.pipe();
    let mut request = vm.request(&[name]);
    request.actions = vec![FileAction::Inherit(Fd(0), stdin), FileAction::Inherit(Fd(1), stdout)];
    let process = vm.spawn_request(&request).unwrap();
    let mut byte = [0];
    assert_eq!(block_on(poll_fn(|cx| said.read(&mut byte, Some(cx.waker())))), Ok(1));
    // The VM has one CPU: another process that ran means that this one waits.
    assert_eq!(wait(&vm.spawn(&["true"])), ExitStatus::Exited(0));
    (process, vec![feed, said])
}

fn vm() -> Vm {
    let vm = Vm::new();
    vm.install("true", "(module (func (export \"_start\")))");
    vm
}

#[test]
fn waiting_in_any_import() {
    let vm = vm();
    let path = data(0x500, b"/tmp/file") + &data(0x520, b"/tmp/fifo");
    let open = "(call $ok (call $path_open_mode (i32.const -100) (i32.const 0x500) (i32.const 9) (i32.const 0x301) (i32.const 0) (i32.const 0x1a4) (i32.const 0x30)))
        (call $ok (call $path_open_mode (i32.const -100) (i32.const 0x500) (i32.const 9) (i32.const 0x301) (i32.const 0) (i32.const 0x1a4) (i32.const 0x34)))";
    let pipe = "(call $ok (call $fd_pipe (i32.const 0) (i32.const 0x30) (i32.const 0x34)))";
    let pair = "(call $ok (call $sock_pair (i32.const 1) (i32.const 1) (i32.const 0x30) (i32.const 0x34)))";
    let cases = [
        ("read", "", "(drop (call $fd_read (i32.const 0) (i32.const 0x48) (i32.const 1) (i32.const 0x20)))".to_owned()),
        ("write", "", "(loop (drop (call $fd_write (i32.const 1) (i32.const 0x48) (i32.const 1) (i32.const 0x20))) (br 0))".to_owned()),
        ("poll", pipe, "(drop (call $fd_poll (i32.const 0x600) (i32.const 1) (i64.const -1) (i32.const 0) (i32.const 0x20)))".to_owned()),
        ("sleep", "", "(drop (call $poll_oneoff (i32.const 0x640) (i32.const 0x700) (i32.const 1) (i32.const 0x20)))".to_owned()),
        ("sig", "", "(drop (call $sig_wait (i64.const -1) (i64.const -1) (i32.const 0x400)))".to_owned()),
        ("flock", open, "(call $ok (call $fd_flock (i32.load (i32.const 0x30)) (i32.const 2)))
            (drop (call $fd_flock (i32.load (i32.const 0x34)) (i32.const 2)))".to_owned()),
        ("fifo", "(call $ok (call $path_mknod (i32.const -100) (i32.const 0x520) (i32.const 9) (i32.const 0x11ff) (i64.const 0)))",
            "(drop (call $path_open_mode (i32.const -100) (i32.const 0x520) (i32.const 9) (i32.const 0x100) (i32.const 0) (i32.const 0) (i32.const 0x30)))".to_owned()),
        ("copy", pipe, "(drop (call $fd_copy_range (i32.load (i32.const 0x30)) (i32.const 0) (i32.const 1) (i32.const 0) (i64.const 100) (i32.const 0x20)))".to_owned()),
        ("recv", pair, "(drop (call $sock_recv_from (i32.load (i32.const 0x30)) (i32.const 0x2000) (i32.const 10) (i32.const 0) (i32.const 0x800) (i32.const 0) (i32.const 0x20) (i32.const 0x24) (i32.const 0x28)))".to_owned()),
        ("send", pair, "(loop (drop (call $sock_send_to (i32.load (i32.const 0x30)) (i32.const 0x2000) (i32.const 4096) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0x20))) (br 0))".to_owned()),
        ("accept", "(call $ok (call $sock_open (i32.const 1) (i32.const 1) (i32.const 0) (i32.const 0x30)))
            (call $ok (call $sock_bind (i32.load (i32.const 0x30)) (i32.const 0x540) (i32.const 4)))
            (call $ok (call $sock_listen (i32.load (i32.const 0x30)) (i32.const 1)))",
            "(drop (call $sock_accept_from (i32.load (i32.const 0x30)) (i32.const 0) (i32.const 0x800) (i32.const 0) (i32.const 0x20) (i32.const 0x24)))".to_owned()),
    ];
    let more = path
        + &data(0x40, &[0, 0, 0, 0, 1, 0, 0, 0, 0, 0x20, 0, 0, 0, 0x10, 0, 0])
        + &data(0x540, &[1, 0, 0, b'x'])
        // A far away moment of the monotonic clock.
        + &data(0x650, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
    for (name, before, call) in cases {
        let watch =
            "(i32.store (i32.const 0x604) (i32.load (i32.const 0x30))) (i32.store (i32.const 0x608) (i32.const 1))";
        vm.install(
            name,
            &native(&more, &format!("{before} {watch} {READY} {call} unreachable")),
        );
        for signal in [Signal::KILL, Signal::TERM] {
            if name == "fifo" && signal == Signal::TERM {
                continue;
            }
            let (process, _ends) = start(&vm, name);
            assert_eq!(process.exit_status(), None, "{name}");
            vm.kill(&process, signal);
            assert_eq!(wait(&process), ExitStatus::Signaled(signal), "{name}");
        }
    }
    assert_eq!((vm.processes(), vm.kernel.usage().open_fds.used()), (0, 0));
}

#[test]
fn waiting_for_a_child_or_a_lock_of_another() {
    let vm = vm();
    let more = data(0x40, &[0, 0, 0, 0, 1, 0, 0, 0])
        + &data(0x500, b"/tmp/file")
        + &data(0x600, &[1, 0, 0, 0])
        + "
        (func (export \"agentos_clone_entry\") (param i32) (result i32)
            (call $ok (call $fd_record_lock (i32.load (i32.const 0x30)) (i32.const 7) (i32.const 0x600))) unreachable)";
    let body = format!("
        (call $ok (call $path_open_mode (i32.const -100) (i32.const 0x500) (i32.const 9) (i32.const 0x301) (i32.const 0) (i32.const 0x1a4) (i32.const 0x30)))
        (call $ok (call $fd_record_lock (i32.load (i32.const 0x30)) (i32.const 6) (i32.const 0x600)))
        (call $ok (call $proc_clone (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0x34)))
        {READY}
        (call $ok (call $proc_wait (i32.const -1) (i32.const 0) (i32.const 0x1000)))
        (call $proc_exit (i32.load (i32.const 0x1008)))");
    vm.install("locks", &native(&more, &body));
    let (parent, _ends) = start(&vm, "locks");
    let child = vm
        .kernel
        .processes()
        .into_iter()
        .find(|process| process.ppid() == parent.pid())
        .unwrap();
    vm.kill(&child, Signal::KILL);
    assert_eq!(wait(&parent), ExitStatus::Exited(9));
    let (parent, _ends) = start(&vm, "locks");
    vm.kill(&parent, Signal::KILL);
    assert_eq!(wait(&parent), ExitStatus::Signaled(Signal::KILL));
}

#[test]
fn computing_copying_and_filling() {
    let vm = Vm::limited(|limits| {
        limits.max_memory_bytes = 4 << 30;
        limits.max_wasm_memory_bytes = 1 << 30;
    });
    let fill = "(module (memory 16384) (func (export \"_start\")
        (loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x3fffffff)) (br 0))))";
    let random = program(
        &[(P1, "random_get", "(param i32 i32) (result i32)")],
        "(func (export \"_start\")
        (drop (memory.grow (i32.const 4096)))
        (loop (drop (call $random_get (i32.const 0) (i32.const 0x10000000))) (br 0)))",
    );
    for (name, text) in [("fill", fill.to_owned()), ("random", random)] {
        vm.install(name, &text);
        let process = vm.spawn(&[name]);
        eventually(|| process.memory() > 0);
        vm.kill(&process, Signal::KILL);
        assert_eq!(wait(&process), ExitStatus::Signaled(Signal::KILL), "{name}");
    }
    assert_eq!(vm.kernel.usage().memory.used(), 0);
}

#[test]
fn stopping_and_continuing_a_spinner() {
    let vm = vm();
    vm.install("loop", "(module (func (export \"_start\") (loop (br 0))))");
    let process = vm.spawn(&["loop"]);
    eventually(|| process.usage().user_ns > 0);
    vm.kill(&process, Signal::STOP);
    eventually(|| {
        vm.kernel
            .process(process.pid())
            .is_some_and(|process| process.run_state() == agentos_kernel::process::RunState::Stopped)
    });
    // While it is stopped the VM's only CPU is free.
    assert_eq!(wait(&vm.spawn(&["true"])), ExitStatus::Exited(0));
    let used = process.usage().user_ns;
    assert_eq!(wait(&vm.spawn(&["true"])), ExitStatus::Exited(0));
    assert_eq!(process.usage().user_ns, used);
    vm.kill(&process, Signal::CONT);
    eventually(|| process.usage().user_ns > used);
    vm.kill(&process, Signal::STOP);
    vm.kill(&process, Signal::KILL);
    assert_eq!(wait(&process), ExitStatus::Signaled(Signal::KILL));
}

#[test]
fn a_vm_that_goes_away_takes_its_processes_along() {
    let executor = executor(agentos_wasm::WasmConfig {
        pool_slots: 64,
        workers: 2,
        ..Default::default()
    });
    for _ in 0..3 {
        let vm = Vm::with(executor.clone(), Default::default());
        vm.install("loop", "(module (func (export \"_start\") (loop (br 0))))");
        let processes: Vec<_> = (0..20).map(|_| vm.spawn(&["loop"])).collect();
        drop(vm);
        for process in processes {
            assert_eq!(wait(&process), ExitStatus::Signaled(Signal::KILL));
        }
    }
    eventually(|| executor.live_processes() == 0);
}
