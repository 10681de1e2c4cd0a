//! Sockets: the same calls on the host's sockets and on the kernel's, and what only the kernel promises.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test is one crate, and may fail"
)]

mod bridge;
mod chaos;
#[path = "../common/mod.rs"]
mod common;
mod differential;
mod faults;
mod host;
mod hostile;
mod limits;
mod network;
mod ours;
mod outside;
mod unix;
mod world;
