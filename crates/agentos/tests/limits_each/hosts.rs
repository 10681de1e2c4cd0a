//! Hosts outside of the VM that do not do what one expects of them.

use agentos::Network;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A listener whose queue is full, so that connections hang.
pub(crate) struct Deaf {
    pub(crate) port: u16,
    _listener: TcpListener,
    _fill: Vec<TcpStream>,
}

impl Deaf {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let address = listener.local_addr().unwrap();
        let patience = Duration::from_millis(50);
        let fill = (0..4).filter_map(|_| TcpStream::connect_timeout(&address, patience).ok());
        Self {
            port: address.port(),
            _fill: fill.collect(),
            _listener: listener,
        }
    }
}

/// Accepts connections and says nothing.
pub(crate) struct Mute {
    pub(crate) port: u16,
    _held: Arc<Mutex<Vec<TcpStream>>>,
}

impl Mute {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let held = Arc::new(Mutex::new(Vec::new()));
        let keep = held.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                keep.lock().unwrap().push(stream);
            }
        });
        Self { port, _held: held }
    }
}

/// Answers one page.
pub(crate) fn page() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        }
    });
    port
}

/// A host with TLS that answers every request with as much as it is let, up to `most` bytes.
pub(crate) struct Giver {
    pub(crate) port: u16,
    sent: Arc<AtomicU64>,
}

impl Giver {
    pub(crate) fn start(config: Arc<ServerConfig>, most: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Arc::new(AtomicU64::new(0));
        let giver = Self {
            port,
            sent: sent.clone(),
        };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
                let _ = stream.read(&mut [0; 16 << 10]);
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {most}\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(head.as_bytes());
                let chunk = vec![b'x'; 16 << 10];
                while sent.load(Ordering::Acquire) < most {
                    if stream.write_all(&chunk).and_then(|()| stream.flush()).is_err() {
                        break;
                    }
                    sent.fetch_add(chunk.len() as u64, Ordering::AcqRel);
                }
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        giver
    }

    /// Bytes that it got rid of.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Acquire)
    }

    /// Waits until it has given something and gets rid of no more for a while.
    pub(crate) async fn stalls(&self) {
        let (mut sent, mut since) = (0, Instant::now());
        while sent == 0 || since.elapsed() < Duration::from_secs(1) {
            tokio::task::yield_now().await;
            if self.sent() != sent {
                (sent, since) = (self.sent(), Instant::now());
            }
        }
    }
}

/// A name server that answers every name with 93.184.216.34, or nothing at all. It answers only when nobody asks any more, so
/// that it sees how many names are being looked up at once; and not before that many were asked for at once as it waits for.
pub(crate) struct NameServer {
    address: SocketAddr,
    most_at_once: Arc<AtomicUsize>,
    _tcp: TcpListener,
}

impl NameServer {
    pub(crate) fn start(answers: bool) -> Self {
        Self::that_waits_for(1, answers)
    }

    pub(crate) fn that_waits_for(names: usize, answers: bool) -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let address = udp.local_addr().unwrap();
        let most_at_once = Arc::new(AtomicUsize::new(0));
        let most = most_at_once.clone();
        std::thread::spawn(move || serve_names(&udp, names, answers, &most));
        Self {
            address,
            most_at_once,
            _tcp: tcp,
        }
    }

    pub(crate) fn network(&self) -> Network {
        Network::new().dns_servers([self.address.to_string()])
    }

    /// Names that were being looked up at once, at most.
    pub(crate) fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::Acquire)
    }
}

fn serve_names(socket: &UdpSocket, wanted: usize, answers: bool, most: &AtomicUsize) {
    socket.set_read_timeout(Some(Duration::from_millis(60))).unwrap();
    let mut waiting: Vec<(Vec<u8>, SocketAddr)> = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => waiting.push((buffer[..length].to_vec(), from)),
            Err(_) => {
                waiting.retain(|(_, from)| is_open(from.port()));
                let names: BTreeSet<&[u8]> = waiting.iter().map(|(question, _)| name(question)).collect();
                most.fetch_max(names.len(), Ordering::AcqRel);
                if most.load(Ordering::Acquire) < wanted {
                    continue;
                }
                for (question, from) in waiting.drain(..).filter(|_| answers) {
                    let _ = socket.send_to(&answer(&question), from);
                }
            }
        }
    }
}

/// Whether somebody still has this port of UDP: a lookup that was given up has closed its socket.
fn is_open(port: u16) -> bool {
    let sockets = std::fs::read_to_string("/proc/net/udp").unwrap();
    let own = format!(":{port:04X}");
    sockets
        .lines()
        .any(|line| line.split_whitespace().nth(1).is_some_and(|at| at.ends_with(&own)))
}

/// The name in a question, as it stands there.
fn name(question: &[u8]) -> &[u8] {
    let name = &question[12..];
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    &name[..end]
}

/// An address for a question of type A, and none for others.
fn answer(question: &[u8]) -> Vec<u8> {
    let end = 12 + name(question).len() + 5;
    let kind = &question[end - 4..end - 2];
    let count = u8::from(kind == [0, 1]);
    let mut reply = vec![question[0], question[1], 0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0];
    reply.extend_from_slice(&question[12..end]);
    if count == 1 {
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 93, 184, 216, 34]);
    }
    reply
}
