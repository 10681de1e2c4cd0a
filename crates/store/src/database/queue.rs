//! The ordered, bounded queue of mutations of one database.
//!
//! A mutation is *prompt* (somebody waits for it) or *lazy* (a guest's write that may take up to a second to become
//! durable). Order is one for both: a prompt mutation takes every lazy one before it along.

use std::collections::VecDeque;

use rusqlite::Transaction;

use super::ticket::Resolver;
use crate::{Error, Result};

/// At most this many mutations wait in one database.
pub(crate) const MAX_JOBS: usize = 4096;
/// At most this many bytes of mutations wait in one database (one larger mutation may wait alone).
pub(crate) const MAX_BYTES: usize = 16 << 20;
/// At most this many mutations share one transaction.
const BATCH_JOBS: usize = 1024;
/// A transaction takes no further mutation beyond this many bytes.
const BATCH_BYTES: usize = 8 << 20;

/// What the queue wants from the committers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing to do.
    Idle,
    /// Only lazy mutations wait; a timer runs.
    Later,
    /// Waits for a committer.
    Ready,
    /// A committer is at work.
    Running,
}

/// A mutation with the ticket it resolves.
pub(crate) trait Job: Send {
    /// Applies the mutation; its value is kept for [`Job::finish`].
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<()>;
    /// Resolves the ticket, with the value if `outcome` is good.
    fn finish(self: Box<Self>, outcome: Result<()>);
}

/// A queued mutation.
pub(crate) struct Entry {
    pub(crate) job: Box<dyn Job>,
    pub(crate) bytes: usize,
    pub(crate) lazy: bool,
    /// Whether it notes that the file is closed in order.
    pub(crate) closes: bool,
}

/// The queue; the database holds it in a mutex.
pub(crate) struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    prompt: usize,
    pub(crate) phase: Phase,
    pub(crate) closed: bool,
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            prompt: 0,
            phase: Phase::Idle,
            closed: false,
        }
    }

    /// Whether a mutation of `bytes` may wait now.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        self.entries.is_empty() || (self.entries.len() < MAX_JOBS && self.bytes.saturating_add(bytes) <= MAX_BYTES)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.bytes = self.bytes.saturating_add(entry.bytes);
        self.prompt += usize::from(!entry.lazy);
        self.entries.push_back(entry);
    }

    /// Whether what waits should be committed now rather than when the timer says so.
    pub(crate) fn is_pressing(&self) -> bool {
        self.prompt > 0 || self.entries.len() > MAX_JOBS / 2 || self.bytes > MAX_BYTES / 2
    }

    /// Takes what fits one transaction, in order.
    pub(crate) fn take_batch(&mut self) -> Vec<Entry> {
        let mut batch = Vec::new();
        let mut bytes = 0usize;
        while batch.len() < BATCH_JOBS && bytes < BATCH_BYTES {
            let Some(entry) = self.entries.pop_front() else { break };
            bytes = bytes.saturating_add(entry.bytes);
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            self.prompt -= usize::from(!entry.lazy);
            batch.push(entry);
        }
        batch
    }
}

/// A mutation as a closure with a value.
pub(crate) struct Mutation<T, F> {
    apply: Option<F>,
    value: Option<T>,
    resolver: Resolver<T>,
}

impl<T, F> Mutation<T, F> {
    pub(crate) fn new(apply: F, resolver: Resolver<T>) -> Self {
        Self {
            apply: Some(apply),
            value: None,
            resolver,
        }
    }
}

impl<T, F> Job for Mutation<T, F>
where
    T: Send,
    F: FnOnce(&Transaction<'_>) -> Result<T> + Send,
{
    fn run(&mut self, transaction: &Transaction<'_>) -> Result<()> {
        let apply = self.apply.take().ok_or(Error::Closed)?;
        self.value = Some(apply(transaction)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<()>) {
        let Self { value, resolver, .. } = *self;
        resolver.resolve(outcome.and_then(|()| value.ok_or(Error::Closed)));
    }
}
