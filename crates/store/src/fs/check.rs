//! The search for contradictions (`fsck`).
//!
//! Every rule is a query for the rows that break it, and says what they break. What no query can say is whether each
//! directory hangs on the root; that is followed upwards, directory by directory.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::ledger::Charged;
use super::rows::{self, unsigned};
use super::state::ROOT;
use crate::{Database, Result};

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Report {
    /// Inodes, those without a name included.
    pub inodes: u64,
    /// Names.
    pub names: u64,
    /// Blocks of content.
    pub blocks: u64,
    /// Inodes without a name: files that were open at a crash. The next opening removes them.
    pub orphans: u64,
    /// Contradictions, at most 100.
    pub problems: Vec<String>,
}

impl Report {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Most problems that are reported.
const PROBLEMS_MAX: usize = 100;

/// Directory, regular file and symbolic link, as their rows say it.
const DIRECTORY: u32 = 0o040_000;

/// A rule: what its rows break, and the query of the inodes (or directories) that break it.
type Rule = (&'static str, &'static str);

const RULES: &[Rule] = &[
    (
        "the root is no directory with itself as its parent",
        "SELECT 1 WHERE NOT EXISTS
           (SELECT 1 FROM agent_os_fs_inodes WHERE ino = 1 AND kind = 16384 AND nlink = 1 AND parent = 1)",
    ),
    (
        "a name refers to no inode",
        "SELECT dir FROM agent_os_fs_dentries d
         WHERE NOT EXISTS (SELECT 1 FROM agent_os_fs_inodes i WHERE i.ino = d.ino)",
    ),
    (
        "a name is in no directory",
        "SELECT dir FROM agent_os_fs_dentries d
         WHERE NOT EXISTS (SELECT 1 FROM agent_os_fs_inodes i WHERE i.ino = d.dir AND i.kind = 16384)",
    ),
    (
        "a name has another kind than its inode",
        "SELECT d.ino FROM agent_os_fs_dentries d JOIN agent_os_fs_inodes i USING (ino) WHERE d.kind != i.kind",
    ),
    (
        "a name stands at a position that was never given out",
        "SELECT d.dir FROM agent_os_fs_dentries d JOIN agent_os_fs_inodes i ON i.ino = d.dir
         WHERE d.position < 1 OR d.position >= i.next",
    ),
    (
        "a name is none",
        "SELECT dir FROM agent_os_fs_dentries WHERE length(name) NOT BETWEEN 1 AND 255
           OR instr(name, x'2f') OR instr(name, x'00') OR name IN (x'2e', x'2e2e')",
    ),
    (
        "a directory has a name twice",
        "SELECT dir FROM agent_os_fs_dentries GROUP BY dir, name HAVING count(*) > 1",
    ),
    (
        "the count of links is wrong",
        "SELECT ino FROM agent_os_fs_inodes i WHERE ino != 1
           AND nlink != (SELECT count(*) FROM agent_os_fs_dentries d WHERE d.ino = i.ino)",
    ),
    (
        "a directory has several names, or the root has one",
        "SELECT ino FROM agent_os_fs_inodes WHERE kind = 16384 AND nlink > 1
         UNION ALL SELECT ino FROM agent_os_fs_dentries WHERE ino = 1",
    ),
    (
        "a directory is in another one than it says",
        "SELECT d.ino FROM agent_os_fs_dentries d JOIN agent_os_fs_inodes i USING (ino)
         WHERE i.kind = 16384 AND i.parent != d.dir",
    ),
    (
        "the count of subdirectories is wrong",
        "SELECT ino FROM agent_os_fs_inodes i WHERE kind = 16384
           AND subdirs != (SELECT count(*) FROM agent_os_fs_dentries d WHERE d.dir = i.ino AND d.kind = 16384)",
    ),
    (
        "a removed directory has names",
        "SELECT ino FROM agent_os_fs_inodes i WHERE kind = 16384 AND nlink = 0
           AND EXISTS (SELECT 1 FROM agent_os_fs_dentries d WHERE d.dir = i.ino)",
    ),
    (
        "only a symbolic link has a target, and of 4095 bytes at most",
        "SELECT ino FROM agent_os_fs_inodes WHERE (target IS NOT NULL) != (kind = 40960) OR length(target) > 4095",
    ),
    (
        "the kind is none",
        "SELECT ino FROM agent_os_fs_inodes WHERE kind NOT IN (4096, 8192, 16384, 24576, 32768, 40960, 49152)",
    ),
    (
        "content belongs to no regular file",
        "SELECT DISTINCT ino FROM agent_os_fs_blocks b
         WHERE NOT EXISTS (SELECT 1 FROM agent_os_fs_inodes i WHERE i.ino = b.ino AND i.kind = 32768)",
    ),
    (
        "content is beyond the end of its file",
        "SELECT DISTINCT b.ino FROM agent_os_fs_blocks b JOIN agent_os_fs_inodes i USING (ino)
         WHERE b.idx < 0 OR (length(b.data) > 0 AND b.idx > (i.size - length(b.data)) / 4096)
            OR (b.idx = i.size / 4096 AND length(b.data) > i.size % 4096)",
    ),
    (
        "a block is too long, or charged less than it holds",
        "SELECT DISTINCT ino FROM agent_os_fs_blocks
         WHERE length(data) > 4096 OR room > 4096 OR room < length(data)",
    ),
    (
        "the blocks are not those that the file says",
        "SELECT i.ino FROM agent_os_fs_inodes i
           LEFT JOIN (SELECT ino, count(*) AS stored, sum(room) AS room FROM agent_os_fs_blocks GROUP BY ino) b USING (ino)
         WHERE i.stored != coalesce(b.stored, 0) OR i.room != coalesce(b.room, 0)",
    ),
    (
        "extended attributes belong to no inode",
        "SELECT DISTINCT ino FROM agent_os_fs_xattrs x
         WHERE NOT EXISTS (SELECT 1 FROM agent_os_fs_inodes i WHERE i.ino = x.ino)",
    ),
    (
        "the extended attributes are not those that the inode says",
        "SELECT i.ino FROM agent_os_fs_inodes i
           LEFT JOIN (SELECT ino, sum(64 + length(name) + length(value)) AS room FROM agent_os_fs_xattrs GROUP BY ino) x
           USING (ino)
         WHERE i.xattr_room != coalesce(x.room, 0)",
    ),
];

/// What the quota should be charged, and one more than the largest inode number.
const CHARGES: &str = "
    SELECT (SELECT coalesce(sum(128 + room + xattr_room + coalesce(length(target), 0)), 0)
              FROM agent_os_fs_inodes WHERE ino != 1)
         + (SELECT coalesce(sum(room + xattr_room), 0) FROM agent_os_fs_inodes WHERE ino = 1)
         + (SELECT coalesce(sum(128 + length(name)), 0) FROM agent_os_fs_dentries),
           (SELECT count(*) FROM agent_os_fs_inodes WHERE ino != 1),
           (SELECT max(ino) + 1 FROM agent_os_fs_inodes)";

/// Checks the filesystem of a database.
pub(super) fn check(database: &Database) -> Result<Report> {
    database.read(|db| {
        let Some((next, charged)) = rows::totals(db)? else {
            return unmade(db);
        };
        let mut report = counts(db)?;
        for (what, query) in RULES {
            let mut statement = db.prepare(query)?;
            for ino in statement.query_map([], |row| row.get::<_, i64>(0))? {
                report.add(format!("inode {}: {what}", unsigned(ino?)));
            }
        }
        totals(db, next, charged, &mut report)?;
        hanging(db, &mut report)?;
        Ok(report)
    })
}

impl Report {
    fn add(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}

/// A database in which no filesystem was made yet.
fn unmade(db: &Connection) -> Result<Report> {
    let mut report = counts(db)?;
    if report.inodes + report.names + report.blocks > 0 {
        report.add("the filesystem has no totals".to_owned());
    }
    Ok(report)
}

fn counts(db: &Connection) -> Result<Report> {
    let count = |query: &str| -> Result<u64> { Ok(unsigned(db.query_row(query, [], |row| row.get(0))?)) };
    Ok(Report {
        inodes: count("SELECT count(*) FROM agent_os_fs_inodes")?,
        names: count("SELECT count(*) FROM agent_os_fs_dentries")?,
        blocks: count("SELECT count(*) FROM agent_os_fs_blocks")?,
        orphans: count("SELECT count(*) FROM agent_os_fs_inodes WHERE nlink = 0")?,
        problems: Vec::new(),
    })
}

fn totals(db: &Connection, next: u64, charged: Charged, report: &mut Report) -> Result<()> {
    let (bytes, inodes, least) = db.query_row(CHARGES, [], |row| {
        let number = |at| {
            row.get::<_, Option<i64>>(at)
                .map(|number| unsigned(number.unwrap_or(0)))
        };
        Ok((number(0)?, number(1)?, number(2)?))
    })?;
    if (charged.bytes, charged.inodes) != (bytes, inodes) {
        report.add(format!(
            "the totals say {charged:?}, the files {bytes} bytes and {inodes} inodes"
        ));
    }
    if next < least {
        report.add(format!("inode {next} would be given out again"));
    }
    Ok(())
}

/// Directories from which no way leads up to the root.
fn hanging(db: &Connection, report: &mut Report) -> Result<()> {
    let mut statement = db.prepare("SELECT ino, parent FROM agent_os_fs_inodes WHERE kind = ?1 AND nlink > 0")?;
    let pairs = statement.query_map([DIRECTORY], |row| Ok((unsigned(row.get(0)?), unsigned(row.get(1)?))))?;
    let parents = pairs.collect::<rusqlite::Result<HashMap<u64, u64>>>()?;
    let mut hangs = HashSet::from([ROOT.0]);
    for start in parents.keys() {
        let (mut way, mut at) = (Vec::new(), *start);
        // A way that is longer than there are directories goes in a circle.
        while !hangs.contains(&at) && way.len() <= parents.len() {
            way.push(at);
            match parents.get(&at) {
                Some(parent) => at = *parent,
                None => break,
            }
        }
        match hangs.contains(&at) {
            true => hangs.extend(way),
            false => report.add(format!("directory {start}: no way leads to the root")),
        }
    }
    Ok(())
}
