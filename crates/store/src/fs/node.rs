//! One inode in memory: its row, and as much of what belongs to it as somebody asked for.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use agentos_kernel::clock::Timestamp;
use agentos_kernel::id::{Gid, Ino, Uid};
use agentos_kernel::vfs::{Attr, FileType, Mode, NewNode, SetAttr, SetTime};

use super::blocks::{BLOCK, Blocks};
use super::entries::Entries;
use super::names::Names;
use super::xattr::Xattrs;

/// Size of a directory: constant, as the memory filesystem has it.
const DIR_SIZE: u64 = 4096;

/// Times to set: of access, modification, change and birth.
pub(super) type Times = [Option<Timestamp>; 4];

/// A row of `agent_os_fs_inodes`. What does not apply to a kind is zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(super) ino: Ino,
    pub(super) kind: FileType,
    pub(super) mode: Mode,
    /// Hard links. A directory has one more for `.`, and one more for each directory in it, which are not counted here.
    pub(super) nlink: u32,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    pub(super) rdev: u64,
    /// Bytes of a regular file.
    pub(super) size: u64,
    /// Blocks of a regular file that are stored or reserved.
    pub(super) stored: u64,
    /// What they are charged.
    pub(super) room: u64,
    /// What all extended attributes are charged; zero if there are none.
    pub(super) xattr_room: u64,
    pub(super) atime: Timestamp,
    pub(super) mtime: Timestamp,
    pub(super) ctime: Timestamp,
    pub(super) btime: Timestamp,
    /// The directory that holds a directory; the root holds itself.
    pub(super) parent: Ino,
    /// Directories in a directory.
    pub(super) subdirs: u32,
    /// Position of the next entry of a directory.
    pub(super) next: u64,
    /// Text of a symbolic link.
    pub(super) target: Option<Arc<[u8]>>,
}

impl Row {
    /// A new inode without a name.
    pub(super) fn new(ino: Ino, kind: FileType, node: &NewNode, now: Timestamp) -> Self {
        Self {
            ino,
            kind,
            mode: node.mode,
            nlink: 0,
            uid: node.uid,
            gid: node.gid,
            rdev: node.rdev,
            size: 0,
            stored: 0,
            room: 0,
            xattr_room: 0,
            atime: now,
            mtime: now,
            ctime: now,
            btime: now,
            parent: Ino(0),
            subdirs: 0,
            next: u64::from(kind == FileType::Directory),
            target: None,
        }
    }

    pub(super) fn attr(&self) -> Attr {
        let (size, blocks) = match self.kind {
            FileType::Regular => (self.size, self.stored * (BLOCK / 512)),
            FileType::Directory => (DIR_SIZE, DIR_SIZE / 512),
            _ => (self.target.as_ref().map_or(0, |text| text.len() as u64), 0),
        };
        let nlink = match self.kind {
            FileType::Directory if self.nlink > 0 => self.subdirs + 2,
            _ => self.nlink,
        };
        Attr {
            ino: self.ino,
            kind: self.kind,
            mode: self.mode,
            nlink,
            uid: self.uid,
            gid: self.gid,
            rdev: self.rdev,
            size,
            blocks,
            atime: self.atime,
            mtime: self.mtime,
            ctime: self.ctime,
            btime: self.btime,
        }
    }

    /// Sets everything but the size.
    pub(super) fn set(&mut self, set: &SetAttr, now: Timestamp) {
        let pick = |time: SetTime, old: Timestamp| match time {
            SetTime::Keep => old,
            SetTime::Now => now,
            SetTime::At(time) => time,
        };
        self.mode = set.mode.unwrap_or(self.mode);
        self.uid = set.uid.unwrap_or(self.uid);
        self.gid = set.gid.unwrap_or(self.gid);
        self.atime = pick(set.atime, self.atime);
        self.mtime = pick(set.mtime, self.mtime);
        self.ctime = now;
    }

    /// Sets times as they were elsewhere.
    pub(super) fn set_times(&mut self, [atime, mtime, ctime, btime]: Times) {
        self.atime = atime.unwrap_or(self.atime);
        self.mtime = mtime.unwrap_or(self.mtime);
        self.ctime = ctime.unwrap_or(self.ctime);
        self.btime = btime.unwrap_or(self.btime);
    }

    /// The content was changed.
    pub(super) fn modified(&mut self, now: Timestamp) {
        self.mtime = now;
        self.ctime = now;
    }

    /// Everything but the inode itself that its quota gets back when it goes.
    pub(super) fn held(&self) -> u64 {
        self.room + self.xattr_room + self.target.as_ref().map_or(0, |text| text.len() as u64)
    }
}

/// An inode in memory.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) row: Row,
    pub(super) names: Names,
    /// A directory's entries, all or none.
    pub(super) entries: Option<Entries>,
    /// A file's blocks: which there are, and the bytes of some.
    pub(super) blocks: Option<Blocks>,
    /// Extended attributes, all or none.
    pub(super) xattrs: Option<Xattrs>,
    /// Never had a name, and may be given one.
    pub(super) unnamed: bool,
    /// When it was last used, in ticks of the cache.
    used: AtomicU64,
}

impl Node {
    /// An inode that is stored, of which nothing more is known.
    pub(super) fn stored(row: Row) -> Self {
        Self {
            row,
            names: Names::Unknown,
            entries: None,
            blocks: None,
            xattrs: None,
            unnamed: false,
            used: AtomicU64::new(0),
        }
    }

    /// A new inode, of which all is known: nothing.
    pub(super) fn fresh(row: Row) -> Self {
        Self {
            names: Names::None,
            entries: (row.kind == FileType::Directory).then(Entries::default),
            blocks: (row.kind == FileType::Regular).then(Blocks::default),
            xattrs: Some(Xattrs::default()),
            ..Self::stored(row)
        }
    }

    pub(super) fn use_at(&self, tick: u64) {
        self.used.store(tick, Ordering::Relaxed);
    }

    pub(super) fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn weight_of_blocks(&self) -> u64 {
        self.blocks.as_ref().map_or(0, Blocks::weight)
    }

    /// Memory that this takes, roughly.
    pub(super) fn weight(&self) -> u64 {
        let xattrs = self.xattrs.iter().flatten();
        NODE_WEIGHT
            + self.row.target.as_ref().map_or(0, |text| text.len() as u64)
            + self.names.len().saturating_sub(1) as u64 * 48
            + self.entries.as_ref().map_or(0, Entries::weight)
            + self.weight_of_blocks()
            + xattrs
                .map(|(name, value)| 96 + (name.len() + value.len()) as u64)
                .sum::<u64>()
    }
}

/// Memory of an inode without anything that belongs to it.
pub(super) const NODE_WEIGHT: u64 = 400;
