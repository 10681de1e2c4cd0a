//! The files that stand for kits in a VM.
//!
//! A stub is an immutable blob that the host made, and it is known by the blob's identity. Its text is for people who look into
//! it, and tells an executor at a glance that the file might be a stub.

use agentos_kernel::vfs::Blob;
use std::sync::Arc;

/// What every stub begins with. No format of programs does, and the zero byte keeps shells from reading it as a script.
pub(crate) const MAGIC: &[u8] = b"\0agentos-host-tool\n";

/// The stub of a command.
pub(crate) fn stub(command: &str) -> Arc<Blob> {
    let text = format!(
        "{command} calls tools of the host. This file stands for them; a copy of it does not call anything.\n\
         Try: {command} --help\n"
    );
    Blob::new([MAGIC, text.as_bytes()].concat())
}
