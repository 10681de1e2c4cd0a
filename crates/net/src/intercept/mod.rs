//! What happens between a guest and a host that a secret is for.
//!
//! ```text
//!                       +-- TLS to a listed name ----> opened here, verified there --> http
//!   first bytes ------- +-- plain HTTP/1.1 or 2 -----------------------------------> http
//!   (sniff)             +-- TLS to another name -----> tunnel, untouched, end to end
//!                       +-- anything else -----------> tunnel, values masked
//! ```
//!
//! Only connections to an address that the VM's resolver gave out for a listed name come here; all others never meet this code.
//! A guest's TLS is opened only if its greeting names a listed host that this address was given out for; then the host's own
//! certificate is verified for that name before the guest's greeting is answered. Both sides speak the same version of HTTP, the
//! one that the host chose among those that the guest offered, so nothing is translated.
//!
//! Invariants:
//!
//! * A value leaves only in a request that `head` let pass, on a connection whose other end is verified (TLS) or whose address
//!   was resolved for that name (plain).
//! * Nothing that comes back on an opened connection reaches the guest unsearched.
//! * Every wait for a guest's greeting or header has a deadline, every buffer a bound; bodies stream with back-pressure.
//! * Refusals are fixed texts and, where an error of TLS is told, what the peer presented. No header or body is ever in them.

mod body;
mod head;
mod http;
mod prefixed;
mod reply;
mod sniff;
#[cfg(test)]
mod tests;
mod tls;
mod trace;
mod tunnel;

use crate::secrets::{Patterns, SecretSet, normalize};
use bytes::BytesMut;
use core::time::Duration;
use prefixed::Prefixed;
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use sniff::Opening;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use trace::Trace;

pub use head::fuzz_head;
pub use sniff::fuzz_opening;

/// One end of a connection.
pub(crate) trait End: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> End for T {}

/// Bounds of opened connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterceptLimits {
    /// Bytes of a header in either direction (`limits.http.maxHeaderBytes`), at least 8 KiB.
    pub max_header_bytes: usize,
    /// Time for a TLS greeting and handshake, on each side (`limits.tls.handshakeTimeoutMs`).
    pub handshake_timeout: Duration,
    /// Bytes that wait in one TLS connection before its sender does (`limits.tls.maxBufferedBytes`).
    pub max_buffered_bytes: usize,
    /// Time for a request header to arrive, from the end of the previous request.
    pub header_timeout: Duration,
}

impl Default for InterceptLimits {
    fn default() -> Self {
        Self {
            max_header_bytes: 64 << 10,
            handshake_timeout: Duration::from_secs(5),
            max_buffered_bytes: 4 << 20,
            header_timeout: Duration::from_secs(75),
        }
    }
}

/// Opens connections of one VM to the hosts of its secrets.
pub(crate) struct Opener {
    secrets: Arc<SecretSet>,
    client: ClientConfig,
    limits: InterceptLimits,
    patterns: Patterns,
}

impl Opener {
    /// `extra` are certificate authorities that are trusted besides the web's.
    pub(crate) fn new(
        secrets: Arc<SecretSet>,
        extra: &[CertificateDer<'static>],
        limits: InterceptLimits,
    ) -> Result<Self, String> {
        Ok(Self {
            client: crate::roots::client(extra)?,
            patterns: secrets.all_patterns(),
            secrets,
            limits,
        })
    }

    /// Whether a connection to an address with these names may carry a secret.
    pub(crate) fn concerns<N: AsRef<str>>(&self, names: &[N], port: u16) -> bool {
        names
            .iter()
            .filter_map(|name| normalize(name.as_ref()))
            .any(|name| self.secrets.lists(&name, port))
    }

    /// Carries a connection until it ends.
    pub(crate) async fn carry<G: End, H: End>(&self, place: Place<'_>, mut guest: G, mut host: H) -> Result<(), Ended> {
        let (mut sent, mut received) = (BytesMut::new(), BytesMut::new());
        let opening = sniff::opening(&mut guest, &mut host, &mut sent, &mut received, &self.limits).await;
        if matches!(opening, Err(Ended::TooSlow)) {
            place.trace.slow_guest(self.limits.handshake_timeout);
        }
        let guest = Prefixed::new(sent.freeze(), guest);
        let host = Prefixed::new(received.freeze(), host);
        match opening? {
            Opening::Tls(hello) => self.tls(&place, hello, guest, host).await,
            Opening::Http1 => self.plain(&place, false, guest, host).await,
            Opening::Http2 => self.plain(&place, true, guest, host).await,
            Opening::Other => Ok(tunnel::masked(guest, host, &self.patterns).await?),
            Opening::Refused => Err(Ended::Refused("not a valid TLS greeting")),
        }
    }

    async fn plain<G: End, H: End>(&self, place: &Place<'_>, http2: bool, guest: G, host: H) -> Result<(), Ended> {
        let authority = head::Authority::Resolved(place.names.to_vec());
        let exchange = self.exchange(head::Scheme::Http, authority, place.port);
        http::serve(exchange, http2, guest, host).await
    }

    fn exchange(&self, scheme: head::Scheme, authority: head::Authority, port: u16) -> http::Exchange {
        http::Exchange {
            secrets: Arc::clone(&self.secrets),
            patterns: self.patterns.clone(),
            rule: head::Rule {
                scheme,
                authority,
                port,
            },
            limits: self.limits,
        }
    }
}

/// Where a connection leads.
pub(crate) struct Place<'a> {
    /// The names that the VM's resolver gave the address out for.
    pub(crate) names: &'a [String],
    pub(crate) port: u16,
    /// Who hears of it.
    pub(crate) trace: &'a Trace,
}

/// Why a connection was ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Ended {
    /// What the guest did is refused.
    #[error("{0}")]
    Refused(&'static str),
    /// A deadline has passed, and that was told.
    #[error("it took too long")]
    TooSlow,
    /// One of the ends failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}
