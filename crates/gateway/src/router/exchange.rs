//! One request and what is known about it while it is answered.

use agentos_value::{ActorError, Value};
use agentos_wire::{ActorSpecifier, Dialect, Encoding, Format, Hints, Subprotocols, Version, decode_header_params};
use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, SEC_WEBSOCKET_PROTOCOL, USER_AGENT};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::Peer;
use crate::body::Body;
use crate::{ids, refusal, status};

const ENCODING: &str = "x-rivet-encoding";
const PARAMS: &str = "x-rivet-conn-params";
const ACTOR: HeaderName = HeaderName::from_static("x-rivet-actor");
const GENERATION: HeaderName = HeaderName::from_static("x-rivet-actor-generation");
const KEY: HeaderName = HeaderName::from_static("x-rivet-actor-key");

/// A request in work.
pub(crate) struct Exchange {
    pub(crate) head: Parts,
    /// The raw request target behind the base path. Holds secrets.
    pub(crate) target: String,
    pub(crate) peer: Peer,
    /// The page that may read the answer.
    pub(crate) origin: Option<HeaderValue>,
    /// How the answer is written.
    pub(crate) format: Format,
    /// The actor, once it is known.
    pub(crate) actor: Option<ActorSpecifier>,
    ray: HeaderValue,
}

impl Exchange {
    pub(crate) fn new(head: Parts, peer: Peer) -> Self {
        let target = head
            .uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str)
            .to_owned();
        let ray = ids::ray(&head.headers);
        let text = |name| {
            head.headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let encoding = Encoding::of_header(text(ENCODING));
        let dialect = Dialect::of_request(text(USER_AGENT.as_str()), false);
        let format = Format::new(encoding, Version::UNREADABLE, dialect);
        Self {
            head,
            target,
            peer,
            origin: None,
            format,
            actor: None,
            ray,
        }
    }

    /// What the form of the address tells about the client; on a WebSocket, where the user agent tells nothing, it is all
    /// that does.
    pub(crate) fn learn_form(&mut self, query_form: bool) {
        let agent = self.head.headers.get(USER_AGENT).and_then(|value| value.to_str().ok());
        let dialect = match self.hints() {
            Ok(hints) if self.head.headers.contains_key(SEC_WEBSOCKET_PROTOCOL) => {
                Dialect::of_upgrade(agent, query_form, &hints)
            }
            _ => Dialect::of_request(agent, query_form),
        };
        self.format.dialect = dialect;
    }

    /// The subprotocols that the client offers.
    pub(crate) fn subprotocols(&self) -> Result<Subprotocols<'_>, ActorError> {
        let mut lines = Vec::new();
        for line in self.head.headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
            // What cannot be read might have been parameters, without which a hook would decide wrongly.
            let line = line
                .to_str()
                .map_err(|_| refusal::invalid_params("The subprotocols are not ASCII."))?;
            lines.push(line);
        }
        Ok(Subprotocols::parse(lines))
    }

    /// What headers or subprotocols say about the address.
    pub(crate) fn hints(&self) -> Result<Hints<'_>, ActorError> {
        if self.head.headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
            return self.subprotocols().map(|offer| offer.hints());
        }
        let text = |name| self.head.headers.get(name).and_then(|value| value.to_str().ok());
        Ok(Hints {
            target: text("x-rivet-target"),
            actor: text("x-rivet-actor"),
            skip_ready_wait: matches!(text("x-rivet-skip-ready-wait"), Some("1" | "true")),
        })
    }

    /// The connection parameters of an HTTP request.
    pub(crate) fn params(&self) -> Result<Value, ActorError> {
        let mut lines = self.head.headers.get_all(PARAMS).iter();
        let (first, second) = (lines.next(), lines.next());
        if second.is_some() {
            return Err(refusal::invalid_params(
                "There are two headers with connection parameters.",
            ));
        }
        decode_header_params(first.map(HeaderValue::as_bytes)).map_err(|error| error.to_actor_error())
    }

    /// Takes the head for whoever answers the request in the gateway's place.
    pub(crate) fn take_head(&mut self) -> Parts {
        let (empty, ()) = http::Request::new(()).into_parts();
        std::mem::replace(&mut self.head, empty)
    }

    /// An answer in the request's encoding.
    pub(crate) fn reply(&self, body: Bytes) -> Response<Body> {
        let mut response = Response::new(Body::whole(body));
        let content_type = HeaderValue::from_static(self.format.encoding.content_type());
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }

    /// An error in the request's encoding.
    pub(crate) fn error(&self, error: &ActorError) -> Response<Body> {
        let mut response = self.reply(self.format.http_error(error, self.actor.as_ref()));
        let status = status::of(error);
        *response.status_mut() = status;
        match status {
            StatusCode::TOO_MANY_REQUESTS => {
                response
                    .headers_mut()
                    .insert(RETRY_AFTER, HeaderValue::from_static("60"));
            }
            StatusCode::UNAUTHORIZED => {
                response
                    .headers_mut()
                    .insert(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }

    /// The answer to a wrong method.
    pub(crate) fn not_allowed(&self, allowed: &'static str) -> Response<Body> {
        let mut response = self.error(&refusal::method_not_allowed(allowed));
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        response
    }

    /// Names the request and the actor on the answer.
    pub(crate) fn finish(&self, response: &mut Response<Body>) {
        let upgrades = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(ids::RAY, self.ray.clone());
        if self.peer.is_draining() && !upgrades {
            // The client's next request belongs to a successor.
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let Some(actor) = &self.actor else { return };
        if let Ok(id) = HeaderValue::from_str(&actor.actor_id) {
            headers.insert(ACTOR, id);
        }
        headers.insert(GENERATION, HeaderValue::from(actor.generation));
        // A key that is not visible ASCII cannot stand in a header.
        if let Some(key) = actor
            .key
            .as_deref()
            .filter(|key| key.bytes().all(|byte| byte.is_ascii_graphic()))
            && let Ok(key) = HeaderValue::from_str(key)
        {
            headers.insert(KEY, key);
        }
    }
}
