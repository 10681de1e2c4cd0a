//! Tools that fetch and send over the network: `curl` and `wget`, each a function that the program `net` calls, over one
//! [`engine`].

#![forbid(unsafe_code)]

mod curl;
pub mod engine;
mod wget;

use std::ffi::OsString;

/// A tool: takes its command line, returns its status.
pub type Applet = fn(Vec<OsString>) -> i32;

/// The tools of this crate by name, sorted by name.
pub const fn applets() -> &'static [(&'static str, Applet)] {
    &[("curl", curl::curl), ("wget", wget::wget)]
}
