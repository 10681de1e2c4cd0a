//! Starting, ending, trapping, dying.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod common;

use agentos_kernel::process::{ExitStatus, Signal};
use common::*;

const EXIT: (&str, &str, &str) = (P1, "proc_exit", "(param i32)");
const WRITE: (&str, &str, &str) = (P1, "fd_write", "(param i32 i32 i32 i32) (result i32)");

fn starts(imports: &[(&str, &str, &str)], body: &str) -> String {
    program(imports, &format!("(func (export \"_start\") {body})"))
}

#[test]
fn hello() {
    let vm = Vm::new();
    vm.install(
        "hello",
        &program(
            &[WRITE],
            r#"
        (data (i32.const 8) "\10\00\00\00\06\00\00\00hello\n")
        (func (export "_start") (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 0))))"#,
        ),
    );
    assert_eq!(vm.run(&["hello"]), (ExitStatus::Exited(0), b"hello\n".to_vec()));
}

#[test]
fn statuses_and_traps_end_as_on_linux() {
    let vm = Vm::new();
    let cases: [(&str, &str, ExitStatus); 8] = [
        ("exit", "(call $proc_exit (i32.const 7))", ExitStatus::Exited(7)),
        ("big", "(call $proc_exit (i32.const 0x1ff))", ExitStatus::Exited(255)),
        ("falls", "", ExitStatus::Exited(0)),
        ("ill", "unreachable", ExitStatus::Signaled(Signal::ILL)),
        (
            "segv",
            "(drop (i32.load (i32.const -4)))",
            ExitStatus::Signaled(Signal::SEGV),
        ),
        (
            "fpe",
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
            ExitStatus::Signaled(Signal::FPE),
        ),
        (
            "raise",
            "(drop (call $proc_raise (i32.const 15)))",
            ExitStatus::Signaled(Signal::TERM),
        ),
        (
            "abort",
            "(drop (call $proc_raise (i32.const 6))) (call $proc_exit (i32.const 0))",
            ExitStatus::Signaled(Signal::ABRT),
        ),
    ];
    for (name, body, status) in cases {
        vm.install(
            name,
            &starts(&[EXIT, (P1, "proc_raise", "(param i32) (result i32)")], body),
        );
        assert_eq!(vm.run(&[name]).0, status, "{name}");
    }
}

#[test]
fn endless_recursion_is_a_segmentation_fault() {
    let vm = Vm::new();
    vm.install("deep", "(module (func $f (param i64) (call $f (local.get 0)) (call $f (local.get 0))) (func (export \"_start\") (call $f (i64.const 1))))");
    assert_eq!(vm.run(&["deep"]).0, ExitStatus::Signaled(Signal::SEGV));
}

#[test]
fn a_loop_can_be_killed() {
    let vm = Vm::new();
    vm.install("loop", "(module (func (export \"_start\") (loop (br 0))))");
    let process = vm.spawn(&["loop"]);
    vm.kill(&process, Signal::KILL);
    assert_eq!(wait(&process), ExitStatus::Signaled(Signal::KILL));
    let process = vm.spawn(&["loop"]);
    eventually(|| process.usage().user_ns > 0);
    vm.kill(&process, Signal::TERM);
    assert_eq!(wait(&process), ExitStatus::Signaled(Signal::TERM));
}
