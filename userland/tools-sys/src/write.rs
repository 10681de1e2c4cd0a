//! Writing results, with the failure that GNU tools report.

use std::io::{self, Write};

use agentos_tools_base::io::{complain, reason};

/// Writes `bytes` to standard output; returns the tool's status.
pub(crate) fn all(tool: &str, bytes: &[u8]) -> i32 {
    done(tool, raw(bytes))
}

/// The status after writing: 1 with a message if it failed.
pub(crate) fn done(tool: &str, result: io::Result<()>) -> i32 {
    match result {
        Ok(()) => 0,
        Err(error) => {
            complain(tool, format_args!("write error: {}", reason(&error)));
            1
        }
    }
}

/// Writes to standard output at once, without std's line buffer.
pub(crate) fn raw(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
