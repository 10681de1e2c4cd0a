//! What the whole server is doing: the one word that every connection listens for.

use tokio::sync::watch;

/// The server's state. It only moves forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Serving.
    Open,
    /// Finishing what was begun; nothing new.
    Draining,
    /// Ending everything now.
    Closing,
}

/// The writing end.
#[derive(Debug)]
pub(crate) struct PhaseSwitch(watch::Sender<Phase>);

impl PhaseSwitch {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Phase::Open))
    }

    pub(crate) fn watch(&self) -> PhaseWatch {
        PhaseWatch(self.0.subscribe())
    }

    pub(crate) fn advance(&self, to: Phase) {
        self.0.send_if_modified(|phase| {
            let forward = to > *phase;
            if forward {
                *phase = to;
            }
            forward
        });
    }
}

/// The listening end.
#[derive(Clone, Debug)]
pub(crate) struct PhaseWatch(watch::Receiver<Phase>);

impl PhaseWatch {
    pub(crate) fn now(&self) -> Phase {
        *self.0.borrow()
    }

    /// Resolves when the server has reached `phase` or gone beyond it, or is gone altogether.
    pub(crate) async fn reached(&self, phase: Phase) {
        // An error says that the switch is dropped, and with it the server.
        let _ = self.0.clone().wait_for(|now| *now >= phase).await;
    }
}
