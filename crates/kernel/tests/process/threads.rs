//! Many threads at once: processes are started, signalled, stopped, waited for and killed from everywhere, and in the end
//! nothing is left and nobody waits for ever.

use crate::harness::Vm;
use agentos_kernel::id::Pid;
use agentos_kernel::process::{Gate, Kernel, Process, Signal, WaitOptions, WaitTarget};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Wakes a parked thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a call of a process as an executor does: not while it is stopped, and not beyond its death.
fn block<T>(process: &Process, waker: &Waker, mut call: impl FnMut(&Waker) -> Poll<T>) -> Option<T> {
    loop {
        match process.gate(Some(waker)) {
            Poll::Ready(Gate::Die) => return None,
            Poll::Ready(Gate::Run) => {
                if let Poll::Ready(result) = call(waker) {
                    return Some(result);
                }
            }
            Poll::Pending => {}
        }
        thread::park();
    }
}

/// Numbers that differ from run to run do not matter here; they only mix the order of things.
fn next(seed: &mut u64) -> u64 {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    *seed
}

fn parent(kernel: &Kernel, started: &AtomicU64, seed: u64) {
    let mut seed = seed;
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let init = kernel.init();
    let Poll::Ready(Ok(parent)) = kernel.spawn(&init, &Vm::request(&["nothing"]), None) else {
        return;
    };
    for _ in 0..300 {
        let group = [None, Some(Pid(0))][next(&mut seed) as usize % 2];
        let Ok(child) = parent.clone_child(group, false) else {
            break;
        };
        started.fetch_add(1, Ordering::SeqCst);
        let runner = {
            let child = Arc::clone(&child);
            thread::spawn(move || {
                let waker = Waker::from(Arc::new(Unpark(thread::current())));
                let (read, _write) = child.pipe(false, false).unwrap();
                let mut byte = [0];
                let _ = block(&child, &waker, |waker| child.read(read, &mut byte, Some(waker)));
                child.exit(3);
                child.finish();
            })
        };
        for _ in 0..next(&mut seed) % 4 {
            let signal = [Signal::STOP, Signal::CONT, Signal::TSTP, Signal::USR1][next(&mut seed) as usize % 4];
            let _ = init.kill(child.pid().0 as i32, signal);
        }
        let _ = init.kill(child.pid().0 as i32, Signal::KILL);
        let waited = block(&parent, &waker, |waker| {
            parent.wait(WaitTarget::Pid(child.pid()), WaitOptions::empty(), Some(waker))
        });
        runner.join().unwrap();
        assert!(child.exit_status().is_some_and(|status| status.signal().is_some()));
        if waited.is_none() {
            break;
        }
    }
    parent.exit(0);
    parent.finish();
}

#[test]
fn nothing_is_lost_between_threads() {
    let vm = Vm::new();
    vm.program("nothing", |_| async { 0 });
    let started = AtomicU64::new(0);
    thread::scope(|scope| {
        for seed in 1..=4 {
            let (kernel, started) = (&vm.kernel, &started);
            scope.spawn(move || parent(kernel, started, seed * 0x9e37_79b9));
        }
        let kernel = &vm.kernel;
        scope.spawn(move || {
            for _ in 0..200 {
                for process in kernel.processes() {
                    let _ = (
                        process.run_state(),
                        process.ppid(),
                        process.usage(),
                        process.descriptors(),
                    );
                }
                thread::yield_now();
            }
        });
    });
    assert!(started.load(Ordering::SeqCst) > 1000);
    vm.executor.run();
    vm.assert_idle();
}

#[test]
fn disposing_meets_starting() {
    for round in 0..20 {
        let vm = Vm::new();
        vm.program("nothing", |_| async { 0 });
        let started = AtomicU64::new(0);
        thread::scope(|scope| {
            for seed in 1..=2 {
                let (kernel, started) = (&vm.kernel, &started);
                scope.spawn(move || parent(kernel, started, seed + round));
            }
            while started.load(Ordering::SeqCst) < 5 {
                thread::yield_now();
            }
            vm.kernel.kill_all();
        });
        vm.executor.run();
        vm.assert_idle();
    }
}
