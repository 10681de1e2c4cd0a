//! Races that a guest may try: another path, argument or number between the decision and the act.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Vm, compile};

/// A thread flips the path of an `execve` between a program of the VM and one that only the host has, and its shape between a
/// memory file and the loader's own name; whatever comes of it, only programs of the VM run.
#[test]
fn a_path_that_changes_during_exec_never_runs_a_program_of_the_host() {
    let Some(vm) = Vm::new() else { return };
    let source = r#"
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
static char path[64];
static const char *other;
static volatile int go = 1;
static void *flip(void *x) {
    while (go) { memcpy(path, "/tmp/good", 10); memcpy(path, other, strlen(other) + 1); }
    return x;
}
int main(void) {
    const char *others[] = {"/sbin/init", "/proc/self/exe", "/proc/self/fd/0", "x", "/etc/x"};
    int good = 0, bad = 0, refused = 0;
    for (int k = 0; k < 5; k++) {
        other = others[k];
        for (int i = 0; i < 40; i++) {
            int pid = fork();
            if (pid == 0) {
                pthread_t thread;
                pthread_create(&thread, 0, flip, 0);
                char *argv[] = {"good", 0};
                execve(path, argv, argv + 1);
                _exit(44);
            }
            int status;
            waitpid(pid, &status, 0);
            if (WIFEXITED(status) && WEXITSTATUS(status) == 42) good++;
            else if ((WIFEXITED(status) && WEXITSTATUS(status) == 44) || (WIFSIGNALED(status) && WTERMSIG(status) == 9)) refused++;
            else { printf("status %x for %s\n", status, other); bad++; }
        }
    }
    printf("%d %d\n", good + refused, bad);
}
"#;
    let good = "int main(void) { return 42; }";
    let (Some(program), Some(good)) = (compile(source, &["-static", "-pthread"]), compile(good, &["-static"])) else {
        return;
    };
    vm.put("/tmp/race", &program, 0o755);
    vm.put("/tmp/good", &good, 0o755);
    assert_eq!(vm.run(&["/tmp/race"]).out, "200 0\n");
}

/// Children that share their parent's memory execute programs under paths that the parent uses at the same time.
#[test]
fn the_memory_of_a_parent_is_as_it_was() {
    let Some(vm) = Vm::new() else { return };
    let source = r#"
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
static char path[] = "/usr/bin/true";
int main(void) {
    struct stat s;
    char *argv[] = {path, 0};
    int wrong = 0, lost = 0;
    for (int i = 0; i < 300; i++) {
        pid_t pid;
        if (posix_spawn(&pid, path, 0, 0, argv, argv + 1)) wrong++;
        if (stat(path, &s) || !S_ISREG(s.st_mode)) lost++;
        int status;
        waitpid(pid, &status, 0);
        if (status) wrong++;
        if (strcmp(path, "/usr/bin/true")) wrong++;
        if (vfork() == 0) { execve("/usr/bin/missing", argv, argv + 1); _exit(0); }
        wait(0);
    }
    printf("%d %d\n", wrong, lost);
}
"#;
    let Some(program) = compile(source, &["-static"]) else {
        return;
    };
    vm.put("/tmp/test", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/test"]).ok(), "0 0\n");
}

/// Signals that come all the time interrupt no call half-way: each effect happens once.
#[test]
fn a_storm_of_signals_doubles_no_effect() {
    let Some(vm) = Vm::new() else { return };
    let source = r#"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
static volatile long count;
static void tick(int signal) { count++; }
int main(void) {
    struct sigaction action = {.sa_handler = tick};
    struct itimerval timer = {{0, 200}, {0, 200}};
    char a[64], b[64];
    int wrong = 0;
    sigaction(SIGALRM, &action, 0);
    setitimer(ITIMER_REAL, &timer, 0);
    for (int i = 0; i < 2000; i++) {
        snprintf(a, sizeof a, "/tmp/d%d", i);
        snprintf(b, sizeof b, "/tmp/e%d", i);
        if (mkdir(a, 0755)) wrong++;
        if (rename(a, b)) wrong++;
        if (rmdir(b)) wrong++;
        int fd = open(a, O_CREAT | O_EXCL | O_WRONLY, 0644);
        if (fd < 0) wrong++;
        close(fd);
        if (unlink(a)) wrong++;
    }
    printf("%d %d\n", wrong, count > 0);
}
"#;
    let Some(program) = compile(source, &["-static"]) else {
        return;
    };
    vm.put("/tmp/test", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/test"]).ok(), "0 1\n");
}

/// Threads that end and begin while others call, and processes that come and go faster than anybody looks.
#[test]
fn short_lives_are_told_apart() {
    let Some(vm) = Vm::new() else { return };
    let source = r#"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
static void *look(void *x) { struct stat s; return (void *)(long)(stat("/tmp", &s) != 0); }
int main(void) {
    long wrong = 0;
    char cwd[64], want[64];
    for (int i = 0; i < 200; i++) {
        pthread_t threads[4];
        void *result;
        for (int k = 0; k < 4; k++) pthread_create(&threads[k], 0, look, 0);
        for (int k = 0; k < 4; k++) { pthread_join(threads[k], &result); wrong += (long)result; }
        snprintf(want, sizeof want, "/tmp/p%d", i);
        mkdir(want, 0755);
        if (chdir(want)) wrong++;
        // The child is made here; its directory is this one, whatever the parent does next.
        int pid = fork();
        if (pid == 0) _exit(!getcwd(cwd, sizeof cwd) || strcmp(cwd, want));
        if (chdir("/")) wrong++;
        int status;
        waitpid(pid, &status, 0);
        if (status) wrong++;
        if (fork() == 0) { if (fork() == 0) { getcwd(cwd, sizeof cwd); _exit(0); } _exit(0); }
        wait(0);
    }
    printf("%ld\n", wrong);
}
"#;
    let Some(program) = compile(source, &["-static", "-pthread"]) else {
        return;
    };
    vm.put("/tmp/test", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/test"]).ok(), "0\n");
}
