//! Bringing the filesystem to disk.
//!
//! A [`Flush`] is a mutation of the database that decides only when it is committed what it writes: everything that differs
//! at that instant. Whoever waits for durability submits one after what it did; of several in one transaction the first
//! writes everything, and the others nothing. A lazy one is queued with the first change after the last, so that nothing
//! stays in memory for longer than the database delays lazy mutations.
//!
//! Locks: the filesystem's is taken inside of a commit. So nothing is submitted, and no ticket waited for, under it.

use std::sync::Arc;

use rusqlite::Transaction;

use super::Core;
use super::ino_map::InoMap;
use super::journal::Change;
use super::node::Node;
use super::rows::{Batch, NewBlock};
use super::state::State;
use crate::database::{Job, Resolver};
use crate::{Error, Result, Ticket};

/// A commit of everything that differs.
struct Flush {
    core: Arc<Core>,
    lazy: bool,
    ran: bool,
    /// The number of the journal's flight, once it departed.
    number: Option<u64>,
    resolver: Resolver<()>,
}

impl Core {
    /// Resolves once everything done so far is durable.
    pub(super) fn durable(self: &Arc<Self>) -> Ticket {
        if self.state.read().journal.is_clean() {
            return Ticket::resolved(Ok(()));
        }
        self.submit(false)
    }

    /// Queues a commit that nobody waits for. The caller has noted in the state that one is queued.
    pub(super) fn schedule(self: &Arc<Self>) {
        drop(self.submit(true));
    }

    fn submit(self: &Arc<Self>, lazy: bool) -> Ticket {
        let (ticket, resolver) = Ticket::open();
        let flush = Flush {
            core: Arc::clone(self),
            lazy,
            ran: false,
            number: None,
            resolver,
        };
        if !self.database.submit_job(Box::new(flush), lazy) {
            // Closed: nothing will ever be durable again.
            self.state.write().refusal = Some(Error::Closed.errno());
        }
        ticket
    }
}

impl Job for Flush {
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<()> {
        self.ran = true;
        let batch = {
            let mut state = self.core.state.write();
            if self.lazy {
                state.scheduled = false;
            }
            state.depart()
        };
        let Some(batch) = batch else { return Ok(()) };
        self.number = Some(batch.number);
        batch.apply(transaction).inspect_err(|_| {
            // At once: what follows in this transaction must not be without it.
            self.core.state.write().journal.arrive(batch.number, false);
        })
    }

    fn finish(self: Box<Self>, outcome: Result<()>) {
        let refused;
        let again = {
            let mut state = self.core.state.write();
            if let Some(number) = self.number {
                state.journal.arrive(number, outcome.is_ok());
            }
            if self.lazy && !self.ran {
                // The transaction did not even begin.
                state.scheduled = false;
            }
            refused = match &outcome {
                Ok(()) => self.core.database.check_headroom().err(),
                Err(error) => Some(error.clone()),
            };
            state.refusal = refused.as_ref().map(Error::errno);
            let passing = matches!(outcome, Err(Error::NoSpace(_) | Error::Io(_) | Error::Descriptors(_)));
            let again = passing && !state.scheduled && !state.journal.is_settled();
            state.scheduled |= again;
            again
        };
        if let (Some(error), Some(watcher)) = (&refused, self.core.watcher.get()) {
            watcher(error);
        }
        if again {
            self.core.schedule();
        }
        self.resolver.resolve(outcome);
    }
}

impl State {
    /// What differs from the disk, as it is now; `None` if nothing does.
    fn depart(&mut self) -> Option<Batch> {
        if self.journal.is_settled() {
            return None;
        }
        let (number, changes) = self.journal.depart();
        let mut batch = Batch {
            number,
            next: self.next,
            charged: self.ledger.charged(),
            ..Batch::default()
        };
        collect(&mut batch, changes, &self.nodes);
        Some(batch)
    }
}

/// Collects what is marked, in the order of inode numbers, which is the order of the tables.
fn collect(batch: &mut Batch, changes: &InoMap<Change>, nodes: &InoMap<Node>) {
    let mut sorted: Vec<_> = changes.iter().collect();
    sorted.sort_unstable_by_key(|(ino, _)| **ino);
    for (ino, change) in sorted {
        if change.gone {
            batch.gone.push(*ino);
            continue;
        }
        // What is marked is loaded, but for a root whose mark only says that there is something to write.
        let Some(node) = nodes.get(ino) else { continue };
        batch.rows.push(node.row.clone());
        if let Some(entries) = &node.entries {
            for position in &change.entries {
                match entries.at(*position) {
                    Some(entry) => batch.entries.1.push(((*ino, *position), entry.clone())),
                    None => batch.entries.0.push((*ino, *position)),
                }
            }
        }
        if let Some(first) = change.cut.filter(|_| !change.born) {
            batch.cuts.push((*ino, first));
        }
        if let Some(blocks) = &node.blocks {
            for index in &change.blocks {
                let block = blocks.get(*index).map(|block| NewBlock {
                    room: block.room,
                    bytes: block.bytes.clone(),
                });
                batch.blocks.push((*ino, *index, block));
            }
        }
        if let Some(xattrs) = node.xattrs.as_ref().filter(|_| change.xattrs) {
            batch.xattrs.push((*ino, xattrs.clone()));
        }
    }
}
