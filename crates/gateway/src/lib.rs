//! HTTP and WebSocket for actors, in the RivetKit client protocol; previews, inspector, metrics.
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

pub use body::{Body, BodyError};
pub use builder::{Builder, Gateway};
pub use error::GatewayError;
pub use extension::{Answer, Claim, Extension};
pub use limits::{Limits, SLOW_BYTES};
pub use observe::{OnSpan, Route, Traffic};
pub use server::{Peer, Running, bind, handover, inherited};
