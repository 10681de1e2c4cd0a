//! TLS of a guest: passed on, refused, or opened.

use super::head::{Authority, Scheme};
use super::prefixed::Prefixed;
use super::sniff::Hello;
use super::{End, Ended, Opener, Place, http, tunnel};
use core::pin::pin;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

/// Protocols that can be opened, in the order of preference.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Alert descriptions (RFC 8446 section 6).
const UNRECOGNIZED_NAME: u8 = 112;
const NO_APPLICATION_PROTOCOL: u8 = 120;

impl Opener {
    /// A connection that begins with a TLS greeting.
    pub(super) async fn tls<G: End, H: End>(
        &self,
        place: &Place<'_>,
        hello: Hello,
        guest: Prefixed<G>,
        host: H,
    ) -> Result<(), Ended> {
        let Some(name) = hello.server_name else {
            return refuse(guest, UNRECOGNIZED_NAME, "the TLS greeting names no host").await;
        };
        if !self.secrets.lists(&name, place.port) {
            return Ok(tunnel::untouched(guest, host).await?);
        }
        if !place.names.contains(&name) {
            return refuse(
                guest,
                UNRECOGNIZED_NAME,
                "the TLS greeting names a host that was not resolved to this address",
            )
            .await;
        }
        let offered: Vec<&'static [u8]> = PROTOCOLS
            .into_iter()
            .filter(|known| hello.protocols.iter().any(|offered| offered == known))
            .collect();
        if offered.is_empty() && !hello.protocols.is_empty() {
            return refuse(guest, NO_APPLICATION_PROTOCOL, "the TLS greeting offers no HTTP").await;
        }
        match self.verified(place, &name, &offered, host).await {
            Ok((host, protocol)) => self.opened(place, &name, protocol, guest, host).await,
            Err(reason) => {
                let guest = self.accept(place, &name, offered.first().copied(), guest).await?;
                let http2 = speaks_http2(guest.get_ref().1.alpn_protocol());
                let text = format!("request not sent to {name}: {reason}");
                http::refuse_all(text, http2, guest, &self.limits).await
            }
        }
    }

    /// Greets the host and verifies that it is the one of this name. Gives what both sides will speak.
    async fn verified<H: End>(
        &self,
        place: &Place<'_>,
        name: &str,
        offered: &[&'static [u8]],
        host: H,
    ) -> Result<(client::TlsStream<H>, Option<&'static [u8]>), String> {
        let mut config = self.client.clone();
        config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
        let server_name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(server_name, host);
        let mut stream = match timeout(self.limits.handshake_timeout, connecting).await {
            Ok(connected) => connected.map_err(|error| explain(&error))?,
            Err(_) => {
                place.trace.slow_host(self.limits.handshake_timeout);
                return Err("its TLS handshake took too long".to_owned());
            }
        };
        stream
            .get_mut()
            .1
            .set_buffer_limit(Some(self.limits.max_buffered_bytes));
        let chosen = stream.get_ref().1.alpn_protocol();
        let http1 = offered.iter().find(|offered| **offered == b"http/1.1");
        let protocol = match chosen {
            Some(chosen) => offered.iter().find(|offered| **offered == chosen),
            None => http1,
        };
        match (protocol, chosen.is_none() && offered.is_empty()) {
            (Some(protocol), _) => Ok((stream, Some(*protocol))),
            (None, true) => Ok((stream, None)),
            (None, false) => Err("it speaks none of the protocols that were offered".to_owned()),
        }
    }

    async fn opened<G: End, H: End>(
        &self,
        place: &Place<'_>,
        name: &str,
        protocol: Option<&'static [u8]>,
        guest: G,
        host: client::TlsStream<H>,
    ) -> Result<(), Ended> {
        let guest = self.accept(place, name, protocol, guest).await?;
        let exchange = self.exchange(Scheme::Https, Authority::Verified(name.to_owned()), place.port);
        http::serve(exchange, speaks_http2(protocol), guest, host).await
    }

    /// Answers the guest's greeting in the host's name.
    async fn accept<G: End>(
        &self,
        place: &Place<'_>,
        name: &str,
        protocol: Option<&'static [u8]>,
        guest: G,
    ) -> Result<server::TlsStream<G>, Ended> {
        let config = self.secrets.authority().server(name, protocol);
        let config = config.map_err(|_| Ended::Refused("no certificate for this host"))?;
        // Pinned here, so that the guest's end is still there when its deadline passes.
        let mut accepting = pin!(TlsAcceptor::from(config).accept(guest));
        match timeout(self.limits.handshake_timeout, accepting.as_mut()).await {
            Ok(accepted) => {
                let mut stream = accepted?;
                stream
                    .get_mut()
                    .1
                    .set_buffer_limit(Some(self.limits.max_buffered_bytes));
                Ok(stream)
            }
            Err(_) => {
                place.trace.slow_guest(self.limits.handshake_timeout);
                Err(Ended::TooSlow)
            }
        }
    }
}

fn speaks_http2(protocol: Option<&[u8]>) -> bool {
    protocol == Some(b"h2")
}

/// What went wrong between us and a host, from what TLS says about it.
fn explain(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(reason)) => format!("its certificate is not valid: {reason}"),
        Some(reason) => format!("its TLS handshake failed: {reason}"),
        None => "it ended the connection during the TLS handshake".to_owned(),
    }
}

/// Ends a TLS connection that has not begun with a fatal alert.
async fn refuse<G: End>(mut guest: G, alert: u8, reason: &'static str) -> Result<(), Ended> {
    // A guest that is gone need not be told.
    let _ = guest.write_all(&[0x15, 3, 3, 0, 2, 2, alert]).await;
    let _ = guest.shutdown().await;
    Err(Ended::Refused(reason))
}
