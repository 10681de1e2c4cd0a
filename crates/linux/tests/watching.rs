//! Watching files (`inotify(7)`): changes of Linux programs and of the kernel's other callers alike.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use agentos_kernel::process::ExitStatus;
use common::{Vm, block, compile, has, wait};

/// Watches what it is given and prints each event until a name `end` appears.
const WATCHER: &str = r#"
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>
int main(int argc, char **argv) {
    int fd = inotify_init1(IN_CLOEXEC);
    for (int i = 1; i < argc; i++)
        if (inotify_add_watch(fd, argv[i], IN_ALL_EVENTS & ~(IN_OPEN | IN_ACCESS | IN_CLOSE_NOWRITE)) != i) return 1;
    printf("up\n");
    fflush(stdout);
    static char buf[4096] __attribute__((aligned(8)));
    unsigned first = 0;
    for (;;) {
        int n = read(fd, buf, sizeof buf);
        for (char *at = buf; at < buf + n;) {
            struct inotify_event *e = (void *)at;
            if (e->cookie && !first) first = e->cookie;
            printf("%d %x %d %s\n", e->wd, e->mask, e->cookie ? e->cookie - first + 1 : 0, e->len ? e->name : "-");
            if (e->len && !strcmp(e->name, "end")) return 0;
            at += sizeof *e + e->len;
        }
        fflush(stdout);
    }
}"#;

/// Runs the watcher of these paths while `change` does something, and gives what it saw.
fn watch(vm: &Vm, paths: &[&str], change: impl FnOnce()) -> Option<Vec<String>> {
    let program = compile(WATCHER, &["-static", "-w"])?;
    vm.put("/tmp/watcher", &program, 0o755);
    let (from, stdout) = vm.pipe();
    let argv = [&["/tmp/watcher"], paths].concat();
    let process = vm.spawn(&argv, &[(1, &stdout)]).unwrap();
    drop(stdout);
    let mut buf = [0; 3];
    block(|waker| from.read(&mut buf, Some(waker))).unwrap();
    change();
    let out = common::drain(&from);
    assert_eq!(wait(&process), ExitStatus::Exited(0), "{out}");
    Some(out.lines().map(str::to_owned).collect())
}

fn dir(vm: &Vm) {
    vm.sh("mkdir /tmp/d /tmp/other; echo x > /tmp/d/old").ok();
}

#[test]
fn names_that_come_go_and_move_are_told() {
    let Some(vm) = Vm::new() else { return };
    dir(&vm);
    let script = "cd /tmp/d; mkdir sub; rmdir sub; ln -s x link; mv old new; mv new ../other; mv ../other/new back; chmod 600 back; \
                  ln back hard; rm hard; : > end";
    let seen = watch(&vm, &["/tmp/d"], || drop(vm.sh(script).ok()));
    let Some(seen) = seen else { return };
    let expected = [
        "1 40000100 0 sub",
        "1 40000200 0 sub",
        "1 100 0 link",
        "1 40 1 old",
        "1 80 1 new",
        "1 40 2 new",
        "1 80 3 back",
        "1 4 0 back",
        "1 100 0 hard",
        "1 200 0 hard",
        "1 100 0 end",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn bytes_are_told_of_both_kinds_of_writers() {
    let Some(vm) = Vm::new() else { return };
    dir(&vm);
    let seen = watch(&vm, &["/tmp/d/old", "/tmp/d"], || {
        vm.sh("echo more >> /tmp/d/old").ok();
        // By the kernel, as programs of other executors and clients do.
        vm.put("/tmp/d/old", b"new", 0o644);
        vm.sh("rm /tmp/d/old; : > /tmp/d/end").ok();
    });
    let Some(mut seen) = seen else { return };
    // The host may tell of one change in several pieces.
    seen.dedup();
    let about = |watch: char| {
        seen.iter()
            .filter(|line| line.starts_with(watch))
            .map(String::as_str)
            .collect::<Vec<_>>()
    };
    let (file, parent) = (about('1'), about('2'));
    for bits in ["2", "8", "4", "400", "8000"] {
        assert!(
            file.contains(&&*format!("1 {bits} 0 -")),
            "{bits} of the file: {seen:?}"
        );
    }
    for bits in ["2", "8", "200"] {
        assert!(
            parent.contains(&&*format!("2 {bits} 0 old")),
            "{bits} in the directory: {seen:?}"
        );
    }
    assert_eq!(file.last(), Some(&"1 8000 0 -"), "{seen:?}");
}

#[test]
fn a_slow_reader_loses_nothing_that_fits() {
    let Some(vm) = Vm::new() else { return };
    dir(&vm);
    // Many more events than the host keeps between two processes.
    let script = "cd /tmp/d; for i in {1..3000}; do : > f$i; done; : > end";
    let seen = watch(&vm, &["/tmp/d"], || drop(vm.sh(script).ok()));
    let Some(seen) = seen else { return };
    let made = seen.iter().filter(|line| line.starts_with("1 100 ")).count();
    assert_eq!(made, 3001);
}

/// Reads with the room that there is, with what `FIONREAD` says and with too little.
const ROOMS: &str = r#"
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>
static char buf[65536] __attribute__((aligned(8)));
static struct inotify_event *event = (void *)buf;
static int fd, round, said;
static char name[NAME_MAX + 1];
static void next(void) {
    round++;
    memset(name, 'a' + round % 26, NAME_MAX);
    name[round % 3 ? round % 40 + 1 : NAME_MAX] = 0;
}
static int whole(int count) {
    int room = (strlen(name) + 16) / 16 * 16;
    return count == 16 + room && event->len == room && event->mask == IN_CREATE && !strcmp(event->name, name);
}
int main(void) {
    chdir("/tmp/d");
    fd = inotify_init1(0);
    if (inotify_add_watch(fd, ".", IN_CREATE) != 1) return 1;
    for (int pass = 0; pass < 2; pass++) {
        for (round = pass * 60; round < pass * 60 + 60;) next(), close(open(name, O_CREAT | O_WRONLY, 0600)), unlink(name);
        for (round = pass * 60; round < pass * 60 + 60;) {
            next();
            struct pollfd ready = {fd, POLLIN};
            if (poll(&ready, 1, -1) != 1) return 2;
            if (ioctl(fd, FIONREAD, &said) || said < 16 || said > sizeof buf) return 3;
            if (!whole(read(fd, buf, pass ? said : sizeof *event + NAME_MAX + 1))) return 4;
        }
    }
    close(open("short", O_CREAT | O_WRONLY, 0600)), close(open("other", O_CREAT | O_WRONLY, 0600));
    memset(buf, 7, sizeof buf);
    if (read(fd, buf, 16) != 16 || event->len != 16 || buf[16] != 7) return 5;
    strcpy(name, "other");
    if (!whole(read(fd, buf, 32))) return 6;
    puts("all whole");
    return 0;
}"#;

#[test]
fn an_event_is_whole_in_the_room_for_any_event_and_in_what_is_said_to_be_there() {
    let Some(vm) = Vm::new() else { return };
    dir(&vm);
    let Some(program) = compile(ROOMS, &["-static", "-w"]) else {
        return;
    };
    vm.put("/tmp/rooms", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/rooms"]).ok(), "all whole\n");
}

#[test]
fn tail_follows_and_mistakes_are_errors() {
    let Some(vm) = Vm::new() else { return };
    dir(&vm);
    let script =
        "cd /tmp/d; (sleep 0.2; echo two >> old; sleep 0.2; echo three >> old) & tail -n +1 -f old | head -n 3";
    assert_eq!(vm.sh(script).out, "x\ntwo\nthree\n");
    if has("/usr/bin/python3") {
        let script = r#"
import ctypes, os
c = ctypes.CDLL(None, use_errno=True)
def call(f, *a):
    r = f(*a)
    return r if r >= 0 else -ctypes.get_errno()
fd = c.inotify_init1(0o4000)
print(call(c.inotify_add_watch, fd, b"/nothing", 2), call(c.inotify_add_watch, fd, b"/tmp/d", 0),
      call(c.inotify_add_watch, fd, b"/tmp/d/old", 0x01000002), call(c.inotify_rm_watch, fd, 7),
      call(c.inotify_add_watch, 1, b"/tmp", 2), call(c.inotify_init1, 1), call(c.inotify_add_watch, fd, b"/tmp/d", 2),
      call(c.inotify_add_watch, fd, b"/tmp/d", 0x10000002))
try:
    os.read(fd, 100)
except BlockingIOError:
    print("nothing")
"#;
        assert_eq!(
            vm.run(&["/usr/bin/python3", "-c", script]).ok(),
            "-2 -22 -20 -22 -22 -22 1 -17\nnothing\n"
        );
    }
}
