//! The RivetKit client protocol: frames, encodings, keys and addresses, without any input or output.
//!
//! Everything here is a total function of bytes. Decoders are bounded by [`Limits`] before they allocate; encoders
//! mirror the version and the habits of the client ([`Version`], [`Dialect`]).
#![forbid(unsafe_code)]

mod bare;
mod compat;
mod decode;
mod dialect;
mod error;
mod format;
pub mod json;
mod message;
mod version;

pub use decode::{
    decode_action_request, decode_action_response, decode_http_error, decode_queue_request, decode_queue_response,
    decode_to_client, decode_to_server, peek_action_id, peek_version,
};
pub use dialect::Dialect;
pub use error::WireError;
pub use format::Format;
pub use message::{
    ActionRequest, ActorSpecifier, ErrorBody, QueueSendRequest, QueueSendResponse, QueueStatus, ToClient, ToServer,
};
pub use version::{Encoding, Limits, Version};
