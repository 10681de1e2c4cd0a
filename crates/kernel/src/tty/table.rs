//! The numbered pseudo-terminals of a VM.

use super::BUFFER;
use super::job::JobControl;
use super::pty::{Master, Pty, Slave};
use crate::clock::Clock;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Gid, Pid, Uid};
use crate::limits::{Counter, Limits};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

/// All pseudo-terminals of a VM. The masters keep them alive; the table only knows them.
pub struct PtyTable {
    numbers: Arc<Numbers>,
    count: Arc<Counter>,
    memory: Option<Arc<Counter>>,
    clock: Arc<dyn Clock>,
    jobs: Arc<dyn JobControl>,
}

/// What a pair takes of the VM, for as long as it exists.
pub(super) struct Share {
    count: Arc<Counter>,
    memory: Option<Arc<Counter>>,
}

/// Bytes that a pair may hold: a full queue in each direction.
const PAIR_MEMORY: u64 = 2 * BUFFER as u64;

/// Pairs whose master is open, by number.
#[derive(Default)]
pub(super) struct Numbers(Mutex<BTreeMap<u32, Weak<Pty>>>);

impl PtyTable {
    /// An empty table that holds at most `maxPtys` pairs.
    pub fn new(limits: &Limits, clock: Arc<dyn Clock>, jobs: Arc<dyn JobControl>) -> Self {
        let count = Counter::new("limits.resources.maxPtys", "terminals", limits.max_ptys, Errno::EAGAIN);
        Self {
            numbers: Arc::default(),
            count: Arc::new(count),
            memory: None,
            clock,
            jobs,
        }
    }

    /// Takes the memory that each pair may come to hold from `memory`.
    #[must_use]
    pub fn with_memory(mut self, memory: Arc<Counter>) -> Self {
        self.memory = Some(memory);
        self
    }

    /// A new pair with one slave description (`openpty(3)`); `EAGAIN` at the limit, `ENOMEM` without memory. `owner` owns the slave's inode.
    pub fn open(&self, owner: (Uid, Gid)) -> Result<(Arc<Master>, Arc<Slave>)> {
        let master = self.open_master(owner)?;
        let slave = master.pty().open_slave()?;
        Ok((master, slave))
    }

    /// A new pair of which no slave is open yet (`posix_openpt(3)`, `/dev/ptmx`). The slave needs no unlocking.
    pub fn open_master(&self, owner: (Uid, Gid)) -> Result<Arc<Master>> {
        let share = Share::take(self)?;
        let mut numbers = self.numbers.0.lock();
        let number = (0..).zip(numbers.keys()).find(|(free, used)| free != *used);
        let number = number.map_or_else(|| u32::try_from(numbers.len()), |(free, _)| Ok(free));
        // The counter has at most 2^31 - 1 units, so the table's length is a number.
        let number = number.map_err(|_| Errno::EAGAIN)?;
        let (clock, jobs) = (Arc::clone(&self.clock), Arc::clone(&self.jobs));
        let pty = Arc::new(Pty::new(number, owner, clock, jobs, share));
        numbers.insert(number, Arc::downgrade(&pty));
        Ok(Master::new(pty, Arc::downgrade(&self.numbers)))
    }

    /// The pair with this number; `ENXIO` if its master is closed or never was.
    pub fn get(&self, number: u32) -> Result<Arc<Pty>> {
        self.find(|pty| pty.number() == number)
            .ok_or_else(|| Errno::ENXIO.into())
    }

    /// The controlling terminal of `session`, what `/dev/tty` is.
    pub fn controlling(&self, session: Pid) -> Option<Arc<Pty>> {
        self.find(|pty| pty.session() == Some(session))
    }

    /// Numbers in use, ascending: the names in `/dev/pts`.
    pub fn numbers(&self) -> Vec<u32> {
        self.numbers.0.lock().keys().copied().collect()
    }

    /// Pairs that exist, against `maxPtys`.
    pub fn usage(&self) -> &Counter {
        &self.count
    }

    fn find(&self, wanted: impl Fn(&Pty) -> bool) -> Option<Arc<Pty>> {
        // The pairs are taken out first: dropping the last reference to one must not happen under the table's lock.
        let all: Vec<Arc<Pty>> = self.numbers.0.lock().values().filter_map(Weak::upgrade).collect();
        all.into_iter().find(|pty| wanted(pty))
    }
}

impl Share {
    fn take(table: &PtyTable) -> Result<Self> {
        table.count.take(1, "openpty")?;
        let mut share = Self {
            count: Arc::clone(&table.count),
            memory: None,
        };
        if let Some(memory) = &table.memory {
            memory.take(PAIR_MEMORY, "openpty")?;
            share.memory = Some(Arc::clone(memory));
        }
        Ok(share)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.count.give(1);
        if let Some(memory) = &self.memory {
            memory.give(PAIR_MEMORY);
        }
    }
}

impl Numbers {
    pub(super) fn remove(&self, number: u32) {
        self.0.lock().remove(&number);
    }
}
