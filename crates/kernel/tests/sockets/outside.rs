//! Sockets to destinations outside of the VM, over host sockets that are real.

use super::bridge::Bridge;
use super::common::{Alarm, ManualClock, ready, wait};
use super::ours::{Process, Setup, assert_unused};
use agentos_kernel::errno::Errno;
use agentos_kernel::fd::{File, PollEvents};
use agentos_kernel::net::{Domain, Kind, MessageFlags, Net, OptionName, OptionValue, Shutdown, Socket, SocketAddress};
use core::task::Poll;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;

/// A VM with a bridge to the host, and the clock of the VM.
fn net() -> (Arc<Net>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    let setup = Setup {
        clock: Some(clock.clone()),
        egress: Some(Bridge::new()),
        ..Setup::default()
    };
    (setup.net(), clock)
}

/// An address outside that leads to a port of the host.
fn outside(port: u16) -> SocketAddress {
    SocketAddress::Inet((Ipv4Addr::new(203, 0, 113, 7), port).into())
}

fn outside6(port: u16) -> SocketAddress {
    SocketAddress::Inet(("2001:db8::7".parse::<Ipv6Addr>().unwrap(), port).into())
}

fn socket(net: &Arc<Net>, domain: Domain, kind: Kind) -> Arc<Socket> {
    net.socket(domain, kind, 0, &Process::new()).unwrap()
}

fn host() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A guest's socket that is connected outside, and the host's end.
fn connected(net: &Arc<Net>) -> (Arc<Socket>, TcpStream) {
    let (listener, port) = host();
    let client = socket(net, Domain::Inet, Kind::Stream);
    let process = Process::new();
    wait(|waker| client.connect(&outside(port), &process, waker)).unwrap();
    (client, listener.accept().unwrap().0)
}

fn ip(address: &SocketAddress) -> SocketAddr {
    match address {
        SocketAddress::Inet(address) => *address,
        SocketAddress::Unix(_) => panic!("{address:?}"),
    }
}

#[test]
fn a_stream_outside_looks_like_any_other() {
    let (net, _) = net();
    let (client, mut server) = connected(&net);
    assert_eq!(
        ip(&client.name()).ip(),
        Ipv4Addr::new(10, 0, 2, 15),
        "not the host's own address"
    );
    assert!(ip(&client.name()).port() >= 32_768);
    assert_eq!(ip(&client.peer_name().unwrap()).ip(), Ipv4Addr::new(203, 0, 113, 7));
    assert_eq!(net.connections().used(), 1);
    wait(|waker| client.write(b"question", waker)).unwrap();
    let mut buf = [0; 16];
    assert_eq!(server.read(&mut buf).unwrap(), 8);
    server.write_all(b"answer").unwrap();
    let peeked = wait(|waker| client.receive(&mut buf, MessageFlags::PEEK, waker)).unwrap();
    assert_eq!((peeked.length, &buf[..6]), (6, &b"answer"[..]));
    assert_eq!(net.buffered().used(), 6, "what was looked at is held");
    assert_eq!(client.available().unwrap(), 6);
    assert_eq!(wait(|waker| client.read(&mut buf[..2], waker)).unwrap(), 2);
    assert_eq!(net.buffered().used(), 4);
    assert_eq!(client.poll(PollEvents::IN, None), PollEvents::IN);
    assert_eq!(wait(|waker| client.read(&mut buf, waker)).unwrap(), 4);
    client
        .set_option(OptionName::NoDelay, OptionValue::Switch(true))
        .unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(ready(client.write(b"more", None)).unwrap_err(), Errno::EPIPE);
    assert_eq!(server.read(&mut buf).unwrap(), 0);
    server.write_all(b"bye").unwrap();
    drop(server);
    assert_eq!(wait(|waker| client.read(&mut buf, waker)).unwrap(), 3);
    assert_eq!(wait(|waker| client.read(&mut buf, waker)).unwrap(), 0);
    drop(client);
    assert_unused(&net);
}

#[test]
fn everything_can_be_waited_for_at_once() {
    let (net, _) = net();
    let (client, mut server) = connected(&net);
    std::thread::scope(|scope| {
        let client = &client;
        let whole = scope.spawn(move || {
            let mut buf = [0; 10];
            let got = wait(|waker| client.receive(&mut buf, MessageFlags::WAITALL, waker)).unwrap();
            (got.length, buf)
        });
        for part in [&b"0123"[..], b"4567", b"89"] {
            server.write_all(part).unwrap();
        }
        assert_eq!(whole.join().unwrap(), (10, *b"0123456789"));
    });
    // Several tasks wait for the same socket, and all hear of it.
    let alarms: Vec<_> = (0..5).map(|_| Alarm::new()).collect();
    for (_, waker) in &alarms {
        assert!(client.read(&mut [0; 4], Some(waker)).is_pending());
        assert!(client.poll(PollEvents::IN, Some(waker)).is_empty());
    }
    server.write_all(b"x").unwrap();
    for (alarm, _) in &alarms {
        let until = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while alarm.rings() == 0 {
            assert!(std::time::Instant::now() < until, "a task was not woken");
            std::thread::yield_now();
        }
    }
    drop((client, server));
    assert_unused(&net);
}

#[test]
fn a_connect_in_the_background_can_be_polled_for() {
    let (net, _) = net();
    let (listener, port) = host();
    let process = Process::new();
    let client = socket(&net, Domain::Inet, Kind::Stream);
    let begun = ready(client.connect(&outside(port), &process, None)).unwrap_err();
    assert_eq!(begun, Errno::EINPROGRESS);
    wait(|waker| match client.poll(PollEvents::OUT, waker).is_empty() {
        true => Poll::Pending,
        false => Poll::Ready(()),
    });
    assert_eq!(client.option(OptionName::Error).unwrap(), OptionValue::Error(None));
    assert_eq!(ready(client.connect(&outside(port), &process, None)), Ok(()));
    assert_eq!(
        ready(client.connect(&outside(port), &process, None)).unwrap_err(),
        Errno::EISCONN
    );
    drop(listener);

    let (listener, port) = host();
    drop(listener);
    let refused = socket(&net, Domain::Inet, Kind::Stream);
    let _ = refused.connect(&outside(port), &process, None);
    wait(
        |waker| match refused.poll(PollEvents::OUT, waker).contains(PollEvents::ERR) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        },
    );
    let error = refused.option(OptionName::Error).unwrap();
    assert_eq!(error, OptionValue::Error(Some(Errno::ECONNREFUSED)));
    // It may try again.
    let again = wait(|waker| refused.connect(&outside(port), &process, waker));
    assert!(again.is_err());
    drop((client, refused));
    assert_unused(&net);
}

#[test]
fn families_are_kept_apart() {
    let (net, _) = net();
    let process = Process::new();
    let (listener, port) = host();
    let dual = socket(&net, Domain::Inet6, Kind::Stream);
    let mapped = SocketAddress::Inet(format!("[::ffff:203.0.113.7]:{port}").parse::<SocketAddr>().unwrap());
    wait(|waker| dual.connect(&mapped, &process, waker)).unwrap();
    assert_eq!(dual.peer_name().unwrap(), mapped);
    assert_eq!(ip(&dual.name()).ip(), "::ffff:10.0.2.15".parse::<Ipv6Addr>().unwrap());
    drop(listener);
    if let Ok(six) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
        let client = socket(&net, Domain::Inet6, Kind::Stream);
        let to = outside6(six.local_addr().unwrap().port());
        wait(|waker| client.connect(&to, &process, waker)).unwrap();
        assert_eq!(client.peer_name().unwrap(), to);
    }
    let zoned = SocketAddress::Inet("[fe80::1%4]:80".parse::<SocketAddr>().unwrap());
    let client = socket(&net, Domain::Inet6, Kind::Stream);
    let error = ready(client.connect(&zoned, &process, None)).unwrap_err();
    assert_eq!(error, Errno::EACCES);
    assert!(error.denial().unwrap().contains("[fe80::1%4]:80"));
    let bound = socket(&net, Domain::Inet, Kind::Stream);
    bound
        .bind(&SocketAddress::Inet((Ipv4Addr::LOCALHOST, 0).into()), &process)
        .unwrap();
    assert_eq!(
        ready(bound.connect(&outside(80), &process, None)).unwrap_err(),
        Errno::EINVAL
    );
    drop((dual, client, bound));
    assert_unused(&net);
}

/// Who listens in the VM is reached in the VM, although a way out leads to the same port.
#[test]
fn loopback_stays_inside_where_somebody_listens() {
    let (net, _) = net();
    let process = Process::new();
    let (listener, port) = host();
    listener.set_nonblocking(true).unwrap();
    let local = SocketAddress::Inet((Ipv4Addr::LOCALHOST, port).into());
    let own = socket(&net, Domain::Inet, Kind::Stream);
    own.bind(&local, &process).unwrap();
    own.listen(1, &process).unwrap();
    let client = socket(&net, Domain::Inet, Kind::Stream);
    wait(|waker| client.connect(&local, &process, waker)).unwrap();
    drop(ready(own.accept(None)).unwrap());
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    drop((own, client));
    // Nobody in the VM listens any more: what becomes of it is for the way out to say.
    let client = socket(&net, Domain::Inet, Kind::Stream);
    wait(|waker| client.connect(&local, &process, waker)).unwrap();
    listener.set_nonblocking(false).unwrap();
    drop(listener.accept().unwrap());
    assert_eq!(ip(&client.name()).ip(), Ipv4Addr::LOCALHOST);
    drop(client);
    assert_unused(&net);
}

#[test]
fn limits_hold_outside_too() {
    let setup = Setup {
        egress: Some(Bridge::new()),
        limits: |limits| {
            limits.set("maxConnections", 1).unwrap();
            limits.set("maxSocketBufferedBytes", 4).unwrap();
        },
        ..Setup::default()
    };
    let net = setup.net();
    let (client, mut server) = connected(&net);
    let other = socket(&net, Domain::Inet, Kind::Stream);
    let (_listener, port) = host();
    let error = ready(other.connect(&outside(port), &Process::new(), None)).unwrap_err();
    assert_eq!(error.limit().unwrap().limit, "maxConnections");
    let datagrams = socket(&net, Domain::Inet, Kind::Datagram);
    assert_eq!(
        ready(datagrams.connect(&outside(port), &Process::new(), None)).unwrap_err(),
        Errno::EAGAIN
    );
    // No more is held than the VM may hold.
    server.write_all(b"0123456789").unwrap();
    let mut buf = [0; 16];
    let peeked = wait(|waker| client.receive(&mut buf, MessageFlags::PEEK, waker)).unwrap();
    assert!(peeked.length <= 4);
    let mut got = Vec::new();
    while got.len() < 10 {
        let count = wait(|waker| client.read(&mut buf, waker)).unwrap();
        got.extend_from_slice(&buf[..count]);
    }
    assert_eq!(got, b"0123456789");
    drop((client, other, datagrams));
    assert_unused(&net);
}

fn send_to(from: &Socket, data: &[u8], to: &SocketAddress) -> Result<usize, agentos_kernel::Error> {
    let process = Process::new();
    wait(|waker| from.send(data, MessageFlags::empty(), Some((to, &process)), waker))
}

#[test]
fn datagrams_reach_whom_they_are_for_and_only_they_answer() {
    let (net, _) = net();
    let servers: Vec<UdpSocket> = (0..3)
        .map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
        .collect();
    let ports: Vec<u16> = servers
        .iter()
        .map(|server| server.local_addr().unwrap().port())
        .collect();
    let client = socket(&net, Domain::Inet, Kind::Datagram);
    let (alarm, waker) = Alarm::new();
    assert!(client.read(&mut [0; 4], Some(&waker)).is_pending());
    let mut buf = [0; 8];
    let mut from = Vec::new();
    for (server, port) in servers.iter().zip(&ports) {
        send_to(&client, b"ask", &outside(*port)).unwrap();
        from.push(server.recv_from(&mut buf).unwrap().1);
    }
    assert!(alarm.rings() > 0, "whoever waits looks at the new flow, too");
    // Each destination is spoken to from a port of its own, and another's answer there is not taken.
    assert_ne!(from[0], from[1]);
    servers[1].send_to(b"forged", from[0]).unwrap();
    servers[0].send_to(b"from 0", from[0]).unwrap();
    let got = wait(|waker| client.receive(&mut buf, MessageFlags::empty(), waker)).unwrap();
    assert_eq!(
        (&buf[..got.length], got.source),
        (&b"from 0"[..], Some(outside(ports[0])))
    );
    assert!(client.read(&mut buf, None).is_pending());

    servers[2].send_to(b"long answer", from[2]).unwrap();
    let peeked = wait(|waker| client.receive(&mut buf, MessageFlags::PEEK | MessageFlags::TRUNC, waker)).unwrap();
    assert_eq!((peeked.length, peeked.flags), (11, MessageFlags::TRUNC));
    assert_eq!(client.available().unwrap(), 11);
    let got = wait(|waker| client.receive(&mut buf, MessageFlags::empty(), waker)).unwrap();
    assert_eq!(
        (got.length, got.flags, got.source),
        (8, MessageFlags::TRUNC, Some(outside(ports[2])))
    );

    // Connected to one, it hears no other.
    ready(client.connect(&outside(ports[1]), &Process::new(), None)).unwrap();
    assert_eq!(net.connections().used(), 1);
    wait(|waker| client.write(b"ask", waker)).unwrap();
    let (_, back) = servers[1].recv_from(&mut buf).unwrap();
    servers[1].send_to(b"yes", back).unwrap();
    assert_eq!(wait(|waker| client.read(&mut buf, waker)).unwrap(), 3);
    drop(client);
    assert_unused(&net);
}

#[test]
fn a_datagram_to_nobody_is_reported_to_a_connected_socket() {
    let (net, _) = net();
    let gone = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let client = socket(&net, Domain::Inet, Kind::Datagram);
    ready(client.connect(&outside(port), &Process::new(), None)).unwrap();
    wait(|waker| client.write(b"x", waker)).unwrap();
    let error = wait(|waker| client.read(&mut [0; 4], waker)).unwrap_err();
    assert_eq!(error, Errno::ECONNREFUSED);
    let free = socket(&net, Domain::Inet, Kind::Datagram);
    send_to(&free, b"x", &outside(port)).unwrap();
    assert!(free.read(&mut [0; 4], None).is_pending());
}

#[test]
fn flows_are_bounded_and_end_when_nobody_uses_them() {
    let (net, clock) = net();
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    let client = socket(&net, Domain::Inet, Kind::Datagram);
    let at = |last: u8| SocketAddress::Inet((Ipv4Addr::new(203, 0, 113, last), port).into());
    for last in 0..64 {
        send_to(&client, b"x", &at(last)).unwrap();
    }
    let error = send_to(&client, b"x", &at(64)).unwrap_err();
    let limit = error.limit().unwrap();
    assert_eq!(
        (limit.limit, limit.observed, error.errno()),
        ("maxUdpPeersPerSocket", 65, Errno::EAGAIN)
    );
    assert_eq!(net.connections().used(), 64);
    clock.advance(59_000_000_000);
    send_to(&client, b"x", &at(3)).unwrap();
    clock.advance(1_000_000_000);
    assert_eq!(net.connections().used(), 1, "the clock ended the others");
    send_to(&client, b"x", &at(64)).unwrap();
    clock.advance(120_000_000_000);
    clock.advance(120_000_000_000);
    assert_eq!(net.connections().used(), 0);
    send_to(&client, b"x", &at(3)).unwrap();
    drop(client);
    assert_unused(&net);
}

#[test]
fn closing_never_waits() {
    let (net, _) = net();
    let (_listener, port) = host();
    let process = Process::new();
    for round in 0..200 {
        let client = socket(&net, Domain::Inet, Kind::Stream);
        let (alarm, waker) = Alarm::new();
        let _ = client.connect(&outside(port), &process, Some(&waker).filter(|_| round % 2 == 0));
        if round % 3 == 0 {
            let _ = client.poll(PollEvents::OUT, Some(&waker));
        }
        if round % 5 == 0 {
            let _ = client.shutdown(Shutdown::Both);
        }
        drop((client, alarm));
    }
    assert_unused(&net);
}
