//! Secrets as a whole: what is swapped, and what is signed.

use super::*;
use agentos_kernel::clock::Entropy;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use rustls::pki_types::ServerName;
use std::io::Write;
use std::sync::Arc;

/// Counts, so that every placeholder is another one.
struct Counter(Mutex<u8>);

impl Entropy for Counter {
    fn fill(&self, buf: &mut [u8]) {
        let mut next = self.0.lock();
        *next += 1;
        buf.fill(*next);
    }
}

const KEY: &str = "value-of-the-first-key";
const TOKEN: &str = "value-of-the-token";

fn set() -> SecretSet {
    let secrets = vec![
        Secret::new("KEY", KEY).hosts(["api.example.com", "*.example.org:8443"]),
        Secret::new("TOKEN", TOKEN)
            .hosts(["api.example.com:443"])
            .header("X-Token"),
    ];
    SecretSet::new(secrets, &Counter(Mutex::new(0))).unwrap()
}

fn placeholder(set: &SecretSet, name: &str) -> String {
    set.environment()
        .find(|(known, _)| *known == name)
        .unwrap()
        .1
        .to_owned()
}

/// What becomes of one header on its way to a host.
fn sent(set: &SecretSet, host: &str, name: &'static str, value: &str) -> String {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_str(value).unwrap());
    swap(&mut headers, &set.for_host(host, 443));
    headers[name].to_str().unwrap().to_owned()
}

#[test]
fn placeholders_become_values_where_they_may() {
    let set = set();
    let (key, token) = (placeholder(&set, "KEY"), placeholder(&set, "TOKEN"));
    assert_ne!(key, token);
    assert!(key.starts_with(PLACEHOLDER_PREFIX) && key.len() == PLACEHOLDER_PREFIX.len() + 32);
    let api = "api.example.com";
    assert_eq!(
        sent(&set, api, "authorization", &format!("Bearer {key}")),
        format!("Bearer {KEY}")
    );
    assert_eq!(
        sent(&set, api, "cookie", &format!("a={key}; b={key}")),
        format!("a={KEY}; b={KEY}")
    );
    assert_eq!(sent(&set, api, "x-token", &token), TOKEN);
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let given = basic(&format!("user:{key}"));
    assert_eq!(sent(&set, api, "authorization", &given), basic(&format!("user:{KEY}")));
    assert_eq!(
        sent(&set, api, "authorization", &given.replace("Basic", "bAsIC")),
        basic(&format!("user:{KEY}")).replace("Basic", "bAsIC")
    );
    assert_eq!(
        sent(&set, api, "authorization", given.trim_end_matches('=')),
        basic(&format!("user:{KEY}"))
    );
}

#[test]
fn placeholders_stay_where_they_may_not_be_swapped() {
    let set = set();
    let (key, token) = (placeholder(&set, "KEY"), placeholder(&set, "TOKEN"));
    let basic = format!("Basic {}", STANDARD.encode(format!("user:{token}")));
    for (host, name, value) in [
        ("other.example.com", "authorization", key.clone()),
        ("example.org", "authorization", key.clone()),
        ("a.example.org", "authorization", key.clone()),
        ("api.example.com", "authorization", token.clone()),
        ("api.example.com", "authorization", basic),
        ("api.example.com", "host", key.clone()),
        ("api.example.com", "transfer-encoding", key.clone()),
        ("api.example.com", "range", key.clone()),
        ("api.example.com", "authorization", key[..key.len() - 1].to_owned()),
        ("api.example.com", "authorization", key.to_uppercase()),
        (
            "api.example.com",
            "authorization",
            format!("{PLACEHOLDER_PREFIX}{}", "0".repeat(32)),
        ),
        ("api.example.com", "authorization", "Basic !!!".to_owned()),
        ("api.example.com", "authorization", "Basic".to_owned()),
    ] {
        assert_eq!(sent(&set, host, name, &value), value, "{host} {name}");
    }
}

#[test]
fn a_swapped_header_prints_nothing() {
    let set = set();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", placeholder(&set, "KEY").parse().unwrap());
    assert_eq!(swap(&mut headers, &set.for_host("api.example.com", 443)), 1);
    let text = format!("{headers:?} {set:?}");
    assert!(!text.contains(KEY) && text.contains("api.example.com"), "{text}");
}

#[test]
fn every_way_to_say_a_value_is_masked() {
    let set = set();
    let patterns = set.all_patterns();
    for text in [
        format!("x {KEY} y {TOKEN}"),
        STANDARD.encode(format!("user:{KEY}")),
        STANDARD.encode(format!("me:{KEY}")),
        STANDARD.encode(format!("you:{KEY}")),
    ] {
        let masked = String::from_utf8(patterns.mask(text.as_bytes()).unwrap()).unwrap();
        assert_eq!(masked.len(), text.len());
        assert!(!masked.contains(KEY) && !masked.contains(TOKEN), "{masked}");
        assert!(masked.matches('*').count() >= KEY.len() / 2, "{masked}");
    }
    assert!(patterns.mask(placeholder(&set, "KEY").as_bytes()).is_none());
}

/// Whether a client that trusts only the VM's authority accepts what the authority presents as `host`.
fn accepted(set: &SecretSet, host: &str) -> Result<(), String> {
    let server = set.authority().server(host, None)?;
    let mut server = rustls::ServerConnection::new(server).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    for certificate in crate::roots::parse_certificates(set.certificate().as_bytes()).unwrap() {
        roots.add(certificate).unwrap();
    }
    let config = rustls::ClientConfig::builder_with_provider(crate::roots::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    while client.is_handshaking() {
        let mut wire = Vec::new();
        client.write_tls(&mut wire).map_err(|error| error.to_string())?;
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets().map_err(|error| error.to_string())?;
        let mut wire = Vec::new();
        server.write_tls(&mut wire).unwrap();
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets().map_err(|error| error.to_string())?;
    }
    client.writer().flush().unwrap();
    Ok(())
}

#[test]
fn the_authority_is_good_for_the_listed_hosts_and_no_others() {
    let set = set();
    for host in ["api.example.com", "a.example.org", "a.b.example.org"] {
        accepted(&set, host).unwrap();
    }
    for host in [
        "example.com",
        "x.api.example.com",
        "example.org",
        "evil.test",
        "api.example.com.evil.test",
    ] {
        let error = accepted(&set, host).unwrap_err();
        assert!(error.contains("onstraint"), "{host}: {error}");
    }
    assert!(accepted(&set, "127.0.0.1").is_err());
}

#[test]
fn an_exact_host_below_another_one_keeps_both() {
    let secrets = vec![Secret::new("KEY", KEY).hosts(["example.com", "a.example.com", "b.test", "*.b.test"])];
    let set = SecretSet::new(secrets, &Counter(Mutex::new(0))).unwrap();
    for host in ["example.com", "a.example.com", "b.test", "x.b.test"] {
        accepted(&set, host).unwrap();
    }
    assert!(accepted(&set, "x.a.example.com").is_err());
}

#[test]
fn certificates_are_kept_but_not_for_ever() {
    let set = set();
    let first = set.authority().server("a.example.org", None).unwrap();
    assert!(Arc::ptr_eq(
        &first,
        &set.authority().server("a.example.org", None).unwrap()
    ));
    for number in 0..64 {
        set.authority().server(&format!("h{number}.example.org"), None).unwrap();
    }
    assert!(!Arc::ptr_eq(
        &first,
        &set.authority().server("a.example.org", None).unwrap()
    ));
}
