//! Where a process boots that will be parked (`park/mod.rs`), beside the guests of a VM and apart from them.
//!
//! Such a process has a kernel of its own, so everything that the thread knows of guests (descriptors, sockets, files,
//! numbers) it knows twice: in one [`World`] for the VM and in another for the nursery. They change places for as long as something of
//! the nursery is attended to. So nothing that answers calls has to know that there are two, and nothing of one gets into the other.

use super::{Copy, Guest, Known, Shared, Start, Vm, descriptors, files, known, lent, memories, terminals};
use crate::net::Sockets;
use crate::park::{self, Parking, Print, Ticket};
use crate::sys::{self, Answer, Notification};
use agentos_kernel::process::Signal;
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// What a VM's thread knows of guests of one kernel.
pub(super) struct World {
    guests: HashMap<u32, Guest>,
    threads: HashMap<u32, u32>,
    ordered: HashMap<u64, Start>,
    orphans: Vec<Copy>,
    known: HashMap<(u64, u64), Known>,
    known_limit: usize,
    sockets: Sockets,
    lent: HashMap<u64, lent::Lent>,
    files: files::Files,
    memories: memories::Memories,
    told: u64,
    thread_count: u64,
    shown: descriptors::Files,
    terminals: terminals::Terminals,
}

impl World {
    fn new() -> Self {
        Self {
            guests: HashMap::new(),
            threads: HashMap::new(),
            ordered: HashMap::new(),
            orphans: Vec::new(),
            known: HashMap::new(),
            known_limit: known::FIRST_SWEEP,
            sockets: Sockets::default(),
            lent: HashMap::new(),
            files: files::Files::new(),
            memories: memories::Memories::default(),
            told: 0,
            thread_count: 0,
            shown: descriptors::Files::default(),
            terminals: terminals::Terminals::default(),
        }
    }
}

/// The nursery of a VM's thread. It has room for one.
pub(super) struct Nursery {
    /// The nursery's, or the VM's while the nursery is attended to.
    other: Box<World>,
    /// Whether the nursery is attended to.
    inside: bool,
    child: Option<Child>,
    /// The thread has never had a VM, and waits for one as long as there is a child.
    unbound: bool,
    /// Nobody wants the thread.
    pub(super) discarded: bool,
}

/// A process that boots or is parked.
struct Child {
    key: Arc<park::Key>,
    /// Its place in the pool.
    ticket: Ticket,
    /// Who waits until it is parked.
    ready: Sender<()>,
    /// What it has looked at.
    paths: Vec<Vec<u8>>,
    /// It has looked at something that cannot be compared.
    strange: bool,
    held: Option<Held>,
}

/// A process that is parked.
pub(super) struct Held {
    /// The call in which it waits.
    pub(super) call: Notification,
    pub(super) guest: u32,
    paths: Vec<Vec<u8>>,
    prints: Vec<Print>,
}

/// Most paths that a parked process may have looked at.
const PATHS_MOST: usize = 256;

impl Nursery {
    pub(super) fn new(unbound: bool) -> Self {
        Self {
            other: Box::new(World::new()),
            inside: false,
            child: None,
            unbound,
            discarded: false,
        }
    }

    /// A program of a VM begins: the thread is that VM's.
    pub(super) fn bind(&mut self) {
        self.unbound &= self.inside;
    }

    /// Whether the thread has to stay for the child's sake.
    pub(super) fn keeps(&self) -> bool {
        self.unbound && self.child.is_some()
    }

    /// A guest has named a path.
    fn note(&mut self, path: &[u8]) {
        let Some(child) = self.child.as_mut().filter(|_| self.inside) else {
            return;
        };
        if path.is_empty() || child.paths.iter().any(|known| known == path) {
            return;
        }
        // Once it is parked it is to do nothing any more.
        child.strange |= path.first() != Some(&b'/') || child.held.is_some() || child.paths.len() >= PATHS_MOST;
        child.paths.push(path.to_vec());
    }
}

impl Vm {
    /// Lets the worlds change places.
    fn cross(&mut self) {
        use std::mem::swap;
        let other = &mut *self.nursery.other;
        swap(&mut self.guests, &mut other.guests);
        swap(&mut self.threads, &mut other.threads);
        swap(&mut self.ordered, &mut other.ordered);
        swap(&mut self.orphans, &mut other.orphans);
        swap(&mut self.known, &mut other.known);
        swap(&mut self.known_limit, &mut other.known_limit);
        swap(&mut self.sockets, &mut other.sockets);
        swap(&mut self.lent, &mut other.lent);
        swap(&mut self.files, &mut other.files);
        swap(&mut self.memories, &mut other.memories);
        swap(&mut self.told, &mut other.told);
        swap(&mut self.thread_count, &mut other.thread_count);
        swap(&mut self.shown, &mut other.shown);
        swap(&mut self.terminals, &mut other.terminals);
        self.nursery.inside = !self.nursery.inside;
    }

    /// Attends to something in the world where a guest is: the one that the thread is in, unless the guest is in the other.
    pub(super) fn with_guest<T>(&mut self, key: u32, work: impl FnOnce(&mut Self) -> T) -> T {
        let elsewhere = !self.guests.contains_key(&key) && self.nursery.other.guests.contains_key(&key);
        self.across(elsewhere, work)
    }

    /// The same for an order.
    pub(super) fn with_order<T>(&mut self, token: u64, work: impl FnOnce(&mut Self) -> T) -> T {
        let elsewhere = self.nursery.other.ordered.contains_key(&token);
        self.across(elsewhere, work)
    }

    /// The same for whoever makes a call.
    pub(super) fn with_caller<T>(&mut self, tid: u32, work: impl FnOnce(&mut Self) -> T) -> T {
        let nursery = &self.nursery.other;
        let elsewhere = !nursery.guests.is_empty()
            && !self.guests.contains_key(&tid)
            && !self.threads.contains_key(&tid)
            && (nursery.guests.contains_key(&tid)
                || nursery.threads.contains_key(&tid)
                || nursery.guests.values().any(|guest| guest.has_thread(tid)));
        self.across(elsewhere, work)
    }

    fn across<T>(&mut self, elsewhere: bool, work: impl FnOnce(&mut Self) -> T) -> T {
        if !elsewhere {
            return work(self);
        }
        self.cross();
        let result = work(self);
        self.cross();
        result
    }

    /// Starts what is to be parked.
    pub(super) fn begin_parking(&mut self, parking: Parking) {
        if self.nursery.child.is_some() || self.unguarded {
            return parking.give_up();
        }
        let Parking {
            loaded,
            process,
            key,
            ticket,
            ready,
        } = parking;
        self.nursery.child = Some(Child {
            key,
            ticket,
            ready,
            paths: Vec::new(),
            strange: false,
            held: None,
        });
        self.across(true, |vm| vm.begin((loaded, process)));
        if self.nursery.other.ordered.is_empty() {
            self.empty_nursery();
        }
    }

    /// A guest names a path; the result is whether it is a guest that knows what is not there for others.
    pub(crate) fn names(&mut self, key: u32, path: &[u8]) -> bool {
        let special = path == park::SCRIPT_PATH || path == park::WAIT_PATH;
        if !special {
            self.nursery.note(path);
            return false;
        }
        self.nursery.inside || self.guests.get(&key).is_some_and(|guest| guest.was_parked)
    }

    /// A guest has come to where it parks: it gets no answer before it is claimed. False for who does not park.
    pub(crate) fn hold(&mut self, key: u32, call: Notification) -> bool {
        let Some(process) = self.guests.get(&key).map(|guest| Arc::clone(&guest.process)) else {
            return false;
        };
        let Some(child) = self.nursery.child.as_mut().filter(|_| self.nursery.inside) else {
            return false;
        };
        let paths = std::mem::take(&mut child.paths);
        let prints = park::prints(&process, paths.iter().map(Vec::as_slice)).filter(|_| !child.strange);
        let Some(prints) = prints.filter(|_| child.held.is_none() && self.guests.len() == 1) else {
            if let Some(guest) = self.guests.get(&key) {
                let _ = sys::send_signal(guest.pid_fd.as_fd(), libc::SIGKILL as u32, None);
            }
            return true;
        };
        child.held = Some(Held {
            call,
            guest: key,
            paths,
            prints,
        });
        child.ticket.is_ready();
        let _ = child.ready.send(());
        true
    }

    /// The parked process for a start that looks like this, if the VM's process would have seen what it saw.
    pub(super) fn take_parked(
        &mut self,
        key: &Arc<park::Key>,
        process: &agentos_kernel::process::Process,
    ) -> Option<(Held, Guest)> {
        let child = self.nursery.child.as_ref()?;
        let held = child.held.as_ref()?;
        // Alone: what it had started would be nobody's.
        let is_alone = self.nursery.other.guests.len() == 1
            && self
                .nursery
                .other
                .guests
                .get(&held.guest)
                .is_some_and(|guest| guest.copies.is_empty());
        let fits = child.key == *key
            && is_alone
            && !child.strange
            && self.listener.is_valid(held.call.id)
            && park::prints(process, held.paths.iter().map(Vec::as_slice)).as_ref() == Some(&held.prints);
        if !fits {
            return None;
        }
        let held = self.nursery.child.take()?.held?;
        let guest = self.nursery.other.guests.remove(&held.guest)?;
        // With everything that was known of it in the base.
        *self.nursery.other = World::new();
        Some((held, guest))
    }

    /// Whether somebody is in the nursery.
    pub(super) fn has_child(&self) -> bool {
        self.nursery.child.is_some()
    }

    /// Ends whoever is in the nursery.
    pub(super) fn empty_nursery(&mut self) {
        self.nursery.child = None;
        let world = std::mem::replace(&mut *self.nursery.other, World::new());
        for (_, process) in world.ordered.into_values() {
            process.exit_by(Signal::KILL);
            process.finish();
        }
        for guest in world.guests.into_values() {
            self.poller.remove(guest.pid_fd.as_fd());
            let _ = sys::send_signal(guest.pid_fd.as_fd(), libc::SIGKILL as u32, None);
            // Nobody else reaps it.
            sys::reap(guest.pid_fd.as_fd());
            guest.process.set_elsewhere(None);
            guest.process.exit_by(Signal::KILL);
            guest.process.finish();
        }
    }

    /// Somebody has ended in the nursery.
    pub(super) fn after_end(&mut self) {
        if self.nursery.child.is_some()
            && !self.nursery.inside
            && self.nursery.other.guests.is_empty()
            && self.nursery.other.ordered.is_empty()
        {
            self.empty_nursery();
        }
    }
}

impl Shared {
    /// Leaves a process to be parked.
    pub(crate) fn park(&self, parking: Parking) {
        let mut inbox = self.inbox.lock();
        if inbox.closed {
            drop(inbox);
            return parking.give_up();
        }
        inbox.parkings.push(parking);
        drop(inbox);
        self.ring();
    }

    /// Whether the thread takes nothing any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.inbox.lock().closed
    }

    /// A thread that has no VM is not wanted any more.
    pub(crate) fn discard(&self) {
        self.inbox.lock().discarded = true;
        self.ring();
    }
}

/// What Node.js loads before its program.
pub(crate) fn script() -> std::io::Result<Answer> {
    let file = sys::memfd(c"script", true)?;
    crate::program::write_all(&file, park::SCRIPT)?;
    sys::seal(file.as_fd())?;
    Ok(Answer::Descriptor(sys::reopen(file.as_fd(), libc::O_RDONLY)?, true))
}
