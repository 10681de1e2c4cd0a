//! One inode.

use super::content::Content;
use super::dir::Dir;
use super::names::Names;
use super::native::Native;
use super::xattr::Xattrs;
use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Gid, Ino, Uid};
use crate::vfs::attr::{Attr, FileType, Mode, SetAttr, SetTime};
use crate::vfs::filesystem::NewNode;
use std::sync::Arc;

/// Size and blocks of a directory: constant, as a tree of unknown shape has none to speak of.
const DIR_SIZE: u64 = 4096;

#[derive(Debug, Clone)]
pub(super) struct Inode {
    pub(super) body: Body,
    pub(super) mode: Mode,
    /// Hard links. A directory has one more for `.`, and one more for each directory in it, which are not counted here.
    pub(super) nlink: u32,
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    pub(super) rdev: u64,
    pub(super) atime: Timestamp,
    pub(super) mtime: Timestamp,
    pub(super) ctime: Timestamp,
    pub(super) btime: Timestamp,
    pub(super) names: Names,
    pub(super) xattrs: Option<Box<Xattrs>>,
    /// What the quota was charged for the inode itself.
    pub(super) charge: u64,
    /// Never had a name, and may be given one.
    pub(super) unnamed: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Body {
    Regular(Content),
    Directory(Dir),
    /// Text, and what the quota was charged for it.
    Symlink(Arc<[u8]>, u64),
    Special(FileType),
}

impl Inode {
    pub(super) fn new(body: Body, node: &NewNode, now: Timestamp, charge: u64) -> Self {
        Self {
            body,
            mode: node.mode,
            nlink: 0,
            uid: node.uid,
            gid: node.gid,
            rdev: node.rdev,
            atime: now,
            mtime: now,
            ctime: now,
            btime: now,
            names: Names::None,
            xattrs: None,
            charge,
            unnamed: false,
        }
    }

    pub(super) fn kind(&self) -> FileType {
        match &self.body {
            Body::Regular(_) => FileType::Regular,
            Body::Directory(_) => FileType::Directory,
            Body::Symlink(..) => FileType::Symlink,
            Body::Special(kind) => *kind,
        }
    }

    pub(super) fn attr(&self, ino: Ino) -> Attr {
        // Of what natives use the host is asked once.
        let native = match &self.body {
            Body::Regular(content) => content.native().map(|native| (native, native.now())),
            _ => None,
        };
        let (size, blocks) = match &self.body {
            Body::Regular(content) => match &native {
                Some((_, now)) => (now.size, now.blocks),
                None => (content.size(), content.blocks()),
            },
            Body::Directory(_) => (DIR_SIZE, DIR_SIZE / 512),
            Body::Symlink(text, _) => (text.len() as u64, 0),
            Body::Special(_) => (0, 0),
        };
        let (mtime, ctime) = match native.and_then(|(native, now)| native.changed_at(&now)) {
            Some(changed) => (Timestamp(changed), self.ctime.max(Timestamp(changed))),
            None => (self.mtime, self.ctime),
        };
        let nlink = match &self.body {
            Body::Directory(dir) if self.nlink > 0 => dir.subdirs + 2,
            _ => self.nlink,
        };
        Attr {
            ino,
            kind: self.kind(),
            mode: self.mode,
            nlink,
            uid: self.uid,
            gid: self.gid,
            rdev: self.rdev,
            size,
            blocks,
            atime: self.atime,
            mtime,
            ctime,
            btime: self.btime,
        }
    }

    pub(super) fn dir(&self) -> Result<&Dir> {
        match &self.body {
            Body::Directory(dir) => Ok(dir),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    /// Content and whatever else goes when the inode goes.
    pub(super) fn held_charge(&self) -> u64 {
        let body = match &self.body {
            Body::Regular(content) => content.charge(),
            Body::Symlink(_, charge) => *charge,
            Body::Directory(_) | Body::Special(_) => 0,
        };
        body + self.xattrs.as_ref().map_or(0, |xattrs| xattrs.charge())
    }

    /// Sets everything but the size.
    pub(super) fn set(&mut self, set: &SetAttr, now: Timestamp) {
        let pick = |time: SetTime, old: Timestamp| match time {
            SetTime::Keep => old,
            SetTime::Now => now,
            SetTime::At(time) => time,
        };
        if let Body::Regular(content) = &mut self.body
            && let Some(changed) = content.native().and_then(Native::changed)
        {
            self.mtime = Timestamp(changed);
            content.notice_changes();
        }
        self.mode = set.mode.unwrap_or(self.mode);
        self.uid = set.uid.unwrap_or(self.uid);
        self.gid = set.gid.unwrap_or(self.gid);
        self.atime = pick(set.atime, self.atime);
        self.mtime = pick(set.mtime, self.mtime);
        self.ctime = now;
    }

    /// The content was changed.
    pub(super) fn modified(&mut self, now: Timestamp) {
        self.mtime = now;
        self.ctime = now;
    }
}
