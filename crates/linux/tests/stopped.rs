//! Guests of a host process that is stopped and goes on, as by a key, in a container that is paused or on a machine that sleeps.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, missing_docs)]
#![cfg(jail)]

mod common;

use common::{Vm, block, compile, wait};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// Set in the process that is stopped.
const VICTIM: &str = "AGENTOS_TEST_STOPPED";

/// Threads that only open files, say so now and then, and end the process if they get anything but a new descriptor.
const OPENS: &str = r#"
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>
static void *opens(void *speaks) {
    for (int i = 0;; i++) {
        int file = open("/tmp/file", O_RDONLY);
        if (file < 3) exit(9);
        close(file);
        if (speaks && i % 16 == 0) write(1, ".", 1);
    }
    return 0;
}
int main(void) {
    pthread_t thread;
    while (open("/tmp/file", O_RDONLY) < 3);
    for (int i = 0; i < 3; i++) pthread_create(&thread, 0, opens, 0);
    opens("speaks");
}
"#;

/// The host process of guests that open files: says when they have, and how they end.
fn opener() -> ! {
    let vm = Vm::new().unwrap();
    let Some(program) = compile(OPENS, &["-static", "-pthread"]) else {
        println!("\nno compiler");
        std::process::exit(0)
    };
    vm.put("/tmp/opens", &program, 0o755);
    vm.put("/tmp/file", b"x", 0o644);
    let (from, stdout) = vm.pipe();
    let process = vm.spawn(&["/tmp/opens"], &[(1, &stdout)]).unwrap();
    drop(stdout);
    let mut said = [0; 1];
    while block(|waker| from.read(&mut said, Some(waker))) == Ok(1) {
        println!("\nopened");
    }
    println!("\nended {:?}", wait(&process));
    std::process::exit(0)
}

#[test]
fn guests_get_descriptors_however_often_the_host_process_is_stopped() {
    if std::env::var_os(VICTIM).is_some() {
        opener();
    }
    if common::executor().is_none() {
        return;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "guests_get_descriptors_however_often_the_host_process_is_stopped",
        "--exact",
        "--nocapture",
    ]);
    let mut host = command.env(VICTIM, "opens").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    for _ in 0..1_000 {
        let line = lines
            .find_map(|line| {
                let line = line.unwrap();
                ["opened", "ended", "no compiler"]
                    .iter()
                    .any(|start| line.starts_with(start))
                    .then_some(line)
            })
            .unwrap();
        if line == "no compiler" {
            break;
        }
        assert_eq!(line, "opened");
        for signal in [libc::SIGSTOP, libc::SIGCONT] {
            // SAFETY: takes numbers alone; the process is this one's child and has not been waited for.
            assert_eq!(unsafe { libc::kill(host.id() as i32, signal) }, 0);
        }
    }
    host.kill().unwrap();
    host.wait().unwrap();
}
