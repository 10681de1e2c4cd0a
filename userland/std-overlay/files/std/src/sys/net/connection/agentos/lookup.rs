//! Addresses of host names: numbers, then `/etc/hosts`, then the VM's resolver, which asks the policy.

use super::abi;
use crate::io;
use crate::net::{IpAddr, SocketAddr};
use crate::vec;

const HOSTS: &str = "/etc/hosts";
/// A larger file is not a list of hosts.
const HOSTS_MAX: u64 = 1 << 20;
/// Room for the answer of the resolver: far more addresses than it gives.
const ANSWER: usize = 16 << 10;

pub struct LookupHost {
    addresses: vec::IntoIter<IpAddr>,
    port: u16,
}

impl Iterator for LookupHost {
    type Item = SocketAddr;

    fn next(&mut self) -> Option<SocketAddr> {
        self.addresses.next().map(|address| SocketAddr::new(address, self.port))
    }
}

pub fn lookup_host(host: &str, port: u16) -> io::Result<LookupHost> {
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let addresses = match bracketed.unwrap_or(host).parse() {
        Ok(address) => vec![address],
        Err(_) => match listed(host) {
            found if found.is_empty() => resolve(host)?,
            found => found,
        },
    };
    Ok(LookupHost { addresses: addresses.into_iter(), port })
}

/// What the file of hosts says about a name. A file that cannot be read says nothing.
fn listed(host: &str) -> Vec<IpAddr> {
    let name = host.strip_suffix('.').unwrap_or(host);
    let readable = crate::fs::metadata(HOSTS).is_ok_and(|m| m.is_file() && m.len() <= HOSTS_MAX);
    let text = if readable { crate::fs::read(HOSTS).unwrap_or_default() } else { Vec::new() };
    let mut found: Vec<IpAddr> = Vec::new();
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(line) = str::from_utf8(line) else { continue };
        let mut words = line.split('#').next().unwrap_or_default().split_ascii_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse) else { continue };
        if words.any(|word| word.eq_ignore_ascii_case(name)) && !found.contains(&address) {
            found.push(address);
        }
    }
    found.sort_by_key(IpAddr::is_ipv6);
    found
}

fn resolve(host: &str) -> io::Result<Vec<IpAddr>> {
    let mut answer = vec![0; ANSWER];
    let len = loop {
        let mut len = 0;
        // SAFETY: pointers and lengths are those of live slices.
        let errno = unsafe {
            abi::sock_resolve(
                host.as_ptr(),
                host.len() as u32,
                0,
                0,
                answer.as_mut_ptr(),
                answer.len() as u32,
                &mut len,
            )
        };
        match errno as i32 {
            0 => break len as usize,
            libc::EINTR => {}
            errno => return Err(failure(errno)),
        }
    };
    let mut found = Vec::new();
    let mut rest = answer.get(..len).unwrap_or_default();
    while let Some((len, tail)) = rest.split_first_chunk::<2>() {
        let Some((address, tail)) = tail.split_at_checked(u16::from_le_bytes(*len).into()) else { break };
        found.extend(abi::decode(address).map(|address| address.ip()));
        rest = tail;
    }
    Ok(found)
}

/// The words of `getaddrinfo(3)`; a refusal keeps its number.
fn failure(errno: i32) -> io::Error {
    match errno {
        libc::ENOENT | libc::EINVAL => io::const_error!(
            io::ErrorKind::Uncategorized,
            "failed to lookup address information: Name or service not known",
        ),
        libc::EAGAIN | libc::ETIMEDOUT => io::const_error!(
            io::ErrorKind::Uncategorized,
            "failed to lookup address information: Temporary failure in name resolution",
        ),
        errno => io::Error::from_raw_os_error(errno),
    }
}
