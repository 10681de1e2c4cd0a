//! How many processes are parked, for whom, and who gets one.
//!
//! Every parked process holds a [`Ticket`], from the moment it is started until it is claimed or has ended; there are no more tickets
//! than the pool has places. Starts that could have been served are remembered by their key: what was started once is likely to be
//! started again, so nothing is parked before the first one, and what nobody has asked for in a while is given up.

use super::parker::{self, Request};
use super::{Base, Invocation, Key, ParkedNode};
use crate::loader::Loader;
use crate::vm::Shared;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Keys that are remembered; then the first is forgotten.
const KEYS_MAX: usize = 16;
/// Companions of a key; then the first is forgotten.
const COMPANIONS_MAX: usize = 3;
/// How long the thread of a process that was given up may take to end it; then no other is parked in its place.
const GIVE_BACK_MAX: Duration = Duration::from_secs(2);
/// How long a process waits for somebody to want it.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// The parked processes of an executor.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    most: AtomicUsize,
    /// Tickets that are out, and how many of them are of processes that are parked.
    tickets: AtomicUsize,
    ready: AtomicUsize,
    /// Those of VMs that have Linux programs already, which get half of them at most: the others are for everybody.
    bound: AtomicUsize,
    claimed: AtomicU64,
    missed: AtomicU64,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Default)]
struct State {
    /// The latest last.
    known: VecDeque<Known>,
    /// Threads without a VM that have parked a process.
    stock: Vec<Stocked>,
    parker: Option<Sender<Request>>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("known", &self.known.len())
            .field("stock", &self.stock.len())
            .finish_non_exhaustive()
    }
}

struct Known {
    key: Arc<Key>,
    /// A process that was started as this did not come to where it parks.
    fails: bool,
    /// What VMs that were begun with it have started after it.
    companions: Vec<Arc<Key>>,
}

/// A thread that waits for a VM.
pub(super) struct Stocked {
    pub(super) key: Arc<Key>,
    /// What else it has parked.
    pub(super) with: Vec<Arc<Key>>,
    pub(super) loader: Arc<Loader>,
    pub(super) vm: Arc<Shared>,
    pub(super) since: Instant,
}

/// A place in the pool.
#[derive(Debug)]
pub(crate) struct Ticket {
    pool: Arc<Pool>,
    ready: bool,
    bound: bool,
}

impl Ticket {
    /// Its process is parked.
    pub(crate) fn is_ready(&mut self) {
        if !std::mem::replace(&mut self.ready, true) {
            self.pool.ready.fetch_add(1, Ordering::AcqRel);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.ready {
            self.pool.ready.fetch_sub(1, Ordering::AcqRel);
        }
        if self.bound {
            self.pool.bound.fetch_sub(1, Ordering::AcqRel);
        }
        let _state = self.pool.state.lock();
        self.pool.tickets.fetch_sub(1, Ordering::AcqRel);
        self.pool.returned.notify_all();
    }
}

impl Pool {
    /// Sets how many processes there may be; what is too much goes.
    pub(crate) fn set_most(&self, most: usize) {
        self.most.store(most, Ordering::Release);
        while self.tickets.load(Ordering::Acquire) > most {
            let Some(stocked) = self.state.lock().stock.pop() else {
                break;
            };
            stocked.vm.discard();
            // Its ticket comes back once its thread has ended; the others need not wait for that.
        }
        if most == 0 {
            let mut state = self.state.lock();
            let stock = std::mem::take(&mut state.stock);
            state.known.clear();
            // The parker ends with its orders.
            state.parker = None;
            drop(state);
            for stocked in stock {
                stocked.vm.discard();
            }
        }
    }

    pub(crate) fn is_on(&self) -> bool {
        self.most.load(Ordering::Acquire) > 0
    }

    pub(crate) fn stand(&self) -> ParkedNode {
        ParkedNode {
            most: self.most.load(Ordering::Acquire),
            parked: self.ready.load(Ordering::Acquire),
            booting: self
                .tickets
                .load(Ordering::Acquire)
                .saturating_sub(self.ready.load(Ordering::Acquire)),
            waiting: self.state.lock().stock.len(),
            claimed: self.claimed.load(Ordering::Relaxed),
            missed: self.missed.load(Ordering::Relaxed),
        }
    }

    /// A start that may be served.
    pub(crate) fn invocation(self: &Arc<Self>, key: Key, base: &Base) -> Option<Invocation> {
        let key = Arc::new(key);
        let mut state = self.state.lock();
        let found = state.known.iter().position(|known| known.key == key);
        let known = match found.and_then(|at| state.known.remove(at)) {
            Some(known) => known,
            None => Known {
                key,
                fails: false,
                companions: Vec::new(),
            },
        };
        let invocation = (!known.fails).then(|| Invocation {
            key: Arc::clone(&known.key),
            base: Base::clone(base),
            pool: Arc::clone(self),
        });
        if state.known.len() >= KEYS_MAX {
            state.known.pop_front();
        }
        state.known.push_back(known);
        invocation
    }

    /// A place for a VM that has Linux programs already.
    pub(super) fn bound_ticket(self: &Arc<Self>) -> Option<Ticket> {
        let more = |count: usize| (count < self.most.load(Ordering::Acquire) / 2).then_some(count + 1);
        self.bound
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, more)
            .ok()?;
        let ticket = self.ticket();
        if ticket.is_none() {
            self.bound.fetch_sub(1, Ordering::AcqRel);
        }
        ticket.map(|mut ticket| {
            ticket.bound = true;
            ticket
        })
    }

    /// A place, if there is one.
    pub(super) fn ticket(self: &Arc<Self>) -> Option<Ticket> {
        let more = |count: usize| (count < self.most.load(Ordering::Acquire)).then_some(count + 1);
        let taken = self.tickets.fetch_update(Ordering::AcqRel, Ordering::Acquire, more);
        taken.ok().map(|_| Ticket {
            pool: Arc::clone(self),
            ready: false,
            bound: false,
        })
    }

    /// A place that somebody is giving back.
    pub(super) fn ticket_soon(self: &Arc<Self>) -> Option<Ticket> {
        let until = Instant::now() + GIVE_BACK_MAX;
        loop {
            if let Some(ticket) = self.ticket() {
                return Some(ticket);
            }
            let mut state = self.state.lock();
            let full = self.tickets.load(Ordering::Acquire) >= self.most.load(Ordering::Acquire);
            if full && self.returned.wait_until(&mut state, until).timed_out() {
                return None;
            }
        }
    }

    /// A thread that has parked what is wanted and never had a VM.
    pub(crate) fn take(&self, key: &Arc<Key>, loader: &Arc<Loader>) -> Option<Arc<Shared>> {
        let mut state = self.state.lock();
        let fits = |stocked: &Stocked| stocked.key == *key && Arc::ptr_eq(&stocked.loader, loader);
        let at = state.stock.iter().position(fits)?;
        Some(state.stock.remove(at).vm)
    }

    pub(super) fn has_stock(&self, key: &Arc<Key>) -> bool {
        let mut state = self.state.lock();
        // Somebody may have killed its process, or its guardian.
        state.stock.retain(|stocked| !stocked.vm.is_closed());
        state.stock.iter().any(|stocked| stocked.key == *key)
    }

    /// Keeps a thread until it is wanted.
    pub(super) fn keep(&self, stocked: Stocked) {
        if self.is_on() {
            self.state.lock().stock.push(stocked);
        } else {
            stocked.vm.discard();
        }
    }

    /// Gives up what has waited for too long, and with `one` what has waited longest.
    pub(super) fn give_up(&self, one: bool) -> bool {
        let mut state = self.state.lock();
        let mut old: Vec<Stocked> = state
            .stock
            .extract_if(.., |stocked| stocked.since.elapsed() >= PATIENCE)
            .collect();
        if one && old.is_empty() && !state.stock.is_empty() {
            old.push(state.stock.remove(0));
        }
        drop(state);
        for stocked in &old {
            stocked.vm.discard();
        }
        !old.is_empty()
    }

    /// What is parked beside a key.
    pub(super) fn companions(&self, key: &Arc<Key>) -> Vec<Arc<Key>> {
        let state = self.state.lock();
        let fails = |key: &Arc<Key>| state.known.iter().any(|known| known.fails && known.key == *key);
        let known = state.known.iter().find(|known| known.key == *key);
        let all = known.map(|known| known.companions.clone()).unwrap_or_default();
        all.into_iter().filter(|key| !fails(key)).collect()
    }

    /// A VM that was begun with `first` has started another program.
    fn accompanies(&self, first: &Arc<Key>, other: &Arc<Key>) {
        let mut state = self.state.lock();
        let Some(known) = state.known.iter_mut().find(|known| known.key == *first) else {
            return;
        };
        if first == other || known.companions.contains(other) {
            return;
        }
        if known.companions.len() >= COMPANIONS_MAX {
            known.companions.remove(0);
        }
        known.companions.push(Arc::clone(other));
    }

    /// A thread that waits for a VM and has parked the one and not the other.
    pub(super) fn lacks(&self, key: &Arc<Key>, other: &Arc<Key>) -> Option<Arc<Shared>> {
        let state = self.state.lock();
        let lacks = |stocked: &&Stocked| stocked.key == *key && !stocked.with.contains(other);
        state.stock.iter().find(lacks).map(|stocked| Arc::clone(&stocked.vm))
    }

    /// A thread has parked one more.
    pub(super) fn has(&self, vm: &Arc<Shared>, key: &Arc<Key>) {
        let mut state = self.state.lock();
        if let Some(stocked) = state.stock.iter_mut().find(|stocked| Arc::ptr_eq(&stocked.vm, vm)) {
            stocked.with.push(Arc::clone(key));
        }
    }

    /// Nothing is parked for such a start any more.
    pub(super) fn fails(&self, key: &Arc<Key>) {
        for known in &mut self.state.lock().known {
            known.fails |= known.key == *key;
        }
    }

    pub(crate) fn count(&self, served: bool) {
        let counter = if served { &self.claimed } else { &self.missed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Invocation {
    /// Has a process be parked for such a start beside one for what its VM was begun with.
    pub(crate) fn accompany(&self, first: Arc<Key>, loader: &Arc<Loader>) {
        self.pool.accompanies(&first, &self.key);
        let first = Self {
            key: first,
            base: Base::clone(&self.base),
            pool: Arc::clone(&self.pool),
        };
        first.refill(loader, None);
    }

    /// Has a process be parked for the next such start: in a VM's thread, or for a VM that has none.
    pub(crate) fn refill(&self, loader: &Arc<Loader>, vm: Option<Weak<Shared>>) {
        let mut request = Request {
            key: Arc::clone(&self.key),
            base: Base::clone(&self.base),
            loader: Arc::clone(loader),
            at: Instant::now(),
            vm,
        };
        let mut state = self.pool.state.lock();
        if !self.pool.is_on() {
            return;
        }
        if let Some(parker) = &state.parker {
            match parker.send(request) {
                Ok(()) => return,
                Err(back) => request = back.0,
            }
        }
        state.parker = parker::start(&self.pool, request);
    }
}
