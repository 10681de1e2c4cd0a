//! Terminals: the same keystrokes on the host's pseudo-terminals and on the kernel's, and what needs a process layer.
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test is one crate, and may fail"
)]

mod behaviour;
#[path = "../common/mod.rs"]
mod common;
mod differential;
mod host;
mod ours;
