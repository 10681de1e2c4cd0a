//! T9: no spelling, answer or redirect leads to an address that the guard forbids.
//!
//! Every line of the corpus is tried every way; the dialer fails the test on any forbidden address. The same lines tell what must
//! be said, and what must stay reachable.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use agentos_kernel::Errno;
use agentos_kernel::net::{Egress, Outgoing};
use agentos_net::{Guard, Host, parse_host};
use common::dialer::Recorder;
use common::server::{Behaviour, Server, question};
use common::{PID, config, resolve, text, wait};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

const CORPUS: &str = include_str!("corpus/destinations.txt");
/// A port that is exempt on this host's loopback in the tests that have one.
const EXEMPT: u16 = 4321;

struct Case {
    spelling: String,
    wanted: &'static str,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for line in CORPUS.lines() {
        let Some((spelling, wanted)) = line.split_once('\t').filter(|_| !line.starts_with('#')) else {
            continue;
        };
        let spelling = unescape(spelling);
        cases.push(Case { spelling, wanted });
    }
    cases
}

fn unescape(text: &str) -> String {
    let mut parts = text.split("\\u{");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once('}').unwrap();
        plain.push(char::from_u32(u32::from_str_radix(number, 16).unwrap()).unwrap());
        plain.push_str(rest);
    }
    plain
}

struct Attempts {
    guard: Guard,
    dialer: Arc<Recorder>,
    made: usize,
    wrong: Vec<String>,
}

impl Attempts {
    fn new(server: &Server, exempt: &[u16]) -> Self {
        let mut recorder = Recorder::new(server.address);
        recorder.exempt = exempt.to_vec();
        let dialer = Arc::new(recorder);
        let mut config = config(server.address);
        config.dialer = dialer.clone();
        config.loopback_exempt_ports = exempt.into();
        Self {
            guard: Guard::new(config),
            dialer,
            made: 0,
            wrong: Vec::new(),
        }
    }

    /// Goes to an address over both transports and compares what happens with what must.
    fn visit(&mut self, how: &str, address: IpAddr, port: u16, wanted: &str) {
        for udp in [false, true] {
            self.made += 1;
            let request = Outgoing::new(SocketAddr::new(address, port), PID);
            let error = match udp {
                false => self.guard.connect(&request).err(),
                true => self.guard.datagrams(&request).err(),
            };
            let Some(error) = error else {
                self.wrong.push(format!("{how}: {address}: the recorder was not asked"));
                continue;
            };
            let dialled = self.dialer.take();
            let said = match error.denial() {
                Some(denial) => denial,
                None => format!("{error}"),
            };
            let reached = dialled == [SocketAddr::new(address.to_canonical(), port)] && error == Errno::ECONNREFUSED;
            let right = match wanted {
                "public" | "exempt" => reached,
                "loopback" => {
                    dialled.is_empty() && (said.contains(" is loopback (") || said.contains("restricted loopback"))
                }
                label => {
                    dialled.is_empty() && error == Errno::EACCES && said.contains(&format!("restricted {label} range"))
                }
            };
            if !right {
                self.wrong.push(format!(
                    "{how}: {address}: wanted {wanted}, got {said}, dialled {dialled:?}"
                ));
            }
        }
    }

    fn finish(self, least: usize) {
        assert!(
            self.wrong.is_empty(),
            "{} wrong:\n{}",
            self.wrong.len(),
            self.wrong.join("\n")
        );
        assert!(self.made >= least, "{} attempts", self.made);
    }
}

#[test]
fn t9_literals_in_every_spelling() {
    let server = Server::start();
    let mut attempts = Attempts::new(&server, &[]);
    for case in cases() {
        let host = parse_host(case.spelling.as_bytes());
        let resolved = resolve(&attempts.guard, &case.spelling);
        match (host, case.wanted) {
            (Err(_), "invalid") => assert!(
                resolved.is_err_and(|error| error == Errno::EINVAL),
                "{:?}",
                case.spelling
            ),
            (Ok(Host::Address(address)), wanted) => attempts.visit(&case.spelling, address, 80, wanted),
            (Ok(Host::Name(_)), "loopback") => {
                for address in resolved.unwrap() {
                    attempts.visit(&case.spelling, address, 80, "loopback");
                }
            }
            (host, wanted) => attempts
                .wrong
                .push(format!("{:?}: {host:?}, wanted {wanted}", case.spelling)),
        }
    }
    assert!(
        server.log().is_empty(),
        "literals were sent to a server: {:?}",
        server.log()
    );
    attempts.finish(800);
}

#[test]
fn t9_answers_of_a_name_server() {
    let server = Server::start();
    let mut attempts = Attempts::new(&server, &[]);
    for (at, case) in cases().into_iter().enumerate() {
        let Ok(Host::Address(address)) = parse_host(case.spelling.as_bytes()) else {
            continue;
        };
        let name = format!("n{at}.test");
        // Half of the names are aliases, half of them have a public address, too.
        let public: IpAddr = "93.184.216.34".parse().unwrap();
        let mixed = at % 2 == 0;
        let addresses = if mixed { vec![address, public] } else { vec![address] };
        server.set(&name, Behaviour::Addresses(addresses));
        let resolved = resolve(&attempts.guard, &name);
        attempts.made += 1;
        match case.wanted {
            // Loopback addresses stay in answers; connecting is what is refused.
            "loopback" if agentos_net::is_loopback(address) => {
                assert!(resolved.unwrap().contains(&address));
                attempts.visit(&name, address, 80, "loopback");
            }
            "public" => assert!(resolved.unwrap().contains(&address), "{address}"),
            wanted if mixed => assert_eq!(resolved.unwrap(), [public], "{address} {wanted}"),
            wanted => {
                let error = resolved.unwrap_err();
                let said = text(&error);
                let right =
                    said.contains(&format!("dns://{name}: ")) && said.contains(&format!("restricted {wanted} range"));
                assert!(error == Errno::EACCES && right, "{said}");
            }
        }
        query(&mut attempts, &name, address, &case);
    }
    attempts.finish(400);
}

/// The same as a DNS message.
fn query(attempts: &mut Attempts, name: &str, address: IpAddr, case: &Case) {
    let kind = if address.is_ipv4() {
        RecordType::A
    } else {
        RecordType::AAAA
    };
    let asked = attempts.guard.query(&question(name, kind), PID).unwrap();
    let answer = Message::from_vec(&wait(|waker| asked.poll(waker)).unwrap()).unwrap();
    attempts.made += 1;
    assert_eq!(answer.metadata.id, 0x4242);
    let told = answer.all_sections().any(|record| match &record.data {
        RData::A(told) => IpAddr::V4(told.0) == address,
        RData::AAAA(told) => IpAddr::V6(told.0) == address,
        _ => false,
    });
    let may = case.wanted == "public" || agentos_net::is_loopback(address);
    assert_eq!(told, may, "{name} {address}");
    let refused = answer.metadata.response_code == ResponseCode::Refused;
    assert!(!(may && refused), "{name} {address}");
}

/// A redirect is a new connection: having reached one address gives nothing for the next.
#[test]
fn t9_redirects_after_an_admitted_connection() {
    let server = Server::start();
    let mut attempts = Attempts::new(&server, &[]);
    let public: IpAddr = "93.184.216.34".parse().unwrap();
    server.set("site.test", Behaviour::Addresses(vec![public]));
    for case in cases() {
        let Ok(Host::Address(address)) = parse_host(case.spelling.as_bytes()) else {
            continue;
        };
        assert_eq!(resolve(&attempts.guard, "site.test").unwrap(), [public]);
        attempts.visit("first", public, 443, "public");
        attempts.visit(&case.spelling, address, 443, case.wanted);
        attempts.visit(&case.spelling, address, 80, case.wanted);
    }
    attempts.finish(1600);
}

/// A name that was public when it was resolved and is not any more: the connection goes to the address that was judged, and a
/// new lookup is judged anew.
#[test]
fn t9_rebinding() {
    let server = Server::start();
    let mut attempts = Attempts::new(&server, &[]);
    let public: IpAddr = "93.184.216.34".parse().unwrap();
    for (at, case) in cases().into_iter().enumerate() {
        let Ok(Host::Address(address)) = parse_host(case.spelling.as_bytes()) else {
            continue;
        };
        let name = format!("r{at}.test");
        server.set(&name, Behaviour::Addresses(vec![public]));
        let first = resolve(&attempts.guard, &name).unwrap();
        server.set(&name, Behaviour::Addresses(vec![address]));
        for address in first {
            attempts.visit(&name, address, 80, "public");
        }
        // Whatever a second lookup says (from memory or anew), going there is judged again.
        for address in resolve(&attempts.guard, &name).unwrap_or_default() {
            let wanted = if address == public { "public" } else { case.wanted };
            attempts.visit(&name, address, 80, wanted);
        }
    }
    attempts.finish(400);
}

#[test]
fn t9_an_exempt_port_opens_two_addresses_and_nothing_else() {
    let server = Server::start();
    let mut attempts = Attempts::new(&server, &[EXEMPT]);
    for case in cases() {
        let Ok(Host::Address(address)) = parse_host(case.spelling.as_bytes()) else {
            continue;
        };
        let main = ["127.0.0.1", "::1"].map(|text| text.parse::<IpAddr>().unwrap());
        let wanted = if main.contains(&address) { "exempt" } else { case.wanted };
        attempts.visit(&case.spelling, address, EXEMPT, wanted);
        attempts.visit(&case.spelling, address, EXEMPT + 1, case.wanted);
    }
    attempts.finish(1600);
}

#[test]
fn t9_ports_and_zones_that_are_none() {
    let server = Server::start();
    let attempts = Attempts::new(&server, &[EXEMPT]);
    let zoned = std::net::SocketAddrV6::new("2606:4700::1".parse().unwrap(), 80, 0, 3);
    for to in [
        SocketAddr::from(([8, 8, 8, 8], 0)),
        SocketAddr::from(([127, 0, 0, 1], 0)),
        zoned.into(),
    ] {
        let request = Outgoing::new(to, PID);
        assert!(
            attempts
                .guard
                .connect(&request)
                .is_err_and(|error| error == Errno::EINVAL)
        );
        assert!(
            attempts
                .guard
                .datagrams(&request)
                .is_err_and(|error| error == Errno::EINVAL)
        );
    }
    assert!(attempts.dialer.take().is_empty());
}

#[test]
fn the_corpus_is_large_and_its_lines_are_different() {
    let cases = cases();
    let different: std::collections::HashSet<&str> = cases.iter().map(|case| &*case.spelling).collect();
    assert_eq!(different.len(), cases.len());
    assert!(cases.len() >= 400, "{}", cases.len());
}

/// Whatever opens a socket or asks the host's resolver stands in one file; the list of the host's addresses is its only
/// neighbour, which talks to the host's kernel and nobody else. The name of the operator's own proxy, which no guest chooses,
/// is looked up as the host looks names up.
#[test]
fn t9_only_the_dialer_opens_sockets() {
    const OPENERS: &[&str] = &[
        "TcpStream::connect",
        "UdpSocket::bind",
        "TcpSocket",
        "socket_with(",
        "lookup_host",
        "ToSocketAddrs",
        "to_socket_addrs",
        "getaddrinfo",
        "UnixStream::connect",
        "rustix::net::connect",
        "TokioRuntimeProvider",
        "read_system_conf",
    ];
    const ALLOWED: &[&str] = &["dialer.rs", "interfaces.rs"];
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut wrong = Vec::new();
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                folders.push(path);
            } else if name.ends_with(".rs") && name != "tests.rs" && !ALLOWED.contains(&&*name) {
                files += 1;
                let text = std::fs::read_to_string(&path).unwrap();
                let product = text.split("#[cfg(test)]").next().unwrap_or_default();
                let proxy = path.ends_with("proxy/connect.rs");
                let found = OPENERS
                    .iter()
                    .filter(|opener| product.contains(**opener) && !(proxy && **opener == "lookup_host"));
                wrong.extend(found.map(|opener| format!("{}: {opener}", path.display())));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(files > 20, "{files}");
}
