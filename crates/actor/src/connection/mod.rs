//! Connections: opened by the schedule of hooks, alive through the actor's sleep, closed once.
//!
//! [`Connection`] is the handle of whoever talks to the client; [`Conn`] is how actors and hooks see the same thing. A
//! connection belongs to an actor's cell and not to its awake instance, so sleep and wake do not touch it: its state,
//! parameters and subscriptions stay, and no hook runs again.

mod conn;
mod dispatch;
mod handle;
mod open;
mod outbox;
mod table;

pub use conn::Conn;
pub use handle::Connection;
pub(crate) use open::open;
pub use outbox::{CloseReason, Outgoing};
pub(crate) use table::Connections;
