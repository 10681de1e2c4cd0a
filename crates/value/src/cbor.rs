//! The byte form of values: CBOR as JavaScript clients write and read it.
//!
//! [`Style::Native`] also serves storage: all that it loses is the difference between an `ArrayBuffer` and a `Uint8Array`.
//! A few choices are the clients', not ours: an 8-byte integer is a BigInt whatever its size, so numbers beyond 32 bits are
//! doubles; lengths are always definite; a `Uint8Array` carries tag 64, an `ArrayBuffer` is a plain byte string and read as
//! a `Uint8Array`; dates are tag 1, sets tag 258, maps tag 259.
//!
//! Decoding is bounded before it allocates: a length must fit the remaining input, and depth and number of values are
//! capped. Duplicate member names are refused. Large byte strings share the input's memory instead of being copied.

mod decode;
mod encode;

pub use decode::{Limits, decode};
pub use encode::{MAX_ENCODE_DEPTH, Style, big_integer, encode, encode_array, encode_into, map_head, text};

/// Epoch seconds.
const TAG_DATE: u64 = 1;
/// A positive big integer; 3 is the negative one.
const TAG_BIG: u64 = 2;
/// A negative big integer, of which -1 minus the magnitude is written.
const TAG_BIG_NEGATIVE: u64 = 3;
/// A `Uint8Array`.
const TAG_BYTES: u64 = 64;
/// A `Set`.
const TAG_SET: u64 = 258;
/// A `Map`.
const TAG_MAP: u64 = 259;

/// Major types, in the three high bits of a head.
mod major {
    pub(super) const UNSIGNED: u8 = 0;
    pub(super) const NEGATIVE: u8 = 1;
    pub(super) const BYTES: u8 = 2;
    pub(super) const TEXT: u8 = 3;
    pub(super) const ARRAY: u8 = 4;
    pub(super) const MAP: u8 = 5;
    pub(super) const TAG: u8 = 6;
    pub(super) const SIMPLE: u8 = 7;
}

#[cfg(test)]
mod tests;
