//! What a VM's thread has to see to besides calls, as descriptors that become ready.
//!
//! Nearly all of it is urgent: the alarm knocks at once (`vm/alarm.rs`). The end of a process that a guest has made is not. Who waits for
//! it is its parent, whom the host itself tells, and the parent's next call finds it seen to, because what is ready is looked at before
//! every call. A knock in the meantime would have the thread work for it on another processor in just the moment in which the
//! parent calls, which then waits for both. So the alarm is patient with such ends: it knocks only if nobody has seen to them a
//! few milliseconds later.

use crate::sys::{Poller, Ready};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// How long the end of a guest's child may wait to be seen to, in ms.
const PATIENCE: i32 = 5;
/// Token of what is urgent among all.
const URGENT: u64 = u64::MAX;

/// See the head of the module.
#[derive(Debug)]
pub(super) struct Bells {
    urgent: Poller,
    /// What is urgent, as one, and what is not.
    all: Poller,
}

impl Bells {
    pub(super) fn new() -> io::Result<Self> {
        let (urgent, all) = (Poller::new()?, Poller::new()?);
        all.add(urgent.as_fd(), URGENT, libc::EPOLLIN)?;
        Ok(Self { urgent, all })
    }

    /// Something to be seen to at once.
    pub(super) fn add(&self, fd: BorrowedFd<'_>, token: u64, events: i32) -> io::Result<()> {
        self.urgent.add(fd, token, events)
    }

    /// Something that may wait for a moment. `token` is not [`URGENT`].
    pub(super) fn add_patient(&self, fd: BorrowedFd<'_>, token: u64, events: i32) -> io::Result<()> {
        self.all.add(fd, token, events)
    }

    pub(super) fn rearm(&self, fd: BorrowedFd<'_>, token: u64, events: i32) -> io::Result<()> {
        self.urgent.rearm(fd, token, events)
    }

    /// What was added as urgent is none any more.
    pub(super) fn remove(&self, fd: BorrowedFd<'_>) {
        self.urgent.remove(fd);
    }

    /// Likewise what may wait.
    pub(super) fn remove_patient(&self, fd: BorrowedFd<'_>) {
        self.all.remove(fd);
    }

    /// What is ready.
    pub(super) fn look(&self, into: &mut Vec<Ready>) {
        self.all.wait(0, into);
        let all = into.len();
        into.retain(|ready| ready.token != URGENT);
        if into.len() < all {
            let mut urgent = Vec::new();
            self.urgent.wait(0, &mut urgent);
            into.append(&mut urgent);
        }
    }

    /// Waits until there is something that has to be seen to now. May return without.
    pub(super) fn wait(&self) {
        while self.all.is_ready_within(-1) {
            if self.urgent.is_ready_within(PATIENCE) || self.all.is_ready_within(0) {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn ready_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
        let (reader, mut writer) = std::io::pipe().unwrap();
        io::Write::write_all(&mut writer, b"x").unwrap();
        (reader, writer)
    }

    fn tokens(bells: &Bells) -> Vec<u64> {
        let mut ready = Vec::new();
        bells.look(&mut ready);
        let mut tokens: Vec<u64> = ready.iter().map(|ready| ready.token).collect();
        tokens.sort_unstable();
        tokens
    }

    #[test]
    fn all_that_is_ready_is_found_and_what_is_removed_is_not() {
        let bells = Bells::new().unwrap();
        let (urgent, patient) = (ready_pipe(), ready_pipe());
        assert_eq!(tokens(&bells), [0; 0]);
        bells.add_patient(patient.0.as_fd(), 7, libc::EPOLLIN).unwrap();
        assert_eq!(tokens(&bells), [7]);
        bells.add(urgent.0.as_fd(), 8, libc::EPOLLIN).unwrap();
        assert_eq!(tokens(&bells), [7, 8]);
        bells.remove_patient(patient.0.as_fd());
        assert_eq!(tokens(&bells), [8]);
        bells.remove(urgent.0.as_fd());
        assert_eq!(tokens(&bells), [0; 0]);
    }

    #[test]
    fn what_may_wait_is_told_of_after_a_moment_and_the_rest_at_once() {
        let bells = Bells::new().unwrap();
        let patient = ready_pipe();
        bells.add_patient(patient.0.as_fd(), 7, libc::EPOLLIN).unwrap();
        let start = Instant::now();
        bells.wait();
        assert!(start.elapsed() >= Duration::from_millis(5));
        let urgent = ready_pipe();
        bells.add(urgent.0.as_fd(), 8, libc::EPOLLIN).unwrap();
        bells.wait();
        assert_eq!(tokens(&bells), [7, 8]);
        // What somebody has seen to in that moment is nobody's business any more.
        bells.remove(urgent.0.as_fd());
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| bells.wait());
            bells.remove_patient(patient.0.as_fd());
            let later = ready_pipe();
            bells.add(later.0.as_fd(), 9, libc::EPOLLIN).unwrap();
            waiter.join().unwrap();
            drop(later);
        });
    }
}
