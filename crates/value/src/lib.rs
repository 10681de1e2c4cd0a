//! The values that actors and their clients exchange: those of JavaScript.
//!
//! [`Value`] is the model, [`cbor`] its lossless byte form (for storage, and the base of the client protocol), the serde
//! bridge ([`Value::from_serialize`], [`Value::deserialize`]) connects it with Rust types. [`ActorError`] is the error that a client is allowed to
//! see; [`Key`] and [`ActorId`] name actors.
#![forbid(unsafe_code)]

mod bridge;
pub mod cbor;
mod error;
mod key;
mod object;
#[cfg(test)]
mod test_support;
mod value;

pub use bridge::as_bytes;
pub use error::{ActorError, INTERNAL_MESSAGE};
pub use key::{ActorId, Key, KeyError, MAX_KEY_BYTES, MAX_KEY_PART_BYTES, MAX_NAME_CHARS, check_name};
pub use object::Object;
pub use value::{MAX_SAFE_INTEGER, Value, ValueError};
