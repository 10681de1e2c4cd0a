//! What a request becomes before it is sent into the VM.

use super::body::{Bounds, RequestBody};
use crate::error::{Error, Result};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Request, Uri};

/// Headers of a connection, not of a request (RFC 9110 section 7.6.1): hyper makes its own.
const HOP_BY_HOP: &[HeaderName] = &[
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Reduces the URI to path and query, settles `Host`, and takes out what belongs to another connection. `bounds` are those
/// of head and body.
pub(super) fn prepare(port: u16, request: Request<RequestBody>, bounds: &Bounds) -> Result<Request<RequestBody>> {
    if port == 0 {
        return Err(Error::port_zero());
    }
    let (mut parts, body) = request.into_parts();
    let host = match parts.uri.authority() {
        Some(authority) => Some(host_of(authority.as_str())?),
        None => None,
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = Uri::try_from(if path.is_empty() { "/" } else { path }).map_err(refused)?;
    strip(&mut parts.headers);
    if let Some(host) = host {
        parts.headers.insert(header::HOST, host);
    } else if !parts.headers.contains_key(header::HOST) {
        let host = HeaderValue::try_from(format!("localhost:{port}")).map_err(refused)?;
        parts.headers.insert(header::HOST, host);
    }
    parts.version = http::Version::HTTP_11;
    match head_length(&parts) {
        length if length > bounds.header => Err(bounds.head_too_large(length as u64).into()),
        _ => Ok(Request::from_parts(parts, body.bounded(bounds.request))),
    }
}

/// Bytes of the head as it is sent.
fn head_length(parts: &Parts) -> usize {
    let target = parts.uri.path_and_query().map_or(1, |path| path.as_str().len());
    let line = parts.method.as_str().len() + target + "  HTTP/1.1\r\n".len();
    let fields = parts.headers.iter();
    let field = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + ": \r\n".len();
    line + fields.map(field).sum::<usize>() + "\r\n".len()
}

/// An authority without user name and password.
fn host_of(authority: &str) -> Result<HeaderValue> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    HeaderValue::try_from(host).map_err(refused)
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    let upgrade = named
        .contains(&header::UPGRADE)
        .then(|| headers.remove(header::UPGRADE));
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
    headers.remove("keep-alive");
    headers.remove("proxy-connection");
    if let Some(Some(protocol)) = upgrade {
        headers.insert(header::UPGRADE, protocol);
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
}

fn refused(error: impl std::fmt::Display) -> Error {
    Error::InvalidOption {
        option: "request",
        reason: error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds() -> Bounds {
        Bounds::of(&agentos_kernel::limits::Limits::default())
    }

    fn prepared(uri: &str, headers: &[(&str, &str)]) -> Request<RequestBody> {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        prepare(8080, request.body(RequestBody::from(())).unwrap(), &bounds()).unwrap()
    }

    #[test]
    fn only_path_and_query_are_used_and_an_authority_becomes_the_host() {
        for (uri, path, host) in [
            ("/x?y=1", "/x?y=1", "localhost:8080"),
            ("http://example.com:99/a/../b?c#d", "/a/../b?c", "example.com:99"),
            ("https://user:secret@example.com", "/", "example.com"),
        ] {
            let request = prepared(uri, &[]);
            assert_eq!(
                (request.uri().to_string().as_str(), request.headers()["host"].as_bytes()),
                (path, host.as_bytes()),
                "{uri}"
            );
        }
        assert_eq!(prepared("/", &[("host", "mine")]).headers()["host"], "mine");
    }

    #[test]
    fn headers_of_another_connection_do_not_travel() {
        let request = prepared(
            "/",
            &[
                ("connection", "close, X-Own"),
                ("x-own", "1"),
                ("upgrade", "x"),
                ("x-kept", "1"),
                ("keep-alive", "1"),
            ],
        );
        let names: Vec<_> = request.headers().keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-kept", "host"]);
    }

    #[test]
    fn a_wish_for_another_protocol_travels() {
        let request = prepared("/", &[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        let headers = request.headers();
        assert_eq!(
            (&headers["connection"], &headers["upgrade"]),
            (&"upgrade".parse().unwrap(), &"websocket".parse().unwrap())
        );
    }

    #[test]
    fn port_zero_is_refused() {
        let request = Request::new(RequestBody::from(()));
        assert!(
            prepare(0, request, &bounds())
                .unwrap_err()
                .to_string()
                .contains("between 1 and 65535")
        );
    }
}
