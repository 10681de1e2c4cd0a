//! Sockets that guests have closed, noticed in time.

use super::Vm;

impl Vm {
    /// Closes the datagram sockets that no guest has open any more.
    pub(crate) fn sweep_sockets(&mut self) {
        if self.sockets.has_held() {
            let open = self.open_keys();
            self.sockets.sweep(&open);
        }
    }

    /// Has everything that guests have closed be closed now.
    pub(crate) fn settle_sockets(&mut self) {
        self.sockets.settle(false);
        self.sweep_sockets();
    }

    /// The same for listeners alone.
    pub(crate) fn settle_listeners(&mut self) {
        self.sockets.settle(true);
    }
}
