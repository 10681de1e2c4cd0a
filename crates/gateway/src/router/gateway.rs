//! Requests to one actor.

use std::sync::Arc;

use agentos_actor::{ActorInfo, ConnectRequest, CreateOptions, RequestInfo, Transport};
use agentos_value::{ActorError, ActorId, Value};
use agentos_wire::{ActorQuery, ActorSpecifier, Address, QueryMethod, Target};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, SEC_WEBSOCKET_PROTOCOL};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use hyper::body::Incoming;

use super::path::ActorPath;
use super::{Exchange, Router};
use crate::auth::token;
use crate::body::Body;
use crate::socket::is_asked;
use crate::{call, raw, refusal, socket};

impl Router {
    /// Answers a request whose address leads to an actor.
    pub(crate) async fn to_actor(
        self: Arc<Self>,
        exchange: &mut Exchange,
        body: Incoming,
        target: Target,
    ) -> Response<Body> {
        exchange.learn_form(target.is_query_form());
        let path = ActorPath::parse(&target.path);
        let admitted = self.admit(exchange, target.token.as_deref());
        if let (ActorPath::Connect | ActorPath::WebSocket(_), true) = (&path, is_asked(&exchange.head)) {
            let way = if path == ActorPath::Connect {
                socket::Way::Connect
            } else {
                socket::Way::Raw
            };
            let entry = socket::Entry {
                address: target.address,
                path: target.path,
                way,
                skip_ready_wait: target.skip_ready_wait,
                admitted,
            };
            return socket::accept(self, exchange, entry).unwrap_or_else(|error| exchange.error(&error));
        }
        if let Err(error) = admitted {
            return exchange.error(&error);
        }
        let get = matches!(exchange.head.method, Method::GET | Method::HEAD);
        let result = match path {
            ActorPath::Action(_) | ActorPath::Queue(_) if exchange.head.method != Method::POST => {
                return exchange.not_allowed("POST");
            }
            ActorPath::Action(name) => call::action(&self, exchange, body, &target, name).await,
            ActorPath::Queue(name) => call::queue(&self, exchange, body, &target, name).await,
            ActorPath::Request(inner) => raw::request(&self, exchange, body, &target, &inner).await,
            ActorPath::Connect | ActorPath::WebSocket(_) if !get => return exchange.not_allowed("GET"),
            ActorPath::Connect | ActorPath::WebSocket(_) => Err(refusal::upgrade_required()),
            ActorPath::Metadata | ActorPath::Health | ActorPath::Root if !get => return exchange.not_allowed("GET"),
            ActorPath::Metadata | ActorPath::Health | ActorPath::Root => self.about(exchange, &target.address, &path),
            ActorPath::Unknown => Err(refusal::route_not_found()),
        };
        result.unwrap_or_else(|error| exchange.error(&error))
    }

    /// The actor that an address means, created if the address says so.
    pub(crate) async fn resolve(&self, peer: &crate::Peer, address: &Address) -> Result<ActorInfo, ActorError> {
        let Address::Query(query) = address else {
            return self.find(address);
        };
        let QueryMethod::GetOrCreate {
            input,
            pool,
            crash_policy,
            ..
        } = &query.method
        else {
            return self.find(address);
        };
        self.check_namespace(Some(&query.namespace))?;
        let options = CreateOptions {
            input: input.clone().unwrap_or(Value::Undefined),
            peer: Some(peer.address().ip()),
            pool: pool.clone(),
            crash_policy: crash_policy.map(|policy| policy.name().to_owned()).unwrap_or_default(),
        };
        self.registry
            .get_or_create(&query.name, &query.key, options)
            .await
            .map(|(info, _)| info)
    }

    /// The actor that an address means, if it exists.
    fn find(&self, address: &Address) -> Result<ActorInfo, ActorError> {
        let found = match address {
            Address::Id(id) => match ActorId::new(id.as_str()) {
                Ok(id) => self.registry.find(&id)?,
                Err(_) => None,
            },
            Address::Query(ActorQuery {
                namespace, name, key, ..
            }) => {
                self.check_namespace(Some(namespace))?;
                if !self.registry.is_registered(name) {
                    return Err(refusal::not_registered(name));
                }
                self.registry.get(name, key)?
            }
        };
        found.ok_or_else(refusal::not_found)
    }

    pub(crate) fn check_namespace(&self, namespace: Option<&str>) -> Result<(), ActorError> {
        match namespace {
            Some(namespace) if namespace != self.rules.namespace => {
                Err(refusal::invalid_params("There is no such namespace."))
            }
            _ => Ok(()),
        }
    }

    /// What anyone who is admitted may know about an actor without asking it.
    fn about(
        &self,
        exchange: &mut Exchange,
        address: &Address,
        path: &ActorPath,
    ) -> Result<Response<Body>, ActorError> {
        let info = self.find(address)?;
        exchange.actor = Some(specifier(&info));
        let (body, kind) = match path {
            ActorPath::Metadata => (crate::control::metadata(), "application/json"),
            ActorPath::Health => (crate::control::health(), "application/json"),
            _ => (
                Bytes::from_static(b"An actor of agentOS. Use a RivetKit client to talk to it.\n"),
                "text/plain",
            ),
        };
        let mut response = Response::new(Body::whole(body));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        Ok(response)
    }
}

/// How errors and headers name an actor.
pub(crate) fn specifier(info: &ActorInfo) -> ActorSpecifier {
    ActorSpecifier {
        actor_id: info.id.as_str().to_owned(),
        generation: info.generation,
        key: Some(info.key.serialized()),
    }
}

impl Router {
    /// What opens a connection for a request: its method, its path and its headers, as far as they are the handlers'
    /// business. Takes the headers.
    pub(crate) fn connect_request(
        &self,
        exchange: &mut Exchange,
        transport: Transport,
        params: Value,
        path: &str,
    ) -> ConnectRequest {
        let mut headers = std::mem::take(&mut exchange.head.headers);
        self.strip_own(&mut headers);
        ConnectRequest::new(transport)
            .params(params)
            .request(RequestInfo {
                method: exchange.head.method.clone(),
                path: path.to_owned(),
                headers,
            })
            .peer(exchange.peer.address().ip())
    }

    /// Removes the headers of the gateway, which handlers might trust, and the gateway's token.
    fn strip_own(&self, headers: &mut HeaderMap) {
        let ours = |name: &HeaderName| name.as_str().starts_with("x-rivet-") || name.as_str().starts_with("x-agentos-");
        let names: Vec<_> = headers.keys().filter(|name| ours(name)).cloned().collect();
        for name in names {
            headers.remove(name);
        }
        // The token and the parameters stand here.
        headers.remove(SEC_WEBSOCKET_PROTOCOL);
        // A request that was admitted by a token has presented no other.
        let bearer = headers
            .get(AUTHORIZATION)
            .is_some_and(|value| token::bearer(value.as_bytes()).is_some());
        if bearer && self.rules.token.is_some() {
            headers.remove(AUTHORIZATION);
        }
    }
}
