//! The VM as an actor, called as clients call it: every action with its results, shapes and errors, the events, and the life
//! of sleep and wake.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod bounds;
mod cron;
mod database;
mod events;
mod files;
mod life;
mod network;
mod processes;
mod shells;
mod status;
mod storage;
mod support;
mod tools;
