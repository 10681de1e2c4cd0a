//! An established stream or packet connection: two flows under one lock.
//!
//! Side `s` writes into `flows[s]` and reads from the other. Unix sockets and TCP differ in what an end learns of the other's
//! shutdown and close, and both are here side by side:
//!
//! | event | unix | TCP |
//! | --- | --- | --- |
//! | peer closed, all read | reads end, writes are `EPIPE` | reads end; one write vanishes, then `EPIPE` |
//! | peer closed with bytes unread | reads are `ECONNRESET` once | so are writes |
//! | peer shut down reading | writes are `EPIPE` | nothing |

use super::cargo::{Attached, Cargo};
use super::queue::{Bytes, copy_start};
use super::stack::Slot;
use super::{MessageFlags, Received, Shutdown};
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{IoResult, PollEvents, Waiters, Woken};
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// How a connection behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    UnixStream,
    UnixPackets,
    Tcp,
}

/// What both ends share.
pub(super) struct Connection {
    slot: Slot,
    style: Style,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    flows: [Flow; 2],
    ends: [End; 2],
}

/// One direction.
struct Flow {
    bytes: Bytes,
    packets: VecDeque<Packet>,
    /// What goes along with bytes.
    attached: Attached,
    /// Bytes in either.
    held: usize,
    /// Bytes it may hold.
    capacity: usize,
    /// No more will be written.
    finished: bool,
    /// The reader reads no more.
    unwanted: bool,
}

/// One packet, and what goes along with it.
struct Packet {
    data: Box<[u8]>,
    cargo: Option<Cargo>,
}

/// One side.
#[derive(Default)]
struct End {
    closed: bool,
    /// It shut down writing before it was connected, so that the peer does not know.
    muted: bool,
    /// Reported once, by the next call.
    error: Option<Errno>,
    readers: Waiters,
    writers: Waiters,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            bytes: Bytes::default(),
            packets: VecDeque::new(),
            attached: Attached::default(),
            held: 0,
            capacity: super::options::BUFFER_DEFAULT as usize,
            finished: false,
            unwanted: false,
        }
    }
}

impl Flow {
    fn is_empty(&self) -> bool {
        self.held == 0 && self.packets.is_empty()
    }

    /// Whether closing over it is a reset: a packet without content that comes first does not count, as in Linux.
    fn resets(&self) -> bool {
        let ignored = self.packets.front().is_some_and(|first| first.data.is_empty());
        self.held > 0 || self.packets.len() > usize::from(ignored)
    }

    fn room(&self) -> usize {
        self.capacity.saturating_sub(self.held)
    }

    /// Whether it is worth waking a writer.
    fn inviting(&self, queue_len: usize) -> bool {
        self.room() >= self.capacity / 3 && self.packets.len() < queue_len
    }

    /// Forgets what it holds. The bytes it held, and what is to be dropped without a lock.
    fn clear(&mut self) -> (usize, Vec<Cargo>) {
        self.bytes.clear();
        let mut cargo = self.attached.clear();
        let packets = core::mem::take(&mut self.packets);
        cargo.extend(packets.into_iter().filter_map(|packet| packet.cargo));
        (core::mem::take(&mut self.held), cargo)
    }
}

/// One end of a connection. Whoever has it closes it.
#[derive(Clone)]
pub(super) struct Link {
    connection: Arc<Connection>,
    side: usize,
}

impl Link {
    /// Two ends of a new connection.
    pub(super) fn pair(slot: Slot, style: Style) -> (Self, Self) {
        let connection = Arc::new(Connection {
            slot,
            style,
            state: Mutex::default(),
        });
        let end = |side| Self {
            connection: Arc::clone(&connection),
            side,
        };
        (end(0), end(1))
    }

    /// How much this side may have under way.
    pub(super) fn set_capacity(&self, bytes: usize) {
        self.connection.state.lock().flows[self.side].capacity = bytes;
    }

    /// `wanted` takes what goes along with the bytes; nothing beyond those is received then.
    pub(super) fn receive(
        &self,
        buf: &mut [u8],
        flags: MessageFlags,
        wanted: Option<&mut Option<Cargo>>,
        waker: Option<&Waker>,
    ) -> IoResult<Received> {
        let (me, net) = (self.side, self.connection.slot.net());
        let mut state = self.connection.state.lock();
        let State { flows, ends } = &mut *state;
        let flow = &mut flows[1 - me];
        if self.connection.style == Style::UnixPackets
            && let Some(error) = ends[me].error.take()
        {
            return Poll::Ready(Err(error.into()));
        }
        if flow.is_empty()
            && let Some(end) = self.end_of_input(flow, &mut ends[me])
        {
            return Poll::Ready(end.map(|()| Received::bytes(0)));
        }
        let more_to_come = self.waits_for_all(flow, buf, flags) && waker.is_some() && !net.is_exhausted();
        if flow.is_empty() || more_to_come {
            let cleared = ends[me].readers.register(waker);
            drop(state);
            cleared.wake();
            return Poll::Pending;
        }
        let (received, freed, cargo) = match self.connection.style {
            Style::UnixPackets => take_packet(flow, buf, flags),
            _ => take_bytes(flow, buf, flags, wanted.is_some()),
        };
        let woken = match flow.inviting(net.queue_len) {
            true => ends[1 - me].writers.take(),
            false => Woken::default(),
        };
        drop(state);
        woken.wake();
        net.unreserve(freed);
        match wanted {
            Some(place) => *place = cargo.into_iter().next(),
            None => drop(cargo),
        }
        Poll::Ready(Ok(received))
    }

    /// Whether a receive that wants its buffer full should go on waiting.
    fn waits_for_all(&self, flow: &Flow, buf: &[u8], flags: MessageFlags) -> bool {
        flags.contains(MessageFlags::WAITALL)
            && !flags.contains(MessageFlags::PEEK)
            && self.connection.style != Style::UnixPackets
            && !flow.finished
            && !flow.unwanted
            && flow.held < buf.len().min(flow.capacity)
    }

    /// Why there will be no more input, if so.
    fn end_of_input(&self, flow: &Flow, end: &mut End) -> Option<Result<()>> {
        // A TCP that saw the end of the stream reports that before an error of its own writes.
        let tcp_ended = self.connection.style == Style::Tcp && flow.finished && end.error == Some(Errno::EPIPE);
        if tcp_ended {
            return Some(Ok(()));
        }
        if let Some(error) = end.error.take() {
            return Some(Err(error.into()));
        }
        (flow.finished || flow.unwanted).then_some(Ok(()))
    }

    /// `cargo` goes along with what is taken.
    pub(super) fn send(&self, data: &[u8], cargo: &mut Option<Cargo>, waker: Option<&Waker>) -> IoResult<usize> {
        let (me, net) = (self.side, self.connection.slot.net());
        let packets = self.connection.style == Style::UnixPackets;
        let mut state = self.connection.state.lock();
        let State { flows, ends } = &mut *state;
        let flow = &mut flows[me];
        if let Some(result) = self.refused(flow, ends, data) {
            return Poll::Ready(result);
        }
        if packets && data.len() > flow.capacity {
            return Poll::Ready(Err(Errno::EMSGSIZE.into()));
        }
        if data.is_empty() && !packets {
            return Poll::Ready(Ok(0));
        }
        let room = flow.room().min(data.len());
        let full = if packets {
            room < data.len() || flow.packets.len() >= net.queue_len
        } else {
            room == 0
        };
        let (got, starved) = match full {
            true => (None, Woken::default()),
            false if data.is_empty() => (Some(0), Woken::default()),
            false => net.reserve(room, packets, waker),
        };
        let Some(got) = got else {
            let cleared = ends[me].writers.register(waker);
            drop(state);
            [cleared, starved].into_iter().for_each(Woken::wake);
            return Poll::Pending;
        };
        let data = data.split_at(got.min(data.len())).0;
        if packets {
            flow.packets.push_back(Packet {
                data: data.into(),
                cargo: cargo.take(),
            });
        } else {
            flow.bytes.push(data);
            flow.attached.push(data.len(), cargo.take_if(|_| !data.is_empty()));
        }
        flow.held += got;
        let woken = ends[1 - me].readers.take();
        drop(state);
        [woken, starved].into_iter().for_each(Woken::wake);
        Poll::Ready(Ok(got))
    }

    /// The answer to a write that cannot be queued whatever the room.
    fn refused(&self, flow: &mut Flow, ends: &mut [End; 2], data: &[u8]) -> Option<Result<usize>> {
        let me = self.side;
        if self.connection.style == Style::UnixPackets
            && let Some(error) = ends[me].error.take()
        {
            return Some(Err(error.into()));
        }
        if self.connection.style != Style::Tcp {
            let deaf = flow.finished || flow.unwanted || ends[me].muted || ends[1 - me].closed;
            return deaf.then(|| Err(Errno::EPIPE.into()));
        }
        if let Some(error) = ends[me].error.take() {
            return Some(Err(error.into()));
        }
        if flow.finished || ends[me].muted {
            return Some(Err(Errno::EPIPE.into()));
        }
        if ends[1 - me].closed && !data.is_empty() {
            // The peer answers this with a reset, which only the next call can see.
            flow.finished = true;
            ends[me].error = Some(Errno::EPIPE);
            return Some(Ok(data.len()));
        }
        None
    }

    pub(super) fn shutdown(&self, how: Shutdown) {
        let me = self.side;
        let mut state = self.connection.state.lock();
        if how != Shutdown::Write {
            state.flows[1 - me].unwanted = true;
            if self.connection.style != Style::Tcp {
                state.flows[1 - me].finished = true;
            }
        }
        if how != Shutdown::Read {
            state.flows[me].finished = true;
        }
        wake_all(state);
    }

    /// Takes over what a socket shut down before it connected.
    pub(super) fn inherit_shutdown(&self, read: bool, write: bool) {
        let mut state = self.connection.state.lock();
        state.flows[1 - self.side].unwanted |= read;
        state.ends[self.side].muted |= write;
    }

    /// Closes this end; `abort` resets the connection even if everything was read (`SO_LINGER` of zero, a backlog that goes).
    pub(super) fn close(&self, abort: bool) {
        let me = self.side;
        let mut state = self.connection.state.lock();
        if core::mem::replace(&mut state.ends[me].closed, true) {
            return;
        }
        let tcp = self.connection.style == Style::Tcp;
        let reset = state.flows[1 - me].resets() || abort;
        let (mut freed, mut dropped) = state.flows[1 - me].clear();
        state.flows[me].finished = true;
        if !tcp || reset {
            state.flows[1 - me].finished = true;
        }
        if state.ends[1 - me].closed {
            let (more, cargo) = state.flows[me].clear();
            freed += more;
            dropped.extend(cargo);
        } else if reset {
            state.ends[1 - me].error = Some(Errno::ECONNRESET);
        }
        wake_all(state);
        self.connection.slot.net().unreserve(freed);
        drop(dropped);
    }

    pub(super) fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let me = self.side;
        let queue_len = self.connection.slot.net().queue_len;
        let mut state = self.connection.state.lock();
        let State { flows, ends } = &mut *state;
        let (input, output) = (&flows[1 - me], &flows[me]);
        let ended = input.finished || input.unwanted;
        let mut ready = PollEvents::empty();
        ready.set(PollEvents::IN, !input.is_empty() || ended);
        ready.set(PollEvents::RDHUP, ended);
        ready.set(PollEvents::OUT, output.inviting(queue_len) || output.finished);
        let silent = output.finished || ends[me].muted || (self.connection.style != Style::Tcp && ends[1 - me].closed);
        ready.set(PollEvents::HUP, ended && silent);
        ready.set(PollEvents::ERR, ends[me].error.is_some());
        ready &= interest | PollEvents::HUP | PollEvents::ERR;
        if !ready.is_empty() {
            return ready;
        }
        let cleared = [ends[me].readers.register(waker), ends[me].writers.register(waker)];
        drop(state);
        cleared.into_iter().for_each(Woken::wake);
        ready
    }

    /// Bytes that wait, of all packets together.
    pub(super) fn available(&self) -> usize {
        self.connection.state.lock().flows[1 - self.side].held
    }

    /// The pending error (`SO_ERROR`), which is then forgotten.
    pub(super) fn take_error(&self) -> Option<Errno> {
        self.connection.state.lock().ends[self.side].error.take()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let flows = &mut self.state.get_mut().flows;
        let left = flows[0].clear().0 + flows[1].clear().0;
        self.slot.net().unreserve(left);
    }
}

/// `together`: not beyond what the next cargo came with.
fn take_bytes(flow: &mut Flow, buf: &mut [u8], flags: MessageFlags, together: bool) -> (Received, usize, Vec<Cargo>) {
    let most = match together {
        true => flow.attached.together(flow.held).min(buf.len()),
        false => buf.len(),
    };
    let count = flow.bytes.peek(buf.get_mut(..most).unwrap_or_default());
    if flags.contains(MessageFlags::PEEK) {
        return (Received::bytes(count), 0, Vec::new());
    }
    flow.bytes.consume(count);
    flow.held -= count;
    let cargo = flow.attached.take(flow.held);
    (Received::bytes(count), count, cargo)
}

fn take_packet(flow: &mut Flow, buf: &mut [u8], flags: MessageFlags) -> (Received, usize, Vec<Cargo>) {
    let Some(packet) = flow.packets.front_mut() else {
        return (Received::bytes(0), 0, Vec::new());
    };
    let received = Received::packet(&packet.data, buf, flags, None);
    if flags.contains(MessageFlags::PEEK) {
        return (received, 0, Vec::new());
    }
    let freed = packet.data.len();
    let cargo = packet.cargo.take().into_iter().collect();
    flow.packets.pop_front();
    if flow.packets.is_empty() {
        flow.packets = VecDeque::new();
    }
    flow.held -= freed;
    (received, freed, cargo)
}

impl Received {
    pub(super) fn bytes(length: usize) -> Self {
        Self {
            length,
            flags: MessageFlags::empty(),
            source: None,
        }
    }

    /// Copies a packet and says what of it arrived.
    pub(super) fn packet(
        packet: &[u8],
        buf: &mut [u8],
        flags: MessageFlags,
        source: Option<super::SocketAddress>,
    ) -> Self {
        let stored = copy_start(packet, buf);
        let cut = stored < packet.len();
        Self {
            length: if flags.contains(MessageFlags::TRUNC) {
                packet.len()
            } else {
                stored
            },
            flags: if cut {
                MessageFlags::TRUNC
            } else {
                MessageFlags::empty()
            },
            source,
        }
    }
}

/// Unlocks and wakes everybody at both ends.
fn wake_all(mut state: parking_lot::MutexGuard<'_, State>) {
    let woken: [Woken; 4] = {
        let [one, two] = &mut state.ends;
        [
            one.readers.take(),
            one.writers.take(),
            two.readers.take(),
            two.writers.take(),
        ]
    };
    drop(state);
    woken.into_iter().for_each(Woken::wake);
}
