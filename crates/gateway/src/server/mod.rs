//! The listener and its connections: everything below HTTP.
//!
//! ```text
//!  listener -> accept: permit, address, no delay -> connection: TLS -> transport: deadlines -> hyper -> the router
//!                 ^                                                                                |
//!                 |                                                     upgraded: socket, raw, preview
//!               phase: open -> draining -> closing, heard by all of them
//! ```
//!
//! Invariants: no task outlives the server's close by more than a moment; every task is counted, so that a drain knows when
//! it is done; a connection's place is taken before it is accepted and given back when its last task ends.

pub(crate) mod accept;
mod connection;
pub mod handover;
mod http2;
mod listen;
pub(crate) mod peer;
pub(crate) mod phase;
pub(crate) mod pulse;
mod running;
pub(crate) mod tls;
pub(crate) mod transport;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

pub use listen::{bind, inherited};
pub use peer::Peer;
pub use running::Running;

use self::peer::Population;
use self::phase::PhaseSwitch;
use self::tls::Tls;
use crate::limits::Limits;
use crate::router::Router;

/// What all connections of a server share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) phase: PhaseSwitch,
    pub(crate) tasks: TaskTracker,
    pub(crate) connections: Arc<Semaphore>,
    pub(crate) population: Arc<Population>,
    pub(crate) tls: Option<Tls>,
    pub(crate) service: Arc<Router>,
}

impl Shared {
    pub(crate) fn new(service: Router, tls: Option<Tls>) -> Self {
        Self {
            phase: PhaseSwitch::new(),
            tasks: TaskTracker::new(),
            connections: Arc::new(Semaphore::new(service.limits().max_connections)),
            population: Arc::new(Population::default()),
            tls,
            service: Arc::new(service),
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        self.service.limits()
    }
}
