//! Previews: servers inside VMs, for browsers.
//!
//! ```text
//!  client ── request ──▶ address ── which form? ──▶ failures ──▶ Previews::authorize ──▶ slot ──▶ Grant::open
//!                           │ 404                     │ 429          │ 403                │ 503       │ 502, 503
//!                                                                                                    ▼
//!  client ◀── response rules ◀── head, 101 or error ◀── hyper over the guest's connection ◀── request rules
//!                                    │ 502, 504
//! ```
//!
//! Invariants:
//!
//! * A preflight is answered before the token is looked at, and the same for every token. Whatever is wrong with a token, the
//!   answer is the same 403.
//! * Nothing is buffered beyond the frame in hand, on either way; a request, its answer and its WebSocket live as long as the
//!   client reads them, the token is valid and something moves.
//! * A token appears in no log, no error and no metric; logs have the first eight digits of its hash.
//! * The guest's bytes reach the client as the body of an answer that hyper framed, with headers that the rules let through.
//!
//! security.md section 3 is the law that this follows.

mod activity;
mod address;
mod body;
mod exchange;
mod extension;
mod fuzz;
mod limiter;
mod location;
mod options;
mod registry;
mod request;
mod response;
mod source;
mod stats;
mod tunnel;

pub use address::{Address, Form, Match, PreviewHost, Token, read};
#[doc(hidden)]
pub use fuzz::fuzz_heads;
pub use options::PreviewOptions;
pub use registry::RegistryPreviews;
pub use source::{Grant, GuestConnection, GuestIo, Previews, Refusal, Waiting};
pub use stats::{Outcome, Stats};

use crate::{Body, BodyError};
use activity::Activity;
use agentos_actor::{Clock, SystemClock};
use body::{Download, Hold, Upload};
use bytes::Bytes;
use exchange::{Answer, Failed, exchange};
use http::header::ACCESS_CONTROL_REQUEST_METHOD;
use http::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use limiter::{Failures, Slot, Slots};
use response::Own;
use std::net::IpAddr;
use std::sync::Arc;

/// Answers requests for previews. Clones share everything.
#[derive(Clone)]
pub struct PreviewProxy(Arc<Inner>);

struct Inner {
    previews: Arc<dyn Previews>,
    options: PreviewOptions,
    failures: Failures,
    clock: Arc<dyn Clock>,
    slots: Arc<Slots>,
    stats: Arc<Stats>,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Visitor {
    /// The address of the client's connection.
    pub address: IpAddr,
    /// Whether that connection is encrypted.
    pub secure: bool,
}

/// An answer, and what must be run beside it when it is a 101.
pub struct Reply {
    /// For the client.
    pub response: Response<Body>,
    /// The rest of a WebSocket. Dropping it closes it.
    pub tunnel: Option<Waiting<'static, ()>>,
}

impl PreviewProxy {
    /// A proxy to the previews of these actors.
    pub fn new(previews: Arc<dyn Previews>, options: PreviewOptions) -> Self {
        Self::with_clock(previews, options, Arc::new(SystemClock))
    }

    /// The same, on a clock of one's own.
    pub fn with_clock(previews: Arc<dyn Previews>, options: PreviewOptions, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            previews,
            failures: Failures::new(options.max_failures_per_minute, clock.clone()),
            clock,
            slots: Slots::new(),
            stats: Arc::default(),
            options,
        }))
    }

    /// What it has done so far.
    pub fn stats(&self) -> &Arc<Stats> {
        &self.0.stats
    }

    /// Requests and WebSockets in progress.
    pub fn active(&self) -> usize {
        self.0.slots.active()
    }

    /// What a request's head means to this proxy; `target` is its raw target behind the gateway's base path.
    pub fn matches(&self, head: &http::request::Parts, target: &str) -> Match {
        read(head, target, self.0.options.host.as_ref())
    }

    /// Answers a request that [`matches`](Self::matches).
    pub async fn answer<B>(&self, request: Request<B>, target: &str, visitor: Visitor) -> Reply
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let (mut head, body) = request.into_parts();
        let upgrade = hyper::upgrade::on(Request::from_parts(head.clone(), ()));
        let mut address = match self.matches(&head, target) {
            Match::Preview(address) => address,
            Match::Malformed | Match::Other => return self.own(Own::NotFound, None),
        };
        if head.method == Method::OPTIONS && head.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return self.own(Own::Preflight, Some(&head));
        }
        head.extensions.clear();
        // Guests make links from the prefix, so that it begins with the gateway's base path.
        let whole = head.uri.path_and_query().map_or("", |whole| whole.as_str());
        if let (Form::Path, Some(base)) = (address.form, whole.strip_suffix(target)) {
            address.prefix.insert_str(0, base);
        }
        let (grant, slot) = match self.admit(&address, visitor).await {
            Ok(admitted) => admitted,
            Err(own) => return self.own(own, None),
        };
        match self.serve(&head, body, &address, visitor, (grant, slot), upgrade).await {
            Ok(reply) => {
                let (status, token) = (reply.response.status().as_u16(), &address.token);
                tracing::debug!(target: "preview", preview = %token, method = %head.method, status, "answered");
                reply
            }
            Err(own) => {
                tracing::debug!(target: "preview", preview = %address.token, status = own.status().as_u16(), "not answered");
                self.own(own, None)
            }
        }
    }

    /// Checks the token and finds room.
    async fn admit(&self, address: &Address, visitor: Visitor) -> Result<(Arc<dyn Grant>, Slot), Own> {
        let inner = &*self.0;
        let blocked = inner.failures.blocked(visitor.address);
        // Behind a proxy on this machine all clients share one address; there, the right token passes in any case.
        if let (Some(seconds), false) = (blocked, visitor.address.is_loopback()) {
            return Err(Own::TooManyFailures { seconds });
        }
        let grant = inner.previews.authorize(address.actor.as_deref(), &address.token).await;
        let grant = grant.map_err(|refusal| {
            if refusal == Refusal::Denied {
                inner.failures.record(visitor.address);
                inner.stats.failed();
                tracing::info!(
                    target: "audit", event = "security.preview.denied", peer = %visitor.address, preview = %address.token
                );
            }
            match (refusal, blocked) {
                (Refusal::Denied, Some(seconds)) => Own::TooManyFailures { seconds },
                _ => Own::from(refusal),
            }
        })?;
        let most = grant.bounds().max_concurrent_requests;
        let most = most.unwrap_or(inner.options.max_concurrent_requests);
        let slot = inner.slots.enter(grant.actor(), most).ok_or(Own::Busy)?;
        Ok((grant, slot))
    }

    async fn serve<B>(
        &self,
        head: &http::request::Parts,
        body: B,
        address: &Address,
        visitor: Visitor,
        (grant, slot): (Arc<dyn Grant>, Slot),
        upgrade: hyper::upgrade::OnUpgrade,
    ) -> Result<Reply, Own>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BodyError>,
    {
        let (options, stats, activity) = (
            &self.0.options,
            self.0.stats.clone(),
            Activity::new(self.0.clock.clone()),
        );
        let origin = request::Origin {
            peer: visitor.address,
            secure: visitor.secure,
            credential: options.gateway_token.as_deref(),
        };
        let websocket = request::wants_websocket(head);
        let asked = request::prepare(head, address, grant.port(), origin).ok_or(Own::NotFound)?;
        let upload = Upload::new(body, activity.clone(), stats.clone());
        let mut ended = grant.ended();
        let answer = async {
            let io = grant.open().await?;
            Ok::<_, Own>(exchange(io, asked.map(|()| upload), &activity, options).await?)
        };
        let answer = tokio::select! {
            biased;
            () = &mut ended => return Err(Own::Denied),
            answer = answer => answer?,
        };
        let patience = grant.bounds().idle_timeout.unwrap_or(options.idle_timeout);
        let port = grant.port();
        let hold = Hold {
            ended,
            silence: activity.silence(patience),
            activity,
            stats,
            _grant: grant,
            _slot: slot,
        };
        let place = location::Place {
            address,
            port,
            host: address::host_of(head),
        };
        self.relay(answer, hold, (head, place, websocket), upgrade)
    }

    /// Turns the guest's head into the client's.
    fn relay(
        &self,
        answer: Answer,
        hold: Hold,
        (head, place, websocket): (&http::request::Parts, location::Place<'_>, bool),
        upgrade: hyper::upgrade::OnUpgrade,
    ) -> Result<Reply, Own> {
        let form = place.address.form;
        let (mut parts, incoming) = answer.response.into_parts();
        if !response::clean(&mut parts, &head.method, form, self.0.options.path_sandbox, websocket) {
            return Err(Own::NoAnswer);
        }
        location::rewrite(&mut parts.headers, place);
        parts.version = http::Version::HTTP_11;
        parts.extensions.clear();
        self.0.stats.count(Outcome::Answered);
        if parts.status != StatusCode::SWITCHING_PROTOCOLS {
            let body = Body::stream(Download::new(incoming, answer.exchange, hold, form));
            let response = Response::from_parts(parts, body);
            return Ok(Reply { response, tunnel: None });
        }
        let switched = answer.switched.ok_or(Own::NoAnswer)?;
        self.0.stats.upgraded();
        let tunnel = async move {
            if let Ok(client) = upgrade.await {
                tunnel::tunnel(TokioIo::new(client), switched, hold).await;
            }
        };
        Ok(Reply {
            response: Response::from_parts(parts, Body::empty()),
            tunnel: Some(Box::pin(tunnel)),
        })
    }

    fn own(&self, own: Own, asked: Option<&http::request::Parts>) -> Reply {
        self.0.stats.count(Outcome::of(own.status()));
        let mut response = Response::new(Body::whole(own.text()));
        *response.status_mut() = own.status();
        *response.headers_mut() = own.headers(asked.map(|head| &head.headers));
        Reply { response, tunnel: None }
    }
}

impl From<Refusal> for Own {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied => Self::Denied,
            Refusal::Unavailable => Self::Busy,
            Refusal::NoListener => Self::NoAnswer,
        }
    }
}

impl From<Failed> for Own {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::TooSlow => Self::TooSlow,
            Failed::Broken => Self::NoAnswer,
        }
    }
}

impl std::fmt::Debug for PreviewProxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PreviewProxy")
            .field("options", &self.0.options)
            .finish_non_exhaustive()
    }
}
