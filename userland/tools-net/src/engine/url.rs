//! URLs as curl reads them: close to RFC 3986, kept as they were written wherever that means something to a server.

use super::encode::percent_decode;
use super::failure::{Exit, Failure, Result};
use std::fmt;
use std::net::Ipv4Addr;

/// A URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// In lower case.
    pub scheme: String,
    /// As written, before percent decoding.
    pub user: Option<String>,
    /// As written, before percent decoding.
    pub password: Option<String>,
    /// Without brackets; numbers that mean an IPv4 address are written as one.
    pub host: String,
    /// Where written.
    pub port: Option<u16>,
    /// Begins with a slash.
    pub path: String,
    /// Without the question mark.
    pub query: Option<String>,
}

impl Url {
    /// Parses what a user wrote. `default` is the scheme of a URL without one; `as_is` leaves dots in the path.
    pub fn parse(text: &str, default: &str, as_is: bool) -> Result<Self> {
        if text.is_empty() || text.len() > LONGEST || text.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
            return Err(malformed());
        }
        let (scheme, rest) = split_scheme(text).unwrap_or((default, text));
        let scheme = scheme.to_ascii_lowercase();
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        if authority.contains('\\') {
            return Err(malformed());
        }
        let (path, query) = match tail.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (tail, None),
        };
        let (user, password, host) = split_user(authority);
        let (host, port) = split_port(host)?;
        if scheme != "file" && host.is_empty() {
            return Err(malformed());
        }
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self {
            scheme,
            user,
            password,
            host: number_host(host).unwrap_or_else(|| host.to_owned()),
            port,
            path: if as_is { path.to_owned() } else { without_dots(path) },
            query,
        })
    }

    /// What `reference`, as a server wrote it, means at this URL.
    pub fn join(&self, reference: &str, as_is: bool) -> Result<Self> {
        let reference = escaped(reference.trim());
        if split_scheme(&reference).is_some() {
            return Self::parse(&reference, &self.scheme, as_is);
        }
        if let Some(rest) = reference.strip_prefix("//") {
            return Self::parse(&format!("{}://{rest}", self.scheme), &self.scheme, as_is);
        }
        let reference = reference.split('#').next().unwrap_or_default();
        let (path, query) = match reference.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (reference, None),
        };
        let mut joined = self.clone();
        if path.is_empty() {
            if query.is_some() {
                joined.query = query;
            }
            return Ok(joined);
        }
        let full = if path.starts_with('/') {
            path.to_owned()
        } else {
            let base = self.path.rfind('/').map_or("/", |at| &self.path[..=at]);
            format!("{base}{path}")
        };
        joined.path = if as_is { full } else { without_dots(&full) };
        joined.query = query;
        Ok(joined)
    }

    /// The port, or the scheme's.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.scheme.as_str() {
            "https" => 443,
            _ => 80,
        })
    }

    /// Whether it is spoken over TLS.
    pub fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    /// The host as it stands in a URL, in brackets where needed.
    pub fn host_in_brackets(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        }
    }

    /// Value of the header `Host`.
    pub fn authority(&self) -> String {
        let host = self.host_in_brackets();
        match self.port {
            Some(port) if port != self.scheme_port() => format!("{host}:{port}"),
            _ => host,
        }
    }

    /// Path and query.
    pub fn target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// The URL without user and password: what goes to a proxy or into a `Referer`.
    pub fn without_user(&self) -> String {
        format!("{}://{}{}", self.scheme, self.authority(), self.target())
    }

    /// User and password, percent decoded.
    pub fn credentials(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let user = percent_decode(self.user.as_deref()?);
        Some((user, percent_decode(self.password.as_deref().unwrap_or_default())))
    }

    /// Whether the other is at the same scheme, host and port.
    pub fn same_origin(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.host.eq_ignore_ascii_case(&other.host) && self.port() == other.port()
    }

    fn scheme_port(&self) -> u16 {
        if self.is_secure() { 443 } else { 80 }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if let Some(user) = &self.user {
            f.write_str(user)?;
            if let Some(password) = &self.password {
                write!(f, ":{password}")?;
            }
            f.write_str("@")?;
        }
        f.write_str(&self.host_in_brackets())?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str(&self.target())
    }
}

fn malformed() -> Failure {
    Failure::new(Exit::UrlMalformed, "URL using bad/illegal format or missing URL")
}

/// A scheme, with what follows `://`.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let mut bytes = scheme.bytes();
    let legal = bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let rest = rest
        .strip_prefix("//")
        .or_else(|| rest.strip_prefix('/').filter(|_| is_ours(scheme)))?;
    legal.then_some((scheme, rest))
}

/// `http:/host` is forgiven where the scheme is known.
fn is_ours(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

fn split_user(authority: &str) -> (Option<String>, Option<String>, &str) {
    let Some((user, host)) = authority.rsplit_once('@') else {
        return (None, None, authority);
    };
    match user.split_once(':') {
        Some((user, password)) => (Some(user.to_owned()), Some(password.to_owned()), host),
        None => (Some(user.to_owned()), None, host),
    }
}

fn split_port(text: &str) -> Result<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(malformed)?;
            let numeric = host.split('%').next().unwrap_or_default();
            numeric.parse::<std::net::Ipv6Addr>().map_err(|_| malformed())?;
            (host, port)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    if host.bytes().any(|byte| b"\"<>\\^`{|}[]".contains(&byte)) {
        return Err(malformed());
    }
    let Some(port) = port.strip_prefix(':') else {
        return if port.is_empty() {
            Ok((host, None))
        } else {
            Err(malformed())
        };
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let number = port.parse().ok().filter(|_| digits).ok_or_else(|| {
        let text = "Port number was not a decimal number between 0 and 65535";
        Failure::new(Exit::UrlMalformed, text)
    })?;
    Ok((host, Some(number)))
}

/// The IPv4 address that a host of numbers means: `127.1`, `0x7f000001`, `017700000001`.
fn number_host(host: &str) -> Option<String> {
    let parts: Vec<u32> = host.split('.').map(number).collect::<Option<_>>()?;
    let (last, heads) = parts.split_last()?;
    if heads.len() > 3 || heads.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 8 * (4 - heads.len() as u32);
    if room < 32 && *last >> room != 0 {
        return None;
    }
    let high = heads
        .iter()
        .enumerate()
        .fold(0, |word, (at, part)| word | part << (24 - 8 * at));
    Some(Ipv4Addr::from(high | last).to_string())
}

fn number(text: &str) -> Option<u32> {
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u32::from_str_radix(digits, radix).ok().filter(|_| plain)
}

/// The path with `.` and `..` segments carried out.
fn without_dots(path: &str) -> String {
    let mut out: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment.to_ascii_lowercase().replace("%2e", ".").as_str() {
            "." if last => out.push(""),
            "." => {}
            ".." => {
                out.pop();
                if last {
                    out.push("");
                }
            }
            _ => out.push(segment),
        }
    }
    format!("/{}", out.join("/"))
}

/// What a server wrote, fit for a request: spaces and bytes beyond ASCII are escaped.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte <= b' ' || byte >= 0x7f {
            out.push_str(&format!("%{byte:02x}"));
        } else {
            out.push(char::from(byte));
        }
    }
    out
}

/// Longest URL, in bytes.
const LONGEST: usize = 8_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Url {
        Url::parse(text, "http", false).unwrap()
    }

    #[test]
    fn parts_are_found_and_written_again() {
        let url = parse("HTTPS://me:pass%40@Example.ORG:8443/a/b?x=1#frag");
        assert_eq!(
            (url.scheme.as_str(), url.host.as_str(), url.port()),
            ("https", "Example.ORG", 8443)
        );
        assert_eq!(url.credentials().unwrap(), (b"me".to_vec(), b"pass@".to_vec()));
        assert_eq!(url.target(), "/a/b?x=1");
        assert_eq!(url.to_string(), "https://me:pass%40@Example.ORG:8443/a/b?x=1");
        assert_eq!(parse("example.org?q").target(), "/?q");
        assert_eq!(parse("localhost:80/x").authority(), "localhost");
        assert_eq!(parse("[::1]:81").authority(), "[::1]:81");
    }

    #[test]
    fn numbers_are_addresses() {
        for (written, meant) in [
            ("127.1", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0177.0.0.01", "127.0.0.1"),
            ("256.1.1.1", "256.1.1.1"),
            ("1.2.3.4.5", "1.2.3.4.5"),
        ] {
            assert_eq!(parse(written).host, meant);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            "http://",
            "http:///x",
            "http://a b/",
            "http://h:99999/",
            "http://h:x/",
            "http://[::1",
            "http://[zz]/",
            "http://h/\r\nX: y",
            "http://h\\@evil/",
        ] {
            assert_eq!(
                Url::parse(bad, "http", false).unwrap_err().exit,
                Exit::UrlMalformed,
                "{bad}"
            );
        }
    }

    #[test]
    fn dots_are_carried_out_unless_kept() {
        assert_eq!(parse("h/a/./b/../c").path, "/a/c");
        assert_eq!(parse("h/../../x").path, "/x");
        assert_eq!(parse("h/a/..").path, "/");
        assert_eq!(parse("h/a/%2e%2E/b").path, "/b");
        assert_eq!(Url::parse("h/a/../b", "http", true).unwrap().path, "/a/../b");
    }

    #[test]
    fn references_are_resolved() {
        let base = parse("http://u@h:81/a/b/c?q");
        for (reference, meant) in [
            ("d", "http://u@h:81/a/b/d"),
            ("/d?e", "http://u@h:81/d?e"),
            ("../d", "http://u@h:81/a/d"),
            ("?z", "http://u@h:81/a/b/c?z"),
            ("//x/y", "http://x/y"),
            ("https://x", "https://x/"),
            ("/a b\u{e9}", "http://u@h:81/a%20b%c3%a9"),
        ] {
            assert_eq!(base.join(reference, false).unwrap().to_string(), meant);
        }
    }
}
