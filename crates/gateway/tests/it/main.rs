//! The gateway over real sockets: what clients see, what hostile clients do not achieve.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, missing_docs)]

mod support;

mod actions;
mod control;
mod doors;
mod drain;

mod hostile;
mod limits;
mod processes;
mod raw;
mod routing;
mod sockets;
mod storage;
mod tls;
