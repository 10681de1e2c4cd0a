//! The only places where machine code is loaded.
#![allow(unsafe_code)]

use std::fs::File;
use wasmtime::{Engine, Module};

/// Loads machine code that this process's own compiler just made.
pub(super) fn from_bytes(engine: &Engine, code: &[u8]) -> wasmtime::Result<Module> {
    // SAFETY: `deserialize` needs bytes that `precompile_module` or `serialize` made and nobody changed. Callers pass what one
    // of them returned to this process a moment ago. Compatibility of the engine is checked by wasmtime.
    unsafe { Module::deserialize(engine, code) }
}

/// Maps machine code from a file that [`super::disk::Disk`] verified.
pub(super) fn from_file(engine: &Engine, file: File) -> wasmtime::Result<Module> {
    // SAFETY: as above. The file lies in a folder that only our user can write, its key and checksum were just verified on
    // this very descriptor, and it is never written to after it got its name; it is mapped privately. The checksum tells
    // damage; against malice stands the folder, as whoever can write there is our user.
    unsafe { Module::deserialize_open_file(engine, file) }
}
