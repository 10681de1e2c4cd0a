//! Fuzz targets: one per boundary that hostile bytes cross.
//!
//! A target is a function from bytes to nothing that must not panic, hang or leave a VM unusable. The same targets work
//! under a coverage-guided fuzzer and under the bounded random runner of this crate, which the continuous integration uses.
#![forbid(unsafe_code)]
// A panic is how a target reports what it found.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

pub mod input;
pub mod runner;
pub mod targets;
