//! Packets between a guest's end of a pair and a socket of the VM that keeps their borders.
//!
//! Of a datagram socket the supervisor holds the guest's end, too: a call that asks for the sender is answered here, from what
//! waits in the pair or in the VM's socket. At most one datagram is in the pair, so that its sender is known.

use super::bridge::{Side, Turn};
use super::cargo::{Delivered, Descriptors};
use crate::sys::{self, Found};
use agentos_kernel::Error;
use agentos_kernel::fd::{File, PollEvents};
use agentos_kernel::net::{Cargo, MessageFlags, Shutdown, SocketAddress};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::task::Poll;

pub(crate) struct Packets {
    end: OwnedFd,
    /// The guest's end, of datagram sockets.
    twin: Option<OwnedFd>,
    /// Who sent the datagram that is in the pair.
    source: Option<SocketAddress>,
    /// Of a guest, and the VM's socket has no room for it.
    outbound: Option<(Vec<u8>, Option<Cargo>)>,
    /// Of the VM's socket, and the pair has no room for it.
    inbound: Option<(Vec<u8>, Option<Box<Descriptors>>)>,
    delivered: Delivered,
    in_done: bool,
    /// Of a datagram that was sent earlier; the guest's end can be read meanwhile.
    error: Option<Error>,
}

/// Rounds of one run in one direction.
const ROUNDS: usize = 16;

/// A datagram that was in the pair.
pub(crate) struct Taken {
    pub(crate) found: Found,
    pub(crate) source: Option<SocketAddress>,
    /// What came along.
    pub(crate) fds: Vec<OwnedFd>,
}

impl Packets {
    /// The guest's end, and what stands behind it.
    pub(super) fn new(datagrams: bool) -> io::Result<(OwnedFd, Self)> {
        let (guest, end) = sys::pair(libc::SOCK_SEQPACKET)?;
        let twin = match datagrams {
            true => Some(sys::duplicate(guest.as_fd())?),
            false => None,
        };
        let packets = Self {
            end,
            twin,
            source: None,
            outbound: None,
            inbound: None,
            delivered: Delivered::default(),
            in_done: false,
            error: None,
        };
        Ok((guest, packets))
    }

    pub(super) fn end(&self) -> &OwnedFd {
        &self.end
    }

    /// Whether it is one of those whose end has to be looked for.
    pub(super) fn is_held(&self) -> bool {
        self.twin.is_some()
    }

    pub(super) fn run(&mut self, side: &Side<'_>, scratch: &mut [u8]) -> Turn {
        let over = self.over();
        if self.twin.is_none() && side.socket.peer_name().is_err() {
            // Not connected yet.
            return if over & libc::POLLHUP == 0 {
                Turn::Waits
            } else {
                Turn::Gone
            };
        }
        let inward = self.inward(side, scratch);
        // After a full end the VM's socket is closed at once, so that its peer never sees half of it.
        let outward = self.outward(side, scratch, over);
        match (inward, outward) {
            _ if over & libc::POLLHUP != 0 && self.outbound.is_none() && outward != Some(true) => Turn::Gone,
            (None, _) | (_, None) => Turn::Gone,
            (Some(false), Some(false)) => Turn::Waits,
            _ => Turn::Again,
        }
    }

    /// Whether the guest sends no more, or has closed its end (`POLLHUP`).
    fn over(&self) -> libc::c_short {
        sys::poll_now(self.end.as_fd(), libc::POLLRDHUP) & (libc::POLLHUP | libc::POLLRDHUP)
    }

    /// From the guest. None if the connection is no more, else whether there may be more.
    fn outward(&mut self, side: &Side<'_>, scratch: &mut [u8], over: libc::c_short) -> Option<bool> {
        for _ in 0..ROUNDS {
            let (packet, mut cargo) = match self.outbound.take() {
                Some(packet) => packet,
                None => match sys::receive_with(self.end.as_fd(), scratch, 0).ok()? {
                    None => return Some(false),
                    // The guest may have ended it since it was looked: then this is no empty packet.
                    Some((found, _)) if found.count == 0 && !found.descriptors && over | self.over() != 0 => {
                        if (over | self.over()) & libc::POLLHUP == 0 {
                            let _ = side.socket.shutdown(Shutdown::Write);
                        }
                        return Some(false);
                    }
                    // Too long for any socket: lost.
                    Some((found, _)) if found.cut => continue,
                    Some((found, fds)) => {
                        let cargo = side.traffic.load(fds).map(|cargo| Box::new(cargo) as Cargo);
                        (scratch.get(..found.count).unwrap_or_default().to_vec(), cargo)
                    }
                },
            };
            match side.socket.send_with(&packet, &mut cargo, None, Some(side.waker)) {
                Poll::Pending => {
                    self.outbound = Some((packet, cargo));
                    return Some(false);
                }
                Poll::Ready(Err(_)) if self.twin.is_none() => return None,
                // Of a datagram nobody hears.
                Poll::Ready(_) => {}
            }
        }
        Some(true)
    }

    /// To the guest.
    fn inward(&mut self, side: &Side<'_>, scratch: &mut [u8]) -> Option<bool> {
        for _ in 0..ROUNDS {
            if self.in_done {
                // The peer sends no more; perhaps it takes nothing more either.
                return (!side.is_over()).then_some(false);
            }
            if self.is_occupied() {
                return Some(false);
            }
            if let Some((packet, mut cargo)) = self.inbound.take() {
                match self.delivered.send(self.end.as_fd(), &packet, &mut cargo) {
                    Ok(None) => {
                        self.inbound = Some((packet, cargo));
                        return Some(false);
                    }
                    _ => continue,
                }
            }
            match side
                .socket
                .receive_with(scratch, MessageFlags::empty(), Some(side.waker))
            {
                Poll::Pending => return Some(false),
                Poll::Ready(Err(_)) if self.twin.is_none() => return None,
                Poll::Ready(Err(error)) => {
                    // A reader that does not ask for the sender reads an empty datagram.
                    self.error = Some(error);
                    self.source = None;
                    self.inbound = Some((Vec::new(), None));
                }
                Poll::Ready(Ok((received, cargo))) => {
                    if received.length == 0 && cargo.is_none() && self.twin.is_none() && is_at_end(side) {
                        if side.is_over() {
                            return None;
                        }
                        sys::end_writing(self.end.as_fd());
                        self.in_done = true;
                        return Some(false);
                    }
                    self.source = received.source;
                    let packet = scratch.get(..received.length).unwrap_or_default().to_vec();
                    self.inbound = Some((packet, cargo.and_then(|cargo| cargo.downcast().ok())));
                }
            }
        }
        Some(true)
    }

    /// Whether the datagram that was given to the guest is still there.
    fn is_occupied(&self) -> bool {
        let twin = self.twin.as_ref();
        twin.is_some_and(|twin| sys::poll_now(twin.as_fd(), libc::POLLIN) & libc::POLLIN != 0)
    }

    /// The datagram that is in the pair, with its sender, or the error in its place.
    pub(crate) fn take(&mut self, buf: &mut [u8], flags: i32) -> agentos_kernel::Result<Option<Taken>> {
        if let Some(error) = self.take_error() {
            return Err(error);
        }
        let Some(twin) = &self.twin else { return Ok(None) };
        let flags = flags & (libc::MSG_PEEK | libc::MSG_TRUNC);
        let found = sys::receive_with(twin.as_fd(), buf, flags).ok().flatten();
        Ok(found.map(|(found, fds)| Taken {
            found,
            source: self.source.clone(),
            fds,
        }))
    }

    /// The error that an earlier datagram met, with what stands for it in the pair.
    pub(crate) fn take_error(&mut self) -> Option<Error> {
        let error = self.error.take()?;
        if let Some(twin) = self.twin.as_ref().filter(|_| self.inbound.take().is_none()) {
            let _ = sys::receive(twin.as_fd(), &mut [], 0);
        }
        Some(error)
    }
}

fn is_at_end(side: &Side<'_>) -> bool {
    let ready = side.socket.poll(PollEvents::IN | PollEvents::RDHUP, None);
    ready.contains(PollEvents::RDHUP) && matches!(side.socket.available(), Ok(0))
}
