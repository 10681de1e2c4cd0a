//! A dialer that dials nothing of a guest's and remembers everything.

use super::naive;
use agentos_net::{Dialer, HostDialer, Purpose};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Mutex;

/// Records what it is asked for. A guest's sockets are refused once they are recorded; the resolver's go to the test's server.
#[derive(Default)]
pub struct Recorder {
    dialled: Mutex<Vec<(SocketAddr, Purpose)>>,
    /// Where the resolver may go.
    pub server: Option<SocketAddr>,
    /// Ports of loopback that a guest may reach.
    pub exempt: Vec<u16>,
}

impl Recorder {
    pub fn new(server: SocketAddr) -> Self {
        Self {
            server: Some(server),
            ..Self::default()
        }
    }

    /// What guests' sockets were opened for since the last call.
    pub fn take(&self) -> Vec<SocketAddr> {
        let dialled = std::mem::take(&mut *self.dialled.lock().unwrap());
        let of_guests = dialled.into_iter().filter(|(_, purpose)| *purpose == Purpose::Guest);
        of_guests.map(|(address, _)| address).collect()
    }

    /// Fails the test if the address is none that the purpose allows.
    fn record(&self, to: SocketAddr, purpose: Purpose) {
        match purpose {
            Purpose::Resolver => assert_eq!(Some(to), self.server, "the resolver asked somebody else"),
            _ => assert!(self.is_allowed(to), "BYPASS: dialled {to}"),
        }
        self.dialled.lock().unwrap().push((to, purpose));
    }

    fn is_allowed(&self, to: SocketAddr) -> bool {
        let exempt = matches!(to.ip(), IpAddr::V4(ip) if ip.octets() == [127, 0, 0, 1])
            || matches!(to.ip(), IpAddr::V6(ip) if ip.segments() == [0, 0, 0, 0, 0, 0, 0, 1]);
        let zoned = matches!(to, SocketAddr::V6(to) if to.scope_id() != 0);
        let public = naive::label(to.ip()).0 == "public";
        to.port() != 0 && !zoned && (public || exempt && self.exempt.contains(&to.port()))
    }
}

impl Dialer for Recorder {
    fn stream(&self, to: SocketAddr, purpose: Purpose) -> io::Result<TcpStream> {
        self.record(to, purpose);
        match purpose {
            Purpose::Resolver => HostDialer.stream(to, purpose),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }

    fn datagrams(&self, to: SocketAddr, purpose: Purpose) -> io::Result<UdpSocket> {
        self.record(to, purpose);
        match purpose {
            Purpose::Resolver => HostDialer.datagrams(to, purpose),
            _ => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}
