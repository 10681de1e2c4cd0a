//! A way out of the VM that is real: host sockets on the host's loopback, and a thread that waits for them.
//!
//! Destinations are documentation addresses; the bridge leads each port to the same port of the host's loopback.

use agentos_kernel::errno::Errno;
use agentos_kernel::fd::{IoResult, PollEvents};
use agentos_kernel::id::Pid;
use agentos_kernel::net::{Datagrams, Domain, Egress, Lookup, Outgoing, Query, Shutdown, Stream};
use agentos_kernel::{Error, Result};
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno as HostErrno;
use rustix::net::{self, AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};

/// The bridge. Dropping it ends its thread.
pub struct Bridge {
    reactor: Arc<Reactor>,
}

struct Reactor {
    waiting: Mutex<Waiting>,
    bell: OwnedFd,
}

#[derive(Default)]
struct Waiting {
    entries: Vec<(Arc<OwnedFd>, PollFlags, Waker)>,
    over: bool,
}

impl Bridge {
    pub fn new() -> Arc<Self> {
        let reactor = Arc::new(Reactor {
            waiting: Mutex::default(),
            bell: eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC).unwrap(),
        });
        let thread = Arc::clone(&reactor);
        std::thread::spawn(move || thread.run());
        Arc::new(Self { reactor })
    }

    fn socket(&self, kind: SocketType, request: &Outgoing) -> Result<Arc<OwnedFd>> {
        let to = host(request.destination);
        let family = if to.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let socket = net::socket_with(family, kind, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
        match net::connect(&socket, &to) {
            Ok(()) | Err(HostErrno::INPROGRESS) => Ok(Arc::new(socket)),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// Where the bridge leads a destination.
fn host(destination: SocketAddr) -> SocketAddr {
    let ip: IpAddr = match destination {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, destination.port())
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.reactor.waiting.lock().over = true;
        self.reactor.ring();
    }
}

impl Reactor {
    fn ring(&self) {
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }

    fn wait_for(&self, socket: &Arc<OwnedFd>, events: PollFlags, waker: Option<&Waker>) {
        let Some(waker) = waker else { return };
        let entry = (Arc::clone(socket), events, waker.clone());
        self.waiting.lock().entries.push(entry);
        self.ring();
    }

    /// Wakes everybody who waits for a socket.
    fn release(&self, socket: &Arc<OwnedFd>) {
        let mut waiting = self.waiting.lock();
        let (out, kept) = core::mem::take(&mut waiting.entries)
            .into_iter()
            .partition(|(other, ..)| Arc::ptr_eq(other, socket));
        waiting.entries = kept;
        drop(waiting);
        let out: Vec<(Arc<OwnedFd>, PollFlags, Waker)> = out;
        out.into_iter().for_each(|(.., waker)| waker.wake());
    }

    fn run(&self) {
        loop {
            let mut waiting = self.waiting.lock();
            if waiting.over {
                return;
            }
            let entries = core::mem::take(&mut waiting.entries);
            drop(waiting);
            let mut targets = vec![PollFd::new(&self.bell, PollFlags::IN)];
            targets.extend(entries.iter().map(|(socket, events, _)| PollFd::new(socket, *events)));
            poll(&mut targets, None).unwrap();
            let rings = !targets[0].revents().is_empty();
            let ready: Vec<bool> = targets[1..].iter().map(|target| !target.revents().is_empty()).collect();
            drop(targets);
            if rings {
                let _ = rustix::io::read(&self.bell, &mut [0; 8]);
            }
            let mut woken = Vec::new();
            for ((socket, events, waker), ready) in entries.into_iter().zip(ready) {
                match ready {
                    true => woken.push(waker),
                    false => self.waiting.lock().entries.push((socket, events, waker)),
                }
            }
            woken.into_iter().for_each(Waker::wake);
        }
    }
}

fn conditions(socket: &OwnedFd, interest: PollEvents) -> PollEvents {
    let wanted = PollFlags::from_bits_retain(interest.bits() as u16);
    let mut target = [PollFd::from_borrowed_fd(socket.as_fd(), wanted)];
    poll(&mut target, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).unwrap();
    PollEvents::from_bits_retain(u32::from(target[0].revents().bits()))
}

impl Egress for Bridge {
    fn connect(&self, request: &Outgoing) -> Result<Arc<dyn Stream>> {
        Ok(Arc::new(HostStream {
            socket: self.socket(SocketType::STREAM, request)?,
            reactor: Arc::clone(&self.reactor),
            connected: OnceLock::new(),
        }))
    }

    fn datagrams(&self, request: &Outgoing) -> Result<Arc<dyn Datagrams>> {
        Ok(Arc::new(HostDatagrams {
            socket: self.socket(SocketType::DGRAM, request)?,
            reactor: Arc::clone(&self.reactor),
        }))
    }

    fn resolve(&self, _: &[u8], _: Option<Domain>, _: Pid) -> Result<Arc<dyn Lookup>> {
        Err(Errno::ENOENT.into())
    }

    fn query(&self, _: &[u8], _: Pid) -> Result<Arc<dyn Query>> {
        Err(Errno::EINVAL.into())
    }
}

struct HostStream {
    socket: Arc<OwnedFd>,
    reactor: Arc<Reactor>,
    connected: OnceLock<Result<SocketAddr>>,
}

/// What a call on a host socket says; one that would block leaves the waker to the reactor.
fn settle<T>(
    result: core::result::Result<T, HostErrno>,
    reactor: &Reactor,
    socket: &Arc<OwnedFd>,
    events: PollFlags,
    waker: Option<&Waker>,
) -> IoResult<T> {
    match result {
        Err(HostErrno::AGAIN) => {
            reactor.wait_for(socket, events, waker);
            Poll::Pending
        }
        result => Poll::Ready(result.map_err(Error::from)),
    }
}

impl Stream for HostStream {
    fn poll_connected(&self, waker: Option<&Waker>) -> IoResult<SocketAddr> {
        if let Some(known) = self.connected.get() {
            return Poll::Ready(known.clone());
        }
        if conditions(&self.socket, PollEvents::OUT).is_empty() {
            self.reactor.wait_for(&self.socket, PollFlags::OUT, waker);
            return Poll::Pending;
        }
        let result = self.connected.get_or_init(|| {
            net::sockopt::socket_error(&self.socket)??;
            let peer = net::getpeername(&self.socket)?.ok_or(Errno::ENOTCONN)?;
            Ok(SocketAddr::try_from(peer).unwrap())
        });
        Poll::Ready(result.clone())
    }

    fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        let result = net::recv(&self.socket, buf, RecvFlags::empty()).map(|(count, _)| count);
        settle(result, &self.reactor, &self.socket, PollFlags::IN, waker)
    }

    fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        let result = net::send(&self.socket, data, SendFlags::NOSIGNAL);
        settle(result, &self.reactor, &self.socket, PollFlags::OUT, waker)
    }

    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let ready = conditions(&self.socket, interest);
        if ready.is_empty() {
            let wanted = PollFlags::from_bits_retain(interest.bits() as u16);
            self.reactor.wait_for(&self.socket, wanted, waker);
        }
        ready
    }

    fn available(&self) -> u64 {
        rustix::io::ioctl_fionread(&self.socket).unwrap_or(0)
    }

    fn shutdown(&self, how: Shutdown) {
        let _ = net::shutdown(
            &self.socket,
            match how {
                Shutdown::Read => net::Shutdown::Read,
                Shutdown::Write => net::Shutdown::Write,
                Shutdown::Both => net::Shutdown::Both,
            },
        );
    }

    fn close(&self, abort: bool) {
        if abort {
            let _ = net::sockopt::set_socket_linger(&self.socket, Some(std::time::Duration::ZERO));
        }
        self.reactor.release(&self.socket);
    }

    fn set_no_delay(&self, on: bool) {
        let _ = net::sockopt::set_tcp_nodelay(&self.socket, on);
    }

    fn take_error(&self) -> Option<Error> {
        net::sockopt::socket_error(&self.socket).ok()?.err().map(Error::from)
    }
}

struct HostDatagrams {
    socket: Arc<OwnedFd>,
    reactor: Arc<Reactor>,
}

impl Datagrams for HostDatagrams {
    fn send(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<()> {
        let result = net::send(&self.socket, data, SendFlags::NOSIGNAL).map(drop);
        settle(result, &self.reactor, &self.socket, PollFlags::OUT, waker)
    }

    fn receive(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        let result = net::recv(&self.socket, buf, RecvFlags::TRUNC).map(|(_, length)| length);
        settle(result, &self.reactor, &self.socket, PollFlags::IN, waker)
    }

    fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        let ready = conditions(&self.socket, interest);
        if ready.is_empty() {
            let wanted = PollFlags::from_bits_retain(interest.bits() as u16);
            self.reactor.wait_for(&self.socket, wanted, waker);
        }
        ready
    }

    fn take_error(&self) -> Option<Error> {
        net::sockopt::socket_error(&self.socket).ok()?.err().map(Error::from)
    }

    fn close(&self) {
        self.reactor.release(&self.socket);
    }
}
