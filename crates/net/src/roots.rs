//! Whom the host's side of TLS trusts: the web's root certificates and what the operator adds.

use rustls::crypto::CryptoProvider;
pub use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// The cryptography of all TLS here.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Certificates that were read from PEM text.
///
/// # Errors
/// What is wrong; text without any certificate is wrong, too.
pub fn parse_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|error| format!("not PEM: {error}"))?;
    if found.is_empty() {
        return Err("holds no certificate".to_owned());
    }
    let mut store = RootCertStore::empty();
    for (index, certificate) in found.iter().enumerate() {
        store
            .add(certificate.clone())
            .map_err(|error| format!("certificate {index}: {error}"))?;
    }
    Ok(found)
}

/// A client that verifies servers against the web's roots and `extra`.
pub(crate) fn client(extra: &[CertificateDer<'static>]) -> Result<ClientConfig, String> {
    let mut store = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    for certificate in extra {
        store.add(certificate.clone()).map_err(|error| error.to_string())?;
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(store).with_no_client_auth())
}
