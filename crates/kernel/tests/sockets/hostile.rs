//! Guests that take all they can get. They get what the limits give, and everything comes back.

use super::bridge::Bridge;
use super::common::{Alarm, wait};
use super::ours::{Process, Setup, assert_unused};
use agentos_kernel::errno::Errno;
use agentos_kernel::fd::{File, PollEvents};
use agentos_kernel::net::{Domain, Kind, MessageFlags, Net, Shutdown, Socket, SocketAddress};
use core::task::{Poll, Waker};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Arc;

fn net() -> Arc<Net> {
    let setup = Setup {
        egress: Some(Bridge::new()),
        limits: |limits| {
            limits.set("maxSockets", 40).unwrap();
            limits.set("maxConnections", 20).unwrap();
        },
        ..Setup::default()
    };
    setup.net()
}

fn outside(last: u8, port: u16) -> SocketAddress {
    SocketAddress::Inet((Ipv4Addr::new(203, 0, 113, last), port).into())
}

#[test]
fn thousands_of_connects_cost_no_more_than_the_limit() {
    let net = net();
    let process = Process::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut kept: Vec<Arc<Socket>> = Vec::new();
    let (_, waker) = Alarm::new();
    let mut refused = 0;
    for round in 0..5000 {
        match net.socket(Domain::Inet, Kind::Stream, 0, &process) {
            Ok(socket) => {
                // Not blocking, and now and then polled, written to, shut down or asked twice, whatever it says.
                match socket.connect(&outside(7, port), &process, None) {
                    Poll::Ready(Err(error)) if error == Errno::EAGAIN => refused += 1,
                    Poll::Ready(Err(error)) => assert_eq!(error, Errno::EINPROGRESS),
                    other => panic!("{other:?}"),
                }
                let _ = socket.poll(
                    PollEvents::IN | PollEvents::OUT,
                    Some(&waker).filter(|_| round % 2 == 0),
                );
                if round % 3 == 0 {
                    let _ = socket.write(b"early", None);
                }
                if round % 5 == 0 {
                    let _ = socket.shutdown(Shutdown::Both);
                }
                let _ = socket.connect(&outside(7, port), &process, None);
                kept.push(socket);
            }
            Err(error) => {
                assert_eq!(error, Errno::EAGAIN);
                refused += 1;
            }
        }
        assert!(net.connections().used() <= 20 && net.sockets().used() <= 40);
        if round % 50 == 49 {
            kept.clear();
        }
    }
    assert!(refused > 0, "it never reached the limit");
    kept.clear();
    assert_unused(&net);
}

#[test]
fn a_flood_of_datagrams_opens_no_more_flows_than_connections() {
    let net = net();
    let process = Process::new();
    let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    let sockets: Vec<_> = (0..10)
        .map(|_| net.socket(Domain::Inet, Kind::Datagram, 0, &process).unwrap())
        .collect();
    let mut sent = 0;
    for round in 0..5000usize {
        let socket = &sockets[round % sockets.len()];
        let to = outside((round % 250) as u8, port);
        match socket.send(&[0; 100], MessageFlags::empty(), Some((&to, &process)), None) {
            Poll::Ready(Ok(_)) => sent += 1,
            Poll::Ready(Err(error)) => assert_eq!(error, Errno::EAGAIN),
            Poll::Pending => {}
        }
        assert!(net.connections().used() <= 20);
    }
    assert!(sent >= 20);
    drop(sockets);
    assert_unused(&net);
}

/// Threads connect, wait, poll and close the same sockets at once; nobody waits for ever.
#[test]
fn sockets_may_be_closed_while_others_wait_for_them() {
    let net = net();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::scope(|scope| {
        let accepting = scope.spawn(move || {
            for stream in listener.incoming() {
                use std::io::Read;
                let mut stream = stream.unwrap();
                let mut first = [0];
                if stream.read(&mut first).unwrap_or(0) == 1 && first[0] == b'!' {
                    return;
                }
            }
        });
        for _ in 0..60 {
            let process = Process::new();
            let socket = net.socket(Domain::Inet, Kind::Stream, 0, &process).unwrap();
            let one = Arc::clone(&socket);
            let waiting = scope.spawn(move || {
                let process = Process::new();
                let _ = wait(|waker| one.connect(&outside(7, port), &process, waker));
                let _ = wait(|waker| one.read(&mut [0; 8], waker));
            });
            let _ = socket.poll(PollEvents::OUT, Some(Waker::noop()));
            let _ = socket.shutdown(Shutdown::Both);
            socket.close();
            // What waits is over, because the stream was closed under it.
            waiting.join().unwrap();
        }
        let last = net.socket(Domain::Inet, Kind::Stream, 0, &Process::new()).unwrap();
        wait(|waker| last.connect(&outside(7, port), &Process::new(), waker)).unwrap();
        wait(|waker| last.write(b"!", waker)).unwrap();
        accepting.join().unwrap();
    });
    assert_unused(&net);
}
