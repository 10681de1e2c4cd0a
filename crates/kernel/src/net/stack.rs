//! The network of one VM: its counters, its names, and the ways into it.

use super::address::Name;
use super::channel::Channel;
use super::flows::Sweeper;
use super::names::Names;
use super::{Caller, Domain, Egress, Kind, NetworkConfig, PeerCredentials, Socket, connect};
use crate::clock::Clock;
use crate::errno::Errno;
use crate::error::{LimitExceeded, Result};
use crate::events::Audit;
use crate::fd::IoResult;
use crate::limits::{Counter, Limits};
use crate::policy::Policy;
use crate::wait::{WaitQueue, Woken};
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
use core::task::Waker;
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};

/// The sockets of one VM.
pub struct Net {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) config: NetworkConfig,
    pub(super) egress: Option<Arc<dyn Egress>>,
    pub(super) policy: Arc<Policy>,
    pub(super) audit: Arc<Audit>,
    /// Destinations outside of one datagram socket.
    pub(super) udp_peers: usize,
    pub(super) sweeper: Sweeper,
    /// Messages to the VM's resolver that were not answered yet.
    pub(super) questions: Counter,
    pub(super) names: Mutex<Names>,
    sockets: Counter,
    connections: Counter,
    buffered: Counter,
    /// Memory of the VM, of which the buffers are a part.
    memory: OnceLock<Arc<Counter>>,
    /// Datagrams of one queue.
    pub(super) queue_len: usize,
    dropped: AtomicU64,
    next_id: AtomicU64,
    /// Tasks that wait for buffer space of the VM.
    starved: WaitQueue,
    starving: AtomicBool,
    /// Host tasks that wait for a connection to end.
    pub(super) crowded: WaitQueue,
}

/// What a network is made of.
pub struct NetSetup<'a> {
    /// The caps of the VM.
    pub limits: &'a Limits,
    /// Dates the sockets, and ends flows that nobody uses.
    pub clock: Arc<dyn Clock>,
    /// Rules of the operator.
    pub config: NetworkConfig,
    /// The way out, if there is one.
    pub egress: Option<Arc<dyn Egress>>,
    /// What guests may reach in the VM, and where they may listen.
    pub policy: Arc<Policy>,
    /// Hears of what was refused.
    pub audit: Arc<Audit>,
}

impl Net {
    /// An empty network.
    pub fn new(setup: NetSetup<'_>) -> Arc<Self> {
        let NetSetup {
            limits,
            clock,
            config,
            egress,
            policy,
            audit,
        } = setup;
        let counter = |path, unit, cap| Counter::new(path, unit, cap, Errno::EAGAIN);
        let path = "limits.resources.maxSocketBufferedBytes";
        Arc::new(Self {
            clock,
            config,
            egress,
            policy,
            audit,
            udp_peers: usize::try_from(limits.max_udp_peers_per_socket).unwrap_or(usize::MAX),
            sweeper: Sweeper::default(),
            questions: Counter::new(QUESTIONS_PATH, "questions", QUESTIONS, Errno::EAGAIN),
            names: Mutex::default(),
            sockets: counter("limits.resources.maxSockets", "sockets", limits.max_sockets),
            connections: counter("limits.resources.maxConnections", "connections", limits.max_connections),
            buffered: counter(path, "bytes", limits.max_socket_buffered_bytes),
            memory: OnceLock::new(),
            queue_len: usize::try_from(limits.max_socket_datagram_queue_len).unwrap_or(usize::MAX),
            dropped: AtomicU64::new(0),
            next_id: AtomicU64::new(1),
            starved: WaitQueue::default(),
            starving: AtomicBool::new(false),
            crowded: WaitQueue::default(),
        })
    }

    /// `socket(2)`. `protocol` is 0 or the number that belongs to family and kind, else `EPROTONOSUPPORT`.
    ///
    /// # Errors
    /// `EAGAIN` at the limit, `ESOCKTNOSUPPORT`'s stand-in `EPROTONOSUPPORT` for a kind that the family lacks.
    pub fn socket(
        self: &Arc<Self>,
        domain: Domain,
        kind: Kind,
        protocol: u32,
        caller: &dyn Caller,
    ) -> Result<Arc<Socket>> {
        let own = protocol_of(domain, kind).ok_or(Errno::EPROTONOSUPPORT)?;
        // Linux takes PF_UNIX (1) for the protocol of unix sockets, too.
        let fine = protocol == 0 || protocol == own || (domain == Domain::Unix && protocol == 1);
        if !fine {
            return Err(Errno::EPROTONOSUPPORT.into());
        }
        self.sockets.take(1, "socket")?;
        Ok(Socket::new(self, domain, kind, caller.credentials(), true))
    }

    /// `socketpair(2)`: two connected unix sockets; `EOPNOTSUPP` for other families.
    ///
    /// # Errors
    /// `EAGAIN` at a limit.
    pub fn pair(
        self: &Arc<Self>,
        domain: Domain,
        kind: Kind,
        caller: &dyn Caller,
    ) -> Result<(Arc<Socket>, Arc<Socket>)> {
        if domain != Domain::Unix {
            return Err(Errno::EOPNOTSUPP.into());
        }
        self.sockets.take(2, "socketpair")?;
        let own = caller.credentials();
        let make = || Socket::new(self, domain, kind, own, true);
        let (one, two) = (make(), make());
        connect::join(&one, &two)?;
        Ok((one, two))
    }

    /// A connection from the host to whoever listens on `port` of the VM's loopback addresses, IPv4 first. The socket is the
    /// host's: it does not count as one of the guest's, the connection does.
    ///
    /// Waits while the listener's backlog is full or the VM has as many connections as it may.
    ///
    /// # Errors
    /// `ECONNREFUSED` if nobody listens.
    pub fn connect_from_host(self: &Arc<Self>, port: u16, waker: Option<&Waker>) -> IoResult<Arc<Socket>> {
        connect::from_host(self, port, waker)
    }

    /// The way out of the VM, if it has one.
    pub fn egress(&self) -> Option<&Arc<dyn Egress>> {
        self.egress.as_ref()
    }

    /// Rules of the operator.
    pub fn config(&self) -> &NetworkConfig {
        &self.config
    }

    /// Sockets of guests, against `maxSockets`.
    pub fn sockets(&self) -> &Counter {
        &self.sockets
    }

    /// Established streams, against `maxConnections`.
    pub fn connections(&self) -> &Counter {
        &self.connections
    }

    /// Bytes in all sockets, against `maxSocketBufferedBytes`.
    pub fn buffered(&self) -> &Counter {
        &self.buffered
    }

    /// Counts what is buffered as memory of the VM, too, from now on. Buffers have a bound of their own, so they are never
    /// refused for it.
    pub fn count_memory(&self, memory: &Arc<Counter>) {
        let _ = self.memory.set(Arc::clone(memory));
    }

    /// Datagrams that were thrown away because a queue was full.
    pub fn dropped_datagrams(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// A datagram was thrown away; `is_long` if its queue held as many as it may.
    pub(super) fn count_dropped(&self, is_long: bool) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if is_long {
            let path = "limits.resources.maxSocketDatagramQueueLen";
            let cap = self.queue_len as u64;
            let breach = LimitExceeded::new(path, "datagrams", cap.saturating_add(1), cap, "sendto", Errno::ENOBUFS);
            self.audit.limit_exceeded(&breach, None);
        }
    }

    pub(super) fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Takes up to `wanted` bytes of buffer space; `None` means that there is none and `waker` waits for some. The caller wakes
    /// what comes with it once it has released its locks.
    pub(super) fn reserve(&self, wanted: usize, whole: bool, waker: Option<&Waker>) -> (Option<usize>, Woken) {
        let take = || match whole {
            true => self.buffered.take(wanted as u64, "send").ok().map(|()| wanted),
            false => usize::try_from(self.buffered.take_up_to(wanted as u64))
                .ok()
                .filter(|got| *got > 0),
        };
        let take = || {
            let got = take()?;
            if let Some(memory) = self.memory.get() {
                memory.add(got as u64);
            }
            Some(got)
        };
        if let Some(got) = take() {
            return (Some(got), Woken::default());
        }
        // Announce, then look again: whoever frees space in between either is seen here or sees the announcement.
        let cleared = self.starved.register(waker);
        self.starving.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        (take(), cleared)
    }

    /// Whether buffer space of the VM is used up.
    pub(super) fn is_exhausted(&self) -> bool {
        self.buffered.used() >= self.buffered.capacity()
    }

    /// Gives buffer space back. The caller holds no lock that a woken task may take.
    pub(super) fn unreserve(&self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        self.buffered.give(bytes as u64);
        if let Some(memory) = self.memory.get() {
            memory.give(bytes as u64);
        }
        fence(Ordering::SeqCst);
        if self.starving.swap(false, Ordering::SeqCst) {
            self.starved.wake();
        }
    }
}

/// The protocol number of a kind in a family, if the family has the kind.
pub(super) fn protocol_of(domain: Domain, kind: Kind) -> Option<u32> {
    match (domain, kind) {
        (Domain::Unix, _) => Some(0),
        (_, Kind::Stream) => Some(6),
        (_, Kind::Datagram) => Some(17),
        (_, Kind::SeqPacket) => None,
    }
}

/// Questions to the resolver that may be open at once.
const QUESTIONS: u64 = 64;
const QUESTIONS_PATH: &str = "limits.network.maxConcurrentLookups";

/// One established stream, counted while either end is open.
pub(super) struct Slot(Arc<Net>);

impl Slot {
    /// Takes a place among the connections; `EAGAIN` at the limit.
    pub(super) fn take(net: &Arc<Net>) -> Result<Self> {
        net.connections.take(1, "connect")?;
        Ok(Self(Arc::clone(net)))
    }

    pub(super) fn net(&self) -> &Net {
        &self.0
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.connections.give(1);
        self.0.crowded.wake();
    }
}

/// A connection that reached a listener and was not accepted yet.
pub(super) struct Incoming {
    pub(super) channel: Channel,
    pub(super) local: Name,
    pub(super) peer: Name,
    pub(super) credentials: PeerCredentials,
}
