//! A host with real TLS and a certificate authority of its own.
#![allow(dead_code, unreachable_pub)]

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, mpsc};
use std::time::Duration;

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self {
            pem: params.self_signed(&key).unwrap().pem(),
            issuer: Issuer::new(params, key),
        }
    }

    pub fn pem(&self) -> String {
        self.pem.clone()
    }

    /// How to be these hosts.
    pub fn server(&self, names: &[&str]) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.unwrap())
    }
}

/// Answers every request with a text that holds the value, in header and body, and remembers the requests.
pub struct Host {
    pub port: u16,
    asked: mpsc::Receiver<String>,
    go: mpsc::Sender<()>,
}

trait Both: Read + Write {}
impl<T: Read + Write> Both for T {}

impl Host {
    pub fn start(tls: Option<Arc<ServerConfig>>, value: &str) -> Self {
        Self::with(tls, value, false)
    }

    /// One that answers only when it is [released](Self::release).
    pub fn held(tls: Option<Arc<ServerConfig>>, value: &str) -> Self {
        Self::with(tls, value, true)
    }

    /// Lets it answer one request.
    pub fn release(&self) {
        self.go.send(()).unwrap();
    }

    fn with(tls: Option<Arc<ServerConfig>>, value: &str, held: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, asked) = mpsc::channel();
        let (go, gone) = mpsc::channel();
        let answer = format!(
            "HTTP/1.1 200 OK\r\nx-echo: {value}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{value}",
            value.len()
        );
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream: Box<dyn Both> = match &tls {
                    None => Box::new(stream),
                    Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream)),
                };
                if sender.send(request(&mut *stream)).is_err() || (held && gone.recv().is_err()) {
                    return;
                }
                let _ = stream.write_all(answer.as_bytes()).and_then(|()| stream.flush());
            }
        });
        Self { port, asked, go }
    }

    /// The next request, header and body.
    pub fn asked(&self) -> String {
        self.asked.recv_timeout(Duration::from_secs(30)).unwrap()
    }
}

fn request(stream: &mut dyn Both) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    let mut missing = None;
    while missing != Some(0) && matches!(stream.read(&mut byte), Ok(1)) {
        bytes.push(byte[0]);
        missing = match missing {
            Some(count) => Some(count - 1),
            None if bytes.ends_with(b"\r\n\r\n") => Some(length(&bytes)),
            None => None,
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.map_or(0, |length| length.trim().parse().unwrap())
}
