//! The size of the terminal.

use std::os::fd::AsFd;

/// Rows and columns of the terminal on standard output, input or error, or what `LINES` and `COLUMNS` say.
pub(crate) fn size() -> Option<(usize, usize)> {
    let streams = (std::io::stdout(), std::io::stdin(), std::io::stderr());
    for fd in [streams.0.as_fd(), streams.1.as_fd(), streams.2.as_fd()] {
        if let Ok(size) = agentos_guest::tty::size(fd)
            && size.rows > 0
            && size.cols > 0
        {
            return Some((usize::from(size.rows), usize::from(size.cols)));
        }
    }
    let number = |name| std::env::var(name).ok()?.parse().ok();
    Some((number("LINES")?, number("COLUMNS")?))
}
