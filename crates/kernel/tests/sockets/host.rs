//! The host's side.

use super::world::{Answer, Call, NAMES, Name, Slot, World, all_events, payload};
use agentos_kernel::errno::Errno;
use agentos_kernel::fd::PollEvents;
use agentos_kernel::net::{Domain, Kind};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno as HostErrno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType};
use rustix::time::Timespec;
use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

pub struct Host {
    domain: Domain,
    addresses: Vec<SocketAddrAny>,
    slots: Vec<Option<OwnedFd>>,
    _directory: tempfile::TempDir,
}

impl Host {
    pub fn new(domain: Domain) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let addresses = match domain {
            Domain::Unix => {
                let path = |name: &str| SocketAddrUnix::new(directory.path().join(name)).unwrap().into();
                let unique = directory.path().as_os_str().as_encoded_bytes().to_vec();
                vec![
                    path("a"),
                    path("b"),
                    SocketAddrUnix::new_abstract_name(&unique).unwrap().into(),
                ]
            }
            Domain::Inet => free_ports((Ipv4Addr::LOCALHOST, 0).into()),
            Domain::Inet6 => free_ports((Ipv6Addr::LOCALHOST, 0).into()),
        };
        Self {
            domain,
            addresses,
            slots: Vec::new(),
            _directory: directory,
        }
    }

    /// Gives it a socket that exists already, as its next slot.
    pub fn adopt(&mut self, socket: OwnedFd) {
        self.slots.push(Some(socket));
    }

    fn name_of(&self, address: Option<SocketAddrAny>) -> Option<Name> {
        let address = address?;
        self.addresses.iter().position(|known| *known == address)
    }

    fn run(&mut self, call: &Call) -> Result<Answer, HostErrno> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let family = family(self.domain);
        let socket = |slot: Slot| self.slots.get(slot).and_then(Option::as_ref).ok_or(HostErrno::BADF);
        Ok(match *call {
            Call::Socket(domain, kind) => {
                let made = net::socket_with(self::family(domain), kind_of(kind), flags, None)?;
                self.slots.push(Some(made));
                Answer::Done
            }
            Call::Pair(kind) => {
                let (one, two) = net::socketpair(family, kind_of(kind), flags, None)?;
                self.slots.extend([Some(one), Some(two)]);
                Answer::Done
            }
            Call::Bind(slot, name) => net::bind(socket(slot)?, &self.addresses[name]).map(|()| Answer::Done)?,
            Call::Listen(slot, backlog) => net::listen(socket(slot)?, backlog as i32).map(|()| Answer::Done)?,
            Call::Connect(slot, name) => net::connect(socket(slot)?, &self.addresses[name]).map(|()| Answer::Done)?,
            Call::Accept(slot) => {
                let (accepted, peer) = net::acceptfrom_with(socket(slot)?, flags)?;
                self.slots.push(Some(accepted));
                let peer = peer.filter(|_| self.domain == Domain::Unix);
                Answer::Named(self.name_of(peer))
            }
            Call::Send(slot, len) => Answer::Count(net::send(socket(slot)?, &payload(len), SendFlags::NOSIGNAL)?),
            Call::SendTo(slot, name, len) => {
                let to = &self.addresses[name];
                Answer::Count(net::sendto(socket(slot)?, &payload(len), SendFlags::NOSIGNAL, to)?)
            }
            Call::Receive(slot, len, peek) => {
                let mut buf = vec![0; len];
                let flags = if peek { RecvFlags::PEEK } else { RecvFlags::empty() };
                let (count, _, source) = net::recvfrom(socket(slot)?, &mut buf[..], flags)?;
                buf.truncate(count);
                let datagram = net::sockopt::socket_type(socket(slot)?)? == SocketType::DGRAM;
                let shut = count == 0 && source.is_none() && self.domain != Domain::Unix;
                let source = (datagram && !shut).then(|| self.name_of(source));
                Answer::Data(buf, source)
            }
            Call::ShutRead(slot) => net::shutdown(socket(slot)?, net::Shutdown::Read).map(|()| Answer::Done)?,
            Call::ShutWrite(slot) => net::shutdown(socket(slot)?, net::Shutdown::Write).map(|()| Answer::Done)?,
            Call::ShutBoth(slot) => net::shutdown(socket(slot)?, net::Shutdown::Both).map(|()| Answer::Done)?,
            Call::Poll(slot) => {
                let wanted = PollFlags::from_bits_retain(all_events().bits() as u16);
                let mut targets = [PollFd::new(socket(slot)?, wanted)];
                poll(&mut targets, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?;
                let ready = PollEvents::from_bits_retain(u32::from(targets[0].revents().bits()));
                Answer::Events(ready & all_events())
            }
            Call::Error(slot) => Answer::Pending(net::sockopt::socket_error(socket(slot)?)?.err().map(Errno::from)),
            Call::Peer(slot) => Answer::Named(self.name_of(net::getpeername(socket(slot)?)?)),
            Call::Own(slot) => Answer::Named(self.name_of(Some(net::getsockname(socket(slot)?)?))),
            Call::Available(slot) => Answer::Count(rustix::io::ioctl_fionread(socket(slot)?)? as usize),
            Call::Close(slot) => {
                socket(slot)?;
                self.slots[slot] = None;
                Answer::Done
            }
        })
    }
}

impl World for Host {
    fn call(&mut self, call: &Call) -> Answer {
        match self.run(call) {
            Ok(answer) => answer,
            Err(HostErrno::BADF) => Answer::Absent,
            Err(errno) => Answer::Failed(Errno::from(errno)),
        }
    }
}

fn family(domain: Domain) -> AddressFamily {
    match domain {
        Domain::Unix => AddressFamily::UNIX,
        Domain::Inet => AddressFamily::INET,
        Domain::Inet6 => AddressFamily::INET6,
    }
}

fn kind_of(kind: Kind) -> SocketType {
    match kind {
        Kind::Stream => SocketType::STREAM,
        Kind::Datagram => SocketType::DGRAM,
        Kind::SeqPacket => SocketType::SEQPACKET,
    }
}

/// Ports that are free for TCP and UDP alike, that no other script of this process has, and that the host gives to nobody who
/// asks for any port.
fn free_ports(any: SocketAddr) -> Vec<SocketAddrAny> {
    static TURN: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(RandomState::new().hash_one(0) >> 32));
    let candidates = std::iter::repeat_with(|| {
        let turn = TURN.fetch_add(1, Ordering::Relaxed);
        SocketAddrAny::from(SocketAddr::new(any.ip(), 10_000 + (turn % 20_000) as u16))
    });
    candidates.filter(is_free).take(NAMES).collect()
}

/// Whether nobody has the address, not even a connection that has ended a moment ago and lingers.
fn is_free(at: &SocketAddrAny) -> bool {
    [SocketType::STREAM, SocketType::DGRAM].into_iter().all(|kind| {
        let socket = net::socket_with(at.address_family(), kind, SocketFlags::CLOEXEC, None).unwrap();
        net::bind(&socket, at).is_ok()
    })
}
