//! Sockets between the processes of one VM, and between the VM and its host.
//!
//! ```text
//!   Socket           one open description: options, names, and what it is at the moment:
//!     Listener         a queue of connections to accept
//!     Link             one end of a Connection (stream or packets)
//!     Inbox            datagrams that arrived
//!   Net              counters, and Names: inodes, abstract names and ports to listeners and inboxes
//! ```
//!
//! The loopback network is all there is: 127.0.0.0/8 and ::1. Any other destination is `ENETUNREACH`; the one place that
//! decides so is `Net::route`.
//!
//! Invariants:
//!
//! * Behaviour is Linux's, down to the errors; a test runs the same calls on the host's sockets.
//! * Locks are taken in the order socket, names, listener or inbox, attempt, connection; never those of two sockets at once,
//!   but for a pair that nobody else knows yet.
//! * A name ends with its socket (a unix node then refuses connections), a connection's count with both its ends, a queued
//!   byte's with being read or with the queue.

mod address;
mod binding;
mod caller;
mod config;
mod connect;
mod connection;
mod egress;
mod inbox;
mod listener;
mod names;
mod options;
mod queue;
mod settings;
mod socket;
mod stack;

pub use address::{Domain, Kind, SocketAddress, UnixAddress};
pub use caller::{Caller, NodeId};
pub use config::NetworkConfig;
pub use egress::{Datagrams, Egress, Lookup, Outgoing, Query, Stream};
pub use options::{MessageFlags, OptionName, OptionValue, PeerCredentials, Shutdown};
pub use socket::{Received, Socket};
pub use stack::{Net, NetSetup};
