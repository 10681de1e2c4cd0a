//! One guest.

use super::Shared;
use crate::answers::Asks;
use crate::program::Loaded;
use crate::sys::{self, Hold, Notification};
use agentos_kernel::process::{Copied, Process, Signal};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Wake, Waker};
use std::time::Instant;

/// A process of the host that runs in a VM.
pub(crate) struct Guest {
    /// What the VM's kernel knows it as.
    pub(crate) process: Arc<Process>,
    /// The host's number.
    pub(crate) pid: u32,
    pub(crate) pid_fd: Arc<OwnedFd>,
    /// Its directory under the host's `/proc`.
    pub(crate) proc_dir: Arc<ProcDir>,
    pub(crate) state: State,
    pub(crate) waker: Waker,
    /// Calls that wait for something.
    pub(crate) parked: Vec<Notification>,
    /// Copies that were asked for and have not come to life.
    pub(crate) copies: Vec<Copy>,
    /// What was changed in its memory for an `execve` that is under way.
    pub(crate) patch: Option<Patch>,
    /// What the host had told its program before an `execve` that is under way (`proof.rs`).
    pub(crate) unproven: Option<super::Told>,
    /// Whether the supervisor is its parent, who has to reap it.
    pub(crate) is_root: bool,
    /// The process whose memory it shares until it executes something (`vfork`).
    pub(crate) lender: Option<u32>,
    /// The thread of that process that waits until this one lets go of its memory.
    pub(crate) waiter: Option<u32>,
    /// What keeps that thread from going on too early.
    pub(crate) held: Option<Hold>,
    /// Its memory, where it had to be opened as a file for a path that children which live in it may not write to.
    pub(crate) memory: Option<File>,
    /// Descriptions that it was started with.
    pub(super) lent: Vec<u64>,
    /// The largest file that it may make because of the quota, as the host was told.
    pub(crate) file_limit: u64,
    /// CPU time that the kernel was told of, in ns.
    pub(crate) cpu_ns: u64,
    /// Whether it has ever set a timer that sends signals.
    pub(crate) has_timer: bool,
    /// Until when a signal may be on its way to it.
    pub(crate) restless: Option<Instant>,
    /// By which signal the host has stopped it on the kernel's behalf.
    pub(crate) stopped: Option<Signal>,
    /// Whether its program was parked before it was the VM's.
    pub(crate) was_parked: bool,
    /// What is known of where it asks for links.
    pub(crate) asks: Asks,
}

/// The directory of a process under the host's `/proc`, opened when somebody first looks into it, which of a short program nobody does. It cannot
/// come to mean another process.
pub(crate) struct ProcDir {
    pid: u32,
    process: Arc<OwnedFd>,
    dir: OnceLock<OwnedFd>,
}

impl ProcDir {
    pub(super) fn new(pid: u32, process: &Arc<OwnedFd>) -> Self {
        Self {
            pid,
            process: Arc::clone(process),
            dir: OnceLock::new(),
        }
    }

    /// Opened already; the caller knows that it is this process's.
    pub(super) fn opened(pid: u32, process: &Arc<OwnedFd>, dir: OwnedFd) -> Self {
        Self {
            dir: OnceLock::from(dir),
            ..Self::new(pid, process)
        }
    }
}

impl AsFd for ProcDir {
    /// Of a process that is gone something in which no name is found.
    fn as_fd(&self) -> BorrowedFd<'_> {
        if self.dir.get().is_none()
            && let Ok(dir) = File::open(format!("/proc/{}", self.pid))
            && sys::is_there(self.process.as_fd())
        {
            // The number was the process's own before that, and is still. Somebody else may have been faster.
            let _ = self.dir.set(dir.into());
        }
        self.dir.get().map_or_else(|| self.process.as_fd(), AsFd::as_fd)
    }
}

impl Guest {
    /// Whether a signal may be on its way to it.
    pub(crate) fn is_restless(&self) -> bool {
        self.restless.is_some_and(|until| until > Instant::now())
    }

    /// Lets it make files of at most `limit`, unless it has set itself a lower one.
    pub(crate) fn limit_file_size(&mut self, limit: u64) {
        if limit == self.file_limit {
            return;
        }
        let Ok(now) = sys::limits_of(self.pid, libc::RLIMIT_FSIZE) else {
            return;
        };
        let own = now.0 != self.file_limit;
        let soft = match own {
            true => now.0.min(limit),
            false => limit.min(now.1),
        };
        if sys::set_limit(self.pid, libc::RLIMIT_FSIZE, soft, now.1).is_ok() && !own {
            self.file_limit = soft;
        }
    }
}

/// A copy that was asked for.
pub(crate) struct Copy {
    /// The thread that asked.
    pub(crate) tid: u32,
    pub(crate) copied: Copied,
    /// Whether it begins in the memory of the one who asked.
    pub(crate) shares: bool,
    /// Whether that thread waits until it lets go of that memory.
    pub(crate) waits: bool,
}

/// Where a guest is in its life.
pub(crate) enum State {
    /// Not yet the loader.
    Spawning(Box<Loaded>),
    /// The loader, or about to be.
    Loading(Box<Loaded>),
    /// Its program.
    Running,
    /// A stand-in for a program of another executor.
    Foreign(super::foreign::Foreign),
}

/// What a path is made to say, so that the host finds the loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// In the working directory, from where the path starts.
    Here,
    /// Wherever the path would start from.
    Anywhere,
}

impl Target {
    /// With the byte that ends it.
    pub(crate) fn text(self) -> &'static [u8] {
        match self {
            Self::Here => b"x\0",
            Self::Anywhere => b"/proc/thread-self/cwd/x\0",
        }
    }
}

/// Bytes of the longest text of a [`Target`].
const LONGEST: usize = 24;

/// The start of a path that was made to name the loader.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patch {
    pub(crate) tid: u32,
    pub(crate) at: u64,
    pub(crate) target: Target,
    original: [u8; LONGEST],
}

impl Patch {
    /// `original` is what was there.
    pub(crate) fn new(tid: u32, at: u64, target: Target, original: &[u8]) -> Self {
        let mut kept = [0; LONGEST];
        kept.iter_mut().zip(original).for_each(|(to, from)| *to = *from);
        Self {
            tid,
            at,
            target,
            original: kept,
        }
    }

    /// What was there.
    pub(crate) fn original(&self) -> &[u8] {
        self.original.get(..self.target.text().len()).unwrap_or_default()
    }

    /// What was there from this address on; none if it lies elsewhere.
    pub(crate) fn original_from(&self, at: u64) -> Option<&[u8]> {
        let inside = usize::try_from(at.checked_sub(self.at)?).ok()?;
        self.original().get(inside..).filter(|rest| !rest.is_empty())
    }
}

/// Wakes a VM's thread because a guest has something to notice.
struct Notice {
    vm: Weak<Shared>,
    guest: u32,
}

impl Wake for Notice {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(vm) = self.vm.upgrade() {
            vm.notice(self.guest);
        }
    }
}

impl Guest {
    /// Whether it has one thread, and has asked for no process that begins in its memory and is not known yet.
    pub(super) fn is_alone(&self) -> bool {
        let status = sys::read_text(self.proc_dir.as_fd(), c"status").unwrap_or_default();
        let threads = status.lines().find_map(|line| line.strip_prefix("Threads:"));
        threads.map(str::trim) == Some("1") && !self.copies.iter().any(|copy| copy.shares)
    }

    /// Before its memory is changed for an `execve`. Where the host does not allow this, whoever waits may go on too early.
    pub(crate) fn hold_lender(&mut self) {
        if self.held.is_none()
            && self.lender.is_some()
            && let Some(waiter) = self.waiter
        {
            self.held = Hold::new(waiter).ok();
        }
    }
}

/// A waker for a guest.
pub(super) fn waker(vm: &Arc<Shared>, guest: u32) -> Waker {
    Waker::from(Arc::new(Notice {
        vm: Arc::downgrade(vm),
        guest,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::Wait;
    use std::process::{Command, Stdio};

    #[test]
    fn the_directory_of_a_process_is_its_own_as_long_as_its_number_is_and_how_it_ended_is_known() {
        let mut child = Command::new("/bin/sh")
            .args(["-c", "read x; exit 3"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = child.id();
        let process = Arc::new(sys::pid_fd(pid).unwrap());
        let dir = || ProcDir::new(pid, &process);
        let has_status = |dir: &ProcDir| sys::read_text(dir.as_fd(), c"status").is_ok();
        let early = dir();
        assert!(has_status(&early) && has_status(&dir()));
        drop(child.stdin.take());
        while !sys::has_ended(process.as_fd()) {
            std::thread::yield_now();
        }
        let ended = || {
            let dir = ProcDir::new(pid, &process);
            sys::status_of_other(process.as_fd(), || dir.as_fd())
        };
        assert!(has_status(&dir()) && sys::is_there(process.as_fd()));
        assert!(matches!(ended(), Wait::Exited(3)));
        child.wait().unwrap();
        let late = ProcDir::new(pid, &process);
        assert!(!has_status(&late) && !has_status(&early) && !sys::is_there(process.as_fd()));
        // A host before Linux 6.15 does not tell any more.
        let end = sys::status_of_other(process.as_fd(), || late.as_fd());
        assert!(matches!(end, Wait::Exited(3) | Wait::Nothing));
    }
}
