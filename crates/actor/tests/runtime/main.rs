//! Tests of the runtime as its users see it, on simulated time.
#![allow(unreachable_pub, reason = "one binary of many modules")]

mod connections;
mod counter;
mod crash;
mod hooks;
mod lifecycle;
mod limits;
mod model;
mod previews;
mod scale;
mod support;
