//! Signals: delivery, masks, dispositions, interruption, permission, timers.

use crate::harness::{Sys, Vm, wait_for};
use agentos_kernel::Errno;
use agentos_kernel::fd::PollEvents;
use agentos_kernel::id::{Gid, Pid, Uid};
use agentos_kernel::process::{
    Disposition, ExitStatus, MaskHow, PollEntry, PollSource, Resource, ResourceLimit, SigSet, Signal, SpawnRequest,
    WaitEvent, WaitOptions,
};

const KILLED: WaitEvent = WaitEvent::Ended(ExitStatus::Signaled(Signal::KILL));

fn set(signals: &[Signal]) -> SigSet {
    SigSet::of(signals)
}

/// A child that does nothing until it is killed.
fn sleeper(sys: &Sys) -> Pid {
    sys.fork(|sys| async move {
        loop {
            sys.pause().await;
            if let Ok(info) = sys.sig_take(SigSet::ALL) {
                return info.signal.number();
            }
        }
    })
    .unwrap()
}

#[test]
fn default_actions_end_a_process_and_ignored_signals_do_not() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        for signal in [
            Signal::HUP,
            Signal::TERM,
            Signal::QUIT,
            Signal::USR1,
            Signal::ALRM,
            Signal::new(40).unwrap(),
        ] {
            let pid = sleeper(&sys);
            for harmless in [Signal::CHLD, Signal::WINCH, Signal::URG, Signal::CONT] {
                sys.kill(pid.0 as i32, harmless).unwrap();
            }
            assert_eq!(sys.waitpid(pid.0 as i32, WaitOptions::NOHANG).await.unwrap(), None);
            sys.kill(pid.0 as i32, signal).unwrap();
            assert_eq!(sys.reap(pid).await, WaitEvent::Ended(ExitStatus::Signaled(signal)));
        }
        assert_eq!(sys.kill(9999, Signal::TERM).unwrap_err(), Errno::ESRCH);
        assert_eq!(sys.may_kill(sys.pid().0 as i32), Ok(()));
    });
    vm.assert_idle();
}

#[test]
fn a_caught_signal_interrupts_and_waits_to_be_taken() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let child = sys
            .fork(|sys| async move {
                sys.set_disposition(Signal::USR1, Disposition::Catch).unwrap();
                let (read, _write) = sys.pipe(false, false).unwrap();
                assert_eq!(sys.read(read, 1).await.unwrap_err(), Errno::EINTR);
                // It stays pending, so that every call that would wait is interrupted until it is taken.
                assert_eq!(sys.read(read, 1).await.unwrap_err(), Errno::EINTR);
                assert_eq!(sys.waitpid(-1, WaitOptions::empty()).await.unwrap_err(), Errno::ECHILD);
                let info = sys.sig_take(SigSet::ALL).unwrap();
                assert_eq!((info.signal, info.pid, info.uid), (Signal::USR1, sys.ppid(), Uid::USER));
                assert_eq!(sys.sig_take(SigSet::ALL).unwrap_err(), Errno::EAGAIN);
                0
            })
            .unwrap();
        sys.settle().await;
        sys.kill(child.0 as i32, Signal::USR1).unwrap();
        assert_eq!(sys.reap(child).await, WaitEvent::Ended(ExitStatus::Exited(0)));
    });
}

/// `check` sleeps, so these helpers advance the clock while it does.
fn check_with_time(vm: &Vm) {
    for _ in 0..50 {
        vm.advance(1_000_000);
    }
}

#[test]
fn blocked_signals_wait_for_the_mask() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let pid = sys
            .fork(|sys| async move {
                sys.sig_mask(Some((MaskHow::Block, set(&[Signal::TERM, Signal::KILL, Signal::STOP]))));
                assert_eq!(sys.sig_mask(None), set(&[Signal::TERM]));
                sys.kill(sys.pid().0 as i32, Signal::TERM).unwrap();
                assert_eq!(sys.sig_pending(), set(&[Signal::TERM]));
                sys.sig_mask(Some((MaskHow::Set, SigSet::EMPTY)));
                // How it ends is decided; what it says now is too late.
                sys.pause().await;
                0
            })
            .unwrap();
        assert_eq!(
            sys.reap(pid).await,
            WaitEvent::Ended(ExitStatus::Signaled(Signal::TERM))
        );
    });
}

#[test]
fn waiting_for_signals_takes_blocked_ones_and_ends_at_the_deadline() {
    let vm = Vm::new();
    vm.program("wait", |sys| async move {
        let usr = set(&[Signal::USR1, Signal::USR2]);
        sys.sig_mask(Some((MaskHow::Block, usr.union(set(&[Signal::CHLD])))));
        let parent = sys.pid().0 as i32;
        let child = sys
            .fork(move |sys| async move {
                sys.sleep(1_000_000).await.unwrap();
                sys.kill(parent, Signal::USR2).unwrap();
                0
            })
            .unwrap();
        let info = wait_for(|waker| sys.sig_wait(usr, None, waker)).await.unwrap();
        assert_eq!((info.signal, info.pid), (Signal::USR2, child));
        // SIGCHLD is ignored by default, but not while it is blocked.
        let info = wait_for(|waker| sys.sig_wait(set(&[Signal::CHLD]), None, waker))
            .await
            .unwrap();
        assert_eq!((info.signal, info.pid, info.status), (Signal::CHLD, child, 0));
        let deadline = sys.deadline(2_000_000);
        assert_eq!(
            wait_for(|waker| sys.sig_wait(usr, deadline, waker)).await.unwrap_err(),
            Errno::EAGAIN
        );
        0
    });
    let process = vm.run(&["wait"]);
    check_with_time(&vm);
    assert_eq!(process.exit_status(), Some(ExitStatus::Exited(0)));
    vm.assert_idle();
}

#[test]
fn a_wait_can_replace_the_mask() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let usr1 = set(&[Signal::USR1]);
        sys.set_disposition(Signal::USR1, Disposition::Catch).unwrap();
        sys.sig_mask(Some((MaskHow::Block, usr1)));
        sys.kill(sys.pid().0 as i32, Signal::USR1).unwrap();
        assert_eq!(sys.suspend(SigSet::EMPTY).await, Errno::EINTR);
        assert_eq!(sys.sig_mask(None), usr1);
        // A watcher of signals sees it instead of being interrupted.
        let mut entries = [PollEntry {
            source: PollSource::Signal,
            interest: PollEvents::IN,
            ready: PollEvents::empty(),
        }];
        let count = wait_for(|waker| sys.poll(&mut entries, None, Some(SigSet::EMPTY), waker))
            .await
            .unwrap();
        assert_eq!((count, entries[0].ready), (1, PollEvents::IN));
        assert_eq!(sys.sig_take(usr1).unwrap().signal, Signal::USR1);
    });
}

#[test]
fn writing_without_a_reader_is_a_signal_and_an_error() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let write_to_nobody = |sys: Sys| async move {
            let (read, write) = sys.pipe(false, false).unwrap();
            sys.close(read).unwrap();
            sys.write(write, b"x").await
        };
        let child = sys
            .fork(|sys| async move {
                let _ = write_to_nobody(sys.clone()).await;
                sys.pause().await;
                0
            })
            .unwrap();
        assert_eq!(
            sys.reap(child).await,
            WaitEvent::Ended(ExitStatus::Signaled(Signal::PIPE))
        );
        sys.set_disposition(Signal::PIPE, Disposition::Ignore).unwrap();
        assert_eq!(write_to_nobody(sys.clone()).await.unwrap_err(), Errno::EPIPE);
    });
    vm.assert_idle();
}

#[test]
fn stopping_and_continuing_are_reported() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        sys.set_disposition(Signal::CHLD, Disposition::Catch).unwrap();
        let take = |code: i32, signal: Signal| {
            let info = sys.sig_take(set(&[Signal::CHLD])).unwrap();
            assert_eq!((info.code, info.status), (code, signal.number() as i32));
        };
        let pid = sleeper(&sys);
        let raw = pid.0 as i32;
        let options = WaitOptions::UNTRACED | WaitOptions::CONTINUED;
        sys.kill(raw, Signal::STOP).unwrap();
        take(5, Signal::STOP);
        sys.set_disposition(Signal::CHLD, Disposition::Default).unwrap();
        assert_eq!(sys.waitpid(raw, WaitOptions::NOHANG).await.unwrap(), None);
        let event = |waited: Option<agentos_kernel::process::Waited>| waited.unwrap().event;
        assert_eq!(
            event(sys.waitpid(raw, options).await.unwrap()),
            WaitEvent::Stopped(Signal::STOP)
        );
        assert_eq!(sys.waitpid(raw, options | WaitOptions::NOHANG).await.unwrap(), None);
        // Terminating signals wait until it is continued, SIGKILL does not.
        sys.kill(raw, Signal::TERM).unwrap();
        assert_eq!(sys.waitpid(raw, options | WaitOptions::NOHANG).await.unwrap(), None);
        sys.kill(raw, Signal::CONT).unwrap();
        assert_eq!(
            sys.reap(pid).await,
            WaitEvent::Ended(ExitStatus::Signaled(Signal::TERM))
        );

        let pid = sleeper(&sys);
        sys.kill(pid.0 as i32, Signal::STOP).unwrap();
        sys.kill(pid.0 as i32, Signal::CONT).unwrap();
        assert_eq!(event(sys.waitpid(-1, options).await.unwrap()), WaitEvent::Continued);
        sys.kill(pid.0 as i32, Signal::STOP).unwrap();
        sys.kill(pid.0 as i32, Signal::KILL).unwrap();
        assert_eq!(sys.reap(pid).await, KILLED);
    });
    vm.assert_idle();
}

#[test]
fn a_stopped_process_does_not_go_on() {
    let vm = Vm::new();
    vm.program("writer", |sys| async move {
        sys.sleep(1_000).await.unwrap();
        sys.say("awake").await;
        0
    });
    let (out, action) = vm.output(1);
    let process = vm.start_with(SpawnRequest {
        actions: vec![action],
        ..Vm::request(&["writer"])
    });
    vm.executor.run();
    let pid = process.pid().0 as i32;
    vm.kernel.init().kill(pid, Signal::STOP).unwrap();
    vm.advance(5_000);
    assert_eq!(crate::harness::drain(&out), "");
    vm.kernel.init().kill(pid, Signal::CONT).unwrap();
    vm.executor.run();
    assert_eq!(
        (crate::harness::drain(&out).as_str(), process.exit_status()),
        ("awake", Some(ExitStatus::Exited(0)))
    );
}

#[test]
fn who_may_signal_whom() {
    let vm = Vm::new();
    vm.program("sleeper", |sys| async move {
        sys.pause().await;
        0
    });
    let roots = vm
        .start_with(SpawnRequest {
            credentials: None,
            ..Vm::request(&["sleeper"])
        })
        .pid()
        .0 as i32;
    vm.check(move |sys| async move {
        assert_eq!(sys.kill(roots, Signal::TERM).unwrap_err(), Errno::EPERM);
        assert_eq!(sys.may_kill(roots).unwrap_err(), Errno::EPERM);
        assert_eq!(sys.kill(1, Signal::KILL).unwrap_err(), Errno::EPERM);
        // Within a session anybody may continue anybody.
        assert_eq!(sys.kill(roots, Signal::CONT), Ok(()));
        let mine = sleeper(&sys);
        let grouped = sys
            .fork_into(Some(Pid(0)), false, |sys| async move {
                sys.pause().await.errno().raw() as u32
            })
            .unwrap();
        assert_eq!(sys.kill(-(grouped.0 as i32), Signal::USR1), Ok(()));
        assert_eq!(
            sys.reap(grouped).await,
            WaitEvent::Ended(ExitStatus::Signaled(Signal::USR1))
        );
        // Everybody but the caller, init and those who are somebody else's.
        assert_eq!(sys.kill(-1, Signal::KILL), Ok(()));
        assert_eq!(sys.reap(mine).await, KILLED);
    });
    assert!(vm.kernel.process(Pid(roots as u32)).is_some());
    vm.check(|sys| async move {
        sys.set_disposition(Signal::USR1, Disposition::Catch).unwrap();
        assert_eq!(sys.kill(0, Signal::USR1), Ok(()));
        assert!(sys.has_caught_signal());
    });
}

#[test]
fn ignoring_the_end_of_children_reaps_them() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        sys.set_disposition(Signal::CHLD, Disposition::Ignore).unwrap();
        sys.fork(|_| async { 1 }).unwrap();
        assert_eq!(sys.waitpid(-1, WaitOptions::empty()).await.unwrap_err(), Errno::ECHILD);
    });
    vm.assert_idle();
}

#[test]
fn a_timer_takes_one_place_at_the_clock_however_often_it_is_set() {
    let vm = Vm::new();
    vm.program("restless", |sys| async move {
        for turn in 0..200 {
            sys.set_timer(1_000_000_000 + turn, 0);
            sys.set_timer(0, 0);
        }
        sys.set_timer(1_000_000_000, 0);
        sys.pause().await;
        0
    });
    let process = vm.run(&["restless"]);
    assert_eq!(vm.clock.wakers(), 1);
    vm.advance(1_000_000_000);
    assert_eq!(process.exit_status(), Some(ExitStatus::Signaled(Signal::ALRM)));
}

#[test]
fn the_timer_rings_once_or_again_and_again() {
    let vm = Vm::new();
    vm.program("alarm", |sys| async move {
        sys.set_disposition(Signal::ALRM, Disposition::Catch).unwrap();
        let alarm = set(&[Signal::ALRM]);
        assert_eq!(sys.set_timer(5_000_000, 0), 0);
        assert_eq!(sys.timer().0, 5_000_000);
        assert_eq!(sys.pause().await, Errno::EINTR);
        sys.sig_take(alarm).unwrap();
        assert_eq!(sys.timer(), (0, 0));
        sys.set_timer(1_000_000, 1);
        for _ in 0..3 {
            assert_eq!(sys.pause().await, Errno::EINTR);
            sys.sig_take(alarm).unwrap();
        }
        assert!(sys.set_timer(0, 0) > 0);
        let deadline = sys.deadline(20_000_000);
        wait_for(|waker| sys.poll(&mut [], deadline, None, waker))
            .await
            .unwrap();
        0
    });
    let process = vm.run(&["alarm"]);
    check_with_time(&vm);
    assert_eq!(process.exit_status(), Some(ExitStatus::Exited(0)));
}

#[test]
fn cpu_time_is_limited_by_a_signal_and_then_by_death() {
    let vm = Vm::with(|limits| limits.max_cpu_time_ms = 1_000);
    vm.program("burn", |sys| async move {
        sys.set_disposition(Signal::XCPU, Disposition::Catch).unwrap();
        sys.charge(999_000_000);
        assert!(!sys.has_caught_signal());
        sys.charge(1_000_000);
        assert!(sys.has_caught_signal());
        assert_eq!(sys.limit().unwrap().configuration_path, "limits.process.maxCpuTimeMs");
        sys.sig_take(SigSet::ALL).unwrap();
        sys.charge(999_000_000);
        assert!(!sys.should_yield());
        sys.charge(1_000_000);
        assert!(sys.should_yield());
        sys.pause().await;
        0
    });
    assert_eq!(vm.status(&["burn"]), ExitStatus::Signaled(Signal::KILL));
    vm.program("burn", |sys| async move {
        sys.set_resource_limit(Resource::Cpu, ResourceLimit { soft: 0, hard: 1 })
            .unwrap();
        sys.charge(1);
        sys.pause().await;
        0
    });
    assert_eq!(vm.status(&["burn"]), ExitStatus::Signaled(Signal::XCPU));
    assert_eq!(vm.kernel.usage().cpu_ns(), 2_000_000_001);
}

#[test]
fn a_file_cannot_grow_beyond_its_limit() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        sys.set_disposition(Signal::XFSZ, Disposition::Catch).unwrap();
        sys.set_resource_limit(Resource::FileSize, ResourceLimit { soft: 6, hard: 6 })
            .unwrap();
        let fd = sys.open_write("/tmp/small").await.unwrap();
        assert_eq!(sys.write(fd, b"0123456789").await.unwrap(), 6);
        assert_eq!(sys.write(fd, b"more").await.unwrap_err(), Errno::EFBIG);
        assert_eq!(sys.sig_take(SigSet::ALL).unwrap().signal, Signal::XFSZ);
        assert_eq!(sys.ftruncate(fd, 7).unwrap_err(), Errno::EFBIG);
        let raise = ResourceLimit { soft: 7, hard: 7 };
        assert_eq!(
            sys.set_resource_limit(Resource::FileSize, raise).unwrap_err(),
            Errno::EPERM
        );
    });
}

#[test]
fn identities_follow_the_rules_of_set_id() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        assert_eq!(sys.set_uids(Some(Uid(0)), None, None).unwrap_err(), Errno::EPERM);
        assert_eq!(sys.set_groups(&[Gid(5)]).unwrap_err(), Errno::EPERM);
        assert_eq!(sys.set_uids(Some(Uid::USER), Some(Uid::USER), None), Ok(()));
    });
    vm.program("root", |sys| async move {
        sys.set_groups(&[Gid(5), Gid(6)]).unwrap();
        sys.set_gids(Some(Gid(7)), Some(Gid(7)), Some(Gid(7))).unwrap();
        sys.set_uids(None, Some(Uid::USER), None).unwrap();
        assert_eq!(sys.set_uids(Some(Uid(3)), None, None).unwrap_err(), Errno::EPERM);
        sys.set_uids(None, Some(Uid::ROOT), None).unwrap();
        sys.set_uids(Some(Uid(3)), Some(Uid(3)), Some(Uid(3))).unwrap();
        assert_eq!(sys.set_uids(None, Some(Uid::ROOT), None).unwrap_err(), Errno::EPERM);
        assert_eq!(sys.cred().groups.as_slice(), [Gid(5), Gid(6)]);
        assert_eq!(sys.open_write("/root-file").await.unwrap_err(), Errno::EACCES);
        0
    });
    let process = vm.start_with(SpawnRequest {
        credentials: None,
        ..Vm::request(&["root"])
    });
    vm.executor.run();
    assert_eq!(process.exit_status(), Some(ExitStatus::Exited(0)));
}
