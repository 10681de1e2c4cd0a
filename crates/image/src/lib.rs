//! Images: where the programs of a VM come from besides the bundled ones.
//!
//! An [`Image`] is a read-only tree that lies below the root of any number of VMs. It is opened once ([`Image::open`]) and
//! costs a VM nothing: what the VM changes is kept above, and counted there.
//!
//! ```text
//!   Source     what was asked for: a directory, an archive, an OCI layout, `host`
//!   Image      the opened tree, and what its configuration says (environment, entry point, ...)
//!     live     directories of the host, as they are
//!     layer    archives: unpacked once into the cache, then served from there
//!       tar, compress, tree    members, and what they amount to
//!     build    images of packages
//!     assembly layers that are put together of archives and files, for a store of software
//!     oci      images of several layers, checked by their digests
//! ```
//!
//! Invariants:
//!
//! * Nothing that an archive says is believed, and nothing of it is unpacked under a name that it chose.
//! * Nothing of an image is ever followed on the host: links are text, walked by the kernel of the VM in the VM's own tree.
//! * Files of the host are opened below a descriptor that was opened at the start, beneath it, without links and without
//!   crossing mounts.
//! * An image shows regular files, directories and links. Devices, sockets and FIFOs are not there.
#![forbid(unsafe_code)]

pub mod assembly;
mod bounds;
pub mod build;
mod cache;
mod compress;
mod digest;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod image;
mod layer;
mod live;
mod oci;
mod recent;
mod refuse;
mod source;
mod tar;
mod tree;

pub use bounds::Bounds;
pub use cache::Cache;
pub use error::{Error, Result};
pub use image::{Image, LayerInfo};
pub use oci::Config;
pub use source::Source;
