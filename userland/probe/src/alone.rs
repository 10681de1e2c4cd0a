//! What one process can see alone: connections to itself complete in the listener's queue.

use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

type Check = fn() -> io::Result<()>;

const CHECKS: &[(&str, Check)] = &[
    ("round trip", round_trip),
    ("addresses", addresses),
    ("ipv6", ipv6),
    ("vectored", vectored),
    ("peek", peek),
    ("half close", half_close),
    ("clone", clone),
    ("non-blocking", non_blocking),
    ("timeouts", timeouts),
    ("options", options),
    ("refused", refused),
    ("in use", in_use),
    ("broken pipe", broken_pipe),
    ("descriptors", descriptors),
    ("udp", udp),
    ("names", names),
    #[cfg(target_os = "wasi")]
    ("unix", unix),
];

/// Runs all; the first failure ends it.
pub fn check() -> io::Result<()> {
    for (name, check) in CHECKS {
        check().map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
        println!("{name}");
    }
    Ok(())
}

fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    Ok((client, listener.accept()?.0))
}

/// The kind of the error that must come.
fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

fn round_trip() -> io::Result<()> {
    let (mut client, mut server) = pair()?;
    client.write_all(b"question")?;
    let mut buffer = [0; 8];
    server.read_exact(&mut buffer)?;
    assert_eq!(&buffer, b"question");
    server.write_all(b"answer")?;
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer)?;
    assert_eq!(answer, "answer");
    Ok(())
}

fn addresses() -> io::Result<()> {
    let listener = TcpListener::bind("localhost:0")?;
    let client = TcpStream::connect(("localhost", listener.local_addr()?.port()))?;
    let (server, peer) = listener.accept()?;
    assert_eq!(client.local_addr()?, peer);
    assert_eq!(client.peer_addr()?, listener.local_addr()?);
    assert_eq!((server.peer_addr()?, server.local_addr()?), (peer, client.peer_addr()?));
    assert!(format!("{client:?}").contains("127.0.0.1"), "{client:?}");
    Ok(())
}

fn ipv6() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let mut client = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
    let (mut server, peer) = listener.accept()?;
    assert!(peer.is_ipv6() && client.peer_addr()? == address);
    client.write_all(b"6")?;
    let mut one = [0];
    server.read_exact(&mut one)?;
    assert_eq!(&one, b"6");
    Ok(())
}

fn vectored() -> io::Result<()> {
    let (mut client, mut server) = pair()?;
    assert_eq!(client.write_vectored(&[])?, 0);
    let long = vec![b'x'; 5000];
    let pieces = [
        IoSlice::new(b""),
        IoSlice::new(b"ab"),
        IoSlice::new(b"cd"),
        IoSlice::new(&long),
    ];
    let n = client.write_vectored(&pieces)?;
    assert!(n > 4, "short pieces go together: {n}");
    assert_eq!(client.write_vectored(&pieces[3..])?, 5000);
    let (mut first, mut second) = ([0; 0], [0; 4]);
    let n = server.read_vectored(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)])?;
    assert_eq!((n, &second), (4, b"abcd"));
    Ok(())
}

fn peek() -> io::Result<()> {
    let (mut client, mut server) = pair()?;
    client.write_all(b"look")?;
    let mut buffer = [0; 4];
    assert_eq!(server.peek(&mut buffer)?, 4);
    server.read_exact(&mut buffer)?;
    assert_eq!(&buffer, b"look");
    Ok(())
}

fn half_close() -> io::Result<()> {
    let (mut client, mut server) = pair()?;
    client.shutdown(Shutdown::Write)?;
    assert_eq!(server.read(&mut [0; 8])?, 0);
    server.write_all(b"still")?;
    server.shutdown(Shutdown::Both)?;
    let mut rest = String::new();
    client.read_to_string(&mut rest)?;
    assert_eq!(rest, "still");
    Ok(())
}

fn clone() -> io::Result<()> {
    let (client, mut server) = pair()?;
    let mut copy = client.try_clone()?;
    drop(client);
    copy.write_all(b"copy")?;
    drop(copy);
    let mut rest = String::new();
    server.read_to_string(&mut rest)?;
    assert_eq!(rest, "copy");
    Ok(())
}

fn non_blocking() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    assert_eq!(kind(listener.accept()), Some(ErrorKind::WouldBlock));
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    client.set_nonblocking(true)?;
    assert_eq!(kind(client.read(&mut [0; 1])), Some(ErrorKind::WouldBlock));
    let mut total = 0;
    let stopped = loop {
        match client.write(&[0; 65536]) {
            Ok(n) => total += n,
            Err(error) => break error.kind(),
        }
        assert!(total < 1 << 30, "a queue without a bound");
    };
    assert_eq!(stopped, ErrorKind::WouldBlock);
    client.set_nonblocking(false)?;
    drop(server);
    Ok(())
}

fn timeouts() -> io::Result<()> {
    let (mut client, _server) = pair()?;
    assert_eq!(client.read_timeout()?, None);
    assert_eq!(
        kind(client.set_read_timeout(Some(Duration::ZERO))),
        Some(ErrorKind::InvalidInput)
    );
    client.set_read_timeout(Some(Duration::from_millis(20)))?;
    assert_eq!(client.read_timeout()?, Some(Duration::from_millis(20)));
    assert_eq!(kind(client.read(&mut [0; 1])), Some(ErrorKind::WouldBlock));
    let mut buffer = [0; 4];
    let mut buffers = [IoSliceMut::new(&mut buffer)];
    assert_eq!(kind(client.read_vectored(&mut buffers)), Some(ErrorKind::WouldBlock));
    client.set_write_timeout(Some(Duration::from_millis(20)))?;
    assert_eq!(client.write_timeout()?, Some(Duration::from_millis(20)));
    let stopped = loop {
        if let Err(error) = client.write(&[0; 65536]) {
            break error.kind();
        }
    };
    assert_eq!(stopped, ErrorKind::WouldBlock);
    Ok(())
}

fn options() -> io::Result<()> {
    let (client, _server) = pair()?;
    client.set_nodelay(true)?;
    assert!(client.nodelay()?);
    client.set_ttl(33)?;
    assert_eq!(client.ttl()?, 33);
    assert!(client.take_error()?.is_none());
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_broadcast(true)?;
    assert!(socket.broadcast()?);
    // Groups do not exist here.
    assert!(
        socket
            .join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 251), &Ipv4Addr::UNSPECIFIED)
            .is_err()
    );
    Ok(())
}

fn refused() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    drop(listener);
    // Nobody listens there any more: no way out of the VM leads to it either.
    let refusals = [ErrorKind::ConnectionRefused, ErrorKind::PermissionDenied];
    for outcome in [
        TcpStream::connect(address),
        TcpStream::connect_timeout(&address, Duration::from_secs(5)),
    ] {
        let kind = kind(outcome);
        assert!(kind.is_some_and(|kind| refusals.contains(&kind)), "{kind:?}");
    }
    Ok(())
}

fn in_use() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    assert_eq!(
        kind(TcpListener::bind(listener.local_addr()?)),
        Some(ErrorKind::AddrInUse)
    );
    assert_eq!(
        kind(TcpListener::bind("203.0.113.9:80")),
        Some(ErrorKind::AddrNotAvailable)
    );
    Ok(())
}

/// An error, not the end of the program.
fn broken_pipe() -> io::Result<()> {
    let (mut client, server) = pair()?;
    drop(server);
    let stopped = loop {
        if let Err(error) = client.write_vectored(&[IoSlice::new(b"a"), IoSlice::new(b"b")]) {
            break error.kind();
        }
    };
    assert!(
        matches!(stopped, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
        "{stopped:?}"
    );
    Ok(())
}

fn descriptors() -> io::Result<()> {
    use std::os::fd::{AsFd, AsRawFd, OwnedFd};
    let (client, mut server) = pair()?;
    let number = client.as_raw_fd();
    let owned = OwnedFd::from(client);
    assert_eq!(owned.as_raw_fd(), number);
    let mut file = std::fs::File::from(owned.as_fd().try_clone_to_owned()?);
    let mut client = TcpStream::from(owned);
    file.write_all(b"as a file, ")?;
    client.write_all(b"as a stream")?;
    drop((file, client));
    let mut rest = String::new();
    server.read_to_string(&mut rest)?;
    assert_eq!(rest, "as a file, as a stream");
    Ok(())
}

fn udp() -> io::Result<()> {
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    client.send_to(b"one", server.local_addr()?)?;
    let mut buffer = [0; 16];
    assert_eq!(server.peek_from(&mut buffer)?, (3, client.local_addr()?));
    assert_eq!(server.recv_from(&mut buffer)?, (3, client.local_addr()?));
    assert!(client.send(b"two").is_err(), "to nobody");
    client.connect(server.local_addr()?)?;
    assert_eq!(client.peer_addr()?, server.local_addr()?);
    client.send(b"three")?;
    assert_eq!(server.recv(&mut buffer)?, 5);
    server.set_nonblocking(true)?;
    assert_eq!(kind(server.recv(&mut buffer)), Some(ErrorKind::WouldBlock));
    server.set_nonblocking(false)?;
    server.set_read_timeout(Some(Duration::from_millis(10)))?;
    assert_eq!(kind(server.recv_from(&mut buffer)), Some(ErrorKind::WouldBlock));
    Ok(())
}

fn names() -> io::Result<()> {
    use std::net::ToSocketAddrs;
    let found: Vec<_> = ("localhost", 80)
        .to_socket_addrs()?
        .map(|address| address.ip())
        .collect();
    assert!(found.contains(&Ipv4Addr::LOCALHOST.into()), "{found:?}");
    assert_eq!("127.0.0.1:1".to_socket_addrs()?.count(), 1);
    assert!("no port".to_socket_addrs().is_err());
    assert!(("", 1).to_socket_addrs().is_err());
    Ok(())
}

#[cfg(target_os = "wasi")]
fn unix() -> io::Result<()> {
    use std::os::wasi::posix::net::{UnixDatagram, UnixListener, UnixStream};
    let path = format!("/tmp/probe-{}", std::process::id());
    let listener = UnixListener::bind(&path)?;
    let mut client = UnixStream::connect(&path)?;
    let (mut server, _) = listener.accept()?;
    client.write_all(b"path")?;
    let mut buffer = [0; 4];
    server.read_exact(&mut buffer)?;
    assert_eq!(&buffer, b"path");
    assert_eq!(client.peer_addr()?.as_pathname(), Some(path.as_ref()));
    assert_eq!(kind(UnixListener::bind(&path)), Some(ErrorKind::AddrInUse));
    std::fs::remove_file(&path)?;
    assert_eq!(kind(UnixStream::connect(&path)), Some(ErrorKind::NotFound));
    let (a, b) = UnixDatagram::pair()?;
    a.send(b"pair")?;
    assert_eq!(b.recv(&mut buffer)?, 4);
    Ok(())
}
