//! Sockets between the processes of one VM, and between the VM and its host.
//!
//! ```text
//!   Socket           one open description: options, names, and what it is at the moment:
//!     Listener         a queue of connections to accept
//!     Channel          one end of a connection: of a Connection inside the VM (stream or packets), or a stream outside
//!     Inbox            datagrams that arrived; Flows, those to and from destinations outside
//!   Net              counters, and Names: inodes, abstract names and ports to listeners and inboxes
//! ```
//!
//! The VM has a loopback network of its own: 127.0.0.0/8 and ::1. What is sent to a socket there never leaves the VM. Everything
//! else is handed to the [`Egress`]; the one place that decides so is `Net::way`.
//!
//! Invariants:
//!
//! * Behaviour is Linux's, down to the errors; a test runs the same calls on the host's sockets.
//! * Locks are taken in the order socket, names, listener or inbox, attempt, connection; never those of two sockets at once,
//!   but for a pair that nobody else knows yet.
//! * A name ends with its socket (a unix node then refuses connections), a connection's count with both its ends, a queued
//!   byte's with being read or with the queue.

mod address;
mod advice;
mod binding;
mod caller;
mod cargo;
mod channel;
mod config;
mod connect;
mod connection;
mod egress;
mod flows;
pub(crate) mod hosts;
mod inbox;
mod listener;
mod names;
mod options;
mod outside;
mod queue;
mod resolver;
mod settings;
mod socket;
mod stack;
mod udp;
mod way;

pub use address::{Domain, Kind, SocketAddress, UnixAddress};
pub use advice::Advice;
pub use caller::{Caller, NodeId};
pub use cargo::Cargo;
pub use config::NetworkConfig;
pub use egress::{Datagrams, Egress, Lookup, Outgoing, Query, Stream};
pub use options::{MessageFlags, OptionName, OptionValue, PeerCredentials, Shutdown};
pub use socket::{Received, Socket};
pub use stack::{Net, NetSetup};
