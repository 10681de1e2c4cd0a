//! Which guests answer themselves (`answers/mod.rs`), and what they are told.

use super::{State, Vm};
use crate::answers::{Asking, Place, Shown, Step, Table, WRAPPER_LEN};
use crate::answers::{call_to, has_room, is_possible, is_wrapper, place, thunk};
use crate::sys::{self, Answer, Notification};
use agentos_kernel::process::{Kernel, Process};
use std::os::fd::AsFd;
use std::sync::{Arc, Weak};

/// The table of a VM, once there is a guest that wants it.
#[derive(Default)]
pub(super) struct Answers(Option<Told>);

/// A table, and the kernel whose directories are in it.
struct Told {
    table: Table,
    kernel: Weak<Kernel>,
}

impl Answers {
    /// The table of a kernel, which may have to be made.
    fn of(&mut self, kernel: &Arc<Kernel>) -> Option<&mut Table> {
        if self.0.is_none() {
            let table = Table::new().ok()?;
            let shown: Arc<Shown> = table.shown();
            if !kernel.vfs().watch_walks(shown) {
                return None;
            }
            let kernel = Arc::downgrade(kernel);
            self.0 = Some(Told { table, kernel });
        }
        self.known(kernel)
    }

    /// The table of a kernel, if there is one.
    fn known(&mut self, kernel: &Arc<Kernel>) -> Option<&mut Table> {
        let told = self.0.as_mut()?;
        std::ptr::eq(told.kernel.as_ptr(), Arc::as_ptr(kernel)).then_some(&mut told.table)
    }

    /// A kernel has no guests any more.
    pub(super) fn end_for(&mut self, kernel: &Arc<Kernel>) {
        if self.known(kernel).is_some() {
            self.0 = None;
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if let Some(kernel) = self.kernel.upgrade() {
            kernel.vfs().unwatch_walks();
        }
    }
}

impl Vm {
    /// A guest has been told that `path` is no link.
    pub(crate) fn was_no_link(&mut self, key: u32, call: &Notification, path: &[u8]) {
        let is_readlink = i64::from(call.number) == libc::SYS_readlink;
        if !is_readlink || self.nursery.is_inside() || !has_room(path) || !is_possible() {
            return;
        }
        let Some(guest) = self.guests.get_mut(&key).filter(|guest| !guest.was_parked) else {
            return;
        };
        let process = Arc::clone(&guest.process);
        match guest.asks.note(call.instruction) {
            Step::Nothing => {}
            Step::Tell => self.tell(&process, path),
            Step::Look => match self.arrange(key, call, path) {
                Some(Asking::Plainly) => {}
                state => {
                    if let Some(guest) = self.guests.get_mut(&key) {
                        guest.asks.state = state.unwrap_or(Asking::Forever);
                    }
                }
            },
        }
    }

    /// Writes a directory into the table, if it is one of which everybody may know.
    fn tell(&mut self, process: &Process, path: &[u8]) {
        if let Some(table) = self.answers.known(process.kernel()) {
            let before = table.before();
            if let Some(holds) = process.steady_directory(path) {
                table.tell(path, before, holds);
            }
        }
    }

    /// Has a guest call the thunk where it asks, if all is as it has to be. Nothing, if it never will be.
    fn arrange(&mut self, key: u32, call: &Notification, path: &[u8]) -> Option<Asking> {
        let thunk = thunk()?;
        let guest = self.guests.get_mut(&key)?;
        let process = Arc::clone(&guest.process);
        if process.steady_directory(path).is_none() {
            // A file, or another filesystem: others may come.
            return Some(Asking::Plainly);
        }
        let place = place(&sys::read_text(guest.proc_dir.as_fd(), c"stat").ok()?)?;
        guest.asks.place = Some(place);
        let behind = place.code.checked_add(thunk.behind)?;
        if call.instruction == behind {
            // A copy of one that has it.
            return Some(Asking::ByThunk(behind));
        }
        let shares = guest.lender.is_some() || self.guests.values().any(|guest| guest.lender == Some(key));
        if place.threads != 1 || call.tid != key || shares {
            return None;
        }
        self.answers.of(process.kernel())?;
        let mut code = [0; WRAPPER_LEN];
        let patch = call_to(place.code.checked_add(thunk.entry)?, call.instruction.checked_sub(7)?)?;
        let at = call.instruction - patch.len() as u64;
        sys::read_memory(call.tid, at, &mut code).ok()?;
        let original = code.get(..patch.len()).filter(|_| is_wrapper(&code))?;
        // What the guest could write itself is nothing that a library was loaded to, and may be a file that others see. Nothing
        // changes by this: what is written stands there.
        if !self.listener.is_valid(call.id) || sys::write_memory(call.tid, at, original).is_ok() {
            return None;
        }
        sys::write_private(call.tid, &mut None, at, &patch).ok()?;
        Some(Asking::ByThunk(behind))
    }

    /// A thunk asks for the table. That it has asked is noted first, so that nobody asks for ever.
    pub(super) fn give_table(&mut self, key: u32, call: &Notification) -> Answer {
        let given = self.place_in(key).and_then(|(place, process)| {
            let asked = place.code.checked_add(thunk()?.asked)?;
            sys::write_private(call.tid, &mut None, asked, &1u64.to_le_bytes()).ok()?;
            let table = self.answers.known(process.kernel())?;
            sys::duplicate(table.file()).ok()
        });
        given.map_or(Answer::Errno(libc::EBADF), |file| Answer::Descriptor(file, true))
    }

    /// It says where it has mapped it, which it may say as it likes: it is its own memory that is read there.
    pub(super) fn use_table(&mut self, key: u32, call: &Notification) -> Answer {
        let [_, _, at, ..] = call.args;
        let used = self.place_in(key).filter(|_| at < 1 << 47).and_then(|(place, _)| {
            let thunk = thunk()?;
            let set = |offset: u64, value: u64| {
                let at = place.code.checked_add(offset)?;
                sys::write_private(call.tid, &mut None, at, &value.to_le_bytes()).ok()
            };
            // With the second it is used.
            set(thunk.table, at)?;
            set(thunk.top, place.stack)
        });
        used.map_or(Answer::Errno(libc::EBADF), |()| Answer::OK)
    }

    /// Where the thunk of a guest is that runs its own program.
    fn place_in(&mut self, key: u32) -> Option<(Place, Arc<Process>)> {
        let is_inside = self.nursery.is_inside();
        let guest = self.guests.get_mut(&key)?;
        if is_inside || guest.was_parked || !matches!(guest.state, State::Running) {
            return None;
        }
        if guest.asks.place.is_none() {
            guest.asks.place = place(&sys::read_text(guest.proc_dir.as_fd(), c"stat").ok()?);
        }
        Some((guest.asks.place?, Arc::clone(&guest.process)))
    }
}
