//! Hosts and network patterns.

use agentos::Policy;
use agentos::policy::{Host, Operation};
use serde_json::json;

/// What is a host has one form, which is its own form; a pattern of it matches it; and the egress guard reads the same
/// address from the same text.
pub(crate) fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for line in text.lines().take(64) {
        let allow = |pattern: &str| {
            let rules = json!([{ "mode": "allow", "patterns": [pattern] }]);
            Policy::from_json(&json!({ "network": { "rules": rules } }))
        };
        // Whatever it says, it must be read or refused.
        drop(allow(line));
        let Ok(host) = Host::parse(line) else { continue };
        let normal = host.as_str();
        assert_eq!(Host::parse(normal).as_ref(), Ok(&host), "{line:?} has two forms");
        // What goes to a wildcard address goes to the loopback, and is asked about as that.
        let wildcard = host.address().is_some_and(|address| address.is_unspecified());
        if !wildcard && let Ok(policy) = allow(normal) {
            let resource = format!("tcp://{normal}:80");
            let decision = policy.check(Operation::NetworkHttp, resource.as_bytes());
            assert!(decision.is_ok(), "{normal:?} does not match itself");
        }
        if let Ok(agentos_net::Host::Address(address)) = agentos_net::parse_host(line.as_bytes()) {
            assert_eq!(
                host.address(),
                Some(address.to_canonical()),
                "{line:?} is read in two ways"
            );
        }
    }
}
