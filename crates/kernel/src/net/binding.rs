//! `bind(2)` and `listen(2)`.

use super::address::{canonical, is_local};
use super::listener::{BACKLOG_MAX, Listener};
use super::names::{Claim, EPHEMERAL, Target, Terms, Transport, Wanted};
use super::socket::{Background, Phase, Socket, State};
use super::way::{RESOLVER, plain};
use super::{Caller, Domain, Kind, SocketAddress, UnixAddress};
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Pid;
use crate::policy::Protocol;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use std::sync::Arc;

impl Socket {
    /// `bind(2)`. An unnamed unix address asks for an abstract name.
    ///
    /// # Errors
    /// `EINVAL` if bound already, `EADDRINUSE`, `EADDRNOTAVAIL` for an address that is not the VM's loopback, `EACCES` for a port that the
    /// configuration or the policy does not give to guests, `EAFNOSUPPORT`, and those of making a file.
    pub fn bind(&self, address: &SocketAddress, caller: &dyn Caller) -> Result<()> {
        match address {
            SocketAddress::Unix(name) if self.domain == Domain::Unix => self.bind_unix(name, caller),
            SocketAddress::Inet(_) if self.domain == Domain::Unix => Err(Errno::EINVAL.into()),
            // An IPv4 address is too short to be looked at by an IPv6 socket.
            SocketAddress::Inet(SocketAddr::V4(_)) if self.domain == Domain::Inet6 => Err(Errno::EINVAL.into()),
            SocketAddress::Inet(address) if self.domain == SocketAddress::from(*address).domain() => {
                self.bind_inet(*address, caller.credentials().pid)
            }
            _ => Err(Errno::EAFNOSUPPORT.into()),
        }
    }

    fn bind_unix(&self, name: &UnixAddress, caller: &dyn Caller) -> Result<()> {
        let mut state = self.state.lock();
        if self.unix_name().get().is_some() {
            return match name {
                // Asking for any name when there is one is no error.
                UnixAddress::Unnamed => Ok(()),
                // The file would be made first.
                UnixAddress::Path(path) => match caller.find_node(path) {
                    Err(error) if error == Errno::ENOENT => Err(Errno::EINVAL.into()),
                    _ => Err(Errno::EADDRINUSE.into()),
                },
                UnixAddress::Abstract(_) => Err(Errno::EINVAL.into()),
            };
        }
        let target = self.inbox_target();
        let (claim, name) = match name {
            UnixAddress::Path(path) if path.is_empty() || path.len() > UnixAddress::MAX => {
                return Err(Errno::EINVAL.into());
            }
            UnixAddress::Path(path) => {
                let node = caller.create_node(path)?;
                let claim = Claim::node(&self.net, node, self.kind, target);
                (claim, UnixAddress::Path(path.clone()))
            }
            UnixAddress::Abstract(name) if name.len() > UnixAddress::MAX => return Err(Errno::EINVAL.into()),
            UnixAddress::Abstract(name) => {
                let (claim, name) = Claim::abstract_name(&self.net, Some(name), self.kind, target)?;
                (claim, UnixAddress::Abstract(name))
            }
            UnixAddress::Unnamed => {
                let (claim, name) = Claim::abstract_name(&self.net, None, self.kind, target)?;
                (claim, UnixAddress::Abstract(name))
            }
        };
        state.claim = Some(claim);
        // Empty: looked at above, under the socket's lock.
        let _ = self.unix_name().set(name);
        Ok(())
    }

    fn bind_inet(&self, address: SocketAddr, pid: Pid) -> Result<()> {
        let ip = address.ip();
        if !canonical(ip).is_unspecified() && !is_local(ip) {
            return Err(Errno::EADDRNOTAVAIL.into());
        }
        if plain(address) == RESOLVER && self.net.egress().is_some() {
            return Err(Errno::EADDRINUSE.into());
        }
        match self.transport() {
            // Whoever has the port of a datagram socket can write to it.
            Transport::Udp => self.net.permit_listen(Protocol::Udp, address, pid)?,
            // A stream socket may have it only to connect; `listen` is asked about when it comes.
            Transport::Tcp => self.net.permit_port(Protocol::Tcp, address)?,
        }
        let mut state = self.state.lock();
        if state.claim.is_some() || self.channel.get().is_some() {
            return Err(Errno::EINVAL.into());
        }
        self.claim_port(&mut state, address, self.net.config().any_ports())
    }

    /// Takes a port at an address, one of `any` if it is 0.
    pub(super) fn claim_port(&self, state: &mut State, address: SocketAddr, any: RangeInclusive<u16>) -> Result<()> {
        let wild_v6 = matches!(address.ip(), IpAddr::V6(ip) if ip.is_unspecified());
        if state.settings.v6_only && address.ip() != canonical(address.ip()) {
            return Err(Errno::EADDRNOTAVAIL.into());
        }
        let terms = Terms {
            ip: canonical(address.ip()),
            dual: wild_v6 && !state.settings.v6_only,
            reuse_address: state.settings.reuse_address,
            reuse_port: state.settings.reuse_port,
            uid: self.owner.uid,
        };
        let wanted = match address.port() {
            0 => Wanted::AnyOf(any),
            port => Wanted::Port(port),
        };
        let (claim, port) = Claim::port(&self.net, self.transport(), wanted, terms, self.inbox_target())?;
        state.claim = Some(claim);
        state.any_port = address.port() == 0;
        state.local = SocketAddr::new(address.ip(), port);
        Ok(())
    }

    /// Gives an internet socket some port if it has none.
    pub(super) fn claim_any_port(&self, state: &mut State) -> Result<()> {
        match state.claim {
            None if self.domain != Domain::Unix => {
                let local = SocketAddr::new(state.local.ip(), 0);
                self.claim_port(state, local, EPHEMERAL)
            }
            _ => Ok(()),
        }
    }

    /// `listen(2)`; `backlog` is capped at 4096.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for datagrams, `EINVAL` for a connected socket or a unix socket without a name, `EADDRINUSE`,
    /// `EACCES` for a port that the configuration or the policy does not give to listeners.
    pub fn listen(&self, backlog: u32, caller: &dyn Caller) -> Result<()> {
        if self.kind == Kind::Datagram {
            return Err(Errno::EOPNOTSUPP.into());
        }
        self.permit_to_listen(caller.credentials().pid)?;
        let backlog = usize::try_from(backlog).map_or(BACKLOG_MAX, |backlog| backlog.min(BACKLOG_MAX));
        let mut state = self.state.lock();
        if let Phase::Listening(listener) = &state.phase {
            let listener = Arc::clone(listener);
            drop(state);
            listener.set_backlog(backlog);
            return Ok(());
        }
        let unnamed_unix = self.domain == Domain::Unix && state.claim.is_none();
        if unnamed_unix || self.channel.get().is_some() || state.background != Background::None {
            return Err(Errno::EINVAL.into());
        }
        if self.domain != Domain::Unix && state.claim.is_none() {
            let local = SocketAddr::new(state.local.ip(), 0);
            self.claim_port(&mut state, local, self.net.config().any_ports())?;
        }
        let listener = Listener::new(caller.credentials(), self.own_name(&state), backlog);
        if let Some(claim) = &state.claim {
            claim.point_to(Target::Listener(Arc::downgrade(&listener)))?;
        }
        if self.domain == Domain::Unix {
            listener.shutdown(state.shut.0, state.shut.1);
        }
        state.error = None;
        state.phase = Phase::Listening(listener);
        Ok(())
    }

    /// Whether the operator lets a process listen where the socket is bound.
    fn permit_to_listen(&self, pid: Pid) -> Result<()> {
        if self.domain == Domain::Unix {
            return Ok(());
        }
        let state = self.state.lock();
        let (local, idle) = (
            state.local,
            matches!(state.phase, Phase::Idle) && self.channel.get().is_none(),
        );
        drop(state);
        match idle {
            true => self.net.permit_listen(Protocol::Tcp, local, pid),
            false => Ok(()),
        }
    }

    pub(super) fn transport(&self) -> Transport {
        match self.kind {
            Kind::Datagram => Transport::Udp,
            _ => Transport::Tcp,
        }
    }

    fn inbox_target(&self) -> Target {
        match &self.inbox {
            Some(inbox) => Target::Inbox(Arc::downgrade(inbox)),
            None => Target::Nobody,
        }
    }
}
