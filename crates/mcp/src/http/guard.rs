//! Who may call: the names by which they call, and the token that they bring.
//!
//! A page of any site can make a browser send requests to loopback, and a site can give its own name an address of
//! loopback (DNS rebinding). Both cannot choose what the browser says of them: `Host` is the name that was called, `Origin`
//! the site. A request that names another host than this one, or an origin that nobody allowed, is refused before its token is
//! looked at.

use super::{Options, whole};
use crate::failure::Exceeded;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE};
use http::uri::Authority;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use subtle::ConstantTimeEq;

/// What is answered.
pub(super) type Reply = Response<BoxBody<Bytes, Infallible>>;

/// A secret that clients show.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Takes a token of at least 16 characters that a header can hold.
    ///
    /// # Errors
    /// What is wrong with it, without showing it.
    pub fn new(token: impl Into<String>) -> Result<Self, String> {
        let token = token.into();
        if token.len() < 16 {
            return Err(format!("a token has at least 16 characters, this one {}", token.len()));
        }
        match token.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self(token)),
            false => Err("a token consists of visible ASCII characters without blanks".to_owned()),
        }
    }

    /// Compares in a time that does not tell where they differ.
    fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// The checks.
pub(super) struct Guard {
    token: Option<Token>,
    /// None: every name is accepted, since the address is every one of the machine and a token is asked for.
    hosts: Option<Vec<String>>,
    origins: Vec<String>,
}

impl Guard {
    pub(super) fn new(address: SocketAddr, options: Options) -> Self {
        let everywhere = address.ip().is_unspecified() && options.hosts.is_empty();
        let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).to_vec();
        hosts.push(match address {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        });
        hosts.extend(options.hosts.iter().map(|host| host.to_ascii_lowercase()));
        Self {
            token: options.token,
            hosts: (!everywhere).then_some(hosts),
            origins: options
                .origins
                .iter()
                .map(|origin| origin.to_ascii_lowercase())
                .collect(),
        }
    }

    /// Whether a request may be answered.
    pub(super) fn admit<B>(&self, request: &Request<B>) -> Result<(), Refusal> {
        let text = |name| {
            request
                .headers()
                .get(name)
                .map(|value: &http::HeaderValue| value.to_str().unwrap_or_default())
        };
        let named = request
            .uri()
            .authority()
            .map(Authority::as_str)
            .or_else(|| text(HOST))
            .unwrap_or_default();
        if let Some(hosts) = &self.hosts
            && !hosts.contains(&host(named))
        {
            return Err(Refusal::forbidden(format!(
                "this server is not called {named:?}; --allow-host adds a name"
            )));
        }
        let own = |origin: &str| {
            ["http://", "https://"]
                .iter()
                .any(|scheme| origin.strip_prefix(scheme) == Some(named))
        };
        if let Some(origin) = text(ORIGIN)
            && !own(origin)
            && !self.origins.contains(&origin.to_ascii_lowercase())
        {
            return Err(Refusal::forbidden(format!(
                "pages of {origin:?} may not call; --allow-origin lets them"
            )));
        }
        let Some(token) = &self.token else { return Ok(()) };
        let given = text(AUTHORIZATION).and_then(|value| {
            let (scheme, given) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| given.trim())
        });
        match given {
            Some(given) if token.is(given) => Ok(()),
            Some(_) => Err(Refusal::unauthorized("the bearer token is another one")),
            None => Err(Refusal::unauthorized("give the token as Authorization: Bearer TOKEN")),
        }
    }
}

/// The host of an authority, without its port.
fn host(authority: &str) -> String {
    let parsed = authority.parse::<Authority>();
    parsed.map_or_else(|_| String::new(), |authority| authority.host().to_ascii_lowercase())
}

/// Why a request is not answered.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    data: Option<Value>,
}

impl Refusal {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            data: None,
        }
    }

    fn limit(status: StatusCode, limit: &Exceeded) -> Self {
        Self {
            data: Some(json!({ "limit": limit })),
            ..Self::new(status, limit.to_string())
        }
    }

    fn forbidden(message: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    pub(super) fn not_found(path: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            format!("there is nothing here; the server is at {path}"),
        )
    }

    pub(super) fn too_large(limit: &Exceeded) -> Self {
        Self::limit(StatusCode::PAYLOAD_TOO_LARGE, limit)
    }

    pub(super) fn slow(limit: &Exceeded) -> Self {
        Self::limit(StatusCode::REQUEST_TIMEOUT, limit)
    }

    pub(super) fn busy(limit: &Exceeded) -> Self {
        Self::limit(StatusCode::SERVICE_UNAVAILABLE, limit)
    }

    pub(super) fn broken() -> Self {
        Self::new(StatusCode::BAD_REQUEST, "the body ended before its end")
    }

    /// The refusal as clients of the protocol read it.
    pub(super) fn reply(self) -> Reply {
        let mut error = json!({ "code": -32_000, "message": self.message });
        if let (Some(data), Some(error)) = (self.data, error.as_object_mut()) {
            error.insert("data".to_owned(), data);
        }
        let body = json!({ "jsonrpc": "2.0", "id": null, "error": error });
        let mut response = Response::builder()
            .status(self.status)
            .header("content-type", "application/json");
        if self.status == StatusCode::UNAUTHORIZED {
            response = response.header(WWW_AUTHENTICATE, "Bearer realm=\"agentos\"");
        }
        // What is left of a body that was not read must not be taken for the next request.
        whole(response.header("connection", "close"), body.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(address: &str, options: &Options, headers: &[(&str, &str)]) -> u16 {
        let guard = Guard::new(address.parse().unwrap(), options.clone());
        let mut request = Request::builder().uri("/mcp");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        guard
            .admit(&request.body(()).unwrap())
            .map_or_else(|refusal| refusal.status.as_u16(), |()| 200)
    }

    #[test]
    fn only_loopback_names_and_named_ones_are_answered() {
        let options = Options {
            hosts: vec!["Agent.example".to_owned()],
            ..Options::default()
        };
        for host in [
            "localhost",
            "127.0.0.1:1234",
            "[::1]:80",
            "LOCALHOST:9",
            "agent.example",
            "agent.example:1",
        ] {
            assert_eq!(admitted("127.0.0.1:1", &options, &[("host", host)]), 200, "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "a@evil.example",
            "[::2]",
        ] {
            assert_eq!(admitted("127.0.0.1:1", &options, &[("host", host)]), 403, "{host}");
        }
        assert_eq!(admitted("127.0.0.1:1", &options, &[]), 403);
        assert_eq!(admitted("192.0.2.1:1", &options, &[("host", "192.0.2.1:1")]), 200);
    }

    #[test]
    fn pages_are_refused_unless_named() {
        let options = Options {
            origins: vec!["http://localhost:5173".to_owned()],
            ..Options::default()
        };
        let with = |origin| admitted("127.0.0.1:1", &options, &[("host", "localhost:1"), ("origin", origin)]);
        // Its own is that of the name that was called.
        for origin in ["http://localhost:5173", "http://localhost:1", "https://localhost:1"] {
            assert_eq!(with(origin), 200, "{origin}");
        }
        for origin in [
            "http://localhost",
            "https://localhost:5173",
            "null",
            "http://evil.example",
        ] {
            assert_eq!(with(origin), 403, "{origin}");
        }
    }

    #[test]
    fn the_token_is_asked_for() {
        let options = Options {
            token: Some(Token::new("0123456789abcdef").unwrap()),
            ..Options::default()
        };
        let with = |value| admitted("0.0.0.0:1", &options, &[("host", "x"), ("authorization", value)]);
        assert_eq!(with("Bearer 0123456789abcdef"), 200);
        assert_eq!(with("bearer 0123456789abcdef"), 200);
        for value in [
            "Bearer 0123456789abcdeg",
            "Bearer ",
            "Bearer",
            "Basic 0123456789abcdef",
            "0123456789abcdef",
            "",
        ] {
            assert_eq!(with(value), 401, "{value}");
        }
        assert_eq!(admitted("0.0.0.0:1", &options, &[("host", "x")]), 401);
    }

    #[test]
    fn weak_tokens_are_refused_without_being_shown() {
        assert!(Token::new("short").unwrap_err().contains("at least 16"));
        let refused = Token::new("with blanks in its middle").unwrap_err();
        assert!(!refused.contains("middle of"), "{refused}");
        assert_eq!(format!("{:?}", Token::new("0123456789abcdef").unwrap()), "Token(..)");
    }
}
