//! Limits that the process layer enforces, to the exact count, and what is left afterwards.

use crate::harness::{Vm, wait_for};
use agentos_kernel::Errno;
use agentos_kernel::id::{Fd, Pid};
use agentos_kernel::process::{Resource, ResourceLimit, Signal, SpawnRequest};

#[test]
fn processes_are_counted_until_they_are_reaped() {
    let vm = Vm::with(|limits| limits.max_processes = 4);
    vm.program("nothing", |_| async { 0 });
    vm.check(|sys| async move {
        let zombies: Vec<Pid> = (0..3).map(|_| sys.fork(|_| async { 0 }).unwrap()).collect();
        sys.settle().await;
        let error = sys.clone_child(None, false).unwrap_err();
        let limit = error.limit().unwrap();
        assert_eq!(
            (limit.limit, limit.observed, limit.capacity, limit.errno),
            ("maxProcesses", 5, 4, Errno::EAGAIN)
        );
        assert_eq!(sys.start(&["nothing"]).await.unwrap_err(), Errno::EAGAIN);
        sys.reap(zombies[1]).await;
        let last = sys.start(&["nothing"]).await.unwrap();
        assert_eq!(sys.start(&["nothing"]).await.unwrap_err(), Errno::EAGAIN);
        for pid in [zombies[0], zombies[2], last] {
            sys.reap(pid).await;
        }
        // A failed start gives its place back.
        for _ in 0..8 {
            assert_eq!(sys.start(&["missing"]).await.unwrap_err(), Errno::ENOENT);
        }
    });
    assert_eq!(vm.kernel.usage().processes_started(), 5);
    vm.assert_idle();
}

#[test]
fn a_user_can_be_limited_too() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        sys.set_resource_limit(Resource::Processes, ResourceLimit { soft: 2, hard: 2 })
            .unwrap();
        let child = sys
            .fork(|sys| async move { u32::from(sys.clone_child(None, false).unwrap_err() != Errno::EAGAIN) })
            .unwrap();
        assert_eq!(sys.clone_child(None, false).unwrap_err(), Errno::EAGAIN);
        sys.reap(child).await;
    });
    vm.assert_idle();
}

#[test]
fn memory_is_shared_by_the_vm_and_given_back() {
    let vm = Vm::with(|limits| limits.max_memory_bytes = 1 << 20);
    vm.check(|sys| async move {
        assert!(sys.grow_memory(600 << 10));
        let child = sys
            .fork(|sys| async move {
                assert!(!sys.grow_memory((424 << 10) + 1));
                assert!(sys.grow_memory(424 << 10));
                0
            })
            .unwrap();
        assert_eq!(
            sys.reap(child).await,
            agentos_kernel::process::WaitEvent::Ended(agentos_kernel::process::ExitStatus::Exited(0))
        );
        sys.shrink_memory(100 << 10);
        assert_eq!((sys.memory(), sys.usage().max_rss), (500 << 10, 600 << 10));
        assert_eq!(sys.kernel().usage().memory.used(), 500 << 10);
    });
    assert_eq!(vm.kernel.usage().peak_memory(), 1 << 20);
    vm.assert_idle();
}

#[test]
fn descriptors_are_limited_per_process_and_per_vm() {
    let vm = Vm::with(|limits| {
        limits.max_open_fds_per_process = 6;
        limits.max_open_fds = 8;
        limits.max_pipes = 3;
    });
    vm.check(|sys| async move {
        for _ in 0..3 {
            sys.pipe(false, false).unwrap();
        }
        let error = sys.dup(Fd(0), Fd(0), false).unwrap_err();
        assert_eq!(
            (error.errno(), error.limit().unwrap().limit),
            (Errno::EMFILE, "maxOpenFdsPerProcess")
        );
        sys.close(Fd(5)).unwrap();
        sys.close(Fd(3)).unwrap();
        let error = sys.pipe(false, false).unwrap_err();
        assert_eq!(
            (error.errno(), error.limit().unwrap().limit),
            (Errno::EAGAIN, "maxPipes")
        );
        sys.set_resource_limit(Resource::Files, ResourceLimit { soft: 4, hard: 6 })
            .unwrap();
        assert_eq!(sys.open_read("/dev/null").await.unwrap(), Fd(3));
        assert_eq!(sys.open_read("/dev/null").await.unwrap_err(), Errno::EMFILE);
        let raise = ResourceLimit { soft: 7, hard: 7 };
        assert_eq!(
            sys.set_resource_limit(Resource::Files, raise).unwrap_err(),
            Errno::EPERM
        );
        let child = sys
            .fork(|sys| async move {
                for fd in [0, 1, 2, 3] {
                    sys.close(Fd(fd)).unwrap();
                }
                for _ in 0..3 {
                    sys.open_read("/tmp").await.unwrap();
                }
                u32::from(sys.open_read("/tmp").await.unwrap_err() != Errno::ENFILE)
            })
            .unwrap();
        assert_eq!(
            sys.reap(child).await,
            agentos_kernel::process::WaitEvent::Ended(agentos_kernel::process::ExitStatus::Exited(0))
        );
    });
    vm.assert_idle();
}

#[test]
fn a_blocking_read_can_be_limited_in_time() {
    let vm = Vm::with(|limits| limits.max_blocking_read_ms = 5);
    vm.program("reader", |sys| async move {
        let (read, write) = sys.pipe(false, false).unwrap();
        for _ in 0..2 {
            assert_eq!(sys.read(read, 1).await.unwrap_err(), Errno::ETIMEDOUT);
        }
        sys.write(write, b"x").await.unwrap();
        assert_eq!(sys.read(read, 1).await.unwrap(), b"x");
        0
    });
    let process = vm.run(&["reader"]);
    vm.advance(4_999_999);
    assert_eq!(vm.kernel.uptime(), 4_999_999);
    vm.advance(1);
    assert!(process.exit_status().is_none());
    vm.advance(5_000_000);
    assert_eq!(process.exit_status().unwrap().code(), 0);
    vm.assert_idle();
}

#[test]
fn priorities_only_go_down() {
    let vm = Vm::new();
    vm.program("sleeper", |sys| async move { sys.pause().await.errno().raw() as u32 });
    let roots = vm
        .start_with(SpawnRequest {
            credentials: None,
            ..Vm::request(&["sleeper"])
        })
        .pid();
    vm.check(move |sys| async move {
        assert_eq!(sys.nice(Pid(0)), Ok(0));
        sys.set_nice(Pid(0), 5).unwrap();
        assert_eq!(sys.set_nice(Pid(0), 4).unwrap_err(), Errno::EACCES);
        sys.set_nice(Pid(0), 99).unwrap();
        let child = sys.fork(|sys| async move { sys.nice(Pid(0)).unwrap() as u32 }).unwrap();
        sys.reap(child).await;
        assert_eq!(sys.set_nice(roots, 1).unwrap_err(), Errno::EPERM);
        assert_eq!(sys.nice(Pid(9999)).unwrap_err(), Errno::ESRCH);
    });
}

#[test]
fn everything_returns_to_zero_after_a_crash_in_the_middle_of_everything() {
    let vm = Vm::new();
    vm.program("busy", |sys| async move {
        assert!(sys.grow_memory(1 << 20));
        sys.pipe(false, false).unwrap();
        sys.open_tty(false, false).unwrap();
        let file = sys.open_write("/tmp/locked").await.unwrap();
        use agentos_kernel::process::{LockCommand, LockKind, Range};
        let mut range = Range {
            kind: LockKind::Write,
            whence: 0,
            start: 0,
            len: 0,
            pid: Pid(0),
        };
        wait_for(|waker| sys.record_lock(file, LockCommand::Wait, &mut range, waker))
            .await
            .unwrap();
        wait_for(|waker| sys.flock(file, LockKind::Write, false, waker))
            .await
            .unwrap();
        sys.set_timer(1_000, 1_000_000);
        sys.fork(|sys| async move { sys.sleep(i64::MAX).await.map_or(0, |()| 1) })
            .unwrap();
        sys.sig_mask(Some((
            agentos_kernel::process::MaskHow::Block,
            agentos_kernel::process::SigSet::ALL,
        )));
        sys.pause().await;
        0
    });
    let process = vm.run(&["busy"]);
    assert_eq!(vm.kernel.vfs().locks().len(), 2);
    vm.kernel.init().kill(-(process.pid().0 as i32), Signal::KILL).unwrap();
    vm.executor.run();
    vm.advance(5_000_000);
    vm.assert_idle();
}

#[test]
fn the_latest_ended_processes_are_remembered() {
    let vm = Vm::with(|limits| limits.max_retained_exited = 2);
    vm.program("exit", |sys| async move { sys.argv().len() as u32 });
    for args in [&["exit"][..], &["exit", "a"], &["exit", "a", "b"]] {
        vm.status(args);
    }
    let exited = vm.kernel.exited();
    let seen: Vec<_> = exited
        .iter()
        .map(|record| (&*record.command, record.status.code()))
        .collect();
    assert_eq!(seen, [(&b"exit a"[..], 2), (&b"exit a b"[..], 3)]);
    vm.assert_idle();
}
