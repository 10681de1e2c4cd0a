//! Semantics of processes, driven by a simulated clock and programs that are Rust futures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, unreachable_pub)]

mod harness;

mod lifecycle;
mod pseudo;
mod speed;
