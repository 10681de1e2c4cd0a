//! Guests in the background that read from their terminal (`SIGTTIN`).
//!
//! Reading is the host's business, and the host's terminal knows nothing of the VM's groups. So while there are guests in the background
//! of a terminal, it is looked from time to time whether a thread of theirs waits in a read of it, and if so the VM's terminal does what
//! it does for every program: it sends the group the signal, unless the guest ignores or blocks it. The read begins anew when the group is
//! continued.
//!
//! What was typed before anybody looked is read by whoever comes first, and a guest that asks by `poll` before it reads is not noticed.
//! Where the host does not tell in which call a thread waits nobody is stopped.
//!
//! Writing while the terminal is to stop that (`stty tostop`) stops no guest. A write does not wait, so there is nothing to be noticed, and
//! all guests of a terminal have the same one of the host, whose output can be stopped for all or for none of them: as soon as it goes on
//! for the foreground, which prints just when a shell starts something in the background, what has begun to write there gets
//! through as well.

use super::{Actions, Guest, Terminal, Vm};
use agentos_kernel::process::Signal;
use agentos_kernel::tty::{Access, Pty};
use std::ffi::CString;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked.
const EVERY: Duration = Duration::from_millis(50);
/// Threads of a guest in the background that are looked at; then the others may read from the terminal.
const THREADS_MAX: usize = 64;

impl Vm {
    /// A guest may have come into the background.
    pub(crate) fn expect_readers(&mut self) {
        if !self.terminals.is_empty() {
            self.times.look_for_readers(Instant::now() + EVERY);
        }
    }

    /// Looks at all in the background, and again later if there are any.
    pub(super) fn stop_readers(&mut self) {
        let mut background = Vec::new();
        for pty in self.terminals.open() {
            let (session, foreground) = (pty.session(), pty.foreground());
            let is_behind = |guest: &&Guest| {
                let process = &guest.process;
                Some(process.sid()) == session && foreground.is_some() && Some(process.pgid()) != foreground
            };
            let guests = self.guests.values().filter(is_behind);
            background.extend(guests.map(|guest| (guest.pid, Arc::clone(&pty))));
        }
        for (key, pty) in &background {
            if self.reads_from(*key, pty)
                && let Some(guest) = self.guests.get(key)
            {
                // An orphaned group, which nobody could continue, reads on.
                let _ = pty.admit(Access::Read, &*guest.process);
            }
        }
        if !background.is_empty() {
            self.expect_readers();
        }
    }

    /// Whether a thread of a guest that is not stopped waits for input of a terminal, and would take the signal.
    fn reads_from(&self, key: u32, pty: &Arc<Pty>) -> bool {
        let Some(guest) = self.guests.get(&key).filter(|guest| guest.stopped.is_none()) else {
            return false;
        };
        let threads = std::fs::read_dir(format!("/proc/{key}/task"))
            .into_iter()
            .flatten()
            .flatten();
        let numbers = threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok());
        numbers.take(THREADS_MAX).any(|tid: u32| {
            let Some(fd) = guest.reading(tid) else { return false };
            let its_own = self
                .terminal(key, fd)
                .is_ok_and(|terminal| matches!(terminal, Some(Terminal::Slave(other)) if Arc::ptr_eq(&other, pty)));
            let actions = || Actions::of_thread(guest.proc_dir.as_fd(), tid);
            its_own && actions().takes(Signal::TTIN)
        })
    }
}

impl Guest {
    /// The descriptor that a thread waits to read from.
    fn reading(&self, tid: u32) -> Option<i32> {
        let path = CString::new(format!("task/{tid}/syscall")).ok()?;
        read_of(&crate::sys::read_text(self.proc_dir.as_fd(), &path).ok()?)
    }
}

/// The first argument of a read in which a thread waits, as the host tells.
fn read_of(call: &str) -> Option<i32> {
    let mut words = call.split_ascii_whitespace();
    let number: i64 = words.next()?.parse().ok()?;
    let fd = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
    let reads = matches!(number, libc::SYS_read | libc::SYS_readv);
    reads.then_some(fd as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_host_tells_of_a_thread_is_read() {
        assert_eq!(read_of("0 0x3 0x7ffd 0x400 0x0 0x0 0x0 0x7ffd 0x7f00\n"), Some(3));
        assert_eq!(read_of("19 0x0 0x7ffd 0x400 0x0 0x0 0x0 0x7ffd 0x7f00\n"), Some(0));
        for other in ["running\n", "-1 0x7ffd 0x7f00\n", "1 0x1 0x0\n", "", "0\n", "0 3\n"] {
            assert_eq!(read_of(other), None, "{other}");
        }
    }
}
