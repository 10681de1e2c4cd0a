//! The addresses of this host's own interfaces.
//!
//! A guest that reached one of them would reach services that the host believes to be local, so they are blocked like private
//! ones. They change while VMs run, so they are asked for again once a second, if anybody needs them. The kernel of the host
//! lists them over netlink; where a sandbox forbids that, `/proc/net` has them, too. Should neither answer, a connection that
//! nevertheless leads to this host is found by its own end having the address of its peer.

use crate::addresses::own;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use parking_lot::Mutex;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt};
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// How long a list is good for.
const FRESH: Duration = Duration::from_secs(1);
/// How long the host's kernel may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

static LATEST: Mutex<Option<(Instant, Arc<[IpAddr]>)>> = Mutex::new(None);

/// The addresses, loopback excepted.
pub(crate) fn current() -> Arc<[IpAddr]> {
    let mut latest = LATEST.lock();
    match &*latest {
        Some((asked, addresses)) if asked.elapsed() < FRESH => Arc::clone(addresses),
        _ => {
            let addresses: Arc<[IpAddr]> = own(list()).collect();
            *latest = Some((Instant::now(), Arc::clone(&addresses)));
            addresses
        }
    }
}

fn list() -> Vec<IpAddr> {
    by_netlink().unwrap_or_else(|_| by_files())
}

const HEADER: usize = 16;
const ADDRESS_HEADER: usize = 8;
const TYPE_DONE: u16 = 3;
const TYPE_ERROR: u16 = 2;
const TYPE_NEW_ADDRESS: u16 = 20;
const TYPE_GET_ADDRESS: u16 = 22;
const FLAGS_DUMP: u16 = 0x301;
const ATTRIBUTE_ADDRESS: u16 = 1;
const ATTRIBUTE_LOCAL: u16 = 2;
/// Replies that are read at most; a host with more addresses than fit is not believed in.
const MOST_REPLIES: usize = 4096;

fn by_netlink() -> io::Result<Vec<IpAddr>> {
    let socket = rustix::net::socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
    let mut question = [0_u8; HEADER + ADDRESS_HEADER];
    let head = [(HEADER + ADDRESS_HEADER) as u16, 0, TYPE_GET_ADDRESS, FLAGS_DUMP, 1, 0];
    for (place, value) in question.chunks_exact_mut(2).zip(head) {
        place.copy_from_slice(&value.to_ne_bytes());
    }
    rustix::net::send(&socket, &question, SendFlags::empty())?;
    let mut addresses = Vec::new();
    let mut buffer = vec![0_u8; 32 << 10];
    for _ in 0..MOST_REPLIES {
        let (length, _) = rustix::net::recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        if read_reply(buffer.get(..length).unwrap_or_default(), &mut addresses)? {
            return Ok(addresses);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

/// Reads the messages of one reply; whether they were the last.
fn read_reply(mut reply: &[u8], addresses: &mut Vec<IpAddr>) -> io::Result<bool> {
    while let (Some(length), Some(kind)) = (number_32(reply, 0), number_16(reply, 4)) {
        let length = length as usize;
        let message = reply.get(HEADER..length).ok_or(io::ErrorKind::InvalidData)?;
        match kind {
            TYPE_DONE => return Ok(true),
            TYPE_ERROR => return Err(io::ErrorKind::Other.into()),
            TYPE_NEW_ADDRESS => addresses.extend(address_of(message)),
            _ => {}
        }
        reply = reply.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// The interface's own address in one message: "local" where the link has two ends.
fn address_of(message: &[u8]) -> Option<IpAddr> {
    let mut attributes = message.get(ADDRESS_HEADER..)?;
    let mut found = None;
    while let (Some(length), Some(kind)) = (number_16(attributes, 0), number_16(attributes, 2)) {
        let value = attributes.get(4..usize::from(length))?;
        match kind {
            ATTRIBUTE_LOCAL => return ip(value),
            ATTRIBUTE_ADDRESS => found = ip(value),
            _ => {}
        }
        attributes = attributes
            .get(usize::from(length).next_multiple_of(4)..)
            .unwrap_or_default();
    }
    found
}

fn ip(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    <[u8; 16]>::try_from(bytes)
        .ok()
        .map(|bytes| Ipv6Addr::from(bytes).into())
}

fn number_16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..at.checked_add(2)?)?
        .try_into()
        .ok()
        .map(u16::from_ne_bytes)
}

fn number_32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..at.checked_add(4)?)?
        .try_into()
        .ok()
        .map(u32::from_ne_bytes)
}

fn by_files() -> Vec<IpAddr> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let mut addresses = from_trie(&read("/proc/net/fib_trie"));
    addresses.extend(from_inet6(&read("/proc/net/if_inet6")));
    addresses
}

/// `|-- ADDRESS` followed by a line `/32 host LOCAL`.
fn from_trie(text: &str) -> Vec<IpAddr> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines
        .windows(2)
        .filter_map(|pair| match pair {
            [address, kind] if kind.ends_with("host LOCAL") => address.strip_prefix("|-- ")?.parse().ok(),
            _ => None,
        })
        .collect()
}

/// 32 hexadecimal digits begin each line.
fn from_inet6(text: &str) -> Vec<IpAddr> {
    text.lines()
        .filter_map(|line| {
            let digits = line.split_whitespace().next().filter(|digits| digits.len() == 32)?;
            let bits = u128::from_str_radix(digits, 16).ok()?;
            Some(Ipv6Addr::from_bits(bits).into())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn both_sources_know_loopback_and_agree() {
        let localhost = IpAddr::from(Ipv4Addr::LOCALHOST);
        let asked: BTreeSet<IpAddr> = by_netlink().unwrap().into_iter().collect();
        assert!(asked.contains(&localhost));
        assert!(!current().contains(&localhost));
        let read: BTreeSet<IpAddr> = by_files().into_iter().collect();
        if read.contains(&localhost) {
            assert!(asked.is_subset(&read), "{asked:?} {read:?}");
        }
    }

    #[test]
    fn the_address_of_the_way_out_is_the_hosts_own() {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        // Connecting a datagram socket sends nothing; it only chooses the own end.
        if socket.connect("8.8.8.8:53").is_ok() {
            let own = socket.local_addr().unwrap().ip();
            assert!(own.is_loopback() || current().contains(&own), "{own}");
        }
    }

    #[test]
    fn nonsense_from_the_kernel_is_no_panic() {
        let mut found = Vec::new();
        for length in 0..64 {
            let _ = read_reply(&vec![0xff; length], &mut found);
            let _ = read_reply(&vec![0; length], &mut found);
        }
        let mut message = vec![0_u8; 24];
        message[0] = 24;
        message[4] = 20;
        assert!(!read_reply(&message, &mut found).unwrap());
        assert!(found.is_empty());
    }

    #[test]
    fn the_files_of_proc_are_read() {
        let trie = "Local:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 192.0.2.7\n        /32 host LOCAL\n     |-- 192.0.2.255\n        /32 link BROADCAST\n";
        assert_eq!(
            from_trie(trie),
            ["127.0.0.1", "192.0.2.7"].map(|ip| ip.parse::<IpAddr>().unwrap())
        );
        let inet6 = "00000000000000000000000000000001 01 80 10 80       lo\nxyz\n";
        assert_eq!(from_inet6(inet6), ["::1".parse::<IpAddr>().unwrap()]);
    }
}
