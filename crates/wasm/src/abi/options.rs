//! Socket options, with Linux's numbers and layouts; times are `struct timeval` with 64-bit fields.

use super::address;
use super::network::{kind_number, le_u32};
use crate::imports::Cx;
use agentos_abi::Record;
use agentos_kernel::id::Fd;
use agentos_kernel::net::{Advice, OptionName, OptionValue};
use agentos_kernel::{Errno, Result};

const SOL_SOCKET: u32 = 1;
const IPPROTO_IP: u32 = 0;
const IPPROTO_TCP: u32 = 6;
const IPPROTO_IPV6: u32 = 41;

/// Longest value of any option.
const VALUE_MAX: u32 = 512;
const NS_PER_US: u64 = 1_000;
const NS_PER_S: u64 = 1_000_000_000;

fn option(level: u32, name: u32) -> Result<OptionName> {
    Ok(match (level, name) {
        (SOL_SOCKET, 2) => OptionName::ReuseAddress,
        (SOL_SOCKET, 3) => OptionName::Type,
        (SOL_SOCKET, 4) => OptionName::Error,
        (SOL_SOCKET, 6) => OptionName::Broadcast,
        (SOL_SOCKET, 7) => OptionName::SendBuffer,
        (SOL_SOCKET, 8) => OptionName::ReceiveBuffer,
        (SOL_SOCKET, 9) => OptionName::KeepAlive,
        (SOL_SOCKET, 13) => OptionName::Linger,
        (SOL_SOCKET, 15) => OptionName::ReusePort,
        (SOL_SOCKET, 17) => OptionName::PeerCredentials,
        (SOL_SOCKET, 20 | 66) => OptionName::ReceiveTimeout,
        (SOL_SOCKET, 21 | 67) => OptionName::SendTimeout,
        (SOL_SOCKET, 30) => OptionName::AcceptConnections,
        (SOL_SOCKET, 38) => OptionName::Protocol,
        (SOL_SOCKET, 39) => OptionName::Domain,
        (IPPROTO_IP, 2) | (IPPROTO_IPV6, 16) => OptionName::TimeToLive,
        (SOL_SOCKET, 25) | (IPPROTO_IP, 4) | (IPPROTO_TCP, 23 | 30) => OptionName::Forbidden,
        (IPPROTO_IP, 1) => OptionName::Advice(Advice::TypeOfService),
        (IPPROTO_IP, 33) => OptionName::Advice(Advice::MulticastTimeToLive),
        (IPPROTO_IP, 34) => OptionName::Advice(Advice::MulticastLoop),
        (IPPROTO_IP, 35 | 36 | 39 | 40) | (IPPROTO_IPV6, 20 | 21) => OptionName::Membership,
        (IPPROTO_IP | IPPROTO_IPV6, 42 | 45 | 46 | 47) => OptionName::Membership,
        (IPPROTO_IPV6, 18) => OptionName::Advice(Advice::MulticastHops),
        (IPPROTO_IPV6, 19) => OptionName::Advice(Advice::MulticastLoop6),
        (IPPROTO_TCP, 4) => OptionName::Advice(Advice::KeepIdle),
        (IPPROTO_TCP, 5) => OptionName::Advice(Advice::KeepInterval),
        (IPPROTO_TCP, 6) => OptionName::Advice(Advice::KeepCount),
        (IPPROTO_TCP, 18) => OptionName::Advice(Advice::UserTimeout),
        (IPPROTO_TCP, 1) => OptionName::NoDelay,
        (IPPROTO_IPV6, 26) => OptionName::V6Only,
        _ => return Err(Errno::ENOPROTOOPT.into()),
    })
}

pub(super) fn get(cx: &mut Cx<'_>, fd: u32, level: u32, name: u32, buf: u32, cap: u32, len: u32) -> Result<()> {
    let value = encode(&cx.state.process.socket_option(Fd(fd), option(level, name)?)?);
    // As in Linux, a short buffer gets the beginning.
    let fits = value.len().min(cap as usize);
    cx.memory.check::<u32>(len)?;
    cx.memory
        .bytes_mut(buf, fits as u32)?
        .copy_from_slice(value.get(..fits).unwrap_or_default());
    Ok(cx.memory.put(len, &(fits as u32))?)
}

pub(super) fn set(cx: &mut Cx<'_>, fd: u32, level: u32, name: u32, buf: u32, len: u32) -> Result<()> {
    let option = option(level, name)?;
    if len > VALUE_MAX {
        return Err(Errno::EINVAL.into());
    }
    let value = decode(option, cx.memory.bytes(buf, len)?)?;
    cx.state.process.set_socket_option(Fd(fd), option, value)
}

fn encode(value: &OptionValue) -> Vec<u8> {
    match value {
        OptionValue::Switch(on) => le_u32(u32::from(*on)),
        OptionValue::Size(number) | OptionValue::Number(number) => le_u32(*number),
        OptionValue::Linger(seconds) => [le_u32(u32::from(seconds.is_some())), le_u32(seconds.unwrap_or(0))].concat(),
        OptionValue::Timeout(timeout) => {
            let ns = timeout.unwrap_or(0);
            [(ns / NS_PER_S).to_le_bytes(), (ns % NS_PER_S / NS_PER_US).to_le_bytes()].concat()
        }
        OptionValue::Kind(kind) => le_u32(kind_number(*kind)),
        OptionValue::Domain(domain) => le_u32(address::domain_number(*domain)),
        OptionValue::Protocol(protocol) => le_u32(*protocol),
        OptionValue::Error(errno) => le_u32(errno.map_or(0, crate::errno::number)),
        OptionValue::Peer(peer) => [le_u32(peer.pid.0), le_u32(peer.uid.0), le_u32(peer.gid.0)].concat(),
        _ => Vec::new(),
    }
}

fn decode(option: OptionName, bytes: &[u8]) -> Result<OptionValue> {
    let need = |len: usize| if bytes.len() < len { Err(Errno::EINVAL) } else { Ok(()) };
    let second = || bytes.get(4..).unwrap_or_default();
    Ok(match option {
        OptionName::SendBuffer | OptionName::ReceiveBuffer => {
            need(u32::SIZE)?;
            OptionValue::Size(u32::decode(bytes))
        }
        OptionName::TimeToLive => {
            need(u32::SIZE)?;
            OptionValue::Number(u32::decode(bytes))
        }
        OptionName::Advice(_) => {
            // Linux takes a byte for these, too.
            let byte = || bytes.first().map(|byte| u32::from(*byte)).ok_or(Errno::EINVAL);
            OptionValue::Number(match bytes.len() {
                0..4 => byte()?,
                _ => u32::decode(bytes),
            })
        }
        OptionName::Membership | OptionName::Forbidden => OptionValue::Number(0),
        OptionName::Linger => {
            need(2 * u32::SIZE)?;
            OptionValue::Linger((u32::decode(bytes) != 0).then(|| u32::decode(second())))
        }
        OptionName::ReceiveTimeout | OptionName::SendTimeout => {
            need(2 * u64::SIZE)?;
            let (seconds, micros) = (
                i64::decode(bytes),
                i64::decode(bytes.get(u64::SIZE..).unwrap_or_default()),
            );
            let (seconds, micros) = (u64::try_from(seconds), u64::try_from(micros));
            let (Ok(seconds), Ok(micros)) = (seconds, micros) else {
                return Err(Errno::EDOM.into());
            };
            if micros >= NS_PER_S / NS_PER_US {
                return Err(Errno::EDOM.into());
            }
            let ns = seconds.saturating_mul(NS_PER_S).saturating_add(micros * NS_PER_US);
            OptionValue::Timeout((ns > 0).then_some(ns))
        }
        OptionName::Type
        | OptionName::Domain
        | OptionName::Protocol
        | OptionName::Error
        | OptionName::PeerCredentials => {
            return Err(Errno::ENOPROTOOPT.into());
        }
        _ => {
            need(u32::SIZE)?;
            OptionValue::Switch(u32::decode(bytes) != 0)
        }
    })
}
