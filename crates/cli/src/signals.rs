//! Signals that tell this program to end.

use crate::error::Error;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Time between the polite and the final signal to a process that ran out of time (api.md section 4.2).
pub(crate) const GRACE: Duration = Duration::from_secs(2);

/// The signals by which a terminal, a user or a supervisor ends a program.
pub(crate) struct Ending {
    hangup: Signal,
    interrupt: Signal,
    quit: Signal,
    terminate: Signal,
}

impl Ending {
    /// Takes them over from their default action.
    pub(crate) fn watch() -> Result<Self, Error> {
        let watch = |kind, name| signal(kind).map_err(Error::host(name));
        Ok(Self {
            hangup: watch(SignalKind::hangup(), "SIGHUP")?,
            interrupt: watch(SignalKind::interrupt(), "SIGINT")?,
            quit: watch(SignalKind::quit(), "SIGQUIT")?,
            terminate: watch(SignalKind::terminate(), "SIGTERM")?,
        })
    }

    /// Waits for one of them and gives its number.
    pub(crate) async fn next(&mut self) -> i32 {
        let kind = tokio::select! {
            _ = self.hangup.recv() => SignalKind::hangup(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.quit.recv() => SignalKind::quit(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        };
        kind.as_raw_value()
    }
}
