//! Opening the filesystem of a database, and making it where there is none.

use agentos_kernel::clock::Timestamp;
use agentos_kernel::id::{Gid, Uid};
use agentos_kernel::vfs::{FileType, Mode, NewNode};
use rusqlite::Connection;

use super::ledger::{Charged, INODE_CHARGE};
use super::node::Row;
use super::rows::{self, Batch};
use super::state::ROOT;
use crate::{Database, Error, Result};

/// Reads what must be known of the whole, after removing what only the open files of an earlier life held.
pub(super) fn open(database: &Database, now: Timestamp) -> Result<(u64, Charged)> {
    if database.is_in_memory() {
        return Err(Error::invalid("database", "a durable filesystem needs a file"));
    }
    if database.recovered() {
        refuse_contradictions(database)?;
    }
    match database.read(rows::totals)? {
        None => make(database, now)?,
        Some(totals) => remove_orphans(database, totals)?,
    }
    let totals = database.read(rows::totals)?;
    totals.ok_or_else(|| rows::corrupt("the filesystem has no totals".to_owned()))
}

/// Nobody works on files that contradict themselves: that would spread.
fn refuse_contradictions(database: &Database) -> Result<()> {
    let report = super::check::check(database)?;
    match report.problems.into_iter().next() {
        None => Ok(()),
        Some(first) => {
            database.distrust();
            Err(Error::corrupt(database.path(), first))
        }
    }
}

/// An empty filesystem, whose root directory belongs to the superuser and has mode 0755.
fn make(database: &Database, now: Timestamp) -> Result<()> {
    let node = NewNode {
        kind: FileType::Directory,
        mode: Mode::new(0o755),
        uid: Uid::ROOT,
        gid: Gid::ROOT,
        rdev: 0,
    };
    let mut root = Row::new(ROOT, FileType::Directory, &node, now);
    root.nlink = 1;
    root.parent = ROOT;
    let batch = Batch {
        rows: vec![root],
        next: ROOT.0 + 1,
        ..Batch::default()
    };
    let submission = database.submission().essential();
    submission.submit(move |transaction| batch.apply(transaction)).wait()
}

fn remove_orphans(database: &Database, (next, charged): (u64, Charged)) -> Result<()> {
    let orphans = database.read(|db: &Connection| rows::orphans(db))?;
    if orphans.is_empty() {
        return Ok(());
    }
    let held: u64 = orphans.iter().map(|row| INODE_CHARGE + row.held()).sum();
    let batch = Batch {
        gone: orphans.iter().map(|row| row.ino).collect(),
        next,
        charged: Charged {
            bytes: charged.bytes.saturating_sub(held),
            inodes: charged.inodes.saturating_sub(orphans.len() as u64),
        },
        ..Batch::default()
    };
    let submission = database.submission().essential();
    submission.submit(move |transaction| batch.apply(transaction)).wait()
}
