//! Encrypted connections, and certificates that change.

use std::path::Path;
use std::sync::Arc;

use agentos_gateway::{Gateway, GatewayError, Running};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{self, actors, soon};

/// Writes a new certificate for localhost and its key; returns the certificate.
fn issue(directory: &Path) -> CertificateDer<'static> {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(directory.join("cert.pem"), issued.cert.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), issued.signing_key.serialize_pem()).unwrap();
    issued.cert.der().clone()
}

fn gateway(directory: &Path) -> Result<Running, GatewayError> {
    let registry = support::registry(agentos_actor::RegistryLimits::default(), &actors::Log::default());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    Gateway::builder(registry)
        .tls(directory.join("cert.pem"), directory.join("key.pem"))
        .build()?
        .serve(listener)
}

/// What a client that trusts one certificate alone gets.
async fn get(running: &Running, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(running.address()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = soon(TlsConnector::from(Arc::new(config)).connect(name, stream)).await?;
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
