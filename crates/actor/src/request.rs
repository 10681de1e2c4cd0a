//! What a connection is opened with.

use std::net::IpAddr;
use std::sync::Arc;

use agentos_value::Value;

/// How a connection reaches the actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transport {
    /// A socket that stays open and receives events. It survives the actor's sleep.
    Socket,
    /// One HTTP request.
    Http,
    /// A raw WebSocket.
    RawSocket,
    /// A call of another actor or of the program that runs the registry.
    Internal,
}

/// The request that opens a connection, as hooks see it. It has no gateway headers and no `rvt-` parameters.
#[derive(Clone, Debug, Default)]
pub struct RequestInfo {
    /// The method.
    pub method: http::Method,
    /// Path and query within the actor.
    pub path: String,
    /// The headers. They may hold secrets, and are never logged.
    pub headers: http::HeaderMap,
}

/// How to open a connection.
#[derive(Clone, Debug)]
pub struct ConnectRequest {
    /// What the client sent for the hooks; `null` if it sent nothing.
    pub params: Value,
    /// How the connection reaches the actor.
    pub transport: Transport,
    /// The request that opens it; absent for calls within the process.
    pub request: Option<Arc<RequestInfo>>,
    /// The peer's address; absent for calls within the process.
    pub peer: Option<IpAddr>,
    /// How many actors stand in the chain of calls that led here.
    pub depth: u32,
    /// Whether requests are delivered while the actor starts and stops, instead of being held until it is ready.
    pub skip_ready_wait: bool,
}

impl ConnectRequest {
    /// A connection without parameters.
    pub const fn new(transport: Transport) -> Self {
        Self {
            params: Value::Null,
            transport,
            request: None,
            peer: None,
            depth: 0,
            skip_ready_wait: false,
        }
    }

    /// The same connection with parameters.
    #[must_use]
    pub fn params(mut self, params: impl Into<Value>) -> Self {
        self.params = params.into();
        self
    }

    /// The same connection with the request that opens it.
    #[must_use]
    pub fn request(mut self, request: RequestInfo) -> Self {
        self.request = Some(Arc::new(request));
        self
    }

    /// The same connection, whose requests are delivered while the actor stops, and while it starts once it has said that it
    /// can be asked ([`ActorContext::serve_early`](crate::ActorContext::serve_early)).
    #[must_use]
    pub const fn skip_ready_wait(mut self, skip: bool) -> Self {
        self.skip_ready_wait = skip;
        self
    }

    /// The same connection with its peer.
    #[must_use]
    pub const fn peer(mut self, peer: IpAddr) -> Self {
        self.peer = Some(peer);
        self
    }
}
