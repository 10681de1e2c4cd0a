//! The RivetKit client protocol: frames, encodings, keys and addresses, without any input or output.
//!
//! Everything here is a total function of bytes. Decoders are bounded by [`Limits`] before they allocate; encoders
//! mirror the version and the habits of the client ([`Version`], [`Dialect`]).
#![forbid(unsafe_code)]

mod dialect;
mod error;
mod message;
mod version;

pub use dialect::Dialect;
pub use error::WireError;
pub use message::{
    ActionRequest, ActorSpecifier, ErrorBody, QueueSendRequest, QueueSendResponse, QueueStatus, ToClient, ToServer,
};
pub use version::{Encoding, Limits, Version};
