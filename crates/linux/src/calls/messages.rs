//! Messages with addresses. Of datagram sockets every call that names or asks for an address is answered here; on all others,
//! which are connected pairs, the host ignores or refuses a name, so it does those calls itself.

use super::rights::{self, Came};
use super::sockets::{address, asks_routes, behind, holding, is_datagram};
use super::{Call, Fail, Outcome, told};
use crate::net::{self, Bridge, Descriptors, Form};
use crate::sys::Answer;
use agentos_kernel::Errno;
use agentos_kernel::fd::IoResult;
use agentos_kernel::net::{Cargo, Domain, MessageFlags, SocketAddress, UnixAddress};
use std::sync::Arc;
use std::task::Poll;

/// Largest message in bytes; then `EMSGSIZE`, and where one is received the rest is cut off or left.
const MESSAGE_MAX: usize = 256 << 10;
/// Most parts of a message, and messages of a call; then `EMSGSIZE` of parts, and a smaller number of messages.
const PARTS_MAX: u64 = 1024;
/// `struct msghdr` and `struct mmsghdr`.
const HEADER: usize = 56;
const MANY: u64 = 64;

/// A message's header, as it was copied.
struct Header {
    name: u64,
    name_len: u32,
    parts: Vec<(u64, usize)>,
    /// Address and length of what goes along.
    control: (u64, u64),
}

impl Header {
    fn read(call: &Call<'_>, at: u64) -> Result<Self, Fail> {
        let mut bytes = [0; HEADER];
        call.read(at, &mut bytes)?;
        let word = |at: usize| {
            let word = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<8>());
            word.map_or(0, |word| u64::from_ne_bytes(*word))
        };
        let (parts_at, count) = (word(16), word(24));
        if count > PARTS_MAX {
            return Err(Fail(libc::EMSGSIZE));
        }
        let mut table = vec![0; count as usize * 16];
        call.read(parts_at, &mut table)?;
        let mut parts = Vec::new();
        let mut room = MESSAGE_MAX;
        for part in table.chunks_exact(16) {
            let (at, len) = part.split_at(8);
            let number = |bytes: &[u8]| bytes.first_chunk::<8>().map_or(0, |word| u64::from_ne_bytes(*word));
            let len = usize::try_from(number(len)).unwrap_or(usize::MAX).min(room);
            room -= len;
            parts.push((number(at), len));
        }
        Ok(Self {
            name: word(0),
            name_len: word(8) as u32,
            parts,
            control: (word(32), word(40)),
        })
    }

    fn len(&self) -> usize {
        self.parts.iter().map(|(_, len)| len).sum()
    }

    fn gather(&self, call: &Call<'_>) -> Result<Vec<u8>, Fail> {
        let mut data = vec![0; self.len()];
        let mut rest = data.as_mut_slice();
        for (at, len) in &self.parts {
            let (part, after) = rest.split_at_mut((*len).min(rest.len()));
            call.read(*at, part)?;
            rest = after;
        }
        Ok(data)
    }

    fn scatter(&self, call: &Call<'_>, data: &[u8]) -> Result<(), Fail> {
        let mut rest = data;
        for (at, len) in &self.parts {
            let (part, after) = rest.split_at((*len).min(rest.len()));
            call.write(*at, part)?;
            rest = after;
        }
        Ok(())
    }
}

/// The VM's datagram socket behind a descriptor. Another socket is the host's business.
fn datagrams(call: &Call<'_>, fd: i32) -> Result<Option<Arc<Bridge>>, Fail> {
    let bridge = behind(call, fd)?;
    Ok(bridge.filter(|bridge| is_datagram(bridge)))
}

pub(crate) fn sendto(call: &mut Call<'_>) -> Outcome {
    let Some(bridge) = datagrams(call, call.int(0))? else {
        return Err(Fail(libc::EISCONN));
    };
    let to = address(call, call.arg(4), call.arg(5))?;
    let to = match asks_routes(&bridge) {
        true => None,
        false => Some(net::decode(&to)?),
    };
    let len = usize::try_from(call.arg(2)).unwrap_or(usize::MAX);
    if len > MESSAGE_MAX {
        return Err(Fail(libc::EMSGSIZE));
    }
    let mut data = vec![0; len];
    call.read(call.arg(1), &mut data)?;
    let sent = send(call, &bridge, (&data, None), call.uint(3), to.as_ref())?;
    call.settle(sent, |_, count| Ok(Answer::Value(count as i64)))
}

/// Sends one datagram.
fn send(
    call: &Call<'_>,
    bridge: &Bridge,
    (data, cargo): (&[u8], Option<Descriptors>),
    flags: u32,
    to: Option<&SocketAddress>,
) -> Result<IoResult<usize>, Fail> {
    let nonblocking = call.flags_of(call.int(0))? & libc::O_NONBLOCK != 0;
    let waker = call.guest()?.waker.clone();
    call.confirm()?;
    if let Form::Routes(routes) = &*bridge.form.lock() {
        routes.ask(data);
        return Ok(Poll::Ready(Ok(data.len())));
    }
    let flags = MessageFlags::from_bits_truncate(flags) | MessageFlags::NOSIGNAL;
    let mut cargo = cargo.map(|cargo| Box::new(cargo) as Cargo);
    holding(call, bridge, nonblocking, |process, fd| {
        process.send_with(fd, (data, &mut cargo), flags, to, Some(&waker))
    })
}

pub(crate) fn sendmsg(call: &mut Call<'_>) -> Outcome {
    let Some(bridge) = datagrams(call, call.int(0))? else {
        let flags = call.uint(2);
        return of_stream(call, call.arg(1), flags);
    };
    let sent = send_header(call, &bridge, call.arg(1), call.uint(2))?;
    call.settle(sent, |_, count| Ok(Answer::Value(count as i64)))
}

/// The host sends it, if what goes along may. In a pair that guests made that is the host's business, too.
fn of_stream(call: &mut Call<'_>, header: u64, flags: u32) -> Outcome {
    if let Some(bridge) = behind(call, call.int(0))?
        && rights::may_go(call, &bridge, Header::read(call, header)?.control)?.is_pending()
    {
        let now =
            flags & libc::MSG_DONTWAIT.cast_unsigned() != 0 || call.flags_of(call.int(0))? & libc::O_NONBLOCK != 0;
        return match now {
            true => Err(Fail(libc::EAGAIN)),
            false => call.settle(Poll::<agentos_kernel::Result<()>>::Pending, |_, ()| {
                Ok(Answer::Continue)
            }),
        };
    }
    Ok(Answer::Continue)
}

fn send_header(call: &Call<'_>, bridge: &Bridge, at: u64, flags: u32) -> Result<IoResult<usize>, Fail> {
    let header = Header::read(call, at)?;
    let to = match header.name {
        0 => None,
        _ if asks_routes(bridge) => None,
        name => Some(net::decode(&address(call, name, header.name_len.into())?)?),
    };
    let data = header.gather(call)?;
    let is_unix = bridge.socket().is_some_and(|socket| socket.domain() == Domain::Unix);
    let cargo = match is_unix && !asks_routes(bridge) {
        true => rights::load(call, bridge, header.control)?,
        // Advice to a network.
        false => None,
    };
    send(call, bridge, (&data, cargo), flags, to.as_ref())
}

pub(crate) fn sendmmsg(call: &mut Call<'_>) -> Outcome {
    let count = u64::from(call.uint(2)).min(PARTS_MAX);
    let Some(bridge) = datagrams(call, call.int(0))? else {
        if behind(call, call.int(0))?.is_none() {
            return Ok(Answer::Continue);
        }
        for index in 0..count {
            let (at, flags) = (call.arg(1).wrapping_add(index * MANY), call.uint(3));
            if let Answer::Later = of_stream(call, at, flags)? {
                return Ok(Answer::Later);
            }
        }
        return Ok(Answer::Continue);
    };
    for index in 0..count {
        let at = call.arg(1).wrapping_add(index * MANY);
        // Only the first may wait, for the call is made again from its beginning.
        let flags = call.uint(3)
            | if index > 0 {
                libc::MSG_DONTWAIT.cast_unsigned()
            } else {
                0
            };
        match send_header(call, &bridge, at, flags) {
            Ok(Poll::Ready(Ok(sent))) => call.write(at.wrapping_add(HEADER as u64), &(sent as u32).to_ne_bytes())?,
            Ok(result) if index == 0 => return call.settle(result, |_, _| Ok(Answer::Value(1))),
            Err(fail) if index == 0 => return Err(fail),
            _ => return Ok(Answer::Value(index.cast_signed())),
        }
    }
    Ok(Answer::Value(count.cast_signed()))
}

/// A datagram that was received.
struct Got {
    data: Vec<u8>,
    /// Of the datagram, which may have been longer.
    whole: usize,
    cut: bool,
    source: Source,
    came: Came,
}

/// Who sent it.
enum Source {
    Nobody,
    Socket(SocketAddress),
    /// Of a netlink socket.
    Kernel,
}

impl From<Option<SocketAddress>> for Source {
    fn from(source: Option<SocketAddress>) -> Self {
        source.map_or(Self::Nobody, Self::Socket)
    }
}

/// Receives one datagram: the one that is in the guest's pair, or the next of the VM's socket.
fn receive(call: &Call<'_>, bridge: &Bridge, len: usize, flags: i32) -> Result<IoResult<Got>, Fail> {
    if flags & libc::MSG_ERRQUEUE != 0 {
        return Err(Fail(libc::EAGAIN));
    }
    let nonblocking = call.flags_of(call.int(0))? & libc::O_NONBLOCK != 0 || flags & libc::MSG_DONTWAIT != 0;
    let waker = call.guest()?.waker.clone();
    call.confirm()?;
    let mut data = vec![0; len.min(MESSAGE_MAX)];
    let mut form = bridge.form.lock();
    if let Form::Routes(routes) = &*form {
        let found = routes
            .take(&mut data, flags | libc::MSG_TRUNC)
            .ok_or(Fail(libc::EAGAIN))?;
        data.truncate(found.count);
        return Ok(Poll::Ready(Ok(Got {
            cut: found.cut,
            whole: found.count,
            data,
            source: Source::Kernel,
            came: Came::Nothing,
        })));
    }
    let waiting = match &mut *form {
        Form::Packets(packets) => packets.take(&mut data, flags | libc::MSG_TRUNC)?,
        _ => None,
    };
    if let Some(taken) = waiting {
        drop(form);
        bridge.kick();
        data.truncate(taken.found.count);
        return Ok(Poll::Ready(Ok(Got {
            cut: taken.found.cut,
            whole: taken.found.count,
            data,
            source: taken.source.into(),
            came: Came::Own(taken.fds),
        })));
    }
    let wanted = MessageFlags::from_bits_truncate(flags.cast_unsigned()) & MessageFlags::PEEK | MessageFlags::TRUNC;
    let result = holding(call, bridge, nonblocking, |process, fd| {
        process.receive_with(fd, &mut data, wanted, Some(&waker))
    })?;
    drop(form);
    Ok(result.map_ok(|(received, cargo)| {
        data.truncate(received.length);
        Got {
            data,
            whole: received.length,
            cut: received.flags.contains(MessageFlags::TRUNC),
            source: received.source.into(),
            came: cargo
                .and_then(|cargo| cargo.downcast().ok())
                .map_or(Came::Nothing, Came::Loaded),
        }
    }))
}

/// What a receive call returns.
fn length(got: &Got, flags: i32) -> i64 {
    match flags & libc::MSG_TRUNC != 0 {
        true => got.whole as i64,
        false => got.data.len() as i64,
    }
}

pub(crate) fn recvfrom(call: &mut Call<'_>) -> Outcome {
    let Some(bridge) = datagrams(call, call.int(0))? else {
        return Ok(Answer::Continue);
    };
    let flags = call.int(3);
    let len = usize::try_from(call.arg(2)).unwrap_or(usize::MAX);
    let result = receive(call, &bridge, len, flags)?;
    call.settle(result, |call, got| {
        call.write(call.arg(1), &got.data)?;
        if call.arg(5) != 0 {
            let mut room = [0; 4];
            call.read(call.arg(5), &mut room)?;
            let room = u32::try_from(i32::from_ne_bytes(room)).map_err(|_| Fail(libc::EINVAL))?;
            let written = give_source(call, &got.source, call.arg(4), room)?;
            call.write(call.arg(5), &written.to_ne_bytes())?;
        }
        Ok(Answer::Value(length(&got, flags)))
    })
}

/// Writes the sender's address, cut to `room`, and returns its whole length.
fn give_source(call: &Call<'_>, source: &Source, at: u64, room: u32) -> Result<u32, Fail> {
    let bytes = match source {
        // A sender without a name has an empty one.
        Source::Nobody | Source::Socket(SocketAddress::Unix(UnixAddress::Unnamed)) => Vec::new(),
        Source::Socket(source) => net::encode(source),
        Source::Kernel => net::netlink_address(0),
    };
    let part = bytes.get(..bytes.len().min(room as usize)).unwrap_or_default();
    call.write(at, part)?;
    Ok(bytes.len() as u32)
}

pub(crate) fn recvmsg(call: &mut Call<'_>) -> Outcome {
    let Some(bridge) = datagrams(call, call.int(0))? else {
        return Ok(Answer::Continue);
    };
    let flags = call.int(2);
    let header = Header::read(call, call.arg(1))?;
    let result = receive(call, &bridge, header.len(), flags)?;
    call.settle(result, |call, got| {
        deliver(call, &bridge, (call.arg(1), &header), (&got, flags))?;
        Ok(Answer::Value(length(&got, flags)))
    })
}

/// Fills a message of the guest.
fn deliver(
    call: &Call<'_>,
    bridge: &Bridge,
    (at, header): (u64, &Header),
    (got, flags): (&Got, i32),
) -> Result<(), Fail> {
    header.scatter(call, &got.data)?;
    if header.name != 0 {
        let written = give_source(call, &got.source, header.name, header.name_len)?;
        call.write(at.wrapping_add(8), &written.to_ne_bytes())?;
    }
    let cloexec = flags & libc::MSG_CMSG_CLOEXEC != 0;
    let came = rights::unload(call, &got.came, header.control, cloexec)?;
    let source = match &got.source {
        Source::Socket(source) => Some(source),
        Source::Nobody | Source::Kernel => None,
    };
    let (filled, lost) = told::give(call, bridge, source, (header.control, came))?;
    call.write(at.wrapping_add(40), &filled.to_ne_bytes())?;
    let flags = [(got.cut, libc::MSG_TRUNC), (lost, libc::MSG_CTRUNC)];
    let flags = flags
        .iter()
        .fold(0, |all, (is, flag)| if *is { all | flag } else { all });
    call.write(at.wrapping_add(48), &flags.to_ne_bytes())
}

pub(crate) fn recvmmsg(call: &mut Call<'_>) -> Outcome {
    let Some(bridge) = datagrams(call, call.int(0))? else {
        return Ok(Answer::Continue);
    };
    let flags = call.int(3);
    if call.arg(4) != 0 {
        let (seconds, nanos) = (
            call.read_word(call.arg(4))?,
            call.read_word(call.arg(4).wrapping_add(8))?,
        );
        if seconds.cast_signed() < 0 || nanos >= 1_000_000_000 {
            return Err(Fail(libc::EINVAL));
        }
    }
    let count = u64::from(call.uint(2)).min(PARTS_MAX);
    for index in 0..count {
        let at = call.arg(1).wrapping_add(index * MANY);
        let header = Header::read(call, at)?;
        // After the first it takes what is there.
        let now = if index > 0 { libc::MSG_DONTWAIT } else { 0 };
        let got = match receive(call, &bridge, header.len(), flags | now) {
            Ok(Poll::Ready(Ok(got))) => got,
            Ok(result) if index == 0 => {
                return call.settle(result, |_, _| Err(Fail(Errno::EAGAIN.raw())));
            }
            Err(fail) if index == 0 => return Err(fail),
            _ => return Ok(Answer::Value(index.cast_signed())),
        };
        deliver(call, &bridge, (at, &header), (&got, flags))?;
        call.write(
            at.wrapping_add(HEADER as u64),
            &(length(&got, flags) as u32).to_ne_bytes(),
        )?;
    }
    Ok(Answer::Value(count.cast_signed()))
}
