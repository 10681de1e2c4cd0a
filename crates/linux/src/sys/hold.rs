//! Keeping a thread where it is until what a child has changed in its memory is put back.
//!
//! A thread that made a child by `vfork` goes on in the moment in which the child executes something, long before the child's loader
//! says a word. The thread may free the memory that the path was in and use it again while the path is put back there, so it
//! must not run before. No signal could see to that without other threads and parents noticing; the host can stop it at the end
//! of its `vfork` for whoever traces it.

use super::{check, thread_id};
use std::io;

/// A thread that waits in `vfork`, and will stop at its end.
#[derive(Debug)]
pub(crate) struct Hold {
    tid: u32,
    /// How often it was to go on.
    tries: usize,
}

/// How often a thread that is about to stop is asked at once. Not longer: the child waits meanwhile, and nearly always makes its next
/// call, at which it is asked again, long before the thread has something to do.
const TRIES: usize = 8;
/// Of so many times it is looked once whether it is there at all, which costs far more than asking.
const LOOK_EVERY: usize = 32;

impl Hold {
    /// Only of a thread whose child lives in its memory: nobody else comes to the end of a `vfork`. The calling thread alone may
    /// let it go on; when it ends, the host does.
    pub(crate) fn new(tid: u32) -> io::Result<Self> {
        // SAFETY: takes numbers alone.
        let done = unsafe {
            libc::ptrace(
                libc::PTRACE_SEIZE,
                tid,
                std::ptr::null_mut::<libc::c_void>(),
                libc::c_long::from(libc::PTRACE_O_TRACEVFORKDONE),
            )
        };
        check(done).map(|_| Self { tid, tries: 0 })
    }

    /// Lets it go on. Gives the hold back if the thread has not come to its stop yet, which it will at once.
    pub(crate) fn release(mut self) -> Result<(), Self> {
        for turn in 0..TRIES {
            if turn > 0 {
                std::thread::yield_now();
            }
            self.tries += 1;
            if self.detach().is_ok() || self.tries.is_multiple_of(LOOK_EVERY) && !self.is_held() {
                return Ok(());
            }
        }
        Err(self)
    }

    fn detach(&self) -> io::Result<()> {
        let nothing = std::ptr::null_mut::<libc::c_void>();
        // SAFETY: takes numbers alone; without a signal.
        check(unsafe { libc::ptrace(libc::PTRACE_DETACH, self.tid, nothing, nothing) }).map(drop)
    }

    /// Whether there is a thread of this number that this one holds. One that has died is left to its parent.
    fn is_held(&self) -> bool {
        let status = std::fs::read(format!("/proc/{}/status", self.tid)).unwrap_or_default();
        let status = String::from_utf8_lossy(&status);
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if field("TracerPid:").and_then(|tracer| tracer.parse().ok()) != Some(thread_id()) {
            return false;
        }
        let is_dead = field("State:").is_none_or(|state| state.starts_with(['Z', 'X']));
        let is_process = field("Tgid:").and_then(|process| process.parse().ok()) == Some(self.tid);
        let is_own = field("PPid:").and_then(|parent| parent.parse().ok()) == Some(std::process::id());
        // The end of a child of this process itself is waited for elsewhere.
        if is_dead && !(is_own && is_process) {
            self.give_up();
        }
        !is_dead
    }

    /// Of a thread that has died while it was held its parent hears nothing before who held it has.
    fn give_up(&self) {
        // SAFETY: zeros are a valid value.
        let mut info = unsafe { std::mem::zeroed::<libc::siginfo_t>() };
        let options = libc::WEXITED | libc::WNOHANG | libc::__WALL;
        // SAFETY: `info` is writable.
        let _ = unsafe { libc::waitid(libc::P_PID, self.tid, &raw mut info, options) };
    }
}
