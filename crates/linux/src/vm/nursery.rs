//! Where a process boots that will be parked (`park/mod.rs`), beside the guests of a VM and apart from them.
//!
//! Such a process has a kernel of its own, so everything that the thread knows of guests (descriptors, sockets, files,
//! numbers) it knows once more for each: in one [`World`] for the VM and in another for each [`Crib`] of the nursery. They change places for as long as
//! something of the nursery is attended to. So nothing that answers calls has to know that there are several, and nothing of one gets into another.

use super::numbers::Numbers;
use super::{Copy, Guest, Known, Shared, Start, Vm, descriptors, files, known, lent, memories, terminals};
use crate::net::Sockets;
use crate::park::{self, Parking, Print, Ticket};
use crate::sys::{self, Answer, Notification};
use agentos_kernel::process::{Process, Signal};
use std::collections::{HashMap, HashSet};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::Sender;

/// What a VM's thread knows of guests of one kernel.
pub(super) struct World {
    guests: Numbers<Guest>,
    threads: Numbers<u32>,
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
            guests: Numbers::default(),
            threads: Numbers::default(),
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

/// The nursery of a VM's thread.
pub(super) struct Nursery {
    cribs: Vec<Crib>,
    /// Which of them is attended to. Its world is the VM's meanwhile.
    inside: Option<usize>,
    /// The thread has never had a VM, and waits for one as long as there is a child.
    unbound: bool,
    /// Nobody wants the thread.
    pub(super) discarded: bool,
}

/// A process that boots or is parked, and what is known of it.
struct Crib {
    world: Box<World>,
    child: Child,
}

/// Processes that one thread parks; then no more are.
const CRIBS_MAX: usize = 4;

/// A process that boots or is parked.
struct Child {
    key: Arc<park::Key>,
    /// Its place in the pool.
    ticket: Ticket,
    /// Who waits until it is parked.
    ready: Sender<()>,
    /// What it has looked at.
    paths: HashSet<Vec<u8>>,
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
    /// Names of variables that its modules have asked for.
    variables: Vec<Vec<u8>>,
}

/// Paths that a process may have looked at that is to be parked; then it is not.
const PATHS_MAX: usize = 256;
/// Paths that a process may have looked at that has loaded modules; then it is not parked.
const MODULE_PATHS_MAX: usize = 32_768;

impl Nursery {
    pub(super) fn new(unbound: bool) -> Self {
        Self {
            cribs: Vec::new(),
            inside: None,
            unbound,
            discarded: false,
        }
    }

    /// A program of a VM begins: the thread is that VM's.
    pub(super) fn bind(&mut self) {
        self.unbound &= self.inside.is_some();
    }

    /// Whether the thread has to stay for a child's sake.
    pub(super) fn keeps(&self) -> bool {
        self.unbound && !self.cribs.is_empty()
    }

    /// Whether what is attended to is no guest of the VM.
    pub(super) fn is_inside(&self) -> bool {
        self.inside.is_some()
    }

    /// The child that is attended to.
    fn child(&mut self) -> Option<&mut Child> {
        let at = self.inside?;
        self.cribs.get_mut(at).map(|crib| &mut crib.child)
    }

    /// A guest has named a path.
    fn note(&mut self, path: &[u8]) {
        let Some(child) = self.child() else { return };
        if path.is_empty() || child.paths.contains(path) {
            return;
        }
        let most = match child.key.preload {
            Some(_) => MODULE_PATHS_MAX,
            None => PATHS_MAX,
        };
        // Once it is parked it is to do nothing any more.
        child.strange |= path.first() != Some(&b'/') || child.held.is_some() || child.paths.len() >= most;
        if child.paths.len() < most {
            child.paths.insert(path.to_vec());
        }
    }

    /// The crib of a world that this holds for.
    fn find(&self, holds: impl Fn(&World) -> bool) -> Option<usize> {
        self.cribs.iter().position(|crib| holds(&crib.world))
    }
}

impl Vm {
    /// Lets the VM's world and that of a crib change places.
    fn cross(&mut self, at: usize) {
        use std::mem::swap;
        let Some(crib) = self.nursery.cribs.get_mut(at) else {
            return;
        };
        let other = &mut *crib.world;
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
        self.nursery.inside = match self.nursery.inside {
            None => Some(at),
            Some(_) => None,
        };
    }

    /// Attends to something in the world where a guest is: the one that the thread is in, unless the guest is in another.
    pub(super) fn with_guest<T>(&mut self, key: u32, work: impl FnOnce(&mut Self) -> T) -> T {
        let elsewhere = match self.guests.contains_key(&key) {
            true => None,
            false => self.nursery.find(|world| world.guests.contains_key(&key)),
        };
        self.across(elsewhere, work)
    }

    /// The same for an order.
    pub(super) fn with_order<T>(&mut self, token: u64, work: impl FnOnce(&mut Self) -> T) -> T {
        let elsewhere = self.nursery.find(|world| world.ordered.contains_key(&token));
        self.across(elsewhere, work)
    }

    /// The same for whoever makes a call.
    pub(super) fn with_caller<T>(&mut self, tid: u32, work: impl FnOnce(&mut Self) -> T) -> T {
        let knows = |world: &World| {
            world.guests.contains_key(&tid)
                || world.threads.contains_key(&tid)
                || world.guests.values().any(|guest| guest.has_thread(tid))
        };
        let elsewhere = match self.guests.contains_key(&tid) || self.threads.contains_key(&tid) {
            true => None,
            false => self.nursery.find(knows),
        };
        self.across(elsewhere, work)
    }

    fn across<T>(&mut self, elsewhere: Option<usize>, work: impl FnOnce(&mut Self) -> T) -> T {
        let Some(at) = elsewhere.filter(|_| self.nursery.inside.is_none()) else {
            return work(self);
        };
        self.cross(at);
        let result = work(self);
        self.cross(at);
        result
    }

    /// Starts what is to be parked.
    pub(super) fn begin_parking(&mut self, parking: Parking) {
        if self.has_child(&parking.key) || self.nursery.cribs.len() >= CRIBS_MAX || self.unguarded {
            return parking.give_up();
        }
        let Parking {
            loaded,
            process,
            key,
            ticket,
            ready,
        } = parking;
        let child = Child {
            key,
            ticket,
            ready,
            paths: HashSet::new(),
            strange: false,
            held: None,
        };
        self.nursery.cribs.push(Crib {
            world: Box::new(World::new()),
            child,
        });
        let at = self.nursery.cribs.len() - 1;
        self.across(Some(at), |vm| vm.begin((loaded, process)));
        self.after_end();
    }

    /// A guest names a path; the result is whether it is a guest that knows what is not there for others.
    pub(crate) fn names(&mut self, key: u32, path: &[u8]) -> bool {
        if path != park::SCRIPT_PATH && !park::is_wait_path(path) {
            self.nursery.note(path);
            return false;
        }
        self.nursery.inside.is_some() || self.guests.get(&key).is_some_and(|guest| guest.was_parked)
    }

    /// A guest does what a parked process must not have done: it lists a directory, whose content is not compared, has a socket, watches
    /// files, or starts another process.
    pub(crate) fn is_strange(&mut self) {
        if let Some(child) = self.nursery.child() {
            child.strange = true;
        }
    }

    /// A guest has come to where it parks: it gets no answer before it is claimed. False for who does not park.
    pub(crate) fn hold(&mut self, key: u32, call: Notification, path: &[u8]) -> bool {
        let Some(process) = self.guests.get(&key).map(|guest| Arc::clone(&guest.process)) else {
            return false;
        };
        let is_alone = self.guests.len() == 1;
        let Some(child) = self.nursery.child() else {
            return false;
        };
        let paths: Vec<Vec<u8>> = std::mem::take(&mut child.paths).into_iter().collect();
        let prints = park::prints(&process, paths.iter().map(Vec::as_slice)).filter(|_| !child.strange);
        let Some(prints) = prints.filter(|_| child.held.is_none() && is_alone) else {
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
            variables: park::asked_for(path),
        });
        child.ticket.is_ready();
        let _ = child.ready.send(());
        true
    }

    /// The parked process for a start that looks like this, if the VM's process would have seen what it saw.
    pub(super) fn take_parked(&mut self, key: &Arc<park::Key>, process: &Process) -> Option<(Held, Guest)> {
        let at = self.nursery.cribs.iter().position(|crib| crib.child.key == *key)?;
        let Crib { world, child } = self.nursery.cribs.get(at)?;
        let held = child.held.as_ref()?;
        // Alone: what it had started would be nobody's.
        let guest = world.guests.get(&held.guest).filter(|_| world.guests.len() == 1)?;
        let fits = guest.copies.is_empty()
            && !child.strange
            && self.listener.is_valid(held.call.id)
            && guest.process.kernel().hostname() == process.kernel().hostname()
            && child.key.agrees(&held.variables, process)
            && park::prints(process, held.paths.iter().map(Vec::as_slice)).as_ref() == Some(&held.prints);
        if !fits {
            return None;
        }
        // With everything that was known of it in the base.
        let Crib { mut world, child } = self.nursery.cribs.remove(at);
        let held = child.held?;
        let guest = world.guests.remove(&held.guest)?;
        Some((held, guest))
    }

    /// Whether somebody is in the nursery for such a start.
    pub(super) fn has_child(&self, key: &Arc<park::Key>) -> bool {
        self.nursery.cribs.iter().any(|crib| crib.child.key == *key)
    }

    /// Ends whoever is in the nursery.
    pub(super) fn empty_nursery(&mut self) {
        for crib in std::mem::take(&mut self.nursery.cribs) {
            self.empty(*crib.world);
        }
    }

    /// Ends whoever is in a world.
    fn empty(&mut self, world: World) {
        for (_, process) in world.ordered.into_values() {
            process.exit_by(Signal::KILL);
            process.finish();
        }
        for guest in world.guests.into_values() {
            self.stop_watching(&guest);
            let _ = sys::send_signal(guest.pid_fd.as_fd(), libc::SIGKILL as u32, None);
            // Nobody else reaps it.
            sys::reap(guest.pid_fd.as_fd());
            guest.process.set_elsewhere(None);
            guest.process.exit_by(Signal::KILL);
            guest.process.finish();
        }
    }

    /// Somebody may have ended in the nursery.
    pub(super) fn after_end(&mut self) {
        if self.nursery.inside.is_some() {
            return;
        }
        while let Some(at) = self
            .nursery
            .find(|world| world.guests.is_empty() && world.ordered.is_empty())
        {
            let crib = self.nursery.cribs.remove(at);
            self.empty(*crib.world);
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
