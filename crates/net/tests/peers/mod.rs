//! Hosts, proxies and guests for the tests of the outlet.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

use crate::common::{PID, wait};
use agentos_kernel::clock::Entropy;
use agentos_kernel::net::{Egress, Outgoing, Shutdown, Stream};
use agentos_net::Guard;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

pub struct SomeEntropy;

impl Entropy for SomeEntropy {
    fn fill(&self, buf: &mut [u8]) {
        for (index, byte) in buf.iter_mut().enumerate() {
            *byte = index as u8 ^ 0x5a;
        }
    }
}

pub fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// A guest's end of a connection, as an ordinary blocking stream.
pub struct Guest(Arc<dyn Stream>);

impl Guest {
    pub fn connect(guard: &Guard, to: SocketAddr) -> Self {
        let stream = guard.connect(&Outgoing::new(to, PID)).unwrap();
        assert_eq!(wait(|waker| stream.poll_connected(waker)).unwrap(), to);
        Self(stream)
    }

    /// Sends all and reads until the end.
    pub fn exchange(mut self, text: &str) -> String {
        self.write_all(text.as_bytes()).unwrap();
        let mut got = Vec::new();
        let _ = self.read_to_end(&mut got);
        String::from_utf8_lossy(&got).into_owned()
    }

    /// TLS over it, trusting these certificates alone.
    pub fn tls(self, name: &str, pem: &[u8]) -> TlsGuest {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.unwrap()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsGuest(StreamOwned::new(
            ClientConnection::new(Arc::new(config), name).unwrap(),
            self,
        ))
    }
}

impl Read for Guest {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        wait(|waker| self.0.read(buf, waker)).map_err(|error| io::Error::other(error.to_string()))
    }
}

impl Write for Guest {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        wait(|waker| self.0.write(data, waker)).map_err(|error| io::Error::other(error.to_string()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.shutdown(Shutdown::Both);
    }
}

pub struct TlsGuest(StreamOwned<ClientConnection, Guest>);

impl TlsGuest {
    pub fn exchange(mut self, text: &str) -> String {
        self.0.write_all(text.as_bytes()).unwrap();
        let mut got = Vec::new();
        let _ = self.0.read_to_end(&mut got);
        String::from_utf8_lossy(&got).into_owned()
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A certificate authority of the test's own.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: rcgen::Certificate,
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self {
            certificate: params.self_signed(&key).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    pub fn roots(&self) -> Vec<CertificateDer<'static>> {
        vec![self.certificate.der().clone()]
    }

    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// How to be this host.
    pub fn server(&self, name: &str) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.unwrap())
    }
}

trait Both: Read + Write + Send {}
impl<T: Read + Write + Send> Both for T {}

fn accept(listener: &TcpListener, tls: Option<Arc<ServerConfig>>) -> Box<dyn Both> {
    let stream = listener.accept().unwrap().0;
    match tls {
        None => Box::new(stream),
        Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config).unwrap(), stream)),
    }
}

/// Reads until an empty line.
fn head(stream: &mut dyn Both) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        bytes.push(byte[0]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Takes one connection, answers one request, and gives what it was.
pub fn answer_once(listener: TcpListener, tls: Option<Arc<ServerConfig>>, response: String) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut stream = accept(&listener, tls);
        let request = head(&mut *stream);
        let _ = stream.write_all(response.as_bytes());
        let _ = stream.flush();
        request
    })
}

/// A proxy that answers `CONNECT` as told and then echoes.
pub struct HttpProxy {
    pub address: SocketAddr,
    asked: mpsc::Receiver<String>,
}

impl HttpProxy {
    pub fn start(tls: Option<Arc<ServerConfig>>, answer: &'static str) -> Self {
        let (listener, address) = listener();
        let (sender, asked) = mpsc::channel();
        std::thread::spawn(move || {
            let mut stream = accept(&listener, tls);
            let _ = sender.send(head(&mut *stream));
            let _ = stream.write_all(answer.as_bytes());
            let _ = stream.flush();
            echo(&mut *stream);
        });
        Self { address, asked }
    }

    /// The request header of the first connection; empty if it ended before.
    pub fn asked(&self) -> String {
        self.asked.recv_timeout(crate::common::PATIENCE).unwrap()
    }

    /// Whether there was no connection yet: then this one is the first.
    pub fn was_left_alone(&self) -> bool {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(b"first\r\n\r\n").unwrap();
        self.asked() == "first\r\n\r\n"
    }
}

fn echo(stream: &mut dyn Both) {
    let mut buf = [0; 256];
    while let Ok(length @ 1..) = stream.read(&mut buf) {
        if stream.write_all(&buf[..length]).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

/// A SOCKS 5 proxy that answers with this code and then echoes.
pub struct SocksProxy {
    pub address: SocketAddr,
    asked: mpsc::Receiver<Vec<u8>>,
}

impl SocksProxy {
    pub fn start(credentials: Option<(&'static str, &'static str)>, code: u8) -> Self {
        let (listener, address) = listener();
        let (sender, asked) = mpsc::channel();
        std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let request = socks(&mut stream, credentials);
            stream.write_all(&[5, code, 0, 1, 0, 0, 0, 0, 0, 0]).unwrap();
            let _ = sender.send(request);
            echo(&mut stream);
        });
        Self { address, asked }
    }

    /// Kind of address, address and port that were asked for.
    pub fn asked(&self) -> Vec<u8> {
        self.asked.recv_timeout(crate::common::PATIENCE).unwrap()
    }
}

fn socks(stream: &mut TcpStream, credentials: Option<(&str, &str)>) -> Vec<u8> {
    let mut take = |length: usize| {
        let mut buf = vec![0; length];
        stream.read_exact(&mut buf).unwrap();
        buf
    };
    let greeting = take(2);
    let methods = take(usize::from(greeting[1]));
    let method = if credentials.is_some() { 2 } else { 0 };
    assert!(methods.contains(&method), "{methods:?}");
    stream.write_all(&[5, method]).unwrap();
    if let Some((user, password)) = credentials {
        let expected = [
            &[1, user.len() as u8],
            user.as_bytes(),
            &[password.len() as u8],
            password.as_bytes(),
        ]
        .concat();
        let mut given = vec![0; expected.len()];
        stream.read_exact(&mut given).unwrap();
        assert_eq!(given, expected);
        stream.write_all(&[1, 0]).unwrap();
    }
    let mut request = vec![0; 10];
    stream.read_exact(&mut request).unwrap();
    assert_eq!(request[..3], [5, 1, 0]);
    request.split_off(3)
}
