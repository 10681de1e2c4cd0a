//! Sockets that guests have closed, noticed in time; and those that go from one kind of program to another.

use super::Vm;
use crate::calls::Fail;
use crate::net::Handed;
use crate::sys;
use agentos_kernel::fd::{AccessMode, FdLimits, OpenFile, StatusFlags};
use agentos_kernel::net::Socket;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

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

    /// What a program of another executor gets for a socket that a guest has. Not every host lets the supervisor have it.
    pub(super) fn handed_socket(
        &self,
        key: u32,
        fd: i32,
        (access, status): (AccessMode, StatusFlags),
        limits: &Arc<FdLimits>,
    ) -> Result<Arc<OpenFile>, Fail> {
        let guest = self.guests.get(&key).ok_or(Fail(libc::ESRCH))?;
        let socket = Handed::new(sys::take_fd(guest.pid_fd.as_fd(), fd)?)?;
        Ok(OpenFile::from_object(socket, None, access, status, limits)?)
    }

    /// What a guest gets for a socket that it inherits from a program of another executor; none for what is no socket.
    pub(super) fn socket_for_guest(&mut self, file: &Arc<OpenFile>) -> Result<Option<OwnedFd>, Fail> {
        if let Some(handed) = file.object_as::<Handed>() {
            return Ok(Some(handed.for_guest()?));
        }
        if file.object_as::<Socket>().is_none() {
            return Ok(None);
        }
        let guest = self.sockets.adopt(file)?;
        sys::set_nonblocking(guest.as_fd(), file.flags().contains(StatusFlags::NONBLOCK))?;
        Ok(Some(guest))
    }
}
