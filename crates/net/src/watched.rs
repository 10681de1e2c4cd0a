//! A socket of the host that guests use from their own threads and that the network runtime watches.
//!
//! An operation is tried at once, in the caller's thread. If it would block, the caller's waker joins the [`Fan`] of the socket,
//! the fan is armed with the runtime's reactor, and the operation is tried once more, so that nothing that happens in between
//! is missed. The reactor's own idea of readiness is only used to be woken: it may be behind, the socket never is.

use crate::errors;
use crate::fan::Fan;
use agentos_kernel::fd::PollEvents;
use agentos_kernel::{Errno, Error, Result};
use core::task::{Context, Poll, Waker};
use parking_lot::RwLock;
use rustix::event::{PollFd, PollFlags, Timespec};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use tokio::io::Interest;
use tokio::net::{TcpStream, UdpSocket};

/// What the reactor offers for a socket.
pub(crate) trait Evented: AsFd + Send + Sync + 'static {
    /// Remembers the waker for the direction, unless the direction is thought to be ready.
    fn poll_ready(&self, direction: Direction, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Makes the reactor think that the direction is not ready.
    fn clear(&self, direction: Direction);
}

/// A direction of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

impl Direction {
    fn interest(self) -> Interest {
        match self {
            Self::Read => Interest::READABLE,
            Self::Write => Interest::WRITABLE,
        }
    }
}

impl Evented for TcpStream {
    fn poll_ready(&self, direction: Direction, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match direction {
            Direction::Read => self.poll_read_ready(context),
            Direction::Write => self.poll_write_ready(context),
        }
    }

    fn clear(&self, direction: Direction) {
        let _ = self.try_io(direction.interest(), would_block);
    }
}

impl Evented for UdpSocket {
    fn poll_ready(&self, direction: Direction, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match direction {
            Direction::Read => self.poll_recv_ready(context),
            Direction::Write => self.poll_send_ready(context),
        }
    }

    fn clear(&self, direction: Direction) {
        let _ = self.try_io(direction.interest(), would_block);
    }
}

fn would_block() -> io::Result<()> {
    Err(io::ErrorKind::WouldBlock.into())
}

/// How often a direction that keeps becoming ready is armed before the waiting tasks are simply woken.
const ROUNDS: usize = 4;

/// A watched socket, until it is closed.
pub(crate) struct Watched<S> {
    socket: RwLock<Option<S>>,
    tasks: Fan,
}

impl<S: Evented> Watched<S> {
    pub(crate) fn new(socket: S) -> Self {
        Self {
            socket: RwLock::new(Some(socket)),
            tasks: Fan::new(),
        }
    }

    /// Runs a call that needs no waiting. `EBADF` once the socket is closed.
    pub(crate) fn with<T>(&self, call: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<T>) -> Result<T> {
        match &*self.socket.read() {
            Some(socket) => call(socket.as_fd()).map_err(Error::from),
            None => Err(Errno::EBADF.into()),
        }
    }

    /// Runs a call that may block. Errors may show in either direction, so both are watched.
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
        self.tasks.register(waker);
        let busy = match &*self.socket.read() {
            Some(socket) => directions.iter().any(|direction| !self.arm(socket, *direction)),
            None => true,
        };
        if busy {
            self.tasks.wake();
        }
    }

    /// Whether the reactor now wakes the tasks at the next change.
    fn arm(&self, socket: &S, direction: Direction) -> bool {
        let mut context = Context::from_waker(self.tasks.waker());
        for _ in 0..ROUNDS {
            match socket.poll_ready(direction, &mut context) {
                Poll::Pending => return true,
                Poll::Ready(Ok(())) => socket.clear(direction),
                Poll::Ready(Err(_)) => return false,
            }
        }
        false
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
        self.tasks.wake();
    }

    /// Wakes everybody.
    pub(crate) fn wake(&self) {
        self.tasks.wake();
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
