//! Raw HTTP requests, answered by the actor's own handler.
//!
//! Method, path, headers and body go to the handler as they came, but for what belongs to the connection and to the
//! gateway; its answer goes back the same way. Bodies stream in both directions: what one side does not take, the other
//! does not send.

mod patience;

use std::sync::Arc;

use agentos_actor::{RawBody, Transport};
use agentos_value::ActorError;
use agentos_wire::Target;
use http::header::{
    CONNECTION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::body::Body;
use crate::refusal;
use crate::router::{Exchange, Router, specifier};
use patience::Patience;

/// `/request/...`; `inner` is what the handler sees of the path, with the query.
pub(crate) async fn request(
    router: &Arc<Router>,
    exchange: &mut Exchange,
    body: Incoming,
    target: &Target,
    inner: &str,
) -> Result<Response<Body>, ActorError> {
    let params = exchange.params()?;
    let info = router.resolve(&exchange.peer, &target.address).await?;
    exchange.actor = Some(specifier(&info));
    let method = exchange.head.method.clone();
    let request = router.connect_request(exchange, Transport::Http, params, &target.path);
    let request = request.skip_ready_wait(target.skip_ready_wait);
    let mut headers = request
        .request
        .as_ref()
        .map(|request| request.headers.clone())
        .unwrap_or_default();
    let connected = router.registry.connect(&info.id, request).await;
    let connection = connected.inspect_err(|error| router.count_refusal(&exchange.peer, error))?;
    strip(&mut headers);
    let body: RawBody = Patience::new(body, router.limits.body_timeout).boxed_unsync();
    let mut raw = http::Request::new(body);
    *raw.method_mut() = method;
    *raw.uri_mut() = inner
        .parse()
        .map_err(|_| refusal::invalid_request("The path cannot be handed on."))?;
    *raw.headers_mut() = headers;
    let (mut head, body) = connection.raw_request(raw).await?.into_parts();
    strip(&mut head.headers);
    // The connection is open until the body is sent, or given up.
    let body = body.map_frame(move |frame| {
        let _ = &connection;
        frame
    });
    Ok(Response::from_parts(head, Body::stream(body)))
}

/// Removes what belongs to one connection and not to the message.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let hops = [
        CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    let more = [
        HeaderName::from_static("keep-alive"),
        HeaderName::from_static("proxy-connection"),
    ];
    for name in named.into_iter().chain(hops).chain(more) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_the_connection_is_removed() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("upgrade", "h2c"),
            ("x-kept", "1"),
            ("te", "trailers"),
        ] {
            headers.append(name, value.parse().expect("a value"));
        }
        strip(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-kept"]);
    }
}
