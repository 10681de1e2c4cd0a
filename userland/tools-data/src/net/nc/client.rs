//! Connecting.

use super::{Options, failed, finish, port, relay, usage};
use crate::io::{complain, network_reason};
use crate::net::wire::{self, Stream, UnixDatagram, UnixStream};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::path::Path;

pub(super) fn run(o: &Options, operands: &[String]) -> i32 {
    match operands {
        [path] if o.unix => unix(o, path),
        [host, ports] if !o.unix => inet(o, host, ports),
        _ => usage(),
    }
}

fn unix(o: &Options, path: &str) -> i32 {
    // A datagram socket needs a name of its own, so that answers find it.
    let own = std::env::temp_dir().join(format!("nc.{}", std::process::id()));
    let stream = match o.udp {
        true => unix_datagrams(&own, path).map(Stream::UnixDatagram),
        false => UnixStream::connect(path).map(Stream::Unix),
    };
    let status = match stream {
        Ok(_) if o.scan => 0,
        Ok(stream) => finish(relay::run(o, stream)),
        Err(error) => {
            complain("nc", failed(path, &error));
            1
        }
    };
    if o.udp {
        let _ = std::fs::remove_file(own);
    }
    status
}

fn unix_datagrams(own: &Path, path: &str) -> io::Result<UnixDatagram> {
    let _ = std::fs::remove_file(own);
    let socket = UnixDatagram::bind(own)?;
    socket.connect(path)?;
    Ok(socket)
}

fn inet(o: &Options, host: &str, ports: &str) -> i32 {
    let range = match ports.split_once('-') {
        Some((first, last)) if o.scan => port(first).and_then(|first| Ok(first..=port(last)?)),
        _ => port(ports).map(|port| port..=port),
    };
    let range = match range {
        Ok(range) => range,
        Err(message) => {
            complain("nc", message);
            return 1;
        }
    };
    let addresses = match wire::resolve(host, o.family, o.numeric) {
        Ok(addresses) => addresses,
        Err(error) => {
            let name = format!("getaddrinfo for host \"{host}\" port {ports}");
            complain("nc", failed(&name, &error));
            return 1;
        }
    };
    let mut status = 1;
    for port in range {
        match connect(o, host, &addresses, port) {
            Some(stream) if !o.scan => return finish(relay::run(o, stream)),
            Some(_) => status = 0,
            None => {}
        }
    }
    status
}

/// Tries the addresses in turn, and says how it went as the options want.
fn connect(o: &Options, host: &str, addresses: &[IpAddr], port: u16) -> Option<Stream> {
    let protocol = o.protocol();
    for ip in addresses {
        match connect_one(o, SocketAddr::new(*ip, port)) {
            Ok(stream) => {
                if o.verbose {
                    eprintln!(
                        "Connection to {} {port} port [{protocol}/*] succeeded!",
                        shown(host, *ip)
                    );
                }
                return Some(stream);
            }
            Err(error) if o.verbose || !o.scan => {
                let host = shown(host, *ip);
                let reason = network_reason(&error);
                complain(
                    "nc",
                    format_args!("connect to {host} port {port} ({protocol}) failed: {reason}"),
                );
            }
            Err(_) => {}
        }
    }
    None
}

/// A host with the address that is meant, unless it is one already.
fn shown(host: &str, ip: IpAddr) -> String {
    match host.parse::<IpAddr>() {
        Ok(_) => host.to_owned(),
        Err(_) => format!("{host} ({ip})"),
    }
}

fn connect_one(o: &Options, address: SocketAddr) -> io::Result<Stream> {
    let own = match o.source {
        Some(ip) => SocketAddr::new(ip, o.port.unwrap_or(0)),
        None => wire::unspecified(address.ip(), o.port.unwrap_or(0)),
    };
    if o.udp {
        let socket = UdpSocket::bind(own)?;
        socket.connect(address)?;
        return Ok(Stream::Udp(socket));
    }
    if o.source.is_some() || o.port.is_some() {
        return bound(own, address).map(Stream::Tcp);
    }
    match o.timeout {
        Some(timeout) => TcpStream::connect_timeout(&address, timeout),
        None => TcpStream::connect(address),
    }
    .map(Stream::Tcp)
}

/// Connects from a chosen address, which the standard library has no call for.
#[cfg(target_os = "wasi")]
fn bound(own: SocketAddr, address: SocketAddr) -> io::Result<TcpStream> {
    use agentos_guest::net::{self, Address};
    use std::os::fd::AsFd;
    let domain = if own.is_ipv4() { net::AF_INET } else { net::AF_INET6 };
    let socket = net::socket(domain, net::SOCK_STREAM | net::SOCK_CLOEXEC, 0)?;
    net::bind(socket.as_fd(), &Address::Inet(own))?;
    net::connect(socket.as_fd(), &Address::Inet(address))?;
    Ok(TcpStream::from(socket))
}

#[cfg(not(target_os = "wasi"))]
fn bound(_: SocketAddr, _: SocketAddr) -> io::Result<TcpStream> {
    Err(io::ErrorKind::Unsupported.into())
}
