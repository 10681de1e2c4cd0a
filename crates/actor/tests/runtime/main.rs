//! Tests of the runtime as its users see it, on simulated time.
#![allow(unreachable_pub, reason = "one binary of many modules")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::field_reassign_with_default,
    clippy::needless_pass_by_value,
    reason = "tests"
)]

mod audit;
mod connections;
mod counter;
mod crash;
mod database;
mod hooks;
mod lifecycle;
mod limits;
mod model;
mod previews;
mod ready;
mod reservations;
mod scale;
mod support;
