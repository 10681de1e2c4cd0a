//! A stream to somebody outside of the VM, with the manners of a socket.
//!
//! Reading and writing go straight to the egress's stream. Only what it cannot do itself is done here: `MSG_PEEK` and
//! `MSG_WAITALL` take bytes out of the stream and hold them, counted among the VM's buffered bytes, for the calls that follow.

use super::queue::Bytes;
use super::stack::Slot;
use super::{MessageFlags, Received, Shutdown, Stream};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::fd::{IoResult, PollEvents, Woken};
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use std::sync::Arc;

pub(super) struct Outside {
    stream: Arc<dyn Stream>,
    held: Mutex<Held>,
    /// Whether anything is held: the calls that need not know do not lock.
    holding: AtomicBool,
    /// Reading was shut down.
    deaf: AtomicBool,
    /// Writing was shut down.
    mute: AtomicBool,
    closed: AtomicBool,
    slot: Slot,
}

/// What was taken out of the stream and not given to anybody.
#[derive(Default)]
struct Held {
    bytes: Bytes,
    len: usize,
    /// Came after the bytes.
    error: Option<Error>,
}

/// Most bytes that are held, and that are taken at once.
const HELD_MAX: usize = 256 << 10;
const CHUNK: usize = 16 << 10;

impl Outside {
    pub(super) fn new(stream: Arc<dyn Stream>, slot: Slot) -> Arc<Self> {
        Arc::new(Self {
            stream,
            held: Mutex::default(),
            holding: AtomicBool::new(false),
            deaf: AtomicBool::new(false),
            mute: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            slot,
        })
    }

    pub(super) fn poll_connected(&self, waker: Option<&Waker>) -> IoResult<SocketAddr> {
        self.stream.poll_connected(waker)
    }

    pub(super) fn receive(&self, buf: &mut [u8], flags: MessageFlags, waker: Option<&Waker>) -> IoResult<Received> {
        if buf.is_empty() {
            return self.receive_nothing(waker);
        }
        let gathers = flags.intersects(MessageFlags::PEEK | MessageFlags::WAITALL);
        if gathers || self.holding.load(Ordering::Acquire) {
            return self.receive_held(buf, flags, waker);
        }
        let read = self.stream.read(buf, waker);
        match read {
            Poll::Pending if self.deaf.load(Ordering::Acquire) => Poll::Ready(Ok(Received::bytes(0))),
            read => read.map_ok(Received::bytes),
        }
    }

    /// A receive without a buffer waits for something all the same, and takes nothing but an error.
    fn receive_nothing(&self, waker: Option<&Waker>) -> IoResult<Received> {
        let ready = self.poll(PollEvents::IN, waker);
        if ready.is_empty() {
            return Poll::Pending;
        }
        if !ready.contains(PollEvents::ERR) || self.available() > 0 {
            return Poll::Ready(Ok(Received::bytes(0)));
        }
        // A peer that ended its half before it reset the other is at its end for readers, and the error is the writer's: only
        // the stream knows the order, so it is asked as a reader with a buffer would.
        match self.receive_held(&mut [0], MessageFlags::PEEK, None) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(Received::bytes(0))),
        }
    }

    /// Receives what is held, after gathering what the flags ask for.
    fn receive_held(&self, buf: &mut [u8], flags: MessageFlags, waker: Option<&Waker>) -> IoResult<Received> {
        let mut woken = Vec::new();
        let mut held = self.held.lock();
        let gathered = self.gather(&mut held, buf.len(), flags, waker, &mut woken);
        let mut freed = 0;
        let result = match (gathered, held.len) {
            (Poll::Pending, _) => Poll::Pending,
            (Poll::Ready(()), 0) => Poll::Ready(match held.error.take() {
                Some(error) => Err(error),
                None => Ok(Received::bytes(0)),
            }),
            (Poll::Ready(()), _) => {
                let count = held.bytes.peek(buf);
                if !flags.contains(MessageFlags::PEEK) {
                    held.bytes.consume(count);
                    held.len -= count;
                    freed = count;
                }
                let rest = buf.get_mut(count..).filter(|rest| freed > 0 && !rest.is_empty());
                let more = rest.map_or(0, |rest| self.read_on(&mut held, rest));
                Poll::Ready(Ok(Received::bytes(count + more)))
            }
        };
        let holding = held.len > 0 || held.error.is_some();
        self.holding.store(holding, Ordering::Release);
        drop(held);
        woken.into_iter().for_each(Woken::wake);
        self.slot.net().unreserve(freed);
        result
    }

    /// What the stream has beyond the bytes that were held.
    fn read_on(&self, held: &mut Held, rest: &mut [u8]) -> usize {
        if held.error.is_some() {
            return 0;
        }
        match self.stream.read(rest, None) {
            Poll::Ready(Ok(count)) => count,
            Poll::Ready(Err(error)) => {
                held.error = Some(error);
                0
            }
            Poll::Pending => 0,
        }
    }

    /// Takes bytes out of the stream until there are as many as wanted, it has no more, or it ended.
    fn gather(
        &self,
        held: &mut Held,
        want: usize,
        flags: MessageFlags,
        waker: Option<&Waker>,
        woken: &mut Vec<Woken>,
    ) -> Poll<()> {
        let want = want.min(HELD_MAX);
        let whole = flags.contains(MessageFlags::WAITALL) && waker.is_some();
        let gathers = flags.intersects(MessageFlags::PEEK | MessageFlags::WAITALL) || held.len == 0;
        while gathers && held.len < want && held.error.is_none() {
            // A call that has enough to answer only looks whether there is more.
            let waits = held.len == 0 || whole;
            let mut chunk = [0; CHUNK];
            let room = (want - held.len).min(CHUNK);
            let (space, starved) = self.slot.net().reserve(room, false, waker.filter(|_| waits));
            woken.push(starved);
            let Some(space) = space else {
                // What is held is all that there is room for.
                return if held.len > 0 { Poll::Ready(()) } else { Poll::Pending };
            };
            let part = chunk.get_mut(..space).unwrap_or_default();
            let read = self.stream.read(part, waker.filter(|_| waits));
            let count = match &read {
                Poll::Ready(Ok(count)) => (*count).min(space),
                _ => 0,
            };
            self.slot.net().unreserve(space - count);
            held.bytes.push(chunk.get(..count).unwrap_or_default());
            held.len += count;
            match read {
                Poll::Ready(Ok(0)) => return Poll::Ready(()),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => held.error = Some(error),
                Poll::Pending if self.deaf.load(Ordering::Acquire) || !waits => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    pub(super) fn send(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        if let Some(error) = self.kept_error() {
            return Poll::Ready(Err(error));
        }
        let mute = self.mute.load(Ordering::Acquire);
        if !data.is_empty() && !mute {
            return self.stream.write(data, waker);
        }
        // Nothing is written, but how the connection fares is told.
        let over = mute || self.stream.poll(PollEvents::empty(), None).contains(PollEvents::HUP);
        let error = self.take_error().or_else(|| over.then(|| Errno::EPIPE.into()));
        Poll::Ready(error.map_or(Ok(0), Err))
    }

    pub(super) fn shutdown(&self, how: Shutdown) {
        self.inherit_shutdown(how != Shutdown::Write, how != Shutdown::Read);
        self.stream.shutdown(how);
    }

    pub(super) fn inherit_shutdown(&self, read: bool, write: bool) {
        self.deaf.fetch_or(read, Ordering::AcqRel);
        self.mute.fetch_or(write, Ordering::AcqRel);
    }

    pub(super) fn close(&self, abort: bool) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let unread = self.let_go();
        // As the host does with what it still has itself: bytes that nobody read make it a reset.
        self.stream.close(abort || unread > 0);
    }

    /// Throws away what is held and returns how much it was.
    fn let_go(&self) -> usize {
        let mut held = self.held.lock();
        held.bytes.clear();
        let freed = core::mem::take(&mut held.len);
        drop(held);
        self.slot.net().unreserve(freed);
        freed
    }

    pub(super) fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let deaf = self.deaf.load(Ordering::Acquire);
        let mute = self.mute.load(Ordering::Acquire);
        let mut own = PollEvents::empty();
        let holding = self.holding.load(Ordering::Acquire);
        own.set(PollEvents::IN, deaf || holding);
        own.set(PollEvents::ERR, holding && self.held.lock().error.is_some());
        own.set(PollEvents::RDHUP, deaf);
        own.set(PollEvents::OUT, mute);
        own.set(PollEvents::HUP, deaf && mute);
        own &= interest | PollEvents::HUP | PollEvents::ERR;
        match own.is_empty() {
            true => self.stream.poll(interest, waker),
            false => own | self.stream.poll(interest, None),
        }
    }

    pub(super) fn available(&self) -> u64 {
        let held = self.held.lock().len as u64;
        held.saturating_add(self.stream.available())
    }

    pub(super) fn take_error(&self) -> Option<Error> {
        self.kept_error().or_else(|| self.stream.take_error())
    }

    /// An error that was met while bytes were gathered.
    fn kept_error(&self) -> Option<Error> {
        match self.holding.load(Ordering::Acquire) {
            true => self.held.lock().error.take(),
            false => None,
        }
    }

    pub(super) fn set_no_delay(&self, on: bool) {
        self.stream.set_no_delay(on);
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.close(false);
    }
}

/// Result of a connection attempt, without the address.
pub(super) fn outcome(outside: &Outside, waker: Option<&Waker>) -> Poll<Result<()>> {
    outside.poll_connected(waker).map_ok(|_| ())
}
