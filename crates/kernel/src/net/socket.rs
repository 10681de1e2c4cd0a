//! One socket.

use super::address::{Name, UnixName};
use super::cargo::Cargo;
use super::channel::Channel;
use super::flows::Flows;
use super::inbox::Inbox;
use super::listener::{Attempt, Listener};
use super::names::Claim;
use super::outside::Outside;
use super::settings::Settings;
use super::stack::{Incoming, Net, protocol_of};
use super::{
    Caller, Domain, Kind, MessageFlags, OptionName, OptionValue, PeerCredentials, Shutdown, SocketAddress, connect, udp,
};
use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::fd::{File, IoResult, PollEvents};
use crate::id::Ino;
use crate::vfs::{Attr, FileType, Mode};
use core::any::Any;
use core::fmt;
use core::net::SocketAddr;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock, Weak};

/// What one receive call got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Bytes stored; with [`MessageFlags::TRUNC`] asked for a datagram, its real length.
    pub length: usize,
    /// [`MessageFlags::TRUNC`] if a message was cut.
    pub flags: MessageFlags,
    /// Sender, for datagrams.
    pub source: Option<SocketAddress>,
}

/// One socket, an open description.
pub struct Socket {
    pub(super) net: Arc<Net>,
    pub(super) id: u64,
    pub(super) domain: Domain,
    pub(super) kind: Kind,
    /// Who made it.
    pub(super) owner: PeerCredentials,
    created: Timestamp,
    /// Whether it counts as one of the guests' sockets.
    counted: bool,
    open: AtomicBool,
    /// The connection of a stream or packet socket, once there is one: reads and writes need no other lock then.
    pub(super) channel: OnceLock<Channel>,
    /// Of a unix socket, once it is bound.
    pub(super) unix_name: OnceLock<UnixName>,
    /// Of a datagram socket.
    pub(super) inbox: Option<Arc<Inbox>>,
    /// Of a UDP socket that wrote to somebody outside.
    pub(super) flows: OnceLock<Arc<Flows>>,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) settings: Settings,
    /// Of an internet socket.
    pub(super) local: SocketAddr,
    pub(super) claim: Option<Claim>,
    /// The port was not asked for.
    pub(super) any_port: bool,
    pub(super) peer: Option<Name>,
    /// What a stream shut down while it was not connected, or lost with a failed connect: reading, writing.
    pub(super) shut: (bool, bool),
    /// Of a connected unix datagram socket.
    pub(super) target: Option<Weak<Inbox>>,
    pub(super) peer_credentials: Option<PeerCredentials>,
    pub(super) phase: Phase,
    /// Why the last connect in the background failed.
    pub(super) error: Option<Error>,
    pub(super) background: Background,
}

/// Where a connect in the background stands for its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Background {
    #[default]
    None,
    /// Begun, and nobody called `connect` again for its result yet.
    Unannounced,
    /// It failed and the socket was shut down before anybody asked: Linux never lets such a socket connect again.
    Spoiled,
}

impl State {
    /// Whether a TCP that is not connected reads the end of a stream.
    fn reads_end(&self) -> bool {
        self.shut.0 && !matches!(self.phase, Phase::Listening(_))
    }
}

/// What a stream or packet socket without a connection is doing.
pub(super) enum Phase {
    Idle,
    Listening(Arc<Listener>),
    Connecting(Connecting),
}

/// A TCP connection under way: what the socket becomes when it is established.
pub(super) struct Connecting {
    pub(super) attempt: Trying,
    pub(super) peer: SocketAddr,
}

/// What a TCP connection under way waits for.
pub(super) enum Trying {
    /// A listener of the VM; the channel is there unless it was refused at once.
    Inside(Arc<Attempt>, Option<Channel>),
    Outside(Arc<Outside>),
}

impl Socket {
    pub(super) fn new(net: &Arc<Net>, domain: Domain, kind: Kind, owner: PeerCredentials, counted: bool) -> Arc<Self> {
        let id = net.next_id();
        Arc::new(Self {
            net: Arc::clone(net),
            id,
            domain,
            kind,
            owner,
            created: net.clock.now(),
            counted,
            open: AtomicBool::new(true),
            channel: OnceLock::new(),
            unix_name: OnceLock::new(),
            inbox: (kind == Kind::Datagram).then(|| Inbox::new(net, id)),
            flows: OnceLock::new(),
            state: Mutex::new(State {
                settings: Settings::default(),
                local: unspecified(domain),
                claim: None,
                any_port: false,
                peer: None,
                shut: (false, false),
                target: None,
                peer_credentials: None,
                phase: Phase::Idle,
                error: None,
                background: Background::None,
            }),
        })
    }

    /// Whether it was not closed yet.
    pub(super) fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// The family.
    pub fn domain(&self) -> Domain {
        self.domain
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// `accept(2)`: the connection and its peer's address.
    ///
    /// # Errors
    /// `EINVAL` unless listening, `EOPNOTSUPP` for datagrams, `EAGAIN` at the limit of sockets (the connection then stays).
    pub fn accept(&self, waker: Option<&Waker>) -> IoResult<(Arc<Self>, SocketAddress)> {
        if self.kind == Kind::Datagram {
            return Poll::Ready(Err(Errno::EOPNOTSUPP.into()));
        }
        let state = self.state.lock();
        let Phase::Listening(listener) = &state.phase else {
            return Poll::Ready(Err(Errno::EINVAL.into()));
        };
        let listener = Arc::clone(listener);
        let (claim, settings) = (state.claim.clone(), state.settings.clone());
        drop(state);
        let accepted = listener.accept(waker, || self.net.sockets().take(1, "accept"));
        accepted.map_ok(|(incoming, ())| {
            // A unix name belongs to the listener alone.
            let claim = claim.filter(|_| self.domain != Domain::Unix);
            self.accepted(incoming, claim, settings)
        })
    }

    fn accepted(&self, incoming: Incoming, claim: Option<Claim>, settings: Settings) -> (Arc<Self>, SocketAddress) {
        let socket = Self::new(&self.net, self.domain, self.kind, self.owner, true);
        let peer = incoming.peer.shown(self.domain);
        let mut state = socket.state.lock();
        incoming.channel.set_capacity(settings.send_buffer as usize);
        state.settings = settings;
        state.claim = claim;
        match incoming.local {
            Name::Inet(local) => state.local = local,
            // The cells of a new socket are empty.
            Name::Unix(name) => drop(socket.unix_name.set(name)),
        }
        state.peer = Some(incoming.peer);
        state.peer_credentials = Some(incoming.credentials);
        let _ = socket.channel.set(incoming.channel);
        drop(state);
        (socket, peer)
    }

    /// The cell of a unix socket's name, which its peers hold, too.
    pub(super) fn unix_name(&self) -> &UnixName {
        self.unix_name.get_or_init(UnixName::default)
    }

    /// Its name, for peers.
    pub(super) fn own_name(&self, state: &State) -> Name {
        match self.domain {
            Domain::Unix => Name::Unix(self.unix_name().clone()),
            _ => Name::Inet(state.local),
        }
    }

    /// `recvfrom(2)`.
    ///
    /// # Errors
    /// `ENOTCONN` or `EINVAL` without a connection, `ECONNRESET`, `ECONNREFUSED` of an earlier datagram.
    pub fn receive(&self, buf: &mut [u8], flags: MessageFlags, waker: Option<&Waker>) -> IoResult<Received> {
        self.receive_wanting(buf, flags, None, waker)
    }

    /// As [`receive`](Self::receive), with what goes along. Of a stream nothing is received beyond what that came with, and nothing
    /// before it together with it.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub fn receive_with(
        &self,
        buf: &mut [u8],
        flags: MessageFlags,
        waker: Option<&Waker>,
    ) -> IoResult<(Received, Option<Cargo>)> {
        let mut cargo = None;
        let received = self.receive_wanting(buf, flags, Some(&mut cargo), waker);
        received.map_ok(|received| (received, cargo))
    }

    fn receive_wanting(
        &self,
        buf: &mut [u8],
        flags: MessageFlags,
        wanted: Option<&mut Option<Cargo>>,
        waker: Option<&Waker>,
    ) -> IoResult<Received> {
        if let Some(channel) = self.channel.get() {
            return channel.receive(buf, flags, wanted, waker);
        }
        if let Some(inbox) = &self.inbox {
            return match self.domain {
                Domain::Unix => inbox.receive(buf, (flags, self.domain), wanted, waker),
                _ => self.receive_udp(inbox, buf, flags, waker),
            };
        }
        match self.await_channel(waker)? {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(channel)) => channel.receive(buf, flags, wanted, waker),
            Poll::Ready(None) if self.domain == Domain::Unix && self.kind == Kind::Stream => {
                Poll::Ready(Err(Errno::EINVAL.into()))
            }
            Poll::Ready(None) if self.domain != Domain::Unix && self.state.lock().reads_end() => {
                Poll::Ready(Ok(Received::bytes(0)))
            }
            Poll::Ready(None) => Poll::Ready(Err(Errno::ENOTCONN.into())),
        }
    }

    /// `sendto(2)`. `EPIPE` of a stream is the caller's cue to raise `SIGPIPE`.
    ///
    /// # Errors
    /// `EPIPE`, `ECONNRESET`, `ENOTCONN`, `EDESTADDRREQ`, `EISCONN` for an address on a unix stream, `EMSGSIZE`, and those of
    /// [`connect`](Self::connect) for datagrams.
    pub fn send(
        &self,
        data: &[u8],
        flags: MessageFlags,
        to: Option<(&SocketAddress, &dyn Caller)>,
        waker: Option<&Waker>,
    ) -> IoResult<usize> {
        let _ = flags;
        self.send_with(data, &mut None, to, waker)
    }

    /// As [`send`](Self::send), with something that goes along with the bytes of a unix socket; it is taken if they are.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_with(
        &self,
        data: &[u8],
        cargo: &mut Option<Cargo>,
        to: Option<(&SocketAddress, &dyn Caller)>,
        waker: Option<&Waker>,
    ) -> IoResult<usize> {
        if let Some(channel) = self.channel.get() {
            // TCP ignores an address; a packet socket takes only the connection, too.
            if to.is_some() && self.domain == Domain::Unix && self.kind == Kind::Stream {
                return Poll::Ready(Err(Errno::EISCONN.into()));
            }
            return channel.send(data, cargo, waker);
        }
        if let Some(inbox) = &self.inbox {
            return match self.domain {
                Domain::Unix => connect::send_unix(self, inbox, (data, cargo), to, waker),
                _ => {
                    let pid = to.map_or(self.owner.pid, |(_, caller)| caller.credentials().pid);
                    udp::send(self, inbox, data, to.map(|(address, _)| address), pid, waker)
                }
            };
        }
        if to.is_some() && self.domain == Domain::Unix && self.kind == Kind::Stream {
            return Poll::Ready(Err(Errno::EOPNOTSUPP.into()));
        }
        match self.await_channel(waker)? {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(channel)) => channel.send(data, cargo, waker),
            Poll::Ready(None) if self.domain == Domain::Unix => Poll::Ready(Err(Errno::ENOTCONN.into())),
            Poll::Ready(None) => Poll::Ready(Err(Errno::EPIPE.into())),
        }
    }

    /// The channel of a stream that may be connecting; `None` if it is not and has none. An error of the background connect is
    /// reported here once.
    fn await_channel(&self, waker: Option<&Waker>) -> Result<Poll<Option<&Channel>>> {
        let mut state = self.state.lock();
        if connect::settle(self, &mut state, waker).is_pending() {
            return Ok(Poll::Pending);
        }
        if let Some(error) = state.error.take() {
            return Err(error);
        }
        drop(state);
        Ok(Poll::Ready(self.channel.get()))
    }

    /// `shutdown(2)`.
    ///
    /// # Errors
    /// `ENOTCONN` for an internet socket without a peer.
    pub fn shutdown(&self, how: Shutdown) -> Result<()> {
        if let Some(inbox) = &self.inbox {
            inbox.shutdown(how != Shutdown::Write, how != Shutdown::Read);
            let connected = self.domain == Domain::Unix || self.state.lock().peer.is_some();
            return if connected { Ok(()) } else { Err(Errno::ENOTCONN.into()) };
        }
        self.shutdown_stream(how)
    }

    fn shutdown_stream(&self, how: Shutdown) -> Result<()> {
        let mut state = self.state.lock();
        let _ = connect::settle(self, &mut state, None);
        let unannounced = state.background == Background::Unannounced;
        if let Some(channel) = self.channel.get() {
            state.background = Background::None;
            drop(state);
            channel.shutdown(how);
            return Ok(());
        }
        if unannounced {
            state.background = Background::Spoiled;
        }
        let (read, write) = (how != Shutdown::Write, how != Shutdown::Read);
        if self.domain == Domain::Unix || matches!(state.phase, Phase::Idle) {
            state.shut = (state.shut.0 || read, state.shut.1 || write);
        }
        let listener = match &state.phase {
            Phase::Listening(listener) if self.domain == Domain::Unix => {
                let listener = Arc::clone(listener);
                drop(state);
                listener.shutdown(read, write);
                return Ok(());
            }
            Phase::Listening(listener) if how != Shutdown::Write => Arc::clone(listener),
            Phase::Listening(_) => return Ok(()),
            _ if self.domain == Domain::Unix => return Ok(()),
            _ => return Err(Errno::ENOTCONN.into()),
        };
        state.phase = Phase::Idle;
        state.shut = (false, false);
        let claim = if state.any_port { state.claim.take() } else { None };
        drop(state);
        listener.close();
        drop(claim);
        Ok(())
    }

    /// `getsockname(2)`.
    pub fn name(&self) -> SocketAddress {
        let mut state = self.state.lock();
        let _ = connect::settle(self, &mut state, None);
        self.own_name(&state).shown(self.domain)
    }

    /// `getpeername(2)`; `ENOTCONN` without a peer.
    pub fn peer_name(&self) -> Result<SocketAddress> {
        let mut state = self.state.lock();
        let _ = connect::settle(self, &mut state, None);
        let peer = state.peer.as_ref().map(|peer| peer.shown(self.domain));
        peer.ok_or_else(|| Errno::ENOTCONN.into())
    }

    /// `getsockopt(2)`; `ENOPROTOOPT` for an option that this kind of socket does not have.
    pub fn option(&self, name: OptionName) -> Result<OptionValue> {
        let mut state = self.state.lock();
        let _ = connect::settle(self, &mut state, None);
        Ok(match name {
            OptionName::Type => OptionValue::Kind(self.kind),
            OptionName::Domain => OptionValue::Domain(self.domain),
            OptionName::Protocol => OptionValue::Protocol(protocol_of(self.domain, self.kind).unwrap_or(0)),
            OptionName::AcceptConnections => OptionValue::Switch(matches!(state.phase, Phase::Listening(_))),
            OptionName::Error => OptionValue::Error(self.take_error(&mut state).map(|error| error.errno())),
            OptionName::PeerCredentials => OptionValue::Peer(state.peer_credentials.unwrap_or(NOBODY)),
            _ => state.settings.get(name, self.domain, self.kind)?,
        })
    }

    /// The pending error (`SO_ERROR`) with its reason, which is then forgotten.
    pub fn pending_error(&self) -> Option<Error> {
        let mut state = self.state.lock();
        let _ = connect::settle(self, &mut state, None);
        self.take_error(&mut state)
    }

    fn take_error(&self, state: &mut State) -> Option<Error> {
        let own = state.error.take();
        own.or_else(|| self.channel.get().and_then(Channel::take_error))
            .or_else(|| self.inbox.as_ref()?.take_error().map(Error::from))
            .or_else(|| self.take_flow_error(state))
    }

    /// `setsockopt(2)`. `EINVAL` for a value of the wrong kind, `ENOPROTOOPT` for an option that cannot be set.
    pub fn set_option(&self, name: OptionName, value: OptionValue) -> Result<()> {
        let mut state = self.state.lock();
        if name == OptionName::V6Only && self.domain == Domain::Inet6 && state.claim.is_some() {
            return Err(Errno::EINVAL.into());
        }
        state.settings.set(name, value, self.domain, self.kind)?;
        let (send, receive) = (
            state.settings.send_buffer as usize,
            state.settings.receive_buffer as usize,
        );
        match (name, self.channel.get(), &self.inbox) {
            (OptionName::SendBuffer, Some(channel), _) => channel.set_capacity(send),
            (OptionName::NoDelay, Some(channel), _) => channel.set_no_delay(state.settings.no_delay),
            (OptionName::ReceiveBuffer, _, Some(inbox)) => inbox.set_capacity(receive),
            (OptionName::ReuseAddress | OptionName::ReusePort, ..) => {
                let reuse = (state.settings.reuse_address, state.settings.reuse_port);
                let own = state.claim.as_ref().filter(|_| self.channel.get().is_none());
                own.into_iter().for_each(|claim| claim.set_reuse(reuse.0, reuse.1));
            }
            _ => {}
        }
        Ok(())
    }

    /// How long a receive may wait (`SO_RCVTIMEO`), in nanoseconds. The caller that waits keeps the deadline and answers
    /// `EAGAIN` at its end.
    pub fn receive_timeout(&self) -> Option<u64> {
        self.state.lock().settings.receive_timeout
    }

    /// The same for sends and connects (`SO_SNDTIMEO`); a connect answers `EINPROGRESS`.
    pub fn send_timeout(&self) -> Option<u64> {
        self.state.lock().settings.send_timeout
    }

    /// Closes it with a reset of its connection, whatever its options say and whatever was read.
    pub fn abort(&self) {
        self.end(true);
    }

    fn end(&self, abort: bool) {
        if !self.open.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut state = self.state.lock();
        let _ = connect::settle(self, &mut state, None);
        let phase = core::mem::replace(&mut state.phase, Phase::Idle);
        let claim = state.claim.take();
        let abort = abort || self.domain != Domain::Unix && state.settings.linger == Some(0);
        drop(state);
        if let Some(channel) = self.channel.get() {
            channel.close(abort);
        }
        match phase {
            Phase::Listening(listener) => listener.close(),
            Phase::Connecting(connecting) => match connecting.attempt {
                Trying::Inside(_, channel) => channel.into_iter().for_each(|channel| channel.close(true)),
                Trying::Outside(outside) => outside.close(true),
            },
            Phase::Idle => {}
        }
        if let Some(inbox) = &self.inbox {
            inbox.close();
        }
        if let Some(flows) = self.flows.get() {
            flows.close();
        }
        drop(claim);
        if self.counted {
            self.net.sockets().give(1);
        }
    }

    /// Conditions of a socket that has no connection.
    fn poll_unconnected(&self, waker: Option<&Waker>) -> PollEvents {
        let mut state = self.state.lock();
        if connect::settle(self, &mut state, waker).is_pending() {
            return PollEvents::empty();
        }
        if let Phase::Listening(listener) = &state.phase {
            let listener = Arc::clone(listener);
            drop(state);
            return listener.poll(waker);
        }
        if self.channel.get().is_none() && state.error.is_some() {
            return PollEvents::IN | PollEvents::OUT | PollEvents::RDHUP | PollEvents::HUP | PollEvents::ERR;
        }
        let shut = if state.shut.0 {
            PollEvents::IN | PollEvents::RDHUP
        } else {
            PollEvents::empty()
        };
        PollEvents::OUT | PollEvents::HUP | shut
    }

    fn poll_inbox(&self, inbox: &Inbox, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let mut ready = inbox.poll(waker);
        if self.domain != Domain::Unix {
            let known = ready & (interest | PollEvents::HUP | PollEvents::ERR);
            return ready | self.poll_flows(interest, waker.filter(|_| known.is_empty()));
        }
        let target = match interest.contains(PollEvents::OUT) {
            true => self.state.lock().target.as_ref().and_then(Weak::upgrade),
            false => None,
        };
        ready.set(PollEvents::OUT, target.is_none_or(|target| target.has_room(waker)));
        ready
    }
}

/// What `SO_PEERCRED` says of a socket without a peer.
const NOBODY: PeerCredentials = PeerCredentials {
    pid: crate::id::Pid(0),
    uid: crate::id::Uid(u32::MAX),
    gid: crate::id::Gid(u32::MAX),
};

impl File for Socket {
    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        if buf.is_empty() {
            // Unlike a receive, which waits for something to come.
            return Poll::Ready(Ok(0));
        }
        self.receive(buf, MessageFlags::empty(), waker)
            .map_ok(|received| received.length)
    }

    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        self.send(data, MessageFlags::empty(), None, waker)
    }

    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let ready = match (self.channel.get(), &self.inbox) {
            (Some(channel), _) => return channel.poll(interest, waker),
            (None, Some(inbox)) => self.poll_inbox(inbox, interest, waker),
            (None, None) => match self.poll_unconnected(waker) {
                // It was connecting, and that has just succeeded.
                _ if self.channel.get().is_some() => return self.poll(interest, waker),
                ready => ready,
            },
        };
        ready & (interest | PollEvents::HUP | PollEvents::ERR)
    }

    fn stat(&self) -> Result<Attr> {
        Ok(Attr {
            ino: Ino(self.id),
            kind: FileType::Socket,
            mode: Mode::new(0o777),
            nlink: 1,
            uid: self.owner.uid,
            gid: self.owner.gid,
            rdev: 0,
            size: 0,
            blocks: 0,
            atime: self.created,
            mtime: self.created,
            ctime: self.created,
            btime: self.created,
        })
    }

    fn available(&self) -> Result<u64> {
        if let Some(channel) = self.channel.get() {
            return Ok(channel.available());
        }
        match &self.inbox {
            Some(inbox) if self.domain == Domain::Unix => Ok(inbox.available() as u64),
            Some(inbox) => Ok(self.available_udp(inbox) as u64),
            None if matches!(self.state.lock().phase, Phase::Listening(_)) => Err(Errno::EINVAL.into()),
            None => Ok(0),
        }
    }

    fn close(&self) {
        self.end(false);
    }

    fn describe(&self) -> String {
        format!("socket:[{}]", self.id)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("id", &self.id)
            .field("domain", &self.domain)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The address of an internet socket without one.
fn unspecified(domain: Domain) -> SocketAddr {
    match SocketAddress::unspecified(domain) {
        SocketAddress::Inet(address) => address,
        SocketAddress::Unix(_) => SocketAddr::new(core::net::Ipv4Addr::UNSPECIFIED.into(), 0),
    }
}
