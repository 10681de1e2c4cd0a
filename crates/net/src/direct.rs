//! A connection whose bytes go straight between the host's socket and the guest's buffer.
//!
//! Reads and writes are system calls of the guest's own thread into the guest's own memory; the runtime only watches.
//!
//! A connection is `Connecting` until its socket is writable. Whoever asks then finds out how it ended, so that a connection
//! over loopback, which is there before `connect` returns, never waits for another thread.

use crate::denial::{self, Access};
use crate::ledger::{Ledger, connect_timeout};
use crate::runtime;
use crate::watched::{Direction, Watched};
use agentos_kernel::fd::{IoResult, PollEvents};
use agentos_kernel::id::Pid;
use agentos_kernel::net::{self as egress, Shutdown};
use agentos_kernel::{Errno, Error, Result};
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use core::task::{Poll, Waker};
use core::time::Duration;
use parking_lot::Mutex;
use rustix::net::{RecvFlags, SendFlags};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Weak};
use std::time::Instant;
use tokio::task::AbortHandle;

/// How long a connection may take and live.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadlines {
    /// From the beginning until it is connected.
    pub(crate) connect: Duration,
    /// Between two transfers of bytes, in either direction.
    pub(crate) idle: Option<Duration>,
    /// From the beginning until its end.
    pub(crate) total: Option<Duration>,
}

enum Phase {
    Connecting,
    Connected(SocketAddr),
    Failed(Error),
}

/// A stream of the host for a guest.
pub(crate) struct Direct {
    socket: Watched,
    chosen: SocketAddr,
    pid: Pid,
    /// Whether the phase is `Connected`; spares the lock.
    connected: AtomicBool,
    phase: Mutex<Phase>,
    ledger: Arc<Ledger>,
    begun: Instant,
    /// When bytes moved last, in milliseconds since `begun`.
    moved: AtomicU64,
    timer: Mutex<Option<AbortHandle>>,
    /// Whether anybody reads `moved`.
    watches_idle: bool,
}

impl Direct {
    /// The connection that `socket`, which is on its way to `chosen` on behalf of `pid`, makes.
    pub(crate) fn begin(
        socket: std::net::TcpStream,
        (chosen, pid): (SocketAddr, Pid),
        deadlines: Deadlines,
        ledger: Arc<Ledger>,
    ) -> Result<Arc<Self>> {
        let direct = Arc::new(Self {
            socket: Watched::new(socket),
            chosen,
            pid,
            connected: AtomicBool::new(false),
            phase: Mutex::new(Phase::Connecting),
            ledger,
            begun: Instant::now(),
            moved: AtomicU64::new(0),
            timer: Mutex::new(None),
            watches_idle: deadlines.idle.is_some(),
        });
        let waits = direct.outcome().is_none();
        if waits || deadlines.idle.is_some() || deadlines.total.is_some() {
            let task = runtime::handle()?.spawn(watch(Arc::downgrade(&direct), direct.begun, deadlines));
            *direct.timer.lock() = Some(task.abort_handle());
        }
        Ok(direct)
    }

    /// How connecting ended, if it did.
    fn outcome(&self) -> Option<Result<SocketAddr>> {
        let mut phase = self.phase.lock();
        if matches!(*phase, Phase::Connecting) {
            let over = PollEvents::OUT | PollEvents::ERR | PollEvents::HUP;
            if !self.socket.conditions().intersects(over) {
                return None;
            }
            match self.examine() {
                Ok(peer) => {
                    *phase = Phase::Connected(peer);
                    self.connected.store(true, Ordering::Release);
                }
                Err(error) => *phase = Phase::Failed(error),
            }
        }
        match &*phase {
            Phase::Connecting => None,
            Phase::Connected(peer) => Some(Ok(*peer)),
            Phase::Failed(error) => Some(Err(error.clone())),
        }
    }

    /// Whether the socket is connected, and to whom it should be.
    fn examine(&self) -> Result<SocketAddr> {
        if let Some(error) = self.socket.take_error() {
            return Err(error);
        }
        let ends = self.socket.with(ends)?;
        denial::check_ends(Access::Tcp, &ends, self.chosen, &self.ledger)?;
        Ok(ends.peer)
    }

    /// Fails when it is not connected.
    fn ready(&self) -> Result<()> {
        if self.connected.load(Ordering::Acquire) {
            return Ok(());
        }
        match self.outcome() {
            None => Err(Errno::ENOTCONN.into()),
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(error),
        }
    }

    fn touch(&self) {
        if self.watches_idle {
            let now = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.moved.store(now, Ordering::Relaxed);
        }
    }

    /// When bytes moved last.
    fn moved(&self) -> Instant {
        let since = Duration::from_millis(self.moved.load(Ordering::Relaxed));
        self.begun.checked_add(since).unwrap_or(self.begun)
    }

    /// Ends it because of a deadline. Of those only the first, that of `connect`, is one of the limits.
    fn expire(&self, deadlines: &Deadlines) {
        let before = core::mem::replace(&mut *self.phase.lock(), Phase::Failed(Errno::ETIMEDOUT.into()));
        if matches!(before, Phase::Connecting) && self.begun.elapsed() >= deadlines.connect {
            self.ledger.exceeded(&connect_timeout(deadlines.connect), self.pid);
        }
        self.connected.store(false, Ordering::Release);
        self.abort();
    }

    fn abort(&self) {
        let _ = self
            .socket
            .with(|socket| rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO)));
        self.socket.close();
    }
}

/// The addresses of both ends.
pub(crate) struct Ends {
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
}

/// Asks the socket for its ends.
pub(crate) fn ends(socket: BorrowedFd<'_>) -> rustix::io::Result<Ends> {
    let local = rustix::net::getsockname(socket)?.try_into()?;
    let peer = rustix::net::getpeername(socket)?
        .ok_or(rustix::io::Errno::NOTCONN)?
        .try_into()?;
    Ok(Ends { local, peer })
}

/// Keeps the deadlines of a connection.
async fn watch(direct: Weak<Direct>, begun: Instant, deadlines: Deadlines) {
    let after = |moment: Instant, time: Option<Duration>| time.and_then(|time| moment.checked_add(time));
    let total = after(begun, deadlines.total);
    loop {
        let Some(connection) = direct.upgrade() else { return };
        let now = Instant::now();
        let next = match connection.outcome() {
            Some(Err(_)) => return,
            Some(Ok(_)) => after(connection.moved(), deadlines.idle),
            // It may be connected any moment, and the time of being idle then runs.
            None => [after(begun, Some(deadlines.connect)), after(now, deadlines.idle)]
                .into_iter()
                .flatten()
                .min(),
        };
        let Some(due) = [next, total].into_iter().flatten().min() else {
            return;
        };
        if due <= now {
            return connection.expire(&deadlines);
        }
        drop(connection);
        tokio::time::sleep_until(due.into()).await;
    }
}

impl egress::Stream for Direct {
    fn poll_connected(&self, waker: Option<&Waker>) -> IoResult<SocketAddr> {
        if let Some(outcome) = self.outcome() {
            return Poll::Ready(outcome);
        }
        if waker.is_none() {
            return Poll::Pending;
        }
        self.socket.wait(&[Direction::Write], waker);
        self.outcome().map_or(Poll::Pending, Poll::Ready)
    }

    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        self.ready()?;
        let read = self.socket.attempt(Direction::Read, waker, |socket| {
            rustix::net::recv(socket, &mut *buf, RecvFlags::DONTWAIT).map(|(length, _)| length)
        });
        if let Poll::Ready(Ok(length)) = &read {
            self.touch();
            self.ledger.counters.received(*length);
        }
        read
    }

    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        self.ready()?;
        let written = self.socket.attempt(Direction::Write, waker, |socket| {
            rustix::net::send(socket, data, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
        });
        if let Poll::Ready(Ok(length)) = &written {
            self.touch();
            self.ledger.counters.sent(*length);
        }
        written
    }

    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let asked = interest | PollEvents::ERR | PollEvents::HUP;
        let look = || match self.outcome() {
            None => PollEvents::empty(),
            Some(Ok(_)) => self.socket.conditions() & asked,
            Some(Err(_)) => (PollEvents::IN | PollEvents::OUT | PollEvents::ERR | PollEvents::HUP) & asked,
        };
        let events = look();
        if !events.is_empty() || waker.is_none() {
            return events;
        }
        let writes = interest.contains(PollEvents::OUT) || !self.connected.load(Ordering::Acquire);
        let directions: &[Direction] = match writes {
            true => &[Direction::Read, Direction::Write],
            false => &[Direction::Read],
        };
        self.socket.wait(directions, waker);
        look()
    }

    fn available(&self) -> u64 {
        self.socket
            .with(|socket| rustix::io::ioctl_fionread(socket))
            .unwrap_or(0)
    }

    fn shutdown(&self, how: Shutdown) {
        let how = match how {
            Shutdown::Read => rustix::net::Shutdown::Read,
            Shutdown::Write => rustix::net::Shutdown::Write,
            Shutdown::Both => rustix::net::Shutdown::Both,
        };
        let _ = self.socket.with(|socket| rustix::net::shutdown(socket, how));
        self.socket.wake();
    }

    fn close(&self, abort: bool) {
        if abort {
            self.abort();
        } else {
            self.socket.close();
        }
        if let Some(timer) = self.timer.lock().take() {
            timer.abort();
        }
    }

    fn set_no_delay(&self, on: bool) {
        let _ = self
            .socket
            .with(|socket| rustix::net::sockopt::set_tcp_nodelay(socket, on));
    }

    fn take_error(&self) -> Option<Error> {
        self.socket.take_error()
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.get_mut().take() {
            timer.abort();
        }
    }
}
