//! For tests only: a layer below SQLite that fails where a test wants it, and that knows what a power loss would leave.
//!
//! ```text
//!   SQLite ──► shim (a VFS that wraps the operating system's) ──► files
//!                 │ asks before each step: shall it fail?
//!                 └ notes each step ──► Journal ──► images of the disk after a power loss at any of them
//! ```
//!
//! A [`Disk`] is one such VFS under its own name; open a database with that name ([`Disk::vfs`]), or all of a data directory
//! ([`Disk::below`]). A *step* is a write, a cut,
//! a flush or a removal of a database or journal file. What was written and not flushed may be on disk after a power loss as
//! a whole, in part, or not at all, in any order ([`Survivors`]); what was flushed is.
//!
//! All `unsafe` of the product's storage tests is in the `shim` module.

mod journal;
mod shim;

pub use journal::{Disk, Fault, Step, Survivors};
