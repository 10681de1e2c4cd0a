//! Tests of the runtime as its users see it, on simulated time.
#![allow(unreachable_pub, reason = "one binary of many modules")]

mod connections;
mod counter;
mod hooks;
mod lifecycle;
mod limits;
mod previews;
mod support;
