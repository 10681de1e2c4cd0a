//! UDP: datagrams to sockets of the VM and to destinations outside.

use super::address::{Name, is_local, shown};
use super::flows::{self, Flow, Flows};
use super::inbox::{Delivery, Filter, Inbox};
use super::socket::{Socket, State};
use super::way::{Operation, Way, plain, source_for};
use super::{MessageFlags, Received, SocketAddress};
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{IoResult, PollEvents};
use crate::id::Pid;
use core::net::SocketAddr;
use core::task::{Poll, Waker};
use std::sync::Arc;

/// Largest UDP payload.
const UDP_MAX: usize = 65_507;

impl Socket {
    /// `connect(2)` of a UDP socket: says where datagrams go and whose are taken. A destination outside is tried at once, so
    /// that a refusal is known here.
    pub(super) fn connect_udp(&self, destination: SocketAddr, pid: Pid) -> Result<()> {
        let Some(own) = &self.inbox else {
            return Err(Errno::EOPNOTSUPP.into());
        };
        let mut state = self.state.lock();
        self.claim_any_port(&mut state)?;
        drop(state);
        let source = self.source_of(destination)?;
        let way = self.net.way(Operation::Datagram { source }, destination, pid)?;
        if let Way::Out(_) | Way::Resolver(_) = &way {
            self.flow(own, &way, destination, pid)?;
        }
        let mut state = self.state.lock();
        self.settle_local(&mut state, destination.ip());
        state.peer = Some(Name::Inet(destination));
        own.set_filter(Filter::Address(destination));
        drop(state);
        if let Some(flows) = self.flows.get() {
            flows.end_others(Some(destination));
        }
        Ok(())
    }

    /// `connect(2)` with an address of no family: a socket of datagrams has no peer any more.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for a socket of connections.
    pub fn disconnect(&self) -> Result<()> {
        let own = self.inbox.as_ref().ok_or(Errno::EOPNOTSUPP)?;
        let mut state = self.state.lock();
        state.peer = None;
        let old = state.target.take();
        own.set_filter(Filter::Anybody);
        drop(state);
        if let Some(old) = old {
            own.leave(old.upgrade().as_deref());
        }
        Ok(())
    }

    /// The address that datagrams to a destination come from.
    fn source_of(&self, destination: SocketAddr) -> Result<SocketAddr> {
        let mut source = plain(self.state.lock().local);
        if source.ip().is_unspecified() {
            source.set_ip(source_for(destination.ip()));
        }
        if source.is_ipv4() != destination.is_ipv4() {
            return Err(Errno::ENETUNREACH.into());
        }
        Ok(source)
    }

    /// The flow to a destination outside, opened if need be.
    fn flow(&self, own: &Arc<Inbox>, way: &Way, destination: SocketAddr, pid: Pid) -> Result<Arc<Flow>> {
        if is_local(plain(self.state.lock().local).ip()) && !is_local(destination.ip()) {
            // Bound to the loopback, which leads nowhere else.
            return Err(Errno::EINVAL.into());
        }
        let flows = self.flows.get_or_init(|| Flows::new(&self.net, own));
        flows.open(destination, || way.datagrams(&self.net, destination, pid))
    }

    /// The peer of a connected socket.
    fn udp_peer(&self) -> Option<SocketAddr> {
        match self.state.lock().peer {
            Some(Name::Inet(peer)) => Some(peer),
            _ => None,
        }
    }

    /// Receives from sockets of the VM first, then from outside.
    pub(super) fn receive_udp(
        &self,
        inbox: &Inbox,
        buf: &mut [u8],
        flags: MessageFlags,
        waker: Option<&Waker>,
    ) -> IoResult<Received> {
        let inside = inbox.receive(buf, (flags, self.domain), None, waker);
        let Some(flows) = self
            .flows
            .get()
            .filter(|flows| inside.is_pending() && !flows.is_empty())
        else {
            return inside;
        };
        let only = self.udp_peer();
        if flags.contains(MessageFlags::PEEK) {
            return match flows.pull(only, waker) {
                Some(Ok(())) => inbox.receive(buf, (flags, self.domain), None, waker),
                Some(Err(error)) => Poll::Ready(Err(error)),
                None => Poll::Pending,
            };
        }
        match flows.receive(only, buf, waker) {
            Some(Ok((length, from))) => {
                let source = shown(from, self.domain);
                Poll::Ready(Ok(flows::received(length, buf.len(), flags, source)))
            }
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => Poll::Pending,
        }
    }

    /// Conditions of a UDP socket beyond those of its inbox.
    pub(super) fn poll_flows(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let Some(flows) = self.flows.get().filter(|flows| !flows.is_empty()) else {
            return PollEvents::OUT;
        };
        match self.udp_peer() {
            Some(peer) if flows.find(peer).is_some() => flows.poll(Some(peer), interest, waker),
            // Where the next datagram goes is not known, so there is room for it.
            _ => PollEvents::OUT | flows.poll(None, interest & PollEvents::IN, waker),
        }
    }

    /// Bytes of the next datagram.
    pub(super) fn available_udp(&self, inbox: &Inbox) -> usize {
        let flows = self.flows.get().filter(|flows| !flows.is_empty());
        if let Some(flows) = flows.filter(|_| inbox.available() == 0) {
            let _ = flows.pull(self.udp_peer(), None);
        }
        inbox.available()
    }

    /// The error of a flow that nobody was told yet.
    pub(super) fn take_flow_error(&self, state: &State) -> Option<crate::Error> {
        match state.peer {
            Some(Name::Inet(peer)) => self.flows.get()?.take_error(peer),
            _ => None,
        }
    }
}

/// Sends one datagram, to `to` or to the connected peer.
pub(super) fn send(
    socket: &Socket,
    own: &Arc<Inbox>,
    data: &[u8],
    to: Option<&SocketAddress>,
    pid: Pid,
    waker: Option<&Waker>,
) -> IoResult<usize> {
    if data.len() > UDP_MAX {
        return Poll::Ready(Err(Errno::EMSGSIZE.into()));
    }
    let destination = match to {
        Some(SocketAddress::Inet(address)) if address.port() == 0 => return Poll::Ready(Err(Errno::EINVAL.into())),
        Some(SocketAddress::Inet(address)) => Some(socket.destination(*address)?),
        Some(SocketAddress::Unix(_)) => return Poll::Ready(Err(Errno::EAFNOSUPPORT.into())),
        None => None,
    };
    let mut state = socket.state.lock();
    socket.claim_any_port(&mut state)?;
    drop(state);
    let peer = socket.udp_peer();
    let Some(destination) = destination.or(peer) else {
        return Poll::Ready(Err(Errno::EDESTADDRREQ.into()));
    };
    own.may_send()?;
    let source = socket.source_of(destination)?;
    let way = socket.net.way(Operation::Datagram { source }, destination, pid)?;
    match &way {
        Way::Inbox(inbox) => match inbox.deliver(data, Name::Inet(source), waker) {
            Delivery::Full => Poll::Pending,
            Delivery::Refused(errno) => Poll::Ready(Err(errno.into())),
            Delivery::Taken | Delivery::Dropped => Poll::Ready(Ok(data.len())),
        },
        Way::Out(_) | Way::Resolver(_) => {
            let flow = socket.flow(own, &way, destination, pid)?;
            flow.send(data, &socket.net, waker)
        }
        Way::Listener(_) | Way::Nobody => {
            if peer == Some(destination) {
                own.set_error(Errno::ECONNREFUSED);
            }
            Poll::Ready(Ok(data.len()))
        }
    }
}
