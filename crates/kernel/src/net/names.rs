//! Who has which name: socket inodes, abstract names, TCP and UDP ports.
//!
//! Names hold their sockets weakly. A [`Claim`] is the right to a name; dropping the last clone frees it. Connections that a
//! listener accepted share its claim, so that the port stays taken while they live, as in Linux.

use super::address::canonical;
use super::inbox::Inbox;
use super::listener::Listener;
use super::stack::Net;
use super::{Kind, NodeId};
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Uid;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;
use smallvec::SmallVec;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Weak};

#[derive(Default)]
pub(super) struct Names {
    nodes: HashMap<NodeId, Unix>,
    /// Each kind of socket has abstract names of its own.
    abstracts: HashMap<(Kind, Vec<u8>), Unix>,
    /// TCP and UDP.
    ports: [BTreeMap<u16, Vec<Port>>; 2],
    next_claim: u64,
    next_port: u16,
    next_abstract: u32,
}

/// A name in the unix families.
struct Unix {
    claim: u64,
    kind: Kind,
    target: Target,
}

/// A port at an address.
struct Port {
    claim: u64,
    terms: Terms,
    target: Target,
}

/// Where and how a port is bound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    /// Canonical address.
    pub(super) ip: IpAddr,
    /// An IPv6 wildcard that takes IPv4, too.
    pub(super) dual: bool,
    pub(super) reuse_address: bool,
    pub(super) reuse_port: bool,
    pub(super) uid: Uid,
}

/// Who is found under a name.
#[derive(Clone, Default)]
pub(super) enum Target {
    /// Nobody, yet.
    #[default]
    Nobody,
    Listener(Weak<Listener>),
    Inbox(Weak<Inbox>),
}

/// The transports that have ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Tcp = 0,
    Udp = 1,
}

/// The right to a name, while it lives.
#[derive(Clone)]
pub(super) struct Claim(Arc<Held>);

struct Held {
    net: Arc<Net>,
    id: u64,
    key: Key,
}

#[derive(Clone)]
enum Key {
    Node(NodeId),
    Abstract((Kind, Vec<u8>)),
    Port(Transport, u16),
}

/// Ports that are given to those who ask for none.
pub(super) const EPHEMERAL: RangeInclusive<u16> = 32_768..=60_999;

/// A port that is asked for.
pub(super) enum Wanted {
    Port(u16),
    AnyOf(RangeInclusive<u16>),
}

impl Claim {
    /// Takes the name of a socket inode.
    pub(super) fn node(net: &Arc<Net>, node: NodeId, kind: Kind, target: Target) -> Self {
        let mut names = net.names.lock();
        let claim = names.claim_id();
        // An older claim to the same number is for an inode that is gone.
        names.nodes.insert(node, Unix { claim, kind, target });
        drop(names);
        Self::new(net, claim, Key::Node(node))
    }

    /// Takes an abstract name, or makes one up; `EADDRINUSE` if it is taken.
    pub(super) fn abstract_name(
        net: &Arc<Net>,
        name: Option<&[u8]>,
        kind: Kind,
        target: Target,
    ) -> Result<(Self, Vec<u8>)> {
        let mut names = net.names.lock();
        let name = match name {
            Some(name) => name.to_vec(),
            None => names.free_abstract(kind)?,
        };
        let key = (kind, name.clone());
        if names.abstracts.contains_key(&key) {
            return Err(Errno::EADDRINUSE.into());
        }
        let claim = names.claim_id();
        names.abstracts.insert(key.clone(), Unix { claim, kind, target });
        drop(names);
        Ok((Self::new(net, claim, Key::Abstract(key)), name))
    }

    /// Takes a port; `EADDRINUSE`.
    pub(super) fn port(
        net: &Arc<Net>,
        transport: Transport,
        port: Wanted,
        terms: Terms,
        target: Target,
    ) -> Result<(Self, u16)> {
        let mut names = net.names.lock();
        let port = match port {
            Wanted::AnyOf(ports) => names.free_port(transport, ports)?,
            Wanted::Port(port) if names.conflicts(transport, port, &terms) => return Err(Errno::EADDRINUSE.into()),
            Wanted::Port(port) => port,
        };
        let claim = names.claim_id();
        let entry = Port { claim, terms, target };
        names.ports[transport as usize].entry(port).or_default().push(entry);
        drop(names);
        Ok((Self::new(net, claim, Key::Port(transport, port)), port))
    }

    /// Says who is found under the name from now on. For a port that begins to listen, `EADDRINUSE` if somebody listens there.
    pub(super) fn point_to(&self, target: Target) -> Result<()> {
        let mut names = self.0.net.names.lock();
        let slot = match &self.0.key {
            Key::Node(node) => names
                .nodes
                .get_mut(node)
                .filter(|entry| entry.claim == self.0.id)
                .map(|e| &mut e.target),
            Key::Abstract(name) => names.abstracts.get_mut(name).map(|entry| &mut entry.target),
            Key::Port(transport, port) => {
                let entries = names.ports[*transport as usize].get_mut(port);
                let entries = entries.map(Vec::as_mut_slice).unwrap_or_default();
                if matches!(target, Target::Listener(_)) && listens_elsewhere(entries, self.0.id) {
                    return Err(Errno::EADDRINUSE.into());
                }
                entries
                    .iter_mut()
                    .find(|entry| entry.claim == self.0.id)
                    .map(|entry| &mut entry.target)
            }
        };
        if let Some(slot) = slot {
            *slot = target;
        }
        Ok(())
    }

    /// Changes whether others may have the port, too.
    pub(super) fn set_reuse(&self, address: bool, port: bool) {
        let Key::Port(transport, number) = &self.0.key else {
            return;
        };
        let mut names = self.0.net.names.lock();
        let entries = names.ports[*transport as usize].get_mut(number);
        if let Some(own) = entries.and_then(|all| all.iter_mut().find(|entry| entry.claim == self.0.id)) {
            (own.terms.reuse_address, own.terms.reuse_port) = (address, port);
        }
    }

    /// Narrows a wildcard to the address that a connection settled.
    pub(super) fn settle_address(&self, ip: IpAddr) {
        let Key::Port(transport, number) = &self.0.key else {
            return;
        };
        let mut names = self.0.net.names.lock();
        let entries = names.ports[*transport as usize].get_mut(number);
        if let Some(own) = entries.and_then(|all| all.iter_mut().find(|entry| entry.claim == self.0.id)) {
            (own.terms.ip, own.terms.dual) = (canonical(ip), false);
        }
    }

    fn new(net: &Arc<Net>, id: u64, key: Key) -> Self {
        let net = Arc::clone(net);
        Self(Arc::new(Held { net, id, key }))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut names = self.net.names.lock();
        match &self.key {
            Key::Node(node) => {
                if names.nodes.get(node).is_some_and(|entry| entry.claim == self.id) {
                    names.nodes.remove(node);
                }
            }
            Key::Abstract(name) => {
                names.abstracts.remove(name);
            }
            Key::Port(transport, port) => {
                let ports = &mut names.ports[*transport as usize];
                if let Some(entries) = ports.get_mut(port) {
                    entries.retain(|entry| entry.claim != self.id);
                    if entries.is_empty() {
                        ports.remove(port);
                    }
                }
            }
        }
    }
}

/// Whether two claims to one port overlap in a way that only one of them could listen.
fn overlap(one: &Terms, other: &Terms) -> bool {
    let covers = |wide: &Terms, ip: IpAddr| {
        wide.ip == ip || (wide.ip.is_unspecified() && (wide.ip.is_ipv4() == ip.is_ipv4() || wide.dual))
    };
    covers(one, other.ip) || covers(other, one.ip)
}

fn listens_elsewhere(entries: &[Port], own: u64) -> bool {
    let Some(mine) = entries.iter().find(|entry| entry.claim == own) else {
        return false;
    };
    let mut others = entries.iter().filter(|entry| entry.claim != own);
    others.any(|other| {
        let shared = mine.terms.reuse_port && other.terms.reuse_port && mine.terms.uid == other.terms.uid;
        matches!(&other.target, Target::Listener(listener) if listener.strong_count() > 0)
            && !shared
            && overlap(&mine.terms, &other.terms)
    })
}

impl Names {
    /// The socket at an inode, of this kind. `ECONNREFUSED` if nobody is bound, `EPROTOTYPE` if it is of another kind.
    pub(super) fn node(&self, node: NodeId, kind: Kind) -> Result<Target> {
        reachable(self.nodes.get(&node), kind)
    }

    /// The socket with an abstract name.
    pub(super) fn abstract_name(&self, name: &[u8], kind: Kind) -> Result<Target> {
        reachable(self.abstracts.get(&(kind, name.to_vec())), kind)
    }

    /// The listener for connections to this address.
    pub(super) fn listener(&self, to: SocketAddr) -> Option<Arc<Listener>> {
        let entries = self.ports[Transport::Tcp as usize].get(&to.port())?;
        let listening = entries
            .iter()
            .filter(|entry| matches!(entry.target, Target::Listener(_)));
        let mut best = listening.filter_map(|entry| Some((score(&entry.terms, to.ip())?, entry)));
        let first = best.next()?;
        let (_, found) = best.fold(first, |best, next| if next.0 > best.0 { next } else { best });
        match &found.target {
            Target::Listener(listener) => listener.upgrade(),
            _ => None,
        }
    }

    /// The inbox for a datagram. Of several that fit equally well the one that was bound last.
    pub(super) fn inbox(&self, from: SocketAddr, to: SocketAddr) -> Option<Arc<Inbox>> {
        let entries = self.ports[Transport::Udp as usize].get(&to.port())?;
        let mut best: Option<(u8, Arc<Inbox>)> = None;
        // Inboxes that lose are dropped after the search; an inbox takes no name lock when it goes.
        let mut losers: SmallVec<[Arc<Inbox>; 4]> = SmallVec::new();
        for entry in entries {
            let (Some(place), Target::Inbox(inbox)) = (score(&entry.terms, to.ip()), &entry.target) else {
                continue;
            };
            let Some(inbox) = inbox.upgrade() else { continue };
            let Some(fit) = inbox.fit(from) else { continue };
            let value = place + fit * 8;
            match &best {
                Some((known, _)) if *known > value => losers.push(inbox),
                _ => losers.extend(best.replace((value, inbox)).map(|(_, old)| old)),
            }
        }
        best.map(|(_, inbox)| inbox)
    }

    fn conflicts(&self, transport: Transport, port: u16, terms: &Terms) -> bool {
        let entries = self.ports[transport as usize]
            .get(&port)
            .map(Vec::as_slice)
            .unwrap_or_default();
        entries.iter().any(|other| {
            let shared_port = terms.reuse_port && other.terms.reuse_port && terms.uid == other.terms.uid;
            let listening = matches!(&other.target, Target::Listener(listener) if listener.strong_count() > 0);
            let shared_address = terms.reuse_address && other.terms.reuse_address && !listening;
            !shared_port && !shared_address && overlap(terms, &other.terms)
        })
    }

    fn free_port(&mut self, transport: Transport, ports: RangeInclusive<u16>) -> Result<u16> {
        let (first, last) = (*ports.start(), *ports.end());
        for _ in ports {
            let port = self.next_port.max(first).min(last);
            self.next_port = if port == last { first } else { port + 1 };
            if !self.ports[transport as usize].contains_key(&port) {
                return Ok(port);
            }
        }
        Err(Errno::EADDRINUSE.into())
    }

    fn free_abstract(&mut self, kind: Kind) -> Result<Vec<u8>> {
        // Five hexadecimal digits, as `unix(7)` has it.
        for _ in 0..1 << 20 {
            let name = format!("{:05x}", self.next_abstract & 0xf_ffff).into_bytes();
            self.next_abstract = self.next_abstract.wrapping_add(1);
            if !self.abstracts.contains_key(&(kind, name.clone())) {
                return Ok(name);
            }
        }
        Err(Errno::ENOSPC.into())
    }

    fn claim_id(&mut self) -> u64 {
        self.next_claim += 1;
        self.next_claim
    }
}

fn reachable(entry: Option<&Unix>, kind: Kind) -> Result<Target> {
    let entry = entry.ok_or(Errno::ECONNREFUSED)?;
    if entry.kind != kind {
        return Err(Errno::EPROTOTYPE.into());
    }
    Ok(entry.target.clone())
}

/// How well a binding fits a destination; `None` not at all.
fn score(terms: &Terms, to: IpAddr) -> Option<u8> {
    if terms.ip == to {
        return Some(2);
    }
    let wild = terms.ip.is_unspecified();
    match (wild, terms.ip.is_ipv4() == to.is_ipv4()) {
        (true, true) => Some(1),
        (true, false) if terms.dual => Some(0),
        _ => None,
    }
}
