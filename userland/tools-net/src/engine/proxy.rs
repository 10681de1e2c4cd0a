//! Proxies: which one stands between, and the way through it.

use super::connection::Connection;
use super::control::Control;
use super::encode::base64;
use super::failure::{Exit, Failure, Result};
use super::h1;
use super::observe::{Observer, Part};
use super::url::Url;

/// A proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxy {
    /// How it is spoken to.
    pub socks: bool,
    /// SOCKS: it resolves names.
    pub resolves: bool,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password.
    pub credentials: Option<(Vec<u8>, Vec<u8>)>,
    /// Every request goes through a tunnel.
    pub tunnel: bool,
    /// What it is told of the program.
    pub agent: String,
}

impl Proxy {
    /// Parses `[SCHEME://][USER:PASSWORD@]HOST[:PORT]`.
    pub fn parse(text: &str) -> Result<Self> {
        let url = Url::parse(text, "http", true)
            .map_err(|_| Failure::new(Exit::ResolveProxy, format!("Unsupported proxy syntax in '{text}'")))?;
        let (socks, resolves) = match url.scheme.as_str() {
            "http" => (false, true),
            "socks5" => (true, false),
            "socks5h" | "socks" => (true, true),
            other => {
                let text = format!("Unsupported proxy scheme for '{other}'");
                return Err(Failure::new(Exit::Connect, text));
            }
        };
        Ok(Self {
            socks,
            resolves,
            port: url.port.unwrap_or(1080),
            credentials: url.credentials(),
            host: url.host,
            tunnel: false,
            agent: String::new(),
        })
    }

    /// Value of `Proxy-Authorization`.
    pub fn authorization(&self) -> Option<String> {
        let (user, password) = self.credentials.as_ref()?;
        Some(format!("Basic {}", base64(&[user, &b":"[..], password].concat())))
    }

    /// Whether requests to this URL go through a tunnel rather than to the proxy itself.
    pub(super) fn tunnels(&self, url: &Url) -> bool {
        self.socks || self.tunnel || url.is_secure()
    }

    /// Makes a connection to the proxy one to `host` and `port`.
    pub(super) fn pass(
        &self,
        connection: &mut Connection,
        (host, port): (&str, u16),
        control: &mut Control,
        observer: &mut dyn Observer,
    ) -> Result<()> {
        if self.socks {
            return self.socks(connection, (host, port), control);
        }
        let bracketed = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let mut head = format!("CONNECT {bracketed}:{port} HTTP/1.1\r\nHost: {bracketed}:{port}\r\n");
        if let Some(value) = self.authorization() {
            head.push_str(&format!("Proxy-Authorization: {value}\r\n"));
        }
        if !self.agent.is_empty() {
            head.push_str(&format!("User-Agent: {}\r\n", self.agent));
        }
        head.push_str("Proxy-Connection: Keep-Alive\r\n\r\n");
        connection.write_all(head.as_bytes(), control)?;
        control.counts.requests += head.len() as u64;
        observer.note(Part::Request(head.as_bytes()));
        let answer = h1::read_head_exactly(connection, control)?;
        if (200..300).contains(&answer.status) {
            observer.note(Part::Info("CONNECT tunnel established, response 200"));
            return Ok(());
        }
        let text = format!("CONNECT tunnel failed, response {}", answer.status);
        Err(Failure::new(Exit::Receive, text))
    }

    fn socks(&self, connection: &mut Connection, (host, port): (&str, u16), control: &mut Control) -> Result<()> {
        let method = if self.credentials.is_some() { 2 } else { 0 };
        connection.write_all(&[5, 1, method], control)?;
        let mut answer = [0; 2];
        exactly(connection, &mut answer, control)?;
        match answer {
            [5, 0] => {}
            [5, 2] => self.socks_login(connection, control)?,
            _ => return Err(refused("no way to log in was agreed on")),
        }
        let mut request = vec![5, 1, 0];
        match host.parse() {
            Ok(std::net::IpAddr::V4(ip)) => request.extend([&[1][..], &ip.octets()].concat()),
            Ok(std::net::IpAddr::V6(ip)) => request.extend([&[4][..], &ip.octets()].concat()),
            Err(_) => {
                request.extend([3, short(host.as_bytes())?]);
                request.extend(host.as_bytes());
            }
        }
        request.extend(port.to_be_bytes());
        connection.write_all(&request, control)?;
        let mut head = [0; 5];
        exactly(connection, &mut head, control)?;
        if head[1] != 0 {
            return Err(refused(&format!(
                "cannot complete SOCKS5 connection to {host}. ({})",
                head[1]
            )));
        }
        let rest = match head[3] {
            1 => 4 + 2 - 1,
            4 => 16 + 2 - 1,
            _ => usize::from(head[4]) + 2,
        };
        exactly(connection, &mut vec![0; rest], control)
    }

    fn socks_login(&self, connection: &mut Connection, control: &mut Control) -> Result<()> {
        let (user, password) = self.credentials.clone().unwrap_or_default();
        let mut login = vec![1, short(&user)?];
        login.extend(&user);
        login.push(short(&password)?);
        login.extend(&password);
        connection.write_all(&login, control)?;
        let mut answer = [0; 2];
        exactly(connection, &mut answer, control)?;
        if answer[1] == 0 {
            Ok(())
        } else {
            Err(refused("User was rejected by the SOCKS5 server"))
        }
    }
}

/// Whether a host stands in a list like `localhost,.example.org,10.0.0.1` of those without a proxy.
pub fn no_proxy(list: &str, host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    list.split([',', ' ']).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
        let inside = host
            .strip_suffix(&entry)
            .is_some_and(|front| front.is_empty() || front.ends_with('.'));
        entry == "*" || (!entry.is_empty() && inside)
    })
}

fn exactly(connection: &mut Connection, mut buf: &mut [u8], control: &mut Control) -> Result<()> {
    while !buf.is_empty() {
        let count = connection.read(buf, control)?;
        if count == 0 {
            return Err(refused("the proxy closed the connection"));
        }
        buf = buf.get_mut(count..).unwrap_or_default();
    }
    Ok(())
}

fn short(bytes: &[u8]) -> Result<u8> {
    u8::try_from(bytes.len()).map_err(|_| refused("a name or password is too long for SOCKS5"))
}

fn refused(text: &str) -> Failure {
    Failure::new(Exit::Proxy, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_read() {
        let proxy = Proxy::parse("http://u:p%20@proxy:3128").unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port, proxy.socks), ("proxy", 3128, false));
        assert_eq!(proxy.authorization().unwrap(), "Basic dTpwIA==");
        assert!(Proxy::parse("socks5h://h").unwrap().resolves);
        assert_eq!(Proxy::parse("ftp://h").unwrap_err().exit, Exit::Connect);
    }

    #[test]
    fn hosts_without_a_proxy_match_whole_labels() {
        assert!(no_proxy("a.b,example.org", "www.example.org"));
        assert!(no_proxy(".example.org", "example.org"));
        assert!(no_proxy("*", "x"));
        assert!(!no_proxy("example.org", "badexample.org"));
        assert!(!no_proxy("", "x"));
    }
}
