//! What a client's request becomes before a guest sees it (security.md section 3.2).
//!
//! The guest is hostile and the client's browser may hold credentials for the gateway. Invariants: nothing that authenticates to
//! the gateway is passed on; whatever speaks about the connection between client and gateway ends here; the framing of the body
//! is hyper's, made from the body that was parsed, so that two readings of one message cannot exist.

use super::address::{Address, Form};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Uri, Version};
use std::net::IpAddr;

/// What the gateway knows about the request besides its head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin<'a> {
    pub(super) peer: IpAddr,
    pub(super) secure: bool,
    /// The gateway's own token.
    pub(super) credential: Option<&'a str>,
}

/// Headers about one connection (RFC 9110 section 7.6.1), and those that frame a body, which are made anew.
static HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("http2-settings"),
];

/// Prefixes of headers that are the gateway's, or that only the gateway may set.
const OURS: &[&str] = &["x-rivet-", "x-agentos-", "proxy-", "x-forwarded-"];

/// Takes out what belongs to a connection, the headers that `Connection` names included.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::try_from(name.trim()).ok())
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Whether the client wants a WebSocket. No other protocol is passed through.
pub(super) fn wants_websocket(head: &Parts) -> bool {
    head.method == Method::GET
        && head.version == Version::HTTP_11
        && has_token(&head.headers, &header::UPGRADE, "websocket")
        && has_token(&head.headers, &header::CONNECTION, "upgrade")
}

/// Whether one of the header's comma-separated values is `token`.
pub(super) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// The head for the guest. `None` if the target is no URI, which hyper would not have let through.
pub(super) fn prepare(head: &Parts, address: &Address, port: u16, origin: Origin<'_>) -> Option<Request<()>> {
    let mut headers = head.headers.clone();
    let host = super::address::host_of(head).map(ToOwned::to_owned);
    let websocket = wants_websocket(head);
    let trailers = has_token(&headers, &header::TE, "trailers");
    remove_hop_by_hop(&mut headers);
    remove_private(&mut headers);
    keep_foreign_protocols(&mut headers);
    if let Some(credential) = origin.credential {
        remove_credential(&mut headers, credential);
    }
    if address.form == Form::Path {
        headers.remove(header::COOKIE);
    }
    // Hyper asks the client for the body as soon as the guest's connection takes it.
    headers.remove(header::EXPECT);
    if websocket {
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    headers.insert(header::HOST, HeaderValue::try_from(format!("localhost:{port}")).ok()?);
    forwarded(&mut headers, host.as_deref(), address, origin);
    let mut request = Request::new(());
    *request.method_mut() = head.method.clone();
    *request.uri_mut() = Uri::try_from(&address.rest).ok()?;
    *request.headers_mut() = headers;
    Some(request)
}

/// Trailers may say no more than headers may.
pub(super) fn clean_trailers(trailers: &mut HeaderMap) {
    remove_hop_by_hop(trailers);
    remove_private(trailers);
}

fn remove_private(headers: &mut HeaderMap) {
    let private: Vec<HeaderName> = headers
        .keys()
        .filter(|name| OURS.iter().any(|prefix| name.as_str().starts_with(prefix)) || *name == header::FORWARDED)
        .cloned()
        .collect();
    for name in private {
        headers.remove(name);
    }
}

/// Removes every value in which the gateway's token stands; of cookies only the ones that hold it.
fn remove_credential(headers: &mut HeaderMap, credential: &str) {
    let holds =
        |value: &[u8]| !credential.is_empty() && value.windows(credential.len()).any(|at| at == credential.as_bytes());
    let cookies: Vec<HeaderValue> = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| {
            let kept: Vec<&[u8]> = value
                .as_bytes()
                .split(|byte| *byte == b';')
                .filter(|cookie| !holds(cookie))
                .collect();
            let joined = kept.join(&b';');
            let joined = joined.trim_ascii();
            (!joined.is_empty())
                .then(|| HeaderValue::from_bytes(joined).ok())
                .flatten()
        })
        .collect();
    headers.remove(header::COOKIE);
    for cookie in cookies {
        headers.append(header::COOKIE, cookie);
    }
    let carrying: Vec<HeaderName> = headers
        .iter()
        .filter(|(_, value)| holds(value.as_bytes()))
        .map(|(name, _)| name.clone())
        .collect();
    for name in carrying {
        headers.remove(name);
    }
}

/// Subprotocols that begin with `rivet` speak to the gateway; some of them carry secrets.
fn keep_foreign_protocols(headers: &mut HeaderMap) {
    let kept: Vec<String> = headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|protocol| !protocol.is_empty() && !begins_with_rivet(protocol))
        .map(ToOwned::to_owned)
        .collect();
    headers.remove(header::SEC_WEBSOCKET_PROTOCOL);
    if let (false, Ok(value)) = (kept.is_empty(), HeaderValue::try_from(kept.join(", "))) {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
    }
}

fn begins_with_rivet(protocol: &str) -> bool {
    protocol
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("rivet"))
}

fn forwarded(headers: &mut HeaderMap, host: Option<&str>, address: &Address, origin: Origin<'_>) {
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(name, value);
        }
    };
    if let Some(host) = host {
        set("x-forwarded-host", host);
    }
    set("x-forwarded-proto", if origin.secure { "https" } else { "http" });
    set("x-forwarded-for", &origin.peer.to_string());
    if !address.prefix.is_empty() {
        set("x-forwarded-prefix", &address.prefix);
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::Token;
    use super::*;

    const TOKEN: &str = "0123456789abcdefghijklmnopqrstuv";

    fn address(form: Form) -> Address {
        let prefix = match form {
            Form::Path => "/gateway/a/request/fetch/t".to_owned(),
            Form::Origin => String::new(),
        };
        let token = Token::parse(TOKEN).unwrap();
        let (actor, rest) = (Some("a".to_owned()), "/p?q".to_owned());
        Address {
            form,
            actor,
            token,
            rest,
            prefix,
        }
    }

    fn sent(form: Form, headers: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut request = Request::get("/").header("host", "gate:1");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let head = request.body(()).unwrap().into_parts().0;
        let origin = Origin {
            peer: "192.0.2.1".parse().unwrap(),
            secure: true,
            credential: Some("gatesecret"),
        };
        let request = prepare(&head, &address(form), 8080, origin).unwrap();
        assert_eq!(
            (request.uri().to_string().as_str(), request.method()),
            ("/p?q", &Method::GET)
        );
        let show = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.to_str().unwrap().to_owned());
        let mut sent: Vec<_> = request.headers().iter().map(show).collect();
        sent.sort();
        sent
    }

    fn own(form: Form, more: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut all = vec![
            ("host", "localhost:8080"),
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-host", "gate:1"),
            ("x-forwarded-proto", "https"),
        ];
        if form == Form::Path {
            all.push(("x-forwarded-prefix", "/gateway/a/request/fetch/t"));
        }
        all.extend(more);
        let mut all: Vec<_> = all
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        all.sort();
        all
    }

    #[test]
    fn nothing_of_the_gateway_or_of_the_connection_travels() {
        for form in [Form::Path, Form::Origin] {
            let given = [
                ("x-rivet-token", "gatesecret"),
                ("x-rivet-conn-params", "{}"),
                ("x-agentos-x", "1"),
                ("proxy-authorization", "Basic x"),
                ("proxy-anything", "x"),
                ("authorization", "Bearer gatesecret"),
                ("referer", "http://gate/gateway/a@gatesecret/x"),
                ("connection", "keep-alive, x-own, TE"),
                ("x-own", "1"),
                ("keep-alive", "5"),
                ("te", "gzip"),
                ("upgrade", "h2c"),
                ("http2-settings", "x"),
                ("transfer-encoding", "chunked"),
                ("content-length", "5"),
                ("expect", "100-continue"),
                ("forwarded", "for=1"),
                ("x-forwarded-for", "10.0.0.1"),
                ("x-forwarded-server", "s"),
                ("accept", "*/*"),
            ];
            assert_eq!(sent(form, &given), own(form, &[("accept", "*/*")]));
        }
    }

    #[test]
    fn credentials_that_are_not_the_gateways_travel() {
        let given = [("authorization", "Bearer other"), ("referer", "http://other/")];
        assert_eq!(sent(Form::Path, &given), own(Form::Path, &given));
    }

    #[test]
    fn cookies_travel_to_an_own_origin_only_and_never_the_gateways() {
        let given = [("cookie", "a=1; t=gatesecret; b=2"), ("cookie", "only=gatesecret")];
        assert_eq!(sent(Form::Path, &given), own(Form::Path, &[]));
        assert_eq!(sent(Form::Origin, &given), own(Form::Origin, &[("cookie", "a=1; b=2")]));
    }

    #[test]
    fn a_websocket_is_asked_for_without_the_gateways_protocols() {
        let given = [
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-key", "k"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("sec-websocket-protocol", "rivet, rivet_token.gatesecret,  vite-hmr"),
            ("sec-websocket-protocol", "Rivet_conn_params.x, chat"),
        ];
        let kept = [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "k"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-extensions", "permessage-deflate"),
            ("sec-websocket-protocol", "vite-hmr, chat"),
        ];
        assert_eq!(sent(Form::Path, &given), own(Form::Path, &kept));
    }

    #[test]
    fn trailers_are_welcome_if_the_client_says_so_and_say_no_more_than_headers() {
        assert!(sent(Form::Path, &[("te", "Trailers")]).contains(&("te".to_owned(), "trailers".to_owned())));
        let mut trailers = HeaderMap::new();
        for name in ["x-rivet-token", "transfer-encoding", "x-sum"] {
            trailers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_static("1"));
        }
        clean_trailers(&mut trailers);
        assert_eq!(trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-sum"]);
    }
}
