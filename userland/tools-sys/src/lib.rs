//! Tools on identities, modes, processes and devices, each a function that the multicall program calls.

pub mod small;

use std::ffi::OsString;

/// A tool: takes its arguments, `argv[0]` included, and returns its exit status.
pub type Applet = fn(Vec<OsString>) -> i32;

/// The tools of this crate by name, sorted by name.
pub const fn applets() -> &'static [(&'static str, Applet)] {
    APPLETS
}

const APPLETS: &[(&str, Applet)] = &[];
