//! The server: it listens on 127.0.0.1, within bounds, for as long as its value lives.

use crate::conversation::Conversation;
use crate::error::{Error, Result};
use crate::script::{Chosen, Script, head};
use crate::service;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use std::collections::{HashSet, VecDeque};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// What clients are held to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bounds {
    /// Connections at once; 64. One more is answered with 529 and closed.
    pub max_connections: usize,
    /// Bytes of a request's body; 32 MiB, as of Anthropic's API.
    pub max_body_bytes: usize,
    /// Time in which the head of a request has to arrive, and then its body; 30 s.
    pub read_timeout: Duration,
    /// Requests that [`ModelServer::seen`] remembers; 1024.
    pub max_seen: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_connections: 64,
            max_body_bytes: 32 << 20,
            read_timeout: Duration::from_secs(30),
            max_seen: 1024,
        }
    }
}

/// A request for an answer, as the server understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// `anthropic`, `openai` (chat completions) or `responses` (OpenAI's other API).
    pub api: &'static str,
    /// The model that was asked for.
    pub model: String,
    /// The beginning of what the person said last.
    pub prompt: String,
    /// Answers of the model since then.
    pub answers: usize,
    /// Names of the tools that the agent declares, the first 64.
    pub tools: Vec<String>,
    /// The beginning of the last result of a tool since the prompt.
    pub last_result: Option<String>,
    /// Place of the turn that the script gave; none if it had none.
    pub turn: Option<usize>,
}

impl Seen {
    pub(crate) fn new(api: &'static str, conversation: &Conversation, turn: Option<usize>) -> Self {
        let short = |text: &str| head(text, SHORT).to_owned();
        let tools = conversation.tools.iter().take(TOOLS);
        Self {
            api,
            model: short(&conversation.model),
            prompt: short(&conversation.prompt),
            answers: conversation.answers,
            tools: tools.map(|tool| short(&tool.name)).collect(),
            last_result: conversation.result.as_ref().map(|result| short(&result.text)),
            turn,
        }
    }
}

/// Bytes of a text, and names of tools, that a [`Seen`] keeps.
const SHORT: usize = 256;
const TOOLS: usize = 64;

/// What all connections use.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) script: Script,
    pub(crate) key: Option<String>,
    pub(crate) bounds: Bounds,
    requests: AtomicU64,
    /// Turns for one use that were taken.
    used: Mutex<HashSet<usize>>,
    seen: Mutex<VecDeque<Seen>>,
}

impl Shared {
    pub(crate) fn next_number(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// What the script says; of two requests at once, one takes a turn that is for one use.
    pub(crate) fn choose(&self, conversation: &Conversation) -> Option<Chosen> {
        let mut used = self.used.lock();
        let chosen = self.script.choose(conversation, &|turn| used.contains(&turn))?;
        if self.script.is_once(chosen.turn) {
            used.insert(chosen.turn);
        }
        Some(chosen)
    }

    pub(crate) fn saw(&self, request: Seen) {
        let mut seen = self.seen.lock();
        if seen.len() >= self.bounds.max_seen {
            seen.pop_front();
        }
        if self.bounds.max_seen > 0 {
            seen.push_back(request);
        }
    }
}

/// Options of a server; made by [`ModelServer::builder`].
#[derive(Debug)]
#[must_use = "nothing listens until it is started"]
pub struct Builder {
    script: Script,
    port: u16,
    key: Option<String>,
    bounds: Bounds,
}

impl Builder {
    /// The port; any that is free unless given.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The key that requests must carry, as `x-api-key` or as a bearer token; none unless given.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// What clients are held to.
    pub fn bounds(mut self, bounds: Bounds) -> Self {
        self.bounds = bounds;
        self
    }

    /// Listens; to be called on a runtime of tokio, on which the server then runs.
    ///
    /// # Errors
    /// [`Error::Listen`].
    pub async fn start(self) -> Result<ModelServer> {
        let failed = |source| Error::Listen {
            port: self.port,
            source,
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port))
            .await
            .map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let shared = Arc::new(Shared {
            script: self.script,
            key: self.key,
            bounds: self.bounds,
            requests: AtomicU64::new(0),
            used: Mutex::default(),
            seen: Mutex::default(),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(ModelServer { port, shared, task })
    }
}

/// A running server; it ends with this value, and its connections with it.
#[derive(Debug)]
pub struct ModelServer {
    port: u16,
    shared: Arc<Shared>,
    task: AbortHandle,
}

impl ModelServer {
    /// Prepares a server that says what the script says.
    pub fn builder(script: Script) -> Builder {
        Builder {
            script,
            port: 0,
            key: None,
            bounds: Bounds::default(),
        }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT`, without `/v1`.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The last requests for answers, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().iter().cloned().collect()
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts until it is aborted; the connections are its own and end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < shared.bounds.max_connections => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                Ok((stream, _)) => turn_away(&stream, &shared.bounds),
                // Without descriptors there is nothing to accept; the next one to be given back lets it go on.
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let timeout = shared.bounds.read_timeout;
    let service = service_fn(move |request| service::answer(Arc::clone(&shared), request));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeout)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = served.await {
        // Agents leave in the middle of a stream when they are cancelled.
        tracing::debug!(%error, "a connection ended");
    }
}

/// Says why, as far as that goes without waiting for whoever connected.
fn turn_away(stream: &TcpStream, bounds: &Bounds) {
    let cap = bounds.max_connections;
    let message = format!(
        "limit_exceeded: maxConnections: {} is more than {cap} (bounds.max_connections)",
        cap + 1
    );
    let body =
        serde_json::json!({"type": "error", "error": {"type": "overloaded_error", "message": message}}).to_string();
    let head = "HTTP/1.1 529 Overloaded\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ";
    // One that cannot even take this is closed without it.
    let _ = stream.try_write(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes());
}
