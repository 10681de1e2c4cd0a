//! Where listening sockets come from: made here, or passed on by whoever started the process.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::error::GatewayError;

/// Connections that may wait in the kernel's queue. A restart may take seconds, and clients come back all at once.
const BACKLOG: i32 = 4096;
/// The first descriptor that is passed, by the convention of `sd_listen_fds`.
const FIRST_PASSED: i32 = 3;

/// Makes a listening socket.
///
/// # Errors
/// The address cannot be bound.
pub fn bind(address: SocketAddr) -> Result<TcpListener, GatewayError> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, listen, socket_with, sockopt};
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let made = (|| {
        let socket = socket_with(
            family,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        bind(&socket, &address)?;
        listen(&socket, BACKLOG)?;
        Ok::<_, rustix::io::Errno>(TcpListener::from(socket))
    })();
    made.map_err(|errno| GatewayError::socket(format!("cannot listen on {address}"))(errno.into()))
}

/// The listening sockets that the parent process passed by `LISTEN_PID` and `LISTEN_FDS`, whose values are the arguments,
/// as service managers do. Nothing is passed if the variables are absent or meant for another process.
///
/// The passed descriptors themselves stay open, so that the port stays bound by this process whatever happens to the copies.
///
/// # Errors
/// The variables are wrong, or a passed descriptor is no listening TCP socket.
pub fn inherited(listen_pid: Option<&str>, listen_fds: Option<&str>) -> Result<Vec<TcpListener>, GatewayError> {
    let (Some(pid), Some(count)) = (listen_pid, listen_fds) else {
        return Ok(Vec::new());
    };
    let own = getpid();
    if pid.parse() != Ok(own.as_raw_nonzero().get()) {
        return Ok(Vec::new());
    }
    let count: i32 = match count.parse() {
        Ok(count @ 0..=64) => count,
        _ => return Err(GatewayError::config("LISTEN_FDS", "must be a number between 0 and 64")),
    };
    (FIRST_PASSED..FIRST_PASSED + count)
        .map(|number| adopt(own, number))
        .collect()
}

fn adopt(own: Pid, number: i32) -> Result<TcpListener, GatewayError> {
    let what = format!("descriptor {number} of LISTEN_FDS");
    let copied =
        pidfd_open(own, PidfdFlags::empty()).and_then(|process| pidfd_getfd(process, number, PidfdGetfdFlags::empty()));
    let copy: OwnedFd = copied.map_err(|errno| GatewayError::socket(what.as_str())(errno.into()))?;
    listening(copy, &what)
}

/// Takes a descriptor that must be a listening TCP socket.
pub(crate) fn listening(descriptor: OwnedFd, what: &str) -> Result<TcpListener, GatewayError> {
    let listens = rustix::net::sockopt::socket_acceptconn(&descriptor);
    let listens = listens.map_err(|errno| GatewayError::socket(what)(errno.into()))?;
    let listener = TcpListener::from(descriptor);
    if !listens || listener.local_addr().is_err() {
        return Err(GatewayError::Socket {
            what: what.into(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a listening TCP socket"),
        });
    }
    Ok(listener)
}
