//! `curl`, with the options, words and exit codes of curl 7.88.1, as far as HTTP and files go.
//!
//! ```text
//! parse    the command line; table: all options; set: what each does; config: the result
//! operate  all URLs; transfer: one of them with its redirects; sink: what is shown and kept
//! headers, data, form, netrc   what a request is made of
//! output, progress, writeout   what the user sees
//! ```

mod config;
mod data;
mod form;
mod glob;
mod headers;
mod help;
mod local;
mod netrc;
mod operate;
mod output;
mod parse;
mod progress;
mod set;
mod sink;
mod table;
mod transfer;
mod writeout;

use std::ffi::OsString;

/// The applet.
pub fn curl(args: Vec<OsString>) -> i32 {
    operate::run(args)
}
