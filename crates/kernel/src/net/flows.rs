//! The flows of one datagram socket to destinations outside of the VM.
//!
//! Each destination has a flow of its own, so that only whom the socket wrote to can answer. A flow on which nothing went
//! either way for a minute ends; the next datagram opens another. Each counts as one of the VM's connections, because the host
//! spends a socket on it.

use super::inbox::Inbox;
use super::stack::{Net, Slot};
use super::{Datagrams, MessageFlags, Received, SocketAddress};
use crate::clock::Instant;
use crate::errno::Errno;
use crate::error::{LimitExceeded, Result};
use crate::fd::{IoResult, PollEvents};
use core::net::SocketAddr;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::task::Wake;

pub(super) struct Flows {
    net: Arc<Net>,
    /// Of the socket: whoever waits to receive waits there.
    inbox: Arc<Inbox>,
    state: Mutex<State>,
    /// How many there are, so that a socket without any need not lock.
    count: AtomicUsize,
}

#[derive(Default)]
struct State {
    flows: Vec<Arc<Flow>>,
    closed: bool,
}

/// One destination.
pub(super) struct Flow {
    to: SocketAddr,
    way: Arc<dyn Datagrams>,
    used: Mutex<Instant>,
    _slot: Slot,
}

/// How long a flow lives without use, in nanoseconds.
const IDLE: u64 = 60_000_000_000;

impl Flow {
    pub(super) fn send(&self, data: &[u8], net: &Net, waker: Option<&Waker>) -> IoResult<usize> {
        *self.used.lock() = net.clock.instant();
        self.way.send(data, waker).map_ok(|()| data.len())
    }

    fn is_idle(&self, now: Instant) -> bool {
        now.since(*self.used.lock()) >= IDLE
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.way.close();
    }
}

impl Flows {
    pub(super) fn new(net: &Arc<Net>, inbox: &Arc<Inbox>) -> Arc<Self> {
        Arc::new(Self {
            net: Arc::clone(net),
            inbox: Arc::clone(inbox),
            state: Mutex::default(),
            count: AtomicUsize::new(0),
        })
    }

    /// The flow to a destination, if there is one.
    pub(super) fn find(&self, to: SocketAddr) -> Option<Arc<Flow>> {
        if self.is_empty() {
            return None;
        }
        self.state.lock().flows.iter().find(|flow| flow.to == to).cloned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// The flow to a destination; `make` opens one if there is none yet.
    ///
    /// # Errors
    /// `EAGAIN` with as many flows as a socket may have, or at the VM's limit of connections; those of `make`.
    pub(super) fn open(
        self: &Arc<Self>,
        to: SocketAddr,
        make: impl FnOnce() -> Result<Arc<dyn Datagrams>>,
    ) -> Result<Arc<Flow>> {
        if let Some(known) = self.find(to) {
            return Ok(known);
        }
        self.end_idle();
        let most = self.net.udp_peers;
        let count = self.state.lock().flows.len();
        if count >= most {
            return Err(too_many(count, most).into());
        }
        let slot = Slot::take(&self.net)?;
        let flow = Arc::new(Flow {
            to,
            way: make()?,
            used: Mutex::new(self.net.clock.instant()),
            _slot: slot,
        });
        self.keep(flow, most)
    }

    /// Adds a new flow, unless the socket was closed or another thread opened one meanwhile.
    fn keep(self: &Arc<Self>, flow: Arc<Flow>, most: usize) -> Result<Arc<Flow>> {
        let mut state = self.state.lock();
        if let Some(known) = state.flows.iter().find(|known| known.to == flow.to) {
            let known = Arc::clone(known);
            drop(state);
            return Ok(known);
        }
        if state.closed || state.flows.len() >= most {
            let (closed, count) = (state.closed, state.flows.len());
            drop(state);
            return Err(match closed {
                true => Errno::EBADF.into(),
                false => too_many(count, most).into(),
            });
        }
        state.flows.push(Arc::clone(&flow));
        self.count.store(state.flows.len(), Ordering::Release);
        drop(state);
        self.net.sweeper.watch(self);
        // Whoever waits does not listen to this one yet.
        self.inbox.wake_readers();
        Ok(flow)
    }

    /// Takes one datagram from any flow, or from the one to `only`. `None` if there is none; `waker` then waits for one.
    pub(super) fn receive(
        &self,
        only: Option<SocketAddr>,
        buf: &mut [u8],
        waker: Option<&Waker>,
    ) -> Option<Result<(usize, SocketAddr)>> {
        for flow in self.all(only) {
            match flow.way.receive(buf, waker) {
                Poll::Ready(Ok(length)) => {
                    *flow.used.lock() = self.net.clock.instant();
                    return Some(Ok((length, flow.to)));
                }
                // Without a connection nobody can tell which datagram it was about, so Linux does not say it.
                Poll::Ready(Err(error)) if only.is_some() => return Some(Err(error)),
                Poll::Ready(Err(_)) | Poll::Pending => {}
            }
        }
        None
    }

    /// Moves one datagram that arrived outside to the socket's inbox, where it can be looked at.
    pub(super) fn pull(&self, only: Option<SocketAddr>, waker: Option<&Waker>) -> Option<Result<()>> {
        let mut data = vec![0; DATAGRAM_MAX];
        Some(self.receive(only, &mut data, waker)?.map(|(length, from)| {
            let data = data.get(..length).unwrap_or(&data);
            let _ = self.inbox.deliver(data, super::address::Name::Inet(from), None);
        }))
    }

    pub(super) fn poll(&self, only: Option<SocketAddr>, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let mut ready = PollEvents::empty();
        for flow in self.all(only) {
            ready |= flow.way.poll(interest, waker.filter(|_| ready.is_empty()));
        }
        match only {
            Some(_) => ready,
            // As errors are not reported then, they are no reason to wake up.
            None => ready & interest,
        }
    }

    pub(super) fn take_error(&self, only: SocketAddr) -> Option<crate::Error> {
        self.find(only).and_then(|flow| flow.way.take_error())
    }

    /// Ends every flow but the one to `kept`.
    pub(super) fn end_others(&self, kept: Option<SocketAddr>) {
        self.retain(|flow| Some(flow.to) == kept);
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.end_others(None);
    }

    fn end_idle(&self) {
        let now = self.net.clock.instant();
        self.retain(|flow| !flow.is_idle(now));
    }

    fn retain(&self, keep: impl Fn(&Flow) -> bool) {
        let mut state = self.state.lock();
        let (kept, ended) = core::mem::take(&mut state.flows)
            .into_iter()
            .partition(|flow| keep(flow));
        state.flows = kept;
        self.count.store(state.flows.len(), Ordering::Release);
        drop(state);
        let ended: Vec<Arc<Flow>> = ended;
        drop(ended);
    }

    fn all(&self, only: Option<SocketAddr>) -> Vec<Arc<Flow>> {
        if self.is_empty() {
            return Vec::new();
        }
        let mut state = self.state.lock();
        if only.is_none() {
            // So that a busy peer does not keep the others waiting.
            let by = usize::from(state.flows.len() > 1);
            state.flows.rotate_left(by);
        }
        let wanted = state.flows.iter().filter(|flow| only.is_none_or(|to| flow.to == to));
        wanted.cloned().collect()
    }

    /// When the first of them will have been idle for too long.
    fn next_end(&self) -> Option<Instant> {
        let state = self.state.lock();
        state.flows.iter().map(|flow| flow.used.lock().after(IDLE)).min()
    }
}

impl Drop for Flows {
    fn drop(&mut self) {
        self.net.sweeper.forget(self.inbox.id);
    }
}

/// Ends the idle flows of a VM. One timer at a time serves all of them, however fast a guest makes and closes sockets.
#[derive(Default)]
pub(super) struct Sweeper(Mutex<Sweeping>);

#[derive(Default)]
struct Sweeping {
    /// By number of the socket's inbox.
    watched: HashMap<u64, Weak<Flows>>,
    armed: bool,
}

impl Sweeper {
    fn watch(&self, flows: &Arc<Flows>) {
        let mut state = self.0.lock();
        state.watched.insert(flows.inbox.id, Arc::downgrade(flows));
        let starts = !core::mem::replace(&mut state.armed, true);
        drop(state);
        if starts {
            arm(&flows.net, flows.net.clock.instant().after(IDLE));
        }
    }

    fn forget(&self, id: u64) {
        let forgotten = self.0.lock().watched.remove(&id);
        drop(forgotten);
    }

    fn sweep(&self, net: &Arc<Net>) {
        let watched: Vec<_> = self.0.lock().watched.values().filter_map(Weak::upgrade).collect();
        watched.iter().for_each(|flows| flows.end_idle());
        let next = watched.iter().filter_map(|flows| flows.next_end()).min();
        let mut state = self.0.lock();
        // Whoever opens a flow afterwards is watched again.
        for flows in watched.iter().filter(|flows| flows.is_empty()) {
            state.watched.remove(&flows.inbox.id);
        }
        // One that came meanwhile found the timer set.
        let next = next.or_else(|| (!state.watched.is_empty()).then(|| net.clock.instant().after(IDLE)));
        state.armed = next.is_some();
        drop(state);
        if let Some(next) = next {
            arm(net, next);
        }
    }
}

fn arm(net: &Arc<Net>, at: Instant) {
    let waker = Waker::from(Arc::new(Alarm(Arc::downgrade(net))));
    net.clock.wake_at(at, &waker);
}

struct Alarm(Weak<Net>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        if let Some(net) = self.0.upgrade() {
            net.sweeper.sweep(&net);
        }
    }
}

/// Largest datagram, with its headers.
const DATAGRAM_MAX: usize = 65_535;

fn too_many(count: usize, most: usize) -> LimitExceeded {
    LimitExceeded::new(
        "limits.network.maxUdpPeersPerSocket",
        "peers",
        count as u64 + 1,
        most as u64,
        "sendto",
        Errno::EAGAIN,
    )
}

/// What a receive call says about a datagram of `length` bytes that was stored in `capacity`.
pub(super) fn received(length: usize, capacity: usize, flags: MessageFlags, source: SocketAddress) -> Received {
    let cut = length > capacity;
    let whole = cut && flags.contains(MessageFlags::TRUNC);
    Received {
        length: if whole { length } else { length.min(capacity) },
        flags: if cut {
            MessageFlags::TRUNC
        } else {
            MessageFlags::empty()
        },
        source: Some(source),
    }
}
