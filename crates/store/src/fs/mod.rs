//! The durable filesystem: a tree of inodes in memory over tables of SQLite.
//!
//! ```text
//!   DurableFs   the kernel's Filesystem, one lock
//!     State     inodes, entries, blocks: loaded when first used, forgotten when there are too many
//!     Journal   marks of what differs from the disk
//!     Flush     one commit of all marks as they are at one instant (flush)
//!   Database    ordered group commit; reads of what is committed
//! ```
//!
//! What the disk shows is always a state that the whole tree had at one instant: names, attributes and content together. A
//! rename that replaces a file is therefore never seen with half of the new content, and no block is seen that was not
//! written to that file. Whoever needs an operation to be durable waits for [`DurableFs::durable`]; everything else is at
//! most as old on disk as the database delays its lazy mutations.
//!
//! The semantics are those of the kernel's memory filesystem, to the error number; a test compares both. The quota of the
//! VM is charged alike (`ledger`).

pub mod archive;
mod blocks;
mod check;
mod entries;
mod filesystem;
mod flush;
mod ino_map;
mod journal;
mod ledger;
mod names;
mod node;
mod open;
mod rename;
mod rows;
mod schema;
mod state;
mod subtree;
mod tree;
mod xattr;

use std::sync::{Arc, OnceLock};

use agentos_kernel::clock::{Clock, Timestamp};
use agentos_kernel::vfs::FsQuota;
use parking_lot::RwLock;

pub use self::check::Report;
pub(crate) use self::schema::TABLES as SCHEMA;
use self::state::State;
pub use self::subtree::Subtree;
use crate::{Database, Error, Result, Ticket};

/// How much of a filesystem is kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FsLimits {
    /// Bytes of inodes, names and content that are kept although they are on disk.
    pub cache_bytes: u64,
    /// Bytes that may wait to be written; a guest's write beyond that waits for the disk, and any other change beyond twice as
    /// many.
    pub dirty_bytes: u64,
}

impl Default for FsLimits {
    fn default() -> Self {
        Self {
            cache_bytes: 32 << 20,
            dirty_bytes: 16 << 20,
        }
    }
}

/// A filesystem in a [`Database`]. See the head of the module.
///
/// One database holds one filesystem; at most one `DurableFs` may be open on it. Dropping it submits what is not on disk
/// yet; closing the database afterwards waits for that.
pub struct DurableFs {
    core: Arc<Core>,
}

/// What a filesystem shares with its commits.
struct Core {
    state: RwLock<State>,
    database: Database,
    clock: Arc<dyn Clock>,
    limits: FsLimits,
    watcher: OnceLock<Watcher>,
}

/// Who is told of commits that fail.
type Watcher = Box<dyn Fn(&Error) + Send + Sync>;

impl DurableFs {
    /// Opens the filesystem of a database, and makes an empty one if it has none. Nothing of the tree is read, unless the
    /// database was not closed in order: then it is checked first. What is stored is charged to `quota`, even beyond its
    /// cap: then only growth is refused. Blocks.
    ///
    /// # Errors
    /// Those of the database; [`Error::Corrupt`] for files that contradict themselves, [`Error::Invalid`] for a database in
    /// memory.
    pub fn open(
        database: &Database,
        clock: Arc<dyn Clock>,
        quota: Arc<FsQuota>,
        limits: FsLimits,
    ) -> Result<Arc<Self>> {
        let totals = open::open(database, clock.now())?;
        let state = State::new(database.clone(), quota, totals, limits.cache_bytes);
        let core = Core {
            state: RwLock::new(state),
            database: database.clone(),
            clock,
            limits,
            watcher: OnceLock::new(),
        };
        Ok(Arc::new(Self { core: Arc::new(core) }))
    }

    /// Resolves once everything that was done before this call is durable.
    pub fn durable(&self) -> Ticket {
        self.core.durable()
    }

    /// Makes everything durable.
    ///
    /// # Errors
    /// Those of the disk. What could not be written is kept in memory, and tried again.
    pub async fn flush(&self) -> Result<()> {
        self.core.durable().await
    }

    /// Has `told` called with the error of every commit that fails, and with every commit after which nothing more is taken
    /// because the disk is nearly full, on a thread of the database that must not be kept
    /// waiting. The first call counts.
    pub fn watch(&self, told: impl Fn(&Error) + Send + Sync + 'static) {
        let _ = self.core.watcher.set(Box::new(told));
    }

    /// Bytes and inodes that are charged to the quota.
    pub fn charged(&self) -> (u64, u64) {
        let charged = self.core.state.read().ledger.charged();
        (charged.bytes, charged.inodes)
    }

    /// Looks for contradictions in the files of a database, as they are on disk. Reads all rows, but not the content. Blocks.
    ///
    /// # Errors
    /// Those of the database. What is wrong with the files is no error, but in the report.
    pub fn check(database: &Database) -> Result<Report> {
        check::check(database)
    }

    /// The database that holds the files.
    pub fn database(&self) -> &Database {
        &self.core.database
    }

    fn now(&self) -> Timestamp {
        self.core.clock.now()
    }
}

impl Drop for DurableFs {
    fn drop(&mut self) {
        drop(self.core.durable());
    }
}
