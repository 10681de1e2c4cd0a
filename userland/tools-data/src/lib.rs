//! Tools on archives, structured data and connections, each a function that the multicall program calls.
//!
//! Input is hostile throughout: everything streams, so that what an archive claims about itself costs nothing, and
//! nesting is bounded. The golden cases under `tests/cases` are recorded from the original tools.

#![forbid(unsafe_code)]

use agentos_tools_base::{cli, io};

mod applets;
mod codec;
mod compress;
mod jq;
mod json;
mod net;
mod tar;
mod yq;
mod zip;

pub use applets::{Applet, applets, synopses};
