//! The dispatcher under system calls whose registers and memory are anything: random calls of random processes, in rounds that are
//! made from a seed. Whatever a guest does to itself, the supervisor neither panics nor hangs, and serves the next program as before.
//!
//! `AGENTOS_HOSTILE=SEED cargo test -p agentos-linux --test hostile` plays the round of a seed, `AGENTOS_HOSTILE_ROUNDS=N` so many.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use agentos_kernel::limits::Limits;
use agentos_kernel::process::Signal;
use common::{Vm, compile, wait};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Records of a round, each of so many bytes as the program says.
const RECORDS: usize = 48;
const RECORD: usize = 2 + 6 * 9;
/// Most time that a round may take; guests that wait for nothing are ended then.
const PATIENCE: Duration = Duration::from_secs(10);
/// Panics of supervisors.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Numbers without a pattern (`xorshift64*`).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }
}

/// The calls of a round. Most are ones that the supervisor answers, whose numbers are those of the table.
fn round(seed: u64) -> Vec<u8> {
    let mut numbers = Numbers(seed.wrapping_mul(2).wrapping_add(1));
    let known = agentos_linux::fuzzing::answered();
    let mut bytes = Vec::with_capacity(RECORDS * RECORD);
    for _ in 0..RECORDS {
        let number = match numbers.below(8) {
            0 => numbers.below(480),
            _ => known[usize::try_from(numbers.below(known.len() as u64)).unwrap()],
        };
        bytes.extend(u16::try_from(number).unwrap().to_le_bytes());
        for _ in 0..6 {
            bytes.push(numbers.next().to_le_bytes()[7]);
            bytes.extend(numbers.next().to_le_bytes());
        }
    }
    bytes
}

/// Ends everything in the VM unless it is told in time that the round is over.
fn play(vm: &Vm, program: &[u8], seed: u64) {
    // Anew, for a guest may write to its own program.
    vm.put("/tmp/calls", program, 0o755);
    vm.put("/tmp/round", &round(seed), 0o644);
    let process = vm.spawn(&["/tmp/calls", "/tmp/round"], &[]).unwrap();
    let (over, told) = channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if told.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let _ = vm.kernel.init().kill(-1, Signal::KILL);
            }
        });
        wait(&process);
        over.send(()).unwrap();
    });
    // What it has left behind.
    let _ = vm.kernel.init().kill(-1, Signal::KILL);
    let alive = vm.run(&["/usr/bin/echo", "still"]);
    assert_eq!(alive.out, "still\n", "AGENTOS_HOSTILE={seed}: {alive:?}");
    let panics = PANICS.load(Ordering::Relaxed);
    assert_eq!(panics, 0, "AGENTOS_HOSTILE={seed}: the supervisor panicked");
}

#[test]
fn no_registers_and_no_memory_harm_the_supervisor() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let small = |limits: &mut Limits| {
        limits.max_processes = 48;
        limits.max_open_fds_per_process = 128;
        limits.max_memory_bytes = 512 << 20;
    };
    let Some(vm) = Vm::limited(small) else { return };
    let source = include_str!("hostile/calls.c");
    let Some(program) = compile(source, &["-static", "-w", "-pthread"]) else {
        return;
    };
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let is_supervisor = std::thread::current()
            .name()
            .is_some_and(|name| name.starts_with("agentos-"));
        PANICS.fetch_add(usize::from(is_supervisor), Ordering::Relaxed);
        hook(info);
    }));
    match number("AGENTOS_HOSTILE") {
        Some(seed) => play(&vm, &program, seed),
        None => {
            let rounds = number("AGENTOS_HOSTILE_ROUNDS").unwrap_or(8);
            (1..=rounds).for_each(|seed| play(&vm, &program, seed));
        }
    }
}
