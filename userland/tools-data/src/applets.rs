//! The table of tools.

use crate::jq;

pub use agentos_tools_text::Applet;

/// The tools of this crate by name, sorted by name.
pub const fn applets() -> &'static [(&'static str, Applet)] {
    APPLETS
}

/// One line for each tool of this crate, for `help`: name and what follows it on the command line.
pub const fn synopses() -> &'static [(&'static str, &'static str)] {
    SYNOPSES
}

const APPLETS: &[(&str, Applet)] = &[("jq", jq::jq)];

const SYNOPSES: &[(&str, &str)] = &[("jq", "[-nrcsSejaRC] [--arg NAME VALUE] FILTER [FILE]...   process JSON")];
