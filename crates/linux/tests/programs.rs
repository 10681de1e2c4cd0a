//! Real programs: static and dynamic ones, the host's own tools and interpreters.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use agentos_kernel::policy::{Mode, Policy, Rule, Rules, Scope};
use agentos_kernel::process::{ExitStatus, Signal};
use common::{Vm, compile, has};

#[test]
fn a_static_program_says_hello() {
    let Some(vm) = Vm::new() else { return };
    let source = "#include <stdio.h>\nint main(int c, char **v) { printf(\"hello %s %d\\n\", v[1], c); return 7; }";
    let Some(program) = compile(source, &["-static"]) else {
        return;
    };
    vm.put("/tmp/hello", &program, 0o755);
    let ended = vm.run(&["/tmp/hello", "world"]);
    assert_eq!(
        (ended.out.as_str(), ended.status),
        ("hello world 2\n", ExitStatus::Exited(7)),
        "{ended:?}"
    );
}

/// Executes a copy of itself in memory, and says why not.
const IN_MEMORY: &str = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>
int main(int c, char **v) {
    if (c > 1) return !puts("ran");
    int own = open("/proc/self/exe", O_RDONLY), memory = memfd_create("program", 0);
    while (sendfile(memory, own, 0, 1 << 20) > 0);
    char *argv[] = {"again", "x", 0}, *env[] = {0};
    fexecve(memory, argv, env);
    printf("%d", errno);
    char path[32];
    sprintf(path, "/proc/self/fd/%d", memory);
    execve(path, argv, env);
    printf(" %d\n", errno);
}"#;

#[test]
fn a_program_without_a_path_runs_where_no_rules_are_about_programs() {
    let Some(program) = compile(IN_MEMORY, &["-static"]) else {
        return;
    };
    let Some(vm) = Vm::new() else { return };
    vm.put("/tmp/program", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/program"]).ok(), "ran\n");
    let other = Rule::deny().patterns(["/usr/bin/true"]);
    let rules = Rules::new(Mode::Allow).rule(other);
    let policy = Policy::builder().rules(Scope::ChildProcess, rules).build().unwrap();
    let vm = Vm::under(policy).unwrap();
    vm.put("/tmp/program", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/program"]).ok(), "13 13\n");
}

#[test]
fn the_hosts_tools_run() {
    let Some(vm) = Vm::new() else { return };
    assert_eq!(vm.run(&["/usr/bin/true"]).ok(), "");
    assert_eq!(vm.run(&["/usr/bin/false"]).status, ExitStatus::Exited(1));
    assert_eq!(vm.run(&["/usr/bin/echo", "a", "b c"]).ok(), "a b c\n");
    assert_eq!(vm.feed(b"one\ntwo\n", &["/usr/bin/cat"]).ok(), "one\ntwo\n");
}

#[test]
fn files_are_the_vms() {
    let Some(vm) = Vm::new() else { return };
    vm.put("/tmp/in", b"from the VM\n", 0o644);
    assert_eq!(vm.run(&["/usr/bin/cat", "/tmp/in"]).ok(), "from the VM\n");
    vm.run(&["/usr/bin/cp", "/tmp/in", "/tmp/out"]).ok();
    assert_eq!(vm.get("/tmp/out"), "from the VM\n");
    assert_eq!(vm.run(&["/usr/bin/cat", "/etc/passwd"]).status, ExitStatus::Exited(1));
    let listed = vm.run(&["/usr/bin/ls", "-1", "/"]).ok();
    assert_eq!(listed, "bin\ndev\netc\nhome\nlib\nlib64\nproc\nsbin\ntmp\nusr\n");
}

#[test]
fn bash_runs_pipelines_and_reports_statuses() {
    let Some(vm) = Vm::new() else { return };
    if !has("/usr/bin/bash") {
        return;
    }
    assert_eq!(vm.sh("echo hi; exit 3").status, ExitStatus::Exited(3));
    assert_eq!(vm.sh("seq 1 100000 | tail -n 1").ok(), "100000\n");
    for _ in 0..20 {
        // Children that end before their parent calls again, and one of them not yet.
        let script = "( for i in 1 2 3 4 5 6 7 8; do (echo $i) & done; wait ) | sort | tr -d '\\n'";
        assert_eq!(vm.sh(script).ok(), "12345678");
    }
    assert_eq!(vm.sh("false | true; echo ${PIPESTATUS[@]}").ok(), "1 0\n");
    assert_eq!(
        vm.sh("cd /tmp && mkdir -p a/b && cd a/b && pwd && (cd .. && pwd) && pwd")
            .ok(),
        "/tmp/a/b\n/tmp/a\n/tmp/a/b\n"
    );
    assert_eq!(
        vm.sh("echo x > /tmp/f; echo y >> /tmp/f; cat /tmp/f; wc -c < /tmp/f")
            .ok(),
        "x\ny\n4\n"
    );
    assert_eq!(
        vm.sh("(exit 5); echo $?; kill -9 $$").status,
        ExitStatus::Signaled(Signal::KILL)
    );
}

#[test]
fn a_script_names_its_interpreter() {
    let Some(vm) = Vm::new() else { return };
    vm.put("/tmp/script", b"#!/usr/bin/bash -e\necho $0 $1\n", 0o755);
    assert_eq!(vm.run(&["/tmp/script", "x"]).ok(), "/tmp/script x\n");
    assert_eq!(vm.sh("/tmp/script y").ok(), "/tmp/script y\n");
}

#[test]
fn programs_start_with_one_descriptor_left_and_with_long_arguments() {
    let Some(vm) = Vm::new() else { return };
    // One is free: for the program, then for what interprets it, then for each library.
    let narrow = "ulimit -n 4 && exec /usr/bin/echo there";
    assert_eq!(vm.run(&["/usr/bin/bash", "-c", narrow]).ok(), "there\n");
    // More than the loader has room for at first, and just as much.
    for length in [1, 8_000, 15_000, 16_384, 60_000] {
        let script = format!("x=$(printf '%{length}s'); /usr/bin/printf '%s' \"$x\" \"$x\" | wc -c");
        assert_eq!(vm.sh(&script).ok(), format!("{}\n", 2 * length));
    }
}

#[test]
fn threads_learn_how_they_are_scheduled() {
    let Some(vm) = Vm::new() else { return };
    let source = r#"
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
static void *ask(void *x) {
    pthread_attr_t attr;
    cpu_set_t set;
    struct sched_param param;
    int policy;
    void *at;
    size_t size = 0;
    int failed = pthread_getattr_np(pthread_self(), &attr) || pthread_attr_getstack(&attr, &at, &size);
    failed += pthread_getaffinity_np(pthread_self(), sizeof set, &set) || CPU_COUNT(&set) < 1;
    failed += pthread_getschedparam(pthread_self(), &policy, &param) || policy != SCHED_OTHER || param.sched_priority;
    struct timespec t;
    failed += sched_rr_get_interval(syscall(SYS_gettid), &t) || sched_getscheduler(getpid()) || sched_getaffinity(getpid(), sizeof set, &set);
    return (void *)(long)(failed + (size < 4096));
}
int main(void) {
    pthread_t thread;
    void *failed = (void *)9L;
    pthread_create(&thread, 0, ask, 0);
    pthread_join(thread, &failed);
    cpu_set_t set;
    int parent = sched_getaffinity(getppid(), sizeof set, &set), stranger = sched_getaffinity(1 << 21, sizeof set, &set);
    printf("%ld %ld %d\n", (long)failed, (long)sched_getscheduler(getpid()), stranger);
}
"#;
    let Some(program) = compile(source, &["-static", "-w", "-pthread"]) else {
        return;
    };
    vm.put("/tmp/test", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/test"]).ok(), "0 0 -1\n");
}

#[test]
fn ends_of_children_do_not_interrupt_calls() {
    let Some(vm) = Vm::new() else { return };
    let source = r#"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
static volatile int handled;
static void on(int s) { handled++; }
int main(void) {
    struct sigaction action, old;
    memset(&action, 0, sizeof action);
    action.sa_handler = on;
    sigaction(SIGCHLD, &action, 0);
    int interrupted = 0, reaped = 0;
    for (int i = 0; i < 150; i++) {
        pid_t pid = fork();
        if (pid == 0) _exit(0);
        interrupted += pid < 0;
        struct stat st;
        for (int k = 0; k < 10; k++) {
            interrupted += stat("/tmp", &st) != 0;
            int fd = open("/dev/null", O_RDONLY);
            interrupted += fd < 0;
            close(fd);
        }
        while (waitpid(-1, 0, WNOHANG) > 0) reaped++;
    }
    while (wait(0) > 0) reaped++;
    sigaction(SIGCHLD, 0, &old);
    printf("%d %d %d %d\n", interrupted, reaped, handled > 0, old.sa_handler == on);
}
"#;
    let Some(program) = compile(source, &["-static", "-w"]) else {
        return;
    };
    vm.put("/tmp/test", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/test"]).ok(), "0 150 1 1\n");
}

#[test]
fn python_and_node_run() {
    let Some(vm) = Vm::new() else { return };
    if has("/usr/bin/python3") {
        let code = "import os,sys;print(sum(range(10)), os.getcwd(), sys.argv[1])";
        assert_eq!(vm.run(&["/usr/bin/python3", "-c", code, "a"]).ok(), "45 / a\n");
    }
    if has("/usr/bin/node") {
        assert_eq!(
            vm.run(&["/usr/bin/node", "-e", "console.log(1+1, process.cwd())"]).ok(),
            "2 /\n"
        );
    }
}

#[test]
fn a_parent_finds_its_memory_as_it_was_after_vfork() {
    let Some(vm) = Vm::new() else { return };
    let Some(program) = compile(include_str!("programs/vfork.c"), &["-O1"]) else {
        return;
    };
    vm.put("/tmp/vfork", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/vfork"]).ok(), "changed 0, lost 0, failed 0\n");
}

#[test]
fn proc_has_the_memory_of_a_program_that_has_just_begun() {
    let Some(vm) = Vm::new() else { return };
    let script = "read -r mapped resident rest < /proc/self/statm; (( resident > 200 && resident <= mapped )) && echo measured; \
                  while read -r name kib unit; do [ $name != VmRSS: ] || (( kib < 800 )) || echo also; done < /proc/self/status";
    assert_eq!(vm.sh(script).ok(), "measured\nalso\n");
}

#[test]
fn set_id_bits_give_no_rights() {
    let Some(vm) = Vm::new() else { return };
    let source = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv) {
    if (argc == 1) {
        if (setgid(1000) || setuid(1000)) return 9;
        execl(argv[0], argv[0], "again", NULL);
        return 8;
    }
    uid_t u[3];
    gid_t g[3];
    struct stat st;
    getresuid(u, u + 1, u + 2), getresgid(g, g + 1, g + 2), stat(argv[0], &st);
    printf("%o %d %d: %d %d %d, %d %d %d", st.st_mode & 07777, st.st_uid, st.st_gid, u[0], u[1], u[2], g[0], g[1], g[2]);
    printf(" %d %d\n", open("/tmp/secret", O_RDONLY) < 0 ? errno : 0, setuid(0) < 0 ? errno : 0);
    printf("%d %ld\n", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), getauxval(AT_SECURE));
}
"#;
    let Some(program) = compile(source, &["-static"]) else {
        return;
    };
    vm.put("/tmp/secret", b"of the superuser", 0o600);
    vm.put("/tmp/elevate", &program, 0o6755);
    let wanted = "6755 0 0: 1000 1000 1000, 1000 1000 1000 13 1\n1 0\n";
    assert_eq!(vm.run(&["/tmp/elevate"]).ok(), wanted);
    // Nor to a script by its interpreter, nor by a descriptor.
    if has("/usr/bin/python3") {
        let script = "import os; os.setgid(1000); os.setuid(1000); fd = os.open('/tmp/elevate', os.O_RDONLY); \
                      os.execve(fd, ['/tmp/elevate', 'again'], {})";
        assert_eq!(vm.run(&["/usr/bin/python3", "-c", script]).ok(), wanted);
    }
}
