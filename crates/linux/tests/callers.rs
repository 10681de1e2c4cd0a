//! Many threads and processes that call at the same time, on as many processors as there are: while callers wait for each other, who
//! answers changes the way in which the host wakes them.
#![allow(clippy::unwrap_used, missing_docs)]
#![cfg(jail)]

mod common;

use agentos_kernel::limits::Limits;
use common::container::again;
use common::{Vm, compile};

/// Six processes of four threads, each of which has a file of its own, whose size it changes, asks for and believes; in between it
/// computes, at times only. At the end each process says how many answers were wrong, and the last line counts the files.
const CALLERS: &str = r#"
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
enum { PROCESSES = 6, THREADS = 4, ROUNDS = 60 };
static atomic_int wrong;
static int number;
static void *work(void *at) {
    char name[64], other[64];
    int thread = (int)(long)at;
    volatile unsigned state = 1;
    struct stat st;
    sprintf(name, "/tmp/many/%d.%d", number, thread);
    sprintf(other, "/tmp/many/%d.%d.none", number, thread);
    for (int round = 1; round <= ROUNDS; round++) {
        int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0600);
        if (fd < 0 || ftruncate(fd, round * 24 + thread) || close(fd)) wrong++;
        if (stat(name, &st) || st.st_size != round * 24 + thread) wrong++;
        if (stat(other, &st) == 0) wrong++;
        if (round / 10 % 2) for (int turn = 0; turn < 50000; turn++) state = state * 1664525u + 1013904223u;
    }
    return NULL;
}
int main(void) {
    int status, failed = 0, files = 0;
    if (mkdir("/tmp/many", 0700)) return 1;
    for (number = 0; number < PROCESSES; number++)
        if (fork() == 0) {
            pthread_t threads[THREADS];
            for (long i = 0; i < THREADS; i++) if (pthread_create(&threads[i], NULL, work, (void *)i)) return 1;
            for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
            return wrong > 0;
        }
    for (int i = 0; i < PROCESSES; i++) if (wait(&status) < 0 || status) failed++;
    DIR *dir = opendir("/tmp/many");
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) files += entry->d_name[0] != '.';
    printf("%d failed, %d files\n", failed, files);
    return 0;
}
"#;

#[test]
fn calls_of_many_at_once_are_answered_each_with_its_own_answer() {
    again("calls_of_many_at_once_are_answered_each_with_its_own_answer");
    let Some(program) = compile(CALLERS, &["-static", "-pthread", "-O1"]) else {
        return;
    };
    // Two at least, so that a machine with one processor tries what others do as far as it can.
    for processors in [1, 2, 256] {
        let Some(vm) = Vm::limited(|limits: &mut Limits| limits.cpu_count = processors) else {
            return;
        };
        vm.put("/tmp/callers", &program, 0o755);
        assert_eq!(
            vm.run(&["/tmp/callers"]).ok(),
            "0 failed, 24 files\n",
            "{processors} processors"
        );
    }
}
