//! Semantics of processes, driven by a simulated clock and programs that are Rust futures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::needless_pass_by_value,
    unreachable_pub
)]

mod harness;

mod files;
mod jobs;
mod lifecycle;
mod limits;
mod programs;
mod pseudo;
mod signals;
mod speed;
mod threads;
