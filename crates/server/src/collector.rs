//! The way to a collector of traces: HTTP, with or without TLS.
//!
//! Trusted are the web's certificate authorities and those in the file that `OTEL_EXPORTER_OTLP_CERTIFICATE` (or
//! `OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE`) names, as the specification of OpenTelemetry's exporters has it. Every request ends
//! within `OTEL_EXPORTER_OTLP_TIMEOUT`, and what a collector answers is read to a bound.

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use opentelemetry_http::{HttpClient, HttpError};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// How long a request may take unless the environment says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of an answer that are read.
const ANSWER_MAX: usize = 64 << 10;

/// Variables of the environment, the more specific one first.
const CERTIFICATE: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
];
const TIMEOUTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];

/// Sends what an exporter has to send.
#[derive(Debug)]
pub(crate) struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    timeout: Duration,
}

impl Collector {
    /// A way to any collector.
    ///
    /// # Errors
    /// What is wrong with the environment, naming the variable.
    pub(crate) fn from_environment() -> Result<Self, String> {
        let timeout = match variable(TIMEOUTS) {
            None => TIMEOUT,
            Some((name, text)) => {
                let ms = text
                    .trim()
                    .parse()
                    .map_err(|_| format!("{name}: must be a number of milliseconds"))?;
                Duration::from_millis(ms)
            }
        };
        Self::new(variable(CERTIFICATE), timeout)
    }

    fn new(certificate: Option<(&str, String)>, timeout: Duration) -> Result<Self, String> {
        let mut roots = RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some((name, file)) = certificate {
            let wrong = |reason: &dyn std::fmt::Display| format!("{name}: {file}: {reason}");
            let certificates = CertificateDer::pem_file_iter(&file).map_err(|error| wrong(&error))?;
            let before = roots.len();
            for certificate in certificates {
                let certificate = certificate.map_err(|error| wrong(&error))?;
                roots.add(certificate).map_err(|error| wrong(&error))?;
            }
            if roots.len() == before {
                return Err(wrong(&"there is no certificate in it"));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            timeout,
        })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let work = async {
            let response = self.client.request(request.map(Full::new)).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_MAX).collect().await?.to_bytes();
            Ok::<_, HttpError>(Response::from_parts(head, body))
        };
        tokio::time::timeout(self.timeout, work).await?
    }
}

impl HttpClient for Collector {
    fn send_bytes<'own, 'whole>(
        &'own self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'whole>>
    where
        'own: 'whole,
        Self: 'whole,
    {
        Box::pin(self.send(request))
    }
}

/// Checks the address of a collector; `name` is where it stands.
///
/// # Errors
/// What it must be.
pub(crate) fn check(name: &str, address: &str) -> Result<(), String> {
    let uri = address.trim().parse::<Uri>().ok();
    let fits = uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some());
    match fits {
        true => Ok(()),
        // The address may hold a password.
        false => Err(format!(
            "{name}: must be an address such as https://collector.example:4318"
        )),
    }
}

/// The first of these variables that is set to something.
pub(crate) fn variable(names: [&str; 2]) -> Option<(&str, String)> {
    names.into_iter().find_map(|name| {
        let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
        Some((name, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_never_repeated() {
        for address in [
            "http://127.0.0.1:4318",
            "https://collector.example/v1/traces",
            "HTTPS://c",
        ] {
            check("X", address).unwrap();
        }
        for address in [
            "collector:4318",
            "ftp://c",
            "grpc://hunter2@c",
            "https://",
            "/v1/traces",
            "not an address",
        ] {
            let refused = check("OTEL_EXPORTER_OTLP_ENDPOINT", address).unwrap_err();
            assert!(refused.starts_with("OTEL_EXPORTER_OTLP_ENDPOINT: must be") && !refused.contains("hunter2"));
        }
    }

    /// A collector with a certificate of its own, which takes one request; gives its port and what it was sent.
    async fn collector(directory: &std::path::Path) -> (u16, tokio::task::JoinHandle<String>) {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(directory.join("own.pem"), issued.cert.pem()).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.der().clone()], key.into());
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config.unwrap()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let taking = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                // A client that does not trust us ends the handshake.
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = Vec::new();
                while !request.ends_with(b"spans") {
                    request.push(stream.read_u8().await.unwrap());
                }
                stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    .await
                    .unwrap();
                return String::from_utf8(request).unwrap();
            }
        });
        (port, taking)
    }

    #[tokio::test]
    async fn spans_go_over_tls_to_whom_the_certificates_make_known() {
        let directory = tempfile::tempdir().unwrap();
        let (port, taking) = collector(directory.path()).await;
        let request = || {
            let target = format!("https://localhost:{port}/v1/traces");
            Request::post(target).body(Bytes::from("spans")).unwrap()
        };
        let stranger = Collector::new(None, TIMEOUT).unwrap();
        assert!(stranger.send(request()).await.is_err());
        let own = directory.path().join("own.pem").to_str().unwrap().to_owned();
        let known = Collector::new(Some(("OTEL_X", own)), TIMEOUT).unwrap();
        let answer = known.send(request()).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.body().as_ref()),
            (200, b"ok".as_slice())
        );
        assert!(taking.await.unwrap().starts_with("POST /v1/traces HTTP/1.1\r\n"));
    }

    #[test]
    fn files_of_certificates_are_checked() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let missing = directory.path().join("none").to_str().unwrap().to_owned();
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for file in [missing, file("empty", ""), file("broken", broken)] {
            let refused = Collector::new(Some(("OTEL_X", file.clone())), TIMEOUT).unwrap_err();
            assert!(refused.starts_with(&format!("OTEL_X: {file}: ")), "{refused}");
        }
    }
}
