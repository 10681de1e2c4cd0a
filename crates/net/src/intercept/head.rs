//! Where a request says it goes, and whether that is where it goes.
//!
//! A request may name its host in several places; they must agree with each other and with the connection. What two servers could
//! read in two ways is refused here, before any value is near it.

use crate::secrets::normalize;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority as UriAuthority, PathAndQuery};
use http::{HeaderMap, Method, Request, StatusCode, Uri, Version};

/// Under which scheme a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Which hosts requests on a connection may be for.
#[derive(Debug, Clone)]
pub(super) enum Authority {
    /// The one whose certificate was verified.
    Verified(String),
    /// Those that the address was resolved for. Requests for other hosts go on as they are, unless a secret lists them.
    Resolved(Vec<String>),
}

/// What a connection is, for judging its requests.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) port: u16,
}

/// A request's destination, after all it says agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Destination {
    /// Normalised host.
    pub(super) host: String,
    /// Whether values may go there.
    pub(super) trusted: bool,
    /// Host and port as the request gave them, normalised.
    pub(super) authority: UriAuthority,
    pub(super) path: PathAndQuery,
}

/// Why a request is not sent. The text is all that a guest gets to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) reason: &'static str,
}

impl Refusal {
    const fn bad(reason: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            reason,
        }
    }

    const fn misdirected(reason: &'static str) -> Self {
        Self {
            status: StatusCode::MISDIRECTED_REQUEST,
            reason,
        }
    }
}

impl Rule {
    /// Judges a request; `lists` tells whether a secret is for a host at the connection's port.
    pub(super) fn judge<B>(&self, request: &Request<B>, lists: impl Fn(&str) -> bool) -> Result<Destination, Refusal> {
        if request.method() == Method::CONNECT {
            return Err(Refusal::bad("CONNECT has no place here"));
        }
        check_framing(request)?;
        let text = self.authority_of(request)?;
        let (host, port) = split(&text).ok_or(Refusal::bad("the host is not a host"))?;
        if port.unwrap_or(self.scheme.port()) != self.port {
            return Err(Refusal::misdirected(
                "the request is for another port than the connection",
            ));
        }
        let trusted = match &self.authority {
            Authority::Verified(name) if *name == host => true,
            Authority::Verified(_) => {
                return Err(Refusal::misdirected(
                    "the request is for another host than the connection",
                ));
            }
            Authority::Resolved(names) if names.contains(&host) => true,
            Authority::Resolved(_) if lists(&host) => {
                return Err(Refusal::misdirected("the host was not resolved to this address"));
            }
            Authority::Resolved(_) => false,
        };
        let authority = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        Ok(Destination {
            authority: UriAuthority::try_from(authority).map_err(|_| Refusal::bad("the host is not a host"))?,
            path: path_of(request)?,
            host,
            trusted,
        })
    }

    /// The one host that the request names, wherever it does.
    fn authority_of<B>(&self, request: &Request<B>) -> Result<String, Refusal> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let header = hosts.next().map(HeaderValue::to_str).transpose();
        let header = header.map_err(|_| Refusal::bad("the host is not a host"))?;
        if hosts.next().is_some() {
            return Err(Refusal::bad("more than one Host"));
        }
        if let Some(scheme) = request.uri().scheme_str()
            && scheme != self.scheme.name()
        {
            return Err(Refusal::bad("another scheme than the connection's"));
        }
        let target = request.uri().authority().map(UriAuthority::as_str);
        match (target, header) {
            (Some(target), Some(header)) if split(target) != split(header) => {
                Err(Refusal::bad("the target and Host name different hosts"))
            }
            (Some(host), _) => Ok(host.to_owned()),
            (None, Some(_)) if request.version() == Version::HTTP_2 => {
                Err(Refusal::bad("an HTTP/2 request without an authority"))
            }
            (None, Some(host)) => Ok(host.to_owned()),
            (None, None) => Err(Refusal::bad("no Host")),
        }
    }
}

/// `host[:port]`, the host normalised.
fn split(authority: &str) -> Option<(String, Option<u16>)> {
    if authority.contains('@') {
        return None;
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((normalize(host)?, Some(port.parse().ok()?)))
        }
        Some(_) => None,
        None => Some((normalize(authority)?, None)),
    }
}

/// Lengths that are given twice or in a form of which some servers make another one.
fn check_framing<B>(request: &Request<B>) -> Result<(), Refusal> {
    let headers = request.headers();
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    if let Some(length) = lengths.next()
        && (lengths.next().is_some() || !length.as_bytes().iter().all(u8::is_ascii_digit))
    {
        return Err(Refusal::bad("Content-Length is not one number"));
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
            return Err(Refusal::bad("a transfer coding other than chunked"));
        }
        if headers.contains_key(CONTENT_LENGTH) {
            return Err(Refusal::bad("both Content-Length and Transfer-Encoding"));
        }
    }
    Ok(())
}

fn path_of<B>(request: &Request<B>) -> Result<PathAndQuery, Refusal> {
    match request.uri().path_and_query() {
        Some(path) if path.path().starts_with('/') => Ok(path.clone()),
        Some(path) if path.as_str() == "*" && request.method() == Method::OPTIONS => Ok(path.clone()),
        _ => Err(Refusal::bad("the target is not a path")),
    }
}

/// The target as it is written to a host: a path, or, for HTTP/2, all of it.
pub(super) fn target(destination: &Destination, scheme: Scheme, http2: bool) -> Result<Uri, http::Error> {
    let path = destination.path.clone();
    if !http2 {
        return Uri::builder().path_and_query(path).build();
    }
    Uri::builder()
        .scheme(scheme.name())
        .authority(destination.authority.clone())
        .path_and_query(path)
        .build()
}

/// Whether a message asks to change the protocol to WebSocket. No other change is passed on: what would follow could not be
/// searched.
pub(super) fn wants_websocket(headers: &HeaderMap) -> bool {
    let mut upgrades = headers.get_all(UPGRADE).iter();
    let websocket = upgrades
        .next()
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let connection = headers.get_all(CONNECTION).iter();
    let words = connection.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let mut words = words.map(<[u8]>::trim_ascii);
    websocket && upgrades.next().is_none() && words.any(|word| word.eq_ignore_ascii_case(b"upgrade"))
}

/// Removes what concerns one connection only.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    let trailers = headers
        .get(TE)
        .is_some_and(|te| te.as_bytes().eq_ignore_ascii_case(b"trailers"));
    for name in HOP_BY_HOP {
        headers.remove(*name);
    }
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

const HOP_BY_HOP: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authorization",
    "proxy-authenticate",
    "te",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// Judges arbitrary bytes as an HTTP/1 request header on a connection for `api.example.com`; for fuzzing. Returns the host that
/// a value would go to.
#[doc(hidden)]
pub fn fuzz_head(bytes: &[u8]) -> Option<String> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut parsed = httparse::Request::new(&mut fields);
    if !parsed.parse(bytes).ok()?.is_complete() {
        return None;
    }
    let mut request = Request::builder().method(parsed.method?).uri(parsed.path?);
    for field in parsed.headers.iter() {
        request = request.header(field.name, field.value);
    }
    let mut request = request.body(()).ok()?;
    let rule = Rule {
        scheme: Scheme::Https,
        authority: Authority::Verified("api.example.com".to_owned()),
        port: 443,
    };
    let judged = rule.judge(&request, |_| true);
    strip_hop_by_hop(request.headers_mut());
    let destination = judged.ok()?;
    target(&destination, Scheme::Https, true).ok()?;
    destination.trusted.then_some(destination.host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> Rule {
        Rule {
            scheme: Scheme::Https,
            authority: Authority::Verified("api.example.com".to_owned()),
            port: 443,
        }
    }

    fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    fn judged(rule: &Rule, request: &Request<()>) -> Result<Destination, Refusal> {
        rule.judge(request, |host| {
            host == "api.example.com" || host == "listed.example.com"
        })
    }

    #[test]
    fn a_request_for_the_verified_host_passes() {
        for (target_, headers) in [
            ("/a?b", &[("host", "api.example.com")][..]),
            ("/a?b", &[("host", "API.Example.Com.")]),
            ("/a?b", &[("host", "api.example.com:443")]),
            ("https://api.example.com/a?b", &[("host", "api.example.com")]),
            ("https://api.example.com/a?b", &[]),
        ] {
            let destination = judged(&rule(), &request("GET", target_, headers)).unwrap();
            assert!(destination.trusted && destination.host == "api.example.com");
            assert_eq!(target(&destination, Scheme::Https, false).unwrap(), "/a?b");
        }
        let options = judged(&rule(), &request("OPTIONS", "*", &[("host", "api.example.com")])).unwrap();
        assert_eq!(target(&options, Scheme::Https, false).unwrap(), "*");
    }

    #[test]
    fn whatever_disagrees_is_refused() {
        let host = ("host", "api.example.com");
        for (method, target, headers, status) in [
            ("GET", "/", &[][..], 400),
            ("GET", "/", &[("host", "other.example.com")], 421),
            ("GET", "/", &[("host", "api.example.com:8443")], 421),
            ("GET", "/", &[("host", "api.example.com:")], 400),
            ("GET", "/", &[("host", "user@api.example.com")], 400),
            ("GET", "/", &[("host", "api.example.com other")], 400),
            ("GET", "/", &[("host", "api.example.com/")], 400),
            ("GET", "/", &[("host", "")], 400),
            ("GET", "/", &[host, host], 400),
            ("GET", "/", &[host, ("host", "other.example.com")], 400),
            ("GET", "https://other.example.com/", &[host], 400),
            (
                "GET",
                "https://other.example.com/",
                &[("host", "other.example.com")],
                421,
            ),
            ("GET", "http://api.example.com/", &[host], 400),
            ("CONNECT", "api.example.com:443", &[host], 400),
            ("CONNECT", "other.example.com:443", &[], 400),
            ("GET", "*", &[host], 400),
            (
                "GET",
                "/",
                &[host, ("content-length", "1"), ("content-length", "1")],
                400,
            ),
            ("GET", "/", &[host, ("content-length", "+1")], 400),
            ("GET", "/", &[host, ("content-length", "1, 1")], 400),
            (
                "GET",
                "/",
                &[host, ("content-length", "1"), ("transfer-encoding", "chunked")],
                400,
            ),
            ("GET", "/", &[host, ("transfer-encoding", "gzip, chunked")], 400),
            (
                "GET",
                "/",
                &[host, ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
                400,
            ),
        ] {
            let refusal = judged(&rule(), &request(method, target, headers)).unwrap_err();
            assert_eq!(
                refusal.status.as_u16(),
                status,
                "{method} {target} {headers:?}: {}",
                refusal.reason
            );
        }
        let mut bare = request("GET", "/", &[host]);
        *bare.version_mut() = Version::HTTP_2;
        assert!(judged(&rule(), &bare).is_err());
    }

    #[test]
    fn without_tls_the_resolver_decides() {
        let rule = Rule {
            scheme: Scheme::Http,
            authority: Authority::Resolved(vec!["api.example.com".to_owned(), "cdn.example.com".to_owned()]),
            port: 80,
        };
        let trusted =
            |host: &str| judged(&rule, &request("GET", "/", &[("host", host)])).map(|destination| destination.trusted);
        assert_eq!(trusted("api.example.com"), Ok(true));
        assert_eq!(trusted("cdn.example.com"), Ok(true));
        assert_eq!(trusted("unrelated.test"), Ok(false));
        assert_eq!(trusted("listed.example.com").unwrap_err().status.as_u16(), 421);
    }

    #[test]
    fn only_websocket_is_an_upgrade() {
        let wants = |headers: &[(&str, &str)]| wants_websocket(request("GET", "/", headers).headers());
        assert!(wants(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket")
        ]));
        assert!(!wants(&[("connection", "upgrade"), ("upgrade", "h2c")]));
        assert!(!wants(&[("connection", "upgrade"), ("upgrade", "h2c, websocket")]));
        assert!(!wants(&[
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("upgrade", "h2c")
        ]));
        assert!(!wants(&[("upgrade", "websocket")]));
    }

    #[test]
    fn what_concerns_the_connection_goes() {
        let mut request = request(
            "GET",
            "/",
            &[
                ("connection", "x-mine, close"),
                ("x-mine", "1"),
                ("x-other", "2"),
                ("te", "trailers"),
                ("keep-alive", "3"),
                ("proxy-authorization", "4"),
            ],
        );
        strip_hop_by_hop(request.headers_mut());
        let mut left: Vec<&str> = request.headers().keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["te", "x-other"]);
    }
}
