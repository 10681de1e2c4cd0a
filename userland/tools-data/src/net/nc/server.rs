//! Listening.

use super::{Options, failed, finish, port, relay, usage};
use crate::io::{complain, network_reason};
use crate::net::wire::{self, Family, Stream, UnixDatagram, UnixListener};
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};

/// Longest datagram.
const DATAGRAM: usize = 65536;

pub(super) fn run(o: &Options, operands: &[String]) -> i32 {
    let outcome = if o.unix {
        let [path] = operands else { return usage() };
        if o.udp { unix_datagrams(o, path) } else { unix(o, path) }
    } else {
        let address = match own_address(o, operands) {
            Ok(Some(address)) => address,
            Ok(None) => return usage(),
            Err(message) => {
                complain("nc", message);
                return 1;
            }
        };
        if o.udp {
            datagrams(o, address)
        } else {
            streams(o, address)
        }
    };
    match outcome {
        Ok(status) => status,
        Err(error) => {
            complain("nc", network_reason(&error));
            1
        }
    }
}

/// `[ADDR] PORT`, where `-p` may have brought the port.
fn own_address(o: &Options, operands: &[String]) -> Result<Option<SocketAddr>, String> {
    let any = if o.family == Family::V6 { "::" } else { "0.0.0.0" };
    let (host, port) = match (operands, o.port) {
        ([], Some(given)) => (any, given),
        ([text], None) => (any, port(text)?),
        ([host], Some(given)) => (host.as_str(), given),
        ([host, text], _) => (host.as_str(), port(text)?),
        _ => return Ok(None),
    };
    let known = wire::resolve(host, o.family, o.numeric).map_err(|error| failed(host, &error))?;
    Ok(known.first().map(|ip| SocketAddr::new(*ip, port)))
}

fn streams(o: &Options, address: SocketAddr) -> io::Result<i32> {
    let listener = TcpListener::bind(address)?;
    if o.verbose {
        eprintln!("Listening on {} {}", address.ip(), listener.local_addr()?.port());
    }
    loop {
        let (stream, peer) = listener.accept()?;
        if o.verbose {
            eprintln!("Connection received on {} {}", peer.ip(), peer.port());
        }
        let outcome = relay::run(o, Stream::Tcp(stream));
        if !o.keep {
            return Ok(finish(outcome));
        }
    }
}

fn unix(o: &Options, path: &str) -> io::Result<i32> {
    let listener = UnixListener::bind(path)?;
    if o.verbose {
        eprintln!("Listening on {path}");
    }
    loop {
        let (stream, _) = listener.accept()?;
        if o.verbose {
            eprintln!("Connection received on {path}");
        }
        let outcome = relay::run(o, Stream::Unix(stream));
        if !o.keep {
            // As the original does, the name goes with its only connection.
            let _ = std::fs::remove_file(path);
            return Ok(finish(outcome));
        }
    }
}

/// The first sender becomes the peer; with `-k` everybody is heard and nobody answered.
fn datagrams(o: &Options, address: SocketAddr) -> io::Result<i32> {
    let socket = UdpSocket::bind(address)?;
    if o.verbose {
        eprintln!("Bound on {} {}", address.ip(), socket.local_addr()?.port());
    }
    if o.keep {
        return print_all(|buffer| socket.recv(buffer));
    }
    let mut buffer = vec![0; DATAGRAM];
    let (count, peer) = socket.recv_from(&mut buffer)?;
    if o.verbose {
        eprintln!("Connection received on {} {}", peer.ip(), peer.port());
    }
    crate::io::print(&buffer[..count]);
    match socket.connect(peer) {
        Ok(()) => Ok(finish(relay::run(o, Stream::Udp(socket)))),
        // The sender is gone already, and with it what could be answered.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && peer.ip().is_loopback() => Ok(0),
        Err(error) => Err(error),
    }
}

fn unix_datagrams(o: &Options, path: &str) -> io::Result<i32> {
    let socket = UnixDatagram::bind(path)?;
    if o.verbose {
        eprintln!("Bound on {path}");
    }
    print_all(|buffer| socket.recv(buffer))
}

fn print_all(mut receive: impl FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<i32> {
    let mut buffer = vec![0; DATAGRAM];
    loop {
        let count = receive(&mut buffer)?;
        crate::io::print(&buffer[..count]);
    }
}
