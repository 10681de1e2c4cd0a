//! System calls on files that need a process: blocking opens, locks, polling, copying, the pipe to oneself.

use crate::harness::{Sys, Vm, wait_for};
use agentos_kernel::fd::{PollEvents, SeekFrom};
use agentos_kernel::id::{Fd, Pid};
use agentos_kernel::process::{
    AtFlags, Dir, Disposition, ExitStatus, LockCommand, LockKind, PollEntry, PollSource, Range, Signal, WaitEvent,
    WaitTarget,
};
use agentos_kernel::vfs::{Access, FileType, Mode};
use agentos_kernel::{Errno, Result};

const DONE: WaitEvent = WaitEvent::Ended(ExitStatus::Exited(0));

async fn copy(sys: &Sys, from: (Fd, Option<&mut u64>), to: (Fd, Option<&mut u64>), len: u64) -> Result<u64> {
    let (mut from, mut to) = (from, to);
    wait_for(|waker| {
        let input = (from.0, from.1.as_deref_mut());
        let output = (to.0, to.1.as_deref_mut());
        sys.copy_range(input, output, len, waker)
    })
    .await
}

#[test]
fn opening_a_fifo_waits_for_the_other_side() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        sys.mknod(Dir::Cwd, b"/tmp/fifo", FileType::Fifo, Mode::new(0o600), 0)
            .unwrap();
        let reader = sys
            .fork(|sys| async move {
                let fd = sys.open_read("/tmp/fifo").await.unwrap();
                u32::from(sys.read_all(fd).await.unwrap() != "through")
            })
            .unwrap();
        sys.settle().await;
        let fd = sys.open_write("/tmp/fifo").await.unwrap();
        sys.write(fd, b"through").await.unwrap();
        sys.close(fd).unwrap();
        assert_eq!(sys.reap(reader).await, DONE);
        // Who gives up waiting takes its end away.
        let child = sys
            .fork(|sys| async move {
                sys.set_disposition(Signal::USR1, Disposition::Catch).unwrap();
                u32::from(sys.open_read("/tmp/fifo").await.unwrap_err() != Errno::EINTR)
            })
            .unwrap();
        sys.settle().await;
        assert_eq!(sys.kernel().usage().pipes.used(), 1);
        sys.kill(child.0 as i32, Signal::USR1).unwrap();
        assert_eq!(sys.reap(child).await, DONE);
        let child = sys
            .fork(|sys| async move { sys.open_read("/tmp/fifo").await.map_or(0, |fd| fd.0) })
            .unwrap();
        sys.settle().await;
        sys.kill(child.0 as i32, Signal::KILL).unwrap();
        assert_eq!(
            sys.reap(child).await,
            WaitEvent::Ended(ExitStatus::Signaled(Signal::KILL))
        );
        assert_eq!(sys.kernel().usage().pipes.used(), 0);
    });
    vm.assert_idle();
}

#[test]
fn a_process_that_reads_its_own_pipe_never_waits_for_itself() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let (read, write) = sys.pipe(false, false).unwrap();
        let data = vec![7; 300_000];
        let mut written = 0;
        while written < data.len() {
            written += sys.write(write, &data[written..]).await.unwrap();
        }
        sys.close(write).unwrap();
        let mut total = 0;
        loop {
            let got = sys.read(read, 100_000).await.unwrap();
            if got.is_empty() {
                break;
            }
            total += got.len();
        }
        assert_eq!(total, data.len());
    });
    vm.assert_idle();
}

#[test]
fn polling_watches_descriptors_children_and_signals_at_once() {
    let vm = Vm::new();
    vm.program("poll", |sys| async move {
        sys.set_disposition(Signal::USR1, Disposition::Catch).unwrap();
        let (read, write) = sys.pipe(false, false).unwrap();
        let entry = |source| PollEntry {
            source,
            interest: PollEvents::IN,
            ready: PollEvents::empty(),
        };
        let mut entries = [
            entry(PollSource::Fd(read)),
            entry(PollSource::Child(WaitTarget::Any)),
            entry(PollSource::Signal),
            entry(PollSource::Fd(Fd(77))),
        ];
        let poll = async |entries: &mut [PollEntry], timeout: i64| {
            let deadline = sys.deadline(timeout);
            let count = wait_for(|waker| sys.poll(entries, deadline, None, waker))
                .await
                .unwrap();
            (
                count,
                entries.iter().map(|entry| !entry.ready.is_empty()).collect::<Vec<_>>(),
            )
        };
        assert_eq!(poll(&mut entries, -1).await, (1, vec![false, false, false, true]));
        let entries = &mut entries[..3];
        // Without children, none is awaited.
        assert_eq!(poll(entries, 1_000_000).await, (0, vec![false; 3]));
        let parent = sys.pid().0 as i32;
        let child = sys
            .fork(move |sys| async move {
                sys.close(read).unwrap();
                sys.sleep(1_000_000).await.unwrap();
                sys.kill(parent, Signal::USR1).unwrap();
                sys.sleep(1_000_000).await.unwrap();
                sys.write(write, b"x").await.unwrap();
                sys.sleep(1_000_000).await.unwrap();
                0
            })
            .unwrap();
        assert_eq!(poll(entries, -1).await, (1, vec![false, false, true]));
        sys.sig_take(agentos_kernel::process::SigSet::ALL).unwrap();
        assert_eq!(poll(entries, -1).await, (1, vec![true, false, false]));
        sys.read(read, 1).await.unwrap();
        assert_eq!(poll(entries, -1).await, (1, vec![false, true, false]));
        assert_eq!(sys.reap(child).await, DONE);
        let mut gone = [entry(PollSource::Child(WaitTarget::Pid(child)))];
        assert_eq!(poll(&mut gone, -1).await.0, 1);
        0
    });
    let process = vm.run(&["poll"]);
    for _ in 0..10 {
        vm.advance(1_000_000);
    }
    assert_eq!(process.exit_status(), Some(ExitStatus::Exited(0)));
    vm.assert_idle();
}

#[test]
fn stopped_children_are_polled_for_only_on_request() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let child = sys
            .fork(|sys| async move { sys.pause().await.errno().raw() as u32 })
            .unwrap();
        sys.kill(child.0 as i32, Signal::STOP).unwrap();
        let entry = |interest| PollEntry {
            source: PollSource::Child(WaitTarget::Any),
            interest,
            ready: PollEvents::empty(),
        };
        let now = sys.deadline(0);
        let mut ends = [entry(PollEvents::IN)];
        assert_eq!(wait_for(|waker| sys.poll(&mut ends, now, None, waker)).await, Ok(0));
        let mut all = [entry(PollEvents::IN | PollEvents::PRI)];
        assert_eq!(wait_for(|waker| sys.poll(&mut all, now, None, waker)).await, Ok(1));
        assert_eq!(all[0].ready, PollEvents::PRI);
        sys.kill(child.0 as i32, Signal::KILL).unwrap();
        sys.reap(child).await;
    });
}

#[test]
fn bytes_move_between_descriptors_without_the_guest() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let source = sys.open_write("/tmp/source").await.unwrap();
        sys.write(source, b"0123456789").await.unwrap();
        let from = sys.open_read("/tmp/source").await.unwrap();
        let to = sys.open_write("/tmp/target").await.unwrap();
        assert_eq!(copy(&sys, (from, None), (to, None), 4).await, Ok(4));
        let (mut at, mut out) = (8, 0);
        assert_eq!(
            copy(&sys, (from, Some(&mut at)), (to, Some(&mut out)), 100).await,
            Ok(2)
        );
        assert_eq!((at, out), (10, 2));
        assert_eq!(sys.seek(from, SeekFrom::Current(0)), Ok(4));
        assert_eq!(sys.cat("/tmp/target").await.unwrap(), "8923");
        let (read, write) = sys.pipe(false, false).unwrap();
        assert_eq!(copy(&sys, (from, None), (write, None), 100).await, Ok(6));
        assert_eq!(copy(&sys, (read, None), (to, None), 100).await, Ok(6));
        assert_eq!(
            sys.cat("/tmp/target").await.unwrap(),
            "8923456789"[..4].to_owned() + "456789"
        );
        assert_eq!(copy(&sys, (from, None), (to, None), 100).await, Ok(0));
        assert_eq!(copy(&sys, (to, None), (from, None), 1).await.unwrap_err(), Errno::EBADF);
        let mut offset = 0;
        assert_eq!(
            copy(&sys, (read, Some(&mut offset)), (to, None), 1).await.unwrap_err(),
            Errno::ESPIPE
        );
    });
    vm.assert_idle();
}

#[test]
fn what_the_output_does_not_take_stays_in_the_pipe() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let (read, write) = sys.pipe(false, false).unwrap();
        sys.write(write, b"precious").await.unwrap();
        let full = sys.open_write("/dev/full").await.unwrap();
        assert_eq!(
            copy(&sys, (read, None), (full, None), 100).await.unwrap_err(),
            Errno::ENOSPC
        );
        let (read_out, write_out) = sys.pipe(true, false).unwrap();
        while sys.write(write_out, &[0; 4096]).await.is_ok_and(|n| n > 0) && sys.available(read_out) != Ok(65536) {}
        assert_eq!(
            copy(&sys, (read, None), (write_out, None), 100).await.unwrap_err(),
            Errno::EAGAIN
        );
        assert_eq!(sys.read(read, 100).await.unwrap(), b"precious");
        let zero = sys.open_read("/dev/zero").await.unwrap();
        assert_eq!(
            copy(&sys, (zero, None), (full, None), 1).await.unwrap_err(),
            Errno::EINVAL
        );
    });
    vm.assert_idle();
}

#[test]
fn locks_wait_are_interrupted_and_go_with_their_owner() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        let file = sys.open_write("/tmp/lock").await.unwrap();
        let flock =
            async |sys: &Sys, fd, nonblock| wait_for(|waker| sys.flock(fd, LockKind::Write, nonblock, waker)).await;
        flock(&sys, file, false).await.unwrap();
        let child = sys
            .fork(move |sys| async move {
                // The description is shared, the lock too; another description has to wait.
                flock(&sys, file, true).await.unwrap();
                let other = sys.open_write("/tmp/lock").await.unwrap();
                assert_eq!(flock(&sys, other, true).await.unwrap_err(), Errno::EAGAIN);
                sys.close(file).unwrap();
                flock(&sys, other, false).await.unwrap();
                0
            })
            .unwrap();
        sys.settle().await;
        sys.close(file).unwrap();
        assert_eq!(sys.reap(child).await, DONE);
        assert!(sys.kernel().vfs().locks().is_empty());

        let file = sys.open_write("/tmp/lock").await.unwrap();
        let range = Range {
            kind: LockKind::Write,
            whence: 0,
            start: 10,
            len: 5,
            pid: Pid(0),
        };
        let record = async |sys: &Sys, fd, command, range: &mut Range| {
            wait_for(|waker| sys.record_lock(fd, command, range, waker)).await
        };
        record(&sys, file, LockCommand::Set, &mut range.clone()).await.unwrap();
        let parent = sys.pid();
        let child = sys
            .fork(move |sys| async move {
                sys.set_disposition(Signal::USR1, Disposition::Catch).unwrap();
                let mut test = Range {
                    start: 0,
                    len: 0,
                    ..range
                };
                record(&sys, file, LockCommand::Test, &mut test).await.unwrap();
                assert_eq!((test.pid, test.start, test.len), (parent, 10, 5));
                assert_eq!(
                    record(&sys, file, LockCommand::Set, &mut range.clone())
                        .await
                        .unwrap_err(),
                    Errno::EAGAIN
                );
                let waited = record(&sys, file, LockCommand::Wait, &mut range.clone()).await;
                assert_eq!(waited.unwrap_err(), Errno::EINTR);
                sys.sig_take(agentos_kernel::process::SigSet::ALL).unwrap();
                record(&sys, file, LockCommand::Wait, &mut range.clone()).await.unwrap();
                0
            })
            .unwrap();
        sys.settle().await;
        sys.kill(child.0 as i32, Signal::USR1).unwrap();
        sys.settle().await;
        // Closing any descriptor of the file gives the locks up.
        let again = sys.open_read("/tmp/lock").await.unwrap();
        sys.close(again).unwrap();
        assert_eq!(sys.reap(child).await, DONE);
    });
    vm.assert_idle();
}

#[test]
fn paths_start_at_descriptors_and_survive_removal() {
    let vm = Vm::new();
    vm.check(|sys| async move {
        sys.mkdir(Dir::Cwd, b"/tmp/d", Mode::new(0o755)).unwrap();
        let dir = Dir::Fd(sys.open_read("/tmp/d").await.unwrap());
        sys.mkdir(dir, b"sub", Mode::new(0o755)).unwrap();
        sys.symlink(b"sub", dir, b"link").unwrap();
        assert_eq!(sys.readlink(dir, b"link").unwrap(), b"sub");
        assert_eq!(
            sys.realpath(dir, b"link/../sub", AtFlags::empty()).unwrap(),
            b"/tmp/d/sub"
        );
        sys.rename((dir, b"sub"), (Dir::Cwd, b"/tmp/moved"), Default::default())
            .unwrap();
        sys.access(Dir::Cwd, b"/tmp/moved", Access::WRITE, AtFlags::empty())
            .unwrap();
        let file = sys.open_write("/tmp/d/file").await.unwrap();
        assert_eq!(
            sys.stat(Dir::Fd(file), b"x", AtFlags::empty()).unwrap_err(),
            Errno::ENOTDIR
        );
        assert_eq!(
            sys.stat(Dir::Fd(file), b"", AtFlags::empty()).unwrap_err(),
            Errno::ENOENT
        );
        let stat = sys.stat(Dir::Fd(file), b"", AtFlags::EMPTY_PATH).unwrap();
        assert_eq!(stat, sys.fstat(file).unwrap());
        sys.chmod(Dir::Fd(file), b"", Mode::new(0o600), AtFlags::EMPTY_PATH)
            .unwrap();
        sys.link((Dir::Fd(file), b""), (Dir::Cwd, b"/tmp/linked"), AtFlags::EMPTY_PATH)
            .unwrap();
        assert_eq!(sys.fstat(file).unwrap().attr.nlink, 2);

        sys.chdir(b"/tmp/moved").unwrap();
        assert_eq!(sys.getcwd().unwrap(), b"/tmp/moved");
        sys.rmdir(Dir::Cwd, b"/tmp/moved").unwrap();
        assert_eq!(sys.getcwd().unwrap_err(), Errno::ENOENT);
        assert_eq!(sys.mkdir(Dir::Cwd, b"x", Mode::new(0o755)).unwrap_err(), Errno::ENOENT);
        let Dir::Fd(fd) = dir else { unreachable!() };
        sys.fchdir(fd).unwrap();
        assert_eq!(sys.getcwd().unwrap(), b"/tmp/d");
        assert_eq!(sys.fchdir(file).unwrap_err(), Errno::ENOTDIR);
        assert_eq!(sys.chdir(b"file").unwrap_err(), Errno::ENOTDIR);
    });
    vm.assert_idle();
}
