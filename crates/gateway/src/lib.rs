//! HTTP and WebSocket for actors: the server that unmodified RivetKit clients talk to.
//!
//! ```text
//!  server     listener, TLS, deadlines, one task per connection, drain, handover        below HTTP
//!  router     sizes, host, origin, token; control API or one actor                      one request
//!  call, raw  an action, a queue send, a raw request: a short connection to the actor
//!  socket     protocol connections and raw sockets, on the codec of ws                  one WebSocket
//!  preview, operations                                                                  routes beside the protocol
//! ```
//!
//! What the bytes mean is the business of `agentos-wire`; what an action does, whom hooks admit and how an actor sleeps is
//! that of `agentos-actor`. This crate decides who may ask at all, keeps every client within its bounds, and never lets one
//! that is slow, hostile or gone hold up another. It knows neither storage nor VMs.
//!
//! Invariants: nobody is woken or asked before the gateway's own checks have passed; every wait ends by a duration and every
//! buffer by a size of [`Limits`]; what is not made for clients does not reach them; tokens, parameters and targets are never
//! logged; only one loop writes to a socket.
#![forbid(unsafe_code)]

mod auth;
mod body;
mod budget;
mod builder;
mod call;
mod control;
mod cors;
mod error;
mod extension;
#[doc(hidden)]
pub mod fuzz;
mod heavy;
mod ids;
mod limits;
mod observe;
pub mod operations;
pub mod preview;
mod raw;
mod refusal;
mod router;
mod server;
mod socket;
mod status;
mod upload;
mod ws;

/// The guide's examples, which are compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/gateway.md")]
struct Guide;

pub use body::{Body, BodyError};
pub use builder::{Builder, Gateway};
pub use error::GatewayError;
pub use extension::{Answer, Claim, Extension};
pub use limits::{Limits, SLOW_BYTES};
pub use observe::{OnSpan, Route, Traffic};
pub use server::{Peer, Running, bind, handover, inherited};
