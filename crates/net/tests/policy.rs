//! The guard does what the policy's explanation says: under random policies, a name is looked up exactly when `explain` allows
//! it, and a socket is opened exactly when `explain` allows the candidate set of the destination and the address is one that
//! the guard lets pass.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use agentos_kernel::Errno;
use agentos_kernel::net::{Egress, Outgoing};
use agentos_kernel::policy::Policy;
use agentos_net::{DnsConfig, Guard, GuardConfig, Reach, classify};
use common::dialer::Recorder;
use common::{PID, resolve};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// Names and the address of each. Two names share one address, and one leads to the host's loopback.
const NAMES: &[(&str, &str)] = &[
    ("api.example.com", "93.184.216.1"),
    ("cdn.example.com", "93.184.216.1"),
    ("example.org", "93.184.216.2"),
    ("six.example.org", "2606:2800:220:1::1"),
    ("db.internal", "127.0.0.1"),
];
const ADDRESSES: &[&str] = &[
    "93.184.216.1",
    "93.184.216.2",
    "2606:2800:220:1::1",
    "127.0.0.1",
    "127.0.0.2",
    "::1",
    "::ffff:93.184.216.1",
    "::ffff:127.0.0.1",
    "10.0.0.1",
    "169.254.169.254",
];
const PORTS: &[u16] = &[80, 443, EXEMPT];
/// A port of the host's loopback that is exempt.
const EXEMPT: u16 = 5432;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases.max(2000)))]

    #[test]
    fn sockets_are_opened_exactly_where_explanations_allow_it(
        rules in prop::collection::vec(rule(), 1..5),
        default in prop::sample::select(vec![None, Some("allow"), Some("deny")]),
        asked in prop::sample::subsequence(NAMES, 0..=NAMES.len()),
        visits in prop::collection::vec((prop::sample::select(ADDRESSES), prop::sample::select(PORTS), any::<bool>()), 1..12),
    ) {
        let mut rule_set = json!({ "rules": rules });
        if let Some(default) = default {
            rule_set["default"] = json!(default);
        }
        let policy = Arc::new(Policy::from_json(&json!({ "network": rule_set })).unwrap());
        let (guard, dialer) = guard(&policy);
        let mut known: Vec<(IpAddr, &str)> = Vec::new();
        for (name, address) in asked {
            let explained = policy.explain("network", "dns", &[name]).unwrap();
            let answer = resolve(&guard, name);
            prop_assert_eq!(answer.is_ok(), explained.allowed, "{} under {}: {:?}", name, rule_set, answer);
            if explained.allowed {
                known.push((address.parse().unwrap(), name));
            }
        }
        for (address, port, udp) in visits {
            let address: IpAddr = address.parse().unwrap();
            let expected = expected(&policy, &known, address, port, udp);
            let request = Outgoing::new(SocketAddr::new(address, port), PID);
            let error = match udp {
                true => guard.datagrams(&request).err(),
                false => guard.connect(&request).err(),
            };
            let dialled = dialer.take();
            let wanted = if expected { vec![SocketAddr::new(address.to_canonical(), port)] } else { Vec::new() };
            prop_assert_eq!(&dialled, &wanted, "{} {} knowing {:?} under {}: {:?}", address, port, known, rule_set, error);
            prop_assert!(expected || error.is_some_and(|error| error == Errno::EACCES));
        }
    }
}

fn expected(policy: &Policy, known: &[(IpAddr, &str)], address: IpAddr, port: u16, udp: bool) -> bool {
    let (operation, scheme) = if udp { ("udp", "udp") } else { ("fetch", "tcp") };
    let literal = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let same = |(of, _): &&(IpAddr, &str)| *of == address.to_canonical();
    let hosts = known
        .iter()
        .filter(same)
        .map(|(_, name)| (*name).to_owned())
        .chain([literal]);
    let candidates: Vec<String> = hosts.map(|host| format!("{scheme}://{host}:{port}")).collect();
    let candidates: Vec<&str> = candidates.iter().map(String::as_str).collect();
    let explained = policy.explain("network", operation, &candidates).unwrap();
    let main = matches!(address.to_canonical().to_string().as_str(), "127.0.0.1" | "::1");
    explained.allowed
        && match classify(address).reach {
            Reach::Public => true,
            Reach::Loopback => main && port == EXEMPT,
            Reach::Blocked => false,
        }
}

fn guard(policy: &Arc<Policy>) -> (Guard, Arc<Recorder>) {
    let mut recorder = Recorder::default();
    recorder.exempt = vec![EXEMPT];
    let dialer = Arc::new(recorder);
    let mut config = GuardConfig::new(Arc::clone(policy));
    let overrides = NAMES
        .iter()
        .map(|(name, address)| ((*name).into(), vec![address.parse().unwrap()]));
    config.dns = Arc::new(DnsConfig::new(Vec::new(), overrides));
    config.dialer = dialer.clone();
    config.loopback_exempt_ports = [EXEMPT].into();
    (Guard::new(config), dialer)
}

fn rule() -> impl Strategy<Value = Value> {
    let operations = vec!["fetch", "http", "udp", "dns", "listen", "*"];
    let patterns = vec![
        "*",
        "*.example.com",
        "api.example.com:443",
        "tcp://cdn.example.com",
        "example.org",
        "*.org:80",
        "dns://*.com",
        "udp://*",
        "93.184.216.1",
        "93.184.216.*:443",
        "[2606:2800:220:1::1]",
        "localhost",
        "localhost:5432",
        "127.0.0.1:5432",
        "[::1]",
        "db.internal",
        "10.*",
        "[::ffff:93.184.216.2]:80",
        "169.254.169.254",
    ];
    let list = |from: Vec<&'static str>| prop::collection::vec(prop::sample::select(from), 1..4);
    (
        any::<bool>(),
        prop::option::of(list(operations)),
        prop::option::of(list(patterns)),
    )
        .prop_map(|(allow, operations, patterns)| {
            let mut rule = json!({ "mode": if allow { "allow" } else { "deny" } });
            if let Some(operations) = operations {
                rule["operations"] = json!(operations);
            }
            if let Some(patterns) = patterns {
                rule["patterns"] = json!(patterns);
            }
            rule
        })
}
