//! Socket options by their numbers: what the VM's sockets have, what only ever was advice, and what nobody gets.

use super::hints::Hint;
use crate::calls::Fail;
use agentos_kernel::net::{Advice, Domain, Kind, OptionName, OptionValue};

/// What a number means.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Meaning {
    /// An option of the VM's socket.
    Known(OptionName),
    /// An option that is only kept.
    Hint(Hint),
    /// How a network is used without choking it, by its name.
    Congestion,
    /// The largest packet on the way to the peer.
    Largest,
    /// None of ours.
    Unknown,
}

/// Longest value of any option; then `EINVAL`.
pub(crate) const VALUE_MAX: usize = 512;
const NS_PER_S: u64 = 1_000_000_000;
const NS_PER_US: u64 = 1_000;
const LEVEL_IP: i32 = libc::IPPROTO_IP;
const LEVEL_TCP: i32 = libc::IPPROTO_TCP;
const LEVEL_IPV6: i32 = libc::IPPROTO_IPV6;
const LEVEL_SOCKET: i32 = libc::SOL_SOCKET;

/// The meaning of a level and a name.
pub(crate) fn meaning(level: i32, name: i32) -> Meaning {
    Meaning::Known(match (level, name) {
        (LEVEL_SOCKET, libc::SO_REUSEADDR) => OptionName::ReuseAddress,
        (LEVEL_SOCKET, libc::SO_TYPE) => OptionName::Type,
        (LEVEL_SOCKET, libc::SO_ERROR) => OptionName::Error,
        (LEVEL_SOCKET, libc::SO_BROADCAST) => OptionName::Broadcast,
        (LEVEL_SOCKET, libc::SO_SNDBUF) => OptionName::SendBuffer,
        (LEVEL_SOCKET, libc::SO_RCVBUF) => OptionName::ReceiveBuffer,
        (LEVEL_SOCKET, libc::SO_KEEPALIVE) => OptionName::KeepAlive,
        (LEVEL_SOCKET, libc::SO_LINGER) => OptionName::Linger,
        (LEVEL_SOCKET, libc::SO_REUSEPORT) => OptionName::ReusePort,
        (LEVEL_SOCKET, libc::SO_PEERCRED) => OptionName::PeerCredentials,
        (LEVEL_SOCKET, libc::SO_RCVTIMEO | 66) => OptionName::ReceiveTimeout,
        (LEVEL_SOCKET, libc::SO_SNDTIMEO | 67) => OptionName::SendTimeout,
        (LEVEL_SOCKET, libc::SO_ACCEPTCONN) => OptionName::AcceptConnections,
        (LEVEL_SOCKET, libc::SO_PROTOCOL) => OptionName::Protocol,
        (LEVEL_SOCKET, libc::SO_DOMAIN) => OptionName::Domain,
        (LEVEL_IP, libc::IP_TTL) | (LEVEL_IPV6, libc::IPV6_UNICAST_HOPS) => OptionName::TimeToLive,
        (LEVEL_SOCKET, libc::SO_BINDTODEVICE) | (LEVEL_IP, 4) => OptionName::Forbidden,
        (LEVEL_TCP, libc::TCP_FASTOPEN) => OptionName::Forbidden,
        (LEVEL_IP, libc::IP_TOS) => OptionName::Advice(Advice::TypeOfService),
        (LEVEL_IP, libc::IP_MULTICAST_TTL) => OptionName::Advice(Advice::MulticastTimeToLive),
        (LEVEL_IP, libc::IP_MULTICAST_LOOP) => OptionName::Advice(Advice::MulticastLoop),
        (LEVEL_IP, 35 | 36 | 39 | 40) | (LEVEL_IPV6, 20 | 21) => OptionName::Membership,
        (LEVEL_IP | LEVEL_IPV6, 42 | 45 | 46 | 47) => OptionName::Membership,
        (LEVEL_IPV6, libc::IPV6_MULTICAST_HOPS) => OptionName::Advice(Advice::MulticastHops),
        (LEVEL_IPV6, libc::IPV6_MULTICAST_LOOP) => OptionName::Advice(Advice::MulticastLoop6),
        (LEVEL_TCP, libc::TCP_KEEPIDLE) => OptionName::Advice(Advice::KeepIdle),
        (LEVEL_TCP, libc::TCP_KEEPINTVL) => OptionName::Advice(Advice::KeepInterval),
        (LEVEL_TCP, libc::TCP_KEEPCNT) => OptionName::Advice(Advice::KeepCount),
        (LEVEL_TCP, libc::TCP_USER_TIMEOUT) => OptionName::Advice(Advice::UserTimeout),
        (LEVEL_TCP, libc::TCP_NODELAY) => OptionName::NoDelay,
        (LEVEL_IPV6, libc::IPV6_V6ONLY) => OptionName::V6Only,
        (LEVEL_TCP, libc::TCP_CONGESTION) => return Meaning::Congestion,
        (LEVEL_IP, libc::IP_MTU) => return Meaning::Largest,
        _ => return Meaning::Unknown,
    })
}

/// Whether options of this level are known at all.
pub(crate) fn is_level(level: i32) -> bool {
    matches!(level, LEVEL_SOCKET | LEVEL_IP | LEVEL_TCP | LEVEL_IPV6)
}

/// Whether the host keeps the option, too, because it reads and writes for the guest.
pub(crate) fn is_timeout(name: OptionName) -> bool {
    matches!(name, OptionName::ReceiveTimeout | OptionName::SendTimeout)
}

/// A value as the guest reads it.
pub(crate) fn encode(value: &OptionValue) -> Vec<u8> {
    let word = |value: u32| value.to_ne_bytes().to_vec();
    match value {
        OptionValue::Switch(on) => word(u32::from(*on)),
        OptionValue::Size(number) | OptionValue::Number(number) => word(*number),
        OptionValue::Linger(seconds) => [word(u32::from(seconds.is_some())), word(seconds.unwrap_or(0))].concat(),
        OptionValue::Timeout(timeout) => {
            let ns = timeout.unwrap_or(0);
            [(ns / NS_PER_S).to_ne_bytes(), (ns % NS_PER_S / NS_PER_US).to_ne_bytes()].concat()
        }
        OptionValue::Kind(kind) => word(kind_number(*kind).cast_unsigned()),
        OptionValue::Domain(domain) => word(domain_number(*domain).cast_unsigned()),
        OptionValue::Protocol(protocol) => word(*protocol),
        OptionValue::Error(errno) => word(errno.map_or(0, |errno| errno.raw().cast_unsigned())),
        OptionValue::Peer(peer) => [word(peer.pid.0), word(peer.uid.0), word(peer.gid.0)].concat(),
        _ => Vec::new(),
    }
}

/// A value as the guest wrote it.
pub(crate) fn decode(option: OptionName, bytes: &[u8]) -> Result<OptionValue, Fail> {
    let invalid = Fail(libc::EINVAL);
    let word = || {
        bytes
            .first_chunk::<4>()
            .map(|word| u32::from_ne_bytes(*word))
            .ok_or(invalid)
    };
    let long = |at: usize| {
        let bytes = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<8>());
        bytes.map(|long| i64::from_ne_bytes(*long)).ok_or(invalid)
    };
    Ok(match option {
        OptionName::SendBuffer | OptionName::ReceiveBuffer => OptionValue::Size(word()?),
        OptionName::Advice(Advice::KeepIdle | Advice::KeepInterval | Advice::KeepCount | Advice::UserTimeout) => {
            OptionValue::Number(word()?)
        }
        OptionName::TimeToLive | OptionName::Advice(_) => OptionValue::Number(match bytes {
            // Linux takes a byte for these, too.
            [byte] | [byte, _] | [byte, _, _] => u32::from(*byte),
            _ => word()?,
        }),
        OptionName::Membership | OptionName::Forbidden => OptionValue::Number(0),
        OptionName::Linger => {
            let seconds = bytes
                .get(4..)
                .and_then(|bytes| bytes.first_chunk::<4>())
                .ok_or(invalid)?;
            OptionValue::Linger((word()? != 0).then_some(u32::from_ne_bytes(*seconds)))
        }
        OptionName::ReceiveTimeout | OptionName::SendTimeout => {
            let (seconds, micros) = (long(0)?, long(8)?);
            let Ok(micros) = u64::try_from(micros) else {
                return Err(Fail(libc::EDOM));
            };
            let Ok(seconds) = u64::try_from(seconds) else {
                // No time at all.
                return Ok(OptionValue::Timeout(Some(1)));
            };
            if micros >= NS_PER_S / NS_PER_US {
                return Err(Fail(libc::EDOM));
            }
            let ns = seconds.saturating_mul(NS_PER_S).saturating_add(micros * NS_PER_US);
            OptionValue::Timeout((ns > 0).then_some(ns))
        }
        OptionName::Type
        | OptionName::Domain
        | OptionName::Protocol
        | OptionName::Error
        | OptionName::PeerCredentials => return Err(Fail(libc::ENOPROTOOPT)),
        _ => OptionValue::Switch(word()? != 0),
    })
}

/// The host's number of a family.
pub(crate) fn domain_number(domain: Domain) -> i32 {
    match domain {
        Domain::Unix => libc::AF_UNIX,
        Domain::Inet => libc::AF_INET,
        Domain::Inet6 => libc::AF_INET6,
    }
}

/// The host's number of a kind.
pub(crate) fn kind_number(kind: Kind) -> i32 {
    match kind {
        Kind::Stream => libc::SOCK_STREAM,
        Kind::Datagram => libc::SOCK_DGRAM,
        Kind::SeqPacket => libc::SOCK_SEQPACKET,
    }
}
