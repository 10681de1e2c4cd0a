//! Groups, sessions, terminals and job control.

use crate::harness::{Sys, Vm, wait_for};
use agentos_kernel::Errno;
use agentos_kernel::id::{Fd, Pid};
use agentos_kernel::process::{Disposition, ExitStatus, FileAction, Signal, SpawnRequest, WaitEvent, WaitOptions};
use agentos_kernel::tty::WindowSize;

/// Starts a program as a session leader on a new terminal, whose master the host keeps.
fn on_terminal(
    vm: &Vm,
    name: &str,
) -> (
    std::sync::Arc<agentos_kernel::process::Process>,
    agentos_kernel::process::PtyPair,
) {
    let pty = vm.kernel.open_pty().unwrap();
    let actions = (0..3)
        .map(|fd| FileAction::Inherit(Fd(fd), pty.slave.clone()))
        .collect();
    let request = SpawnRequest {
        actions,
        setsid: true,
        foreground: true,
        ..Vm::request(&[name])
    };
    let process = vm.start_with(request);
    vm.executor.run();
    (process, pty)
}

fn stopped(sys: &Sys) -> impl Fn(Pid) -> std::pin::Pin<Box<dyn Future<Output = Signal> + Send>> + use<> {
    let sys = sys.clone();
    move |pid| {
        let sys = sys.clone();
        Box::pin(async move {
            let waited = sys.waitpid(pid.0 as i32, WaitOptions::UNTRACED).await.unwrap().unwrap();
            match waited.event {
                WaitEvent::Stopped(signal) => signal,
                other => panic!("{other:?}"),
            }
        })
    }
}

#[test]
fn groups_and_sessions_obey_their_rules() {
    let vm = Vm::new();
    vm.program("execed", |sys| async move {
        sys.pause().await;
        0
    });
    vm.check(|sys| async move {
        let own = sys.pid();
        assert_eq!((sys.pgid(), sys.sid(), sys.getpgid(Pid(0))), (own, Pid::INIT, Ok(own)));
        // It leads its group, so it cannot leave for a session of its own.
        assert_eq!(sys.setsid().unwrap_err(), Errno::EPERM);
        let child = sys
            .fork(|sys| async move { sys.pause().await.errno().raw() as u32 })
            .unwrap();
        assert_eq!(sys.getpgid(child), Ok(own));
        sys.setpgid(child, Pid(0)).unwrap();
        assert_eq!(sys.getpgid(child), Ok(child));
        sys.setpgid(child, own).unwrap();
        assert_eq!(sys.setpgid(child, Pid(9999)).unwrap_err(), Errno::EPERM);
        assert_eq!(sys.setpgid(Pid(9999), Pid(0)).unwrap_err(), Errno::ESRCH);
        let execed = sys.start(&["execed"]).await.unwrap();
        assert_eq!(sys.setpgid(execed, Pid(0)).unwrap_err(), Errno::EACCES);
        let leader = sys
            .fork(|sys| async move {
                assert_eq!(sys.setsid(), Ok(sys.pid()));
                assert_eq!((sys.pgid(), sys.sid()), (sys.pid(), sys.pid()));
                assert_eq!(sys.setpgid(Pid(0), Pid(0)).unwrap_err(), Errno::EPERM);
                sys.pause().await;
                0
            })
            .unwrap();
        sys.settle().await;
        assert_eq!(sys.setpgid(leader, Pid(0)).unwrap_err(), Errno::EPERM);
        assert_eq!(sys.setpgid(Pid(0), leader).unwrap_err(), Errno::EPERM);
        for pid in [child, execed, leader] {
            sys.kill(pid.0 as i32, Signal::KILL).unwrap();
            sys.reap(pid).await;
        }
        let joining = SpawnRequest {
            credentials: None,
            pgroup: Some(Pid(4242)),
            ..Vm::request(&["execed"])
        };
        assert_eq!(sys.spawn(&joining).await.unwrap_err(), Errno::EPERM);
    });
    vm.assert_idle();
}

#[test]
fn a_shell_runs_jobs_in_the_foreground_and_background() {
    let vm = Vm::new();
    vm.program("shell", |sys| async move {
        let stopped = stopped(&sys);
        assert_eq!(sys.tty_group(Fd(0)), Ok(sys.pid()));
        assert_eq!(
            sys.cat("/proc/self/stat").await.unwrap().split(' ').nth(6),
            Some("34816")
        );
        // A background job that reads is stopped, and reads once it is in the foreground and continued.
        let job = sys
            .fork_into(Some(Pid(0)), false, |sys| async move {
                let line = sys.read(Fd(0), 16).await.unwrap();
                u32::from(line != b"go\n")
            })
            .unwrap();
        assert_eq!(stopped(job).await, Signal::TTIN);
        wait_for(|waker| sys.set_tty_group(Fd(0), job, waker)).await.unwrap();
        sys.kill(-(job.0 as i32), Signal::CONT).unwrap();
        assert_eq!(sys.reap(job).await, WaitEvent::Ended(ExitStatus::Exited(0)));
        // The shell is in the background now; it takes the terminal back while it ignores SIGTTOU.
        sys.set_disposition(Signal::TTOU, Disposition::Ignore).unwrap();
        wait_for(|waker| sys.set_tty_group(Fd(0), sys.pgid(), waker))
            .await
            .unwrap();
        assert_eq!(
            wait_for(|waker| sys.set_tty_group(Fd(0), Pid(9999), waker))
                .await
                .unwrap_err(),
            Errno::ESRCH
        );
        // A job that catches the stop signal is interrupted instead.
        let catching = sys
            .fork_into(Some(Pid(0)), false, |sys| async move {
                sys.set_disposition(Signal::TTIN, Disposition::Catch).unwrap();
                u32::from(sys.read(Fd(0), 16).await.unwrap_err() != Errno::EINTR)
            })
            .unwrap();
        assert_eq!(sys.reap(catching).await, WaitEvent::Ended(ExitStatus::Exited(0)));
        let ignoring = sys
            .fork_into(Some(Pid(0)), false, |sys| async move {
                sys.set_disposition(Signal::TTIN, Disposition::Ignore).unwrap();
                u32::from(sys.read(Fd(0), 16).await.unwrap_err() != Errno::EIO)
            })
            .unwrap();
        assert_eq!(sys.reap(ignoring).await, WaitEvent::Ended(ExitStatus::Exited(0)));
        // A foreground job, as the shell's spawn makes one.
        let job = sys.fork_into(Some(Pid(0)), true, |sys| async move {
            u32::from(sys.tty_group(Fd(1)) != Ok(sys.pid()))
        });
        assert_eq!(sys.reap(job.unwrap()).await, WaitEvent::Ended(ExitStatus::Exited(0)));
        0
    });
    let (shell, pty) = on_terminal(&vm, "shell");
    for _ in 0..20 {
        if shell.exit_status().is_some() {
            break;
        }
        let _ = pty.master.write(b"go\n", None);
        vm.executor.run();
    }
    assert_eq!(shell.exit_status(), Some(ExitStatus::Exited(0)));
    drop(pty);
    vm.assert_idle();
}

#[test]
fn keys_and_the_window_signal_the_foreground_group() {
    let vm = Vm::new();
    vm.program("shell", |sys| async move {
        sys.set_disposition(Signal::WINCH, Disposition::Catch).unwrap();
        sys.set_disposition(Signal::INT, Disposition::Catch).unwrap();
        for wanted in [Signal::WINCH, Signal::INT] {
            assert_eq!(sys.pause().await, Errno::EINTR);
            assert_eq!(
                sys.sig_take(agentos_kernel::process::SigSet::ALL).unwrap().signal,
                wanted
            );
        }
        0
    });
    let (shell, pty) = on_terminal(&vm, "shell");
    let size = WindowSize {
        rows: 50,
        columns: 132,
        width: 0,
        height: 0,
    };
    vm.kernel.set_winsize(&pty.master, size).unwrap();
    vm.executor.run();
    let _ = pty.master.write(b"\x03", None);
    vm.executor.run();
    assert_eq!(shell.exit_status(), Some(ExitStatus::Exited(0)));
}

#[test]
fn a_hang_up_reaches_the_leader_and_its_end_the_foreground_group() {
    let vm = Vm::new();
    vm.program("shell", |sys| async move {
        sys.fork_into(Some(Pid(0)), true, |sys| async move {
            sys.pause().await.errno().raw() as u32
        })
        .unwrap();
        sys.pause().await;
        0
    });
    let (shell, pty) = on_terminal(&vm, "shell");
    let before = vm.kernel.processes();
    drop(pty);
    vm.executor.run();
    assert_eq!(shell.exit_status(), Some(ExitStatus::Signaled(Signal::HUP)));
    drop(before);
    // The master's end took the foreground group's tie away, so that the job is only orphaned.
    vm.kernel.kill_all();
    vm.executor.run();
    vm.assert_idle();
    let vm = Vm::new();
    vm.program("shell", |sys| async move {
        sys.fork_into(Some(Pid(0)), true, |sys| async move {
            sys.pause().await.errno().raw() as u32
        })
        .unwrap();
        sys.settle().await;
        3
    });
    let (shell, pty) = on_terminal(&vm, "shell");
    assert_eq!(shell.exit_status(), Some(ExitStatus::Exited(3)));
    drop(pty);
    vm.assert_idle();
}

#[test]
fn an_orphaned_group_with_a_stopped_member_is_hung_up_and_continued() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let (read, write) = sys.pipe(false, false).unwrap();
        let shell = sys
            .fork(move |sys| async move {
                sys.setsid().unwrap();
                let job = sys
                    .fork_into(Some(Pid(0)), false, move |sys| async move {
                        for signal in [Signal::HUP, Signal::CONT] {
                            sys.set_disposition(signal, Disposition::Catch).unwrap();
                        }
                        sys.pause().await;
                        let both = [(); 2].map(|()| sys.sig_take(agentos_kernel::process::SigSet::ALL).unwrap().signal);
                        assert_eq!(both, [Signal::HUP, Signal::CONT]);
                        // Nobody could continue it any more, so it does not stop.
                        sys.kill(sys.pid().0 as i32, Signal::TSTP).unwrap();
                        sys.write(write, b"done").await.unwrap();
                        0
                    })
                    .unwrap();
                sys.settle().await;
                sys.kill(job.0 as i32, Signal::STOP).unwrap();
                sys.settle().await;
                0
            })
            .unwrap();
        sys.reap(shell).await;
        assert_eq!(sys.read(read, 16).await.unwrap(), b"done");
    });
    vm.executor.run();
    vm.assert_idle();
}

#[test]
fn background_output_stops_only_under_tostop() {
    let vm = Vm::new();
    vm.program("shell", |sys| async move {
        let stopped = stopped(&sys);
        let writer = |sys: Sys| async move { u32::from(sys.write(Fd(1), b"x").await.is_err()) };
        let job = sys.fork_into(Some(Pid(0)), false, writer).unwrap();
        assert_eq!(sys.reap(job).await, WaitEvent::Ended(ExitStatus::Exited(0)));
        let mut attributes = sys.tty_attributes(Fd(0)).unwrap();
        attributes.local |= agentos_kernel::tty::LocalModes::TOSTOP;
        wait_for(|waker| sys.set_tty_attributes(Fd(0), agentos_kernel::tty::When::Now, attributes, waker))
            .await
            .unwrap();
        let job = sys.fork_into(Some(Pid(0)), false, writer).unwrap();
        assert_eq!(stopped(job).await, Signal::TTOU);
        sys.kill(job.0 as i32, Signal::KILL).unwrap();
        sys.reap(job).await;
        0
    });
    let (shell, _pty) = on_terminal(&vm, "shell");
    assert_eq!(shell.exit_status(), Some(ExitStatus::Exited(0)));
}

#[test]
fn a_session_gets_the_terminal_that_its_leader_opens() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let (master, slave) = sys.open_tty(false, false).unwrap();
        assert_eq!(sys.set_controlling_tty(slave).unwrap_err(), Errno::EPERM);
        let child = sys
            .fork(move |sys| async move {
                sys.setsid().unwrap();
                let name = sys.tty_name(slave).unwrap();
                assert_eq!(sys.tty_group(slave).unwrap_err(), Errno::ENOTTY);
                let fd = sys.open_read(&name).await.unwrap();
                assert_eq!(sys.tty_group(fd), Ok(sys.pid()));
                let tty = sys.open_read("/dev/tty").await.unwrap();
                assert_eq!(sys.tty_name(tty).unwrap(), name);
                sys.set_controlling_tty(slave).unwrap();
                0
            })
            .unwrap();
        assert_eq!(sys.reap(child).await, WaitEvent::Ended(ExitStatus::Exited(0)));
        assert_eq!(sys.tty_name(master).unwrap(), "/dev/ptmx");
        assert_eq!(sys.tty_name(Fd(50)).unwrap_err(), Errno::EBADF);
    });
    vm.assert_idle();
}
