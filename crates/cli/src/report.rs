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

/// Prints bytes as they are.
pub(crate) fn bytes(bytes: &[u8]) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(Error::host("standard output"))
}

/// Prints what a command wrote to its standard error.
pub(crate) fn error_text(text: &str) -> Result<(), Error> {
    std::io::stderr()
        .lock()
        .write_all(text.as_bytes())
        .map_err(Error::host("standard error"))
}

/// Tells people what goes on; programs do not see it.
pub(crate) fn progress(line: &str) {
    // Progress that nobody can read is not worth failing for.
    let _ = writeln!(std::io::stderr(), "{line}");
}
