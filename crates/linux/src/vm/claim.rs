//! A start that may be served by a parked process, and how such a process becomes the VM's.
//!
//! Nothing is done to the process before it is certain that it fits. From then on it is the VM's: if something fails, the
//! start has failed, as it would have where the same fails in an ordinary start.

use super::nursery::Held;
use super::{Guest, Start, State, Vm};
use crate::sys::{self, Answer};
use agentos_kernel::fd::OpenFile;
use agentos_kernel::process::{INFINITY, Process, Resource, Signal};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

impl Vm {
    /// Serves a start from the nursery; gives it back if it has to be an ordinary one.
    pub(super) fn claim(&mut self, (mut loaded, process): Start) -> Option<Start> {
        self.nursery.bind();
        let Some(invocation) = loaded.invocation.take() else {
            return Some((loaded, process));
        };
        let taken = match process.exit_status() {
            None => self.take_parked(&invocation.key, &process),
            Some(_) => None,
        };
        invocation.pool.count(taken.is_some());
        // Agents are seldom more than one in a VM, and what has loaded their modules is large: those are parked for VMs to come.
        let again = invocation.key.preload.is_none() && !self.has_child(&invocation.key);
        let left = match taken {
            Some((held, guest)) => {
                self.become_guest(&held, guest, &process);
                None
            }
            None => Some((loaded, process)),
        };
        if again {
            invocation.refill(&self.loader, Some(Arc::downgrade(&self.shared)));
        }
        left
    }

    fn become_guest(&mut self, held: &Held, mut guest: Guest, process: &Arc<Process>) {
        let before = std::mem::replace(&mut guest.process, Arc::clone(process));
        before.set_elsewhere(None);
        before.exit(0);
        before.finish();
        guest.was_parked = true;
        guest.copies.clear();
        guest.lent.clear();
        guest.file_limit = INFINITY;
        // What it took to boot is nobody's.
        guest.cpu_ns = sys::cpu_time(guest.pid).unwrap_or(0);
        let key = guest.pid;
        self.thread_count += guest.threads();
        let files = process.resource_limit(Resource::Files);
        super::start::limit_files(key, files);
        guest.limit_file_size(self.files.limit);
        guest.state = State::Running;
        process.catch_all();
        self.show(process, &guest.proc_dir);
        self.guests.insert(key, guest);
        let image = process.image();
        let pid = self.visible_pid(process.pid());
        let told =
            crate::park::claim(&image.argv, &image.env, pid).filter(|_| self.hand_descriptors(key, held, process));
        let answer = told.map(|told| -> std::io::Result<OwnedFd> {
            let file = sys::memfd(c"claim", true)?;
            crate::program::write_all(&file, &told)?;
            sys::seal(file.as_fd())?;
            sys::reopen(file.as_fd(), libc::O_RDONLY)
        });
        match answer {
            Some(Ok(file)) => self.listener.answer(held.call.id, Answer::Descriptor(file, true)),
            _ => {
                if let Some(guest) = self.guests.get(&key) {
                    let _ = sys::send_signal(guest.pid_fd.as_fd(), Signal::KILL.number(), None);
                }
            }
        }
        self.attend(key);
    }

    /// Puts a process's descriptors in the place of those that it booted with.
    fn hand_descriptors(&mut self, key: u32, held: &Held, process: &Process) -> bool {
        let mut made: Vec<(Arc<OpenFile>, OwnedFd)> = Vec::new();
        let fds = process.descriptors();
        for fd in &fds {
            let Ok(file) = process.file(*fd) else { return false };
            if !made.iter().any(|(known, _)| Arc::ptr_eq(known, &file)) {
                let Ok(real) = self.lend(key, &file) else { return false };
                made.push((Arc::clone(&file), real));
            }
            let real = made.iter().find(|(known, _)| Arc::ptr_eq(known, &file));
            let Some((_, real)) = real else { return false };
            // Node.js marks what it was started with, for its children's sake.
            if self
                .listener
                .add(held.call.id, real.as_fd(), Some(fd.0), true, 0)
                .is_err()
            {
                return false;
            }
        }
        self.sockets.adopted();
        for fd in fds {
            let _ = process.close(fd);
        }
        true
    }
}
