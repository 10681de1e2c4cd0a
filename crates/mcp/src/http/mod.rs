//! Many clients over HTTP, by the protocol's streamable transport at `/mcp`.
//!
//! ```text
//!   connection ─▶ count ─▶ Host, Origin ─▶ token ─▶ body: time and bytes ─▶ sessions: count ─▶ rmcp
//! ```
//!
//! Whoever reaches the port can run programs in the VM, so that it is open to loopback alone unless a token is asked for,
//! and so that pages of a browser, which reach loopback as well, are kept out by the names that they have to send.

mod guard;
mod sessions;

pub use guard::Token;

use crate::failure::Exceeded;
use crate::limits::{Limits, millis};
use crate::server::Server;
use bytes::Bytes;
use guard::{Guard, Refusal, Reply};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use sessions::Sessions;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Where the protocol is spoken.
const PATH: &str = "/mcp";

/// Time in which the head of a request has to arrive.
const HEAD: Duration = Duration::from_secs(10);

/// Time that connections have to end once the server does.
const DRAIN: Duration = Duration::from_secs(2);

/// How to serve.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// What every request has to bring as `Authorization: Bearer`. Needed beyond loopback.
    pub token: Option<Token>,
    /// Names by which clients may call the server besides loopback's and the address that it listens at.
    pub hosts: Vec<String>,
    /// Origins of pages that may call the server; none unless named.
    pub origins: Vec<String>,
}

/// Checks that a server with these options may listen at an address.
///
/// # Errors
/// It may not; the text says why, and what can be done.
pub fn check(address: SocketAddr, options: &Options) -> Result<(), String> {
    if address.ip().is_loopback() || options.token.is_some() {
        return Ok(());
    }
    Err(format!(
        "{address} can be reached from other machines, and who reaches it can run programs in the VM; give a token, or \
         listen at 127.0.0.1"
    ))
}

/// Serves clients until `until` is done.
///
/// # Errors
/// The listener cannot be used, or listens where it must not without a token.
pub async fn serve(
    server: &Server,
    listener: TcpListener,
    options: Options,
    until: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    check(address, &options).map_err(|text| io::Error::new(io::ErrorKind::PermissionDenied, text))?;
    let limits = *server.limits();
    let ended = CancellationToken::new();
    let sessions = Arc::new(Sessions::new(&limits));
    let front = Arc::new(Front {
        guard: Guard::new(address, options),
        limits,
        mcp: service(server, Arc::clone(&sessions), ended.clone()),
        sessions,
    });
    let places = Arc::new(Semaphore::new(limits.max_connections));
    let mut connections = JoinSet::new();
    let mut until = std::pin::pin!(until);
    loop {
        let accepted = tokio::select! {
            () = &mut until => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => {
                    let (front, ended) = (Arc::clone(&front), ended.clone());
                    connections.spawn(async move {
                        connection(front, stream, ended).await;
                        drop(place);
                    });
                }
                // What is said to the one too many must not take long either.
                Err(_) => drop(stream),
            },
            // Of the machine, such as too many open files: the next may go well, but not at once.
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    ended.cancel();
    let drained = tokio::time::timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

type Service = StreamableHttpService<Server, Sessions>;

fn service(server: &Server, sessions: Arc<Sessions>, ended: CancellationToken) -> Service {
    let limits = server.limits();
    // Host and Origin were checked before.
    let config = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_max_request_body_bytes(limits.max_message_bytes)
        .with_cancellation_token(ended);
    let server = server.clone();
    StreamableHttpService::new(move || Ok(server.client()), sessions, config)
}

/// What every request goes through.
struct Front {
    guard: Guard,
    limits: Limits,
    sessions: Arc<Sessions>,
    mcp: Service,
}

async fn connection(front: Arc<Front>, stream: TcpStream, ended: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let front = Arc::clone(&front);
        async move { Ok::<_, Infallible>(front.answer(request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut served = std::pin::pin!(served);
    let result = tokio::select! {
        result = &mut served => result,
        () = ended.cancelled() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection failed");
    }
}

impl Front {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        match self.admit(request).await {
            Ok(request) => {
                let new = request.method() == Method::POST && !request.headers().contains_key("mcp-session-id");
                let response = self.mcp.handle(request).await;
                match new && response.status().is_server_error() && self.sessions.is_full().await {
                    true => self.too_many(),
                    false => response,
                }
            }
            Err(refusal) => refusal.reply(),
        }
    }

    /// The request with its whole body, if it may be answered.
    async fn admit(&self, request: Request<Incoming>) -> Result<Request<Full<Bytes>>, Refusal> {
        self.guard.admit(&request)?;
        if request.uri().path() != PATH {
            return Err(Refusal::not_found(PATH));
        }
        let (head, body) = request.into_parts();
        let cap = self.limits.max_message_bytes;
        let declared = head
            .headers
            .get(http::header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok()?.parse().ok());
        let exceeded =
            |observed| Refusal::too_large(&Exceeded::new("mcp.maxMessageBytes", observed, cap as u64, "body"));
        if let Some(length) = declared.filter(|length| *length > cap as u64) {
            return Err(exceeded(length));
        }
        let collected = tokio::time::timeout(self.limits.max_body_time, Limited::new(body, cap).collect()).await;
        let time = millis(self.limits.max_body_time);
        let body = collected.map_err(|_| Refusal::slow(&Exceeded::new("mcp.maxBodyMs", time, time, "body")))?;
        let body = body.map_err(|error| match error.is::<LengthLimitError>() {
            true => exceeded(cap as u64 + 1),
            false => Refusal::broken(),
        })?;
        Ok(Request::from_parts(head, Full::new(body.to_bytes())))
    }

    /// What a client is told for which there is no session.
    fn too_many(&self) -> Reply {
        let cap = self.limits.max_sessions as u64;
        Refusal::busy(&Exceeded::new("mcp.maxSessions", cap + 1, cap, "sessions")).reply()
    }
}

/// A response whose body is whole.
fn whole(response: http::response::Builder, body: impl Into<Bytes>) -> Reply {
    let body = Full::new(body.into()).boxed();
    // The parts of these are constants.
    response
        .body(body)
        .unwrap_or_else(|_| Response::new(Full::default().boxed()))
}
