//! The preview proxy between scripted clients and scripted guests, byte by byte.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]
#![allow(unreachable_pub, reason = "modules of a test serve each other")]

mod hostile;
mod limits;
mod registry;
mod rules;
mod streams;
mod support;
mod websocket;
