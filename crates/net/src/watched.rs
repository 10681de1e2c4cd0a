//! A socket of the host that guests use from their own threads.
//!
//! An operation is tried at once, in the caller's thread. If it would block, the caller's waker joins those that wait for the
//! socket, the socket is armed with the [reactor](crate::reactor), and the operation is tried once more, so that nothing
//! that happens in between is missed.

use crate::errors;
use crate::reactor::{Armed, READ, WRITE};
use agentos_kernel::fd::PollEvents;
use agentos_kernel::{Errno, Error, Result};
use core::task::{Poll, Waker};
use parking_lot::RwLock;
use rustix::event::epoll::EventFlags;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// A direction of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    fn flags(self) -> EventFlags {
        match self {
            Self::Read => READ,
            Self::Write => WRITE,
        }
    }
}

/// A socket, until it is closed.
pub(crate) struct Watched {
    socket: RwLock<Option<OwnedFd>>,
    armed: Arc<Armed>,
}

impl Watched {
    /// Takes a socket that does not block.
    pub(crate) fn new(socket: impl Into<OwnedFd>) -> Self {
        Self {
            socket: RwLock::new(Some(socket.into())),
            armed: Armed::new(),
        }
    }

    /// Runs a call that needs no waiting. `EBADF` once the socket is closed.
    pub(crate) fn with<T>(&self, call: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<T>) -> Result<T> {
        match &*self.socket.read() {
            Some(socket) => call(socket.as_fd()).map_err(Error::from),
            None => Err(Errno::EBADF.into()),
        }
    }

    /// Runs a call that may block.
    pub(crate) fn attempt<T>(
        &self,
        direction: Direction,
        waker: Option<&Waker>,
        mut call: impl FnMut(BorrowedFd<'_>) -> rustix::io::Result<T>,
    ) -> Poll<Result<T>> {
        let first = self.with(&mut call);
        if !blocked(&first) {
            return Poll::Ready(first);
        }
        if waker.is_none() {
            return Poll::Pending;
        }
        self.wait(&[direction], waker);
        let second = self.with(&mut call);
        if blocked(&second) {
            Poll::Pending
        } else {
            Poll::Ready(second)
        }
    }

    /// Registers the waker for the next change in the directions. Whoever calls looks at the socket again afterwards.
    pub(crate) fn wait(&self, directions: &[Direction], waker: Option<&Waker>) {
        self.armed.tasks().register(waker);
        let flags = directions
            .iter()
            .fold(EventFlags::empty(), |flags, direction| flags | direction.flags());
        let armed = match &*self.socket.read() {
            Some(socket) => self.armed.arm(socket.as_fd(), flags).is_ok(),
            None => false,
        };
        if !armed {
            self.wake();
        }
    }

    /// What holds of the socket now; nothing once it is closed.
    pub(crate) fn conditions(&self) -> PollEvents {
        self.with(conditions).unwrap_or_default()
    }

    /// The error that the socket keeps, which is then forgotten.
    pub(crate) fn take_error(&self) -> Option<Error> {
        match self.with(|socket| rustix::net::sockopt::socket_error(socket)) {
            Ok(Err(error)) => Some(errors::from_errno(error)),
            _ => None,
        }
    }

    /// Closes the socket and wakes everybody.
    pub(crate) fn close(&self) {
        let socket = self.socket.write().take();
        drop(socket);
        self.wake();
    }

    /// Wakes everybody.
    pub(crate) fn wake(&self) {
        self.armed.tasks().wake();
    }
}

fn blocked<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Os(Errno::EAGAIN)))
}

fn conditions(socket: BorrowedFd<'_>) -> rustix::io::Result<PollEvents> {
    let asked = PollFlags::IN | PollFlags::PRI | PollFlags::OUT | PollFlags::RDHUP;
    let mut poll = [PollFd::from_borrowed_fd(socket, asked)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut poll, Some(&now))?;
    let [poll] = poll;
    // The kernel's numbers are Linux's.
    Ok(PollEvents::from_bits_truncate(u32::from(poll.revents().bits())))
}
