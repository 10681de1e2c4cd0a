//! The bridge between values and Rust types.
//!
//! Types with `Serialize` and `Deserialize` travel as what JavaScript would use: structs as objects, options as null,
//! enum variants as text or as an object with one member. Byte strings are `Uint8Array`s; use [`as_bytes`] on fields of
//! type `Vec<u8>` or `Bytes`. A member that is undefined counts as missing.
//!
//! [`Value`] itself passes through unchanged, also as a field within a struct: its serde form is a variant of an enum with
//! a reserved name, which the bridge recognises. Formats that people read get plain JSON instead.

pub mod as_bytes;
mod de;
mod ser;
mod value;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Value, ValueError};

/// The name under which [`Value`] announces itself to the bridge.
const PASS_THROUGH: &str = "$agentos::Value";

impl Value {
    /// The value of anything that can be serialized.
    ///
    /// # Errors
    /// [`ValueError::UnsafeInteger`] for an integer beyond 2^53, [`ValueError::Mismatch`] for a map whose keys are no text,
    /// and whatever the type's own implementation reports.
    pub fn from_serialize<T: Serialize + ?Sized>(source: &T) -> Result<Self, ValueError> {
        source.serialize(ser::ValueSerializer)
    }

    /// Anything that can be deserialized, from this value.
    ///
    /// # Errors
    /// [`ValueError::Mismatch`] that says what was expected and what was found.
    pub fn deserialize<T: DeserializeOwned>(self) -> Result<T, ValueError> {
        T::deserialize(de::ValueDeserializer(self))
    }
}

impl serde::ser::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Mismatch(message.to_string())
    }
}

impl serde::de::Error for ValueError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::Mismatch(message.to_string())
    }
}

#[cfg(test)]
mod tests;
