//! Linux programs that execute programs of another executor. The other one here is a toy: its programs are lines of steps that the
//! kernel's calls carry out in a thread.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;
mod toy;

use agentos_kernel::process::{ExitStatus, Signal};
use common::{Vm, executor};
use std::sync::Arc;
use toy::Toy;

fn vm() -> Option<Vm> {
    let vm = Vm::with(vec![executor()?, Arc::new(Toy)], Default::default());
    for (name, text) in [
        ("upper", "TOY upper\n"),
        ("exit7", "TOY exit 7\n"),
        ("wait", "TOY sleep\n"),
    ] {
        vm.put(&format!("/tmp/{name}"), text.as_bytes(), 0o755);
    }
    Some(vm)
}

#[test]
fn both_kinds_mix_in_the_pipelines_of_a_linux_shell() {
    let Some(vm) = vm() else { return };
    assert_eq!(
        vm.sh("echo abc | /tmp/upper | tr A-Z b-zA | /tmp/upper | cat").ok(),
        "BCD\n"
    );
    assert_eq!(vm.sh("seq 1 20000 | /tmp/upper | tail -n 1").ok(), "20000\n");
    assert_eq!(vm.sh("/tmp/exit7; echo $?; /tmp/exit7 || echo no").ok(), "7\nno\n");
    assert_eq!(
        vm.feed(b"from outside\n", &["/usr/bin/bash", "-c", "exec /tmp/upper"])
            .ok(),
        "FROM OUTSIDE\n"
    );
}

#[test]
fn they_share_files_and_their_offsets() {
    let Some(vm) = vm() else { return };
    vm.put("/tmp/in", b"x y\n", 0o644);
    assert_eq!(
        vm.sh("cd /tmp; { echo one; /tmp/upper < in; echo two; } > out; cat out")
            .ok(),
        "one\nX Y\ntwo\n"
    );
    assert_eq!(
        vm.sh("cd /tmp; { /tmp/upper < in; } >> out; tail -n 1 out").ok(),
        "X Y\n"
    );
}

#[test]
fn a_signal_ends_the_program_and_its_stand_in() {
    let Some(vm) = vm() else { return };
    assert_eq!(vm.sh("/tmp/wait & kill -TERM $!; wait $!; echo $?").out, "143\n");
    assert_eq!(vm.sh("/tmp/wait & kill -KILL $!; wait $!; echo $?").out, "137\n");
    let process = vm.spawn(&["/usr/bin/bash", "-c", "exec /tmp/wait"], &[]).unwrap();
    vm.kernel
        .init()
        .kill(i32::try_from(process.pid().0).unwrap(), Signal::KILL)
        .unwrap();
    assert_eq!(common::wait(&process), ExitStatus::Signaled(Signal::KILL));
}

#[test]
fn node_talks_to_programs_of_the_other_kind() {
    let Some(vm) = vm() else { return };
    if !common::has("/usr/bin/node") {
        return;
    }
    // Node gives its children sockets for pipes.
    let script = "const { spawnSync, execSync, spawn } = require('child_process'); \
                  console.log(spawnSync('/tmp/upper', { input: 'abc' }).stdout + ''); \
                  console.log(execSync('echo def | /tmp/upper; /tmp/exit7 || echo $?') + ''); \
                  const child = spawn('/tmp/upper'); child.stdin.end('x'.repeat(300000)); let n = 0; \
                  child.stdout.on('data', (part) => n += part.length); child.on('close', (code) => console.log(n, code));";
    assert_eq!(
        vm.run(&["/usr/bin/node", "-e", script]).ok(),
        "ABC\nDEF\n7\n\n300000 0\n"
    );
}
