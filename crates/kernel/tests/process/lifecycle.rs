//! Starting, ending, waiting.

use crate::harness::{Outcome, Vm};
use agentos_kernel::Errno;
use agentos_kernel::id::{Fd, Pid};
use agentos_kernel::process::{ExitStatus, FileAction, Signal, SpawnRequest, WaitEvent, WaitOptions};
use std::sync::atomic::Ordering;
use std::task::{Poll, Waker};

#[test]
fn a_program_runs_writes_and_ends() {
    let vm = Vm::new();
    vm.program("hello", |sys| async move {
        sys.say("hello ").await;
        sys.say(&String::from_utf8(sys.argv()[1].clone()).unwrap()).await;
        7
    });
    let (out, action) = vm.output(1);
    let process = vm.start_with(SpawnRequest {
        actions: vec![action],
        ..Vm::request(&["hello", "world"])
    });
    vm.executor.run();
    assert_eq!(process.exit_status(), Some(ExitStatus::Exited(7)));
    assert_eq!(crate::harness::drain(&out), "hello world");
    drop(out);
    vm.assert_idle();
}

#[test]
fn a_parent_waits_for_its_child() {
    let vm = Vm::new();
    vm.program("child", |sys| async move {
        sys.charge(5_000);
        3
    });
    vm.check(|sys| async move {
        let pid = sys.start(&["child"]).await.unwrap();
        let waited = sys.waitpid(-1, WaitOptions::empty()).await.unwrap().unwrap();
        assert_eq!(
            (waited.pid, waited.event),
            (pid, WaitEvent::Ended(ExitStatus::Exited(3)))
        );
        assert_eq!(waited.usage.user_ns, 5_000);
        assert_eq!(sys.times().children_user, 5_000);
        assert_eq!(sys.waitpid(-1, WaitOptions::empty()).await.unwrap_err(), Errno::ECHILD);
    });
    vm.assert_idle();
}

#[test]
fn waiting_selects_by_pid_and_group_and_can_look_without_taking() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let slow = sys
            .fork(|sys| async move { sys.sleep(i64::MAX).await.map_or(1, |()| 0) })
            .unwrap();
        let own = sys.fork_into(Some(Pid(0)), false, |_| async { 2 }).unwrap();
        assert_eq!(sys.waitpid(slow.0 as i32, WaitOptions::NOHANG).await.unwrap(), None);
        let look = sys
            .waitpid(-(own.0 as i32), WaitOptions::NOWAIT)
            .await
            .unwrap()
            .unwrap();
        assert_eq!((look.pid, look.event), (own, WaitEvent::Ended(ExitStatus::Exited(2))));
        let taken = sys
            .waitpid(-(own.0 as i32), WaitOptions::empty())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(taken.pid, own);
        assert_eq!(
            sys.waitpid(-(own.0 as i32), WaitOptions::NOHANG).await.unwrap_err(),
            Errno::ECHILD
        );
        sys.kill(slow.0 as i32, Signal::KILL).unwrap();
        assert_eq!(
            sys.reap(slow).await,
            WaitEvent::Ended(ExitStatus::Signaled(Signal::KILL))
        );
    });
    vm.assert_idle();
}

#[test]
fn spawning_waits_while_the_program_is_compiled_and_has_no_effect_before() {
    let vm = Vm::new();
    vm.program("child", |_| async { 0 });
    vm.executor.compiling.store(true, Ordering::SeqCst);
    let init = vm.kernel.init();
    let request = Vm::request(&["child"]);
    let waker = Waker::noop();
    assert!(vm.kernel.spawn(&init, &request, Some(waker)).is_pending());
    vm.assert_idle();
    vm.executor.compiled();
    let Poll::Ready(Ok(child)) = vm.kernel.spawn(&init, &request, Some(waker)) else {
        panic!("not started")
    };
    assert_eq!(child.ppid(), Pid::INIT);
    vm.executor.run();
    assert_eq!(child.exit_status(), Some(ExitStatus::Exited(0)));
}

#[test]
fn exec_keeps_the_process_and_drops_what_it_must() {
    let vm = Vm::new();
    vm.program("second", |sys| async move {
        assert_eq!(sys.name(), b"second");
        assert_eq!(sys.descriptors(), [Fd(0)]);
        assert_eq!(sys.disposition(Signal::TERM), Default::default());
        assert_eq!(
            sys.disposition(Signal::INT),
            agentos_kernel::process::Disposition::Ignore
        );
        sys.pid().0
    });
    vm.program_raw("first", |sys| async move {
        use agentos_kernel::process::Disposition;
        let (kept, dropped) = sys.pipe(false, true).unwrap();
        sys.set_cloexec(kept, false).unwrap();
        sys.set_disposition(Signal::TERM, Disposition::Catch).unwrap();
        sys.set_disposition(Signal::INT, Disposition::Ignore).unwrap();
        assert_eq!(sys.exec(&["missing"]).await.err().unwrap(), Errno::ENOENT);
        assert_eq!(sys.descriptors(), [kept, dropped]);
        Outcome::Exec(sys.exec(&["second"]).await.unwrap())
    });
    let process = vm.run(&["first"]);
    assert_eq!(process.exit_status(), Some(ExitStatus::Exited(process.pid().0 as u8)));
    vm.assert_idle();
}

#[test]
fn children_get_the_standard_descriptors_and_what_they_are_given() {
    let vm = Vm::new();
    vm.program("count", |sys| async move {
        let mask = sys.descriptors().iter().fold(0, |mask, fd| mask | 1 << fd.0);
        assert!(sys.descriptors().iter().all(|fd| !sys.cloexec(*fd).unwrap()));
        mask
    });
    vm.check(|sys| async move {
        let (a, b) = sys.pipe(false, false).unwrap();
        let (c, d) = sys.pipe(false, true).unwrap();
        assert_eq!([a, b, c, d], [Fd(0), Fd(1), Fd(2), Fd(3)]);
        sys.dup(a, Fd(5), false).unwrap();
        let run = async |actions: Vec<FileAction>, inherit| {
            let request = SpawnRequest {
                credentials: None,
                actions,
                inherit,
                ..Vm::request(&["count"])
            };
            let pid = sys.spawn(&request).await.unwrap();
            let WaitEvent::Ended(status) = sys.reap(pid).await else {
                panic!("not ended")
            };
            status.code()
        };
        assert_eq!(run(vec![], false).await, 0b11);
        assert_eq!(run(vec![], true).await, 0b10_0011);
        let actions = vec![
            FileAction::Dup2 { from: Fd(3), to: Fd(4) },
            FileAction::Dup2 { from: Fd(2), to: Fd(2) },
            FileAction::Close(Fd(0)),
            FileAction::Close(Fd(6)),
        ];
        assert_eq!(run(actions, false).await, 0b1_0110);
        let missing = FileAction::Dup2 { from: Fd(7), to: Fd(1) };
        let request = SpawnRequest {
            actions: vec![missing],
            credentials: None,
            ..Vm::request(&["count"])
        };
        assert_eq!(sys.spawn(&request).await.unwrap_err(), Errno::EBADF);
    });
    vm.assert_idle();
}

#[test]
fn orphans_go_to_init_and_leave_nothing_behind() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let middle = sys
            .fork(|sys| async move {
                sys.fork(|sys| async move {
                    sys.sleep(1_000).await.unwrap();
                    assert_eq!(sys.ppid(), Pid::INIT);
                    0
                })
                .unwrap();
                sys.fork(|_| async { 0 }).unwrap();
                0
            })
            .unwrap();
        sys.reap(middle).await;
        assert_eq!(sys.waitpid(-1, WaitOptions::empty()).await.unwrap_err(), Errno::ECHILD);
    });
    assert_eq!(vm.kernel.usage().processes.used(), 1);
    vm.advance(1_000);
    vm.assert_idle();
}

#[test]
fn disposing_ends_everything_and_refuses_more() {
    let vm = Vm::new();
    vm.program("sleeper", |sys| async move {
        sys.fork(|_| async { 1 }).unwrap();
        let (read, _write) = sys.pipe(false, false).unwrap();
        let _ = sys.read(read, 1).await;
        unreachable!("it never wakes")
    });
    let process = vm.run(&["sleeper"]);
    assert_eq!(vm.kernel.usage().processes.used(), 2);
    vm.kernel.kill_all();
    vm.executor.run();
    assert_eq!(process.exit_status(), Some(ExitStatus::Signaled(Signal::KILL)));
    vm.assert_idle();
    let again = vm.kernel.spawn(&vm.kernel.init(), &Vm::request(&["sleeper"]), None);
    assert!(matches!(again, Poll::Ready(Err(error)) if error == Errno::ECANCELED));
}
