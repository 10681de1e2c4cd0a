//! Limits of what guests take of the host without asking: memory, CPU time, processors, threads.
#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(jail)]

mod common;

use agentos_kernel::limits::Limits;
use agentos_kernel::process::{ExitStatus, Signal};
use common::container::again;
use common::{Vm, block, compile, wait};

/// Takes memory in one of several ways, says so, and keeps it.
const TAKER: &str = r#"
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
static void take(size_t mib, int flags) {
    char *at = mmap(0, mib << 20, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < mib << 20; i += 4096) at[i] = 1;
}
int main(int argc, char **argv) {
    size_t mib = atol(argv[2]);
    switch (*argv[1]) {
    case 'p': take(mib, MAP_PRIVATE); break;
    case 's': take(mib, MAP_SHARED); break;
    // The children share what the parent has written: it is there once.
    case 'f': take(mib, MAP_PRIVATE); for (int i = 0; i < 4; i++) if (fork() == 0) break; break;
    // Memory that is in a file without a name, and in no mapping.
    case 'm': { int fd = memfd_create("m", 0); static char block[1 << 20]; while (mib--) write(fd, block, sizeof block); break; }
    case 'r': mmap(0, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0); break;
    }
    write(1, "took\n", 5);
    if (argc > 3) for (;;) pause();
    while (wait(0) > 0);
    return 0;
}
"#;

fn taker(mib: u64) -> Option<Vm> {
    let vm = Vm::limited(|limits: &mut Limits| limits.max_memory_bytes = mib << 20)?;
    vm.put("/tmp/take", &compile(TAKER, &["-static"])?, 0o755);
    Some(vm)
}

#[test]
fn the_largest_process_is_killed_when_memory_is_short() {
    again("the_largest_process_is_killed_when_memory_is_short");
    for way in ["p", "s", "m"] {
        let Some(vm) = taker(96) else { return };
        let (from, stdout) = vm.pipe();
        let small = vm.spawn(&["/tmp/take", "p", "8", "stay"], &[(1, &stdout)]).unwrap();
        let mut took = [0; 5];
        assert_eq!(block(|waker| from.read(&mut took, Some(waker))), Ok(5));
        let large = vm.spawn(&["/tmp/take", way, "160", "stay"], &[]).unwrap();
        assert_eq!(wait(&large), ExitStatus::Signaled(Signal::KILL), "{way}");
        let limit = large.limit().unwrap();
        assert_eq!(
            (limit.configuration_path, limit.capacity),
            ("limits.resources.maxMemoryBytes", 96 << 20)
        );
        assert!(limit.observed > 96 << 20 && vm.kernel.usage().peak_memory() > 96 << 20);
        // The small one lives, and is told of.
        assert_eq!(small.exit_status(), None);
        vm.kernel
            .init()
            .kill(i32::try_from(small.pid().0).unwrap(), Signal::KILL)
            .unwrap();
        assert_eq!(wait(&small), ExitStatus::Signaled(Signal::KILL));
        // What waits in pipes is the kernel's own.
        drop((from, stdout));
        assert_eq!(vm.kernel.usage().memory.used(), 0, "{way}");
    }
}

#[test]
fn what_is_shared_or_only_reserved_is_not_counted_twice() {
    let Some(vm) = taker(256) else { return };
    // Five times 120 MiB would be too much, as would be 4 GiB of addresses.
    let ended = vm.run(&["/tmp/take", "f", "120"]);
    assert_eq!(
        (ended.status, ended.out.as_str()),
        (ExitStatus::Exited(0), "took\ntook\ntook\ntook\ntook\n")
    );
    let (from, stdout) = vm.pipe();
    let reserved = vm.spawn(&["/tmp/take", "r", "4096", "stay"], &[(1, &stdout)]).unwrap();
    let mut took = [0; 5];
    assert_eq!(block(|waker| from.read(&mut took, Some(waker))), Ok(5));
    // A look happens after each process has started: this one's is over when another one's has been.
    assert_eq!(vm.run(&["/tmp/take", "p", "16"]).out, "took\n");
    assert_eq!(reserved.exit_status(), None);
}

#[test]
fn time_is_charged_and_ends_who_takes_too_much() {
    again("time_is_charged_and_ends_who_takes_too_much");
    let Some(vm) = Vm::limited(|limits: &mut Limits| limits.max_cpu_time_ms = 300) else {
        return;
    };
    let spin = vm.spawn(&["/usr/bin/bash", "-c", "while :; do :; done"], &[]).unwrap();
    assert_eq!(wait(&spin), ExitStatus::Signaled(Signal::XCPU));
    assert!(spin.usage().user_ns >= 300_000_000, "{:?}", spin.usage());
    // Who does not listen has a second more.
    let script = "trap '' XCPU; while :; do :; done";
    let deaf = vm.spawn(&["/usr/bin/bash", "-c", script], &[]).unwrap();
    assert_eq!(wait(&deaf), ExitStatus::Signaled(Signal::KILL));
    assert_eq!(deaf.limit().unwrap().configuration_path, "limits.process.maxCpuTimeMs");
    assert!(deaf.usage().user_ns >= 1_300_000_000, "{:?}", deaf.usage());
    assert!(vm.kernel.usage().cpu_ns() >= 1_600_000_000);
    // A short one is charged at its end.
    let short = vm.spawn(&["/usr/bin/true"], &[]).unwrap();
    assert_eq!(wait(&short), ExitStatus::Exited(0));
    assert!(short.usage().user_ns > 0);
}

#[test]
fn processors_are_as_many_as_the_vm_has() {
    let Some(vm) = Vm::limited(|limits: &mut Limits| limits.cpu_count = 1) else {
        return;
    };
    assert_eq!(vm.sh("nproc; (nproc)").ok(), "1\n1\n");
    let all = std::thread::available_parallelism().unwrap().get() as u64;
    let Some(vm) = Vm::limited(|limits: &mut Limits| limits.cpu_count = all) else {
        return;
    };
    assert_eq!(vm.run(&["/usr/bin/nproc"]).ok(), format!("{all}\n"));
}

#[test]
fn threads_end_at_sixteen_times_the_processes() {
    again("threads_end_at_sixteen_times_the_processes");
    let Some(vm) = Vm::limited(|limits: &mut Limits| limits.max_processes = 4) else {
        return;
    };
    let source = r#"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *wait_for_it(void *unused) { pthread_mutex_lock(&lock); pthread_mutex_unlock(&lock); return unused; }
int main(void) {
    for (int round = 0; round < 3; round++) {
        pthread_t threads[200];
        pthread_attr_t small;
        pthread_attr_init(&small);
        pthread_attr_setstacksize(&small, 65536);
        int made = 0, failed = 0;
        pthread_mutex_lock(&lock);
        while (made < 200 && (failed = pthread_create(&threads[made], &small, wait_for_it, 0)) == 0) made++;
        pthread_mutex_unlock(&lock);
        for (int i = 0; i < made; i++) pthread_join(threads[i], 0);
        printf("%d %d\n", made, failed == EAGAIN);
    }
    return 0;
}
"#;
    let Some(program) = compile(source, &["-static", "-pthread"]) else {
        return;
    };
    vm.put("/tmp/test", &program, 0o755);
    // The first thread of the process counts, and so do threads that have been joined and have not quite ended.
    let out = vm.run(&["/tmp/test"]).ok();
    for (round, line) in out.lines().enumerate() {
        let (made, refused) = line.split_once(' ').unwrap();
        let least = if round == 0 { 63 } else { 1 };
        assert!((least..=64).contains(&made.parse().unwrap()) && refused == "1", "{out}");
    }
}

#[test]
fn what_was_closed_makes_room_for_what_is_opened() {
    let Some(vm) = Vm::limited(|limits: &mut Limits| {
        limits.max_open_fds = 48;
        limits.max_open_fds_per_process = 48;
    }) else {
        return;
    };
    let source = r#"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
    for (int i = 0; i < 1000; i++) {
        char name[32];
        snprintf(name, sizeof name, "/tmp/f%d", i % 100);
        int fd = open(name, O_CREAT | O_RDWR, 0600), dir = open("/tmp", O_RDONLY | O_DIRECTORY);
        int memory = syscall(SYS_memfd_create, "m", 0);
        if (fd < 0 || dir < 0 || memory < 0) { printf("%d: %d %d %d %d\n", i, fd, dir, memory, errno); return 1; }
        close(fd);
        close(dir);
        close(memory);
    }
    puts("ok");
    return 0;
}
"#;
    let Some(program) = compile(source, &["-static"]) else {
        return;
    };
    vm.put("/tmp/test", &program, 0o755);
    assert_eq!(vm.run(&["/tmp/test"]).out, "ok\n");
}
