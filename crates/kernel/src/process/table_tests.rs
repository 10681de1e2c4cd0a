//! Random histories of processes, with the table's invariants checked after each step.

use super::process::Attention;
use super::signal::{Disposition, MaskHow, SigSet, Signal};
use super::status::{WaitOptions, WaitTarget};
use super::table::{State, Table};
use super::{Kernel, KernelConfig, Process};
use crate::clock::{Clock, Entropy, Instant, Timestamp};
use crate::errno::Errno;
use crate::id::Pid;
use crate::limits::{Counter, Limits};
use crate::vfs::{FsQuota, MemoryFs};
use core::task::Waker;
use proptest::prelude::*;
use std::sync::Arc;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn instant(&self) -> Instant {
        Instant(0)
    }

    fn wake_at(&self, _: Instant, _: &Waker) {}
}

impl Entropy for Still {
    fn fill(&self, buf: &mut [u8]) {
        buf.fill(4);
    }
}

fn kernel() -> Arc<Kernel> {
    let clock: Arc<dyn Clock> = Arc::new(Still);
    let counter = |unit| Counter::new("limits.resources.maxFilesystemBytes", unit, 1 << 30, Errno::ENOSPC);
    let quota = Arc::new(FsQuota {
        bytes: counter("bytes"),
        inodes: counter("inodes"),
    });
    let mut limits = Limits::default();
    limits.max_processes = 12;
    Kernel::new(KernelConfig {
        limits,
        policy: Arc::default(),
        root: MemoryFs::new(Arc::clone(&clock), Arc::clone(&quota)),
        fs_quota: quota,
        clock,
        entropy: Arc::new(Still),
        events: Arc::new(crate::events::Ignore),
        hostname: Vec::new(),
        executors: Vec::new(),
        network: crate::net::NetworkConfig::default(),
        egress: None,
    })
}

/// One step; numbers choose among the processes that exist.
#[derive(Debug, Clone)]
enum Step {
    Fork(usize, Option<u32>),
    Kill(usize, i32, u32),
    Exit(usize, u32),
    Finish(usize),
    Wait(usize, bool),
    SetGroup(usize, usize, u32),
    SetSession(usize),
    Disposition(usize, u32, u8),
    Mask(usize, u64),
    Take(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..16_usize;
    let signal = prop_oneof![
        Just(9_u32),
        Just(19),
        Just(18),
        Just(20),
        Just(21),
        Just(15),
        Just(17),
        1..65_u32
    ];
    prop_oneof![
        4 => (who.clone(), prop_oneof![Just(None), Just(Some(0)), (2..12_u32).prop_map(Some)])
            .prop_map(|(who, group)| Step::Fork(who, group)),
        4 => (who.clone(), -12..12_i32, signal.clone()).prop_map(|(who, target, signal)| Step::Kill(who, target, signal)),
        2 => (who.clone(), 0..256_u32).prop_map(|(who, code)| Step::Exit(who, code)),
        3 => who.clone().prop_map(Step::Finish),
        3 => (who.clone(), any::<bool>()).prop_map(|(who, stops)| Step::Wait(who, stops)),
        2 => (who.clone(), who.clone(), 0..12_u32).prop_map(|(who, child, group)| Step::SetGroup(who, child, group)),
        1 => who.clone().prop_map(Step::SetSession),
        2 => (who.clone(), signal, 0..3_u8).prop_map(|(who, signal, what)| Step::Disposition(who, signal, what)),
        1 => (who.clone(), any::<u64>()).prop_map(|(who, mask)| Step::Mask(who, mask)),
        1 => who.prop_map(Step::Take),
    ]
}

fn run(kernel: &Kernel, step: &Step) {
    let all = kernel.processes();
    let init = kernel.init();
    let pick = |at: usize| all.get(at % all.len().max(1)).unwrap_or(&init);
    match step {
        Step::Fork(who, group) => drop(pick(*who).clone_child(group.map(Pid), false)),
        Step::Kill(who, target, signal) => {
            if let Some(signal) = Signal::new(*signal) {
                let _ = pick(*who).kill(*target, signal);
            }
        }
        Step::Exit(who, code) => pick(*who).exit(*code),
        // An executor finishes a process only once it is to end.
        Step::Finish(who) if pick(*who).attention().contains(Attention::DIE) => pick(*who).finish(),
        Step::Finish(_) => {}
        Step::Wait(who, stops) => {
            let mut options = WaitOptions::NOHANG;
            options.set(WaitOptions::UNTRACED | WaitOptions::CONTINUED, *stops);
            let _ = pick(*who).wait(WaitTarget::Any, options, None);
        }
        Step::SetGroup(who, child, group) => drop(pick(*who).setpgid(pick(*child).pid(), Pid(*group))),
        Step::SetSession(who) => drop(pick(*who).setsid()),
        Step::Disposition(who, signal, what) => {
            let what = [Disposition::Default, Disposition::Ignore, Disposition::Catch][usize::from(*what)];
            if let Some(signal) = Signal::new(*signal) {
                let _ = pick(*who).set_disposition(signal, what);
            }
        }
        Step::Mask(who, mask) => drop(pick(*who).sig_mask(Some((MaskHow::Set, SigSet(*mask))))),
        Step::Take(who) => drop(pick(*who).sig_take(SigSet::ALL)),
    }
}

fn check(kernel: &Kernel) {
    let table = kernel.table.lock();
    let count = table.entries().count() as u64;
    assert_eq!(kernel.meters.processes.used(), count);
    assert!(count <= kernel.limits.max_processes);
    let stopped = table
        .entries()
        .filter(|(_, entry)| entry.state == State::Stopped)
        .count();
    assert_eq!(table.stopped_count(), stopped);
    for (pid, entry) in table.entries() {
        check_entry(&table, pid, &entry.process);
    }
}

fn check_entry(table: &Table, pid: Pid, process: &Process) {
    let entry = table.entry(pid).unwrap();
    let copies = (process.ppid(), process.pgid(), process.sid());
    assert_eq!(copies, (entry.parent, entry.group, entry.session));
    for child in &entry.children {
        assert_eq!(table.entry(*child).unwrap().parent, pid);
    }
    match table.entry(entry.parent) {
        Ok(parent) => {
            assert!(!parent.is_zombie(), "a zombie has children");
            assert_eq!(parent.children.iter().filter(|child| **child == pid).count(), 1);
        }
        Err(_) => {
            assert_eq!(entry.parent, Pid::INIT);
            assert!(!entry.is_zombie(), "init did not reap");
        }
    }
    assert_eq!(
        table.session_of_group(entry.group),
        Some(entry.session),
        "a group in two sessions"
    );
    assert_eq!(process.exit_status().is_some(), entry.is_zombie());
    if entry.is_zombie() {
        return;
    }
    let mut expected = Attention::empty();
    expected.set(Attention::DIE, entry.doom.is_some());
    expected.set(Attention::STOPPED, entry.state == State::Stopped);
    let deliverable = entry.signals.deliverable();
    expected.set(
        Attention::CAUGHT,
        !deliverable.intersection(entry.signals.caught()).is_empty(),
    );
    assert_eq!(process.attention(), expected);
    if expected.is_empty() {
        let left = deliverable.difference(entry.signals.caught());
        assert!(left.is_empty(), "{left:?} had no effect");
    }
    if entry.doom.is_some() {
        assert_ne!(entry.state, State::Stopped, "it could not end");
    }
}

proptest! {
    #[test]
    fn the_table_stays_consistent(steps in proptest::collection::vec(step(), 1..120)) {
        let kernel = kernel();
        let init = kernel.init();
        drop(init.clone_child(Some(Pid(0)), false));
        for step in &steps {
            run(&kernel, step);
            check(&kernel);
        }
        kernel.kill_all();
        for process in kernel.processes() {
            process.finish();
        }
        prop_assert_eq!(kernel.meters.processes.used(), 0);
        prop_assert!(kernel.processes().is_empty());
    }
}
