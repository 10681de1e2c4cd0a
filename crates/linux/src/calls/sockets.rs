//! Sockets: making, naming and connecting them. Messages are in [`messages`](super::messages), options in [`options`](super::options).

use super::{Call, Fail, Outcome};
use crate::net::{self, Bridge, Form};
use crate::sys::{self, Answer};
use agentos_kernel::Errno;
use agentos_kernel::fd::StatusFlags;
use agentos_kernel::id::Fd;
use agentos_kernel::net::{Domain, Kind, Shutdown, Socket, SocketAddress};
use agentos_kernel::process::Process;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::task::Poll;

/// Where the kernel's table of a process, which is otherwise empty, holds a socket while a call is about it.
const MEANWHILE: Fd = Fd(0);

pub(crate) fn socket(call: &mut Call<'_>) -> Outcome {
    call.vm.is_strange();
    let (domain, kind, flags) = asked_for(call)?;
    let routes = call.int(0) == libc::AF_NETLINK;
    let process = call.process()?;
    if call.vm.sockets.is_crowded() {
        call.vm.sweep_sockets();
    }
    let protocol = if routes { 0 } else { call.uint(2) };
    let make = || process.socket(domain, kind, protocol, false, false);
    let fd = match make() {
        // Some may be closed, and nobody has looked yet.
        Err(error) if error == Errno::EAGAIN => {
            call.vm.settle_sockets();
            make()?
        }
        made => made?,
    };
    let file = process.file(fd);
    let _ = process.close(fd);
    let guest = match routes {
        true => call.vm.sockets.add_routes(file?, process.pid().0)?,
        false => call.vm.sockets.add(file?, false)?,
    };
    sys::set_nonblocking(guest.as_fd(), flags & libc::SOCK_NONBLOCK != 0)?;
    call.confirm()?;
    Ok(Answer::Descriptor(guest, flags & libc::SOCK_CLOEXEC != 0))
}

/// Family, kind and flags; what a VM does not have is refused.
fn asked_for(call: &Call<'_>) -> Result<(Domain, Kind, i32), Fail> {
    const KIND: i32 = 0xf;
    const FLAGS: i32 = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
    /// One more than the last kind, and the numbers that protocols have.
    const KINDS: i32 = 11;
    const PROTOCOLS: std::ops::RangeInclusive<i32> = 0..=libc::IPPROTO_MPTCP;
    let domain = match call.int(0) {
        libc::AF_UNIX => Domain::Unix,
        libc::AF_INET => Domain::Inet,
        libc::AF_INET6 => Domain::Inet6,
        // Interfaces and addresses, which are made up: the VM's socket behind it only counts.
        libc::AF_NETLINK if call.int(2) == libc::NETLINK_ROUTE => Domain::Unix,
        libc::AF_PACKET => return Err(Fail(libc::EPERM)),
        _ => return Err(Fail(libc::EAFNOSUPPORT)),
    };
    if call.int(1) & !(KIND | FLAGS) != 0 || call.int(1) & KIND >= KINDS || !PROTOCOLS.contains(&call.int(2)) {
        return Err(Fail(libc::EINVAL));
    }
    if call.int(0) == libc::AF_NETLINK {
        return match call.int(1) & KIND {
            libc::SOCK_RAW | libc::SOCK_DGRAM => Ok((domain, Kind::Datagram, call.int(1) & FLAGS)),
            _ => Err(Fail(libc::ESOCKTNOSUPPORT)),
        };
    }
    let kind = match call.int(1) & KIND {
        libc::SOCK_STREAM => Kind::Stream,
        libc::SOCK_DGRAM => Kind::Datagram,
        // Linux makes one of datagrams.
        libc::SOCK_RAW if domain == Domain::Unix => Kind::Datagram,
        libc::SOCK_SEQPACKET if domain == Domain::Unix => Kind::SeqPacket,
        libc::SOCK_RAW => return Err(Fail(libc::EPERM)),
        _ => return Err(Fail(libc::ESOCKTNOSUPPORT)),
    };
    if domain != Domain::Unix && call.int(2) == libc::IPPROTO_MPTCP {
        return Err(Fail(libc::EAFNOSUPPORT));
    }
    Ok((domain, kind, call.int(1) & FLAGS))
}

/// The VM's socket behind a descriptor; none for a pair that guests made among themselves.
pub(super) fn behind(call: &Call<'_>, fd: i32) -> Result<Option<Arc<Bridge>>, Fail> {
    if fd < 0 {
        return Err(Fail(libc::EBADF));
    }
    let stat = call.vm.host_stat(call.key, fd)?;
    match call.vm.sockets.find((stat.st_dev, stat.st_ino)) {
        Some(bridge) => Ok(Some(bridge)),
        None if stat.st_mode & libc::S_IFMT == libc::S_IFSOCK => Ok(None),
        None => Err(Fail(libc::ENOTSOCK)),
    }
}

/// Runs `run` while the kernel's table of the process holds the socket.
pub(super) fn holding<T>(
    call: &Call<'_>,
    bridge: &Bridge,
    nonblocking: bool,
    run: impl FnOnce(&Process, Fd) -> T,
) -> Result<T, Fail> {
    let process = call.process()?;
    let status = if nonblocking {
        StatusFlags::NONBLOCK
    } else {
        StatusFlags::empty()
    };
    bridge.file.set_flags(status);
    process.install(MEANWHILE, Arc::clone(&bridge.file), true)?;
    let result = run(&process, MEANWHILE);
    let _ = process.close(MEANWHILE);
    Ok(result)
}

/// Flags of a guest's descriptor and its description.
fn flags_of(call: &Call<'_>, fd: i32) -> Result<i32, Fail> {
    call.vm.position(call.key, fd).map(|(_, flags)| flags)
}

/// An address in the guest's memory, copied.
pub(super) fn address(call: &Call<'_>, at: u64, len: u64) -> Result<Vec<u8>, Fail> {
    let len = usize::try_from(len as i32).map_err(|_| Fail(libc::EINVAL))?;
    if len > net::ADDRESS_MAX {
        return Err(Fail(libc::EINVAL));
    }
    let mut bytes = vec![0; len];
    call.read(at, &mut bytes)?;
    Ok(bytes)
}

/// Gives the guest an address, cut to the room that it says there is.
pub(super) fn give_address(call: &Call<'_>, address: &SocketAddress, at: u64, len_at: u64) -> Result<(), Fail> {
    give_name(call, &net::encode(address), at, len_at)
}

fn give_name(call: &Call<'_>, bytes: &[u8], at: u64, len_at: u64) -> Result<(), Fail> {
    let mut room = [0; 4];
    call.read(len_at, &mut room)?;
    let room = usize::try_from(i32::from_ne_bytes(room)).map_err(|_| Fail(libc::EINVAL))?;
    call.write(at, bytes.get(..room.min(bytes.len())).unwrap_or_default())?;
    call.write(len_at, &(bytes.len() as u32).to_ne_bytes())
}

pub(crate) fn bind(call: &mut Call<'_>) -> Outcome {
    let bytes = address(call, call.arg(1), call.arg(2))?;
    let bridge = behind(call, call.int(0))?.ok_or(Fail(libc::EINVAL))?;
    if asks_routes(&bridge) {
        return Ok(Answer::OK);
    }
    let address = net::decode(&of_any_family(bytes, &bridge))?;
    call.confirm()?;
    let once = |call: &Call<'_>| holding(call, &bridge, false, |process, fd| process.bind(fd, &address));
    match once(call)? {
        // Its owner may have closed it a moment ago.
        Err(error) if error == Errno::EADDRINUSE && matches!(address, SocketAddress::Inet(_)) => {
            call.vm.settle_sockets();
            once(call)??;
        }
        done => done?,
    }
    Ok(Answer::OK)
}

/// An address to bind to. Programs leave out the family of the one that means every address, which Linux has taken ever since.
fn of_any_family(mut bytes: Vec<u8>, bridge: &Bridge) -> Vec<u8> {
    const NONE: [u8; 2] = (libc::AF_UNSPEC as u16).to_ne_bytes();
    let is_inet = bridge.socket().is_some_and(|socket| socket.domain() == Domain::Inet);
    if is_inet && bytes.len() >= 16 && bytes.starts_with(&NONE) && bytes.get(4..8) == Some(&[0; 4]) {
        bytes.splice(..2, (libc::AF_INET as u16).to_ne_bytes());
    }
    bytes
}

pub(crate) fn listen(call: &mut Call<'_>) -> Outcome {
    let bridge = behind(call, call.int(0))?.ok_or(Fail(libc::EINVAL))?;
    let flags = flags_of(call, call.int(0))?;
    call.confirm()?;
    // A negative backlog is a large one.
    let backlog = call.uint(1);
    let once = |call: &Call<'_>| holding(call, &bridge, false, |process, fd| process.listen(fd, backlog));
    match once(call)? {
        Err(error) if error == Errno::EADDRINUSE => {
            call.vm.settle_sockets();
            once(call)??;
        }
        done => done?,
    }
    let listens = matches!(&*bridge.form.lock(), Form::Pending(_));
    if !listens {
        replace(call, &bridge, flags, true)?;
    }
    Ok(Answer::OK)
}

/// Puts another descriptor in the place of the one that the guest has.
fn replace(call: &mut Call<'_>, bridge: &Arc<Bridge>, flags: i32, listens: bool) -> Result<(), Fail> {
    let guest = call.vm.sockets.renew(bridge, listens)?;
    sys::set_nonblocking(guest.as_fd(), flags & libc::O_NONBLOCK != 0)?;
    let (target, cloexec) = (call.uint(0), flags & libc::O_CLOEXEC != 0);
    call.vm
        .listener
        .add(call.n.id, guest.as_fd(), Some(target), cloexec, 0)?;
    Ok(())
}

/// Whether it is a netlink socket, which has no peer but the VM.
pub(super) fn asks_routes(bridge: &Bridge) -> bool {
    matches!(&*bridge.form.lock(), Form::Routes(_))
}

pub(crate) fn connect(call: &mut Call<'_>) -> Outcome {
    let bytes = address(call, call.arg(1), call.arg(2))?;
    let bridge = behind(call, call.int(0))?.ok_or(Fail(libc::EISCONN))?;
    if asks_routes(&bridge) {
        return Ok(Answer::OK);
    }
    if net::is_no_family(&bytes) && is_datagram(&bridge) {
        call.confirm()?;
        bridge.socket().map_or(Ok(()), Socket::disconnect)?;
        return Ok(Answer::OK);
    }
    let address = net::decode(&bytes)?;
    let flags = flags_of(call, call.int(0))?;
    call.confirm()?;
    if matches!(&*bridge.form.lock(), Form::Stream(stream) if stream.has_failed()) {
        replace(call, &bridge, flags, false)?;
    }
    match &address {
        // A datagram socket hears of a peer that is not there, and one may have been closed unseen.
        SocketAddress::Inet(to) if is_datagram(&bridge) && to.ip().to_canonical().is_loopback() && to.port() != DNS => {
            call.vm.sweep_sockets();
        }
        _ => call.vm.settle_listeners(),
    }
    let waker = call.guest()?.waker.clone();
    let nonblocking = flags & libc::O_NONBLOCK != 0;
    let once = |call: &Call<'_>| {
        holding(call, &bridge, nonblocking, |process, fd| {
            process.connect(fd, &address, Some(&waker))
        })
    };
    let mut result = once(call)?;
    if matches!(&result, Poll::Ready(Err(error)) if *error == Errno::EAGAIN) {
        // At a limit. Others may be closed, and nobody has looked yet.
        call.vm.settle_sockets();
        result = once(call)?;
    }
    if let Form::Stream(stream) = &mut *bridge.form.lock() {
        match &result {
            Poll::Ready(Ok(())) => stream.open(),
            Poll::Ready(Err(error)) if *error == Errno::EINPROGRESS || *error == Errno::EINTR => stream.connecting(),
            _ => {}
        }
    }
    bridge.kick();
    call.settle(result, |_, ()| Ok(Answer::OK))
}

/// The port of the VM's resolver, which is always there.
const DNS: u16 = 53;

/// Whether a socket sends datagrams.
pub(super) fn is_datagram(bridge: &Bridge) -> bool {
    bridge.socket().is_some_and(|socket| socket.kind() == Kind::Datagram)
}

pub(crate) fn getsockname(call: &mut Call<'_>) -> Outcome {
    name(call, Process::socket_name)
}

pub(crate) fn getpeername(call: &mut Call<'_>) -> Outcome {
    name(call, Process::peer_name)
}

/// The ends of a pair that guests made have no names, which the host says as well.
fn name(call: &mut Call<'_>, ask: fn(&Process, Fd) -> agentos_kernel::Result<SocketAddress>) -> Outcome {
    let Some(bridge) = behind(call, call.int(0))? else {
        return Ok(Answer::Continue);
    };
    let port = match &*bridge.form.lock() {
        Form::Routes(routes) => Some(routes.port()),
        _ => None,
    };
    if let Some(port) = port {
        give_name(call, &net::netlink_address(port), call.arg(1), call.arg(2))?;
        return Ok(Answer::OK);
    }
    let name = holding(call, &bridge, false, ask)??;
    give_address(call, &name, call.arg(1), call.arg(2))?;
    Ok(Answer::OK)
}

/// Once bytes move the host shuts the guest's end, after what is in it; before, the VM's socket is shut.
pub(crate) fn shutdown(call: &mut Call<'_>) -> Outcome {
    let how = match call.int(1) {
        libc::SHUT_RD => Shutdown::Read,
        libc::SHUT_WR => Shutdown::Write,
        libc::SHUT_RDWR => Shutdown::Both,
        _ => return Err(Fail(libc::EINVAL)),
    };
    let Some(bridge) = behind(call, call.int(0))? else {
        return Ok(Answer::Continue);
    };
    let is_open = matches!(&*bridge.form.lock(), Form::Stream(stream) if stream.is_open());
    let is_sequence = bridge.socket().is_some_and(|socket| socket.kind() == Kind::SeqPacket);
    if is_open || is_sequence && matches!(&*bridge.form.lock(), Form::Packets(_)) {
        return Ok(Answer::Continue);
    }
    call.confirm()?;
    holding(call, &bridge, false, |process, fd| process.shutdown(fd, how))??;
    bridge.kick();
    Ok(Answer::OK)
}
