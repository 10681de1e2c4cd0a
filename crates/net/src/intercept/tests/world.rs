//! A guest, a host with a real certificate, and the opener between them, over in-memory pipes.

use crate::intercept::{InterceptLimits, Opener, Place, Trace};
use crate::secrets::{Secret, SecretSet};
use agentos_kernel::clock::Entropy;
use core::future::Future;
use core::time::Duration;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// The value that must not come to the guest.
pub(super) const VALUE: &str = "sk-live-0123456789abcdef";

/// Another one, for one header of one host.
pub(super) const TOKEN: &str = "ghp_ABCDEFghijkl";

pub(super) const API: &str = "api.example.com";

struct SomeEntropy;

impl Entropy for SomeEntropy {
    fn fill(&self, buf: &mut [u8]) {
        static NEXT: Mutex<u64> = Mutex::new(1);
        let mut next = NEXT.lock().unwrap();
        for byte in buf {
            *next = next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (*next >> 33) as u8;
        }
    }
}

pub(super) struct World {
    pub(super) secrets: Arc<SecretSet>,
    pub(super) opener: Arc<Opener>,
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
}

/// Deadlines that pass at once.
pub(super) fn impatient() -> InterceptLimits {
    InterceptLimits {
        handshake_timeout: Duration::from_millis(200),
        header_timeout: Duration::from_millis(200),
        ..InterceptLimits::default()
    }
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(InterceptLimits {
            handshake_timeout: Duration::from_secs(20),
            ..InterceptLimits::default()
        })
    }

    pub(super) fn with(limits: InterceptLimits) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        let secrets = vec![
            Secret::new("KEY", VALUE).hosts([API, "*.example.org"]),
            Secret::new("TOKEN", TOKEN).hosts([API]).header("x-token"),
        ];
        let secrets = Arc::new(SecretSet::new(secrets, &SomeEntropy).unwrap());
        let opener = Opener::new(Arc::clone(&secrets), std::slice::from_ref(&root), limits).unwrap();
        Self {
            secrets,
            opener: Arc::new(opener),
            issuer: Issuer::new(params, key),
            root,
        }
    }

    /// One for many small tests.
    pub(super) fn shared() -> &'static Self {
        static WORLD: std::sync::OnceLock<World> = std::sync::OnceLock::new();
        WORLD.get_or_init(|| Self::with(impatient()))
    }

    pub(super) fn placeholder(&self, name: &str) -> String {
        self.secrets
            .environment()
            .find(|(known, _)| *known == name)
            .unwrap()
            .1
            .to_owned()
    }

    /// A connection that the resolver's answers for `names` led to; gives the guest's end and the host's.
    pub(super) fn connect(&self, names: &[&str], port: u16) -> (DuplexStream, DuplexStream) {
        let (guest, near) = duplex(16 << 10);
        let (far, host) = duplex(16 << 10);
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let opener = Arc::clone(&self.opener);
        tokio::spawn(async move {
            let (names, trace) = (&names[..], &Trace::default());
            opener.carry(Place { names, port, trace }, near, far).await
        });
        (guest, host)
    }

    /// What the host presents as `name`.
    pub(super) fn host_config(&self, name: &str, protocols: &[&str]) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        host_config(certificate.der().clone(), &key, protocols)
    }

    /// The host's side of a TLS connection.
    pub(super) async fn host_tls(
        &self,
        host: DuplexStream,
        name: &str,
        protocols: &[&str],
    ) -> std::io::Result<server::TlsStream<DuplexStream>> {
        TlsAcceptor::from(self.host_config(name, protocols)).accept(host).await
    }

    /// The guest's side: trusts what its VM trusts, which is the authority of its secrets, and the host's root.
    pub(super) async fn guest_tls(
        &self,
        guest: DuplexStream,
        name: &str,
        protocols: &[&str],
    ) -> std::io::Result<client::TlsStream<DuplexStream>> {
        let own = crate::roots::parse_certificates(self.secrets.certificate().as_bytes()).unwrap();
        guest_tls(guest, name, protocols, own).await
    }

    /// A guest that trusts the host's root and not the VM's authority: it sees whether it talks end to end.
    pub(super) async fn end_to_end(
        &self,
        guest: DuplexStream,
        name: &str,
    ) -> std::io::Result<client::TlsStream<DuplexStream>> {
        guest_tls(guest, name, &[], vec![self.root.clone()]).await
    }
}

pub(super) fn host_config(
    certificate: CertificateDer<'static>,
    key: &KeyPair,
    protocols: &[&str],
) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(crate::roots::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    Arc::new(config)
}

async fn guest_tls(
    guest: DuplexStream,
    name: &str,
    protocols: &[&str],
    trusted: Vec<CertificateDer<'static>>,
) -> std::io::Result<client::TlsStream<DuplexStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in trusted {
        roots.add(certificate).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(crate::roots::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, guest).await
}

/// Reads one HTTP/1 message with its body (sized or chunked), as it is on the wire; empty at the end.
pub(super) async fn message(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    loop {
        if is_whole(&bytes) {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
    }
}

fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    match length {
        Some(length) => body.len() >= length.trim().parse().unwrap_or(0),
        None if head.contains("transfer-encoding: chunked") => {
            body.ends_with("0\r\n\r\n") || body.contains("\r\n0\r\n") && body.ends_with("\r\n\r\n")
        }
        None => true,
    }
}

/// Answers each request with the next response, whose pieces are sent one by one, and gives what was asked.
pub(super) async fn answer<S>(mut stream: S, responses: &[&[&str]]) -> Vec<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut seen = Vec::new();
    for pieces in responses {
        let request = message(&mut stream).await;
        if request.is_empty() {
            break;
        }
        seen.push(request);
        for piece in *pieces {
            stream.write_all(piece.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
    }
    let _ = stream.shutdown().await;
    seen
}

/// Sends the text and reads until the other side closes.
pub(super) async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, text: &str) -> String {
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.flush().await;
    let mut answer = Vec::new();
    // Some peers end without a close_notify, which is an error after all the bytes.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Both at once.
pub(super) async fn both<A: Future, B: Future>(first: A, second: B) -> (A::Output, B::Output) {
    let both = async { tokio::join!(first, second) };
    tokio::time::timeout(Duration::from_secs(60), both)
        .await
        .expect("hangs")
}
