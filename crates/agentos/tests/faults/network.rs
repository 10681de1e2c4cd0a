//! Servers and name servers that fail at each byte and each message.

#[path = "../support/https.rs"]
mod https;

use crate::{PATIENCE, soon, steps};
use agentos::{AgentOs, Builder, Limits, Network, Secret};
use https::Authority;
use rustls::{ServerConfig, ServerConnection};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// What a server does in place of going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Ends the connection in good order.
    Ends,
    /// Resets it.
    Resets,
    /// Says nothing for a while, and resets it.
    Stalls,
}

const FAULTS: [Fault; 3] = [Fault::Ends, Fault::Resets, Fault::Stalls];
const STALL: Duration = Duration::from_millis(30);

impl Fault {
    fn befall(self, stream: &TcpStream) {
        if self == Self::Stalls {
            std::thread::sleep(STALL);
        }
        if self != Self::Ends {
            let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
        }
    }
}

/// A host of which the connections fail after so many bytes in both directions together, and of which one cannot see how they
/// were meant to go on.
struct Failing {
    port: u16,
    bytes: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

impl Drop for Failing {
    /// Thousands are started, one after the other: each closes its listener.
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Failing {
    /// Without a fault it only counts.
    fn start(tls: Option<Arc<ServerConfig>>, fault: Option<(usize, Fault)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let bytes = Arc::new(AtomicUsize::new(0));
        let counter = bytes.clone();
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ends.load(Ordering::Acquire) {
                    return;
                }
                let mut cut = Cut {
                    stream,
                    moved: 0,
                    fault,
                };
                let _ = match &tls {
                    None => talk(&mut cut),
                    Some(config) => {
                        let mut connection = ServerConnection::new(config.clone()).unwrap();
                        talk(&mut rustls::Stream::new(&mut connection, &mut cut))
                    }
                };
                counter.fetch_max(cut.moved, Ordering::AcqRel);
            }
        });
        Self { port, bytes, over }
    }
}

/// Answers one request.
fn talk(stream: &mut (impl Read + Write)) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte)? == 0 {
            return Ok(());
        }
        request.push(byte[0]);
    }
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\nConnection: close\r\n\r\n01234567890123456789")?;
    stream.flush()
}

/// A connection that fails when enough was moved.
struct Cut {
    stream: TcpStream,
    moved: usize,
    fault: Option<(usize, Fault)>,
}

impl Cut {
    /// How much of `wanted` may be moved.
    fn room(&mut self, wanted: usize) -> std::io::Result<usize> {
        let Some((at, fault)) = self.fault else {
            return Ok(wanted);
        };
        if self.moved >= at {
            fault.befall(&self.stream);
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        Ok(wanted.min(at - self.moved))
    }
}

impl Read for Cut {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let room = self.room(buf.len())?;
        let count = self.stream.read(&mut buf[..room])?;
        self.moved += count;
        Ok(count)
    }
}

impl Write for Cut {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        let room = self.room(data.len())?;
        let count = self.stream.write(&data[..room])?;
        self.moved += count;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

fn builder(port: u16) -> Builder {
    let mut limits = Limits::default();
    limits.set("handshakeTimeoutMs", 300).unwrap();
    limits.set("dnsTimeoutMs", 300).unwrap();
    AgentOs::builder()
        .limits(limits)
        .network(Network::new().dns_override("api.example.com", ["127.0.0.1"]))
        .loopback_exempt_ports([port])
}

/// Runs a client against a host that fails at each step. It ends, and a fault before the last byte is an error to it.
async fn each_step(tls: Option<&Authority>, secret: bool, few: usize, client: &str) {
    let config = tls.map(|authority| authority.server(&["api.example.com"]));
    let vm = |port: u16| {
        let mut builder = builder(port);
        if let Some(authority) = tls {
            builder = builder.trust_root(authority.pem());
        }
        if secret {
            builder = builder.secret(Secret::new("KEY", "sk-live-0123456789abcdef").hosts(["api.example.com"]));
        }
        builder.create()
    };
    let run = async |host: &Failing| {
        let vm = vm(host.port).await.unwrap();
        let script = client.replace("PORT", &host.port.to_string());
        let output = vm.exec(script).timeout(PATIENCE).await.unwrap();
        assert!(!output.timed_out, "{client}: {output:?}");
        while vm.usage().processes > 0 {
            tokio::task::yield_now().await;
        }
        let connections = vm
            .usage()
            .limits
            .into_iter()
            .find(|used| used.limit == "maxConnections");
        assert_eq!(connections.unwrap().observed, 0, "{client}");
        output
    };
    let whole = Failing::start(config.clone(), None);
    let output = run(&whole).await;
    assert!(output.stdout_text().contains("01234567890123456789"), "{output:?}");
    while whole.bytes.load(Ordering::Acquire) == 0 {
        tokio::task::yield_now().await;
    }
    let bytes = whole.bytes.load(Ordering::Acquire);
    for fault in FAULTS {
        for step in steps(bytes, few) {
            soon(
                &format!("{client}: {fault:?} after {step} of {bytes} bytes"),
                async || drop(run(&Failing::start(config.clone(), None)).await),
                async || {
                    let host = Failing::start(config.clone(), Some((step, fault)));
                    let output = run(&host).await;
                    let complete = output.stdout_text().contains("01234567890123456789");
                    assert!(
                        !complete || tls.is_some(),
                        "{fault:?} after {step} of {bytes}: {output:?}"
                    );
                },
            )
            .await;
        }
    }
}

#[tokio::test]
async fn t3_curl_gets_an_answer_whatever_a_server_does() {
    each_step(None, false, 30, "curl -sS http://api.example.com:PORT/").await;
}

#[tokio::test]
async fn t3_nc_gets_an_answer_whatever_a_server_does() {
    let client = r"printf 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' | nc 127.0.0.1 PORT";
    each_step(None, false, 15, client).await;
}

#[tokio::test]
async fn t3_a_request_with_a_secret_gets_an_answer_whatever_a_server_does() {
    each_step(
        None,
        true,
        15,
        "curl -sS http://api.example.com:PORT/ -H \"Authorization: $KEY\"",
    )
    .await;
    each_step(
        Some(&Authority::new()),
        true,
        25,
        "curl -sS https://api.example.com:PORT/ -H \"Authorization: $KEY\"",
    )
    .await;
}

#[tokio::test]
async fn t3_tls_end_to_end_gets_an_answer_whatever_a_server_does() {
    each_step(
        Some(&Authority::new()),
        false,
        25,
        "curl -sS https://api.example.com:PORT/",
    )
    .await;
}

/// A name server that answers with a cut message, nonsense, an error, or nothing, from its question number `at` on.
fn name_server(at: usize, what: usize) -> SocketAddr {
    let (udp, _tcp) = loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            break (udp, tcp);
        }
    };
    let address = udp.local_addr().unwrap();
    std::thread::spawn(move || {
        let _tcp = _tcp;
        let mut buffer = [0; 4096];
        for number in 0.. {
            let Ok((length, from)) = udp.recv_from(&mut buffer) else {
                return;
            };
            let mut reply = answer(&buffer[..length]);
            if number >= at {
                match what {
                    0 => reply.truncate(reply.len() / 2),
                    1 => reply = vec![0xff; 600],
                    2 => reply[3] = 0x82,
                    3 => continue,
                    _ => reply[2] |= 0x02,
                }
            }
            let _ = udp.send_to(&reply, from);
        }
    });
    address
}

/// An address for a question of type A, and none for others.
fn answer(question: &[u8]) -> Vec<u8> {
    let name = question[12..].iter().position(|byte| *byte == 0).unwrap() + 1;
    let end = 12 + name + 4;
    let count = u8::from(question[end - 4..end - 2] == [0, 1]);
    let mut reply = vec![question[0], question[1], 0x81, 0x80, 0, 1, 0, count, 0, 0, 0, 0];
    reply.extend_from_slice(&question[12..end]);
    if count == 1 {
        reply.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    reply
}

#[tokio::test]
async fn t3_a_lookup_gets_an_answer_whatever_a_name_server_does() {
    let look_up = async |at: usize, what: usize| {
        let network = Network::new().dns_servers([name_server(at, what).to_string()]);
        let vm = builder(1).network(network).create().await.unwrap();
        let script =
            "getent ahosts one.test; nslookup -type=A -retry=1 two.test; curl -sS http://three.test:1/; echo end";
        let output = vm.exec(script).timeout(PATIENCE).await.unwrap();
        assert!(
            !output.timed_out && output.stdout_text().ends_with("end\n"),
            "{output:?}"
        );
    };
    for at in [0, 1, 2] {
        for what in 0..5 {
            let name = format!("question {at}, fault {what}");
            soon(
                &name,
                async || look_up(usize::MAX, 0).await,
                async || look_up(at, what).await,
            )
            .await;
        }
    }
}

/// The host's own requests to a server in the VM, which fails after each byte of its answer.
#[tokio::test]
async fn t3_a_fetch_gets_an_answer_whatever_a_guest_does() {
    let answer = "HTTP/1.1 200 OK\\r\\nContent-Length: 20\\r\\n\\r\\n01234567890123456789";
    let bytes = answer.replace("\\r\\n", "..").len();
    let fetch = async |step: usize, after: &str| {
        let vm = AgentOs::create().await.unwrap();
        let script = format!("(printf '{answer}' | head -c {step}{after}) | nc -v -q 0 -l 8081");
        let mut server = vm.spawn("sh", ["-c", &script]).start().await.unwrap();
        server.first_output().await.unwrap();
        let request = agentos::http::Request::builder().uri("/").body(()).unwrap();
        match vm.fetch(8081, request).await {
            Ok(response) => response.into_body().bytes().await,
            Err(error) => Err(error),
        }
    };
    assert_eq!(fetch(bytes, "").await.unwrap(), "01234567890123456789");
    for step in steps(bytes, 20) {
        for after in ["", "; sleep 0.03"] {
            let usual = async || drop(fetch(bytes, "").await.unwrap());
            soon(&format!("{step} of {bytes} bytes"), usual, async || {
                assert_eq!(fetch(step, after).await.unwrap_err().code(), "bad_response");
            })
            .await;
        }
    }
}
