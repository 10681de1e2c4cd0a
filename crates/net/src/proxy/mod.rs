//! Outbound connections through a proxy of the host.
//!
//! ```text
//!   guest's connect --> resolver, guard, policy --> proxy: "CONNECT 93.184.216.34:443" --> host
//! ```
//!
//! A proxy changes the way, not the destination: that was resolved, judged and admitted before, and the proxy is told the checked
//! address by number, so that no second lookup can lead elsewhere. Guests know nothing of it: their TLS goes end to end, the
//! proxy's credentials stay here, and the proxy variables of the host's environment are never read. The exempted ports of the
//! host's loopback are reached directly; datagrams, which no proxy here can carry, are refused.
//!
//! The proxy is the operator's choice and may be at any address; its name is the operator's, too, and is looked up with the
//! host's own resolver.

mod connect;
mod url;

use crate::secrets::SecretValue;
use core::fmt;

pub use url::InvalidProxy;

/// A proxy of the host.
#[derive(Clone)]
pub struct Proxy {
    kind: Kind,
    host: Box<str>,
    port: u16,
    credentials: Option<Credentials>,
}

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `CONNECT` over TCP.
    Http,
    /// `CONNECT` over TLS.
    Https,
    /// SOCKS version 5.
    Socks5,
}

#[derive(Clone)]
struct Credentials {
    user: SecretValue,
    password: SecretValue,
}

impl Kind {
    fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Socks5 => "socks5",
        }
    }
}

impl Proxy {
    /// Reads `http://host:port`, `https://host:port` or `socks5://host:port`, each with or without `user:password@`, in which
    /// `%` escapes are understood. The port may be left out: 80, 443, 1080.
    ///
    /// # Errors
    /// What is wrong, without credentials.
    pub fn parse(url: &str) -> Result<Self, InvalidProxy> {
        url::parse(url)
    }
}

impl fmt::Debug for Proxy {
    /// Without credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host: &dyn fmt::Display = match self.host.contains(':') {
            true => &format!("[{}]", self.host),
            false => &self.host,
        };
        write!(f, "{}://{host}:{}", self.kind.scheme(), self.port)
    }
}
