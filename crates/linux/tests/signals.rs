//! Signals that the host makes itself, and calls that the supervisor answers.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Vm, block, compile};

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

#[test]
fn a_vm_whose_threads_never_change_users_keeps_no_other_from_it() {
    let options = ["-static", "-pthread", "-O1", "-w"];
    let (Some(vm), Some(other), Some(users), Some(helpers)) = (
        Vm::new(),
        Vm::new(),
        compile(include_str!("signals/users.c"), &options),
        compile(include_str!("signals/helpers.c"), &options),
    ) else {
        return;
    };
    vm.put("/tmp/helpers", &helpers, 0o755);
    for vm in [&vm, &other] {
        vm.put("/tmp/users", &users, 0o755);
    }
    assert_eq!(first_line(&vm, "/tmp/helpers"), "told 16 again 144\n");
    let expected = "own 0\ngroup 0\nthree 0\nchild 0\nwithin 1 1\n";
    assert_eq!(other.run(&["/tmp/users"]).ok(), expected);
    // In its own VM the library goes on without the threads that it cannot tell.
    let expected = "own 0\ngroup 0\nthree 0\nchild 0\nwithin 0 0\n";
    assert_eq!(vm.run(&["/tmp/users"]).ok(), expected);
}

/// Starts a program, which goes on, and returns what it says first.
fn first_line(vm: &Vm, program: &str) -> String {
    let (from, stdout) = vm.pipe();
    vm.spawn(&[program], &[(1, &stdout)]).unwrap();
    drop(stdout);
    let mut said = vec![0; 256];
    let count = block(|waker| from.read(&mut said, Some(waker))).unwrap();
    said.truncate(count);
    String::from_utf8(said).unwrap()
}
