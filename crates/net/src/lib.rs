//! The way out of a VM: what of the host's network a guest may reach, and how it gets there.
#![forbid(unsafe_code)]

mod addresses;
mod ranges;

pub use addresses::{Classifier, Reach, Verdict, classify, is_loopback};
pub use ranges::Range;
