//! `connect(2)`, `socketpair(2)`, sending datagrams: everything that looks for another socket.

use super::address::{Name, UnixName, canonical, is_local};
use super::cargo::Cargo;
use super::channel::Channel;
use super::connection::{Link, Style};
use super::inbox::{Delivery, Filter, Inbox};
use super::listener::{Arrival, Attempt, Listener};
use super::names::{EPHEMERAL, Target};
use super::outside::{self, Outside};
use super::socket::{Background, Connecting, Phase, Socket, State, Trying};
use super::stack::{Incoming, Net, Slot};
use super::way::{self, Operation, Way, plain, source_for};
use super::{Caller, Domain, Kind, PeerCredentials, SocketAddress, UnixAddress};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::fd::{IoResult, Woken};
use crate::id::Pid;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use core::task::{Poll, Waker};
use parking_lot::MutexGuard;
use std::sync::{Arc, OnceLock};

impl Socket {
    /// `connect(2)`. Without a waker a TCP connection answers `EINPROGRESS` and is established in the background.
    ///
    /// # Errors
    /// `ECONNREFUSED`, `EISCONN`, `EALREADY`, `ENETUNREACH` outside the VM, `EAFNOSUPPORT`, `EPROTOTYPE`, `EAGAIN` at the limit of
    /// connections, and for a unix name those of finding the file.
    pub fn connect(&self, address: &SocketAddress, caller: &dyn Caller, waker: Option<&Waker>) -> IoResult<()> {
        match (address, self.domain) {
            (SocketAddress::Unix(name), Domain::Unix) if self.kind == Kind::Datagram => {
                Poll::Ready(self.connect_unix_datagram(name, caller))
            }
            (SocketAddress::Unix(name), Domain::Unix) => self.connect_unix(name, caller, waker),
            (SocketAddress::Inet(_), Domain::Unix) => Poll::Ready(Err(Errno::EINVAL.into())),
            (SocketAddress::Unix(_), _) => Poll::Ready(Err(Errno::EAFNOSUPPORT.into())),
            (SocketAddress::Inet(address), _) => {
                let destination = self.destination(*address)?;
                match self.kind {
                    Kind::Datagram => Poll::Ready(self.connect_udp(destination, caller.credentials().pid)),
                    _ => self.connect_tcp(destination, caller.credentials(), waker),
                }
            }
        }
    }

    /// Where packets to `address` go, if this socket can reach it. The result is canonical.
    pub(super) fn destination(&self, address: SocketAddr) -> Result<SocketAddr> {
        let v4 = canonical(address.ip()).is_ipv4();
        match (self.domain, address) {
            (Domain::Inet, SocketAddr::V6(_)) => return Err(Errno::EAFNOSUPPORT.into()),
            // Only UDP over IPv6 takes a plain IPv4 address.
            (Domain::Inet6, SocketAddr::V4(_)) if self.kind == Kind::Stream => return Err(Errno::EAFNOSUPPORT.into()),
            _ => {}
        }
        if v4 && self.domain == Domain::Inet6 && self.state.lock().settings.v6_only {
            return Err(Errno::ENETUNREACH.into());
        }
        way::destination(address)
    }

    fn connect_unix(&self, name: &UnixAddress, caller: &dyn Caller, waker: Option<&Waker>) -> IoResult<()> {
        let listener = match find_unix(&self.net, name, self.kind, caller)? {
            Target::Listener(listener) => listener.upgrade().ok_or(Errno::ECONNREFUSED)?,
            _ => return Poll::Ready(Err(Errno::ECONNREFUSED.into())),
        };
        if !listener.has_room(waker)? {
            return Poll::Pending;
        }
        let own_name = self.unconnected_name()?;
        let style = if self.kind == Kind::SeqPacket {
            Style::UnixPackets
        } else {
            Style::UnixStream
        };
        let (client, server) = Link::pair(Slot::take(&self.net)?, style);
        let incoming = Incoming {
            channel: Channel::Inside(server),
            local: listener.name.clone(),
            peer: own_name,
            credentials: caller.credentials(),
        };
        let mut state = self.state.lock();
        client.set_capacity(state.settings.send_buffer as usize);
        if self.channel.get().is_some() {
            return Poll::Ready(Err(Errno::EISCONN.into()));
        }
        match listener.arrive(incoming, waker) {
            Arrival::Full(_) => Poll::Pending,
            Arrival::Refused => Poll::Ready(Err(Errno::ECONNREFUSED.into())),
            Arrival::Queued(woken) => {
                state.peer = Some(listener.name.clone());
                state.peer_credentials = Some(listener.credentials);
                client.inherit_shutdown(state.shut.0, state.shut.1);
                // Nobody else fills the cell: the socket is locked, and it was empty.
                let _ = self.channel.set(Channel::Inside(client));
                drop(state);
                woken.wake();
                Poll::Ready(Ok(()))
            }
        }
    }

    /// Its name, if it could still connect.
    fn unconnected_name(&self) -> Result<Name> {
        let state = self.state.lock();
        match &state.phase {
            Phase::Listening(_) => Err(Errno::EINVAL.into()),
            _ if self.channel.get().is_some() => Err(Errno::EISCONN.into()),
            _ => Ok(self.own_name(&state)),
        }
    }

    fn connect_unix_datagram(&self, name: &UnixAddress, caller: &dyn Caller) -> Result<()> {
        let (target, name) = find_inbox(&self.net, name, caller)?;
        let Some(own) = &self.inbox else {
            return Err(Errno::EPROTOTYPE.into());
        };
        target.may_receive_from(own.id)?;
        let mut state = self.state.lock();
        let old = state.target.replace(Arc::downgrade(&target));
        own.set_filter(Filter::Inbox(target.id));
        state.peer = Some(Name::Unix(name));
        drop(state);
        if let Some(old) = old.filter(|old| old.as_ptr() != Arc::as_ptr(&target)) {
            own.leave(old.upgrade().as_deref());
        }
        Ok(())
    }

    /// Turns a wildcard local address into the one that packets to `destination` come from.
    pub(super) fn settle_local(&self, state: &mut State, destination: IpAddr) {
        let local = state.local;
        if !canonical(local.ip()).is_unspecified() {
            return;
        }
        let source = source_for(destination);
        state.local = SocketAddr::new(source, local.port());
        if let Some(claim) = &state.claim {
            claim.settle_address(source);
        }
    }

    fn connect_tcp(&self, to: SocketAddr, credentials: PeerCredentials, waker: Option<&Waker>) -> IoResult<()> {
        if let Some(result) = self.resume_tcp(&mut self.state.lock(), waker) {
            return result;
        }
        // Without the lock: a policy and a way out are asked here.
        let way = self.net.way(Operation::Stream, to, credentials.pid)?;
        let (state, woken) = match &way {
            Way::Listener(listener) => self.begin_inside(listener, to, credentials)?,
            Way::Resolver(_) | Way::Out(_) => (self.begin_outside(&way, to, credentials.pid)?, Vec::new()),
            Way::Inbox(_) | Way::Nobody => {
                let mut state = self.state.lock();
                let refused = Attempt::failed(Errno::ECONNREFUSED);
                underway(&mut state, Trying::Inside(refused, None), to)?;
                (state, Vec::new())
            }
        };
        let result = self.finish_tcp(state, waker);
        woken.into_iter().for_each(Woken::wake);
        result
    }

    /// The result of a connect that was begun earlier, or of one that cannot begin; `None` if it can.
    fn resume_tcp(&self, state: &mut State, waker: Option<&Waker>) -> Option<IoResult<()>> {
        if settle(self, state, waker).is_pending() {
            return Some(match waker {
                Some(_) => Poll::Pending,
                None => Poll::Ready(Err(Errno::EALREADY.into())),
            });
        }
        let background = core::mem::take(&mut state.background);
        if self.channel.get().is_some() {
            let fresh = background == Background::Unannounced;
            let result = if fresh { Ok(()) } else { Err(Errno::EISCONN.into()) };
            return Some(Poll::Ready(result));
        }
        if background == Background::Spoiled {
            state.background = background;
            return Some(Poll::Ready(Err(Errno::EINVAL.into())));
        }
        if matches!(state.phase, Phase::Listening(_)) {
            return Some(Poll::Ready(Err(Errno::EISCONN.into())));
        }
        if background == Background::Unannounced {
            let error = state.error.take().unwrap_or_else(|| Errno::ECONNABORTED.into());
            state.shut = (false, false);
            return Some(Poll::Ready(Err(error)));
        }
        state.error = None;
        None
    }

    /// The result of a connect that was just begun.
    fn finish_tcp(&self, mut state: MutexGuard<'_, State>, waker: Option<&Waker>) -> IoResult<()> {
        state.background = Background::Unannounced;
        if waker.is_none() {
            return Poll::Ready(Err(Errno::EINPROGRESS.into()));
        }
        if settle(self, &mut state, waker).is_pending() {
            return Poll::Pending;
        }
        state.background = Background::None;
        Poll::Ready(match state.error.take() {
            Some(error) => {
                state.shut = (false, false);
                Err(error)
            }
            None => Ok(()),
        })
    }

    /// Sends a connection on its way to a listener. Returns tasks to wake after unlocking.
    fn begin_inside(
        &self,
        listener: &Arc<Listener>,
        to: SocketAddr,
        credentials: PeerCredentials,
    ) -> Result<(MutexGuard<'_, State>, Vec<Woken>)> {
        let slot = Slot::take(&self.net)?;
        let mut state = self.state.lock();
        if self.is_taken(&state) {
            return Err(Errno::EALREADY.into());
        }
        self.claim_any_port(&mut state)?;
        self.settle_local(&mut state, to.ip());
        let (client, server) = Link::pair(slot, Style::Tcp);
        client.set_capacity(state.settings.send_buffer as usize);
        let incoming = Incoming {
            channel: Channel::Inside(server),
            local: Name::Inet(to),
            peer: Name::Inet(plain(state.local)),
            credentials,
        };
        let (attempt, woken) = deliver(listener, incoming);
        underway(&mut state, Trying::Inside(attempt, Some(Channel::Inside(client))), to)?;
        Ok((state, woken))
    }

    /// Sends a connection on its way out of the VM.
    fn begin_outside(&self, way: &Way, to: SocketAddr, pid: Pid) -> Result<MutexGuard<'_, State>> {
        let slot = Slot::take(&self.net)?;
        let mut state = self.state.lock();
        if is_local(plain(state.local).ip()) && !is_local(to.ip()) {
            // Bound to the loopback, which leads nowhere else.
            return Err(Errno::EINVAL.into());
        }
        self.claim_any_port(&mut state)?;
        drop(state);
        let outside = Outside::new(way.stream(&self.net, to, pid)?, slot);
        let mut state = self.state.lock();
        if self.is_taken(&state) {
            drop(state);
            outside.close(true);
            return Err(Errno::EALREADY.into());
        }
        outside.set_no_delay(state.settings.no_delay);
        self.settle_local(&mut state, to.ip());
        underway(&mut state, Trying::Outside(outside), to)?;
        Ok(state)
    }

    /// Whether another thread made something of the socket while it was not locked.
    fn is_taken(&self, state: &State) -> bool {
        self.channel.get().is_some() || !matches!(state.phase, Phase::Idle) || !self.is_open()
    }
}

fn underway(state: &mut State, attempt: Trying, peer: SocketAddr) -> Result<()> {
    if !matches!(state.phase, Phase::Idle) {
        return Err(Errno::EALREADY.into());
    }
    state.phase = Phase::Connecting(Connecting { attempt, peer });
    Ok(())
}

/// Brings a TCP connection to a listener, now or as soon as there is room.
fn deliver(listener: &Arc<Listener>, incoming: Incoming) -> (Arc<Attempt>, Vec<Woken>) {
    match listener.arrive(incoming, None) {
        Arrival::Queued(woken) => (Attempt::established(), vec![woken]),
        Arrival::Refused => (Attempt::failed(Errno::ECONNREFUSED), Vec::new()),
        Arrival::Full(incoming) => {
            let attempt = Attempt::waiting(incoming);
            match listener.enlist(&attempt) {
                Some(woken) => (attempt, woken),
                None => (Attempt::failed(Errno::ECONNREFUSED), Vec::new()),
            }
        }
    }
}

/// Looks whether a connection under way has arrived, and if so makes the socket what it became. `Pending` while it has not;
/// `waker` then waits for it.
pub(super) fn settle(socket: &Socket, state: &mut State, waker: Option<&Waker>) -> Poll<()> {
    let Phase::Connecting(connecting) = &state.phase else {
        return Poll::Ready(());
    };
    let outcome = match &connecting.attempt {
        Trying::Inside(attempt, _) => attempt.poll(waker).map_err(Error::from),
        Trying::Outside(outside) => outside::outcome(outside, waker),
    };
    let Poll::Ready(outcome) = outcome else {
        return Poll::Pending;
    };
    let Phase::Connecting(connecting) = core::mem::replace(&mut state.phase, Phase::Idle) else {
        return Poll::Ready(());
    };
    match outcome {
        Ok(()) => {
            state.peer = Some(Name::Inet(connecting.peer));
            let channel = match connecting.attempt {
                Trying::Inside(_, channel) => channel,
                Trying::Outside(outside) => Some(Channel::Outside(outside)),
            };
            // The cell is only filled here, under the socket's lock, and a socket with a channel never connects again.
            if let Some(channel) = channel {
                channel.inherit_shutdown(state.shut.0, state.shut.1);
                let _ = socket.channel.set(channel);
            }
        }
        Err(error) => {
            state.error = Some(error);
            state.shut = (true, true);
        }
    }
    Poll::Ready(())
}

/// Connects two new unix sockets with each other.
pub(super) fn join(one: &Arc<Socket>, two: &Arc<Socket>) -> Result<()> {
    let (mut first, mut second) = (one.state.lock(), two.state.lock());
    for (state, other) in [(&mut first, two), (&mut second, one)] {
        state.peer = Some(Name::Unix(other.unix_name().clone()));
        state.peer_credentials = Some(other.owner);
    }
    if let (Some(left), Some(right)) = (&one.inbox, &two.inbox) {
        left.set_filter(Filter::Inbox(right.id));
        right.set_filter(Filter::Inbox(left.id));
        first.target = Some(Arc::downgrade(right));
        second.target = Some(Arc::downgrade(left));
        return Ok(());
    }
    let style = if one.kind == Kind::SeqPacket {
        Style::UnixPackets
    } else {
        Style::UnixStream
    };
    let (left, right) = Link::pair(Slot::take(&one.net)?, style);
    // Both cells are new.
    let _ = (
        one.channel.set(Channel::Inside(left)),
        two.channel.set(Channel::Inside(right)),
    );
    Ok(())
}

/// See [`Net::connect_from_host`].
pub(super) fn from_host(net: &Arc<Net>, port: u16, waker: Option<&Waker>) -> IoResult<Arc<Socket>> {
    let candidates: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let names = net.names.lock();
    let found = candidates
        .into_iter()
        .find_map(|ip| Some((ip, names.listener(SocketAddr::new(ip, port))?)));
    drop(names);
    let (ip, listener) = found.ok_or(Errno::ECONNREFUSED)?;
    if !listener.has_room(waker)? {
        return Poll::Pending;
    }
    net.crowded.register(waker).wake();
    let Ok(slot) = Slot::take(net) else {
        return Poll::Pending;
    };
    let owner = PeerCredentials::default();
    let domain = if ip.is_ipv4() { Domain::Inet } else { Domain::Inet6 };
    let socket = Socket::new(net, domain, Kind::Stream, owner, false);
    let mut state = socket.state.lock();
    socket.claim_port(&mut state, SocketAddr::new(ip, 0), EPHEMERAL)?;
    let (client, server) = Link::pair(slot, Style::Tcp);
    let to = SocketAddr::new(ip, port);
    let incoming = Incoming {
        channel: Channel::Inside(server),
        local: Name::Inet(to),
        peer: Name::Inet(state.local),
        credentials: owner,
    };
    match listener.arrive(incoming, waker) {
        Arrival::Full(_) => Poll::Pending,
        Arrival::Refused => Poll::Ready(Err(Errno::ECONNREFUSED.into())),
        Arrival::Queued(woken) => {
            state.peer = Some(Name::Inet(to));
            // The cell of a new socket is empty.
            let _ = socket.channel.set(Channel::Inside(client));
            drop(state);
            woken.wake();
            Poll::Ready(Ok(socket))
        }
    }
}

/// Sends one datagram to a unix socket, to `to` or to the connected peer.
pub(super) fn send_unix(
    socket: &Socket,
    own: &Inbox,
    (data, cargo): (&[u8], &mut Option<Cargo>),
    to: Option<(&SocketAddress, &dyn Caller)>,
    waker: Option<&Waker>,
) -> IoResult<usize> {
    if data.len() > (socket.state.lock().settings.send_buffer as usize).saturating_sub(UNIX_OVERHEAD) {
        return Poll::Ready(Err(Errno::EMSGSIZE.into()));
    }
    own.may_send()?;
    let named = match to {
        Some((SocketAddress::Unix(name), caller)) => Some(find_inbox(&socket.net, name, caller)?.0),
        Some((SocketAddress::Inet(_), _)) => return Poll::Ready(Err(Errno::EINVAL.into())),
        None => None,
    };
    let state = socket.state.lock();
    let source = socket.own_name(&state);
    let connected = named.is_none();
    let target = match (named, &state.target) {
        (Some(named), _) => named,
        (None, None) => return Poll::Ready(Err(Errno::ENOTCONN.into())),
        (None, Some(target)) => match target.upgrade() {
            Some(target) => target,
            None => return Poll::Ready(forget_peer(own, state)),
        },
    };
    drop(state);
    match target.deliver_from(own.id, (data, cargo), source, waker) {
        Delivery::Full => Poll::Pending,
        Delivery::Refused(Errno::ECONNREFUSED) if connected => Poll::Ready(forget_peer(own, socket.state.lock())),
        Delivery::Refused(errno) => Poll::Ready(Err(errno.into())),
        Delivery::Taken | Delivery::Dropped => Poll::Ready(Ok(data.len())),
    }
}

/// What Linux takes of the send buffer for itself.
const UNIX_OVERHEAD: usize = 32;

/// A unix datagram socket whose peer is gone is not connected any more.
fn forget_peer(own: &Inbox, mut state: MutexGuard<'_, State>) -> Result<usize> {
    state.target = None;
    state.peer = None;
    own.set_filter(Filter::Anybody);
    drop(state);
    own.leave(None);
    Err(Errno::ECONNREFUSED.into())
}

fn find_inbox(net: &Net, name: &UnixAddress, caller: &dyn Caller) -> Result<(Arc<Inbox>, UnixName)> {
    match find_unix(net, name, Kind::Datagram, caller)? {
        Target::Inbox(inbox) => {
            let inbox = inbox.upgrade().ok_or(Errno::ECONNREFUSED)?;
            Ok((inbox, Arc::new(OnceLock::from(name.clone()))))
        }
        _ => Err(Errno::ECONNREFUSED.into()),
    }
}

fn find_unix(net: &Net, name: &UnixAddress, kind: Kind, caller: &dyn Caller) -> Result<Target> {
    match name {
        UnixAddress::Unnamed => Err(Errno::EINVAL.into()),
        UnixAddress::Path(path) if path.is_empty() || path.len() > UnixAddress::MAX => Err(Errno::EINVAL.into()),
        UnixAddress::Path(path) => {
            let node = caller.find_node(path)?;
            net.names.lock().node(node, kind)
        }
        UnixAddress::Abstract(name) => net.names.lock().abstract_name(name, kind),
    }
}
