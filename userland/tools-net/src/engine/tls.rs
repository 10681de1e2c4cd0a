//! TLS: whom to trust, what to offer, and what to say when it fails.

use super::failure::{Exit, Failure, Result, reason};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, SupportedKxGroup, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, CipherSuite, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    SupportedProtocolVersion,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// What the user wants of TLS.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// Believe any certificate.
    pub insecure: bool,
    /// File of trusted certificates in PEM instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// The least version.
    pub least: Option<TlsVersion>,
    /// The greatest version.
    pub most: Option<TlsVersion>,
    /// The own certificate, and the file of its key where that is another.
    pub identity: Option<(PathBuf, Option<PathBuf>)>,
}

/// Where the system keeps trusted certificates.
const SYSTEM_CA_FILE: &str = "/etc/ssl/certs/ca-certificates.crt";

impl TlsOptions {
    /// The file of trusted certificates.
    pub fn trusted_file(&self) -> PathBuf {
        let named = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        self.ca_file
            .clone()
            .or_else(|| named("CURL_CA_BUNDLE"))
            .or_else(|| named("SSL_CERT_FILE"))
            .unwrap_or_else(|| PathBuf::from(SYSTEM_CA_FILE))
    }

    /// A configuration that offers `protocols`.
    pub(super) fn config(&self, protocols: &[&str]) -> Result<Arc<ClientConfig>> {
        let provider = Arc::new(provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&self.versions()?)
            .map_err(|error| failed(&error))?;
        let verifier: Arc<dyn ServerCertVerifier> = if self.insecure {
            Arc::new(Anyone(provider))
        } else {
            Arc::new(Trusted::read(&self.trusted_file(), provider)?)
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let key = key.as_ref().unwrap_or(certificate);
                builder
                    .with_client_auth_cert(certificates(certificate, own_problem)?, private_key(key)?)
                    .map_err(|error| own_problem(certificate, &error.to_string()))?
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Ok(Arc::new(config))
    }

    fn versions(&self) -> Result<Vec<&'static SupportedProtocolVersion>> {
        let (least, most) = (
            self.least.unwrap_or(TlsVersion::V12),
            self.most.unwrap_or(TlsVersion::V13),
        );
        let all = [
            (TlsVersion::V13, &rustls::version::TLS13),
            (TlsVersion::V12, &rustls::version::TLS12),
        ];
        let kept: Vec<_> = all
            .into_iter()
            .filter(|(version, _)| (least..=most).contains(version))
            .map(|(_, known)| known)
            .collect();
        if kept.is_empty() {
            return Err(Failure::new(Exit::TlsConnect, "no TLS version is allowed"));
        }
        Ok(kept)
    }
}

/// The provider, with what is quick in portable code first: a guest has no AES instructions.
fn provider() -> CryptoProvider {
    let mut provider = ring::default_provider();
    let quick = |suite: CipherSuite| {
        matches!(
            suite,
            CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
                | CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
        )
    };
    provider
        .cipher_suites
        .sort_by_key(|suite| (suite.tls13().is_none(), !quick(suite.suite())));
    provider
        .kx_groups
        .sort_by_key(|group: &&dyn SupportedKxGroup| group.name() != rustls::NamedGroup::X25519);
    provider
}

/// What a handshake's failure means. `host` is the name that was asked for.
pub(super) fn handshake_failure(error: &Error, host: &str) -> Failure {
    let Error::InvalidCertificate(problem) = error else {
        return failed(error);
    };
    let text = match problem {
        CertificateError::UnknownIssuer => "SSL certificate problem: unable to get local issuer certificate".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "SSL certificate problem: certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "SSL certificate problem: certificate is not yet valid".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("SSL: no alternative certificate subject name matches target host name '{host}'")
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "SSL certificate problem: self-signed certificate".to_owned()
        }
        other => format!("SSL certificate problem: {other}"),
    };
    Failure::new(Exit::PeerVerification, text)
}

fn failed(error: &Error) -> Failure {
    if matches!(error, Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) {
        return Failure::new(
            Exit::TlsConnect,
            "TLS connect error: wrong version number (is this TLS?)",
        );
    }
    Failure::new(Exit::TlsConnect, format!("TLS connect error: {error}"))
}

/// Believes anyone, but only who holds the key of the certificate that is shown.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Believes whom a trusted certificate vouches for, and a server that shows a trusted certificate itself: a self-signed
/// one that says it is an authority would be refused as a server's by the rules for chains.
#[derive(Debug)]
struct Trusted {
    inner: Arc<WebPkiServerVerifier>,
    exact: Vec<CertificateDer<'static>>,
}

impl Trusted {
    fn read(path: &Path, provider: Arc<CryptoProvider>) -> Result<Self> {
        let exact = certificates(path, trust_problem)?;
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(exact.iter().cloned());
        if usable == 0 {
            return Err(trust_problem(path, "it holds no certificate"));
        }
        let inner = WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
            .build()
            .map_err(|error| trust_problem(path, &error.to_string()))?;
        Ok(Self { inner, exact })
    }
}

impl ServerCertVerifier for Trusted {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judged = self.inner.verify_server_cert(certificate, chain, name, ocsp, now);
        match judged {
            Err(Error::InvalidCertificate(CertificateError::Other(_)))
                if self.exact.iter().any(|known| known.as_ref() == certificate.as_ref()) =>
            {
                let parsed = ParsedCertificate::try_from(certificate)?;
                rustls::client::verify_server_name(&parsed, name)?;
                Ok(ServerCertVerified::assertion())
            }
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn certificates(path: &Path, problem: fn(&Path, &str) -> Failure) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = std::fs::read(path).map_err(|error| problem(path, &reason(&error)))?;
    CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| problem(path, &error.to_string()))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let bytes = std::fs::read(path).map_err(|error| own_problem(path, &reason(&error)))?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| own_problem(path, &error.to_string()))
}

fn trust_problem(path: &Path, detail: &str) -> Failure {
    let text = format!("error setting certificate file: {} ({detail})", path.display());
    Failure::new(Exit::CaFile, text)
}

fn own_problem(path: &Path, detail: &str) -> Failure {
    let text = format!(
        "could not load PEM client certificate or key {}: {detail}",
        path.display()
    );
    Failure::new(Exit::ClientCertificate, text)
}
