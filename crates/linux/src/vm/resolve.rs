//! Whose call it is: from the number of a thread to a guest.
//!
//! The host names a thread by a number, which may be used again once it has ended. A process is known from its start (it says so
//! itself, or was copied from one that is known) until its descriptor says that it has ended; a further thread of it is looked up
//! anew each time in the directory of its process, which cannot come to mean another.

use super::guest::ProcDir;
use super::{Copy, Guest, State, Vm, guest};
use crate::answers::Asks;
use crate::sys;
use agentos_kernel::id::Pid;
use agentos_kernel::process::Process;
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Copies of one process that may be waited for; then the first is forgotten, and is as its parent is when it is found.
const COPIES_MAX: usize = 256;
/// Threads that are remembered, whose ends are not told; then all are forgotten and found again.
const THREADS_MAX: usize = 4096;

impl Vm {
    /// The guest that a thread belongs to, which may just have come to life.
    pub(crate) fn guest_of(&mut self, tid: u32) -> Option<u32> {
        if self.guests.contains_key(&tid) {
            return Some(tid);
        }
        if let Some(process) = self.threads.get(&tid).copied() {
            if self.has_thread(process, tid) {
                return Some(process);
            }
            self.threads.remove(&tid);
        }
        if let Some(parent) = self.only_parent()
            && let Some(handles) = Handles::of_child(tid, parent)
        {
            return self.adopt(tid, parent, handles);
        }
        // A process whose parent ends meanwhile has another one the next time.
        for _ in 0..3 {
            let (process, parent) = identify(tid)?;
            if self.guests.contains_key(&process) {
                if self.threads.len() >= THREADS_MAX {
                    // Only known so as not to be looked up.
                    self.threads.clear();
                }
                self.threads.insert(tid, process);
                return Some(process);
            }
            if let Some(handles) = Handles::of_child(process, parent) {
                return self.adopt(process, parent, handles);
            }
        }
        None
    }

    /// The one guest that has asked for copies which have not come to life. Nearly always a new process is its child, and that needs
    /// only be made sure of, in the place of asking the host twice: whose child it is, and whether it still is.
    fn only_parent(&self) -> Option<u32> {
        let mut parents = self.guests.values().filter(|guest| !guest.copies.is_empty());
        let parent = parents.next()?.pid;
        parents.next().is_none().then_some(parent)
    }

    /// The guest that a thread belongs to, if it has made a call before.
    pub(crate) fn guest_of_known(&self, tid: u32) -> Option<u32> {
        if self.guests.contains_key(&tid) {
            return Some(tid);
        }
        let mut owners = self.guests.keys().copied();
        owners.find(|process| self.has_thread(*process, tid))
    }

    /// What the kernel knows a process as that a guest names; the inverse of [`visible_pid`](Self::visible_pid).
    pub(crate) fn kernel_pid(&self, pid: u32) -> Pid {
        let made = self.guests.get(&pid).filter(|guest| !guest.is_root);
        made.map_or(Pid(pid), |guest| guest.process.pid())
    }

    /// The number under which guests know a process: the host's for those that guests have made, as `fork` and `wait` say it, and
    /// the kernel's for all others.
    pub(crate) fn visible_pid(&self, pid: Pid) -> u32 {
        let mut made = self.guests.values().filter(|guest| !guest.is_root);
        made.find(|guest| guest.process.pid() == pid)
            .map_or(pid.0, |guest| guest.pid)
    }

    /// The number under which guests know a process of which the host has told its own.
    pub(crate) fn visible_of_host(&self, pid: u32) -> u32 {
        self.guests
            .get(&pid)
            .map_or(pid, |guest| self.visible_pid(guest.process.pid()))
    }

    /// Whether there is a guest with this number.
    pub(crate) fn knows(&self, pid: u32) -> bool {
        self.guests
            .values()
            .any(|guest| guest.pid == pid || guest.process.pid().0 == pid)
    }

    fn has_thread(&self, process: u32, tid: u32) -> bool {
        // The numbers are those of a process that is not known to have ended and of a thread that waits for an answer.
        sys::is_thread_of(process, tid) && self.guests.contains_key(&process)
    }

    /// Brings a process to life in the VM that a guest has made. None if no copy was asked for.
    fn adopt(&mut self, pid: u32, parent: u32, handles: Handles) -> Option<u32> {
        let copied = match self.guests.get_mut(&parent) {
            Some(guest) if !guest.copies.is_empty() => guest.copies.remove(0),
            // Of older ones it is likelier that nobody is left who asks.
            _ => self.orphans.pop()?,
        };
        let lender = (copied.shares && self.guests.contains_key(&parent)).then_some(parent);
        let waiter = copied.waits.then_some(copied.tid);
        let process = copied.copied.begin(Pid(pid)).ok()?;
        let added = self.add(pid, process, State::Running, Some(handles));
        if let Some(guest) = added.and_then(|key| self.guests.get_mut(&key)) {
            guest.lender = lender;
            guest.waiter = waiter;
        }
        added
    }

    /// Knows a process from now on; one without `handles` is a child of this process.
    pub(super) fn add(
        &mut self,
        pid: u32,
        process: Arc<Process>,
        state: State,
        handles: Option<Handles>,
    ) -> Option<u32> {
        let is_root = handles.is_none();
        let handles = handles.map_or_else(|| Handles::of(pid), Ok);
        let made = handles.and_then(|handles| {
            let (fd, token) = (handles.pid_fd.as_fd(), u64::from(pid));
            match is_root {
                true => self.poller.add(fd, token, libc::EPOLLIN)?,
                false => self.poller.add_patient(fd, token, libc::EPOLLIN)?,
            }
            Ok(handles)
        });
        let Ok(Handles { pid_fd, proc_dir }) = made else {
            process.finish();
            return None;
        };
        self.lock_with(pid, &process);
        let guest = Guest {
            waker: guest::waker(&self.shared, pid),
            process,
            pid,
            pid_fd,
            proc_dir,
            state,
            parked: Vec::new(),
            copies: Vec::new(),
            patch: None,
            is_root,
            lender: None,
            waiter: None,
            held: None,
            memory: None,
            cpu_ns: 0,
            has_timer: false,
            restless: None,
            stopped: None,
            was_parked: false,
            unproven: None,
            asks: Asks::default(),
            lent: Vec::new(),
            file_limit: agentos_kernel::process::INFINITY,
        };
        guest.process.catch_all();
        self.show(&guest.process, &guest.proc_dir);
        self.guests.insert(pid, guest);
        // Registers the waker, and does what there is to do already.
        self.attend(pid);
        self.expect_readers();
        Some(pid)
    }

    /// The end of a process is nobody's business any more.
    pub(super) fn stop_watching(&self, guest: &Guest) {
        match guest.is_root {
            true => self.poller.remove(guest.pid_fd.as_fd()),
            false => self.poller.remove_patient(guest.pid_fd.as_fd()),
        }
    }

    /// Remembers a copy of a guest as it is now, for the process that its call is about to make.
    pub(crate) fn remember_copy(&mut self, key: u32, copy: Copy) {
        self.is_strange();
        if let Some(guest) = self.guests.get_mut(&key) {
            if guest.copies.len() >= COPIES_MAX {
                guest.copies.remove(0);
            }
            guest.copies.push(copy);
        }
    }

    /// A thread that asked for copies makes another call: what it asked for exists by now, or never will.
    pub(super) fn settle_copies(&mut self, key: u32, tid: u32) {
        let Some(guest) = self.guests.get(&key) else { return };
        if !guest.copies.iter().any(|copy| copy.tid == tid) {
            return;
        }
        let path = CString::new(format!("task/{tid}/children")).unwrap_or_default();
        // A host that does not tell leaves copies to be claimed later.
        let Ok(text) = sys::read_text(guest.proc_dir.as_fd(), &path) else {
            return;
        };
        let children: Vec<u32> = text
            .split_ascii_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect();
        for child in children {
            // One that has ended and waits for its parent to ask is no copy's.
            if !self.guests.contains_key(&child)
                && let Some(handles) = Handles::of_child(child, key)
            {
                self.adopt(child, key, handles);
            }
        }
        if let Some(guest) = self.guests.get_mut(&key) {
            guest.copies.retain(|copy| copy.tid != tid);
        }
    }
}

impl Guest {
    /// Whether a thread is one of this process.
    pub(super) fn has_thread(&self, tid: u32) -> bool {
        let path = CString::new(format!("task/{tid}")).unwrap_or_default();
        sys::stat_fd(self.proc_dir.as_fd(), &path).is_ok()
    }
}

/// What a process is held by: neither can come to mean another one.
pub(super) struct Handles {
    pid_fd: Arc<OwnedFd>,
    proc_dir: Arc<ProcDir>,
}

impl Handles {
    /// Of a process that cannot be gone, because this process has to wait for it.
    fn of(pid: u32) -> io::Result<Self> {
        let proc_dir = File::open(format!("/proc/{pid}"))?.into();
        let pid_fd = Arc::new(sys::pid_fd(pid)?);
        Ok(Self {
            proc_dir: Arc::new(ProcDir::opened(pid, &pid_fd, proc_dir)),
            pid_fd,
        })
    }

    /// Of a process that lives and is a child of `parent`, as its descriptor says.
    fn of_child(pid: u32, parent: u32) -> Option<Self> {
        let pid_fd = Arc::new(sys::pid_fd(pid).ok()?);
        let Ok(found) = sys::relations(pid_fd.as_fd()) else {
            return Self::of_child_by_text(pid, parent);
        };
        (found == (pid, parent) && !sys::has_ended(pid_fd.as_fd())).then(|| Self {
            proc_dir: Arc::new(ProcDir::new(pid, &pid_fd)),
            pid_fd,
        })
    }

    /// The same where descriptors say nothing. The directory was opened before the descriptor and tells of the process after that, so
    /// the number meant the same process all the while.
    fn of_child_by_text(pid: u32, parent: u32) -> Option<Self> {
        let handles = Self::of(pid).ok()?;
        let status = Status::read(handles.proc_dir.as_fd())?;
        let found = (status.process, status.parent);
        (found == (pid, parent) && !status.is_zombie).then_some(handles)
    }
}

/// What the host says of a thread.
struct Status {
    process: u32,
    parent: u32,
    is_zombie: bool,
}

impl Status {
    /// Of the thread whose directory in the host's `/proc` is given.
    fn read(dir: BorrowedFd<'_>) -> Option<Self> {
        let text = sys::read_text(dir, c"status").ok()?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let number = |name: &str| field(name)?.parse().ok();
        Some(Self {
            process: number("Tgid:")?,
            parent: number("PPid:")?,
            is_zombie: field("State:").is_none_or(|state| state.starts_with(['Z', 'X'])),
        })
    }
}

/// The parent of a process that lives.
pub(super) fn parent_of(pid: u32) -> Option<u32> {
    let dir = File::open(format!("/proc/{pid}")).ok()?;
    Status::read(dir.as_fd())
        .filter(|status| !status.is_zombie)
        .map(|status| status.parent)
}

/// Process and parent of a thread, as the host says.
fn identify(tid: u32) -> Option<(u32, u32)> {
    let dir = File::open(format!("/proc/{tid}")).ok()?;
    let status = Status::read(dir.as_fd())?;
    Some((status.process, status.parent))
}
