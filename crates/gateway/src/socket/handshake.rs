//! The upgrade of a request to a WebSocket.

use agentos_value::ActorError;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::body::Body;
use crate::refusal;

/// A request that asks for a WebSocket in the right way.
#[derive(Debug)]
pub(crate) struct Handshake {
    upgrade: OnUpgrade,
    accept: HeaderValue,
    rivet: bool,
}

/// Whether a request asks for a WebSocket at all.
pub(crate) fn is_asked(head: &Parts) -> bool {
    has_word(&head.headers, &UPGRADE, "websocket")
}

impl Handshake {
    /// Checks a request and takes its connection.
    pub(crate) fn take(head: &mut Parts) -> Result<Self, ActorError> {
        if head.method != Method::GET {
            return Err(refusal::method_not_allowed("GET"));
        }
        let asked = is_asked(head) && has_word(&head.headers, &CONNECTION, "upgrade");
        let version = head
            .headers
            .get(SEC_WEBSOCKET_VERSION)
            .is_some_and(|version| version == "13");
        let mut keys = head.headers.get_all(SEC_WEBSOCKET_KEY).iter();
        let (Some(key), None, true, true) = (keys.next(), keys.next(), asked, version) else {
            return Err(refusal::upgrade_required());
        };
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
        let (Some(upgrade), Ok(accept)) = (head.extensions.remove::<OnUpgrade>(), accept) else {
            return Err(refusal::upgrade_required());
        };
        Ok(Self {
            upgrade,
            accept,
            rivet: has_word(&head.headers, &SEC_WEBSOCKET_PROTOCOL, "rivet"),
        })
    }

    /// The response that accepts, and the connection to come. No extension is accepted, whatever was offered; of the
    /// subprotocols it is `rivet` and nothing else.
    pub(crate) fn accept(self) -> (Response<Body>, OnUpgrade) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept);
        if self.rivet {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("rivet"));
        }
        (response, self.upgrade)
    }
}

fn has_word(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter();
    let mut words = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    words.any(|found| found.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}
