//! Encrypted connections, and certificates that change.

use std::path::Path;
use std::sync::Arc;

use agentos_gateway::{Gateway, GatewayError, Running};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::support::{self, actors, soon};

/// Writes a new certificate for localhost and its key; returns the certificate.
fn issue(directory: &Path) -> CertificateDer<'static> {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("cert.pem"), issued.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), issued.signing_key.serialize_pem()).unwrap();
    issued.cert.der().clone()
}

fn gateway(directory: &Path) -> Result<Running, GatewayError> {
    logged(directory, &actors::Log::default())
}

fn logged(directory: &Path, log: &actors::Log) -> Result<Running, GatewayError> {
    let registry = support::registry(agentos_actor::RegistryLimits::default(), log);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    Gateway::builder(registry)
        .tls(directory.join("cert.pem"), directory.join("key.pem"))
        .build()?
        .serve(listener)
}

/// A stream of a client that trusts one certificate alone, and speaks one protocol.
async fn connect(
    running: &Running,
    trusted: &CertificateDer<'static>,
    protocol: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(running.address()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

async fn get(running: &Running, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut stream = connect(running, trusted, "http/1.1").await?;
    stream
        .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    let _ = soon(stream.read_to_string(&mut answer)).await;
    Ok(answer)
}

#[tokio::test]
async fn a_certificate_is_served_and_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let first = issue(directory.path());
    let running = gateway(directory.path()).unwrap();
    assert!(running.url().starts_with("https://"));
    assert!(get(&running, &first).await.unwrap().starts_with("HTTP/1.1 200"));
    let second = issue(directory.path());
    running.reload_tls().unwrap();
    assert!(get(&running, &second).await.unwrap().starts_with("HTTP/1.1 200"));
    assert!(get(&running, &first).await.is_err());
    // What cannot be used changes nothing.
    std::fs::write(directory.path().join("key.pem"), "no key").unwrap();
    assert!(running.reload_tls().is_err());
    assert!(get(&running, &second).await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn unusable_files_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let missing = gateway(directory.path()).unwrap_err().to_string();
    assert!(missing.contains("cert.pem"), "{missing}");
    issue(directory.path());
    std::fs::write(directory.path().join("cert.pem"), "").unwrap();
    let empty = gateway(directory.path()).unwrap_err().to_string();
    assert!(empty.contains("no certificate"), "{empty}");
}

#[tokio::test]
async fn plain_and_stalled_clients_do_not_get_through() {
    let directory = tempfile::tempdir().unwrap();
    issue(directory.path());
    let running = gateway(directory.path()).unwrap();
    let answer = support::http::raw(running.address(), b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await;
    assert!(!answer.contains("200"), "{answer}");
    support::until(|| running.connections() == 0).await;
}

type Sent = BoxBody<Bytes, std::convert::Infallible>;

/// A client that speaks HTTP/2.
async fn http2(running: &Running, trusted: &CertificateDer<'static>) -> SendRequest<Sent> {
    let stream = connect(running, trusted, "h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"h2".as_slice()));
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

/// The status and the text of an answer.
async fn ask(client: &mut SendRequest<Sent>, method: &str, target: &str, body: Sent) -> (u16, String) {
    let request = ::http::Request::builder()
        .method(method)
        .uri(target)
        .body(body)
        .unwrap();
    let answer = soon(client.send_request(request)).await.unwrap();
    let status = answer.status().as_u16();
    let body = soon(answer.into_body().collect()).await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// A body without a length, in two pieces.
fn streamed(first: &'static str, second: &'static str) -> Sent {
    let pieces = [first, second].map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes()))));
    BoxBody::new(StreamBody::new(stream::iter(pieces)))
}

#[tokio::test]
async fn clients_may_speak_http2_and_stream_their_bodies() {
    let directory = tempfile::tempdir().unwrap();
    let certificate = issue(directory.path());
    let log = actors::Log::default();
    let running = logged(directory.path(), &log).unwrap();
    let mut client = http2(&running, &certificate).await;
    let origin = format!("https://localhost:{}", running.address().port());
    let nothing = || Empty::new().boxed();
    let health = ask(&mut client, "GET", &format!("{origin}/health"), nothing()).await;
    assert!(health.0 == 200 && health.1.contains("ok"), "{health:?}");
    let query = "rvt-namespace=default&rvt-method=getOrCreate&rvt-runner=default&rvt-key=k";
    let action = format!("{origin}/gateway/counter/action/increment?{query}");
    for count in 1..=3 {
        let answer = ask(&mut client, "POST", &action, streamed("{\"args\"", ":[1]}")).await;
        assert_eq!(answer, (200, format!("{{\"output\":{count}}}")));
    }
    // The rules of the other protocol hold: names, sizes, routes.
    let stranger = ask(
        &mut client,
        "GET",
        "https://other.test/actors?namespace=default",
        nothing(),
    )
    .await;
    assert!(stranger.0 == 403 && stranger.1.contains("host"), "{stranger:?}");
    let long = format!("{origin}/{}", "x".repeat(20_000));
    assert_eq!(ask(&mut client, "GET", &long, nothing()).await.0, 414);
    assert_eq!(
        ask(&mut client, "GET", &format!("{origin}/nothing"), nothing()).await.0,
        404
    );
    // What is in work when the server drains is answered.
    let hold = format!("{origin}/gateway/counter/action/hold?{query}");
    let request = ::http::Request::post(hold).body(streamed("{\"args\"", ":[]}")).unwrap();
    let held = tokio::spawn(async move { client.send_request(request).await.unwrap().status().as_u16() });
    support::until(|| log.count("holding") == 1).await;
    // Polled after the drain has begun.
    let release = async { log.open_gate() };
    let (completed, ()) = tokio::join!(running.drain(support::PATIENCE), release);
    assert!(completed);
    assert_eq!(held.await.unwrap(), 200);
}
