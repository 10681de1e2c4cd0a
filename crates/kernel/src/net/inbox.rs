//! Where the datagrams for one socket wait.
//!
//! A UDP datagram that finds no room is dropped and counted. A unix datagram never is: its sender waits.

use super::address::Name;
use super::cargo::Cargo;
use super::stack::Net;
use super::{Domain, MessageFlags, Received};
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{IoResult, PollEvents, Waiters, Woken};
use core::net::SocketAddr;
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

pub(super) struct Inbox {
    net: Arc<Net>,
    /// Of the socket, to tell inboxes apart.
    pub(super) id: u64,
    state: Mutex<State>,
}

struct State {
    queue: VecDeque<Datagram>,
    held: usize,
    /// Bytes it may hold.
    capacity: usize,
    filter: Filter,
    closed: bool,
    unwanted: bool,
    silent: bool,
    error: Option<Errno>,
    readers: Waiters,
    senders: Waiters,
}

struct Datagram {
    data: Box<[u8]>,
    source: Name,
    cargo: Option<Cargo>,
}

/// Whose datagrams are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Filter {
    #[default]
    Anybody,
    /// A connected UDP socket: one address.
    Address(SocketAddr),
    /// A connected unix socket: one inbox.
    Inbox(u64),
}

/// What became of a datagram.
pub(super) enum Delivery {
    Taken,
    Dropped,
    /// There is no room, and the sender's waker waits for some.
    Full,
    Refused(Errno),
}

impl Inbox {
    pub(super) fn new(net: &Arc<Net>, id: u64) -> Arc<Self> {
        let state = State {
            queue: VecDeque::new(),
            held: 0,
            capacity: super::options::BUFFER_DEFAULT as usize,
            filter: Filter::default(),
            closed: false,
            unwanted: false,
            silent: false,
            error: None,
            readers: Waiters::default(),
            senders: Waiters::default(),
        };
        Arc::new(Self {
            net: Arc::clone(net),
            id,
            state: Mutex::new(state),
        })
    }

    pub(super) fn set_capacity(&self, bytes: usize) {
        self.state.lock().capacity = bytes;
    }

    pub(super) fn set_filter(&self, filter: Filter) {
        self.state.lock().filter = filter;
    }

    /// How well a UDP datagram from `source` fits: `None` not at all, connected sockets best.
    pub(super) fn fit(&self, source: SocketAddr) -> Option<u8> {
        match self.state.lock().filter {
            Filter::Address(peer) if peer == source => Some(1),
            Filter::Anybody => Some(0),
            _ => None,
        }
    }

    /// Whether the unix socket with inbox `sender` may send here: `EPERM` if this one is connected to another.
    pub(super) fn may_receive_from(&self, sender: u64) -> Result<()> {
        match self.state.lock().filter {
            Filter::Inbox(peer) if peer != sender => Err(Errno::EPERM.into()),
            _ => Ok(()),
        }
    }

    /// Takes a UDP datagram or drops it; a sender waits only for buffer space of the VM.
    pub(super) fn deliver(&self, data: &[u8], source: Name, waker: Option<&Waker>) -> Delivery {
        let state = self.state.lock();
        if state.closed || state.is_full(data.len(), self.net.queue_len) {
            let is_long = !state.closed && state.queue.len() >= self.net.queue_len;
            drop(state);
            self.net.count_dropped(is_long);
            return Delivery::Dropped;
        }
        self.enqueue(state, (data, source, &mut None), waker)
    }

    /// Takes a unix datagram, and what goes along with it, from the socket with inbox `sender`.
    pub(super) fn deliver_from(
        &self,
        sender: u64,
        (data, cargo): (&[u8], &mut Option<Cargo>),
        source: Name,
        waker: Option<&Waker>,
    ) -> Delivery {
        let mut state = self.state.lock();
        if state.closed {
            return Delivery::Refused(Errno::ECONNREFUSED);
        }
        if !matches!(state.filter, Filter::Anybody) && state.filter != Filter::Inbox(sender) {
            return Delivery::Refused(Errno::EPERM);
        }
        if state.unwanted {
            return Delivery::Refused(Errno::EPIPE);
        }
        if data.len() > state.capacity {
            return Delivery::Refused(Errno::EMSGSIZE);
        }
        if state.is_full(data.len(), self.net.queue_len) {
            let cleared = state.senders.register(waker);
            drop(state);
            cleared.wake();
            return Delivery::Full;
        }
        self.enqueue(state, (data, source, cargo), waker)
    }

    fn enqueue(
        &self,
        mut state: parking_lot::MutexGuard<'_, State>,
        (data, source, cargo): (&[u8], Name, &mut Option<Cargo>),
        waker: Option<&Waker>,
    ) -> Delivery {
        let (got, starved) = match data.is_empty() {
            true => (Some(0), Woken::default()),
            false => self.net.reserve(data.len(), true, waker),
        };
        if got.is_none() {
            drop(state);
            starved.wake();
            return Delivery::Full;
        }
        state.held += data.len();
        state.queue.push_back(Datagram {
            data: data.into(),
            source,
            cargo: cargo.take(),
        });
        let woken = state.readers.take();
        drop(state);
        [woken, starved].into_iter().for_each(Woken::wake);
        Delivery::Taken
    }

    /// Takes the oldest datagram; `domain` is how its source is written. `wanted` takes what goes along with it.
    pub(super) fn receive(
        &self,
        buf: &mut [u8],
        (flags, domain): (MessageFlags, Domain),
        wanted: Option<&mut Option<Cargo>>,
        waker: Option<&Waker>,
    ) -> IoResult<Received> {
        let mut state = self.state.lock();
        if let Some(error) = state.error.take() {
            return Poll::Ready(Err(error.into()));
        }
        let Some(datagram) = state.queue.front() else {
            // Linux looks for the shutdown only when it goes to sleep.
            if state.unwanted && waker.is_some() {
                return Poll::Ready(Ok(Received::bytes(0)));
            }
            let cleared = state.readers.register(waker);
            drop(state);
            cleared.wake();
            return Poll::Pending;
        };
        let received = Received::packet(&datagram.data, buf, flags, Some(datagram.source.shown(domain)));
        if flags.contains(MessageFlags::PEEK) {
            return Poll::Ready(Ok(received));
        }
        let freed = datagram.data.len();
        let cargo = state.queue.pop_front().and_then(|datagram| datagram.cargo);
        if state.queue.is_empty() {
            state.queue = VecDeque::new();
        }
        state.held -= freed;
        let woken = state.senders.take();
        drop(state);
        woken.wake();
        self.net.unreserve(freed);
        match wanted {
            Some(place) => *place = cargo,
            None => drop(cargo),
        }
        Poll::Ready(Ok(received))
    }

    /// What keeps its owner from sending.
    pub(super) fn may_send(&self) -> Result<()> {
        let mut state = self.state.lock();
        if let Some(error) = state.error.take() {
            return Err(error.into());
        }
        match state.silent {
            true => Err(Errno::EPIPE.into()),
            false => Ok(()),
        }
    }

    /// Reports an error to the owner's next call.
    pub(super) fn set_error(&self, error: Errno) {
        let mut state = self.state.lock();
        state.error = Some(error);
        let woken = state.readers.take();
        drop(state);
        woken.wake();
    }

    /// Lets everybody who waits to receive look again.
    pub(super) fn wake_readers(&self) {
        let woken = self.state.lock().readers.take();
        woken.wake();
    }

    pub(super) fn take_error(&self) -> Option<Errno> {
        self.state.lock().error.take()
    }

    pub(super) fn shutdown(&self, read: bool, write: bool) {
        let mut state = self.state.lock();
        state.unwanted |= read;
        state.silent |= write;
        let woken = [state.readers.take(), state.senders.take()];
        drop(state);
        woken.into_iter().for_each(Woken::wake);
    }

    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        let dropped = core::mem::take(&mut state.queue);
        let freed = core::mem::take(&mut state.held);
        let woken = [state.readers.take(), state.senders.take()];
        drop(state);
        drop(dropped);
        woken.into_iter().for_each(Woken::wake);
        self.net.unreserve(freed);
    }

    /// Throws away what a unix peer had sent before this socket turned away from it. The peer hears of it, if it was connected
    /// the other way, too.
    pub(super) fn leave(&self, peer: Option<&Self>) {
        let mut state = self.state.lock();
        if state.queue.is_empty() {
            return;
        }
        let dropped = core::mem::take(&mut state.queue);
        let freed = core::mem::take(&mut state.held);
        let woken = state.senders.take();
        drop(state);
        drop(dropped);
        woken.wake();
        self.net.unreserve(freed);
        if let Some(peer) = peer.filter(|peer| peer.state.lock().listens_only_to(self.id)) {
            peer.set_error(Errno::ECONNRESET);
        }
    }

    pub(super) fn available(&self) -> usize {
        self.state
            .lock()
            .queue
            .front()
            .map_or(0, |datagram| datagram.data.len())
    }

    /// Conditions but for `OUT`, which depends on where the owner sends; always registers.
    pub(super) fn poll(&self, waker: Option<&Waker>) -> PollEvents {
        let mut state = self.state.lock();
        let mut ready = PollEvents::empty();
        ready.set(PollEvents::IN, !state.queue.is_empty() || state.unwanted);
        ready.set(PollEvents::RDHUP, state.unwanted);
        ready.set(PollEvents::HUP, state.unwanted && state.silent);
        ready.set(PollEvents::ERR, state.error.is_some());
        let cleared = state.readers.register(waker);
        drop(state);
        cleared.wake();
        ready
    }

    /// Whether a connected unix sender would find room; else its `waker` waits for some.
    pub(super) fn has_room(&self, waker: Option<&Waker>) -> bool {
        let mut state = self.state.lock();
        let free = state.closed || state.unwanted || !state.is_full(1, self.net.queue_len);
        let cleared = if free {
            Woken::default()
        } else {
            state.senders.register(waker)
        };
        drop(state);
        cleared.wake();
        free
    }
}

impl State {
    fn listens_only_to(&self, id: u64) -> bool {
        !self.closed && self.filter == Filter::Inbox(id)
    }

    fn is_full(&self, more: usize, queue_len: usize) -> bool {
        self.queue.len() >= queue_len || self.held.saturating_add(more) > self.capacity
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.net.unreserve(core::mem::take(&mut self.state.get_mut().held));
    }
}
