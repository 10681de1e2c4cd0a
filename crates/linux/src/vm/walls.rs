//! The host's group of a VM's guests (`walls/mod.rs`), from where guests are started, and where they end.

use super::Vm;
use crate::sys::Notification;
use agentos_kernel::process::{Kernel, Process, Signal};
use std::io;

impl Vm {
    /// Before a program starts: there is a group, with the limits of whose thread this is. That of a thread without a VM has those of what it parks
    /// first, until it has a VM.
    pub(super) fn raise_walls(&mut self, kernel: &Kernel) -> io::Result<()> {
        match (&mut self.group, self.loader.walls()) {
            (_, None) => Ok(()),
            (Some(_), _) if self.nursery.is_inside() => Ok(()),
            (Some(group), _) => group.limit(kernel.limits()),
            (none, Some(walls)) => {
                *none = Some(walls.group(kernel.limits())?);
                Ok(())
            }
        }
    }

    /// Whether a new process is in the group, if there is one: it says whether it was made there, and is put there if it was not. So far it
    /// runs code of this crate alone.
    pub(super) fn is_walled(&self, hello: &Notification) -> bool {
        let group = self.group.as_ref().filter(|_| hello.args[3] != 1);
        group.is_none_or(|group| group.place(hello.tid).is_ok())
    }

    /// A process was killed, and its kernel does not know why: it may be that the host had no more memory for the group.
    pub(super) fn note_lack_of_memory(&mut self, process: &Process) {
        if let Some(limit) = self.group.as_mut().and_then(crate::walls::Group::killed)
            && process.exit_status().is_none()
        {
            process.exit_for(limit, Signal::KILL);
        }
    }
}
