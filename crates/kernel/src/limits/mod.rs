//! Limits of one VM: configuration with defaults, and shared counters that enforce them (limits.md).
//!
//! A [`Limits`] is plain configuration: every field is a row of one table that gives its path, unit, default and bounds, so
//! that parsing, validation and documentation cannot drift apart. A [`Counter`] is one stock of a running VM: taking from
//! it either fits under the cap or fails as a whole with an error that names the field.

mod config;
mod counter;

pub use config::{Field, InvalidLimit, Limits};
pub use counter::Counter;
