//! Certificates from files, read again when they change.
//!
//! Certificates live shorter than servers. The files are looked at when a connection arrives, at most once in
//! [`LOOK_AGAIN`]; a change that cannot be used leaves the old certificate in place and says so in the log.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tracing::{info, warn};

use crate::error::GatewayError;

/// How a client that speaks HTTP/2 says so.
pub(crate) const HTTP2: &[u8] = b"h2";

/// The shortest time between two looks at the files.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// The TLS side of a listener.
#[derive(Debug)]
pub(crate) struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    config: Arc<ServerConfig>,
    stamps: Stamps,
    looked: Instant,
}

/// Modification time and size of both files.
type Stamps = [Option<(SystemTime, u64)>; 2];

impl Tls {
    pub(crate) fn open(certificate: &Path, key: &Path) -> Result<Self, GatewayError> {
        let stamps = stamps(certificate, key);
        let config = load(certificate, key)?;
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            state: Mutex::new(State {
                config,
                stamps,
                looked: Instant::now(),
            }),
        })
    }

    /// An acceptor with the newest certificate.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let mut state = self.state.lock();
        if state.looked.elapsed() >= LOOK_AGAIN {
            state.looked = Instant::now();
            let stamps = stamps(&self.certificate, &self.key);
            if stamps != state.stamps {
                state.stamps = stamps;
                match load(&self.certificate, &self.key) {
                    Ok(config) => {
                        info!(certificate = %self.certificate.display(), "certificate read again");
                        state.config = config;
                    }
                    Err(error) => warn!(%error, "the changed certificate cannot be used; going on with the old one"),
                }
            }
        }
        TlsAcceptor::from(Arc::clone(&state.config))
    }

    /// Reads both files now.
    pub(crate) fn reload(&self) -> Result<(), GatewayError> {
        let stamps = stamps(&self.certificate, &self.key);
        let config = load(&self.certificate, &self.key)?;
        let mut state = self.state.lock();
        state.config = config;
        state.stamps = stamps;
        Ok(())
    }
}

fn stamps(certificate: &Path, key: &Path) -> Stamps {
    [certificate, key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

fn load(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, GatewayError> {
    let wrong = |path: &Path, problem: String| GatewayError::Tls {
        path: path.to_owned(),
        problem,
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(certificate, error.to_string()))?;
    if chain.is_empty() {
        return Err(wrong(certificate, "no certificate in the file".into()));
    }
    let secret = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, secret))
        .map_err(|error| wrong(certificate, error.to_string()))?;
    config.alpn_protocols = vec![HTTP2.to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a new certificate and its key; returns the key.
    fn issue(directory: &Path) -> String {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(directory.join("cert.pem"), issued.cert.pem()).unwrap();
        let key = issued.signing_key.serialize_pem();
        std::fs::write(directory.join("key.pem"), &key).unwrap();
        key
    }

    /// What the next connection is served with, and whether that is new; `later` lets the time pass first.
    fn is_new(tls: &Tls, later: bool) -> bool {
        let before = {
            let mut state = tls.state.lock();
            if later {
                state.looked = state.looked.checked_sub(LOOK_AGAIN).unwrap();
                // Files that were written in the same instant and have the same length look alike.
                state.stamps = [None, None];
            }
            Arc::clone(&state.config)
        };
        let _ = tls.acceptor();
        !Arc::ptr_eq(&before, &tls.state.lock().config)
    }

    #[test]
    fn changed_files_are_found_by_themselves() {
        let directory = tempfile::tempdir().unwrap();
        let (certificate, key) = (directory.path().join("cert.pem"), directory.path().join("key.pem"));
        let first = issue(directory.path());
        let tls = Tls::open(&certificate, &key).unwrap();
        issue(directory.path());
        assert!(!is_new(&tls, false), "they are not looked at all the time");
        assert!(is_new(&tls, true));
        // While only one of the two is new they do not fit, and the old ones are served on.
        let second = issue(directory.path());
        std::fs::write(&key, first).unwrap();
        assert!(!is_new(&tls, true));
        std::fs::write(&key, second).unwrap();
        assert!(is_new(&tls, true));
        std::fs::remove_file(&key).unwrap();
        assert!(!is_new(&tls, true));
    }
}
