//! Limits of one VM: configuration with defaults, and shared counters that enforce them (limits.md).
//!
//! A [`Limits`] is plain configuration: every field is a row of one table that gives its path, unit, default, bounds and
//! effect, so that parsing, validation and documentation cannot drift apart. A [`LimitsDraft`] reads configurations and finds
//! everything that is wrong with them. A [`Counter`] is one stock of a running VM: taking from it either fits under the cap
//! or fails as a whole with an error that names the field; it reports to the host when it becomes full.

mod counter;
mod draft;
mod invalid;
mod nearest;
mod table;
#[cfg(test)]
mod tests;

pub use counter::Counter;
pub use draft::LimitsDraft;
pub use invalid::{InvalidLimit, InvalidLimits};
pub(crate) use table::unit;
pub use table::{Field, Limits, Zero};
