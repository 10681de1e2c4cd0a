//! VMs full of guests that are killed at random moments: whatever a guest was doing, nothing of it may stay.
//!
//! Choices come from a seed, so that a failure can be repeated as far as threads allow. That a VM is gone is seen by a
//! filesystem that only its mount table holds.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use agentos::vfs::{Filesystem, HostDirFs};
use agentos::{AgentOs, Mount, Process, ShellOptions, Signal, Usage};
use std::sync::{Arc, Weak};

/// Guests that wait, spin, multiply, and hold every kind of thing there is.
const GUESTS: [&str; 12] = [
    "while :; do :; done",
    "yes | cat | cat > /dev/null",
    "cat",
    "sleep 1000 & sleep 1000 | sleep 1000 & wait",
    "mkfifo f; cat f & echo x > f; cat f",
    "i=0; while :; do i=$((i+1)); echo $i > n$i; rm n$i; done",
    "while :; do (echo x | (read y; echo $y)) > /dev/null; done",
    "f() { f & f; }; f",
    "exec 9> lock; flock 9 2>/dev/null; cat /mnt/host/* /proc/self/status; cd /mnt/host; while :; do echo x > mine; rm mine; done",
    "trap 'echo caught' TERM INT HUP; while :; do sleep 1; done",
    "exec sh -c 'exec sh -c \"exec sleep 1000\"'",
    "kill -STOP $$; cat",
];

const SIGNALS: [Signal; 6] = [
    Signal::Kill,
    Signal::Term,
    Signal::Stop,
    Signal::Cont,
    Signal::Int,
    Signal::Hup,
];

/// A small generator (xorshift), the same on every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % bound
    }

    async fn pause(&mut self) {
        for _ in 0..self.below(200) {
            tokio::task::yield_now().await;
        }
    }
}

async fn vm(folder: &std::path::Path) -> (AgentOs, Weak<HostDirFs>) {
    let host = HostDirFs::open(folder, false).unwrap();
    let known = Arc::downgrade(&host);
    let mut limits = agentos::Limits::default();
    for (name, value) in [("maxProcesses", 24), ("maxPipes", 64), ("maxPtys", 4)] {
        limits.set(name, value).unwrap();
    }
    let mount = Mount::filesystem("/mnt/host", host as Arc<dyn Filesystem>);
    let vm = AgentOs::builder().limits(limits).mount(mount).create().await.unwrap();
    (vm, known)
}

/// Starts guests and shoots at whatever runs. What could not start for lack of room is none.
async fn riot(vm: &AgentOs, dice: &mut Dice) -> Vec<Process> {
    let mut guests = Vec::new();
    for _ in 0..3 {
        let script = GUESTS[dice.below(GUESTS.len())];
        guests.extend(vm.spawn("sh", ["-c", script]).start().await.ok());
        dice.pause().await;
    }
    let shell = vm.open_shell(ShellOptions::default()).await;
    for _ in 0..dice.below(12) {
        let all = vm.all_processes().await.unwrap();
        if let Some(victim) = all.get(dice.below(all.len().max(1))) {
            let _ = vm.signal_process(victim.pid, SIGNALS[dice.below(SIGNALS.len())]).await;
        }
        dice.pause().await;
    }
    drop(shell);
    guests
}

/// Ends everything, and looks that the counters are what they were.
async fn clear(vm: &AgentOs, before: &Usage, guests: Vec<Process>) {
    drop(guests);
    while vm.usage().processes > 0 {
        for process in vm.all_processes().await.unwrap() {
            let _ = vm.signal_process(process.pid, Signal::Kill).await;
        }
        tokio::task::yield_now().await;
    }
    let _ = vm.exec("cd /; rm -rf /home/user/* /tmp/*").await;
    while vm.usage().processes > 0 {
        tokio::task::yield_now().await;
    }
    let held = |usage: &Usage| (usage.open_fds, usage.memory_bytes, usage.inodes, usage.filesystem_bytes);
    assert_eq!(held(&vm.usage()), held(before));
    support::lives(vm).await;
}

async fn rounds(seed: u64) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("text"), "text").unwrap();
    let mut dice = Dice(seed);
    for _ in 0..6 {
        let (vm, known) = vm(folder.path()).await;
        let before = vm.usage();
        let guests = riot(&vm, &mut dice).await;
        match dice.below(3) {
            0 => clear(&vm, &before, guests).await,
            1 => {
                vm.dispose().await;
                drop(guests);
            }
            _ => drop(guests),
        }
        drop(vm);
        while known.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guests_killed_at_random_leave_nothing() {
    let tasks: Vec<_> = (1..=8u64)
        .map(|seed| tokio::spawn(rounds(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))))
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
