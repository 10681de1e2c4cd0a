//! Connections and datagrams over real sockets of this host's loopback.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use agentos_kernel::fd::PollEvents;
use agentos_kernel::net::{Egress, Outgoing, Shutdown, Stream};
use agentos_kernel::policy::Policy;
use agentos_kernel::{Errno, Error};
use agentos_net::{BoxFuture, Connected, Dial, Dialer, Guard, GuardConfig, HostDialer, Interceptor, Purpose, Target};
use common::{PID, text, wait};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

fn guard_for(port: u16) -> GuardConfig {
    let mut config = GuardConfig::new(Arc::default());
    config.loopback_exempt_ports = [port].into();
    config
}

/// A listener, and a guard that admits it.
fn setup() -> (TcpListener, Guard, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, Guard::new(guard_for(address.port())), address)
}

fn open(guard: &Guard, to: SocketAddr) -> Arc<dyn Stream> {
    let stream = guard.connect(&Outgoing::new(to, PID)).unwrap();
    assert_eq!(wait(|waker| stream.poll_connected(waker)).unwrap(), to);
    stream
}

fn read(stream: &dyn Stream, most: usize) -> Result<Vec<u8>, Error> {
    let mut buf = vec![0; most];
    let length = wait(|waker| stream.read(&mut buf, waker))?;
    buf.truncate(length);
    Ok(buf)
}

fn write_all(stream: &dyn Stream, mut data: &[u8]) {
    while !data.is_empty() {
        let length = wait(|waker| stream.write(data, waker)).unwrap();
        data = &data[length..];
    }
}

fn pair() -> (Arc<dyn Stream>, TcpStream, Guard) {
    let (listener, guard, address) = setup();
    let stream = open(&guard, address);
    let peer = listener.accept().unwrap().0;
    (stream, peer, guard)
}

#[test]
fn bytes_go_both_ways_and_are_counted() {
    let (stream, mut peer, guard) = pair();
    write_all(&*stream, b"question");
    let mut buf = [0; 8];
    peer.read_exact(&mut buf).unwrap();
    assert_eq!(&buf, b"question");
    peer.write_all(b"answer").unwrap();
    assert_eq!(read(&*stream, 64).unwrap(), b"answer");
    let usage = guard.usage();
    assert_eq!((usage.connections, usage.bytes_out, usage.bytes_in), (1, 8, 6));
}

#[test]
fn each_half_ends_by_itself() {
    let (stream, mut peer, _guard) = pair();
    stream.shutdown(Shutdown::Write);
    assert_eq!(peer.read(&mut [0; 4]).unwrap(), 0);
    assert!(matches!(stream.write(b"x", None), Poll::Ready(Err(error)) if error == Errno::EPIPE));
    peer.write_all(b"late").unwrap();
    assert_eq!(read(&*stream, 64).unwrap(), b"late");
    drop(peer);
    assert_eq!(read(&*stream, 64).unwrap(), b"");
    assert!(
        stream
            .poll(PollEvents::IN | PollEvents::RDHUP, None)
            .contains(PollEvents::RDHUP)
    );
}

#[test]
fn closing_with_abort_resets_the_peer() {
    let (stream, mut peer, _guard) = pair();
    stream.close(true);
    assert_eq!(
        peer.read(&mut [0; 4]).unwrap_err().kind(),
        io::ErrorKind::ConnectionReset
    );
    assert!(matches!(stream.read(&mut [0; 4], None), Poll::Ready(Err(_))));
}

#[test]
fn closing_ends_the_stream_of_the_peer() {
    let (stream, mut peer, _guard) = pair();
    write_all(&*stream, b"last");
    stream.close(false);
    let mut all = Vec::new();
    peer.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"last");
}

#[test]
fn a_reset_of_the_peer_is_reported() {
    let (stream, peer, _guard) = pair();
    rustix::net::sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
    drop(peer);
    assert_eq!(read(&*stream, 4).unwrap_err().errno(), Errno::ECONNRESET);
}

#[test]
fn a_writer_waits_for_a_slow_reader_and_nothing_is_lost() {
    let (stream, mut peer, _guard) = pair();
    let data: Vec<u8> = (0..8 << 20).map(|at: u32| (at % 251) as u8).collect();
    let expected = data.clone();
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all
    });
    write_all(&*stream, &data);
    stream.close(false);
    assert!(reader.join().unwrap() == expected);
}

#[test]
fn several_tasks_wait_for_one_stream() {
    let (stream, mut peer, _guard) = pair();
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let stream = Arc::clone(&stream);
            std::thread::spawn(move || read(&*stream, 1).unwrap())
        })
        .collect();
    peer.write_all(b"abcd").unwrap();
    let mut got: Vec<u8> = waiting.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    got.sort_unstable();
    assert_eq!(got, b"abcd");
}

#[test]
fn polling_tells_what_can_be_done() {
    let (stream, mut peer, _guard) = pair();
    let both = PollEvents::IN | PollEvents::OUT;
    assert_eq!(stream.poll(both, None), PollEvents::OUT);
    peer.write_all(b"x").unwrap();
    wait(|waker| match stream.poll(PollEvents::IN, waker) {
        events if events.contains(PollEvents::IN) => Poll::Ready(()),
        _ => Poll::Pending,
    });
    assert_eq!(stream.available(), 1);
    assert_eq!(stream.poll(both, None), both);
}

#[test]
fn nobody_listening_is_refused_as_by_the_host() {
    let (listener, guard, address) = setup();
    drop(listener);
    assert_eq!(
        common::connect(&guard, address).unwrap_err().errno(),
        Errno::ECONNREFUSED
    );
}

#[test]
fn closing_wakes_whoever_waits() {
    let (stream, _peer, _guard) = pair();
    let waiting = {
        let stream = Arc::clone(&stream);
        std::thread::spawn(move || read(&*stream, 1))
    };
    stream.close(false);
    assert!(waiting.join().unwrap().is_err());
}

#[test]
fn other_ports_and_other_loopback_addresses_stay_closed() {
    let (_listener, guard, address) = setup();
    let other = SocketAddr::new(address.ip(), address.port() ^ 1);
    let refused = common::connect(&guard, other).unwrap_err();
    let port = other.port();
    assert_eq!(
        text(&refused),
        format!(
            "EACCES: blocked outbound network access to tcp://127.0.0.1:{port}: 127.0.0.1 is loopback (127.0.0.0/8) and port \
             {port} is not owned by this VM and is not listed in loopbackExemptPorts"
        )
    );
    let second = SocketAddr::new("127.0.0.2".parse().unwrap(), address.port());
    assert_eq!(common::connect(&guard, second).unwrap_err().errno(), Errno::EACCES);
    assert_eq!(guard.usage().denied, 2);
}

#[test]
fn an_exemption_grants_no_permission() {
    let (_listener, _, address) = setup();
    let allowed = |rules: serde_json::Value| {
        let mut config = guard_for(address.port());
        config.policy = Arc::new(Policy::from_json(&rules).unwrap());
        common::connect(&Guard::new(config), address).map_err(|error| text(&error))
    };
    let denied = format!(
        "EACCES: permission denied, tcp://127.0.0.1:{}: blocked by network.http policy",
        address.port()
    );
    let network = |network: serde_json::Value| serde_json::json!({ "network": network });
    assert_eq!(allowed(network("allow".into())), Ok(address));
    assert_eq!(allowed(network("deny".into())), Err(denied.clone()));
    assert_eq!(allowed(serde_json::json!("locked")), Err(denied.clone()));
    // The implied rule is for listeners of the VM only.
    let rule = |patterns: &str| serde_json::json!({ "rules": [{ "mode": "allow", "patterns": [patterns] }] });
    assert_eq!(allowed(network(rule("example.com"))), Err(denied));
    assert_eq!(allowed(network(rule("localhost"))), Ok(address));
    assert_eq!(allowed(network(rule("127.0.0.1"))), Ok(address));
}

#[test]
fn datagrams_come_from_the_one_peer_only() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    let guard = Guard::new(guard_for(address.port()));
    let flow = guard.datagrams(&Outgoing::new(address, PID)).unwrap();
    wait(|waker| flow.send(b"ping", waker)).unwrap();
    let mut buf = [0; 16];
    let (length, client) = server.recv_from(&mut buf).unwrap();
    assert_eq!(&buf[..length], b"ping");
    let stranger = UdpSocket::bind("127.0.0.1:0").unwrap();
    let _ = stranger.send_to(b"forged", client);
    server.send_to(b"a long answer", client).unwrap();
    let mut short = [0; 6];
    assert_eq!(wait(|waker| flow.receive(&mut short, waker)).unwrap(), 13);
    assert_eq!(&short, b"a long");
    wait(|waker| flow.send(b"", waker)).unwrap();
    assert_eq!(server.recv_from(&mut buf).unwrap().0, 0);
    let usage = guard.usage();
    assert_eq!((usage.flows, usage.bytes_out, usage.bytes_in), (1, 4, 13));
    let other = guard
        .datagrams(&Outgoing::new(SocketAddr::new(address.ip(), 9), PID))
        .err()
        .unwrap();
    assert!(text(&other).starts_with("EACCES: blocked outbound network access to udp://127.0.0.1:9: "));
}

#[test]
fn a_datagram_that_found_nobody_is_reported_to_a_waiting_reader() {
    let server = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    drop(server);
    let guard = Guard::new(guard_for(address.port()));
    let flow = guard.datagrams(&Outgoing::new(address, PID)).unwrap();
    wait(|waker| flow.send(b"ping", waker)).unwrap();
    let error = wait(|waker| flow.receive(&mut [0; 4], waker)).unwrap_err();
    assert_eq!(error.errno(), Errno::ECONNREFUSED);
}

/// Dials another address than it is asked for, as a broken or bribed host might.
struct Elsewhere(SocketAddr);

impl Dialer for Elsewhere {
    fn stream(&self, _: SocketAddr, purpose: Purpose) -> io::Result<TcpStream> {
        HostDialer.stream(self.0, purpose)
    }

    fn datagrams(&self, _: SocketAddr, purpose: Purpose) -> io::Result<UdpSocket> {
        HostDialer.datagrams(self.0, purpose)
    }
}

#[test]
fn a_socket_that_leads_elsewhere_is_closed() {
    let (listener, _, address) = setup();
    let mut config = GuardConfig::new(Arc::default());
    config.dialer = Arc::new(Elsewhere(address));
    let guard = Guard::new(config);
    let public = "93.184.216.34:80".parse().unwrap();
    assert_eq!(
        common::connect(&guard, public).unwrap_err().errno(),
        Errno::ECONNABORTED
    );
    let error = guard.datagrams(&Outgoing::new(public, PID)).err().unwrap();
    assert_eq!(error.errno(), Errno::ECONNABORTED);
    drop(listener);
}

/// A listener whose queue is full, so that connections hang.
fn deaf() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let fill = (0..4).filter_map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok());
    let fill = fill.collect();
    (listener, fill, address)
}

#[test]
fn a_connection_that_does_not_come_about_ends_with_its_deadline() {
    let (_listener, _fill, address) = deaf();
    let mut config = guard_for(address.port());
    config.limits.connect_timeout = Duration::from_millis(50);
    assert_eq!(
        common::connect(&Guard::new(config), address).unwrap_err().errno(),
        Errno::ETIMEDOUT
    );
}

#[test]
fn idle_and_old_connections_end() {
    for total in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = guard_for(address.port());
        let soon = Some(Duration::from_millis(50));
        match total {
            true => config.limits.total_timeout = soon,
            false => config.limits.idle_timeout = soon,
        }
        let interceptors = [
            None,
            Some(Detour {
                to: None,
                refuse: false,
            }),
        ];
        for interceptor in interceptors {
            let direct = interceptor.is_none();
            let mut config = config.clone();
            config.interceptor = interceptor.map(|detour| Arc::new(detour) as Arc<dyn Interceptor>);
            let guard = Guard::new(config);
            let stream = open(&guard, address);
            let mut peer = listener.accept().unwrap().0;
            assert_eq!(read(&*stream, 4).unwrap_err().errno(), Errno::ETIMEDOUT);
            let ended = peer.read(&mut [0; 4]);
            assert!(ended.is_err() || !direct, "the peer got no reset");
        }
    }
}

/// Wants everything; goes where it says.
struct Detour {
    to: Option<SocketAddr>,
    refuse: bool,
}

impl Interceptor for Detour {
    fn wants(&self, _: &Target) -> bool {
        true
    }

    fn connect<'a>(&'a self, target: &'a Target, dial: &'a Dial) -> BoxFuture<'a, Result<Connected, Error>> {
        Box::pin(async move {
            if self.refuse {
                return Err(Error::refused("EACCES: no"));
            }
            let stream = match self.to {
                Some(to) => dial.operator(to).await?,
                None => dial.target(target).await?,
            };
            Ok(Connected {
                host: Box::new(stream),
                target: target.clone(),
            })
        })
    }
}

fn intercepted(port: u16, detour: Detour) -> Guard {
    let mut config = guard_for(port);
    config.interceptor = Some(Arc::new(detour));
    Guard::new(config)
}

#[test]
fn an_interceptor_carries_a_connection() {
    let (listener, _, address) = setup();
    let guard = intercepted(
        address.port(),
        Detour {
            to: None,
            refuse: false,
        },
    );
    let stream = open(&guard, address);
    let mut peer = listener.accept().unwrap().0;
    let data: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 253) as u8).collect();
    let echo = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        peer.write_all(&all).unwrap();
    });
    write_all(&*stream, &data);
    stream.shutdown(Shutdown::Write);
    let mut back = Vec::new();
    loop {
        let part = read(&*stream, 10_000).unwrap();
        if part.is_empty() {
            break;
        }
        back.extend(part);
    }
    echo.join().unwrap();
    assert!(back == data);
}

#[test]
fn an_interceptor_goes_elsewhere_or_refuses() {
    let (listener, _, address) = setup();
    let guard = intercepted(
        1,
        Detour {
            to: Some(address),
            refuse: false,
        },
    );
    let public = "93.184.216.34:80".parse().unwrap();
    let stream = open(&guard, public);
    listener.accept().unwrap().0.write_all(b"from elsewhere").unwrap();
    assert_eq!(read(&*stream, 64).unwrap(), b"from elsewhere");
    let guard = intercepted(1, Detour { to: None, refuse: true });
    assert_eq!(text(&common::connect(&guard, public).unwrap_err()), "EACCES: no");
    // It is not asked about what guard and policy refuse.
    let private = "10.0.0.1:80".parse().unwrap();
    assert!(text(&common::connect(&guard, private).unwrap_err()).contains("private"));
}

#[test]
fn an_intercepted_guest_that_leaves_ends_the_peers_connection() {
    let (listener, _, address) = setup();
    let guard = intercepted(
        address.port(),
        Detour {
            to: None,
            refuse: false,
        },
    );
    let stream = open(&guard, address);
    let mut peer = listener.accept().unwrap().0;
    stream.close(true);
    let mut all = Vec::new();
    assert!(peer.read_to_end(&mut all).is_err() || all.is_empty());
    drop(stream);
}

#[test]
fn own_addresses_of_the_host_are_refused() {
    let guard = Guard::new(GuardConfig::new(Arc::default()));
    let probe = UdpSocket::bind("0.0.0.0:0").unwrap();
    if probe.connect("8.8.8.8:53").is_err() {
        return;
    }
    let own: IpAddr = probe.local_addr().unwrap().ip();
    if !own.is_loopback() {
        let refused = common::connect(&guard, SocketAddr::new(own, 80)).unwrap_err();
        assert_eq!(refused.errno(), Errno::EACCES);
        assert!(
            text(&refused).contains("within restricted host range"),
            "{}",
            text(&refused)
        );
    }
}

fn connect_host(guard: &Guard, host: &str, port: u16) -> Result<SocketAddr, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let stream = runtime.block_on(guard.connect_host(host, port))?;
    Ok(stream.peer_addr().unwrap())
}

/// A listener at the same port of ::1, if this host has IPv6 and the port is free.
fn sibling(port: u16) -> Option<TcpListener> {
    TcpListener::bind(("::1", port)).ok()
}

#[test]
fn a_host_is_reached_at_the_address_that_answers() {
    let (listener, guard, address) = setup();
    assert_eq!(connect_host(&guard, "LOCALHOST.", address.port()).unwrap(), address);
    let Some(other) = sibling(address.port()) else { return };
    drop(listener);
    let reached = connect_host(&guard, "localhost", address.port()).unwrap();
    assert_eq!(reached, other.local_addr().unwrap());
}

#[test]
fn a_host_whose_first_address_is_silent_is_reached_at_the_second() {
    let (_listener, _fill, address) = deaf();
    let Some(other) = sibling(address.port()) else { return };
    let guard = Guard::new(guard_for(address.port()));
    let reached = connect_host(&guard, "localhost", address.port()).unwrap();
    assert_eq!(reached, other.local_addr().unwrap());
}

#[test]
fn a_host_is_judged_like_any_destination() {
    let (_listener, guard, address) = setup();
    for host in ["10.0.0.1", "0x7f.2", "[::ffff:192.168.0.1]"] {
        assert_eq!(
            connect_host(&guard, host, 80).unwrap_err().errno(),
            Errno::EACCES,
            "{host}"
        );
    }
    assert_eq!(connect_host(&guard, "a..b", 80).unwrap_err().errno(), Errno::EINVAL);
    assert_eq!(
        connect_host(&guard, "localhost", address.port() ^ 1)
            .unwrap_err()
            .errno(),
        Errno::EACCES
    );
}
