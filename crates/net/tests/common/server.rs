//! A name server of the test's own, which answers as it is told and lies when it is told to.

use hickory_resolver::proto::op::{Message, Query, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// How a name is answered.
#[derive(Clone)]
pub enum Behaviour {
    /// With these addresses.
    Addresses(Vec<IpAddr>),
    /// With the first, then the second, ... and the last for ever.
    Rebinds(Vec<IpAddr>),
    /// As another name.
    Alias(&'static str),
    /// As another name, whose addresses are in the same answer.
    AliasWith(&'static str, Vec<IpAddr>),
    /// With addresses of a name that nobody asked for.
    Stranger(Vec<IpAddr>),
    /// With these addresses, and others in the additional section.
    Beside(Vec<IpAddr>, Vec<IpAddr>),
    /// With the id of another question, then not at all.
    WrongId(Vec<IpAddr>),
    /// With another question, then not at all.
    WrongQuestion(Vec<IpAddr>),
    /// Cut short over UDP; whole over TCP.
    Truncated(Vec<IpAddr>),
    /// Cut short over UDP and over TCP.
    AlwaysTruncated,
    /// With very many records.
    Huge(usize),
    /// With bytes that are no message.
    Garbage(Vec<u8>),
    /// Mail servers, and addresses for them beside.
    Mail(Vec<IpAddr>),
    /// A text.
    Text(String),
    /// With an error.
    Fails(ResponseCode),
    /// Not at all.
    Silent,
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    zone: Arc<Zone>,
}

#[derive(Default)]
struct Zone {
    names: Mutex<HashMap<String, Behaviour>>,
    asked: AtomicUsize,
    log: Mutex<Vec<String>>,
}

impl Server {
    /// Starts one at a free port of 127.0.0.1, for UDP and TCP.
    pub fn start() -> Self {
        let (udp, tcp) = sockets();
        let address = udp.local_addr().unwrap();
        let zone = Arc::new(Zone::default());
        let server = Self {
            address,
            zone: Arc::clone(&zone),
        };
        let of_udp = Arc::clone(&zone);
        std::thread::spawn(move || serve_udp(&udp, &of_udp));
        std::thread::spawn(move || serve_tcp(&tcp, &zone));
        server
    }

    /// Says how a name is answered from now on.
    pub fn set(&self, name: &str, behaviour: Behaviour) {
        self.zone.names.lock().unwrap().insert(name.to_owned(), behaviour);
    }

    /// Names that were asked for, in order.
    pub fn log(&self) -> Vec<String> {
        self.zone.log.lock().unwrap().clone()
    }
}

fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
}

fn serve_udp(socket: &UdpSocket, zone: &Zone) {
    let mut buffer = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut buffer) {
        if let Some(answer) = zone.answer(&buffer[..length], false) {
            let _ = socket.send_to(&answer, from);
        }
    }
}

fn serve_tcp(listener: &TcpListener, zone: &Arc<Zone>) {
    for mut stream in listener.incoming().flatten() {
        let zone = Arc::clone(zone);
        std::thread::spawn(move || {
            let mut length = [0; 2];
            while stream.read_exact(&mut length).is_ok() {
                let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
                if stream.read_exact(&mut message).is_err() {
                    return;
                }
                if let Some(answer) = zone.answer(&message, true) {
                    let Ok(length) = u16::try_from(answer.len()) else {
                        return;
                    };
                    let _ = stream.write_all(&length.to_be_bytes());
                    let _ = stream.write_all(&answer);
                }
            }
        });
    }
}

impl Zone {
    fn answer(&self, message: &[u8], tcp: bool) -> Option<Vec<u8>> {
        let request = Message::from_vec(message).ok()?;
        let query = request.queries.first()?.clone();
        let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
        self.log.lock().unwrap().push(format!("{name} {}", query.query_type()));
        let behaviour = self.names.lock().unwrap().get(&name).cloned();
        let mut reply = Message::response(request.metadata.id, request.metadata.op_code);
        reply.metadata.recursion_available = true;
        reply.add_query(query.clone());
        let Some(behaviour) = behaviour else {
            reply.metadata.response_code = ResponseCode::NXDomain;
            return reply.to_vec().ok();
        };
        self.behave(behaviour, &query, reply, tcp)
    }

    fn behave(&self, behaviour: Behaviour, query: &Query, mut reply: Message, tcp: bool) -> Option<Vec<u8>> {
        let name = query.name().clone();
        match behaviour {
            Behaviour::Addresses(addresses) => add(&mut reply, &name, query, &addresses),
            Behaviour::Rebinds(addresses) => {
                let turn = self.asked.fetch_add(1, Ordering::Relaxed).min(addresses.len() - 1);
                add(&mut reply, &name, query, &addresses[turn..=turn]);
            }
            Behaviour::Alias(target) => alias(&mut reply, &name, target),
            Behaviour::AliasWith(target, addresses) => {
                alias(&mut reply, &name, target);
                add(&mut reply, &Name::from_ascii(target).unwrap(), query, &addresses);
            }
            Behaviour::Stranger(addresses) => {
                add(&mut reply, &Name::from_ascii("other.test.").unwrap(), query, &addresses);
            }
            Behaviour::Beside(addresses, others) => {
                add(&mut reply, &name, query, &addresses);
                reply.add_additionals(others.iter().map(|address| record(&name, *address)));
            }
            Behaviour::WrongId(addresses) => {
                reply.metadata.id = reply.metadata.id.wrapping_add(1);
                add(&mut reply, &name, query, &addresses);
            }
            Behaviour::WrongQuestion(addresses) => {
                let other = Name::from_ascii("other.test.").unwrap();
                reply.queries = vec![Query::query(other.clone(), query.query_type())];
                add(&mut reply, &other, query, &addresses);
            }
            Behaviour::Truncated(addresses) if tcp => add(&mut reply, &name, query, &addresses),
            Behaviour::Truncated(_) | Behaviour::AlwaysTruncated => reply.metadata.truncation = true,
            Behaviour::Huge(records) => {
                let many = (0..records).map(|at| IpAddr::from([10, 0, (at >> 8) as u8, at as u8]));
                reply.add_answers(many.map(|address| record(&name, address)));
                reply.metadata.truncation = !tcp;
            }
            Behaviour::Garbage(bytes) => return Some(bytes),
            Behaviour::Mail(addresses) => {
                let exchange = Name::from_ascii("mail.test.").unwrap();
                reply.add_answer(Record::from_rdata(name, 60, RData::MX(MX::new(10, exchange.clone()))));
                reply.add_additionals(addresses.iter().map(|address| record(&exchange, *address)));
            }
            Behaviour::Text(text) => {
                reply.add_answer(Record::from_rdata(name, 60, RData::TXT(TXT::new(vec![text]))));
            }
            Behaviour::Fails(code) => reply.metadata.response_code = code,
            Behaviour::Silent => return None,
        }
        reply.to_vec().ok()
    }
}

fn alias(reply: &mut Message, name: &Name, target: &str) {
    let target = Name::from_ascii(target).unwrap();
    reply.add_answer(Record::from_rdata(name.clone(), 60, RData::CNAME(CNAME(target))));
}

/// The addresses of the type that is asked for.
fn add(reply: &mut Message, name: &Name, query: &Query, addresses: &[IpAddr]) {
    let records = addresses.iter().map(|address| record(name, *address));
    reply.add_answers(records.filter(|record| record.record_type() == query.query_type()));
}

fn record(name: &Name, address: IpAddr) -> Record {
    let data = match address {
        IpAddr::V4(address) => RData::A(A(address)),
        IpAddr::V6(address) => RData::AAAA(AAAA(address)),
    };
    Record::from_rdata(name.clone(), 60, data)
}

/// A question as a guest's resolver writes it.
pub fn question(name: &str, kind: RecordType) -> Vec<u8> {
    let mut message = Message::query();
    message.metadata.id = 0x4242;
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message.to_vec().unwrap()
}
