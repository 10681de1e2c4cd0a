//! Images: where the programs of a VM come from besides the bundled ones.
//!
//! An [`Image`] is a read-only tree that lies below the root of any number of VMs. It is opened once ([`Image::open`]) and
//! costs a VM nothing: what the VM changes is kept above, and counted there.
//!
//! ```text
//!   Source     what was asked for: a directory, an archive, an OCI layout, `host`
//!   Image      the opened tree, and what its configuration says (environment, entry point, ...)
//!     live     directories of the host, as they are
//! ```
//!
//! Invariants:
//!
//! * Nothing of an image is ever followed on the host: links are text, walked by the kernel of the VM in the VM's own tree.
//! * Files of the host are opened below a descriptor that was opened at the start, beneath it, without links and without
//!   crossing mounts.
//! * An image shows regular files, directories and links. Devices, sockets and FIFOs are not there.
#![forbid(unsafe_code)]

mod error;
mod image;
mod live;
mod recent;
mod refuse;
mod source;

pub use error::{Error, Result};
pub use image::Image;
pub use source::Source;
