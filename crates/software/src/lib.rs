//! Software that a VM can have: what is in its root filesystem before anybody wrote to it.
//!
//! The bundled userland (package `common`) is a handful of WebAssembly programs that were built ahead of time and are
//! committed with their provenance; see `userland/README.md`. They are carried compressed inside this crate and unpacked
//! only when somebody reads or compiles them ([`artefact`]). [`base`] describes the small tree around them, and [`image`]
//! puts both into a template filesystem that every VM forks in constant time.
//!
//! Everything else is in a [`store`] of this user: packages of npm and Debian, archives and single programs, as read-only
//! layers that any number of VMs share.
#![forbid(unsafe_code)]

pub mod artefact;
pub mod base;
pub mod certs;
pub mod error;
pub mod image;
pub mod store;

pub use artefact::{Artefact, Userland};
pub use error::Error;
pub use image::{Accounts, Image, Package};
