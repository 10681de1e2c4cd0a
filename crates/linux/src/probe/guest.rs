//! A guest, made as every guest is: what it cannot do here no guest can.

use super::{Probe, feature};
use crate::job::{ASK, ASK_HELLO, ASK_JOB};
use crate::loader::Loader;
use crate::spawner::{Order, Spawner};
use crate::sys::{self, ADDFD_FLAG_SEND, Answer, Listener, Notification, Poller};
use crate::table;
use crate::walls::Group;
use agentos_kernel::limits::Limits;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a guest may take to make its first calls; only a machine that hardly runs takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// The listener at the poller, and the guest.
const LISTENER: u64 = 0;
const GUEST: u64 = 1;

/// Starts a guest and does with it what the supervisor does.
pub(super) fn try_one(probe: &mut Probe, loader: &Arc<Loader>) {
    let purpose = "a process under the filter, which executes the loader and nothing else";
    let started = Trial::start(loader).and_then(|mut trial| trial.first_question().map(|call| (trial, call)));
    let (trial, call) = match started {
        Ok(started) => started,
        Err(error) => {
            probe.note(feature::GUEST, true, purpose, Err(error));
            return;
        }
    };
    probe.note(feature::GUEST, true, purpose, Ok("ok".into()));
    let purpose = "reading and writing the arguments of calls";
    probe.note(feature::MEMORY, true, purpose, memory(&call).map(|()| "ok".to_owned()));
    let purpose = "letting a guest execute";
    probe.note(feature::PATCH, true, purpose, patch(&call).map(|()| "ok".to_owned()));
    let purpose = "giving a guest a descriptor; Linux 5.14";
    probe.note(
        feature::ADD_FD,
        true,
        purpose,
        trial.add(&call).map(|()| "ok".to_owned()),
    );
    let shared = trial.take();
    let purpose = "one offset for a file that a Linux program hands to a WebAssembly program";
    probe.note("pidfd_getfd", false, purpose, shared.map(|_| "ok".to_owned()));
    let wakes = sys::wake_here(&trial.listener, true).map(|()| "ok".to_owned());
    let purpose = "a little less time for each call; Linux 6.6";
    probe.note("seccomp SYNC_WAKE_UP", false, purpose, wakes);
}

/// Supervisor of one guest, which is killed at the end.
struct Trial {
    listener: Listener,
    spawner: Spawner,
    poller: Poller,
    token: u64,
    guest: Option<OwnedFd>,
    /// The group that it is in. Goes after it.
    group: Option<Group>,
    loader: Arc<Loader>,
}

impl Trial {
    fn start(loader: &Arc<Loader>) -> io::Result<Self> {
        let (spawner, listener) = Spawner::start(loader, table::program(), u64::MAX, None, |_, _| {})?;
        let group = loader.walls().and_then(|walls| {
            let made = walls.group(&Limits::default());
            made.inspect_err(|error| walls.is_useless(error)).ok()
        });
        let poller = Poller::new()?;
        // SAFETY: the listener lives as long as the poller.
        let fd = unsafe { BorrowedFd::borrow_raw(listener.as_raw_fd()) };
        poller.add(fd, LISTENER, libc::EPOLLIN)?;
        let token = sys::random()?;
        spawner.order(Order {
            token,
            ignored: 0,
            blocked: 0,
            group: group.as_ref().map(|group| Arc::clone(group.dir())),
        })?;
        Ok(Self {
            listener,
            spawner,
            poller,
            token,
            guest: None,
            group,
            loader: Arc::clone(loader),
        })
    }

    /// Lets the guest come as far as the loader's first question.
    fn first_question(&mut self) -> io::Result<Notification> {
        let mut ready = Vec::new();
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::Error::from_raw_os_error(libc::ETIMEDOUT));
            }
            // Nothing is ready, too, where a signal of the host process has interrupted it.
            self.poller
                .wait(i32::try_from(left.as_millis()).unwrap_or(i32::MAX), &mut ready);
            if ready.is_empty() {
                continue;
            }
            if ready.iter().any(|event| event.token == GUEST) {
                return Err(io::Error::other("it ended before its first question"));
            }
            let Some(call) = self.listener.receive()? else { continue };
            let asks = i64::from(call.number) == libc::SYS_openat && call.args[0] == ASK;
            if asks && call.args[1] == ASK_JOB && self.guest.is_some() {
                return Ok(call);
            }
            let answer = self.answer(&call, asks)?;
            self.listener.answer(call.id, answer);
        }
    }

    fn answer(&mut self, call: &Notification, asks: bool) -> io::Result<Answer> {
        if call.tid == self.spawner.tid {
            return Ok(Answer::Continue);
        }
        if asks && call.args[1] == ASK_HELLO && call.args[2] == self.token {
            let guest = sys::pid_fd(call.tid)?;
            if let (Some(group), Some(walls)) = (&self.group, self.loader.walls())
                && call.args[3] != 1
                && let Err(error) = group.place(call.tid)
            {
                walls.is_useless(&error);
            }
            self.poller.add(guest.as_fd(), GUEST, libc::EPOLLIN)?;
            self.guest = Some(guest);
            return Ok(Answer::OK);
        }
        Ok(match i64::from(call.number) {
            libc::SYS_setpgid | libc::SYS_fchdir | libc::SYS_execve => Answer::Continue,
            _ => Answer::Errno(libc::ENOSYS),
        })
    }

    fn add(&self, call: &Notification) -> io::Result<()> {
        let file = sys::memfd(c"probe", true)?;
        self.listener
            .add(call.id, file.as_fd(), None, true, ADDFD_FLAG_SEND)
            .map(drop)
    }

    fn take(&self) -> io::Result<OwnedFd> {
        let own = sys::pid_fd(std::process::id())?;
        sys::take_fd(own.as_fd(), own.as_raw_fd())
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(guest) = &self.guest {
            let _ = sys::send_signal(guest.as_fd(), libc::SIGKILL as u32, None);
            let mut ready = Vec::new();
            self.poller.remove(guest.as_fd());
            while sys::wait_for(guest.as_fd()) == sys::Wait::Nothing {
                // It is about to end.
                self.poller.wait(1, &mut ready);
            }
        }
        self.spawner.end();
    }
}

/// Reads what the guest executes, and writes what its stack holds.
fn memory(call: &Notification) -> io::Result<()> {
    let mut code = [0; 8];
    sys::read_memory(call.tid, call.instruction, &mut code)?;
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", call.tid))?;
    let stack = maps.lines().find(|line| line.ends_with("[stack]"));
    let range = stack.and_then(|line| line.split(['-', ' ']).nth(1));
    let end = range.and_then(|end| u64::from_str_radix(end, 16).ok());
    let at = end.ok_or_else(|| io::Error::from_raw_os_error(libc::EFAULT))? - 8;
    let mut word = [0; 8];
    sys::read_memory(call.tid, at, &mut word)?;
    sys::write_memory(call.tid, at, &word)
}

/// Writes what is there already to where the guest itself may not write.
fn patch(call: &Notification) -> io::Result<()> {
    let mut code = [0; 2];
    sys::read_memory(call.tid, call.instruction, &mut code)?;
    sys::write_private(call.tid, &mut None, call.instruction, &code)
}
