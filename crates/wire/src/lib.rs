//! The RivetKit client protocol: frames, encodings, keys and addresses, without any input or output.
//!
//! Everything here is a total function of bytes. Decoders are bounded by [`Limits`] before they allocate; encoders
//! mirror the version and the habits of the client ([`Version`], [`Dialect`]).
#![forbid(unsafe_code)]

mod bare;
mod compat;
mod control;
mod decode;
mod dialect;
mod error;
mod format;
pub mod json;
mod message;
mod params;
mod status;
mod subprotocol;
mod target;
mod version;

pub use control::{
    ActorRecord, CreateRequest, CreateResponse, GetOrCreateResponse, ListQuery, ListResponse, MAX_INPUT_BYTES,
    decode_create_request, encode_control, encode_control_error,
};
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
pub use params::{MAX_PARAMS_BYTES, decode_header_params, decode_subprotocol_params};
pub use status::http_status;
pub use subprotocol::{SUBPROTOCOL, Subprotocols};
pub use target::{ActorQuery, Address, CrashPolicy, Hints, QueryMethod, Target};
pub use version::{Encoding, Limits, Version};
