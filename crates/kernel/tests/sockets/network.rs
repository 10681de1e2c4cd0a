//! TCP and UDP inside the VM, and the host's way in.

use super::common::{Alarm, ready, wait};
use super::ours::{Process, assert_unused, net};
use agentos_kernel::errno::Errno;
use agentos_kernel::fd::{File, PollEvents};
use agentos_kernel::net::{Domain, Kind, MessageFlags, Net, OptionName, OptionValue, Shutdown, Socket, SocketAddress};
use core::task::Poll;
use std::net::SocketAddr;
use std::sync::Arc;

fn at(text: &str) -> SocketAddress {
    SocketAddress::Inet(text.parse::<SocketAddr>().unwrap())
}

fn tcp(net: &Arc<Net>, domain: Domain) -> Arc<Socket> {
    net.socket(domain, Kind::Stream, 0, &Process::new()).unwrap()
}

fn udp(net: &Arc<Net>, domain: Domain) -> Arc<Socket> {
    net.socket(domain, Kind::Datagram, 0, &Process::new()).unwrap()
}

fn listen(net: &Arc<Net>, address: &str) -> Arc<Socket> {
    let address = at(address);
    let listener = tcp(net, address.domain());
    listener.bind(&address, &Process::new()).unwrap();
    listener.listen(8, &Process::new()).unwrap();
    listener
}

/// Connects as a blocking caller whom nothing keeps waiting.
fn connect(socket: &Socket, address: &str) -> Result<(), Errno> {
    let (_, waker) = Alarm::new();
    ready(socket.connect(&at(address), &Process::new(), Some(&waker))).map_err(|error| error.errno())
}

fn port(socket: &Socket) -> u16 {
    match socket.name() {
        SocketAddress::Inet(address) => address.port(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn wildcards_are_reached_by_every_loopback_address() {
    let net = net(|_| {});
    let listener = listen(&net, "0.0.0.0:8080");
    for to in ["127.0.0.1:8080", "127.9.9.9:8080", "0.0.0.0:8080"] {
        let client = tcp(&net, Domain::Inet);
        connect(&client, to).unwrap();
        let (server, peer) = ready(listener.accept(None)).unwrap();
        let shown = if to == "0.0.0.0:8080" { "127.0.0.1:8080" } else { to };
        assert_eq!((server.name(), server.peer_name().unwrap()), (at(shown), peer.clone()));
        assert_eq!(peer, at(&format!("127.0.0.1:{}", port(&client))));
        assert_eq!(client.peer_name().unwrap(), at(shown));
    }
    let client = tcp(&net, Domain::Inet6);
    assert_eq!(connect(&client, "[::1]:8080"), Err(Errno::ECONNREFUSED));
    drop((listener, client));
    assert_unused(&net);
}

#[test]
fn an_ipv6_wildcard_takes_ipv4_unless_told_not_to() {
    let net = net(|_| {});
    let both = listen(&net, "[::]:9000");
    let client = tcp(&net, Domain::Inet);
    connect(&client, "127.0.0.1:9000").unwrap();
    let (server, peer) = ready(both.accept(None)).unwrap();
    assert_eq!(peer, at(&format!("[::ffff:127.0.0.1]:{}", port(&client))));
    assert_eq!(server.name(), at("[::ffff:127.0.0.1]:9000"));
    let six = tcp(&net, Domain::Inet6);
    connect(&six, "[::ffff:127.0.0.1]:9000").unwrap();
    assert_eq!(six.peer_name().unwrap(), at("[::ffff:127.0.0.1]:9000"));
    let four = tcp(&net, Domain::Inet);
    assert_eq!(
        four.bind(&at("0.0.0.0:9000"), &Process::new()).unwrap_err(),
        Errno::EADDRINUSE
    );

    let only = tcp(&net, Domain::Inet6);
    only.set_option(OptionName::V6Only, OptionValue::Switch(true)).unwrap();
    only.bind(&at("[::]:9001"), &Process::new()).unwrap();
    only.listen(1, &Process::new()).unwrap();
    four.bind(&at("0.0.0.0:9001"), &Process::new()).unwrap();
    assert_eq!(
        connect(&tcp(&net, Domain::Inet), "127.0.0.1:9001"),
        Err(Errno::ECONNREFUSED)
    );
    connect(&tcp(&net, Domain::Inet6), "[::1]:9001").unwrap();
    drop((both, client, server, six, four, only));
    assert_unused(&net);
}

#[test]
fn only_the_vm_itself_is_reachable() {
    let net = net(|_| {});
    let socket = tcp(&net, Domain::Inet);
    assert_eq!(connect(&socket, "93.184.216.34:80"), Err(Errno::ENETUNREACH));
    assert_eq!(connect(&socket, "169.254.169.254:80"), Err(Errno::ENETUNREACH));
    assert_eq!(
        connect(&tcp(&net, Domain::Inet6), "[2001:db8::1]:80"),
        Err(Errno::ENETUNREACH)
    );
    assert_eq!(
        connect(&tcp(&net, Domain::Inet6), "[::ffff:10.0.0.1]:80"),
        Err(Errno::ENETUNREACH)
    );
    assert_eq!(
        socket.bind(&at("10.0.0.1:80"), &Process::new()).unwrap_err(),
        Errno::EADDRNOTAVAIL
    );
    assert_eq!(
        socket.bind(&at("127.0.0.1:80"), &Process::new()).unwrap_err(),
        Errno::EACCES
    );
    // Being the superuser does not help: the operator did not give privileged ports to guests.
    let refused = socket.bind(&at("127.0.0.1:80"), &Process::of(0)).unwrap_err();
    assert_eq!(
        refused.denial().as_deref(),
        Some("EACCES: permission denied, tcp://127.0.0.1:80: ports below 1024 need network.listen.allowPrivileged")
    );
    let process = Process::new();
    let sender = udp(&net, Domain::Inet);
    let to = at("8.8.8.8:53");
    let sent = sender.send(b"?", MessageFlags::empty(), Some((&to, &process)), None);
    assert_eq!(ready(sent).unwrap_err(), Errno::ENETUNREACH);
}

#[test]
fn ports_are_shared_only_by_agreement() {
    let net = net(|_| {});
    let process = Process::new();
    let listener = listen(&net, "127.0.0.1:7000");
    let other = tcp(&net, Domain::Inet);
    assert_eq!(
        other.bind(&at("127.0.0.1:7000"), &process).unwrap_err(),
        Errno::EADDRINUSE
    );
    assert_eq!(
        other.bind(&at("0.0.0.0:7000"), &process).unwrap_err(),
        Errno::EADDRINUSE
    );
    other.bind(&at("127.0.0.2:7000"), &process).unwrap();
    other.listen(1, &process).unwrap();

    // A connection keeps the port after its listener went.
    let client = tcp(&net, Domain::Inet);
    connect(&client, "127.0.0.1:7000").unwrap();
    let (server, _) = ready(listener.accept(None)).unwrap();
    drop(listener);
    let again = tcp(&net, Domain::Inet);
    assert_eq!(
        again.bind(&at("127.0.0.1:7000"), &process).unwrap_err(),
        Errno::EADDRINUSE
    );
    drop((server, client));
    again.bind(&at("127.0.0.1:7000"), &process).unwrap();

    let pair = [tcp(&net, Domain::Inet), tcp(&net, Domain::Inet)];
    for socket in &pair {
        socket
            .set_option(OptionName::ReuseAddress, OptionValue::Switch(true))
            .unwrap();
        socket.bind(&at("127.0.0.1:7001"), &process).unwrap();
    }
    pair[0].listen(1, &process).unwrap();
    assert_eq!(pair[1].listen(1, &process).unwrap_err(), Errno::EADDRINUSE);
}

#[test]
fn a_connect_in_the_background_ends_when_there_is_room() {
    let net = net(|_| {});
    let listener = tcp(&net, Domain::Inet);
    let process = Process::new();
    listener.listen(0, &process).unwrap();
    let to = at(&format!("127.0.0.1:{}", port(&listener)));
    let clients: Vec<_> = (0..3).map(|_| tcp(&net, Domain::Inet)).collect();
    let (alarm, waker) = Alarm::new();
    for client in &clients {
        let begun = ready(client.connect(&to, &process, None));
        assert_eq!(begun.unwrap_err(), Errno::EINPROGRESS);
    }
    assert_eq!(clients[0].poll(PollEvents::OUT, None), PollEvents::OUT);
    assert_eq!(ready(clients[0].connect(&to, &process, None)), Ok(()));
    assert_eq!(
        ready(clients[0].connect(&to, &process, None)).unwrap_err(),
        Errno::EISCONN
    );
    assert!(clients[1].poll(PollEvents::OUT, Some(&waker)).is_empty());
    assert_eq!(
        ready(clients[1].connect(&to, &process, None)).unwrap_err(),
        Errno::EALREADY
    );
    assert!(clients[1].connect(&to, &process, Some(&waker)).is_pending());
    let _first = ready(listener.accept(None)).unwrap();
    assert!(alarm.rings() > 0);
    assert_eq!(clients[1].poll(PollEvents::OUT, None), PollEvents::OUT);
    ready(clients[1].write(b"early", None)).unwrap();
    let (second, _) = ready(listener.accept(None)).unwrap();
    let mut buf = [0; 8];
    assert_eq!(ready(second.read(&mut buf, None)).unwrap(), 5);
    // The third came into the queue when the second left it, and nobody will accept it.
    drop(listener);
    assert!(
        clients[2]
            .poll(PollEvents::IN, None)
            .contains(PollEvents::ERR | PollEvents::IN)
    );
    assert_eq!(ready(clients[2].read(&mut buf, None)).unwrap_err(), Errno::ECONNRESET);
    drop((clients, _first, second));
    assert_unused(&net);
}

#[test]
fn a_closed_half_still_carries_the_answer() {
    let net = net(|_| {});
    let listener = listen(&net, "127.0.0.1:7100");
    let client = tcp(&net, Domain::Inet);
    connect(&client, "127.0.0.1:7100").unwrap();
    let (server, _) = ready(listener.accept(None)).unwrap();
    ready(client.write(b"question", None)).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(ready(client.write(b"more", None)).unwrap_err(), Errno::EPIPE);
    let mut buf = [0; 16];
    assert_eq!(ready(server.read(&mut buf, None)).unwrap(), 8);
    assert_eq!(ready(server.read(&mut buf, None)).unwrap(), 0);
    ready(server.write(b"answer", None)).unwrap();
    drop(server);
    assert_eq!(ready(client.read(&mut buf, None)).unwrap(), 6);
    assert_eq!(ready(client.read(&mut buf, None)).unwrap(), 0);

    let aborted = tcp(&net, Domain::Inet);
    connect(&aborted, "127.0.0.1:7100").unwrap();
    let (server, _) = ready(listener.accept(None)).unwrap();
    server
        .set_option(OptionName::Linger, OptionValue::Linger(Some(0)))
        .unwrap();
    drop(server);
    assert_eq!(ready(aborted.read(&mut buf, None)).unwrap_err(), Errno::ECONNRESET);
    assert_eq!(ready(aborted.write(b"x", None)).unwrap_err(), Errno::EPIPE);
}

#[test]
fn datagrams_find_the_best_match_and_filters_hold() {
    let net = net(|_| {});
    let process = Process::new();
    let any = udp(&net, Domain::Inet6);
    any.bind(&at("[::]:5353"), &process).unwrap();
    let sender = udp(&net, Domain::Inet);
    let send = |from: &Socket, data: &[u8], to: &str| {
        ready(from.send(data, MessageFlags::empty(), Some((&at(to), &process)), None)).map_err(|error| error.errno())
    };
    send(&sender, b"one", "127.0.0.1:5353").unwrap();
    let mut buf = [0; 2];
    let got = ready(any.receive(&mut buf, MessageFlags::TRUNC, None)).unwrap();
    assert_eq!((got.length, got.flags), (3, MessageFlags::TRUNC));
    assert_eq!(got.source, Some(at(&format!("[::ffff:127.0.0.1]:{}", port(&sender)))));

    let exact = udp(&net, Domain::Inet);
    exact.bind(&at("127.0.0.5:5353"), &process).unwrap_err();
    let reuse = |socket: &Socket| {
        socket
            .set_option(OptionName::ReuseAddress, OptionValue::Switch(true))
            .unwrap();
    };
    reuse(&any);
    reuse(&exact);
    exact.bind(&at("127.0.0.5:5353"), &process).unwrap();
    send(&sender, b"two", "127.0.0.5:5353").unwrap();
    assert!(any.receive(&mut buf, MessageFlags::empty(), None).is_pending());
    assert_eq!(
        ready(exact.receive(&mut buf, MessageFlags::empty(), None))
            .unwrap()
            .length,
        2
    );

    let stranger = udp(&net, Domain::Inet);
    ready(exact.connect(&at(&format!("127.0.0.1:{}", port(&sender))), &process, None)).unwrap();
    send(&stranger, b"three", "127.0.0.5:5353").unwrap();
    assert!(exact.receive(&mut buf, MessageFlags::empty(), None).is_pending());
    assert_eq!(send(&sender, &[0; 65_508], "127.0.0.5:5353"), Err(Errno::EMSGSIZE));
    send(&sender, &[0; 65_507], "127.0.0.5:5353").unwrap();
    assert_eq!(exact.available().unwrap(), 65_507);
}

#[test]
fn a_connected_datagram_socket_hears_that_nobody_is_there() {
    let net = net(|_| {});
    let process = Process::new();
    let socket = udp(&net, Domain::Inet);
    assert_eq!(ready(socket.write(b"x", None)).unwrap_err(), Errno::EDESTADDRREQ);
    ready(socket.connect(&at("127.0.0.1:9"), &process, None)).unwrap();
    let (alarm, waker) = Alarm::new();
    assert!(socket.read(&mut [0; 1], Some(&waker)).is_pending());
    ready(socket.write(b"x", None)).unwrap();
    assert_eq!(alarm.rings(), 1);
    assert_eq!(
        ready(socket.read(&mut [0; 1], Some(&waker))).unwrap_err(),
        Errno::ECONNREFUSED
    );
}

#[test]
fn the_host_reaches_listeners_only() {
    let net = net(|limits| limits.set("maxConnections", 2).unwrap());
    let (alarm, waker) = Alarm::new();
    let refused = |result: Poll<agentos_kernel::Result<Arc<Socket>>>| ready(result).unwrap_err().errno();
    assert_eq!(refused(net.connect_from_host(8080, None)), Errno::ECONNREFUSED);
    let listener = listen(&net, "127.0.0.1:8080");
    let host = ready(net.connect_from_host(8080, Some(&waker))).unwrap();
    assert_eq!(net.sockets().used(), 1, "the host's socket is not the guests'");
    let (server, peer) = ready(listener.accept(None)).unwrap();
    assert_eq!(peer, host.name());
    ready(host.write(b"GET /", None)).unwrap();
    let mut buf = [0; 8];
    assert_eq!(ready(server.read(&mut buf, None)).unwrap(), 5);

    let second = ready(net.connect_from_host(8080, Some(&waker))).unwrap();
    assert!(net.connect_from_host(8080, Some(&waker)).is_pending());
    drop((ready(listener.accept(None)).unwrap(), second));
    assert_eq!(alarm.rings(), 1);
    drop(ready(net.connect_from_host(8080, None)).unwrap());
    drop(listener);
    let six = listen(&net, "[::1]:8081");
    assert_eq!(
        ready(net.connect_from_host(8081, None)).unwrap().peer_name().unwrap(),
        at("[::1]:8081")
    );
    drop((six, host, server));
    assert_unused(&net);
}

/// A server that answers in a thread, and clients that connect, ask and leave, all by waiting.
#[test]
fn many_clients_are_served() {
    const CLIENTS: usize = 4;
    const ROUNDS: usize = 200;
    let net = net(|_| {});
    let listener = listen(&net, "127.0.0.1:8000");
    std::thread::scope(|scope| {
        let listener = &listener;
        scope.spawn(move || {
            for _ in 0..CLIENTS * ROUNDS {
                let (server, _) = wait(|waker| listener.accept(waker)).unwrap();
                let mut buf = [0; 64];
                let count = wait(|waker| server.read(&mut buf, waker)).unwrap();
                wait(|waker| server.write(&buf[..count], waker)).unwrap();
            }
        });
        for client in 0..CLIENTS {
            let net = &net;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let socket = tcp(net, Domain::Inet);
                    let process = Process::new();
                    wait(|waker| socket.connect(&at("127.0.0.1:8000"), &process, waker)).unwrap();
                    let question = format!("{client} {round}");
                    wait(|waker| socket.write(question.as_bytes(), waker)).unwrap();
                    let mut buf = [0; 64];
                    let count = wait(|waker| socket.read(&mut buf, waker)).unwrap();
                    assert_eq!(&buf[..count], question.as_bytes());
                    assert_eq!(wait(|waker| socket.read(&mut buf, waker)).unwrap(), 0);
                }
            });
        }
    });
    drop(listener);
    assert_unused(&net);
}
