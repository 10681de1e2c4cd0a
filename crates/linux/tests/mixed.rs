//! Linux programs that execute programs of another executor. The other one here is a toy: its programs are lines of steps that the
//! kernel's calls carry out in a thread.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use agentos_kernel::fd::IoResult;
use agentos_kernel::id::Fd;
use agentos_kernel::process::{Executor, ExitStatus, Gate, Kernel, Process, Program, Signal};
use agentos_kernel::vfs::InodeHandle;
use common::{Vm, block, executor};
use std::sync::Arc;
use std::task::{Poll, Waker};

/// Runs files that begin with `TOY `: `upper` copies input to output in capitals, `exit N` ends, `sleep` waits for a signal.
struct Toy;

struct ToyProgram(String);

impl Executor for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn accepts(&self, head: &[u8]) -> bool {
        head.starts_with(b"TOY ")
    }

    fn load(&self, _: &Kernel, file: &InodeHandle, _: Option<&Waker>) -> IoResult<Box<dyn Program>> {
        let mut buf = [0; 64];
        let count = file.read_at(0, &mut buf)?;
        Poll::Ready(Ok(Box::new(ToyProgram(
            String::from_utf8_lossy(&buf[4..count]).trim().to_owned(),
        ))))
    }
}

impl Program for ToyProgram {
    fn start(self: Box<Self>, process: Arc<Process>) {
        std::thread::spawn(move || {
            if let Some(status) = self.run(&process) {
                process.exit(status);
            }
            process.finish();
        });
    }
}

impl ToyProgram {
    fn run(&self, process: &Arc<Process>) -> Option<u32> {
        match self.0.split_once(' ') {
            Some(("exit", status)) => return status.parse().ok(),
            _ if self.0 == "sleep" => {
                let gate = block(|waker| {
                    process.watch(waker);
                    match process.gate(Some(waker)) {
                        Poll::Ready(Gate::Die) => Poll::Ready(Gate::Die),
                        _ => Poll::Pending,
                    }
                });
                assert_eq!(gate, Gate::Die);
                return None;
            }
            _ => {}
        }
        let mut buf = [0; 4096];
        loop {
            match block(|waker| process.read(Fd(0), &mut buf, Some(waker))) {
                Ok(0) => return Some(0),
                Ok(count) => {
                    buf.make_ascii_uppercase();
                    let mut rest = &buf[..count];
                    while !rest.is_empty() {
                        match block(|waker| process.write(Fd(1), rest, Some(waker))) {
                            Ok(count) => rest = &rest[count..],
                            Err(_) => return Some(1),
                        }
                    }
                }
                Err(error) => return Some(error.errno().raw().unsigned_abs()),
            }
        }
    }
}

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
