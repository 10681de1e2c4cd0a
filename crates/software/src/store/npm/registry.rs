//! Asking a registry, over TLS with the host's certificates, through the host's proxy.
//!
//! Answers are read to their bounds and no further. Redirects are followed by hand: none leads from TLS into the clear, and a
//! credential goes to nobody but whom it is for. What fails for a moment is tried again.

use super::super::bounds::Bounds;
use super::super::error::{Error, Result};
use super::document::Document;
use super::names::Remembered;
use super::settings::{Settings, shown};
use std::io::Read;
use std::time::Duration;
use ureq::http::{Response, StatusCode, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

/// Times that something is tried.
const TRIES: u32 = 3;
/// The first wait between tries; each further one is twice as long.
const WAIT: Duration = Duration::from_millis(200);
/// Connections that are kept.
const CONNECTIONS: usize = 2 * super::documents::THREADS;
const CONNECT: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(60);
/// The form of documents for installers, then the long one, which says the same and more.
const ACCEPT: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8";

/// A registry.
#[derive(Debug)]
pub(super) struct Registry {
    agent: Agent,
    settings: Settings,
    bounds: Bounds,
}

/// Why an answer is none, and whether it may be another in a moment.
struct Failed {
    reason: String,
    again: bool,
}

impl Registry {
    pub(super) fn new(settings: Settings, bounds: Bounds) -> Self {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = Agent::config_builder()
            .tls_config(tls)
            .max_redirects(0)
            // Every thread keeps its connection: a new one for each archive costs a handshake and a question for the address.
            .max_idle_connections(CONNECTIONS)
            .max_idle_connections_per_host(CONNECTIONS)
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_per_read(Some(ANSWER))
            .user_agent(concat!("agentos/", env!("CARGO_PKG_VERSION")));
        Self {
            agent: Agent::with_parts(config.build(), DefaultConnector::default(), Remembered::default()),
            settings,
            bounds,
        }
    }

    /// What there is of a package.
    pub(super) fn document(&self, name: &str) -> Result<Document> {
        let url = format!("{}{}", self.settings.registry(name), name.replace('/', "%2f"));
        let text = self.tried(&url, |url| {
            let answer = self.answer(url, ACCEPT, "gzip")?;
            let mut text = Vec::new();
            let body = answer.into_body().into_with_config().limit(u64::MAX).reader();
            body.take(self.bounds.document + 1)
                .read_to_end(&mut text)
                .map_err(|error| broken(&error))?;
            Ok(text)
        })?;
        let what = format!("bytes of what the registry says of {name}");
        Bounds::check(what, text.len() as u64, self.bounds.document, "bytes", "document")?;
        serde_json::from_slice(&text).map_err(|error| Error::Registry {
            url: shown(&url),
            reason: format!("the answer does not make sense: {error}"),
        })
    }

    /// Reads an archive, from its beginning at each try.
    pub(super) fn archive(&self, url: &str, take: &mut dyn FnMut(&mut dyn Read) -> std::io::Result<()>) -> Result<()> {
        self.tried(url, |url| {
            let answer = self.answer(url, "*/*", "identity")?;
            let length = answer.headers().get(header::CONTENT_LENGTH);
            let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
            if let Some(length) = length.filter(|length| *length > self.bounds.download) {
                let reason = format!("{length} bytes exceed the limit of {} (download)", self.bounds.download);
                return Err(Failed { reason, again: false });
            }
            let mut body = answer.into_body().into_with_config().limit(u64::MAX).reader();
            take(&mut body).map_err(|error| broken(&error))
        })
    }

    fn tried<T>(&self, url: &str, mut attempt: impl FnMut(&str) -> Result<T, Failed>) -> Result<T> {
        let mut wait = WAIT;
        for tried in 1.. {
            match attempt(url) {
                Ok(value) => return Ok(value),
                Err(failed) if failed.again && tried < TRIES => {
                    std::thread::sleep(wait);
                    wait *= 2;
                }
                Err(Failed { reason, .. }) => {
                    let url = shown(url);
                    return Err(Error::Registry { url, reason });
                }
            }
        }
        Err(Error::Registry {
            url: shown(url),
            reason: "was not asked".to_owned(),
        })
    }

    /// The answer to a question, redirects followed.
    fn answer(&self, url: &str, accept: &str, encoding: &str) -> Result<Response<Body>, Failed> {
        let never = |reason: String| Failed { reason, again: false };
        let mut url = url.to_owned();
        for _ in 0..=self.bounds.redirects {
            if !self.settings.accepts(&url) {
                let reason = format!("{} is not over TLS, and is refused", shown(&url));
                return Err(never(reason));
            }
            let mut request = self.agent.get(&url).header(header::ACCEPT, accept);
            request = request.header(header::ACCEPT_ENCODING, encoding);
            if let Some(credential) = self.settings.credential(&url) {
                request = request.header(header::AUTHORIZATION, credential);
            }
            let answer = request.call().map_err(|error| {
                let again = !matches!(
                    error,
                    ureq::Error::BadUri(_) | ureq::Error::Tls(_) | ureq::Error::Http(_)
                );
                let reason = error.to_string();
                Failed { reason, again }
            })?;
            let status = answer.status();
            if !status.is_redirection() {
                return checked(status, answer);
            }
            let to = answer.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
            let to = to.ok_or_else(|| never("redirects to nowhere".to_owned()))?;
            url = join(&url, to).ok_or_else(|| never("redirects to what is no URL".to_owned()))?;
        }
        let most = self.bounds.redirects;
        Err(never(format!("redirects more than {most} times (redirects)")))
    }
}

fn checked(status: StatusCode, answer: Response<Body>) -> Result<Response<Body>, Failed> {
    let reason = match status {
        status if status.is_success() => return Ok(answer),
        StatusCode::NOT_FOUND => "there is no such package (404)".to_owned(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            format!("the registry refuses ({status}); a credential belongs into ~/.npmrc")
        }
        status => format!("the registry answers {status}"),
    };
    let again = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    Err(Failed { reason, again })
}

fn broken(error: &std::io::Error) -> Failed {
    // What was cut short may be whole the next time; what is too much is not less then.
    let again = error.kind() != std::io::ErrorKind::FileTooLarge;
    Failed {
        reason: format!("the answer broke off: {error}"),
        again,
    }
}

/// Where a redirect leads.
fn join(from: &str, to: &str) -> Option<String> {
    if to.contains("://") {
        return Some(to.to_owned());
    }
    let (scheme, rest) = from.split_once("://")?;
    let host = rest.split('/').next()?;
    match to.strip_prefix('/') {
        Some(path) if !path.starts_with('/') => Some(format!("{scheme}://{host}/{path}")),
        _ => None,
    }
}
