//! Unix sockets beyond what single calls show: waiting, credentials, names that outlive their socket.

use super::common::{Alarm, ready, wait};
use super::ours::{Process, assert_unused, net};
use agentos_kernel::errno::Errno;
use agentos_kernel::fd::{File, PollEvents};
use agentos_kernel::net::{
    Domain, Kind, MessageFlags, Net, OptionName, OptionValue, Socket, SocketAddress, UnixAddress,
};
use std::sync::Arc;

fn path(name: &str) -> SocketAddress {
    SocketAddress::Unix(UnixAddress::Path(name.as_bytes().to_vec()))
}

fn socket(net: &Arc<Net>, kind: Kind, process: &Process) -> Arc<Socket> {
    net.socket(Domain::Unix, kind, 0, process).unwrap()
}

fn listener(net: &Arc<Net>, name: &str, backlog: u32, process: &Process) -> Arc<Socket> {
    let listener = socket(net, Kind::Stream, process);
    listener.bind(&path(name), process).unwrap();
    listener.listen(backlog, process).unwrap();
    listener
}

#[test]
fn both_ends_know_who_the_other_is() {
    let net = net(|_| {});
    let (server, client) = (Process::of(1), Process::of(2));
    let listener = listener(&net, "s", 1, &server);
    let one = socket(&net, Kind::Stream, &client);
    // The client looks the name up where the server made it.
    ready(one.connect(&path("s"), &server, None)).unwrap();
    let (two, peer) = ready(listener.accept(None)).unwrap();
    assert_eq!(peer, SocketAddress::Unix(UnixAddress::Unnamed));
    let uid = |socket: &Socket| match socket.option(OptionName::PeerCredentials).unwrap() {
        OptionValue::Peer(peer) => peer.uid.0,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        (uid(&one), uid(&two)),
        (1, 1),
        "the server connected on the client's behalf"
    );
    assert_eq!(two.name(), path("s"));
    drop((listener, one, two));
    assert_unused(&net);
}

#[test]
fn a_node_without_its_socket_refuses() {
    let (net, process) = (net(|_| {}), Process::new());
    drop(listener(&net, "s", 1, &process));
    let client = socket(&net, Kind::Stream, &process);
    assert_eq!(
        ready(client.connect(&path("s"), &process, None)).unwrap_err(),
        Errno::ECONNREFUSED
    );
    let again = socket(&net, Kind::Stream, &process);
    assert_eq!(again.bind(&path("s"), &process).unwrap_err(), Errno::EADDRINUSE);
    process.unlink(b"s");
    again.bind(&path("s"), &process).unwrap();
    again.listen(1, &process).unwrap();
    ready(client.connect(&path("s"), &process, None)).unwrap();
    drop((client, again));
    assert_unused(&net);
}

#[test]
fn a_connect_waits_for_room_in_the_backlog() {
    let (net, process) = (net(|_| {}), Process::new());
    let listener = listener(&net, "s", 0, &process);
    let clients: Vec<_> = (0..2).map(|_| socket(&net, Kind::Stream, &process)).collect();
    let (alarm, waker) = Alarm::new();
    ready(clients[0].connect(&path("s"), &process, Some(&waker))).unwrap();
    assert!(clients[1].connect(&path("s"), &process, Some(&waker)).is_pending());
    assert_eq!(net.connections().used(), 1, "a connect that waits holds nothing");
    let accepted = ready(listener.accept(None)).unwrap();
    assert_eq!(alarm.rings(), 1);
    ready(clients[1].connect(&path("s"), &process, Some(&waker))).unwrap();
    drop(listener);
    let mut buf = [0; 1];
    assert_eq!(ready(clients[1].read(&mut buf, None)).unwrap_err(), Errno::ECONNRESET);
    assert_eq!(ready(clients[1].read(&mut buf, None)).unwrap(), 0);
    drop((clients, accepted));
    assert_unused(&net);
}

#[test]
fn a_connect_that_waits_is_refused_when_the_listener_goes() {
    let (net, process) = (net(|_| {}), Process::new());
    let listener = listener(&net, "s", 0, &process);
    let clients: Vec<_> = (0..2).map(|_| socket(&net, Kind::Stream, &process)).collect();
    let (alarm, waker) = Alarm::new();
    ready(clients[0].connect(&path("s"), &process, Some(&waker))).unwrap();
    assert!(clients[1].connect(&path("s"), &process, Some(&waker)).is_pending());
    drop(listener);
    assert_eq!(alarm.rings(), 1);
    let refused = ready(clients[1].connect(&path("s"), &process, Some(&waker)));
    assert_eq!(refused.unwrap_err(), Errno::ECONNREFUSED);
    drop(clients);
    assert_unused(&net);
}

/// Two megabytes each way at once, in uneven pieces.
#[test]
fn streams_carry_everything_in_order() {
    let (net, process) = (net(|_| {}), Process::new());
    let (one, two) = net.pair(Domain::Unix, Kind::Stream, &process).unwrap();
    let data: Vec<u8> = (0..2_000_000u32).map(|at| (at ^ (at >> 9)) as u8).collect();
    std::thread::scope(|scope| {
        for (from, to) in [(&one, &two), (&two, &one)] {
            let data = &data;
            scope.spawn(move || {
                let mut rest = &data[..];
                while !rest.is_empty() {
                    let part = &rest[..rest.len().min(70_001)];
                    let sent = wait(|waker| from.write(part, waker)).unwrap();
                    rest = &rest[sent..];
                }
            });
            scope.spawn(move || {
                let mut buf = vec![0; data.len()];
                let mut got = 0;
                while got < buf.len() {
                    let end = buf.len().min(got + 33_333);
                    got += wait(|waker| to.read(&mut buf[got..end], waker)).unwrap();
                }
                assert!(buf == *data);
            });
        }
    });
    drop((one, two));
    assert_unused(&net);
}

#[test]
fn datagrams_wait_for_their_reader_and_keep_their_bounds() {
    let (net, process) = (
        net(|limits| limits.set("maxSocketDatagramQueueLen", 2).unwrap()),
        Process::new(),
    );
    let (one, two) = net.pair(Domain::Unix, Kind::Datagram, &process).unwrap();
    let (alarm, waker) = Alarm::new();
    ready(one.write(b"first", None)).unwrap();
    ready(one.write(b"", None)).unwrap();
    assert!(one.write(b"third", Some(&waker)).is_pending());
    assert!(one.poll(PollEvents::OUT, Some(&waker)).is_empty());
    let mut buf = [0; 3];
    let got = ready(two.receive(&mut buf, MessageFlags::empty(), None)).unwrap();
    assert_eq!((got.length, got.flags, &buf), (3, MessageFlags::TRUNC, b"fir"));
    assert!(alarm.rings() > 0);
    assert_eq!(one.poll(PollEvents::OUT, None), PollEvents::OUT);
    ready(one.write(b"third", None)).unwrap();
    let flags = MessageFlags::TRUNC | MessageFlags::PEEK;
    assert_eq!(ready(two.receive(&mut buf, flags, None)).unwrap().length, 0);
    assert_eq!(
        ready(two.receive(&mut buf, MessageFlags::empty(), None))
            .unwrap()
            .length,
        0
    );
    assert_eq!(ready(two.receive(&mut buf, flags, None)).unwrap().length, 5);
    drop((one, two));
    assert_unused(&net);
    assert_eq!(net.dropped_datagrams(), 0);
}

#[test]
fn a_receive_can_wait_for_all_it_asked_for() {
    let (net, process) = (net(|_| {}), Process::new());
    let (one, two) = net.pair(Domain::Unix, Kind::Stream, &process).unwrap();
    let (alarm, waker) = Alarm::new();
    let mut buf = [0; 8];
    ready(one.write(b"1234", None)).unwrap();
    assert!(two.receive(&mut buf, MessageFlags::WAITALL, Some(&waker)).is_pending());
    ready(one.write(b"5678", None)).unwrap();
    assert_eq!(alarm.rings(), 1);
    assert_eq!(
        ready(two.receive(&mut buf, MessageFlags::WAITALL, Some(&waker)))
            .unwrap()
            .length,
        8
    );
    ready(one.write(b"9", None)).unwrap();
    drop(one);
    assert_eq!(
        ready(two.receive(&mut buf, MessageFlags::WAITALL, Some(&waker)))
            .unwrap()
            .length,
        1
    );
    drop(two);
    assert_unused(&net);
}

#[test]
fn an_unnamed_bind_gets_an_abstract_name() {
    let (net, process) = (net(|_| {}), Process::new());
    let one = socket(&net, Kind::Datagram, &process);
    one.bind(&SocketAddress::Unix(UnixAddress::Unnamed), &process).unwrap();
    let SocketAddress::Unix(UnixAddress::Abstract(name)) = one.name() else {
        panic!("{:?}", one.name())
    };
    assert_eq!(name.len(), 5);
    let two = socket(&net, Kind::Datagram, &process);
    ready(two.connect(&one.name(), &process, None)).unwrap();
    ready(two.write(b"hello", None)).unwrap();
    let mut buf = [0; 8];
    let got = ready(one.receive(&mut buf, MessageFlags::empty(), None)).unwrap();
    assert_eq!(
        (got.length, got.source),
        (5, Some(SocketAddress::Unix(UnixAddress::Unnamed)))
    );
}
