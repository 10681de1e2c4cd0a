//! `wget`, with the options, words and exit codes of wget 1.21.3. It fetches what it is told to; it does not follow links.

mod fetch;
mod log;
mod options;
mod run;
mod sink;

use std::ffi::OsString;

/// The applet.
pub fn wget(args: Vec<OsString>) -> i32 {
    run::run(args)
}
