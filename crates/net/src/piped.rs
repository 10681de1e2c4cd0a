//! A connection whose bytes pass through an interceptor: two bounded queues between a guest's socket and a task.
//!
//! ```text
//!   guest --write--> outgoing --poll_read---> task
//!   guest <--read--- incoming <--poll_write-- task
//! ```
//!
//! [`Piped`] is the guest's side, [`GuestEnd`] the task's. Each side that ends (shuts down, closes, is dropped, resets) lets the
//! other see what an ordinary socket would: the end of the stream, `EPIPE`, `ECONNRESET`.

use crate::activity::Activity;
use crate::fan::Fan;
use crate::ledger::Ledger;
use agentos_kernel::fd::{IoResult, PollEvents};
use agentos_kernel::net::{self as egress, Shutdown};
use agentos_kernel::{Errno, Error};
use core::future::Future;
use core::net::SocketAddr;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Bytes that one direction holds at most.
const CAPACITY: usize = 64 << 10;

/// How long a connection outlives the guest's side of it, for its peer to take what is left and to close.
const LINGER: Duration = Duration::from_secs(60);

/// One direction.
#[derive(Default)]
struct Queue {
    bytes: VecDeque<u8>,
    /// The writer will write no more.
    ended: bool,
    /// The reader will read no more.
    abandoned: bool,
    /// The task that waits for it.
    task: Option<Waker>,
}

impl Queue {
    fn put(&mut self, data: &[u8]) -> usize {
        let room = CAPACITY.saturating_sub(self.bytes.len());
        let taken = data.get(..room).unwrap_or(data);
        self.bytes.extend(taken);
        taken.len()
    }

    fn take(&mut self, buf: &mut [u8]) -> usize {
        let (front, back) = self.bytes.as_slices();
        let mut moved = 0;
        for part in [front, back] {
            let rest = buf.get_mut(moved..).unwrap_or_default();
            let length = part.len().min(rest.len());
            let (to, _) = rest.split_at_mut(length);
            let (from, _) = part.split_at(length);
            to.copy_from_slice(from);
            moved += length;
        }
        self.bytes.drain(..moved);
        moved
    }

    fn is_full(&self) -> bool {
        self.bytes.len() >= CAPACITY
    }
}

enum Phase {
    Connecting,
    Connected(SocketAddr),
    Failed(Error),
}

struct State {
    phase: Phase,
    outgoing: Queue,
    incoming: Queue,
    /// What ended it early.
    reset: Option<Error>,
    /// Whether `reset` was reported.
    reported: bool,
    task: Option<AbortHandle>,
}

struct Shared {
    state: Mutex<State>,
    activity: Activity,
    guests: Fan,
    /// The guest has closed its side.
    closed: Notify,
    ledger: Arc<Ledger>,
}

impl Shared {
    /// Changes the state, then wakes both sides.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let result = change(&mut state);
        let tasks = [state.outgoing.task.take(), state.incoming.task.take()];
        drop(state);
        tasks.into_iter().flatten().for_each(Waker::wake);
        self.guests.wake();
        result
    }
}

/// The guest's side.
pub(crate) struct Piped {
    shared: Arc<Shared>,
}

/// The interceptor's side of a guest's connection: what the guest writes is read here, and the reverse.
pub struct GuestEnd {
    shared: Arc<Shared>,
}

/// Ends a connection from elsewhere than its task.
pub(crate) struct Resetter(Arc<Shared>);

impl Resetter {
    /// As [`GuestEnd::reset`].
    pub(crate) fn reset(&self, error: Error) {
        GuestEnd::reset_shared(&self.0, error);
    }
}

/// Both sides of a connection that is not there yet.
pub(crate) fn pair(ledger: Arc<Ledger>) -> (Arc<Piped>, GuestEnd) {
    let shared = Arc::new(Shared {
        activity: Activity::new(),
        state: Mutex::new(State {
            phase: Phase::Connecting,
            outgoing: Queue::default(),
            incoming: Queue::default(),
            reset: None,
            reported: false,
            task: None,
        }),
        guests: Fan::new(),
        closed: Notify::new(),
        ledger,
    });
    let piped = Piped {
        shared: Arc::clone(&shared),
    };
    (Arc::new(piped), GuestEnd { shared })
}

impl Piped {
    /// The task to end when the guest closes with a reset before it is done.
    pub(crate) fn runs(&self, task: AbortHandle) {
        self.shared.state.lock().task = Some(task);
    }
}

impl State {
    fn failure(&self) -> Option<Error> {
        match (&self.phase, &self.reset) {
            (Phase::Failed(error), _) | (_, Some(error)) => Some(error.clone()),
            (Phase::Connecting, None) => Some(Errno::ENOTCONN.into()),
            (Phase::Connected(_), None) => None,
        }
    }

    fn conditions(&self) -> PollEvents {
        let mut events = PollEvents::empty();
        let over = matches!(self.phase, Phase::Failed(_)) || self.reset.is_some();
        if over {
            return PollEvents::IN | PollEvents::OUT | PollEvents::HUP | PollEvents::ERR;
        }
        if matches!(self.phase, Phase::Connecting) {
            return events;
        }
        if !self.incoming.bytes.is_empty() || self.incoming.ended {
            events |= PollEvents::IN;
        }
        if self.incoming.ended {
            events |= PollEvents::RDHUP;
        }
        if !self.outgoing.is_full() || self.outgoing.abandoned || self.outgoing.ended {
            events |= PollEvents::OUT;
        }
        if self.incoming.ended && self.outgoing.ended {
            events |= PollEvents::HUP;
        }
        events
    }
}

impl egress::Stream for Piped {
    fn poll_connected(&self, waker: Option<&Waker>) -> IoResult<SocketAddr> {
        self.shared.guests.register(waker);
        match &self.shared.state.lock().phase {
            Phase::Connecting => Poll::Pending,
            Phase::Connected(address) => Poll::Ready(Ok(*address)),
            Phase::Failed(error) => Poll::Ready(Err(error.clone())),
        }
    }

    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        self.shared.guests.register(waker);
        let mut state = self.shared.state.lock();
        let length = state.incoming.take(buf);
        if length > 0 {
            let task = state.incoming.task.take();
            drop(state);
            task.into_iter().for_each(Waker::wake);
            self.shared.activity.touch();
            self.shared.ledger.counters.received(length);
            return Poll::Ready(Ok(length));
        }
        match state.failure() {
            Some(error) => {
                state.reported = true;
                Poll::Ready(Err(error))
            }
            None if state.incoming.ended => Poll::Ready(Ok(0)),
            None => Poll::Pending,
        }
    }

    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        self.shared.guests.register(waker);
        let mut state = self.shared.state.lock();
        if let Some(error) = state.failure() {
            state.reported = true;
            return Poll::Ready(Err(error));
        }
        if state.outgoing.ended || state.outgoing.abandoned {
            return Poll::Ready(Err(Errno::EPIPE.into()));
        }
        let length = state.outgoing.put(data);
        if length == 0 {
            return Poll::Pending;
        }
        let task = state.outgoing.task.take();
        drop(state);
        task.into_iter().for_each(Waker::wake);
        self.shared.activity.touch();
        self.shared.ledger.counters.sent(length);
        Poll::Ready(Ok(length))
    }

    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        self.shared.guests.register(waker);
        self.shared.state.lock().conditions() & (interest | PollEvents::ERR | PollEvents::HUP)
    }

    fn available(&self) -> u64 {
        self.shared.state.lock().incoming.bytes.len() as u64
    }

    fn shutdown(&self, how: Shutdown) {
        self.shared.change(|state| {
            if how != Shutdown::Read {
                state.outgoing.ended = true;
            }
            if how != Shutdown::Write {
                state.incoming.abandoned = true;
                state.incoming.ended = true;
            }
        });
    }

    fn close(&self, abort: bool) {
        let task = self.shared.change(|state| {
            state.outgoing.ended = true;
            state.incoming.abandoned = true;
            state.incoming.ended = true;
            state.incoming.bytes = VecDeque::new();
            let stop = abort || matches!(state.phase, Phase::Connecting);
            if stop && state.reset.is_none() {
                state.reset = Some(Errno::ECONNRESET.into());
            }
            state.task.take().filter(|_| stop)
        });
        self.shared.closed.notify_one();
        if let Some(task) = task {
            task.abort();
        }
    }

    fn set_no_delay(&self, _: bool) {}

    fn take_error(&self) -> Option<Error> {
        let mut state = self.shared.state.lock();
        if state.reported {
            return None;
        }
        state.reported = true;
        state.reset.clone()
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        egress::Stream::close(self, false);
    }
}

impl GuestEnd {
    /// Resolves some time after the guest has closed its side; the peer had that time to take the rest.
    pub(crate) fn lingered(&self) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        async move {
            shared.closed.notified().await;
            tokio::time::sleep(LINGER).await;
        }
    }

    /// Resolves when nothing moved for `idle` or the connection is `total` old; the guest then finds it timed out.
    pub(crate) fn expired(
        &self,
        idle: Option<Duration>,
        total: Option<Duration>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        async move {
            shared.activity.ended(idle, total).await;
            Self::reset_shared(&shared, Errno::ETIMEDOUT.into());
        }
    }

    /// The guest's `connect` succeeds.
    pub(crate) fn connected(&self, address: SocketAddr) {
        self.shared.change(|state| state.phase = Phase::Connected(address));
    }

    /// The guest's `connect` fails.
    pub(crate) fn failed(&self, error: Error) {
        self.shared.change(|state| state.phase = Phase::Failed(error));
    }

    /// A handle to end the connection by, while the end itself is in use.
    pub(crate) fn resetter(&self) -> Resetter {
        Resetter(Arc::clone(&self.shared))
    }

    /// Ends the connection with an error in place of an orderly end; what the guest has not read yet is lost.
    pub fn reset(&self, error: Error) {
        Self::reset_shared(&self.shared, error);
    }

    fn reset_shared(shared: &Shared, error: Error) {
        shared.change(|state| {
            state.incoming.bytes = VecDeque::new();
            if state.reset.is_none() && !state.incoming.ended {
                state.reset = Some(error);
            }
        });
    }
}

impl AsyncRead for GuestEnd {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut state = self.shared.state.lock();
        if state.reset.is_some() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if state.outgoing.bytes.is_empty() && !state.outgoing.ended {
            state.outgoing.task = Some(context.waker().clone());
            return Poll::Pending;
        }
        let length = state.outgoing.take(buf.initialize_unfilled());
        drop(state);
        buf.advance(length);
        if length > 0 {
            self.shared.guests.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for GuestEnd {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.shared.state.lock();
        if state.reset.is_some() || state.incoming.abandoned || state.incoming.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let length = state.incoming.put(data);
        if length == 0 && !data.is_empty() {
            state.incoming.task = Some(context.waker().clone());
            return Poll::Pending;
        }
        drop(state);
        self.shared.guests.wake();
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.change(|state| state.incoming.ended = true);
        Poll::Ready(Ok(()))
    }
}

impl Drop for GuestEnd {
    fn drop(&mut self) {
        self.shared.change(|state| {
            if matches!(state.phase, Phase::Connecting) {
                state.phase = Phase::Failed(Errno::ECONNABORTED.into());
            }
            state.outgoing.abandoned = true;
            // Without an orderly end this is none: what the guest got may be a part.
            if !state.incoming.ended && state.reset.is_none() {
                state.reset = Some(Errno::ECONNRESET.into());
            }
        });
    }
}
