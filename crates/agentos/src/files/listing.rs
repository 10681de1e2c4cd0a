//! Directories and attributes.

use super::Files;
use crate::error::{Error, Result};
use crate::path;
use crate::vm::AgentOs;
use agentos_kernel::clock::Timestamp;
use agentos_kernel::limits::Counter;
use agentos_kernel::vfs::{FileType, OpenOptions, Opened};
use agentos_kernel::{Errno, Error as KernelError};
use std::collections::VecDeque;
use std::ops::ControlFlow;

/// Attributes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stat {
    /// Type and permission bits of `stat(2)`.
    pub mode: u32,
    /// Size in bytes.
    pub size: u64,
    /// Allocated 512-byte blocks.
    pub blocks: u64,
    /// Device of the filesystem.
    pub dev: u64,
    /// Device number of a device file.
    pub rdev: u64,
    /// Inode number.
    pub ino: u64,
    /// Hard links.
    pub nlink: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Last access, ns since the epoch.
    pub atime_ns: i64,
    /// Last modification, ns since the epoch.
    pub mtime_ns: i64,
    /// Last change, ns since the epoch.
    pub ctime_ns: i64,
    /// Creation, ns since the epoch.
    pub birthtime_ns: i64,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EntryKind {
    /// Regular file.
    File,
    /// Directory.
    Directory,
    /// Symbolic link.
    Symlink,
    /// FIFO, socket or device.
    Other,
}

impl From<FileType> for EntryKind {
    fn from(kind: FileType) -> Self {
        match kind {
            FileType::Regular => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Symlink,
            _ => Self::Other,
        }
    }
}

/// One entry of a recursive listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryEntry {
    /// Absolute path.
    pub path: String,
    /// What it is; links are not followed.
    pub kind: EntryKind,
    /// Size in bytes.
    pub size: u64,
}

/// How to list recursively.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ListOptions {
    /// Levels below the direct children; all unless set, 0 for the direct children only.
    pub max_depth: Option<usize>,
    /// Names of directories that are left out with all they hold.
    pub exclude: Vec<String>,
}

impl ListOptions {
    /// Lists at most `depth` levels below the direct children.
    #[must_use]
    pub fn max_depth(mut self, depth: usize) -> Self {
        self.max_depth = Some(depth);
        self
    }

    /// Leaves out directories with this name.
    #[must_use]
    pub fn exclude(mut self, name: impl Into<String>) -> Self {
        self.exclude.push(name.into());
        self
    }
}

/// Deepest level and most entries of one recursive listing (limits.md section 4.2).
const DEPTH_MAX: usize = 128;
pub(super) const ENTRIES_MAX: u64 = 65_536;

impl AgentOs {
    /// Attributes of a file; links are followed.
    pub async fn stat(&self, path: impl AsRef<str>) -> Result<Stat> {
        let path = self.readable(path.as_ref())?;
        self.files().stat(&path, true).map_err(Error::file("stat", path.text))
    }

    /// Attributes of a file or link itself.
    pub async fn lstat(&self, path: impl AsRef<str>) -> Result<Stat> {
        let path = self.readable(path.as_ref())?;
        self.files().stat(&path, false).map_err(Error::file("lstat", path.text))
    }

    /// Whether something is there; false for a link that leads nowhere. `EACCES` where that cannot be known.
    pub async fn exists(&self, path: impl AsRef<str>) -> Result<bool> {
        let path = self.readable(path.as_ref())?;
        match self.files().stat(&path, true) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.errno(), Errno::ENOENT | Errno::ENOTDIR) => Ok(false),
            Err(error) => Err(Error::file("exists", path.text)(error)),
        }
    }

    /// Names in a directory, sorted by bytes, without `.` and `..`. A byte that is not part of UTF-8
    /// appears as one character between U+EF80 and U+EFFF, which every call of this API takes back.
    pub async fn read_dir(&self, path: impl AsRef<str>) -> Result<Vec<String>> {
        let path = self.readable(path.as_ref())?;
        let listed = self.files().list(&path).map_err(Error::file("readdir", path.text));
        let mut names = self.vm.noted(listed)?;
        names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(names.iter().map(|(name, _)| path::decode(name)).collect())
    }

    /// Everything below a directory, breadth first, sorted by name within each directory. Links are listed, not followed.
    pub async fn read_dir_recursive(&self, path: impl AsRef<str>, options: ListOptions) -> Result<Vec<DirectoryEntry>> {
        let path = self.readable(path.as_ref())?;
        let listed = self.files().list_recursive(&path, &options);
        self.vm
            .noted(listed.map_err(Error::file("readdirRecursive", path.text)))
    }
}

impl Files<'_> {
    pub(super) fn stat(&self, path: &[u8], follow: bool) -> Result<Stat, KernelError> {
        let stat = self.as_user(|cx| self.kernel.vfs().stat(cx, None, path, follow))?;
        let (attr, time) = (stat.attr, |time: Timestamp| time.0);
        Ok(Stat {
            mode: attr.kind.bits() | attr.mode.bits(),
            size: attr.size,
            blocks: attr.blocks,
            dev: stat.dev.0,
            rdev: attr.rdev,
            ino: attr.ino.0,
            nlink: attr.nlink,
            uid: attr.uid.0,
            gid: attr.gid.0,
            atime_ns: time(attr.atime),
            mtime_ns: time(attr.mtime),
            ctime_ns: time(attr.ctime),
            birthtime_ns: time(attr.btime),
            kind: attr.kind.into(),
        })
    }

    /// Names and kinds in a directory, up to `limits.resources.maxReaddirEntries`.
    fn list(&self, path: &[u8]) -> Result<Vec<(Vec<u8>, FileType)>, KernelError> {
        let capacity = self.options.limits.max_readdir_entries;
        self.list_up_to(path, "limits.resources.maxReaddirEntries", capacity)
    }

    pub(super) fn list_up_to(
        &self,
        path: &[u8],
        limit: &'static str,
        capacity: u64,
    ) -> Result<Vec<(Vec<u8>, FileType)>, KernelError> {
        let options = OpenOptions {
            read: true,
            directory: true,
            ..OpenOptions::default()
        };
        let opened = self.as_user(|cx| self.kernel.vfs().open(cx, None, path, options))?;
        let Opened::Inode(handle) = opened else {
            return Err(Errno::ENOTDIR.into());
        };
        let mut entries = Vec::new();
        let mut full = false;
        handle.readdir(0, &mut |entry| {
            if matches!(entry.name, b"." | b"..") {
                return ControlFlow::Continue(());
            }
            full = entries.len() as u64 == capacity;
            if full {
                return ControlFlow::Break(());
            }
            entries.push((entry.name.to_vec(), entry.kind));
            ControlFlow::Continue(())
        })?;
        if full {
            let counter = Counter::new(limit, "entries", capacity, Errno::ENOMEM);
            return Err(counter.exceeded(capacity + 1, "readdir").into());
        }
        Ok(entries)
    }

    fn list_recursive(&self, root: &[u8], options: &ListOptions) -> Result<Vec<DirectoryEntry>, KernelError> {
        let total = Counter::new("readdirRecursive", "entries", ENTRIES_MAX, Errno::ENOMEM);
        let mut found = Vec::new();
        let mut queue = VecDeque::from([(root.to_vec(), 0)]);
        while let Some((folder, depth)) = queue.pop_front() {
            let mut names = match self.list_up_to(&folder, "readdirRecursive", ENTRIES_MAX) {
                Ok(names) => names,
                // A directory that vanished or may not be read is listed itself, and nothing below it.
                Err(error) if depth > 0 && matches!(error.errno(), Errno::ENOENT | Errno::EACCES) => continue,
                Err(error) => return Err(error),
            };
            names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            for (name, kind) in names {
                let is_directory = kind == FileType::Directory;
                if is_directory && options.exclude.iter().any(|excluded| *path::encode(excluded) == *name) {
                    continue;
                }
                total.take(1, "readdirRecursive")?;
                let path = child(&folder, &name);
                let size = self.stat(&path, false).map_or(0, |stat| stat.size);
                if is_directory && depth < options.max_depth.unwrap_or(DEPTH_MAX).min(DEPTH_MAX) {
                    queue.push_back((path.clone(), depth + 1));
                }
                found.push(DirectoryEntry {
                    path: path::decode(&path),
                    kind: kind.into(),
                    size,
                });
            }
        }
        Ok(found)
    }
}

/// The path of an entry of a directory.
pub(super) fn child(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let folder = folder.strip_suffix(b"/").unwrap_or(folder);
    [folder, b"/", name].concat()
}
