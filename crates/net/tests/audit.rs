//! Every refusal leaves a trace with the fields that the specification names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use agentos_kernel::clock::{Clock, Entropy, Instant, Timestamp};
use agentos_kernel::events::{Audit, Event, EventSink};
use agentos_kernel::net::{Egress, Outgoing};
use agentos_kernel::policy::Policy;
use agentos_net::hook::{EgressHook, Route};
use agentos_net::secrets::{Secret, SecretSet};
use agentos_net::{BoxFuture, DnsConfig, Guard, GuardConfig, Outlet, OutletConfig, Target};
use common::dialer::Recorder;
use common::server::{Behaviour, Server};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, mpsc};
use std::task::Waker;

/// Time stands still; wakes come from a thread at once.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn instant(&self) -> Instant {
        Instant(0)
    }

    fn wake_at(&self, _: Instant, waker: &Waker) {
        let waker = waker.clone();
        std::thread::spawn(move || waker.wake());
    }
}

struct Sink(Mutex<mpsc::Sender<Value>>);

impl EventSink for Sink {
    fn emit(&self, event: Event) {
        if let Event::Audit(event) = event {
            let _ = self.0.lock().unwrap().send(event.to_json());
        }
    }
}

/// A guard of the configuration and what it reports.
fn audited(config: GuardConfig) -> (Guard, mpsc::Receiver<Value>) {
    let (sender, receiver) = mpsc::channel();
    let guard = Guard::new(config);
    guard.report_to(Audit::new(Arc::new(Still), Arc::new(Sink(Mutex::new(sender)))));
    (guard, receiver)
}

/// The next event, without its time.
fn next(events: &mpsc::Receiver<Value>) -> Value {
    let mut event = events.recv_timeout(common::PATIENCE).expect("an event");
    event.as_object_mut().unwrap().remove("time");
    event
}

#[test]
fn refusals_of_the_guard() {
    let server = Server::start();
    server.set("in.test", Behaviour::Addresses(vec!["10.0.0.9".parse().unwrap()]));
    let mut config = common::config(server.address);
    config.dialer = Arc::new(Recorder::new(server.address));
    let (guard, events) = audited(config);
    common::connect(&guard, "[64:ff9b::a9fe:a9fe]:80".parse().unwrap()).unwrap_err();
    let wanted = json!({
        "event": "security.egress.denied", "protocol": "tcp", "host": "64:ff9b::a9fe:a9fe", "port": 80,
        "address": "64:ff9b::a9fe:a9fe", "label": "metadata", "range": "169.254.169.254/32",
    });
    assert_eq!(next(&events), wanted);
    common::resolve(&guard, "in.test").unwrap_err();
    let wanted = json!({
        "event": "security.egress.denied", "protocol": "dns", "host": "in.test", "port": 0, "address": "10.0.0.9",
        "label": "private", "range": "10.0.0.0/8",
    });
    assert_eq!(next(&events), wanted);
}

#[test]
fn refusals_of_the_policy() {
    let mut config = GuardConfig::new(Arc::default());
    let rules = json!({ "network": { "rules": [{ "mode": "allow", "patterns": ["a.test"] }] } });
    config.policy = Arc::new(Policy::from_json(&rules).unwrap());
    let (guard, events) = audited(config);
    common::connect(&guard, "93.184.216.34:443".parse().unwrap()).unwrap_err();
    let event = next(&events);
    assert_eq!(event["event"], "security.permission.denied");
    assert_eq!(event["resource"], "tcp://93.184.216.34:443");
    assert_eq!(
        (&event["scope"], &event["operation"], &event["pid"]),
        (&json!("network"), &json!("http"), &json!(7))
    );
    common::resolve(&guard, "b.test").unwrap_err();
    assert_eq!(next(&events)["resource"], "dns://b.test");
}

/// Refuses everything.
struct Never;

impl EgressHook for Never {
    fn route<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Route> {
        Box::pin(async {
            Route::Deny {
                reason: "no".to_owned(),
            }
        })
    }
}

#[test]
fn refusals_of_what_stands_between() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = |outlet: OutletConfig| {
        let mut config = GuardConfig::new(Arc::default());
        config.loopback_exempt_ports = [address.port()].into();
        let local = vec![address.ip()];
        config.dns = Arc::new(DnsConfig::new(vec![], [("api.example.com".into(), local)]));
        config.interceptor = Outlet::new(outlet).unwrap().map(|outlet| outlet as _);
        config
    };
    let expected = |label: &str, reason: &str| {
        json!({
            "event": "security.egress.denied", "protocol": "tcp", "host": "api.example.com", "port": address.port(),
            "address": "127.0.0.1", "label": label, "range": reason,
        })
    };
    let mut outlet = OutletConfig::default();
    outlet.hook = Some(Arc::new(Never));
    let (guard, events) = audited(config(outlet));
    common::resolve(&guard, "api.example.com").unwrap();
    common::connect(&guard, address).unwrap_err();
    assert_eq!(next(&events), expected("hook", "no"));

    let secret = Secret::new("KEY", "hunter2-hunter2").hosts(["api.example.com"]);
    let mut outlet = OutletConfig::default();
    outlet.secrets = Some(Arc::new(SecretSet::new(vec![secret], &Zeros).unwrap()));
    let (guard, events) = audited(config(outlet));
    common::resolve(&guard, "api.example.com").unwrap();
    let stream = guard.connect(&Outgoing::new(address, common::PID)).unwrap();
    common::wait(|waker| stream.poll_connected(waker)).unwrap();
    // A TLS greeting that is none.
    common::wait(|waker| stream.write(&[0x16, 3, 1, 0, 4, 2, 0, 0, 0], waker)).unwrap();
    assert_eq!(next(&events), expected("secrets", "not a valid TLS greeting"));
}

struct Zeros;

impl Entropy for Zeros {
    fn fill(&self, buf: &mut [u8]) {
        buf.fill(0);
    }
}
