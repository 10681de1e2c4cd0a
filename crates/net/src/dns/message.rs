//! A guest's DNS message, answered as a resolver answers.
//!
//! The guest's question is read and asked anew, and the answer is written anew: none of the guest's bytes reach a server and
//! none of a server's reach the guest that were not understood.

use super::lookup::{absolute, is_of};
use super::records;
use super::resolver::Answer;
use crate::denial::Denial;
use crate::guard::Shared;
use crate::parse::{Host, parse_host};
use agentos_kernel::id::Pid;
use agentos_kernel::net::Domain;
use agentos_kernel::{Errno, Result};
use core::net::IpAddr;
use core::time::Duration;
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::NoRecords;
use hickory_resolver::proto::op::{Edns, Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType};
use std::time::Instant;

/// A question that can be asked.
pub(crate) struct Question {
    request: Message,
    /// As it stands in the message.
    name: Name,
    kind: RecordType,
    /// The normalised name.
    pub(crate) host: Box<str>,
}

/// A message that was read.
pub(crate) enum Request {
    /// A question.
    Question(Box<Question>),
    /// Something else that deserves an answer.
    Answered(Vec<u8>),
}

/// How long answers are good for that no server gave, in seconds.
const LASTING: u32 = 60;
/// What a guest may be sent in one datagram, in bytes, if it says so.
const LARGEST_PAYLOAD: u16 = 4096;

/// Reads a message.
///
/// # Errors
/// `EINVAL` for what is no DNS question.
pub(crate) fn read(message: &[u8]) -> Result<Request> {
    let request = Message::from_vec(message).map_err(|_| Errno::EINVAL)?;
    if request.metadata.message_type != MessageType::Query {
        return Err(Errno::EINVAL.into());
    }
    let answered = |code| Ok(Request::Answered(bytes(&reply(&request, code), &request)));
    if request.metadata.op_code != OpCode::Query {
        return answered(ResponseCode::NotImp);
    }
    let [query] = &*request.queries else {
        return answered(ResponseCode::FormErr);
    };
    let kind = query.query_type();
    if query.query_class() != DNSClass::IN || !is_asked(kind) {
        return answered(ResponseCode::NotImp);
    }
    let name = query.name().clone();
    match parse_host(name.to_ascii().as_bytes()) {
        Ok(Host::Name(host)) => Ok(Request::Question(Box::new(Question {
            request,
            name,
            kind,
            host,
        }))),
        Ok(Host::Address(_)) => answered(ResponseCode::NXDomain),
        Err(_) => answered(ResponseCode::Refused),
    }
}

/// Whether records of the type are asked for one name at a time.
fn is_asked(kind: RecordType) -> bool {
    !matches!(
        kind,
        RecordType::AXFR | RecordType::IXFR | RecordType::OPT | RecordType::TSIG | RecordType::ZERO
    )
}

impl Question {
    /// The answer that refuses.
    pub(crate) fn refused(&self) -> Vec<u8> {
        self.failed(ResponseCode::Refused)
    }

    fn failed(&self, code: ResponseCode) -> Vec<u8> {
        bytes(&reply(&self.request, code), &self.request)
    }

    /// The family whose addresses are asked for, if addresses are.
    fn family(&self) -> Option<Domain> {
        match self.kind {
            RecordType::A => Some(Domain::Inet),
            RecordType::AAAA => Some(Domain::Inet6),
            _ => None,
        }
    }

    /// The answer that needs no server, if there is one.
    pub(crate) fn answer_at_hand(&self, shared: &Shared) -> Option<Vec<u8>> {
        let known = shared.known_addresses(&self.host)?;
        let Some(family) = self.family() else {
            return Some(self.failed(ResponseCode::NoError));
        };
        let lasting = Duration::from_secs(LASTING.into());
        match shared.judge(&self.host, known, Some(family), lasting) {
            Ok(addresses) => Some(self.with_addresses(&addresses)),
            Err(error) if error == Errno::ENODATA => Some(self.failed(ResponseCode::NoError)),
            Err(_) => Some(self.refused()),
        }
    }

    fn with_addresses(&self, addresses: &[IpAddr]) -> Vec<u8> {
        let mut reply = reply(&self.request, ResponseCode::NoError);
        for address in addresses {
            let data = match address {
                IpAddr::V4(address) => RData::A(A(*address)),
                IpAddr::V6(address) => RData::AAAA(AAAA(*address)),
            };
            reply.add_answer(Record::from_rdata(self.name.clone(), LASTING, data));
        }
        bytes(&reply, &self.request)
    }

    /// Asks the servers on behalf of `pid`.
    pub(crate) async fn answer(&self, shared: &Shared, pid: Pid) -> Vec<u8> {
        match self.ask(shared).await {
            Ok(Answer::Found(found)) => self.relay(&found, shared),
            Ok(Answer::Nothing(nothing)) => self.nothing(&nothing),
            Err(error) => {
                let _ = shared.ledger.settled(error, pid);
                self.failed(ResponseCode::ServFail)
            }
        }
    }

    async fn ask(&self, shared: &Shared) -> Result<Answer> {
        let resolver = shared.resolver()?;
        let _turn = resolver.turn().await?;
        resolver.ask(absolute(&self.host)?, self.kind).await
    }

    fn nothing(&self, nothing: &NoRecords) -> Vec<u8> {
        let mut reply = reply(&self.request, nothing.response_code);
        if let Some(soa) = &nothing.soa {
            reply.add_authority(soa.as_ref().clone().into_record_of_rdata());
        }
        bytes(&reply, &self.request)
    }

    /// What the servers said, without what a guest may not know.
    fn relay(&self, found: &Lookup, shared: &Shared) -> Vec<u8> {
        let mut reply = reply(&self.request, ResponseCode::NoError);
        let judge = |address| shared.classify(address);
        let mut answers = found.answers().to_vec();
        let mut beside = [found.authorities().to_vec(), found.additionals().to_vec()];
        if self.family().is_some() {
            records::drop_strangers(&self.name, &mut answers);
        }
        let blocked = records::drop_blocked(&mut answers, judge);
        for section in &mut beside {
            records::drop_blocked(section, judge);
            section.retain(|record| record.record_type() != RecordType::OPT);
        }
        let addresses: Vec<IpAddr> = answers.iter().filter_map(records::address).collect();
        if let (Some(verdict), true, Some(_)) = (blocked, addresses.is_empty(), self.family()) {
            // Counts and reports; the guest of a DNS message sees the code only.
            let _ = shared.ledger.refused(&Denial::lookup(&self.host, verdict));
            return self.refused();
        }
        let lifetime = found.valid_until().saturating_duration_since(Instant::now());
        let own: Vec<IpAddr> = addresses
            .into_iter()
            .filter(|address| is_of(*address, self.family()))
            .collect();
        shared.remember(&self.host, &own, lifetime);
        let [authorities, additionals] = beside;
        reply.add_answers(answers);
        reply.add_authorities(authorities);
        reply.add_additionals(additionals);
        bytes(&reply, &self.request)
    }
}

/// The beginning of an answer.
fn reply(request: &Message, code: ResponseCode) -> Message {
    let mut reply = Message::response(request.metadata.id, request.metadata.op_code);
    reply.metadata.recursion_desired = request.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.metadata.response_code = code;
    reply.add_queries(request.queries.iter().cloned());
    if let Some(asked) = &request.edns {
        let mut edns = Edns::new();
        edns.set_max_payload(asked.max_payload().min(LARGEST_PAYLOAD));
        reply.set_edns(edns);
    }
    reply
}

/// The message as bytes; a failure of the server where it has become too long.
fn bytes(message: &Message, request: &Message) -> Vec<u8> {
    message
        .to_vec()
        .or_else(|_| reply(request, ResponseCode::ServFail).to_vec())
        .unwrap_or_default()
}
