//! What is told with a datagram of the internet to a program that asked for it: when it came, where, to whom it was sent, and how.
//!
//! Neither the loopback nor the way out carries hop limits and classes of traffic, so they are those that a sender has at first.

use super::{Call, Fail};
use crate::net::{self, Bridge, Hints, Interface};
use agentos_kernel::net::{Domain, Socket, SocketAddress};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Bytes before the data of a control message.
const HEAD: usize = 16;
/// Hops that are left of a datagram.
const HOPS: i32 = 64;
const IP: i32 = libc::IPPROTO_IP;
const IPV6: i32 = libc::IPPROTO_IPV6;
const NS_PER_S: i64 = 1_000_000_000;

/// A control message: level, kind, data.
type Message = (i32, i32, Vec<u8>);

/// Writes what is told behind what is in the guest's room for such messages. How many bytes are filled, and whether something is lost.
pub(super) fn give(
    call: &Call<'_>,
    bridge: &Bridge,
    source: Option<&SocketAddress>,
    ((at, room), (filled, lost)): ((u64, u64), (u64, bool)),
) -> Result<(u64, bool), Fail> {
    let (Some(socket), Some(SocketAddress::Inet(source))) = (bridge.socket(), source) else {
        return Ok((filled, lost));
    };
    let hints = bridge.hints.lock();
    if hints.is_empty() {
        return Ok((filled, lost));
    }
    let now = call.process()?.kernel().clock().now().0;
    let mut messages = times(&hints, now);
    messages.extend(places(&hints, socket, *source));
    drop(hints);
    let room = usize::try_from(room.saturating_sub(filled)).unwrap_or(usize::MAX);
    let (bytes, cut) = lay_out(&messages, room);
    call.write(at.wrapping_add(filled), &bytes)?;
    Ok((filled + bytes.len() as u64, lost || cut))
}

/// Control messages behind one another, as far as there is room: the last one may be cut.
fn lay_out(messages: &[Message], room: usize) -> (Vec<u8>, bool) {
    let mut bytes: Vec<u8> = Vec::new();
    for (level, kind, data) in messages {
        let left = room - bytes.len();
        if left < HEAD {
            return (bytes, true);
        }
        let len = HEAD + data.len();
        let fits = len.min(left);
        let end = bytes.len() + len.next_multiple_of(8).min(left);
        bytes.extend(fits.to_ne_bytes());
        bytes.extend(level.to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(data.get(..fits - HEAD).unwrap_or_default());
        bytes.resize(end, 0);
        if fits < len {
            return (bytes, true);
        }
    }
    (bytes, false)
}

/// When it came.
fn times(hints: &Hints, now: i64) -> Vec<Message> {
    let parts = |unit: i64| [now.div_euclid(NS_PER_S), now.rem_euclid(NS_PER_S) / unit].map(i64::to_ne_bytes);
    let told = |name, unit| (libc::SOL_SOCKET, name, parts(unit).concat());
    let asked = [(libc::SO_TIMESTAMP, 1000), (libc::SO_TIMESTAMPNS, 1)];
    let asked = asked
        .into_iter()
        .filter(|(name, _)| hints.is_on(libc::SOL_SOCKET, *name));
    asked.map(|(name, unit)| told(name, unit)).collect()
}

/// Where it came and to whom it was sent. What a socket of the other family hears of an IPv4 address is mapped.
fn places(hints: &Hints, socket: &Socket, source: SocketAddr) -> Vec<Message> {
    let SocketAddress::Inet(name) = socket.name() else {
        return Vec::new();
    };
    let to = destination(name, source.ip());
    let interface = Interface::towards(to).index;
    let sent_to = |ip| net::encode(&SocketAddress::Inet(SocketAddr::new(ip, name.port())));
    let (v4, v6) = match to {
        IpAddr::V4(ip) => (Some(ip), ip.to_ipv6_mapped()),
        IpAddr::V6(ip) => (None, ip),
    };
    let mut all: Vec<(i32, Message)> = Vec::new();
    if let Some(ip) = v4 {
        let arrival = [&interface.to_ne_bytes()[..], &ip.octets(), &ip.octets()].concat();
        all.push((libc::IP_PKTINFO, (IP, libc::IP_PKTINFO, arrival)));
        all.push((libc::IP_RECVTTL, (IP, libc::IP_TTL, HOPS.to_ne_bytes().to_vec())));
        all.push((libc::IP_RECVTOS, (IP, libc::IP_TOS, vec![0])));
        all.push((
            libc::IP_RECVORIGDSTADDR,
            (IP, libc::IP_ORIGDSTADDR, sent_to(IpAddr::V4(ip))),
        ));
    }
    if socket.domain() == Domain::Inet6 {
        let arrival = [&v6.octets()[..], &interface.to_ne_bytes()].concat();
        let hops = HOPS.to_ne_bytes().to_vec();
        all.push((libc::IPV6_RECVPKTINFO, (IPV6, libc::IPV6_PKTINFO, arrival)));
        all.push((libc::IPV6_RECVHOPLIMIT, (IPV6, libc::IPV6_HOPLIMIT, hops)));
        all.push((libc::IPV6_RECVTCLASS, (IPV6, libc::IPV6_TCLASS, vec![0; 4])));
        all.push((
            libc::IPV6_RECVORIGDSTADDR,
            (IPV6, libc::IPV6_ORIGDSTADDR, sent_to(IpAddr::V6(v6))),
        ));
    }
    let asked = all
        .into_iter()
        .filter(|(asked, (level, ..))| hints.is_on(*level, *asked));
    asked.map(|(_, message)| message).collect()
}

/// The address that a datagram was sent to: the socket's own, or that of the interface by which its sender is reached.
fn destination(name: SocketAddr, source: IpAddr) -> IpAddr {
    let source = source.to_canonical();
    match name.ip().to_canonical() {
        own if !own.is_unspecified() => own,
        _ if source.is_ipv4() => IpAddr::V4(Ipv4Addr::from(Interface::towards(source).v4.0)),
        _ => IpAddr::V6(Ipv6Addr::from(Interface::towards(source).v6.0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_cut_where_the_room_ends() {
        let messages = [(0, 1, vec![1; 4]), (0, 2, vec![2; 16])];
        let (all, lost) = lay_out(&messages, 100);
        assert_eq!((all.len(), all[0], all[24], lost), (24 + 32, 20, 32, false));
        for (room, len) in [(0, 0), (15, 0), (20, 20), (24, 24), (39, 24), (41, 41)] {
            let (part, lost) = lay_out(&messages, room);
            assert_eq!((part.len(), lost), (len, true), "{room}");
        }
        assert_eq!(lay_out(&messages, 41).0[24], 17, "as long as what is there of it");
    }

    #[test]
    fn a_socket_of_every_address_is_told_the_one_of_its_way() {
        let every = SocketAddr::from(([0, 0, 0, 0], 7));
        let to = |source: [u8; 4]| destination(every, IpAddr::from(source));
        assert_eq!(to([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 1]));
        assert_eq!(to([192, 0, 2, 1]), IpAddr::from([10, 0, 2, 15]));
        let own = SocketAddr::from(([127, 0, 0, 9], 7));
        assert_eq!(destination(own, IpAddr::from([127, 0, 0, 1])), own.ip());
    }
}
