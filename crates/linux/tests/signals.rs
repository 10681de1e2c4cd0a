//! Signals that the host makes itself, and calls that the supervisor answers.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Vm, compile};

#[test]
fn calls_that_wait_are_ended_or_begun_again() {
    let Some(vm) = Vm::new() else { return };
    let Some(program) = compile(
        include_str!("signals/interrupt.c"),
        &["-static", "-pthread", "-O1", "-w"],
    ) else {
        return;
    };
    vm.put("/tmp/interrupt", &program, 0o755);
    let expected = "accept EINTR 1\nrecvfrom EINTR 1\nfifo EINTR 1\nposix timer EINTR 1\nthread EINTR 1\nagain done 1\n\
                    child done 1\nblocked done 0\n";
    assert_eq!(vm.run(&["/tmp/interrupt"]).ok(), expected);
}

#[test]
fn a_storm_of_signals_has_no_call_done_twice() {
    let Some(vm) = Vm::new() else { return };
    let Some(program) = compile(include_str!("signals/storm.c"), &["-static", "-O1", "-w"]) else {
        return;
    };
    vm.put("/tmp/storm-of-signals", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/storm-of-signals"]).ok(), "signals came\n");
}

#[test]
fn all_threads_change_users_and_the_one_that_asked_goes_on() {
    let Some(vm) = Vm::new() else { return };
    let Some(program) = compile(include_str!("signals/users.c"), &["-static", "-pthread", "-O1", "-w"]) else {
        return;
    };
    vm.put("/tmp/users", &program, 0o755);
    let expected = "own 0\ngroup 0\nthree 0\nchild 0\nwithin 1 1\n";
    assert_eq!(vm.run(&["/tmp/users"]).ok(), expected);
}
