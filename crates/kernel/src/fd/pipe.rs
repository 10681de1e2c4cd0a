//! Pipes (`pipe(7)`), also behind FIFOs.
//!
//! One buffer under one lock, with the two sets of waiting tasks. The buffer grows by powers of two as it is used and never
//! beyond [`PIPE_CAPACITY`], so that a pipe which only ever carries a few lines stays small.
//!
//! A write of at most [`PIPE_BUF`] bytes is all or nothing; a larger one takes what fits. Writers are woken, and told by
//! `poll`, only once [`PIPE_BUF`] bytes fit: whoever is woken can then make progress, whatever the size.
//!
//! **Growing.** A process that holds both ends and fills its own pipe would wait for itself for ever. Its writes go through
//! [`PipeEnd::write_growing`]: they never wait, the buffer grows instead, counted for the whole VM and refused at the cap.

use super::file::{File, IoResult, PollEvents};
use super::flags::AccessMode;
use super::host_pipe::HostPipe;
use super::hosted::PipeUse;
use super::limits::FdLimits;
use super::waiters::{Waiters, Woken};
use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Gid, Ino, Uid};
use crate::vfs::{Attr, FileType, Mode};
use core::any::Any;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes that a pipe holds before writers wait (limits.md section 4.2).
pub const PIPE_CAPACITY: usize = 64 * 1024;

/// Largest write that is never split or mixed with another (limits.md section 4.2).
pub const PIPE_BUF: usize = 4096;

/// A pipe: what its ends share. Counted against `maxPipes` while it exists.
pub struct Pipe {
    number: u64,
    owner: (Uid, Gid),
    created: Timestamp,
    limits: Arc<FdLimits>,
    used_for: PipeUse,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    buffer: VecDeque<u8>,
    /// Bytes taken from the VM's memory for the buffer.
    charged: usize,
    /// Bytes taken from the counter of grown pipes; all beyond the capacity.
    grown: usize,
    readers: Side,
    writers: Side,
    /// Where the bytes are once a native program holds an end; the buffer is empty then.
    host: Option<Arc<dyn HostPipe>>,
}

impl State {
    /// Whether anybody has an end of this side, which is the kernel's or a native program's.
    fn has(&self, side: AccessMode) -> bool {
        let own = match side {
            AccessMode::READ => &self.readers,
            _ => &self.writers,
        };
        own.open > 0 || self.host.as_ref().is_some_and(|host| host.has(side))
    }
}

/// Stands for a number of ends that no side ever reaches.
const MET: u64 = u64::MAX;

/// The ends of one direction.
#[derive(Default)]
struct Side {
    open: usize,
    /// Ends that were ever opened: tells whether somebody came and went meanwhile.
    opened: u64,
    waiting: Waiters,
}

impl Pipe {
    /// A pipe without ends. `owner` and `now` are what `fstat(2)` will say of it.
    ///
    /// # Errors
    /// `EAGAIN` at the limit.
    pub fn new(limits: &Arc<FdLimits>, owner: (Uid, Gid), now: Timestamp) -> Result<Arc<Self>> {
        Self::used_for(PipeUse::Guests, limits, owner, now)
    }

    /// The same for a pipe of which one side is the host's.
    ///
    /// # Errors
    /// `EAGAIN` at the limit.
    pub fn used_for(used_for: PipeUse, limits: &Arc<FdLimits>, owner: (Uid, Gid), now: Timestamp) -> Result<Arc<Self>> {
        limits.pipes().take(1, "pipe")?;
        Ok(Arc::new(Self {
            number: limits.next_id(),
            owner,
            created: now,
            limits: Arc::clone(limits),
            used_for,
            state: Mutex::default(),
        }))
    }

    /// The number in `pipe:[number]`, also its inode number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Moves the bytes into a pipe of the host, which `make` makes with what is in this one, unless that was done before. For the
    /// executor of native programs; everybody else goes on as before.
    ///
    /// # Errors
    /// Those of `make`; nothing has changed then.
    pub fn on_host(&self, make: impl FnOnce(&[u8]) -> Result<Arc<dyn HostPipe>>) -> Result<Arc<dyn HostPipe>> {
        let mut state = self.state.lock();
        if let Some(host) = &state.host {
            return Ok(Arc::clone(host));
        }
        let host = make(state.buffer.make_contiguous())?;
        host.hold(state.readers.open > 0, state.writers.open > 0);
        state.host = Some(Arc::clone(&host));
        let moved = self.discard(&mut state);
        let woken = [state.readers.waiting.take(), state.writers.waiting.take()];
        drop(state);
        woken.into_iter().for_each(Woken::wake);
        self.forget(moved);
        Ok(host)
    }

    /// Whether native programs may hold ends that are not counted here.
    pub(super) fn is_on_host(&self) -> bool {
        self.state.lock().host.is_some()
    }

    /// Whether anybody has an end, a native program included.
    pub(super) fn is_open(&self) -> bool {
        let state = self.state.lock();
        state.has(AccessMode::READ) || state.has(AccessMode::WRITE)
    }

    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        let mut state = self.state.lock();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if let Some(host) = state.host.clone() {
            drop(state);
            return host.read(buf, waker);
        }
        if state.buffer.is_empty() {
            if state.writers.open == 0 {
                return Poll::Ready(Ok(0));
            }
            let cleared = state.readers.waiting.register(waker);
            drop(state);
            cleared.wake();
            return Poll::Pending;
        }
        let count = pop(&mut state.buffer, buf);
        self.shrink(&mut state);
        let woken = match room(&state.buffer) >= PIPE_BUF {
            true => state.writers.waiting.take(),
            false => Woken::default(),
        };
        let empty = state.buffer.is_empty();
        drop(state);
        woken.wake();
        if let Some(hosted) = self.limits.hosted(self.used_for) {
            hosted.release(count, empty);
        }
        Poll::Ready(Ok(count))
    }

    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut state = self.state.lock();
        if let Some(host) = state.host.clone() {
            drop(state);
            return host.write(data, waker);
        }
        if state.readers.open == 0 {
            return Poll::Ready(Err(Errno::EPIPE.into()));
        }
        let room = room(&state.buffer);
        let fits = match data.len() <= PIPE_BUF {
            true if room < data.len() => 0,
            _ => room.min(data.len()),
        };
        if fits == 0 {
            let cleared = state.writers.waiting.register(waker);
            drop(state);
            cleared.wake();
            return Poll::Pending;
        }
        let (fits, cleared) = match self.limits.hosted(self.used_for) {
            Some(hosted) => hosted.reserve(fits, data.len() <= PIPE_BUF, state.buffer.is_empty(), waker),
            None => (fits, Woken::default()),
        };
        if fits == 0 {
            drop(state);
            cleared.wake();
            return Poll::Pending;
        }
        if let Err(error) = self.push(&mut state, data.split_at(fits).0) {
            let empty = state.buffer.is_empty();
            drop(state);
            cleared.wake();
            if let Some(hosted) = self.limits.hosted(self.used_for) {
                hosted.release(fits, empty);
            }
            return Poll::Ready(Err(error));
        }
        let woken = state.readers.waiting.take();
        drop(state);
        cleared.wake();
        woken.wake();
        Poll::Ready(Ok(fits))
    }

    fn write_growing(&self, data: &[u8]) -> Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        let mut state = self.state.lock();
        if let Some(host) = state.host.clone() {
            drop(state);
            // The host's pipe does not grow: who would wait for itself is told to try again.
            return match host.write(data, None) {
                Poll::Ready(written) => written,
                Poll::Pending => Err(Errno::EAGAIN.into()),
            };
        }
        if state.readers.open == 0 {
            return Err(Errno::EPIPE.into());
        }
        let beyond = data.len().saturating_sub(room(&state.buffer));
        let grown = self.grow(beyond, data.len() <= PIPE_BUF)?;
        let fits = data.len() - beyond + grown;
        if fits == 0 {
            let counter = self.limits.grown();
            return Err(counter
                .exceeded(counter.used().saturating_add(beyond as u64), "write")
                .into());
        }
        if let Err(error) = self.push(&mut state, data.split_at(fits).0) {
            self.limits.grown().give(grown as u64);
            return Err(error);
        }
        state.grown += grown;
        if let Some(hosted) = self.limits.hosted(self.used_for) {
            hosted.add(fits, state.buffer.len() == fits);
        }
        let woken = state.readers.waiting.take();
        drop(state);
        woken.wake();
        Ok(fits)
    }

    /// Puts bytes that were read back in front of the rest.
    fn unread(&self, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        let mut state = self.state.lock();
        if let Some(hosted) = self.limits.hosted(self.used_for) {
            hosted.add(data.len(), state.buffer.is_empty());
        }
        for byte in data.iter().rev() {
            state.buffer.push_front(*byte);
        }
        self.charge(&mut state);
        let woken = state.readers.waiting.take();
        drop(state);
        woken.wake();
    }

    /// Takes up to `beyond` bytes beyond the capacity, or all of them or none.
    fn grow(&self, beyond: usize, whole: bool) -> Result<usize> {
        let counter = self.limits.grown();
        if whole {
            counter.take(beyond as u64, "write")?;
            return Ok(beyond);
        }
        // No more than was asked for, which is a `usize`.
        Ok(usize::try_from(counter.take_up_to(beyond as u64)).unwrap_or(beyond))
    }

    /// Gives back what a grown buffer no longer needs.
    fn shrink(&self, state: &mut State) {
        if state.grown == 0 {
            return;
        }
        let beyond = state.buffer.len().saturating_sub(PIPE_CAPACITY);
        let freed = state.grown.saturating_sub(beyond);
        state.grown -= freed;
        self.limits.grown().give(freed as u64);
        if state.grown == 0 {
            state.buffer.shrink_to(PIPE_CAPACITY);
            self.charge(state);
        }
    }

    /// Appends all of `data`, or fails with `ENOMEM`.
    fn push(&self, state: &mut State, data: &[u8]) -> Result<()> {
        let needed = state.buffer.len().saturating_add(data.len());
        if needed > state.buffer.capacity() {
            // A power of two, so that a pipe within its capacity never allocates more than that.
            let wanted = needed.checked_next_power_of_two().unwrap_or(needed).max(FIRST_CAPACITY);
            let more = wanted.saturating_sub(state.charged);
            self.limits.memory().take(more as u64, "write")?;
            state.charged += more;
            let more = wanted - state.buffer.len();
            let reserved = state.buffer.try_reserve_exact(more);
            self.charge(state);
            reserved.map_err(|_| Errno::ENOMEM)?;
        }
        state.buffer.extend(data);
        Ok(())
    }

    /// Makes the charge what the buffer has.
    fn charge(&self, state: &mut State) {
        let (has, charged) = (state.buffer.capacity(), state.charged);
        self.limits.memory().add(has.saturating_sub(charged) as u64);
        self.limits.memory().give(charged.saturating_sub(has) as u64);
        state.charged = has;
    }

    /// Forgets what nobody will read. Returns how much it was, to be given back after unlocking.
    fn discard(&self, state: &mut State) -> usize {
        let lost = state.buffer.len();
        state.buffer = VecDeque::new();
        self.shrink(state);
        self.charge(state);
        lost
    }

    fn forget(&self, lost: usize) {
        if let Some(hosted) = self.limits.hosted(self.used_for) {
            hosted.release(lost, true);
        }
    }

    /// Conditions for an end with this access; `seen` is what it met when it was opened.
    fn poll(&self, access: AccessMode, seen: u64, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let mut state = self.state.lock();
        if let Some(host) = state.host.clone() {
            drop(state);
            return host.poll(access, interest, waker);
        }
        let mut ready = PollEvents::empty();
        if access.contains(AccessMode::READ) {
            ready.set(PollEvents::IN, !state.buffer.is_empty());
            // A reader that came first is not hung up on by nobody.
            ready.set(PollEvents::HUP, state.writers.open == 0 && state.writers.opened != seen);
        }
        if access.contains(AccessMode::WRITE) {
            ready.set(PollEvents::OUT, room(&state.buffer) >= PIPE_BUF);
            ready.set(PollEvents::ERR, state.readers.open == 0);
        }
        let mut cleared = [Woken::default(), Woken::default(), Woken::default()];
        if ready.contains(PollEvents::OUT)
            && let Some(hosted) = self.limits.hosted(self.used_for)
        {
            let (room, woken) = hosted.has_room(PIPE_BUF, state.buffer.is_empty(), waker);
            ready.set(PollEvents::OUT, room);
            cleared[2] = woken;
        }
        ready &= interest | PollEvents::HUP | PollEvents::ERR;
        if !ready.is_empty() {
            drop(state);
            cleared.into_iter().for_each(Woken::wake);
            return ready;
        }
        if access.contains(AccessMode::READ) {
            cleared[0] = state.readers.waiting.register(waker);
        }
        if access.contains(AccessMode::WRITE) {
            cleared[1] = state.writers.waiting.register(waker);
        }
        drop(state);
        cleared.into_iter().for_each(Woken::wake);
        ready
    }

    /// Adds an end and returns what it met on the other side, of writers and of readers: how many there had ever been, or
    /// [`MET`] if one is there now.
    fn open_end(&self, access: AccessMode) -> (u64, u64) {
        let mut state = self.state.lock();
        // An end that finds somebody on the other side has no arrival to wait for: it is hung up on once they leave.
        let sides = [
            (AccessMode::WRITE, state.writers.opened),
            (AccessMode::READ, state.readers.opened),
        ];
        let seen = sides.map(|(side, opened)| if state.has(side) { MET } else { opened });
        if access.contains(AccessMode::READ) {
            state.readers.open += 1;
            state.readers.opened += 1;
        }
        if access.contains(AccessMode::WRITE) {
            state.writers.open += 1;
            state.writers.opened += 1;
        }
        if let Some(host) = &state.host {
            host.hold(state.readers.open > 0, state.writers.open > 0);
        }
        // Both may wait for this in `open(2)`.
        let woken = [state.readers.waiting.take(), state.writers.waiting.take()];
        drop(state);
        woken.into_iter().for_each(Woken::wake);
        (seen[0], seen[1])
    }

    fn close_end(&self, access: AccessMode) {
        let mut state = self.state.lock();
        let mut woken = [Woken::default(), Woken::default()];
        if access.contains(AccessMode::READ) {
            state.readers.open -= 1;
            woken[0] = state.writers.waiting.take();
        }
        if access.contains(AccessMode::WRITE) {
            state.writers.open -= 1;
            woken[1] = state.readers.waiting.take();
        }
        if let Some(host) = &state.host {
            host.hold(state.readers.open > 0, state.writers.open > 0);
        }
        // What nobody read is gone, also from a FIFO; what the host shares with guests has no reader to come.
        let unread = state.readers.open == 0 && (state.writers.open == 0 || self.used_for != PipeUse::Guests);
        let lost = if unread { self.discard(&mut state) } else { 0 };
        drop(state);
        woken.into_iter().for_each(Woken::wake);
        self.forget(lost);
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // The ends keep the pipe, so the last of them has discarded what was in it.
        self.limits.pipes().give(1);
        self.limits.memory().give(self.state.get_mut().charged as u64);
    }
}

/// One end of a pipe, or a FIFO opened for both.
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    access: AccessMode,
    /// Writers and readers that there had ever been before this end.
    seen: (u64, u64),
    open: AtomicBool,
}

impl PipeEnd {
    /// One more end of `pipe`.
    pub(crate) fn new(pipe: &Arc<Pipe>, access: AccessMode) -> Self {
        Self {
            pipe: Arc::clone(pipe),
            access,
            seen: pipe.open_end(access),
            open: AtomicBool::new(true),
        }
    }

    /// One more end of a pipe without a name, opened through a descriptor. Such a pipe had both sides from the start, so this
    /// end waits for no arrival: it is hung up on even if the other side left before.
    pub(crate) fn again(&self, access: AccessMode) -> Self {
        let mut end = Self::new(&self.pipe, access);
        end.seen = (MET, MET);
        end
    }

    /// The pipe.
    pub fn pipe(&self) -> &Arc<Pipe> {
        &self.pipe
    }

    /// Whether this end reads.
    pub fn reads(&self) -> bool {
        self.access.contains(AccessMode::READ)
    }

    /// Writes without ever waiting, for a process that holds a read end itself: the buffer grows beyond its capacity.
    ///
    /// # Errors
    /// `EPIPE` without a reader; `ENOMEM` naming the limit once the VM's grown pipes hold too much. A write of more than
    /// [`PIPE_BUF`] bytes that does not fit stores what fits.
    pub fn write_growing(&self, data: &[u8]) -> Result<usize> {
        if !self.access.contains(AccessMode::WRITE) {
            return Err(Errno::EBADF.into());
        }
        let data = data.get(..self.pipe.limits.max_write()).unwrap_or(data);
        self.pipe.write_growing(data)
    }

    /// Puts bytes that were just read from this end back, for a caller that could not pass them on. Others may have filled the
    /// pipe since: it then holds up to that much more than its capacity until somebody reads.
    pub(crate) fn unread(&self, data: &[u8]) {
        self.pipe.unread(data);
    }

    /// Whether the other side is there, or was since this end was opened; else `waker` waits for it.
    pub(super) fn met(&self, waker: Option<&Waker>) -> Poll<()> {
        let mut state = self.pipe.state.lock();
        let (other, opened, seen) = match self.access {
            AccessMode::READ => (AccessMode::WRITE, state.writers.opened, self.seen.0),
            AccessMode::WRITE => (AccessMode::READ, state.readers.opened, self.seen.1),
            _ => return Poll::Ready(()),
        };
        if opened != seen || state.has(other) {
            return Poll::Ready(());
        }
        let own = if self.reads() {
            &mut state.readers
        } else {
            &mut state.writers
        };
        let cleared = own.waiting.register(waker);
        drop(state);
        cleared.wake();
        Poll::Pending
    }

    /// Whether anybody reads now.
    pub(super) fn has_reader(&self) -> bool {
        self.pipe.state.lock().has(AccessMode::READ)
    }
}

impl File for PipeEnd {
    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        self.pipe.read(buf, waker)
    }

    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        self.pipe.write(data, waker)
    }

    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        self.pipe.poll(self.access, self.seen.0, interest, waker)
    }

    fn stat(&self) -> Result<Attr> {
        let Pipe {
            number, owner, created, ..
        } = *self.pipe;
        Ok(Attr {
            ino: Ino(number),
            kind: FileType::Fifo,
            mode: Mode::new(0o600),
            nlink: 1,
            uid: owner.0,
            gid: owner.1,
            rdev: 0,
            size: 0,
            blocks: 0,
            atime: created,
            mtime: created,
            ctime: created,
            btime: created,
        })
    }

    fn available(&self) -> Result<u64> {
        let state = self.pipe.state.lock();
        Ok(state
            .host
            .as_ref()
            .map_or(state.buffer.len() as u64, |host| host.available()))
    }

    fn close(&self) {
        if self.open.swap(false, Ordering::AcqRel) {
            self.pipe.close_end(self.access);
        }
    }

    fn describe(&self) -> String {
        format!("pipe:[{}]", self.pipe.number)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl fmt::Debug for PipeEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeEnd")
            .field("pipe", &self.pipe.number)
            .field("access", &self.access)
            .finish_non_exhaustive()
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        self.close();
    }
}

/// Bytes that fit before the capacity is reached.
fn room(buffer: &VecDeque<u8>) -> usize {
    PIPE_CAPACITY.saturating_sub(buffer.len())
}

/// Bytes of the first allocation.
const FIRST_CAPACITY: usize = 512;

/// Moves the oldest bytes to `buf` and returns how many.
fn pop(buffer: &mut VecDeque<u8>, buf: &mut [u8]) -> usize {
    let (front, back) = buffer.as_slices();
    let first = front.len().min(buf.len());
    let (to_first, rest) = buf.split_at_mut(first);
    to_first.copy_from_slice(front.split_at(first).0);
    let second = back.len().min(rest.len());
    rest.split_at_mut(second).0.copy_from_slice(back.split_at(second).0);
    let count = first + second;
    if count == buffer.len() {
        buffer.clear();
    } else {
        buffer.drain(..count);
    }
    count
}
