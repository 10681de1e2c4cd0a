//! Name resolution against a server that rebinds, mixes, delays and lies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use agentos_kernel::net::Egress;
use agentos_kernel::policy::Policy;
use agentos_kernel::{Errno, Result};
use agentos_net::{DnsConfig, Guard};
use common::dialer::Recorder;
use common::server::{Behaviour, Server, question};
use common::{PID, config, resolve, text, wait};
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::{RData, RecordType};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| ip(text)).collect()
}

/// A guard that waits long for its server, as a busy machine may need; and the server.
fn setup() -> (Guard, Server) {
    let server = Server::start();
    (guard(&server, common::PATIENCE), server)
}

/// A guard for what is never answered.
fn hasty(server: &Server) -> Guard {
    guard(server, Duration::from_millis(1500))
}

fn guard(server: &Server, dns_timeout: Duration) -> Guard {
    let mut config = config(server.address);
    config.dialer = Arc::new(Recorder::new(server.address));
    config.limits.dns_timeout = dns_timeout;
    Guard::new(config)
}

fn ask(guard: &Guard, name: &str, kind: RecordType) -> Message {
    let asked = guard.query(&question(name, kind), PID).unwrap();
    Message::from_vec(&wait(|waker| asked.poll(waker)).unwrap()).unwrap()
}

fn told(message: &Message) -> Vec<IpAddr> {
    let address = |data: &RData| match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    };
    message
        .all_sections()
        .filter_map(|record| address(&record.data))
        .collect()
}

fn errno(result: Result<Vec<IpAddr>>) -> Errno {
    result.unwrap_err().errno()
}

#[test]
fn addresses_come_ipv4_first_and_once() {
    let (guard, server) = setup();
    let given = ips(&["2606:4700::1", "93.184.216.34", "93.184.216.35", "93.184.216.34"]);
    server.set("both.test", Behaviour::Addresses(given));
    let wanted = ips(&["93.184.216.34", "93.184.216.35", "2606:4700::1"]);
    assert_eq!(resolve(&guard, "Both.Test.").unwrap(), wanted);
    assert_eq!(guard.usage().lookups, 1);
}

#[test]
fn a_mixed_answer_loses_its_blocked_addresses() {
    let (guard, server) = setup();
    let given = ips(&[
        "10.0.0.1",
        "93.184.216.34",
        "169.254.169.254",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "127.0.0.1",
    ]);
    server.set("mixed.test", Behaviour::Addresses(given));
    assert_eq!(
        resolve(&guard, "mixed.test").unwrap(),
        ips(&["93.184.216.34", "127.0.0.1"])
    );
    assert_eq!(
        told(&ask(&guard, "mixed.test.", RecordType::A)),
        ips(&["93.184.216.34", "127.0.0.1"])
    );
}

#[test]
fn an_answer_with_nothing_left_is_refused_with_the_reason() {
    let (guard, server) = setup();
    server.set("bad.test", Behaviour::Addresses(ips(&["10.0.0.1", "169.254.169.254"])));
    let error = resolve(&guard, "bad.test").unwrap_err();
    let wanted = "EACCES: blocked outbound network access to dns://bad.test: 10.0.0.1 is within restricted private range 10.0.0.0/8";
    assert_eq!(text(&error), wanted);
    assert_eq!(
        ask(&guard, "bad.test.", RecordType::A).metadata.response_code,
        ResponseCode::Refused
    );
    assert_eq!(guard.usage().denied, 2);
}

#[test]
fn aliases_are_followed_and_judged_at_their_end() {
    let (guard, server) = setup();
    server.set("one.test", Behaviour::Alias("two.test."));
    server.set("two.test", Behaviour::AliasWith("three.test.", ips(&["93.184.216.34"])));
    server.set("three.test", Behaviour::Addresses(ips(&["93.184.216.34"])));
    assert_eq!(resolve(&guard, "one.test").unwrap(), ips(&["93.184.216.34"]));
    server.set("in.test", Behaviour::AliasWith("inside.test.", ips(&["192.168.0.1"])));
    assert_eq!(errno(resolve(&guard, "in.test")), Errno::EACCES);
}

#[test]
fn aliases_in_a_circle_end() {
    let (guard, server) = setup();
    server.set("a.test", Behaviour::Alias("b.test."));
    server.set("b.test", Behaviour::Alias("a.test."));
    server.set("self.test", Behaviour::Alias("self.test."));
    for name in ["a.test", "self.test"] {
        assert!(resolve(&guard, name).is_err(), "{name}");
    }
    assert!(server.log().len() < 100, "{}", server.log().len());
}

#[test]
fn addresses_of_other_names_do_not_count() {
    let (guard, server) = setup();
    server.set("asked.test", Behaviour::Stranger(ips(&["93.184.216.34"])));
    assert!(resolve(&guard, "asked.test").is_err());
    let answer = ask(&guard, "asked.test.", RecordType::A);
    assert!(told(&answer).is_empty(), "{answer}");
}

#[test]
fn blocked_addresses_beside_an_answer_are_taken_out() {
    let (guard, server) = setup();
    let beside = ips(&["10.0.0.7", "93.184.216.40"]);
    server.set(
        "beside.test",
        Behaviour::Beside(ips(&["93.184.216.34"]), beside.clone()),
    );
    assert_eq!(
        told(&ask(&guard, "beside.test.", RecordType::A)),
        ips(&["93.184.216.34", "93.184.216.40"])
    );
    server.set("mail.test", Behaviour::Mail(beside));
    let answer = ask(&guard, "mail.test.", RecordType::MX);
    assert!(
        answer
            .answers
            .iter()
            .any(|record| record.record_type() == RecordType::MX),
        "{answer}"
    );
    assert_eq!(told(&answer), ips(&["93.184.216.40"]));
}

#[test]
fn texts_pass() {
    let (guard, server) = setup();
    server.set("text.test", Behaviour::Text("hello".to_owned()));
    let answer = ask(&guard, "text.test.", RecordType::TXT);
    assert!(
        answer
            .answers
            .iter()
            .any(|record| record.data.to_string().contains("hello")),
        "{answer}"
    );
}

#[test]
fn answers_to_other_questions_are_not_taken() {
    let (_, server) = setup();
    let guard = hasty(&server);
    server.set("id.test", Behaviour::WrongId(ips(&["93.184.216.34"])));
    server.set("question.test", Behaviour::WrongQuestion(ips(&["93.184.216.34"])));
    for name in ["id.test", "question.test"] {
        assert_eq!(errno(resolve(&guard, name)), Errno::EAGAIN, "{name}");
    }
}

#[test]
fn a_cut_answer_is_asked_for_over_tcp() {
    let (guard, server) = setup();
    server.set("long.test", Behaviour::Truncated(ips(&["93.184.216.34"])));
    assert_eq!(resolve(&guard, "long.test").unwrap(), ips(&["93.184.216.34"]));
    server.set("cut.test", Behaviour::AlwaysTruncated);
    assert!(resolve(&hasty(&server), "cut.test").is_err());
}

#[test]
fn huge_answers_and_nonsense_are_survived() {
    let (guard, server) = setup();
    let hasty = hasty(&server);
    server.set("huge.test", Behaviour::Huge(3000));
    assert!(resolve(&hasty, "huge.test").is_err());
    for bytes in [
        vec![],
        vec![0; 5],
        vec![0xff; 600],
        vec![0; 12],
        b"\x42\x42\x81\x80\xff\xff\xff\xff\xff\xff\xff\xff".to_vec(),
    ] {
        server.set("garbage.test", Behaviour::Garbage(bytes));
        assert!(resolve(&hasty, "garbage.test").is_err());
    }
    server.set("fine.test", Behaviour::Addresses(ips(&["93.184.216.34"])));
    assert_eq!(resolve(&guard, "fine.test").unwrap().len(), 1);
}

#[test]
fn why_there_is_no_address_is_told_apart() {
    let (guard, server) = setup();
    server.set("empty.test", Behaviour::Addresses(vec![]));
    server.set("fails.test", Behaviour::Fails(ResponseCode::ServFail));
    server.set("silent.test", Behaviour::Silent);
    assert_eq!(errno(resolve(&guard, "unknown.test")), Errno::ENOENT);
    assert_eq!(errno(resolve(&guard, "empty.test")), Errno::ENODATA);
    assert_eq!(errno(resolve(&guard, "fails.test")), Errno::EAGAIN);
    assert_eq!(errno(resolve(&hasty(&server), "silent.test")), Errno::EAGAIN);
    assert_eq!(errno(resolve(&guard, "a..b")), Errno::EINVAL);
    assert_eq!(
        ask(&guard, "unknown.test.", RecordType::A).metadata.response_code,
        ResponseCode::NXDomain
    );
    assert_eq!(
        ask(&guard, "fails.test.", RecordType::A).metadata.response_code,
        ResponseCode::ServFail
    );
}

#[test]
fn local_names_and_overrides_are_never_sent() {
    let server = Server::start();
    let mut config = config(server.address);
    let overrides = [("own.test", "93.184.216.34"), ("inner.test", "10.0.0.1")];
    let overrides = overrides.map(|(name, address)| (name.into(), vec![ip(address)]));
    config.dns = Arc::new(DnsConfig::new(vec![server.address], overrides));
    let guard = Guard::new(config);
    assert_eq!(resolve(&guard, "localhost").unwrap(), ips(&["127.0.0.1", "::1"]));
    assert_eq!(resolve(&guard, "A.LOCALHOST.").unwrap(), ips(&["127.0.0.1", "::1"]));
    assert_eq!(resolve(&guard, "OWN.test").unwrap(), ips(&["93.184.216.34"]));
    assert_eq!(errno(resolve(&guard, "inner.test")), Errno::EACCES);
    assert_eq!(told(&ask(&guard, "localhost.", RecordType::AAAA)), ips(&["::1"]));
    assert_eq!(told(&ask(&guard, "own.test.", RecordType::A)), ips(&["93.184.216.34"]));
    assert!(told(&ask(&guard, "own.test.", RecordType::AAAA)).is_empty());
    assert_eq!(
        ask(&guard, "inner.test.", RecordType::A).metadata.response_code,
        ResponseCode::Refused
    );
    assert!(ask(&guard, "own.test.", RecordType::TXT).answers.is_empty());
    assert!(server.log().is_empty(), "{:?}", server.log());
}

#[test]
fn the_policy_decides_about_names() {
    let server = Server::start();
    server.set("yes.test", Behaviour::Addresses(ips(&["93.184.216.34"])));
    server.set("no.test", Behaviour::Addresses(ips(&["93.184.216.35"])));
    let mut config = config(server.address);
    let rules = serde_json::json!({ "network": { "rules": [{ "mode": "allow", "patterns": ["yes.test"] }] } });
    config.policy = Arc::new(Policy::from_json(&rules).unwrap());
    config.dialer = Arc::new(Recorder::new(server.address));
    let guard = Guard::new(config);
    assert_eq!(resolve(&guard, "yes.test").unwrap(), ips(&["93.184.216.34"]));
    let error = resolve(&guard, "no.test").unwrap_err();
    assert_eq!(
        text(&error),
        "EACCES: permission denied, dns://no.test: blocked by network.dns policy"
    );
    assert_eq!(
        ask(&guard, "no.test.", RecordType::A).metadata.response_code,
        ResponseCode::Refused
    );
    assert!(
        !server.log().iter().any(|name| name.starts_with("no.test")),
        "{:?}",
        server.log()
    );
    // The name stands for the address from now on; an address that no name led to is still refused.
    let refused = common::connect(&guard, "93.184.216.34:443".parse().unwrap()).unwrap_err();
    assert_eq!(refused.errno(), Errno::ECONNREFUSED);
    let denied = common::connect(&guard, "93.184.216.35:443".parse().unwrap()).unwrap_err();
    assert_eq!(
        text(&denied),
        "EACCES: permission denied, tcp://93.184.216.35:443: blocked by network.http policy"
    );
}

#[test]
fn messages_that_are_no_questions() {
    let (guard, _server) = setup();
    for bytes in [&b""[..], b"x", &[0; 11], &[0xff; 100]] {
        assert!(
            guard.query(bytes, PID).is_err_and(|error| error == Errno::EINVAL),
            "{bytes:?}"
        );
    }
    let code = |message: &mut Message| {
        let asked = guard.query(&message.to_vec().unwrap(), PID).unwrap();
        Message::from_vec(&wait(|waker| asked.poll(waker)).unwrap())
            .unwrap()
            .metadata
            .response_code
    };
    let whole = || Message::from_vec(&question("a.test.", RecordType::A)).unwrap();
    let mut none = whole();
    none.queries.clear();
    assert_eq!(code(&mut none), ResponseCode::FormErr);
    let mut two = whole();
    two.add_query(two.queries[0].clone());
    assert_eq!(code(&mut two), ResponseCode::FormErr);
    let mut transfer = Message::from_vec(&question("a.test.", RecordType::AXFR)).unwrap();
    assert_eq!(code(&mut transfer), ResponseCode::NotImp);
    assert_eq!(
        ask(&guard, "127.0.0.1.", RecordType::A).metadata.response_code,
        ResponseCode::NXDomain
    );
    assert_eq!(
        ask(&guard, ".", RecordType::NS).metadata.response_code,
        ResponseCode::Refused
    );
}

#[test]
fn a_lookup_that_nobody_waits_for_is_given_up() {
    let (guard, server) = setup();
    server.set("silent.test", Behaviour::Silent);
    for _ in 0..2000 {
        drop(guard.resolve(b"silent.test", None, PID).unwrap());
    }
    server.set("fine.test", Behaviour::Addresses(ips(&["93.184.216.34"])));
    assert_eq!(resolve(&guard, "fine.test").unwrap().len(), 1);
}

#[test]
fn more_lookups_than_may_run_at_once_wait_for_their_turn() {
    let server = Server::start();
    let mut config = config(server.address);
    config.limits.max_concurrent_lookups = 2;
    let guard = Guard::new(config);
    let names: Vec<String> = (0..50).map(|at| format!("n{at}.test")).collect();
    for name in &names {
        server.set(name, Behaviour::Addresses(ips(&["93.184.216.34"])));
    }
    let lookups: Vec<_> = names
        .iter()
        .map(|name| guard.resolve(name.as_bytes(), None, PID).unwrap())
        .collect();
    for lookup in lookups {
        assert_eq!(wait(|waker| lookup.poll(waker)).unwrap().len(), 1);
    }
}
