//! Fuzz targets: one per boundary that hostile bytes cross.
//!
//! A target is a function from bytes to nothing that must not panic, hang or leave a VM unusable. The same targets work
//! under a coverage-guided fuzzer and under the bounded random runner of this crate, which the continuous integration uses.
#![forbid(unsafe_code)]

pub mod input;
pub mod runner;
pub mod targets;
