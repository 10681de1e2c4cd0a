//! Sockets.

use super::address;
use crate::imports::Cx;
use crate::memory::Range;
use agentos_abi::Record;
use agentos_abi::net as abi;
use agentos_kernel::fd::IoResult;
use agentos_kernel::id::Fd;
use agentos_kernel::net::{Domain, Kind, MessageFlags, Received, SocketAddress};
use agentos_kernel::{Errno, Result};
use std::net::SocketAddr;
use std::task::{Poll, Waker, ready};

/// Bytes that one receive or send moves at most.
const MESSAGE_MAX: u32 = 16 << 20;
/// Bytes that pass through a buffer when there are several of the guest's.
const GATHERED_MAX: u32 = 1 << 20;
/// Longest host name, with a dot at its end.
const HOST_MAX: u32 = 254;

/// A kind with the flags that may come with it: non-blocking, close on exec.
fn kind(raw: u32) -> Result<(Kind, bool, bool)> {
    let (nonblock, cloexec) = (raw & abi::SOCK_NONBLOCK != 0, raw & abi::SOCK_CLOEXEC != 0);
    let kind = match raw & !(abi::SOCK_NONBLOCK | abi::SOCK_CLOEXEC) {
        abi::SOCK_STREAM => Kind::Stream,
        abi::SOCK_DGRAM => Kind::Datagram,
        abi::SOCK_SEQPACKET => Kind::SeqPacket,
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok((kind, nonblock, cloexec))
}

/// The number of a kind.
pub(super) fn kind_number(kind: Kind) -> u32 {
    match kind {
        Kind::Stream => abi::SOCK_STREAM,
        Kind::Datagram => abi::SOCK_DGRAM,
        Kind::SeqPacket => abi::SOCK_SEQPACKET,
    }
}

pub(super) fn open(cx: &mut Cx<'_>, domain: u32, raw: u32, protocol: u32, fd: u32) -> Result<()> {
    let domain = address::domain(domain)?;
    let (kind, nonblock, cloexec) = kind(raw)?;
    cx.memory.check::<u32>(fd)?;
    let opened = cx.state.process.socket(domain, kind, protocol, nonblock, cloexec)?;
    Ok(cx.memory.put(fd, &opened.0)?)
}

pub(super) fn pair(cx: &mut Cx<'_>, domain: u32, raw: u32, a: u32, b: u32) -> Result<()> {
    let domain = address::domain(domain)?;
    let (kind, nonblock, cloexec) = kind(raw)?;
    cx.memory.check::<u32>(a)?;
    cx.memory.check::<u32>(b)?;
    let pair = cx.state.process.socket_pair(domain, kind, nonblock, cloexec)?;
    cx.memory.put(a, &pair.0.0)?;
    Ok(cx.memory.put(b, &pair.1.0)?)
}

fn read_address(cx: &Cx<'_>, start: u32, len: u32) -> Result<SocketAddress> {
    if len as usize > abi::ADDR_MAX {
        return Err(Errno::EINVAL.into());
    }
    Ok(address::decode(cx.memory.bytes(start, len)?)?)
}

/// Writes as much of an address as there is room for, and its length.
fn write_address(cx: &mut Cx<'_>, address: &SocketAddress, buf: u32, cap: u32, len_out: u32) -> Result<()> {
    let bytes = address::encode(address);
    let fits = bytes.len().min(cap as usize);
    let target = cx.memory.bytes_mut(buf, fits as u32)?;
    target.copy_from_slice(bytes.get(..fits).unwrap_or_default());
    Ok(cx.memory.put(len_out, &(bytes.len() as u32))?)
}

/// Whether an address can be written there.
fn check_address(cx: &Cx<'_>, buf: u32, cap: u32, len_out: u32) -> Result<()> {
    cx.memory.bytes(buf, cap.min(abi::ADDR_MAX as u32))?;
    Ok(cx.memory.check::<u32>(len_out)?)
}

pub(super) fn bind(cx: &mut Cx<'_>, _: &Waker, fd: u32, addr: u32, len: u32) -> IoResult<()> {
    let address = read_address(cx, addr, len)?;
    Poll::Ready(cx.state.process.bind(Fd(fd), &address))
}

pub(super) fn listen(cx: &mut Cx<'_>, fd: u32, backlog: u32) -> Result<()> {
    cx.state.process.listen(Fd(fd), backlog)
}

pub(super) fn connect(cx: &mut Cx<'_>, waker: &Waker, fd: u32, addr: u32, len: u32) -> IoResult<()> {
    let address = read_address(cx, addr, len)?;
    cx.state.process.connect(Fd(fd), &address, Some(waker))
}

#[allow(clippy::too_many_arguments)]
pub(super) fn accept_from(
    cx: &mut Cx<'_>,
    waker: &Waker,
    fd: u32,
    flags: u32,
    addr: u32,
    cap: u32,
    out: u32,
    len: u32,
) -> IoResult<()> {
    if flags & !(abi::SOCK_NONBLOCK | abi::SOCK_CLOEXEC) != 0 {
        return Poll::Ready(Err(Errno::EINVAL.into()));
    }
    cx.memory.check::<u32>(out)?;
    check_address(cx, addr, cap, len)?;
    let (nonblock, cloexec) = (flags & abi::SOCK_NONBLOCK != 0, flags & abi::SOCK_CLOEXEC != 0);
    let (accepted, peer) = ready!(cx.state.process.accept(Fd(fd), nonblock, cloexec, Some(waker)))?;
    cx.memory.put(out, &accepted.0)?;
    Poll::Ready(write_address(cx, &peer, addr, cap, len))
}

pub(super) fn name(cx: &mut Cx<'_>, fd: u32, peer: u32, addr: u32, cap: u32, len: u32) -> Result<()> {
    let process = &cx.state.process;
    let address = if peer == 0 {
        process.socket_name(Fd(fd))
    } else {
        process.peer_name(Fd(fd))
    }?;
    write_address(cx, &address, addr, cap, len)
}

/// Flags of a send. Those that only advise are dropped before.
const SEND_FLAGS: MessageFlags = MessageFlags::DONTWAIT.union(MessageFlags::NOSIGNAL);

/// The destination of a send; none means the peer.
fn destination(cx: &Cx<'_>, addr: u32, alen: u32) -> Result<Option<SocketAddress>> {
    match alen {
        0 => Ok(None),
        alen => read_address(cx, addr, alen).map(Some),
    }
}

fn message_flags(raw: u32, known: MessageFlags) -> Result<MessageFlags> {
    let advice = abi::MSG_MORE | abi::MSG_DONTROUTE;
    let flags = MessageFlags::from_bits(raw & !advice).ok_or(Errno::EINVAL)?;
    if known.contains(flags) {
        Ok(flags)
    } else {
        Err(Errno::EINVAL.into())
    }
}

#[allow(clippy::too_many_arguments)]
pub(super) fn recv_from(
    cx: &mut Cx<'_>,
    waker: &Waker,
    fd: u32,
    buf: u32,
    cap: u32,
    flags: u32,
    addr: u32,
    acap: u32,
    n: u32,
    rflags: u32,
    alen: u32,
) -> IoResult<()> {
    let flags = message_flags(flags, MessageFlags::all())?;
    cx.memory.check::<u32>(n)?;
    cx.memory.check::<u32>(rflags)?;
    check_address(cx, addr, acap, alen)?;
    cx.memory.bytes(buf, cap)?;
    let buf = cx.memory.bytes_mut(buf, cap.min(MESSAGE_MAX))?;
    let received = ready!(cx.state.process.receive(Fd(fd), buf, flags, Some(waker)))?;
    received_out(cx, &received, addr, acap, n, rflags, alen)
}

/// Tells what was received.
fn received_out(
    cx: &mut Cx<'_>,
    received: &Received,
    addr: u32,
    acap: u32,
    n: u32,
    rflags: u32,
    alen: u32,
) -> IoResult<()> {
    cx.memory.put(n, &u32::try_from(received.length).unwrap_or(u32::MAX))?;
    cx.memory.put(rflags, &received.flags.bits())?;
    Poll::Ready(match &received.source {
        Some(source) => write_address(cx, source, addr, acap, alen),
        None => Ok(cx.memory.put(alen, &0u32)?),
    })
}

#[allow(clippy::too_many_arguments)]
pub(super) fn send_to(
    cx: &mut Cx<'_>,
    waker: &Waker,
    fd: u32,
    buf: u32,
    len: u32,
    flags: u32,
    addr: u32,
    alen: u32,
    n: u32,
) -> IoResult<()> {
    let flags = message_flags(flags, SEND_FLAGS)?;
    cx.memory.check::<u32>(n)?;
    let to = destination(cx, addr, alen)?;
    cx.memory.bytes(buf, len)?;
    let data = cx.memory.bytes(buf, len.min(MESSAGE_MAX))?;
    let sent = ready!(cx.state.process.send(Fd(fd), data, flags, to.as_ref(), Some(waker)))?;
    // At most what was given.
    Poll::Ready(Ok(cx.memory.put(n, &(sent as u32))?))
}

/// Buffers of a message that is gathered or scattered, which one call bounds as preview 1 does.
fn buffers(cx: &Cx<'_>, iovs: u32, count: u32) -> Result<(Vec<Range>, u32)> {
    let ranges: Vec<Range> = cx.memory.vectors(iovs, count)?.collect();
    let total = ranges.iter().fold(0u32, |sum, range| sum.saturating_add(range.len));
    Ok((ranges, total.min(GATHERED_MAX)))
}

#[allow(clippy::too_many_arguments)]
pub(super) fn recv_msg(
    cx: &mut Cx<'_>,
    waker: &Waker,
    fd: u32,
    iovs: u32,
    count: u32,
    flags: u32,
    addr: u32,
    acap: u32,
    n: u32,
    rflags: u32,
    alen: u32,
) -> IoResult<()> {
    let (ranges, total) = buffers(cx, iovs, count)?;
    if let [range] = ranges.as_slice() {
        return recv_from(
            cx,
            waker,
            fd,
            range.start,
            range.len,
            flags,
            addr,
            acap,
            n,
            rflags,
            alen,
        );
    }
    let flags = message_flags(flags, MessageFlags::all())?;
    cx.memory.check::<u32>(n)?;
    cx.memory.check::<u32>(rflags)?;
    check_address(cx, addr, acap, alen)?;
    let mut bytes = vec![0; total as usize];
    let received = ready!(cx.state.process.receive(Fd(fd), &mut bytes, flags, Some(waker)))?;
    let mut rest = bytes.get(..received.length).unwrap_or(&bytes);
    for range in ranges {
        let (here, after) = rest.split_at(rest.len().min(range.len as usize));
        // Within the range, whose length is 32 bits.
        cx.memory
            .bytes_mut(range.start, here.len() as u32)?
            .copy_from_slice(here);
        rest = after;
    }
    received_out(cx, &received, addr, acap, n, rflags, alen)
}

#[allow(clippy::too_many_arguments)]
pub(super) fn send_msg(
    cx: &mut Cx<'_>,
    waker: &Waker,
    fd: u32,
    iovs: u32,
    count: u32,
    flags: u32,
    addr: u32,
    alen: u32,
    n: u32,
) -> IoResult<()> {
    let (ranges, total) = buffers(cx, iovs, count)?;
    if let [range] = ranges.as_slice() {
        return send_to(cx, waker, fd, range.start, range.len, flags, addr, alen, n);
    }
    let flags = message_flags(flags, SEND_FLAGS)?;
    cx.memory.check::<u32>(n)?;
    let to = destination(cx, addr, alen)?;
    let mut bytes = Vec::with_capacity(total as usize);
    for range in ranges {
        let room = (total as usize).saturating_sub(bytes.len());
        let part = cx.memory.bytes(range.start, range.len)?;
        bytes.extend_from_slice(part.get(..room).unwrap_or(part));
    }
    let sent = ready!(cx.state.process.send(Fd(fd), &bytes, flags, to.as_ref(), Some(waker)))?;
    Poll::Ready(Ok(cx.memory.put(n, &(sent as u32))?))
}

/// Addresses of a host name.
#[allow(clippy::too_many_arguments)]
pub(super) fn resolve(
    cx: &mut Cx<'_>,
    waker: &Waker,
    name: u32,
    len: u32,
    family: u32,
    flags: u32,
    buf: u32,
    cap: u32,
    out: u32,
) -> IoResult<()> {
    if len > HOST_MAX || flags != 0 {
        return Poll::Ready(Err(Errno::EINVAL.into()));
    }
    let family = match family {
        0 => None,
        abi::AF_INET => Some(Domain::Inet),
        abi::AF_INET6 => Some(Domain::Inet6),
        _ => return Poll::Ready(Err(Errno::EINVAL.into())),
    };
    cx.memory.check::<u32>(out)?;
    let name = cx.memory.bytes(name, len)?;
    let process = &cx.state.process;
    let found = ready!(process.resolve(name, family, &mut cx.scratch.resolving, Some(waker)));
    let found = found.map_err(|error| match error == Errno::ENODATA {
        // What `getaddrinfo` calls `EAI_NONAME` in both cases.
        true => Errno::ENOENT.into(),
        false => error,
    })?;
    let mut bytes = Vec::new();
    for ip in found {
        let encoded = address::encode(&SocketAddress::Inet(SocketAddr::new(ip, 0)));
        // An address is far shorter than 2^16 bytes.
        bytes.extend_from_slice(&(encoded.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&encoded);
    }
    Poll::Ready(Ok(cx.memory.put_bytes(&bytes, buf, cap, out)?))
}

/// Bytes of a record, for options.
pub(super) fn le_u32(value: u32) -> Vec<u8> {
    let mut bytes = vec![0; u32::SIZE];
    value.encode(&mut bytes);
    bytes
}
