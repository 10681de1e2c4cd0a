//! The kernel's side.

use super::common::ManualClock;
use super::world::{Answer, Call, NAMES, Name, Slot, World, all_events, payload};
use agentos_kernel::Result;
use agentos_kernel::errno::Errno;
use agentos_kernel::events::{Audit, EventSink, Ignore};
use agentos_kernel::fd::{File, IoResult};
use agentos_kernel::id::{DeviceId, Gid, Ino, Pid, Uid};
use agentos_kernel::limits::Limits;
use agentos_kernel::net::{
    Caller, Domain, Egress, MessageFlags, Net, NetSetup, NetworkConfig, NodeId, OptionName, OptionValue,
    PeerCredentials, Shutdown, Socket, SocketAddress, UnixAddress,
};
use agentos_kernel::policy::Policy;
use core::task::Poll;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

/// A caller with a flat directory of socket files.
#[derive(Default)]
pub struct Process {
    nodes: Mutex<HashMap<Vec<u8>, NodeId>>,
    pub uid: u32,
}

impl Process {
    pub fn new() -> Self {
        Self {
            uid: 1000,
            ..Self::default()
        }
    }

    /// One with this user.
    pub fn of(uid: u32) -> Self {
        Self { uid, ..Self::default() }
    }

    pub fn unlink(&self, path: &[u8]) {
        self.nodes.lock().remove(path);
    }
}

impl Caller for Process {
    fn credentials(&self) -> PeerCredentials {
        PeerCredentials {
            pid: Pid(7),
            uid: Uid(self.uid),
            gid: Gid(1000),
        }
    }
    fn create_node(&self, path: &[u8]) -> Result<NodeId> {
        let mut nodes = self.nodes.lock();
        if nodes.contains_key(path) {
            return Err(Errno::EADDRINUSE.into());
        }
        let node = NodeId {
            device: DeviceId(1),
            ino: Ino(nodes.len() as u64 + 100),
        };
        nodes.insert(path.to_vec(), node);
        Ok(node)
    }
    fn find_node(&self, path: &[u8]) -> Result<NodeId> {
        self.nodes.lock().get(path).copied().ok_or_else(|| Errno::ENOENT.into())
    }
}

/// What a network is made with.
pub struct Setup {
    pub limits: fn(&mut Limits),
    pub config: NetworkConfig,
    pub clock: Option<Arc<ManualClock>>,
    pub egress: Option<Arc<dyn Egress>>,
    pub policy: Arc<Policy>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: |_| {},
            config: NetworkConfig::default(),
            clock: None,
            egress: None,
            policy: Arc::default(),
        }
    }
}

impl Setup {
    pub fn net(self) -> Arc<Net> {
        self.reporting(Arc::new(Ignore)).0
    }

    /// A network that reports to `sink`, and its way to report.
    pub fn reporting<S: EventSink>(self, sink: Arc<S>) -> (Arc<Net>, Arc<Audit>, Arc<S>) {
        let mut limits = Limits::default();
        (self.limits)(&mut limits);
        let clock = self.clock.unwrap_or_default();
        let audit = Audit::new(clock.clone(), sink.clone());
        let net = Net::new(NetSetup {
            limits: &limits,
            clock,
            config: self.config,
            egress: self.egress,
            policy: self.policy,
            audit: audit.clone(),
        });
        (net, audit, sink)
    }
}

/// A network of its own.
pub fn net(limits: fn(&mut Limits)) -> Arc<Net> {
    Setup {
        limits,
        ..Setup::default()
    }
    .net()
}

/// What every test ends with: nothing is counted any more.
pub fn assert_unused(net: &Net) {
    let used = [net.sockets().used(), net.connections().used(), net.buffered().used()];
    assert_eq!(used, [0, 0, 0], "sockets, connections, bytes");
}

pub struct Ours {
    net: Arc<Net>,
    process: Process,
    domain: Domain,
    slots: Vec<Option<Arc<Socket>>>,
}

/// Ports that stand for the names.
const FIRST_PORT: u16 = 5000;

impl Ours {
    pub fn new(domain: Domain) -> Self {
        Self {
            net: net(|_| {}),
            process: Process::new(),
            domain,
            slots: Vec::new(),
        }
    }

    /// One with this network and these sockets, in its first slots.
    pub fn with(net: Arc<Net>, domain: Domain, sockets: impl IntoIterator<Item = Arc<Socket>>) -> Self {
        Self {
            net,
            process: Process::new(),
            domain,
            slots: sockets.into_iter().map(Some).collect(),
        }
    }

    fn address(&self, name: Name) -> SocketAddress {
        let port = FIRST_PORT + name as u16;
        match self.domain {
            Domain::Unix if name == 2 => SocketAddress::Unix(UnixAddress::Abstract(vec![0, 7, b'a'])),
            Domain::Unix => SocketAddress::Unix(UnixAddress::Path(vec![b'a' + name as u8])),
            Domain::Inet => SocketAddress::Inet((Ipv4Addr::LOCALHOST, port).into()),
            Domain::Inet6 => SocketAddress::Inet((Ipv6Addr::LOCALHOST, port).into()),
        }
    }

    fn name_of(&self, address: &SocketAddress) -> Option<Name> {
        (0..NAMES).find(|name| self.address(*name) == *address)
    }

    fn run(&mut self, call: &Call) -> Result<IoResult<Answer>> {
        let plain = |result: Result<()>| Ok(Poll::Ready(result.map(|()| Answer::Done)));
        let socket = |slot: Slot| self.slots.get(slot).cloned().flatten().ok_or(Errno::EBADF);
        Ok(match *call {
            Call::Socket(domain, kind) => {
                let made = self.net.socket(domain, kind, 0, &self.process)?;
                self.slots.push(Some(made));
                Poll::Ready(Ok(Answer::Done))
            }
            Call::Pair(kind) => {
                let (one, two) = self.net.pair(self.domain, kind, &self.process)?;
                self.slots.extend([Some(one), Some(two)]);
                Poll::Ready(Ok(Answer::Done))
            }
            Call::Bind(slot, name) => return plain(socket(slot)?.bind(&self.address(name), &self.process)),
            Call::Listen(slot, backlog) => return plain(socket(slot)?.listen(backlog, &self.process)),
            Call::Connect(slot, name) => {
                let result = socket(slot)?.connect(&self.address(name), &self.process, None);
                result.map(|done| done.map(|()| Answer::Done))
            }
            Call::Accept(slot) => match socket(slot)?.accept(None) {
                Poll::Ready(Ok((accepted, peer))) => {
                    self.slots.push(Some(accepted));
                    let peer = Some(&peer).filter(|_| self.domain == Domain::Unix);
                    Poll::Ready(Ok(Answer::Named(peer.and_then(|peer| self.name_of(peer)))))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            },
            Call::Send(slot, len) => {
                let sent = socket(slot)?.send(&payload(len), MessageFlags::empty(), None, None);
                sent.map(|done| done.map(Answer::Count))
            }
            Call::SendTo(slot, name, len) => {
                let to = self.address(name);
                let to: (&SocketAddress, &dyn Caller) = (&to, &self.process);
                let sent = socket(slot)?.send(&payload(len), MessageFlags::empty(), Some(to), None);
                sent.map(|done| done.map(Answer::Count))
            }
            Call::Receive(slot, len, peek) => {
                let mut buf = vec![0; len];
                let flags = if peek {
                    MessageFlags::PEEK
                } else {
                    MessageFlags::empty()
                };
                let got = socket(slot)?.receive(&mut buf, flags, None);
                got.map(|done| {
                    done.map(|received| {
                        buf.truncate(received.length);
                        Answer::Data(buf, received.source.map(|source| self.name_of(&source)))
                    })
                })
            }
            Call::ShutRead(slot) => return plain(socket(slot)?.shutdown(Shutdown::Read)),
            Call::ShutWrite(slot) => return plain(socket(slot)?.shutdown(Shutdown::Write)),
            Call::ShutBoth(slot) => return plain(socket(slot)?.shutdown(Shutdown::Both)),
            Call::Poll(slot) => Poll::Ready(Ok(Answer::Events(socket(slot)?.poll(all_events(), None)))),
            Call::Error(slot) => match socket(slot)?.option(OptionName::Error)? {
                OptionValue::Error(error) => Poll::Ready(Ok(Answer::Pending(error))),
                other => panic!("{other:?}"),
            },
            Call::Peer(slot) => {
                let peer = socket(slot)?.peer_name()?;
                Poll::Ready(Ok(Answer::Named(self.name_of(&peer))))
            }
            Call::Own(slot) => Poll::Ready(Ok(Answer::Named(self.name_of(&socket(slot)?.name())))),
            Call::Available(slot) => Poll::Ready(Ok(Answer::Count(socket(slot)?.available()? as usize))),
            Call::Close(slot) => {
                socket(slot)?;
                self.slots[slot] = None;
                Poll::Ready(Ok(Answer::Done))
            }
        })
    }
}

impl World for Ours {
    fn call(&mut self, call: &Call) -> Answer {
        match self.run(call) {
            Ok(Poll::Ready(Ok(answer))) => answer,
            Ok(Poll::Pending) => Answer::Failed(Errno::EAGAIN),
            Err(error) | Ok(Poll::Ready(Err(error))) => match error.errno() {
                Errno::EBADF => Answer::Absent,
                errno => Answer::Failed(errno),
            },
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        self.slots.clear();
        if !std::thread::panicking() {
            assert_unused(&self.net);
        }
    }
}
