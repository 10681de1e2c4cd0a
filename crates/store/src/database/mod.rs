//! One SQLite file with one ordered stream of mutations.
//!
//! ```text
//!   submit ──► queue (bounded) ──► committer: BEGIN IMMEDIATE; generation?; mutation, mutation, …; COMMIT ──► tickets
//!   read ────────────────────────────────────► one of a few reading connections: what is committed
//! ```
//!
//! * Every mutation runs in its own savepoint: one that fails takes back only itself, and its ticket carries the error.
//! * A commit that fails fails every mutation in it; what was committed before stays readable.
//! * The generation is compared inside of each transaction; an opening that was superseded never commits again.
//! * A file that was not closed in order is checked (`PRAGMA quick_check`) before it is used; a damaged one is refused.
//! * A mutation that panics fails alone; the committer goes on.

mod committer;
mod connection;
mod queue;
mod readers;
mod schema;
mod ticket;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, Transaction};

use self::committer::Work;
pub(crate) use self::connection::{open_memory, open_writer};
use self::queue::{Entry, Mutation, Phase, Queue};
use self::readers::Readers;
pub use self::schema::{Migration, Schema};
pub use self::ticket::Ticket;
use self::writer::Writer;
pub(crate) use self::{queue::Job, ticket::Resolver};
use crate::{Error, Headroom, Result};

/// How a database is opened.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Options {
    /// The SQLite VFS to use; the operating system's when `None`. Tests name one that injects faults.
    pub vfs: Option<String>,
    /// The least generation to take; the file's own number plus one when that is more.
    pub generation: u64,
    /// What watches over the disk; nothing when `None`.
    pub headroom: Option<Arc<Headroom>>,
    /// Longest time that a lazy mutation waits for its commit; 0 means the default of 500 ms.
    pub lazy_delay: Duration,
}

/// A database file. Cheap to clone; the file is closed by [`close`](Self::close), or when the last clone is gone.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

impl Database {
    /// Opens or creates the file at `path`: takes a new generation, checks it if it was not closed in order, migrates it.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`], [`Error::TooNew`] (the file stays untouched), [`Error::NoSpace`], [`Error::Io`].
    pub fn open(path: &Path, schema: &Schema, options: Options) -> Result<Self> {
        let (mut writer, generation) = Writer::open(path, schema, &options)?;
        let readers = Readers::new(path.to_owned(), options.vfs.clone(), writer.take_reader());
        Ok(Self::assemble(
            path.to_owned(),
            writer,
            generation,
            Some(readers),
            options,
        ))
    }

    /// A database that lives in memory and is gone with its last clone: for tests, and for VMs that keep nothing.
    pub fn in_memory(schema: &Schema) -> Result<Self> {
        let (writer, generation) = Writer::open_memory(schema)?;
        Ok(Self::assemble(
            PathBuf::from(":memory:"),
            writer,
            generation,
            None,
            Options::default(),
        ))
    }

    fn assemble(path: PathBuf, writer: Writer, generation: u64, readers: Option<Readers>, options: Options) -> Self {
        let delay = if options.lazy_delay.is_zero() {
            Duration::from_millis(500)
        } else {
            options.lazy_delay
        };
        Self {
            shared: Arc::new(Shared {
                path,
                generation,
                recovered: writer.recovered(),
                distrusted: AtomicBool::new(false),
                headroom: options.headroom,
                lazy_delay: delay,
                queue: Mutex::new(Queue::new()),
                room: Condvar::new(),
                room_async: tokio::sync::Notify::new(),
                writer: Mutex::new(Some(writer)),
                readers,
                commits: AtomicU64::new(0),
            }),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// The generation of this opening; larger than that of every earlier one.
    pub fn generation(&self) -> u64 {
        self.shared.generation
    }

    /// Queues a mutation. Blocks while the queue is full; async callers that submit much use
    /// [`Submission::submit_async`].
    pub fn submit<T, F>(&self, mutation: F) -> Ticket<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        self.submission().submit(mutation)
    }

    /// A mutation with further properties: size, laziness, whether it may use the last space of the disk.
    pub fn submission(&self) -> Submission<'_> {
        Submission {
            database: self,
            bytes: 0,
            lazy: false,
            essential: false,
        }
    }

    /// Resolves once everything submitted before is durable.
    pub fn flush(&self) -> Ticket {
        self.submission().essential().submit(|_| Ok(()))
    }

    /// Runs queries on what is committed, in one consistent snapshot. A caller that needs its own mutation waits for the
    /// ticket first.
    pub fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.shared.read(query)
    }

    /// How many transactions were committed since it was opened; fewer than mutations, because they share.
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    /// Queues a mutation that is told its outcome; false if the database is closed. Never blocks, so the caller sees to it
    /// that there are few, and small ones.
    pub(crate) fn submit_job(&self, job: Box<dyn Job>, lazy: bool) -> bool {
        let queue = self.shared.queue.lock();
        let open = !queue.closed;
        let entry = Entry {
            job,
            bytes: 0,
            lazy,
            closes: false,
        };
        self.shared.enqueue(queue, entry);
        open
    }

    /// Whether the file was not closed in order before this opening.
    pub fn recovered(&self) -> bool {
        self.shared.recovered
    }

    /// Something that the file holds contradicts itself: it is not noted as closed in order, so that the next opening looks
    /// again.
    pub(crate) fn distrust(&self) {
        self.shared.distrusted.store(true, Ordering::Relaxed);
    }

    /// Whether it lives in memory. Reading from such a one waits for the commit in progress.
    pub(crate) fn is_in_memory(&self) -> bool {
        self.shared.readers.is_none()
    }

    /// [`Error::NoSpace`] while the disk is too full for new persistent data.
    pub fn check_headroom(&self) -> Result<()> {
        self.shared
            .headroom
            .as_ref()
            .map_or(Ok(()), |headroom| headroom.check())
    }

    /// Commits what is queued, notes that the file was closed in order, and closes it. Blocks. Later submissions fail with
    /// [`Error::Closed`]. Closing twice is no error.
    pub fn close(&self) -> Result<()> {
        let last = self.shared.enqueue_last();
        let outcome = match last {
            Some(ticket) => ticket.wait(),
            None => return Ok(()),
        };
        if let Some(readers) = &self.shared.readers {
            readers.close_idle();
        }
        let writer = self.shared.writer.lock().take();
        if let Some(writer) = writer {
            writer.close(&self.shared.path)?;
        }
        outcome
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("path", &self.shared.path)
            .field("generation", &self.shared.generation)
            .finish()
    }
}

/// A mutation about to be queued.
#[derive(Clone, Copy)]
#[must_use]
pub struct Submission<'a> {
    database: &'a Database,
    bytes: usize,
    lazy: bool,
    essential: bool,
}

impl Submission<'_> {
    /// The bytes that the mutation holds in memory while it waits.
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Nobody waits: commit together with the next prompt mutation, or after [`Options::lazy_delay`].
    pub fn lazy(mut self) -> Self {
        self.lazy = true;
        self
    }

    /// The mutation frees space or is needed to stop in order: not refused while the disk is nearly full.
    pub fn essential(mut self) -> Self {
        self.essential = true;
        self
    }

    /// Queues the mutation. Blocks while the queue is full.
    pub fn submit<T, F>(self, mutation: F) -> Ticket<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        if let Err(error) = self.admit() {
            return Ticket::resolved(Err(error));
        }
        let (ticket, entry) = self.entry(mutation);
        let shared = &self.database.shared;
        let mut queue = shared.queue.lock();
        while !queue.has_room(self.bytes) && !queue.closed {
            shared.room.wait(&mut queue);
        }
        shared.enqueue(queue, entry);
        ticket
    }

    /// Queues the mutation, waiting without blocking the thread while the queue is full.
    pub async fn submit_async<T, F>(self, mutation: F) -> Ticket<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        if let Err(error) = self.admit() {
            return Ticket::resolved(Err(error));
        }
        let (ticket, entry) = self.entry(mutation);
        let mut entry = Some(entry);
        let shared = self.database.shared.clone();
        loop {
            let mut room = std::pin::pin!(shared.room_async.notified());
            room.as_mut().enable();
            if shared.try_enqueue(&mut entry) {
                return ticket;
            }
            room.await;
        }
    }

    fn admit(&self) -> Result<()> {
        if self.essential {
            Ok(())
        } else {
            self.database.check_headroom()
        }
    }

    fn entry<T, F>(&self, mutation: F) -> (Ticket<T>, Entry)
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        let (ticket, resolver) = Ticket::open();
        let job = Box::new(Mutation::new(mutation, resolver));
        (
            ticket,
            Entry {
                job,
                bytes: self.bytes,
                lazy: self.lazy,
                closes: false,
            },
        )
    }
}

struct Shared {
    path: PathBuf,
    generation: u64,
    recovered: bool,
    distrusted: AtomicBool,
    headroom: Option<Arc<Headroom>>,
    lazy_delay: Duration,
    queue: Mutex<Queue>,
    room: Condvar,
    room_async: tokio::sync::Notify,
    writer: Mutex<Option<Writer>>,
    /// `None` for a database in memory, which is read through the writer.
    readers: Option<Readers>,
    commits: AtomicU64,
}

impl Shared {
    /// Puts `entry` into the locked queue and calls a committer. An entry for a closed database is dropped, which resolves
    /// its ticket.
    fn enqueue(self: &Arc<Self>, mut queue: parking_lot::MutexGuard<'_, Queue>, entry: Entry) {
        if queue.closed {
            drop(queue);
            drop(entry);
            return;
        }
        queue.push(entry);
        self.call(queue);
    }

    fn try_enqueue(self: &Arc<Self>, entry: &mut Option<Entry>) -> bool {
        let queue = self.queue.lock();
        let fits = entry
            .as_ref()
            .is_none_or(|entry| queue.closed || queue.has_room(entry.bytes));
        if fits && let Some(entry) = entry.take() {
            self.enqueue(queue, entry);
        }
        fits
    }

    /// Queues the mutation that marks the file as closed in order, and admits none after it.
    fn enqueue_last(self: &Arc<Self>) -> Option<Ticket> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return None;
        }
        queue.closed = true;
        let (ticket, resolver) = Ticket::open();
        let distrusted = self.distrusted.load(Ordering::Relaxed);
        let last = move |transaction: &Transaction<'_>| writer::mark_closed(transaction, !distrusted);
        let job = Box::new(Mutation::new(last, resolver));
        queue.push(Entry {
            job,
            bytes: 0,
            lazy: false,
            closes: !distrusted,
        });
        self.call(queue);
        self.room.notify_all();
        self.room_async.notify_waiters();
        Some(ticket)
    }

    /// Asks for the committer that the queue needs now.
    fn call(self: &Arc<Self>, mut queue: parking_lot::MutexGuard<'_, Queue>) {
        let wanted = if queue.is_pressing() {
            Phase::Ready
        } else {
            Phase::Later
        };
        match (queue.phase, wanted) {
            (Phase::Idle | Phase::Later, Phase::Ready) => {
                queue.phase = Phase::Ready;
                drop(queue);
                committer::ready(self.clone());
            }
            (Phase::Idle, _) => {
                queue.phase = Phase::Later;
                drop(queue);
                committer::later(self.clone(), self.lazy_delay);
            }
            _ => {}
        }
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let at = |error: rusqlite::Error| Error::sqlite(&self.path, &error);
        let Some(readers) = &self.readers else {
            let writer = self.writer.lock();
            return query(writer.as_ref().ok_or(Error::Closed)?.connection()?);
        };
        // A writer that is at work is there; nobody who reads may wait for it.
        let is_gone = || self.writer.try_lock().is_some_and(|writer| writer.is_none());
        if self.queue.lock().closed && is_gone() {
            return Err(Error::Closed);
        }
        let mut lent = readers.lend()?;
        let transaction = lent.connection()?.transaction().map_err(at)?;
        let value = query(&transaction).map_err(|error| error.at(&self.path))?;
        transaction.commit().map_err(at)?;
        Ok(value)
    }
}

impl Work for Shared {
    fn turn(self: Arc<Self>) -> bool {
        let batch = {
            let mut queue = self.queue.lock();
            if queue.phase == Phase::Running || queue.is_empty() {
                return false;
            }
            queue.phase = Phase::Running;
            queue.take_batch()
        };
        self.room.notify_all();
        self.room_async.notify_waiters();
        match self.writer.lock().as_mut() {
            Some(writer) => {
                if writer.commit(&self.path, self.generation, batch) {
                    self.commits.fetch_add(1, Ordering::Relaxed);
                }
            }
            None => drop(batch),
        }
        let mut queue = self.queue.lock();
        let pressing = queue.is_pressing();
        queue.phase = match (queue.is_empty(), pressing) {
            (true, _) => Phase::Idle,
            (false, true) => Phase::Ready,
            (false, false) => Phase::Later,
        };
        if queue.phase == Phase::Later {
            drop(queue);
            committer::later(self.clone(), self.lazy_delay);
        }
        pressing
    }
}
