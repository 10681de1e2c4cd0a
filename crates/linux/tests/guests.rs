//! What guests share with the VM: bytes, signals, limits, ends.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

mod common;

use agentos_kernel::Errno;
use agentos_kernel::limits::Limits;
use agentos_kernel::process::{ExitStatus, Signal};
use agentos_linux::{Finding, LinuxExecutor, Probe};
use common::{Vm, block, compile, drain, wait};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::sync::Arc;

#[test]
fn what_one_kind_of_program_writes_the_other_reads_at_once() {
    let Some(vm) = Vm::new() else { return };
    vm.put("/tmp/shared", b"one\n", 0o666);
    // The guest keeps the file open for the whole of this, and speaks when it is told to.
    let script = "exec 3<>/tmp/shared; read -u 3 a; echo got $a; read go; read -u 3 b; echo got $b; echo three >&3; read go; echo end";
    let (stdin, to) = vm.pipe();
    let (from, stdout) = vm.pipe();
    let process = vm
        .spawn(
            &["/usr/bin/bash", "-c", script],
            &[(0, &stdin), (1, &stdout), (2, &stdout)],
        )
        .unwrap();
    drop((stdin, stdout));
    let line = || {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut byte = [0];
            assert_eq!(block(|waker| from.read(&mut byte, Some(waker))).unwrap(), 1, "{line:?}");
            line.push(byte[0]);
        }
        String::from_utf8(line).unwrap()
    };
    let go = || assert_eq!(block(|waker| to.write(b"go\n", Some(waker))), Ok(3));
    assert_eq!(line(), "got one\n");
    vm.put("/tmp/shared", b"one\ntwo\n", 0o666);
    go();
    assert_eq!(line(), "got two\n");
    go();
    assert_eq!(line(), "end\n");
    assert_eq!(wait(&process), ExitStatus::Exited(0));
    assert_eq!(vm.get("/tmp/shared"), "one\ntwo\nthree\n");
}

#[test]
fn mappings_locks_and_names_behave() {
    let Some(vm) = Vm::new() else { return };
    let source = r#"
#define _GNU_SOURCE
#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void) {
    struct stat s, t;
    int fd = open("/tmp/f", O_CREAT | O_RDWR | O_EXCL, 0640);
    assert(fd >= 0 && ftruncate(fd, 8192) == 0 && fstat(fd, &s) == 0 && s.st_size == 8192);
    char *map = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert(map != MAP_FAILED);
    strcpy(map + 4096, "mapped");
    char buf[16];
    assert(pread(fd, buf, 7, 4096) == 7 && !strcmp(buf, "mapped"));
    assert(stat("/tmp/f", &t) == 0 && s.st_ino == t.st_ino && s.st_dev == t.st_dev && (t.st_mode & 0777) == 0640);
    assert(flock(fd, LOCK_EX | LOCK_NB) == 0);
    int other = open("/tmp/f", O_RDWR);
    assert(flock(other, LOCK_EX | LOCK_NB) == -1);
    assert(rename("/tmp/f", "/tmp/g") == 0 && unlink("/tmp/g") == 0 && stat("/tmp/g", &t) == -1);
    assert(write(fd, "still", 5) == 5 && fstat(fd, &s) == 0 && s.st_nlink == 0);
    assert(mkdir("/tmp/d", 0755) == 0);
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof name, "/tmp/d/%d", i);
        close(open(name, O_CREAT | O_WRONLY, 0644));
    }
    DIR *dir = opendir("/tmp/d");
    int count = 0;
    while (readdir(dir)) count++;
    assert(count == 1002);
    rewinddir(dir);
    for (count = 0; readdir(dir); count++);
    assert(count == 1002);
    assert(openat(dirfd(dir), "7", O_RDONLY) >= 0 && fstatat(dirfd(dir), "1000", &s, 0) == -1);
    assert(read(dirfd(dir), buf, 1) == -1);
    int unnamed = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    assert(unnamed >= 0 && write(unnamed, "x", 1) == 1);
    int path = open("/tmp/d/7", O_PATH);
    assert(path >= 0 && fstat(path, &s) == 0 && S_ISREG(s.st_mode));
    puts("ok");
}
"#;
    let Some(program) = compile(source, &["-static"]) else {
        return;
    };
    vm.put("/tmp/test", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/test"]).ok(), "ok\n");
}

#[test]
fn signals_reach_guests_and_end_them() {
    let Some(vm) = Vm::new() else { return };
    let (from, stdout) = vm.pipe();
    let (stdin, _to) = vm.pipe();
    // The signal is blocked until the program waits for it, so it cannot come too early.
    let source = r#"
#include <signal.h>
#include <unistd.h>
static void caught(int signal, siginfo_t *info, void *context) { write(1, info->si_pid == 1 ? "caught\n" : "who?\n", 7); _exit(signal - 12); }
int main(void) {
    sigset_t set, none;
    struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO};
    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, 0);
    sigaction(SIGTERM, &action, 0);
    write(1, "ready\n", 6);
    for (;;) sigsuspend(&none);
}
"#;
    let Some(program) = compile(source, &["-static"]) else {
        return;
    };
    vm.put("/tmp/test", &program, 0o755);
    let process = vm
        .spawn(&["/tmp/test"], &[(0, &stdin), (1, &stdout), (2, &stdout)])
        .unwrap();
    drop(stdout);
    let mut byte = [0; 6];
    assert_eq!(block(|waker| from.read(&mut byte, Some(waker))), Ok(6));
    vm.kernel
        .init()
        .kill(i32::try_from(process.pid().0).unwrap(), Signal::TERM)
        .unwrap();
    assert_eq!(wait(&process), ExitStatus::Exited(3));
    assert_eq!(drain(&from), "caught\n");
    let sleeper = vm.spawn(&["/usr/bin/sleep", "1000"], &[]).unwrap();
    vm.kernel
        .init()
        .kill(i32::try_from(sleeper.pid().0).unwrap(), Signal::KILL)
        .unwrap();
    assert_eq!(wait(&sleeper), ExitStatus::Signaled(Signal::KILL));
    assert_eq!(vm.sh("kill -USR1 $BASHPID").status, ExitStatus::Signaled(Signal::USR1));
    assert_eq!(
        vm.sh("trap 'echo usr' USR1; kill -USR1 $$; echo after").ok(),
        "usr\nafter\n"
    );
    assert_eq!(vm.sh("sleep 1000 & kill $!; wait $!; echo $?").out, "143\n");
}

#[test]
fn closing_the_vm_ends_every_guest() {
    let Some(vm) = Vm::new() else { return };
    let (from, stdout) = vm.pipe();
    let script = "for i in 1 2 3; do (trap '' TERM HUP; echo up; sleep 1000) & done; wait";
    let process = vm.spawn(&["/usr/bin/bash", "-c", script], &[(1, &stdout)]).unwrap();
    drop(stdout);
    let mut got = Vec::new();
    while got.len() < 9 {
        let mut buf = [0; 9];
        let count = block(|waker| from.read(&mut buf, Some(waker))).unwrap();
        got.extend_from_slice(&buf[..count]);
    }
    vm.kernel.kill_all();
    assert_eq!(wait(&process), ExitStatus::Signaled(Signal::KILL));
    // Nobody holds the other end any more, so the pipe ends.
    assert_eq!(drain(&from), "");
}

#[test]
fn limits_hold() {
    let Some(vm) = Vm::limited(|limits: &mut Limits| {
        limits.max_processes = 8;
        limits.max_open_fds_per_process = 32;
    }) else {
        return;
    };
    let source = r#"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void) {
    int fds = 0, children = 0, pipes[2];
    while (open("/dev/null", O_RDONLY) >= 0) fds++;
    printf("%d", errno == EMFILE);
    while (fds-- > 0) close(3 + fds);
    pipe(pipes);
    for (;;) {
        int pid = fork();
        if (pid == 0) { char x; close(pipes[1]); read(pipes[0], &x, 1); _exit(0); }
        if (pid < 0) break;
        if (++children > 100) break;
    }
    printf(" %d %d", errno == EAGAIN, children);
    close(pipes[1]);
    while (wait(0) > 0);
    printf(" %d\n", fork() >= 0);
}
"#;
    let Some(program) = compile(source, &["-static"]) else {
        return;
    };
    vm.put("/tmp/test", &program, 0o755);
    // The last line comes from both processes.
    assert_eq!(vm.run(&["/tmp/test"]).out, "1 1 7 1\n1 1 7 1\n");
}

#[test]
fn a_file_that_is_no_program_here_is_refused_with_the_reason() {
    let Some(vm) = Vm::new() else { return };
    let mut program = std::fs::read("/usr/bin/true").unwrap();
    program[18] = 0xb7;
    vm.put("/tmp/arm", &program, 0o755);
    let refused = vm.spawn(&["/tmp/arm"], &[]).unwrap_err();
    assert_eq!(
        (refused.errno(), refused.to_string().contains("another processor")),
        (Errno::ENOEXEC, true),
        "{refused}"
    );
    vm.put("/tmp/cut", &program[..100], 0o755);
    assert_eq!(vm.spawn(&["/tmp/cut"], &[]).unwrap_err().errno(), Errno::ENOEXEC);
}

#[test]
fn where_the_machine_cannot_starting_a_program_says_why() {
    let missing = Finding::new(
        "another machine",
        true,
        "running",
        Err(std::io::Error::other("not here")),
    );
    let refused = Probe::from(vec![missing]);
    assert!(refused.refusal().is_some());
    for executor in [LinuxExecutor::new(), LinuxExecutor::with_probe(refused)] {
        let refusal = executor.probe().refusal();
        let vm = Vm::with(vec![executor], Limits::default());
        let started = vm.spawn(&["/usr/bin/true"], &[]);
        match (refusal, started) {
            (None, Ok(process)) => assert_eq!(wait(&process), ExitStatus::Exited(0)),
            (Some(why), Err(error)) => assert_eq!((error.errno(), error.to_string()), (Errno::ENOEXEC, why)),
            (refusal, started) => panic!("{refusal:?} {started:?}"),
        }
    }
}

/// Set in the process that the next test starts and kills.
const VICTIM: &str = "AGENTOS_TEST_VICTIM";

#[test]
fn nothing_survives_the_host_process() {
    if std::env::var_os(VICTIM).is_some() {
        return victim();
    }
    if common::executor().is_none() {
        return;
    }
    let program = std::env::current_exe().unwrap();
    let mut host = Command::new(program)
        .args(["nothing_survives_the_host_process", "--exact", "--nocapture"])
        .env(VICTIM, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(host.stdout.take().unwrap());
    let mut line = String::new();
    while !line.starts_with("guests up") {
        line.clear();
        assert!(output.read_line(&mut line).unwrap() > 0, "the host process ended early");
    }
    let places = common::places::places_of(host.id());
    assert!(!places.is_empty());
    host.kill().unwrap();
    host.wait().unwrap();
    // Guests and the guardian hold no end of this, so it ends with the host; what they executed is gone when they are.
    output.read_to_string(&mut line).unwrap();
    // The guardian removes the directory as the last thing, after every guest.
    common::settled(|| places.iter().all(|place| !place.exists()));
}

/// A host process with guests that ignore every signal they can, in three generations.
fn victim() {
    let vm = Vm::new().unwrap();
    let (from, stdout) = vm.pipe();
    let script = "trap '' HUP TERM INT; for i in 1 2 3; do (setsid bash -c 'trap \"\" HUP TERM; echo up; while :; do :; done' &) ; done; sleep 1000";
    let _process: Arc<_> = vm.spawn(&["/usr/bin/bash", "-c", script], &[(1, &stdout)]).unwrap();
    let mut got = 0;
    while got < 9 {
        let mut buf = [0; 9];
        got += block(|waker| from.read(&mut buf, Some(waker))).unwrap();
    }
    // On a line of its own: with one processor the harness has begun one.
    println!("\nguests up");
    loop {
        std::thread::park();
    }
}
