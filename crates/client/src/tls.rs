//! Whom a client trusts.

use crate::error::{Error, Result};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use std::sync::Arc;

/// The web's roots and the given certificates.
pub(crate) fn configuration(extra: &[Vec<u8>]) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for pem in extra {
        let refused = |what: &dyn core::fmt::Display| Error::Invalid {
            field: "root certificate",
            given: what.to_string(),
            expected: "certificates in PEM",
        };
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| refused(&error))?;
            roots.add(certificate).map_err(|error| refused(&error))?;
            found = true;
        }
        if !found {
            return Err(refused(&"no certificate"));
        }
    }
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Protocol(error.to_string()))
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth())
}
