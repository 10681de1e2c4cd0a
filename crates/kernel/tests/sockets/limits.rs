//! What a guest can grow is bounded, and comes back.

use super::common::{Alarm, ready};
use super::ours::{Process, assert_unused, net};
use agentos_kernel::errno::Errno;
use agentos_kernel::fd::{File, PollEvents};
use agentos_kernel::net::{Domain, Kind, MessageFlags, SocketAddress};
use std::net::Ipv4Addr;

fn local(port: u16) -> SocketAddress {
    SocketAddress::Inet((Ipv4Addr::LOCALHOST, port).into())
}

#[test]
fn sockets_are_counted() {
    let (net, process) = (net(|limits| limits.set("maxSockets", 3).unwrap()), Process::new());
    let pair = net.pair(Domain::Unix, Kind::Stream, &process).unwrap();
    let error = net.pair(Domain::Unix, Kind::Stream, &process).unwrap_err();
    let limit = error.limit().unwrap();
    assert_eq!(
        (error.errno(), limit.limit, limit.observed),
        (Errno::EAGAIN, "maxSockets", 4)
    );
    let one = net.socket(Domain::Inet, Kind::Stream, 0, &process).unwrap();
    assert_eq!(
        net.socket(Domain::Inet, Kind::Stream, 0, &process).unwrap_err(),
        Errno::EAGAIN
    );
    assert_eq!(
        net.socket(Domain::Inet, Kind::SeqPacket, 0, &process).unwrap_err(),
        Errno::EPROTONOSUPPORT
    );
    assert_eq!(
        net.socket(Domain::Inet, Kind::Stream, 17, &process).unwrap_err(),
        Errno::EPROTONOSUPPORT
    );
    drop((pair, one));
    assert_unused(&net);
}

/// At the limit of sockets a connection waits in the backlog instead of being lost.
#[test]
fn an_accept_at_the_limit_keeps_the_connection() {
    let (net, process) = (net(|limits| limits.set("maxSockets", 2).unwrap()), Process::new());
    let listener = net.socket(Domain::Inet, Kind::Stream, 0, &process).unwrap();
    listener.bind(&local(6000), &process).unwrap();
    listener.listen(4, &process).unwrap();
    let client = net.socket(Domain::Inet, Kind::Stream, 0, &process).unwrap();
    let _ = client.connect(&local(6000), &process, None);
    ready(client.write(b"kept", None)).unwrap();
    assert_eq!(ready(listener.accept(None)).unwrap_err(), Errno::EAGAIN);
    assert_eq!(listener.poll(PollEvents::IN, None), PollEvents::IN);
    drop(client);
    let (server, _) = ready(listener.accept(None)).unwrap();
    assert_eq!(ready(server.read(&mut [0; 8], None)).unwrap(), 4);
    drop((listener, server));
    assert_unused(&net);
}

#[test]
fn connections_are_counted() {
    let (net, process) = (net(|limits| limits.set("maxConnections", 1).unwrap()), Process::new());
    let pair = net.pair(Domain::Unix, Kind::SeqPacket, &process).unwrap();
    assert_eq!(
        net.pair(Domain::Unix, Kind::Stream, &process).unwrap_err(),
        Errno::EAGAIN
    );
    let listener = net.socket(Domain::Inet, Kind::Stream, 0, &process).unwrap();
    listener.bind(&local(6000), &process).unwrap();
    listener.listen(4, &process).unwrap();
    let client = net.socket(Domain::Inet, Kind::Stream, 0, &process).unwrap();
    let error = ready(client.connect(&local(6000), &process, None)).unwrap_err();
    assert_eq!(
        (error.errno(), error.limit().unwrap().limit),
        (Errno::EAGAIN, "maxConnections")
    );
    drop(pair);
    let (_, waker) = Alarm::new();
    ready(client.connect(&local(6000), &process, Some(&waker))).unwrap();
    drop((listener, client));
    assert_unused(&net);
}

/// The bytes of all sockets together are bounded; whoever wrote too much waits for any reader of the VM.
#[test]
fn buffered_bytes_are_counted_across_sockets() {
    let (net, process) = (
        net(|limits| limits.set("maxSocketBufferedBytes", 10_000).unwrap()),
        Process::new(),
    );
    let one = net.pair(Domain::Unix, Kind::Stream, &process).unwrap();
    let two = net.pair(Domain::Unix, Kind::Stream, &process).unwrap();
    let packets = net.pair(Domain::Unix, Kind::SeqPacket, &process).unwrap();
    let (alarm, waker) = Alarm::new();
    assert_eq!(ready(one.0.write(&[1; 20_000], None)).unwrap(), 10_000);
    assert!(two.0.write(b"x", Some(&waker)).is_pending());
    assert!(packets.0.write(b"x", Some(&waker)).is_pending());
    assert_eq!(alarm.rings(), 0);
    ready(one.1.read(&mut [0; 100], None)).unwrap();
    assert!(alarm.rings() > 0);
    assert_eq!(ready(two.0.write(&[2; 60], Some(&waker))).unwrap(), 60);
    assert!(
        packets.0.write(&[3; 60], Some(&waker)).is_pending(),
        "a packet is not split"
    );
    assert_eq!(alarm.rings(), 0);
    drop(one);
    assert!(alarm.rings() > 0);
    assert_eq!(ready(packets.0.write(&[3; 60], Some(&waker))).unwrap(), 60);
    assert_eq!(net.buffered().used(), 120);
    drop((two, packets));
    assert_unused(&net);
}

#[test]
fn udp_drops_and_counts_what_finds_no_room() {
    let (net, process) = (
        net(|limits| limits.set("maxSocketDatagramQueueLen", 3).unwrap()),
        Process::new(),
    );
    let receiver = net.socket(Domain::Inet, Kind::Datagram, 0, &process).unwrap();
    receiver.bind(&local(6000), &process).unwrap();
    let sender = net.socket(Domain::Inet, Kind::Datagram, 0, &process).unwrap();
    let to = local(6000);
    for number in 0..5u8 {
        let sent = sender.send(&[number], MessageFlags::empty(), Some((&to, &process)), None);
        assert_eq!(ready(sent).unwrap(), 1);
    }
    assert_eq!(net.dropped_datagrams(), 2);
    let mut buf = [0; 1];
    for number in 0..3u8 {
        ready(receiver.read(&mut buf, None)).unwrap();
        assert_eq!(buf, [number]);
    }
    assert!(receiver.read(&mut buf, None).is_pending());
    drop((receiver, sender));
    assert_unused(&net);
}

/// A connection holds memory for what is in it, not for what once was.
#[test]
fn a_stream_takes_at_most_its_own_buffer() {
    let (net, process) = (net(|_| {}), Process::new());
    let (one, two) = net.pair(Domain::Unix, Kind::Stream, &process).unwrap();
    let mut sent = 0;
    while let core::task::Poll::Ready(count) = one.write(&[0; 50_000], None) {
        sent += count.unwrap();
    }
    assert_eq!(sent, 212_992);
    assert_eq!(net.buffered().used(), 212_992);
    assert!(one.poll(PollEvents::OUT, None).is_empty());
    drop(two);
    assert_eq!(net.buffered().used(), 0);
    assert_eq!(ready(one.write(b"x", None)).unwrap_err(), Errno::EPIPE);
}
