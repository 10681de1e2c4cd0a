//! What guests open and leave is given back: descriptors of the host do not pile up, however a connection ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use agentos_kernel::net::{Egress, Outgoing};
use agentos_net::{Guard, GuardConfig};
use common::server::{Behaviour, Server};
use common::{PATIENCE, PID, wait};
use std::net::{TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Instant;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// One of everything that a guest can do, ended in one of several ways.
fn turn(guard: &Guard, tcp: &Outgoing, udp: &Outgoing, at: usize) {
    let stream = guard.connect(tcp).unwrap();
    match at % 4 {
        // Left before it is known whether it is connected.
        0 => {}
        1 => {
            wait(|waker| stream.poll_connected(waker)).unwrap();
            let _ = stream.read(&mut [0; 4], Some(std::task::Waker::noop()));
            stream.close(true);
        }
        2 => {
            wait(|waker| stream.poll_connected(waker)).unwrap();
            wait(|waker| stream.write(b"x", waker)).unwrap();
            stream.close(false);
        }
        _ => drop(wait(|waker| stream.poll_connected(waker)).unwrap()),
    }
    let flow = guard.datagrams(udp).unwrap();
    let _ = flow.receive(&mut [0; 4], Some(std::task::Waker::noop()));
    let lookup = guard.resolve(format!("n{at}.test").as_bytes(), None, PID).unwrap();
    if at.is_multiple_of(2) {
        let _ = wait(|waker| lookup.poll(waker));
    }
}

#[test]
fn descriptors_are_given_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start();
    server.set("n2.test", Behaviour::Addresses(vec!["93.184.216.34".parse().unwrap()]));
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let (to, datagrams_to) = (listener.local_addr().unwrap(), peer.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().flatten().for_each(drop));
    let make = || {
        let mut config: GuardConfig = common::config(server.address);
        config.loopback_exempt_ports = Arc::from([to.port(), datagrams_to.port()]);
        Guard::new(config)
    };
    let (tcp, udp) = (Outgoing::new(to, PID), Outgoing::new(datagrams_to, PID));
    // The runtime and the reactor are made once and stay.
    let first = make();
    turn(&first, &tcp, &udp, 1);
    drop(first);
    let before = descriptors();
    for round in 0..20 {
        let guard = make();
        for at in 0..100 {
            turn(&guard, &tcp, &udp, round * 100 + at);
        }
    }
    let begun = Instant::now();
    // Lookups that were given up close their sockets a moment later.
    while descriptors() > before {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} descriptors, {before} before",
            descriptors()
        );
        std::thread::yield_now();
    }
}
