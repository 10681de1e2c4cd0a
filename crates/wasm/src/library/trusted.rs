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
    // SAFETY: as above. The file is private to our user, sealed with a hash that was just verified on this very descriptor,
    // and never written to after it got its name; it is mapped privately.
    unsafe { Module::deserialize_open_file(engine, file) }
}
