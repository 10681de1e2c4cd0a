//! Speaking to a proxy until it has connected.

use super::{Credentials, Kind, Proxy};
use crate::dial::Dial;
use crate::errors;
use crate::passage::HostEnd;
use agentos_kernel::{Errno, Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_socks::tcp::Socks5Stream;
use zeroize::Zeroizing;

/// Bytes of a proxy's answer.
const ANSWER_MAX: usize = 16 << 10;

impl Proxy {
    /// A connection to the checked address, through the proxy. `client` verifies a proxy that is spoken to over TLS. The caller
    /// bounds the time.
    pub(crate) async fn connect(&self, dial: &Dial, client: &ClientConfig, to: SocketAddr) -> Result<HostEnd> {
        let stream = self.reach(dial).await?;
        match self.kind {
            Kind::Http => http_connect(stream, self.credentials.as_ref(), to).await,
            Kind::Https => {
                let name = ServerName::try_from(self.host.to_string()).map_err(|_| Error::from(Errno::EINVAL))?;
                let tls = TlsConnector::from(Arc::new(client.clone())).connect(name, stream);
                let stream = tls.await.map_err(|error| errors::error(&error))?;
                http_connect(stream, self.credentials.as_ref(), to).await
            }
            Kind::Socks5 => self.socks(stream, to).await,
        }
    }

    /// A connection to the proxy itself.
    async fn reach(&self, dial: &Dial) -> Result<TcpStream> {
        let addresses: Vec<SocketAddr> = match self.host.parse::<IpAddr>() {
            Ok(address) => vec![SocketAddr::new(address, self.port)],
            Err(_) => {
                let found = tokio::net::lookup_host((&*self.host, self.port)).await;
                found.map_err(|_| Error::from(Errno::EHOSTUNREACH))?.collect()
            }
        };
        let mut failed = Errno::EHOSTUNREACH.into();
        for address in addresses {
            match dial.operator(address).await {
                Ok(stream) => {
                    // Small messages go back and forth before anything else does.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn socks(&self, stream: TcpStream, to: SocketAddr) -> Result<HostEnd> {
        let connected = match &self.credentials {
            None => Socks5Stream::connect_with_socket(stream, to).await,
            Some(own) => {
                let text = |value| core::str::from_utf8(value).map_err(|_| Error::from(Errno::EINVAL));
                let (user, password) = (text(own.user.expose())?, text(own.password.expose())?);
                Socks5Stream::connect_with_password_and_socket(stream, to, user, password).await
            }
        };
        match connected {
            Ok(connected) => Ok(Box::new(connected.into_inner())),
            Err(error) => Err(socks_error(&error, to)),
        }
    }
}

/// Asks for a tunnel.
async fn http_connect<S>(stream: S, credentials: Option<&Credentials>, to: SocketAddr) -> Result<HostEnd>
where
    S: crate::passage::ByteStream + 'static,
{
    let aborted = |_| Error::from(Errno::ECONNABORTED);
    let handshake = hyper::client::conn::http1::Builder::new()
        .max_header_size(ANSWER_MAX)
        .max_buf_size(ANSWER_MAX)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(aborted)?;
    let driver = Driver(tokio::spawn(async move { drop(connection.with_upgrades().await) }));
    let mut request = Request::connect(to.to_string()).header(HOST, to.to_string());
    if let Some(own) = credentials {
        let pair = Zeroizing::new([own.user.expose(), b":", own.password.expose()].concat());
        let basic = Zeroizing::new(format!("Basic {}", &*Zeroizing::new(STANDARD.encode(&*pair))));
        let mut header = HeaderValue::from_str(&basic).map_err(|_| Error::from(Errno::EINVAL))?;
        header.set_sensitive(true);
        request = request.header(PROXY_AUTHORIZATION, header);
    }
    let request = request
        .body(Empty::<Bytes>::new())
        .map_err(|_| Error::from(Errno::EINVAL))?;
    let response = sender.send_request(request).await.map_err(aborted)?;
    match response.status() {
        status if status.is_success() => {
            let tunnel = hyper::upgrade::on(response).await.map_err(aborted)?;
            drop(driver);
            Ok(Box::new(TokioIo::new(tunnel)))
        }
        StatusCode::FORBIDDEN | StatusCode::PROXY_AUTHENTICATION_REQUIRED => Err(refused(to)),
        StatusCode::GATEWAY_TIMEOUT => Err(Errno::ETIMEDOUT.into()),
        _ => Err(Errno::ECONNREFUSED.into()),
    }
}

/// What moves bytes until the tunnel stands; ends with its request.
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn refused(to: SocketAddr) -> Error {
    Error::refused(format!(
        "EACCES: blocked outbound network access to tcp://{to}: refused by the proxy"
    ))
}

fn socks_error(error: &tokio_socks::Error, to: SocketAddr) -> Error {
    use tokio_socks::Error as Socks;
    match error {
        Socks::Io(error) => errors::error(error),
        Socks::ConnectionNotAllowedByRuleset | Socks::NoAcceptableAuthMethods | Socks::PasswordAuthFailure(_) => {
            refused(to)
        }
        Socks::NetworkUnreachable => Errno::ENETUNREACH.into(),
        Socks::HostUnreachable => Errno::EHOSTUNREACH.into(),
        Socks::ConnectionRefused => Errno::ECONNREFUSED.into(),
        Socks::TtlExpired => Errno::ETIMEDOUT.into(),
        _ => Errno::ECONNABORTED.into(),
    }
}
