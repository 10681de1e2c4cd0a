//! One request at a time: a connection that is idle or a new one, the protocol it speaks, the exchange.

use super::connection::Connection;
use super::control::Control;
use super::dial::Dialer;
use super::failure::{Exit, Failure, Result};
use super::h1::Exchange;
use super::h2::Session;
use super::head::Head;
use super::observe::{Observer, Part};
use super::proxy::Proxy;
use super::request::{Request, Version};
use super::tls::TlsOptions;
use std::net::SocketAddr;

/// What came of a request.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The final head.
    pub head: Head,
    /// The peer's address.
    pub remote: Option<SocketAddr>,
    /// The own address.
    pub local: Option<SocketAddr>,
    /// The request went over an idle connection.
    pub reused: bool,
}

/// Makes requests and keeps connections for the next.
#[derive(Default)]
pub struct Client {
    /// How connections are made.
    pub dialer: Dialer,
    /// What is wanted of TLS.
    pub tls: TlsOptions,
    idle: Vec<(Key, Link)>,
    opened: u64,
}

/// What a connection is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    secure: bool,
    host: String,
    port: u16,
    proxy: Option<Proxy>,
    prior: bool,
}

enum Link {
    One(Box<Connection>),
    Two(Box<Session>),
}

impl Client {
    /// Connections opened so far.
    pub fn opened(&self) -> u64 {
        self.opened
    }

    /// Sends a request through `proxy` or directly, and takes the response.
    pub fn perform(
        &mut self,
        request: &Request,
        proxy: Option<&Proxy>,
        control: &mut Control,
        observer: &mut dyn Observer,
    ) -> Result<Reply> {
        let key = Key {
            secure: request.url.is_secure(),
            host: request.url.host.to_ascii_lowercase(),
            port: request.url.port(),
            proxy: proxy.cloned(),
            prior: request.version == Version::Http2Prior,
        };
        if let Some(link) = self.take(&key) {
            let number = link.number();
            observer.note(Part::Info(&format!(
                "Re-using existing connection #{number} with host {}",
                request.url.host
            )));
            control.times.pretransfer = control.elapsed();
            match self.exchange(link, &key, request, control, observer, true) {
                Err(failure) if failure.stale && request.body.replays() => {
                    observer.note(Part::Info("Connection died, retrying a fresh connect"));
                }
                outcome => return outcome,
            }
        }
        let link = self.open(request, proxy, control, observer)?;
        self.exchange(link, &key, request, control, observer, false)
    }

    fn take(&mut self, key: &Key) -> Option<Link> {
        let at = self.idle.iter().position(|(known, _)| known == key)?;
        let (_, mut link) = self.idle.swap_remove(at);
        let alive = match &mut link {
            Link::One(connection) => connection.is_quiet(),
            Link::Two(session) => session.is_alive(),
        };
        alive.then_some(link)
    }

    fn open(
        &mut self,
        request: &Request,
        proxy: Option<&Proxy>,
        control: &mut Control,
        observer: &mut dyn Observer,
    ) -> Result<Link> {
        let url = &request.url;
        let (host, port) = self.dialer.place(&url.host, url.port());
        let socket = self.dialer.connect((&host, port), proxy, control, observer)?;
        control.times.connect = control.elapsed();
        let mut connection = Connection::new(socket, self.opened);
        self.opened += 1;
        let near = proxy.map_or((host.as_str(), port), |proxy| (&proxy.host, proxy.port));
        let address = connection
            .remote
            .map_or_else(String::new, |address| address.ip().to_string());
        let text = format!(
            "Connected to {} ({address}) port {} (#{})",
            near.0, near.1, connection.number
        );
        observer.note(Part::Info(&text));
        if let Some(proxy) = proxy.filter(|proxy| proxy.tunnels(url)) {
            let far = if proxy.socks && !proxy.resolves {
                let found = self.dialer.addresses(&host, port).unwrap_or_default();
                let unknown = || Failure::new(Exit::ResolveHost, format!("Could not resolve host: {host}"));
                found.first().ok_or_else(unknown)?.to_string()
            } else {
                host.clone()
            };
            proxy.pass(&mut connection, (&far, port), control, observer)?;
        }
        let prior = request.version == Version::Http2Prior;
        if url.is_secure() {
            self.secure(&mut connection, request, control, observer)?;
        }
        let two = if url.is_secure() {
            connection.protocol() == Some(b"h2")
        } else {
            prior
        };
        let link = if two {
            observer.note(Part::Info("using HTTP/2"));
            Link::Two(Box::new(Session::begin(connection, control)?))
        } else {
            Link::One(Box::new(connection))
        };
        control.connected();
        Ok(link)
    }

    fn secure(
        &self,
        connection: &mut Connection,
        request: &Request,
        control: &mut Control,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        let offered: &[&str] = match request.version {
            Version::Auto => &["h2", "http/1.1"],
            Version::Http10 | Version::Http11 => &["http/1.1"],
            Version::Http2Prior => &["h2"],
        };
        let offers: Vec<String> = offered.iter().map(|name| format!("ALPN: offers {name}")).collect();
        offers.iter().for_each(|offer| observer.note(Part::Info(offer)));
        if !self.tls.insecure {
            observer.note(Part::Info(&format!(" CAfile: {}", self.tls.trusted_file().display())));
        }
        connection.secure(self.tls.config(offered)?, &request.url.host, control)?;
        control.times.tls = control.elapsed();
        if let Some(summary) = connection.tls_summary() {
            observer.note(Part::Info(&format!("SSL connection using {summary}")));
        }
        match connection.protocol() {
            Some(name) => {
                let text = format!("ALPN: server accepted {}", String::from_utf8_lossy(name));
                observer.note(Part::Info(&text));
            }
            None => observer.note(Part::Info("ALPN: server did not agree on a protocol. Uses default.")),
        }
        Ok(())
    }

    fn exchange(
        &mut self,
        link: Link,
        key: &Key,
        request: &Request,
        control: &mut Control,
        observer: &mut dyn Observer,
        reused: bool,
    ) -> Result<Reply> {
        (control.counts.down, control.counts.down_total) = (0, None);
        (control.counts.up, control.counts.up_total) = (0, request.body.length().filter(|_| request.body.is_some()));
        let (link, head, reusable, remote, local) = match link {
            Link::One(mut connection) => {
                let proxied = key.proxy.as_ref().is_some_and(|proxy| !proxy.tunnels(&request.url));
                let exchange = Exchange::new(&mut connection, request, proxied, control, observer);
                let done = exchange.run().map_err(|failure| fresh(failure, reused))?;
                let (remote, local) = (connection.remote, connection.local);
                (Link::One(connection), done.head, done.reusable, remote, local)
            }
            Link::Two(mut session) => {
                let outcome = session.exchange(request, control, observer);
                let (head, reusable) = outcome.map_err(|failure| fresh(failure, reused))?;
                let (remote, local) = session.with_connection(|connection| (connection.remote, connection.local));
                (Link::Two(session), head, reusable, remote, local)
            }
        };
        if reusable {
            let text = format!("Connection #{} to host {} left intact", link.number(), request.url.host);
            observer.note(Part::Info(&text));
            if self.idle.len() >= IDLE_MOST {
                self.idle.remove(0);
            }
            self.idle.push((key.clone(), link));
        } else {
            observer.note(Part::Info(&format!("Closing connection {}", link.number())));
        }
        Ok(Reply {
            head,
            remote,
            local,
            reused,
        })
    }
}

impl Link {
    fn number(&self) -> u64 {
        match self {
            Self::One(connection) => connection.number,
            Self::Two(session) => session.with_connection(|connection| connection.number),
        }
    }
}

/// A new connection that says nothing has not gone stale.
fn fresh(mut failure: Failure, reused: bool) -> Failure {
    failure.stale &= reused;
    failure
}

/// Most connections that are kept.
const IDLE_MOST: usize = 5;
