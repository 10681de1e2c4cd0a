//! What parents that are Linux programs are told of their children, the same as on the host, whichever kind of program these are.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;
#[path = "waits/driver.rs"]
mod driver;
mod toy;

use agentos_kernel::limits::Limits;
use common::{Vm, executor, has};
use std::sync::Arc;

const STOPS: &str = include_str!("waits/stops.py");

fn vm() -> Option<Vm> {
    if !has("/usr/bin/python3") {
        return None;
    }
    let vm = Vm::with(vec![executor()?, Arc::new(toy::Toy)], Limits::default());
    vm.put("/tmp/stops.py", STOPS.as_bytes(), 0o644);
    vm.put("/tmp/wait", b"TOY sleep\n", 0o755);
    Some(vm)
}

/// What the host itself says.
fn on_host(program: &[&str]) -> String {
    let done = std::process::Command::new("/usr/bin/python3")
        .args(["-c", STOPS])
        .args(program)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

#[test]
fn a_parent_is_told_which_signal_stopped_its_child() {
    let Some(vm) = vm() else { return };
    let sleep = ["/usr/bin/sleep", "1000"];
    let expected = on_host(&sleep);
    assert!(expected.contains("SIGTTOU stopped by SIGTTOU, continued, stopped by SIGSTOP, ended -9"));
    let script = ["/usr/bin/python3", "/tmp/stops.py"];
    assert_eq!(vm.run(&[&script[..], &sleep].concat()).ok(), expected);
    // Below another Linux program, and where the first of them has ended.
    let line = "/usr/bin/python3 /tmp/stops.py /usr/bin/sleep 1000; exit $?";
    assert_eq!(vm.sh(line).ok(), expected);
    // Children of the other kind.
    assert_eq!(vm.run(&[&script[..], &["/tmp/wait"]].concat()).ok(), expected);
}

/// As in a container that somebody outside runs something in: no process of the namespace can name its session, nor the test's own group.
#[test]
fn the_session_may_be_outside_of_the_pid_namespace() {
    let unshare = |args: &[&str]| {
        std::process::Command::new("unshare")
            .args(["--pid", "--fork", "--mount-proc"])
            .args(args)
            .output()
    };
    if !unshare(&["true"]).is_ok_and(|done| done.status.success()) {
        eprintln!("not run: this user may make no PID namespace");
        return;
    }
    let own = std::env::current_exe().unwrap();
    let test = ["--exact", "a_parent_is_told_which_signal_stopped_its_child"];
    let done = unshare(&[&[own.to_str().unwrap()], &test[..]].concat()).unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
fn a_name_of_any_bytes_hides_no_handlers() {
    let Some(vm) = vm() else { return };
    let script = r#"
import ctypes, os, signal
ctypes.CDLL(None).prctl(15, b"\xff\xfe\nSigCgt:")
signal.signal(signal.SIGTSTP, lambda *_: print("caught"))
os.kill(os.getpid(), signal.SIGTSTP)
pid = os.fork()
if pid == 0:
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"#;
    // In a session of its own, whose group is no orphaned one: else nothing could stop it.
    let line = ["/usr/bin/bash", "-c", "set -m; /usr/bin/python3 -c \"$0\"", script];
    assert_eq!(vm.run(&line).ok(), "caught\n7\n");
}

#[test]
fn threads_are_seen() {
    let Some(vm) = vm() else { return };
    let script = r#"
import os, threading
go, there = threading.Event(), threading.Barrier(4)
def wait():
    there.wait()
    go.wait()
threads = [threading.Thread(target=wait) for _ in range(3)]
for thread in threads: thread.start()
there.wait()
own = os.getpid()
names = sorted(int(name) for name in os.listdir("/proc/self/task"))
print(len(names), own in names, all(thread.native_id in names for thread in threads))
status = open("/proc/self/status").read()
print([line.split()[1] for line in status.splitlines() if line.startswith("Threads:")])
print(open("/proc/self/stat").read().rsplit(")")[-1].split()[17])
thread = threads[0].native_id
print(os.path.exists(f"/proc/self/task/{thread}/status"), os.path.exists("/proc/self/task/1"),
      os.path.basename(os.path.realpath(f"/proc/self/task/{thread}")) == str(thread))
go.set()
for thread in threads: thread.join()
while len(os.listdir("/proc/self/task")) > 1: pass
print(os.listdir(f"/proc/{own}/task") == [str(own)])
"#;
    let inside = vm.run(&["/usr/bin/python3", "-c", script]).ok();
    assert_eq!(inside, "4 True True\n['4']\n4\nTrue False True\nTrue\n");
}

#[test]
fn a_child_is_watched_by_a_descriptor() {
    const PIDFDS: &str = include_str!("waits/pidfds.py");
    let Some(vm) = vm() else { return };
    let native = std::process::Command::new("/usr/bin/python3")
        .args(["-c", PIDFDS, "/usr/bin/sleep", "1000"])
        .output()
        .unwrap();
    assert!(native.status.success(), "{}", String::from_utf8_lossy(&native.stderr));
    let expected = String::from_utf8(native.stdout).unwrap();
    assert!(expected.starts_with("['output', 'end'] False\n"), "{expected}");
    let script = ["/usr/bin/python3", "-c", PIDFDS];
    assert_eq!(
        vm.run(&[&script[..], &["/usr/bin/sleep", "1000"]].concat()).ok(),
        expected
    );
    // A child of the other kind, and the VM's first process, which is none of the host's.
    assert_eq!(vm.run(&[&script[..], &["/tmp/wait"]].concat()).ok(), expected);
    let first = "import os\ntry: os.pidfd_open(1)\nexcept OSError as error: print(error.errno)";
    assert_eq!(vm.run(&["/usr/bin/python3", "-c", first]).ok(), "38\n");
}

/// A parent that waits in `vfork` is held until its child's memory is as it was, and may be killed meanwhile.
#[test]
fn the_end_of_a_process_that_was_held_is_told() {
    const PROGRAM: &str = r#"
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    for (int round = 0; round < 150; round++) {
        pid_t pid = fork();
        if (!pid)
            for (;;) {
                if (!vfork()) {
                    execl("/usr/bin/true", "true", (char *)0);
                    _exit(1);
                }
                wait(0);
            }
        // As long as it takes until it is in the middle of that, each round at another point.
        for (volatile long turn = 0; turn < 300000 + round * 20011; turn++) {}
        kill(pid, SIGKILL);
        int status;
        alarm(60);
        if (waitpid(pid, &status, 0) != pid || status != SIGKILL) return 1;
        alarm(0);
    }
    puts("all told");
}
"#;
    if !has("/usr/bin/true") {
        return;
    }
    let Some(vm) = Vm::new() else { return };
    let Some(program) = common::compile(PROGRAM, &["-static", "-O1", "-w"]) else {
        return;
    };
    vm.put("/tmp/held", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/held"]).ok(), "all told\n");
}

/// Neither the shell nor its child makes a call after the `fork`, so nobody asks for what the child was to begin with.
#[test]
fn children_of_which_nobody_heard_count_no_longer_when_they_have_ended() {
    let vm = Vm::limited(|limits| limits.max_processes = 16);
    let Some(vm) = vm else { return };
    let script = "i=0; while [ $i -lt 64 ]; do /bin/sh -c '(exit 1); exit 0' || exit 1; i=$((i+1)); done; echo fine";
    assert_eq!(vm.run(&["/bin/sh", "-c", script]).ok(), "fine\n");
}

/// The child has ended and its parent has not asked: it takes signals, alone and as the leader of its group.
#[test]
fn a_child_that_was_not_waited_for_can_be_signalled() {
    let Some(vm) = vm() else { return };
    let script = r"
import os, signal, subprocess
child = subprocess.Popen(['/bin/true'], start_new_session=True)
os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
for send in os.kill, os.killpg:
    for number in 0, signal.SIGTERM:
        send(child.pid, number)
print(child.wait())
for send in os.kill, os.killpg:
    try:
        send(child.pid, signal.SIGTERM)
    except ProcessLookupError:
        print('gone')
";
    assert_eq!(vm.run(&["/usr/bin/python3", "-c", script]).ok(), "0\ngone\ngone\n");
}

#[test]
fn an_open_fifo_is_the_one_that_its_path_leads_to() {
    let Some(vm) = vm() else { return };
    let script = r"
import os
os.umask(0o22)
os.mkfifo('/tmp/fifo', 0o640)
for flags in os.O_RDONLY | os.O_NONBLOCK, os.O_RDWR:
    fd = os.open('/tmp/fifo', flags)
    by_path, by_fd = os.stat('/tmp/fifo'), os.fstat(fd)
    assert os.path.samestat(by_path, by_fd) and by_path.st_mode == by_fd.st_mode, (by_path, by_fd)
    os.unlink('/tmp/fifo') if flags & os.O_RDWR else os.close(fd)
assert os.fstat(fd).st_nlink == 0
anonymous, _ = os.pipe()
assert not os.path.samestat(os.fstat(anonymous), os.fstat(fd))
print('same')
";
    assert_eq!(vm.run(&["/usr/bin/python3", "-c", script]).ok(), "same\n");
}
