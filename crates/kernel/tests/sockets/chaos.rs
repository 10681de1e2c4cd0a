//! Many threads do anything to the same sockets at once. Nothing hangs or panics, and nothing stays counted.

use super::common::Alarm;
use super::ours::{Process, assert_unused, net};
use agentos_kernel::fd::{File, PollEvents};
use agentos_kernel::net::{Domain, Kind, MessageFlags, Net, Shutdown, Socket, SocketAddress, UnixAddress};
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

const THREADS: u64 = 4;
const STEPS: usize = 20_000;
const SLOTS: usize = 24;

/// A small generator, so that a thread's steps depend on its seed alone.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

struct Chaos<'a> {
    net: &'a Arc<Net>,
    process: &'a Process,
    sockets: &'a Mutex<Vec<Option<Arc<Socket>>>>,
    dice: Dice,
}

impl Chaos<'_> {
    fn address(&mut self) -> SocketAddress {
        let port = 5000 + self.dice.roll(3) as u16;
        match self.dice.roll(5) {
            0 => SocketAddress::Unix(UnixAddress::Path(vec![b'a' + self.dice.roll(3) as u8])),
            1 => SocketAddress::Unix(UnixAddress::Abstract(vec![self.dice.roll(3) as u8])),
            2 => SocketAddress::Inet((Ipv4Addr::LOCALHOST, port).into()),
            3 => SocketAddress::Inet((Ipv4Addr::UNSPECIFIED, port).into()),
            _ => SocketAddress::Inet((Ipv6Addr::LOCALHOST, port).into()),
        }
    }

    fn keep(&mut self, socket: Arc<Socket>) {
        let slot = self.dice.roll(SLOTS);
        let old = self.sockets.lock()[slot].replace(socket);
        drop(old);
    }

    fn make(&mut self) {
        let domain = [Domain::Unix, Domain::Unix, Domain::Inet, Domain::Inet6][self.dice.roll(4)];
        let kind = [Kind::Stream, Kind::Stream, Kind::Datagram, Kind::SeqPacket][self.dice.roll(4)];
        if self.dice.roll(3) == 0 {
            if let Ok((one, two)) = self.net.pair(domain, kind, self.process) {
                self.keep(one);
                self.keep(two);
            }
        } else if let Ok(socket) = self.net.socket(domain, kind, 0, self.process) {
            self.keep(socket);
        }
    }

    fn step(&mut self, waker: &Waker) {
        let slot = self.dice.roll(SLOTS);
        let socket = self.sockets.lock()[slot].clone();
        let Some(socket) = socket else { return self.make() };
        let waker = Some(waker).filter(|_| self.dice.roll(2) == 0);
        let mut buf = [0; 3000];
        let size = self.dice.roll(3000);
        match self.dice.roll(16) {
            0 => drop(self.sockets.lock()[slot].take()),
            1 | 2 => drop(socket.bind(&self.address(), self.process)),
            3 | 4 => drop(socket.listen(self.dice.roll(3) as u32, self.process)),
            5 | 6 => drop(socket.connect(&self.address(), self.process, waker)),
            7 | 8 => {
                if let Poll::Ready(Ok((accepted, _))) = socket.accept(waker) {
                    self.keep(accepted);
                }
            }
            9 | 10 => drop(socket.write(&buf[..size], waker)),
            11 => {
                let to = self.address();
                drop(socket.send(&buf[..size], MessageFlags::empty(), Some((&to, self.process)), waker));
            }
            12 | 13 => drop(socket.read(&mut buf[..size], waker)),
            14 => drop(socket.shutdown([Shutdown::Read, Shutdown::Write, Shutdown::Both][self.dice.roll(3)])),
            _ => {
                let _ = socket.poll(PollEvents::IN | PollEvents::OUT, waker);
                let _ = (socket.name(), socket.peer_name(), socket.available());
                if let Poll::Ready(Ok(socket)) = self.net.connect_from_host(5000, waker) {
                    self.keep(socket);
                }
            }
        }
    }
}

#[test]
fn nothing_hangs_and_nothing_stays() {
    let net = net(|limits| {
        limits.set("maxSocketBufferedBytes", 30_000).unwrap();
        limits.set("maxConnections", 6).unwrap();
    });
    let process = Process::new();
    let sockets = Mutex::new(vec![None; SLOTS]);
    std::thread::scope(|scope| {
        for seed in 0..THREADS {
            let (net, process, sockets) = (&net, &process, &sockets);
            scope.spawn(move || {
                let (_, waker) = Alarm::new();
                let mut chaos = Chaos {
                    net,
                    process,
                    sockets,
                    dice: Dice(seed),
                };
                for _ in 0..STEPS {
                    chaos.step(&waker);
                }
            });
        }
    });
    drop(sockets);
    assert_unused(&net);
}
