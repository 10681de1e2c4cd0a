//! What the caller may do with a file, and what a descriptor is.

use std::path::Path;

/// Read permission.
pub(crate) const READ: u32 = 4;
/// Write permission.
pub(crate) const WRITE: u32 = 2;
/// Execute permission, or search permission of a directory.
pub(crate) const EXECUTE: u32 = 1;

/// Whether the caller may do what the bits say, by its effective ids.
#[cfg(target_family = "wasm")]
pub(crate) fn may(path: &Path, bits: u32) -> bool {
    agentos_guest::fs::access(agentos_guest::fs::Target::Follow(path), bits, true).is_ok()
}

/// The same on a host, where tests run: by the mode bits of anybody.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn may(path: &Path, bits: u32) -> bool {
    use agentos_tools_base::platform::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.permissions().mode() & (bits * 0o111) != 0)
}

/// Whether a descriptor beyond the standard ones is a terminal.
pub(crate) fn is_terminal(fd: i64) -> bool {
    let path = format!("/proc/self/fd/{fd}");
    std::fs::read_link(path).is_ok_and(|target| target.starts_with("/dev/pts") || target.starts_with("/dev/tty"))
}
