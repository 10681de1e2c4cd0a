//! The beginning of connections: which are opened, which are passed on, which are refused.

use super::*;
use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

#[tokio::test]
async fn tls_to_another_host_is_end_to_end() {
    let world = World::new();
    let key = world.placeholder("KEY");
    let (guest, host) = world.connect(&[API, "other.test"], 443);
    let guest = async {
        let guest = world.end_to_end(guest, "other.test").await.unwrap();
        exchange(guest, &format!("any bytes {key}")).await
    };
    let host = async {
        let mut host = world.host_tls(host, "other.test", &[]).await.unwrap();
        let mut got = vec![0; "any bytes ".len() + key.len()];
        host.read_exact(&mut got).await.unwrap();
        host.write_all(b"answer").await.unwrap();
        host.shutdown().await.unwrap();
        String::from_utf8(got).unwrap()
    };
    let (got, seen) = both(guest, host).await;
    assert_eq!(seen, format!("any bytes {key}"));
    assert_eq!(got, "answer");
}

#[tokio::test]
async fn a_greeting_that_does_not_fit_is_refused_before_the_host_hears_of_it() {
    let world = World::new();
    for (names, server_name) in [
        // Listed, but this address was resolved for another name.
        (&["other.example.org"][..], API),
        (&[API], "a.example.org"),
        // No name at all.
        (&[API], "127.0.0.1"),
    ] {
        let (guest, mut host) = world.connect(names, 443);
        let mut heard = Vec::new();
        let (greeted, _) = both(world.guest_tls(guest, server_name, &[]), host.read_to_end(&mut heard)).await;
        let error = greeted.unwrap_err().to_string();
        assert!(error.contains("UnrecognisedName"), "{error}");
        assert!(heard.is_empty());
    }
    let (guest, mut host) = world.connect(&[API], 443);
    let mut heard = Vec::new();
    let (greeted, _) = both(world.guest_tls(guest, API, &["imap"]), host.read_to_end(&mut heard)).await;
    assert!(greeted.is_err() && heard.is_empty());
}

/// What a guest is told when the host's side presents this certificate.
async fn told(world: &World, config: std::sync::Arc<rustls::ServerConfig>) -> String {
    let (guest, host) = world.connect(&[API], 443);
    let guest = async {
        let guest = world.guest_tls(guest, API, &["h2", "http/1.1"]).await;
        let Ok(guest) = guest else { return String::new() };
        assert_eq!(guest.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        super::http2::get(guest, API, &world.placeholder("KEY")).await
    };
    let host = async {
        let mut got = Vec::new();
        if let Ok(mut host) = TlsAcceptor::from(config).accept(host).await {
            let _ = host.read_to_end(&mut got).await;
        }
        got
    };
    let (told, got) = both(guest, host).await;
    assert!(got.is_empty(), "{got:?}");
    told
}

#[tokio::test]
async fn a_host_that_cannot_prove_its_name_gets_nothing() {
    let world = World::new();
    let other = World::new();
    let text = told(&world, world.host_config("other.test", &["h2"])).await;
    assert!(text.contains("502") && text.contains("not valid"), "{text}");
    let text = told(&world, other.host_config(API, &["h2"])).await;
    assert!(text.contains("502") && text.contains("not valid"), "{text}");
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new([API.to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let text = told(&world, host_config(own.der().clone(), &key, &["h2"])).await;
    assert!(text.contains("502") && text.contains(API), "{text}");
    // Not even the VM's own authority is good enough for the host's side.
    let forged = world.secrets.authority().server(API, Some(b"h2")).unwrap();
    let text = told(&world, forged).await;
    assert!(text.contains("502") && text.contains("not valid"), "{text}");
}

#[tokio::test]
async fn both_sides_speak_what_the_host_chose() {
    let world = World::new();
    for (offered, spoken, chosen) in [
        (&["h2", "http/1.1"][..], &["http/1.1"][..], Some(&b"http/1.1"[..])),
        (&["h2", "http/1.1"], &["h2", "http/1.1"], Some(b"h2")),
        (&["h2", "http/1.1"], &[], Some(b"http/1.1")),
        (&["http/1.1"], &["h2", "http/1.1"], Some(b"http/1.1")),
        (&[], &["h2", "http/1.1"], None),
    ] {
        let (guest, host) = world.connect(&[API], 443);
        let (guest, host) = both(world.guest_tls(guest, API, offered), world.host_tls(host, API, spoken)).await;
        assert_eq!(guest.unwrap().get_ref().1.alpn_protocol(), chosen);
        drop(host);
    }
}

#[tokio::test]
async fn who_speaks_no_http_is_passed_on_masked() {
    let world = World::new();
    // The host speaks first, as in SSH or SMTP.
    let (mut guest, mut host) = world.connect(&[API], 22);
    host.write_all(b"SSH-2.0-x\r\n").await.unwrap();
    let mut banner = [0; 11];
    guest.read_exact(&mut banner).await.unwrap();
    let key = world.placeholder("KEY");
    guest.write_all(key.as_bytes()).await.unwrap();
    let mut got = vec![0; key.len()];
    host.read_exact(&mut got).await.unwrap();
    assert_eq!(got, key.as_bytes());
    host.write_all(format!("x{VALUE}y").as_bytes()).await.unwrap();
    drop(host);
    let mut rest = String::new();
    guest.read_to_string(&mut rest).await.unwrap();
    assert_eq!(rest, format!("x{}y", "*".repeat(VALUE.len())));
    // The guest does, in a protocol of its own.
    let (mut guest, mut host) = world.connect(&[API], 6379);
    guest.write_all(b"PING\r\n").await.unwrap();
    let mut got = [0; 6];
    host.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"PING\r\n");
}

#[tokio::test]
async fn an_end_is_passed_on() {
    let world = World::new();
    let (mut guest, mut host) = world.connect(&[API], 9);
    guest.shutdown().await.unwrap();
    assert_eq!(host.read(&mut [0]).await.unwrap(), 0);
    host.write_all(b"late").await.unwrap();
    drop(host);
    let mut got = String::new();
    guest.read_to_string(&mut got).await.unwrap();
    assert_eq!(got, "late");
}

#[tokio::test]
async fn a_greeting_that_never_ends_is_cut_off() {
    let world = World::with(impatient());
    let (mut guest, _host) = world.connect(&[API], 443);
    guest.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).await.unwrap();
    assert_eq!(guest.read(&mut [0]).await.unwrap_or(0), 0);
    // A host that does not answer is given up, too, and the guest is told.
    let (guest, _host) = world.connect(&[API], 443);
    let guest = world.guest_tls(guest, API, &["http/1.1"]).await.unwrap();
    let got = exchange(guest, &format!("GET / HTTP/1.1\r\nhost: {API}\r\n\r\n")).await;
    assert!(got.starts_with("HTTP/1.1 502 ") && got.contains("too long"), "{got}");
}

#[test]
fn only_addresses_of_listed_names_concern_the_opener() {
    let world = World::new();
    assert!(world.opener.concerns(&["x.test", "API.example.com."], 443));
    assert!(world.opener.concerns(&["deep.in.example.org"], 443));
    assert!(!world.opener.concerns(&["x.test", "example.org"], 443));
    assert!(!world.opener.concerns::<&str>(&[], 443));
}
