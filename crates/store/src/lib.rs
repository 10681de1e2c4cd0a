//! What outlives a VM: its durable filesystem and the tables of an actor, in SQLite.
#![forbid(unsafe_code)]
