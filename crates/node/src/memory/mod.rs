//! What the addon does about memory.
//!
//! * `buffers`: memory for large contents, in huge pages.
//! * `sealed`: large contents that a file of a VM and buffers of scripts share, each with changes of its own.
//! * `code`: the pages of the addon that starting touched once.

mod buffers;
mod code;
#[cfg_attr(not(target_os = "linux"), path = "sealed_elsewhere.rs")]
mod sealed;

pub(crate) use buffers::{room_for, zeroed};
pub(crate) use code::give_back_code;
pub(crate) use sealed::{View, is_sealed, sealed_copy, view};
