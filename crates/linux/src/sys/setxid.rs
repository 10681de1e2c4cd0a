//! Signals that threads of one process send each other, and that must look as if they came from there.
//!
//! A C library has all threads of a process change their user or group (`setuid`) by sending each a signal of its own, whose handler
//! takes it only if its information says `SI_TKILL` and the process's own number; whoever called waits for all of them. The host lets nobody
//! write such information for another process, but it lets who traces a thread correct that of a signal which is about to be delivered.
//!
//! That takes a thread of this process for each, from when the signal is sent until it is taken, which may be never: a thread can block it. So
//! there are [`HELPERS_MAX`] of them, of which one VM can keep [`HELPERS_OF_VM_MAX`] busy. What is beyond fails with `EAGAIN`. The library then
//! takes the thread that it could not tell for one that has ended, and goes on; nothing is lost by that, as in a VM
//! a user is a process's and not a thread's.

use super::check;
use super::process::{Info, signal_thread};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads of this process that wait for such a delivery, for all VMs together.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// Threads that wait for the delivery of a change of users, for all VMs together; then `EAGAIN`.
const HELPERS_MAX: usize = 128;
/// Threads that wait for such a delivery for one VM; then `EAGAIN`.
const HELPERS_OF_VM_MAX: usize = 16;
/// Room that such a thread needs.
const STACK: usize = 64 * 1024;
/// The signal by which the GNU library has threads change users.
const SETXID: i32 = 33;

/// Whether a library compares where this signal comes from.
pub(crate) fn is_compared(signal: i32) -> bool {
    signal == SETXID
}

/// What one VM has of the threads that wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct Helpers(Arc<AtomicUsize>);

/// A place among those that wait, given back at its end.
struct Place(Helpers);

impl Helpers {
    fn take(&self) -> Option<Place> {
        if !add(&self.0, HELPERS_OF_VM_MAX) {
            return None;
        }
        if !add(&WAITING, HELPERS_MAX) {
            self.0.fetch_sub(1, Ordering::AcqRel);
            return None;
        }
        Some(Place(self.clone()))
    }

    /// Sends a signal to a thread as if another thread of its process had, and returns when it has been sent. Where the host does not allow
    /// that the signal is one from elsewhere.
    ///
    /// # Errors
    /// The host's; and `EAGAIN` if too many threads have not taken theirs.
    pub(crate) fn signal_as_own(&self, (process, thread): (u32, u32), signal: i32, from: (u32, u32)) -> io::Result<()> {
        let again = || io::Error::from_raw_os_error(libc::EAGAIN);
        let place = self.take().ok_or_else(again)?;
        let (told, sent) = std::sync::mpsc::sync_channel(1);
        let deliver = move || {
            let _place = place;
            let traced = seize(thread).is_ok();
            let result = signal_thread((process, thread), signal, from);
            let go_on = traced && result.is_ok();
            // Who asked has gone on if it does not listen.
            let _ = told.send(result);
            if go_on {
                follow(thread, signal, from);
            }
        };
        let name = "agentos-setxid".to_owned();
        std::thread::Builder::new()
            .name(name)
            .stack_size(STACK)
            .spawn(deliver)?;
        sent.recv().unwrap_or_else(|_| Err(again()))
    }
}

/// Counts one more, unless there are as many as there may be.
fn add(count: &AtomicUsize, most: usize) -> bool {
    let more = |count: usize| (count < most).then_some(count + 1);
    count.fetch_update(Ordering::AcqRel, Ordering::Acquire, more).is_ok()
}

impl Drop for Place {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::AcqRel);
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn seize(thread: u32) -> io::Result<()> {
    ask(libc::PTRACE_SEIZE, thread, 0)
}

/// A request that takes a number; the calling thread traces that one.
fn ask(request: libc::c_uint, thread: u32, data: libc::c_long) -> io::Result<()> {
    let nothing = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: takes numbers alone.
    check(unsafe { libc::ptrace(request, thread, nothing, data) }).map(drop)
}

/// Waits until the signal is about to be delivered, corrects what it says, and lets the thread go. When this thread ends, the host lets it
/// go, too.
fn follow(thread: u32, signal: i32, from: (u32, u32)) {
    while let Some((stopped, event)) = next_stop(thread) {
        let done = match (stopped, event) {
            (found, 0) if found == signal => {
                let info = Info::from(from, signal).of_the_same_process();
                let nothing = std::ptr::null_mut::<libc::c_void>();
                // SAFETY: the information is as long as the host's structure.
                let _ = unsafe { libc::ptrace(libc::PTRACE_SETSIGINFO, thread, nothing, &raw const info) };
                return drop(ask(libc::PTRACE_DETACH, thread, signal.into()));
            }
            // Another signal, which it gets as it is.
            (other, 0) => ask(libc::PTRACE_CONT, thread, other.into()),
            // Its process is stopped, and stays so until somebody continues it.
            (libc::SIGSTOP | libc::SIGTSTP | libc::SIGTTIN | libc::SIGTTOU, libc::PTRACE_EVENT_STOP) => {
                ask(libc::PTRACE_LISTEN, thread, 0)
            }
            _ => ask(libc::PTRACE_CONT, thread, 0),
        };
        if done.is_err() {
            return;
        }
    }
}

/// The signal and the event for which a thread stops next; nothing when it ends, which is left to be found by who waits for that.
fn next_stop(thread: u32) -> Option<(i32, i32)> {
    let stop = wait(thread, libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT)?;
    wait(thread, libc::WSTOPPED | libc::WNOHANG)?;
    Some((stop & 0xff, stop >> 8))
}

/// What a traced thread has stopped for.
fn wait(thread: u32, options: i32) -> Option<i32> {
    loop {
        // SAFETY: zeros are a valid value.
        let mut info = unsafe { std::mem::zeroed::<libc::siginfo_t>() };
        // SAFETY: `info` is writable.
        let waited = unsafe { libc::waitid(libc::P_PID, thread, &raw mut info, options | libc::__WALL) };
        match (waited, info.si_code) {
            (0, libc::CLD_TRAPPED | libc::CLD_STOPPED) => {
                // SAFETY: the call filled what this reads.
                return Some(unsafe { info.si_status() });
            }
            (0, _) => return None,
            _ if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_vm_has_a_share_and_places_come_back() {
        let take = |helpers: &Helpers| std::iter::from_fn(|| helpers.take()).collect::<Vec<_>>();
        let vms: Vec<Helpers> = std::iter::repeat_with(Helpers::default).take(9).collect();
        let taken: Vec<Vec<Place>> = vms.iter().map(take).collect();
        assert_eq!(taken[0].len(), HELPERS_OF_VM_MAX, "others are left for others");
        assert_eq!(taken.iter().map(Vec::len).sum::<usize>(), HELPERS_MAX);
        assert!(vms[8].take().is_none() && vms[0].take().is_none());
        drop(taken);
        assert!(vms[8].take().is_some());
        assert_eq!(vms[8].0.load(Ordering::Acquire), 0);
        // Nobody is traced who is not there. (Here, as all tests have the same threads.)
        assert!(seize(crate::sys::thread_id()).is_err(), "a thread cannot trace itself");
        let gone = u32::try_from(i32::MAX).unwrap();
        let sent = Helpers::default().signal_as_own((gone, gone), SETXID, (1, 1));
        assert!(sent.is_err_and(|error| error.raw_os_error() != Some(libc::EAGAIN)));
    }
}
