//! The rows of the filesystem's tables, read and written.

use std::collections::BTreeSet;
use std::sync::Arc;

use agentos_kernel::clock::Timestamp;
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::vfs::{FileType, Mode};
use rusqlite::{Connection, OptionalExtension, params};

use super::blocks::BLOCK;
use super::entries::{Entry, Name};
use super::ledger::Charged;
use super::names::Place;
use super::node::Row;
use super::xattr::Xattrs;
use crate::{Error, Result};

/// What a commit writes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) number: u64,
    pub(super) gone: Vec<Ino>,
    pub(super) rows: Vec<Row>,
    pub(super) xattrs: Vec<(Ino, Xattrs)>,
    /// Entries to remove, and then entries to write.
    pub(super) entries: (Vec<Place>, Vec<(Place, Entry)>),
    pub(super) cuts: Vec<(Ino, u64)>,
    /// Blocks by index; those that are none any more are removed.
    pub(super) blocks: Vec<(Ino, u64, Option<NewBlock>)>,
    pub(super) next: u64,
    pub(super) charged: Charged,
}

/// A block to write.
#[derive(Debug)]
pub(super) struct NewBlock {
    /// What it is charged.
    pub(super) room: u16,
    /// Its bytes; those on disk stay if they are not in memory.
    pub(super) bytes: Option<Arc<[u8]>>,
}

const COLUMNS: &str = "i.ino, i.kind, i.mode, i.nlink, i.uid, i.gid, i.rdev, i.size, i.stored, i.room, i.xattr_room, \
     i.atime, i.mtime, i.ctime, i.btime, i.parent, i.subdirs, i.next, i.target";

/// The next inode number and what is charged.
pub(super) fn totals(db: &Connection) -> Result<Option<(u64, Charged)>> {
    let mut statement = db.prepare_cached("SELECT next_ino, bytes, inodes FROM agent_os_fs_totals WHERE id = 1")?;
    let row = statement.query_row([], |row| {
        let charged = Charged {
            bytes: unsigned(row.get(1)?),
            inodes: unsigned(row.get(2)?),
        };
        Ok((unsigned(row.get(0)?), charged))
    });
    Ok(row.optional()?)
}

/// One inode.
pub(super) fn inode(db: &Connection, ino: Ino) -> Result<Option<Row>> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM agent_os_fs_inodes i WHERE i.ino = ?1"))?;
    statement
        .query_row([signed(ino.0)], raw_row)
        .optional()?
        .map(parse_row)
        .transpose()
}

/// The inodes of some entries of a directory, from a position on: a listing is mostly followed by a look at what it shows.
pub(super) fn inodes_of(db: &Connection, dir: Ino, position: u64, most: usize) -> Result<Vec<Row>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM agent_os_fs_dentries d JOIN agent_os_fs_inodes i ON i.ino = d.ino \
         WHERE d.dir = ?1 AND d.position >= ?2 ORDER BY d.position LIMIT ?3"
    ))?;
    let rows = statement.query_map(params![signed(dir.0), signed(position), most as i64], raw_row)?;
    rows.map(|row| parse_row(row?)).collect()
}

/// The entries of a directory.
pub(super) fn entries(db: &Connection, dir: Ino) -> Result<Vec<(u64, Entry)>> {
    let mut statement = db.prepare_cached(
        "SELECT position, name, ino, kind FROM agent_os_fs_dentries WHERE dir = ?1 ORDER BY position",
    )?;
    let rows = statement.query_map([signed(dir.0)], |row| {
        let name = Name::from(row.get_ref(1)?.as_blob()?);
        Ok((
            unsigned(row.get(0)?),
            name,
            unsigned(row.get(2)?),
            row.get::<_, u32>(3)?,
        ))
    })?;
    rows.map(|row| {
        let (position, name, ino, kind) = row?;
        let kind = kind_of(kind)?;
        let ino = Ino(ino);
        Ok((position, Entry { name, ino, kind }))
    })
    .collect()
}

/// Where an inode is named.
pub(super) fn places(db: &Connection, ino: Ino) -> Result<BTreeSet<Place>> {
    let mut statement = db.prepare_cached("SELECT dir, position FROM agent_os_fs_dentries WHERE ino = ?1")?;
    let rows = statement.query_map([signed(ino.0)], |row| {
        Ok((Ino(unsigned(row.get(0)?)), unsigned(row.get(1)?)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Which blocks a file has: index, charge, length.
pub(super) fn block_list(db: &Connection, ino: Ino) -> Result<Vec<(u64, u16, u16)>> {
    let mut statement =
        db.prepare_cached("SELECT idx, room, length(data) FROM agent_os_fs_blocks WHERE ino = ?1 ORDER BY idx")?;
    let rows = statement.query_map([signed(ino.0)], |row| {
        Ok((unsigned(row.get(0)?), row.get::<_, u16>(1)?, row.get::<_, u16>(2)?))
    })?;
    rows.map(|row| {
        let row = row?;
        match u64::from(row.1.max(row.2)) <= BLOCK {
            true => Ok(row),
            false => Err(corrupt(format!("block {} of inode {ino} is too long", row.0))),
        }
    })
    .collect()
}

/// Bytes of some blocks of a file.
pub(super) fn blocks(db: &Connection, ino: Ino, first: u64, end: u64) -> Result<Vec<(u64, Arc<[u8]>)>> {
    let mut statement =
        db.prepare_cached("SELECT idx, data FROM agent_os_fs_blocks WHERE ino = ?1 AND idx >= ?2 AND idx < ?3")?;
    let rows = statement.query_map(params![signed(ino.0), signed(first), signed(end)], |row| {
        Ok((unsigned(row.get(0)?), Arc::from(row.get_ref(1)?.as_blob()?)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Extended attributes of an inode.
pub(super) fn xattrs(db: &Connection, ino: Ino) -> Result<Xattrs> {
    let mut statement = db.prepare_cached("SELECT name, value FROM agent_os_fs_xattrs WHERE ino = ?1")?;
    let rows = statement.query_map([signed(ino.0)], |row| {
        Ok((
            Arc::from(row.get_ref(0)?.as_blob()?),
            Arc::from(row.get_ref(1)?.as_blob()?),
        ))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Inodes without a name, which only open files of an earlier life held.
pub(super) fn orphans(db: &Connection) -> Result<Vec<Row>> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM agent_os_fs_inodes i WHERE i.nlink = 0 ORDER BY i.ino"
    ))?;
    let rows = statement.query_map([], raw_row)?;
    rows.map(|row| parse_row(row?)).collect()
}

impl Batch {
    /// Writes everything.
    pub(super) fn apply(&self, db: &Connection) -> Result<()> {
        self.apply_gone(db)?;
        self.apply_rows(db)?;
        self.apply_entries(db)?;
        self.apply_content(db)?;
        self.apply_xattrs(db)?;
        let mut totals = db.prepare_cached("INSERT OR REPLACE INTO agent_os_fs_totals VALUES (1, ?1, ?2, ?3)")?;
        let Charged { bytes, inodes } = self.charged;
        totals.execute(params![signed(self.next), signed(bytes), signed(inodes)])?;
        Ok(())
    }

    fn apply_gone(&self, db: &Connection) -> Result<()> {
        if self.gone.is_empty() {
            return Ok(());
        }
        for table in ["inodes", "blocks", "xattrs"] {
            let mut delete = db.prepare_cached(&format!("DELETE FROM agent_os_fs_{table} WHERE ino = ?1"))?;
            for ino in &self.gone {
                delete.execute([signed(ino.0)])?;
            }
        }
        let mut delete = db.prepare_cached("DELETE FROM agent_os_fs_dentries WHERE dir = ?1")?;
        for ino in &self.gone {
            delete.execute([signed(ino.0)])?;
        }
        Ok(())
    }

    fn apply_rows(&self, db: &Connection) -> Result<()> {
        let mut put = db.prepare_cached(
            "INSERT OR REPLACE INTO agent_os_fs_inodes VALUES \
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)",
        )?;
        for row in &self.rows {
            put.execute(params![
                signed(row.ino.0),
                row.kind.bits(),
                row.mode.bits(),
                row.nlink,
                row.uid.0,
                row.gid.0,
                signed(row.rdev),
                signed(row.size),
                signed(row.stored),
                signed(row.room),
                signed(row.xattr_room),
                row.atime.0,
                row.mtime.0,
                row.ctime.0,
                row.btime.0,
                signed(row.parent.0),
                row.subdirs,
                signed(row.next),
                row.target.as_deref(),
            ])?;
        }
        Ok(())
    }

    fn apply_entries(&self, db: &Connection) -> Result<()> {
        let (removed, written) = &self.entries;
        let mut delete = db.prepare_cached("DELETE FROM agent_os_fs_dentries WHERE dir = ?1 AND position = ?2")?;
        for (dir, position) in removed {
            delete.execute([signed(dir.0), signed(*position)])?;
        }
        let mut put = db.prepare_cached("INSERT OR REPLACE INTO agent_os_fs_dentries VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for ((dir, position), entry) in written {
            let (ino, kind) = (signed(entry.ino.0), entry.kind.bits());
            put.execute(params![signed(dir.0), signed(*position), &entry.name[..], ino, kind])?;
        }
        Ok(())
    }

    fn apply_content(&self, db: &Connection) -> Result<()> {
        let mut cut = db.prepare_cached("DELETE FROM agent_os_fs_blocks WHERE ino = ?1 AND idx >= ?2")?;
        for (ino, first) in &self.cuts {
            cut.execute([signed(ino.0), signed(*first)])?;
        }
        let mut delete = db.prepare_cached("DELETE FROM agent_os_fs_blocks WHERE ino = ?1 AND idx = ?2")?;
        let mut put = db.prepare_cached("INSERT OR REPLACE INTO agent_os_fs_blocks VALUES (?1, ?2, ?3, ?4)")?;
        let mut pay = db.prepare_cached("UPDATE agent_os_fs_blocks SET room = ?3 WHERE ino = ?1 AND idx = ?2")?;
        for (ino, index, block) in &self.blocks {
            let (ino, index) = (signed(ino.0), signed(*index));
            match block {
                Some(NewBlock {
                    room,
                    bytes: Some(bytes),
                }) => put.execute(params![ino, index, room, &bytes[..]])?,
                Some(NewBlock { room, bytes: None }) => pay.execute(params![ino, index, room])?,
                None => delete.execute([ino, index])?,
            };
        }
        Ok(())
    }

    fn apply_xattrs(&self, db: &Connection) -> Result<()> {
        let mut delete = db.prepare_cached("DELETE FROM agent_os_fs_xattrs WHERE ino = ?1")?;
        let mut put = db.prepare_cached("INSERT INTO agent_os_fs_xattrs VALUES (?1, ?2, ?3)")?;
        for (ino, xattrs) in &self.xattrs {
            delete.execute([signed(ino.0)])?;
            for (name, value) in xattrs {
                put.execute(params![signed(ino.0), &name[..], &value[..]])?;
            }
        }
        Ok(())
    }
}

/// Columns of an inode whose kind is not checked yet.
type RawRow = (u32, Row);

fn raw_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<RawRow> {
    let number = |at: usize| row.get::<_, i64>(at).map(unsigned);
    let time = |at: usize| row.get::<_, i64>(at).map(Timestamp);
    let target = row.get_ref(18)?.as_blob_or_null()?.map(Arc::from);
    let parsed = Row {
        ino: Ino(number(0)?),
        kind: FileType::Regular,
        mode: Mode::new(row.get(2)?),
        nlink: row.get(3)?,
        uid: Uid(row.get(4)?),
        gid: Gid(row.get(5)?),
        rdev: number(6)?,
        size: number(7)?,
        stored: number(8)?,
        room: number(9)?,
        xattr_room: number(10)?,
        atime: time(11)?,
        mtime: time(12)?,
        ctime: time(13)?,
        btime: time(14)?,
        parent: Ino(number(15)?),
        subdirs: row.get(16)?,
        next: number(17)?,
        target,
    };
    Ok((row.get(1)?, parsed))
}

fn parse_row((kind, row): RawRow) -> Result<Row> {
    let kind = kind_of(kind)?;
    Ok(Row { kind, ..row })
}

fn kind_of(bits: u32) -> Result<FileType> {
    match FileType::from_bits(bits) {
        Some(kind) if kind.bits() == bits => Ok(kind),
        _ => Err(corrupt(format!("{bits:o} is no kind of inode"))),
    }
}

/// A filesystem that contradicts itself.
pub(super) fn corrupt(detail: String) -> Error {
    Error::corrupt(std::path::Path::new("database"), detail)
}

/// A number as SQLite stores it.
pub(super) fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// A number as SQLite stored it.
pub(super) fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}
