//! Bytes between a guest's end of a pair and a stream socket of the VM.
//!
//! What the guest wrote is looked at, given to the VM's socket, and only then taken out of the pair: if the VM's socket has no room it
//! stays there, and the guest waits as on any full socket. The last byte that was given on stays unread, because the host makes
//! closing over unread bytes a reset (`ECONNRESET`) for the other end, and closing over none an end of file.

use super::bridge::{Side, Turn};
use super::cargo::{Delivered, Descriptors};
use crate::sys::{self, Found};
use agentos_kernel::fd::{File, PollEvents};
use agentos_kernel::net::{Cargo, Domain, MessageFlags, Shutdown};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::Poll;

/// One connection, or what may become one.
pub(crate) struct Stream {
    end: OwnedFd,
    phase: Phase,
    /// Read from the VM's socket, and the guest's end has no room for it.
    inbound: Vec<u8>,
    /// What goes along with that.
    cargo: Option<Box<Descriptors>>,
    delivered: Delivered,
    /// The guest knows that no more comes.
    in_done: bool,
    /// The guest reads no more.
    deaf: bool,
    /// The VM's socket knows that no more comes.
    out_done: bool,
    /// Another program has the VM's socket, too: it does not end with the guest's end.
    shared: bool,
    /// Bytes in the pair that the guest has not written: those that stop it from writing, and the one that stays unread.
    filling: usize,
    /// Bytes at the front of the pair that were given on and stay unread: [`LAG`], or none where those have descriptors, which would
    /// keep what follows from being seen.
    lag: usize,
}

/// How far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not connected.
    Idle,
    /// A connection is being made in the background.
    Connecting,
    /// Bytes move.
    Open,
    /// The connection in the background failed.
    Failed,
}

/// Bytes that stay unread.
const LAG: usize = 1;
/// Rounds of one run in one direction.
const ROUNDS: usize = 8;
const FILLING: [u8; 16 << 10] = [0; 16 << 10];
/// Room of a guest's end, of which the host takes twice as much. An end may be written again once three quarters of that are free, and what
/// `sendfile` puts there in one piece, 64 KiB and what the host needs for it, is there until its last byte is read: the one that stays.
const ROOM: i32 = 144 << 10;

impl Stream {
    /// A guest's end, and what stands behind it. Before it is connected the guest's end cannot be written.
    pub(super) fn new(open: bool) -> io::Result<(OwnedFd, Self)> {
        let (guest, end) = sys::pair(libc::SOCK_STREAM)?;
        sys::set_room(guest.as_fd(), ROOM)?;
        let mut filling = 0;
        if !open {
            while sys::poll_now(guest.as_fd(), libc::POLLOUT) & libc::POLLOUT != 0 {
                filling += sys::send(guest.as_fd(), &FILLING)?.unwrap_or(0);
            }
        }
        // A message of its own, so that the others can be freed. Where there is no room at all the last one ends the filling.
        filling += sys::send(guest.as_fd(), &[0; LAG])?.unwrap_or(0);
        if filling < LAG {
            return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
        }
        let phase = if open { Phase::Open } else { Phase::Idle };
        let stream = Self {
            end,
            phase,
            inbound: Vec::new(),
            cargo: None,
            delivered: Delivered::default(),
            in_done: false,
            deaf: false,
            out_done: false,
            shared: false,
            filling,
            lag: LAG,
        };
        Ok((guest, stream))
    }

    pub(super) fn end(&self) -> &OwnedFd {
        &self.end
    }

    /// The VM's socket is another program's, too.
    pub(super) fn share(&mut self) {
        self.shared = true;
    }

    /// Whether bytes move.
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether a connection in the background failed, after which the guest's end is of no more use.
    pub(crate) fn has_failed(&self) -> bool {
        self.phase == Phase::Failed
    }

    /// A connection is being made without the guest waiting for it in a call.
    pub(crate) fn connecting(&mut self) {
        if self.phase == Phase::Idle {
            self.phase = Phase::Connecting;
        }
    }

    /// It is connected: the guest's end can be written.
    pub(crate) fn open(&mut self) {
        if matches!(self.phase, Phase::Idle | Phase::Connecting) {
            self.unfill();
            self.phase = Phase::Open;
        }
    }

    /// Takes the filling out, but for the bytes that stay, and nothing else: the guest can write before the last of it is out, and a
    /// thread of it that waited for that does.
    fn unfill(&mut self) {
        let mut buf = [0; FILLING.len()];
        while self.filling > LAG {
            let most = buf.len().min(self.filling - LAG);
            match sys::receive(self.end.as_fd(), buf.get_mut(..most).unwrap_or_default(), 0) {
                Ok(Some(found)) if found.count > 0 => self.filling -= found.count,
                _ => return,
            }
        }
    }

    /// Takes out whatever there is.
    fn empty(&self) {
        let mut buf = [0; FILLING.len()];
        while matches!(sys::receive(self.end.as_fd(), &mut buf, 0), Ok(Some(found)) if found.count > 0) {}
    }

    pub(super) fn run(&mut self, side: &Side<'_>, scratch: &mut [u8]) -> Turn {
        let state = sys::poll_now(self.end.as_fd(), libc::POLLRDHUP);
        let gone = state & libc::POLLHUP != 0;
        match self.phase {
            Phase::Idle | Phase::Failed if gone => return Turn::Gone,
            Phase::Idle | Phase::Failed => return Turn::Waits,
            Phase::Connecting if gone => {
                side.socket.abort();
                return Turn::Gone;
            }
            Phase::Connecting => match side.socket.poll(PollEvents::OUT, Some(side.waker)) {
                ready if ready.is_empty() => return Turn::Waits,
                _ if side.socket.peer_name().is_ok() => self.open(),
                _ => {
                    self.fail();
                    return Turn::Waits;
                }
            },
            Phase::Open => {}
        }
        // With both halves shut the host says the same of a guest that has closed its end and of one that has not.
        if gone && !self.in_done && side.is_abrupt() {
            return Turn::Gone;
        }
        let mut again = false;
        for part in [self.inward(side, scratch), self.outward(side, scratch)] {
            match part {
                Ok(more) => again |= more,
                // Closing over the byte that is unread.
                Err(Broken) => return Turn::Gone,
            }
        }
        // The guest may have closed its end meanwhile: then the VM's socket ends in this turn too, and nobody sees half of it.
        let gone = gone || sys::poll_now(self.end.as_fd(), 0) & libc::POLLHUP != 0;
        if self.out_done && (gone || self.in_done) {
            self.empty();
            return Turn::Gone;
        }
        if again { Turn::Again } else { Turn::Waits }
    }

    /// The guest's end becomes readable and writable, and reads the end; why is asked of the VM's socket (`SO_ERROR`).
    fn fail(&mut self) {
        self.empty();
        sys::end_writing(self.end.as_fd());
        self.phase = Phase::Failed;
    }

    /// From the VM's socket to the guest. Says whether there may be more.
    fn inward(&mut self, side: &Side<'_>, scratch: &mut [u8]) -> Result<bool, Broken> {
        self.delivered.settle(self.end.as_fd());
        for _ in 0..ROUNDS {
            if !self.inbound.is_empty() {
                match self.delivered.send(self.end.as_fd(), &self.inbound, &mut self.cargo) {
                    Ok(None) => return Ok(false),
                    Ok(Some(count)) => drop(self.inbound.drain(..count)),
                    Err(_) => self.stop_reading(),
                }
                if self.inbound.is_empty() {
                    self.inbound = Vec::new();
                }
                continue;
            }
            if self.in_done {
                return Ok(false);
            }
            let most = scratch.len().min(CHUNK);
            let buf = scratch.get_mut(..most).unwrap_or_default();
            match side.socket.receive_with(buf, MessageFlags::empty(), Some(side.waker)) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok((received, _))) if received.length == 0 => {
                    self.in_done = true;
                    if side.socket.domain() == Domain::Unix && side.is_over() {
                        // Unlike that of TCP the peer takes nothing any more, and the guest is told at once.
                        self.out_done = true;
                        return Ok(false);
                    }
                    sys::end_writing(self.end.as_fd());
                }
                Poll::Ready(Ok(_)) if self.deaf => {}
                Poll::Ready(Ok((received, cargo))) => {
                    let data = buf.get(..received.length).unwrap_or_default();
                    self.cargo = cargo.and_then(|cargo| cargo.downcast().ok());
                    let sent = match self.delivered.send(self.end.as_fd(), data, &mut self.cargo) {
                        Ok(sent) => sent.unwrap_or(0),
                        Err(_) => {
                            self.stop_reading();
                            continue;
                        }
                    };
                    self.inbound.extend_from_slice(data.get(sent..).unwrap_or_default());
                }
                Poll::Ready(Err(_)) => return Err(Broken),
            }
        }
        Ok(true)
    }

    /// The guest has shut its reading half: as with TCP the peer does not learn of it.
    fn stop_reading(&mut self) {
        self.deaf = true;
        self.inbound = Vec::new();
        self.cargo = None;
    }

    /// From the guest to the VM's socket.
    fn outward(&mut self, side: &Side<'_>, scratch: &mut [u8]) -> Result<bool, Broken> {
        if self.out_done {
            return Ok(false);
        }
        for _ in 0..ROUNDS {
            let ended = sys::poll_now(self.end.as_fd(), libc::POLLRDHUP) & libc::POLLRDHUP != 0;
            let most = scratch.len().min(CHUNK + LAG);
            let buf = scratch.get_mut(..most).unwrap_or_default();
            let found = self.peek(buf)?;
            let (mut count, mut cargo) = (found.count, None);
            if found.descriptors {
                if side.socket.domain() != Domain::Unix {
                    side.socket.abort();
                    return Err(Broken);
                }
                if count <= self.lag {
                    self.discard(count, buf)?;
                    self.lag = 0;
                    continue;
                }
                (count, cargo) = self.peek_with(side, buf)?;
            }
            let data = buf.get(self.lag..count).unwrap_or_default();
            if data.is_empty() {
                if ended {
                    self.end_outward(side);
                }
                return Ok(false);
            }
            match side.socket.send_with(data, &mut cargo, None, Some(side.waker)) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(count)) => {
                    self.discard((count + self.lag).saturating_sub(LAG), buf)?;
                    self.lag = LAG;
                }
                Poll::Ready(Err(_)) => return Err(Broken),
            }
        }
        Ok(true)
    }

    /// What the guest has written, which stays.
    fn peek(&self, buf: &mut [u8]) -> Result<Found, Broken> {
        let found = sys::receive(self.end.as_fd(), buf, libc::MSG_PEEK).map_err(|_| Broken)?;
        Ok(found.unwrap_or_default())
    }

    /// Whether the guest has written what was not given on.
    pub(crate) fn has_unsent(&self) -> bool {
        self.is_open() && self.peek(&mut [0; LAG + 1]).is_ok_and(|found| found.count > self.lag)
    }

    /// What the guest has written, as far as the first message with descriptors, with these. Its end, and what goes along.
    ///
    /// The host does not tell where in it that message begins: it is the only one, because who sends descriptors waits until
    /// everything before was given on (`calls/rights.rs`).
    fn peek_with(&self, side: &Side<'_>, buf: &mut [u8]) -> Result<(usize, Option<Cargo>), Broken> {
        let found = sys::receive_with(self.end.as_fd(), buf, libc::MSG_PEEK).map_err(|_| Broken)?;
        let (found, fds) = found.unwrap_or_default();
        let cargo = side.traffic.load(fds).map(|cargo| Box::new(cargo) as Cargo);
        Ok((found.count, cargo))
    }

    /// The guest sends no more.
    fn end_outward(&mut self, side: &Side<'_>) {
        self.out_done = true;
        if self.shared && sys::poll_now(self.end.as_fd(), 0) & libc::POLLHUP != 0 {
            return;
        }
        match sys::take_error(self.end.as_fd()) {
            // The guest closed over what it had not read.
            libc::ECONNRESET => side.socket.abort(),
            // It closed a unix socket: that ends as a whole a moment later, and the peer is not to see half of it before.
            _ if side.socket.domain() == Domain::Unix && sys::poll_now(self.end.as_fd(), 0) & libc::POLLHUP != 0 => {}
            _ => drop(side.socket.shutdown(Shutdown::Write)),
        }
    }

    /// Takes out what was given on; as much as the lag stays.
    fn discard(&self, mut count: usize, buf: &mut [u8]) -> Result<(), Broken> {
        while count > 0 {
            let part = buf.get_mut(..count).ok_or(Broken)?;
            match sys::receive(self.end.as_fd(), part, 0) {
                Ok(Some(found)) if found.count > 0 => count = count.saturating_sub(found.count),
                _ => return Err(Broken),
            }
        }
        Ok(())
    }
}

/// Bytes that are moved at once.
const CHUNK: usize = 64 << 10;

/// The connection is no more.
struct Broken;
