//! The typed tables of an actor, in its `vm.sqlite`.
//!
//! Writing functions return a [`Ticket`](crate::Ticket): the row is durable when it resolves. Reading functions see what is
//! committed. Times are milliseconds since the Unix epoch.

use crate::database::{Migration, Schema};

/// The schema of `vm.sqlite`.
pub const VM_SCHEMA: Schema = Schema {
    application_id: 0x616f_5356, // "aoSV"
    migrations: &[Migration::Sql(&[include_str!("v1.sql"), crate::fs::SCHEMA])],
};
