//! Datagrams between a guest's socket and one address outside, over a connected socket of the host.

use crate::denial::{self, Access};
use crate::direct::ends;
use crate::ledger::Ledger;
use crate::watched::{Direction, Watched};
use agentos_kernel::fd::{IoResult, PollEvents};
use agentos_kernel::net as egress;
use agentos_kernel::{Error, Result};
use core::net::SocketAddr;
use core::task::{Poll, Waker};
use rustix::net::{RecvFlags, SendFlags};
use std::sync::Arc;

/// A flow of datagrams.
pub(crate) struct Flow {
    socket: Watched,
    ledger: Arc<Ledger>,
}

impl Flow {
    /// The flow of a socket that is connected to `chosen`.
    pub(crate) fn new(socket: std::net::UdpSocket, chosen: SocketAddr, ledger: Arc<Ledger>) -> Result<Arc<Self>> {
        let flow = Self {
            socket: Watched::new(socket),
            ledger,
        };
        denial::check_ends(Access::Udp, &flow.socket.with(ends)?, chosen, &flow.ledger)?;
        Ok(Arc::new(flow))
    }
}

impl egress::Datagrams for Flow {
    fn send(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<()> {
        let sent = self.socket.attempt(Direction::Write, waker, |socket| {
            rustix::net::send(socket, data, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)
        });
        sent.map_ok(|length| self.ledger.counters.sent(length))
    }

    fn receive(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        let received = self.socket.attempt(Direction::Read, waker, |socket| {
            let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
            rustix::net::recv(socket, &mut *buf, flags).map(|(_, length)| length)
        });
        if let Poll::Ready(Ok(length)) = &received {
            self.ledger.counters.received(*length);
        }
        received
    }

    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let asked = interest | PollEvents::ERR | PollEvents::HUP;
        let events = self.socket.conditions() & asked;
        if !events.is_empty() || waker.is_none() {
            return events;
        }
        self.socket.wait(&[Direction::Read, Direction::Write], waker);
        self.socket.conditions() & asked
    }

    fn take_error(&self) -> Option<Error> {
        self.socket.take_error()
    }

    fn close(&self) {
        self.socket.close();
    }
}
