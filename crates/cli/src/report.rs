//! Printing: results to standard output, everything else to standard error.

use crate::error::Error;
use serde_json::Value;
use std::io::Write;

/// Prints one JSON value on one line.
pub(crate) fn json(value: &Value) -> Result<(), Error> {
    text(&format!("{value}\n"))
}

/// Prints text as it is.
pub(crate) fn text(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Error::host("standard output"))
}

/// Tells people what goes on; programs do not see it.
pub(crate) fn progress(line: &str) {
    // Progress that nobody can read is not worth failing for.
    let _ = writeln!(std::io::stderr(), "{line}");
}
