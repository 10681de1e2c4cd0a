//! The VM as an actor, called as clients call it: every action with its results, shapes and errors, the events, and the life
//! of sleep and wake.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod bounds;
mod cron;
mod database;
mod events;
mod files;
mod life;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod linux;
mod network;
mod processes;
mod sessions;
mod shells;
mod status;
mod storage;
mod support;
mod tools;
