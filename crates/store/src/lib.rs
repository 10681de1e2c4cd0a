//! What outlives a VM: its durable filesystem and the tables of an actor, in SQLite.
//!
//! Layers, from the bottom: [`Error`] (one type, mapped from SQLite and the host in one place); [`Database`] (one file, one
//! ordered stream of mutations, group commit); [`DataDir`] (where the files are and who may open them) with the
//! [`HostIndex`] of all actors; typed [`tables`]; the durable filesystem in [`fs`].
//!
//! Invariants:
//!
//! * A resolved [`Ticket`] means durable: the mutation survives `kill -9` and, as far as the host's disk honours flushes,
//!   power loss.
//! * Mutations of one database are applied in the order of their submission, each wholly or not at all.
//! * A process that lost its claim on a database (the generation moved on) can never commit to it again.
//! * No thread belongs to a database: a few committer threads serve all of them.
#![forbid(unsafe_code)]

mod data_dir;
pub mod database;
mod error;
pub mod fs;
pub mod headroom;
mod host_index;
mod seal;
pub mod tables;
pub mod user;

pub use data_dir::{DataDir, VmStore};
pub use database::{Database, Submission, Ticket};
pub use error::{Error, Result};
pub use headroom::{DiskSpace, Headroom};
pub use host_index::{ActorEntry, Created, HOST_SCHEMA, HostIndex, NewActor};
pub use seal::SealKey;
pub use user::{Rows, SqlValue, Stop, UserDatabase, UserLimits};
