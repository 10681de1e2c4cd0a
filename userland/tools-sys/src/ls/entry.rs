//! What is known of a file.

use std::ffi::OsString;
use std::fs::{self, DirEntry, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use agentos_tools_base::io::bytes_of;
use agentos_tools_base::platform::{DirEntryExt, FileTypeExt, MetadataExt, PermissionsExt};

use super::options::{Mark, Options, Stamp};
use crate::clock::Instant;

/// A file to list.
pub(super) struct Entry {
    /// As it is shown.
    pub(super) name: OsString,
    pub(super) path: PathBuf,
    pub(super) kind: Option<FileType>,
    pub(super) inode: u64,
    /// Of the file, or of what a followed link leads to. Only if an option needs it.
    pub(super) meta: Option<Metadata>,
    /// The file could not be looked at.
    pub(super) missing: bool,
}

impl Entry {
    /// An operand, with its metadata. `follow` looks through a symbolic link.
    pub(super) fn operand(name: OsString, follow: bool) -> io::Result<Self> {
        let path = PathBuf::from(&name);
        let meta = if follow {
            fs::metadata(&path)?
        } else {
            fs::symlink_metadata(&path)?
        };
        Ok(Self {
            name,
            path,
            kind: Some(meta.file_type()),
            inode: meta.ino(),
            meta: Some(meta),
            missing: false,
        })
    }

    /// An entry of a directory.
    pub(super) fn inside(entry: &DirEntry) -> Self {
        Self {
            name: entry.file_name(),
            path: entry.path(),
            kind: entry.file_type().ok(),
            inode: entry.ino(),
            meta: None,
            missing: false,
        }
    }

    /// `.` or `..` of a directory.
    pub(super) fn dots(dir: &Path, name: &str) -> Self {
        let path = dir.join(name);
        let inode = fs::metadata(&path).map_or(0, |meta| meta.ino());
        let kind = fs::metadata(dir).ok().map(|meta| meta.file_type());
        Self {
            name: name.into(),
            path,
            kind,
            inode,
            meta: None,
            missing: false,
        }
    }

    /// Looks at the file itself, or through a link.
    pub(super) fn look(&mut self, follow: bool) -> io::Result<()> {
        let found = if follow {
            // A link to nothing is shown as the link that it is.
            fs::metadata(&self.path).or_else(|_| fs::symlink_metadata(&self.path))
        } else {
            fs::symlink_metadata(&self.path)
        };
        match found {
            Ok(meta) => {
                (self.kind, self.inode) = (Some(meta.file_type()), meta.ino());
                self.meta = Some(meta);
                Ok(())
            }
            Err(error) => {
                self.missing = true;
                Err(error)
            }
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        bytes_of(&self.name)
    }

    pub(super) fn is_dir(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_dir())
    }

    pub(super) fn is_link(&self) -> bool {
        self.kind.is_some_and(|kind| kind.is_symlink())
    }

    /// Whether it is a link that leads nowhere.
    pub(super) fn broken(&self) -> bool {
        self.is_link() && fs::metadata(&self.path).is_err()
    }

    pub(super) fn size(&self) -> u64 {
        self.meta.as_ref().map_or(0, Metadata::len)
    }

    /// Allocated bytes.
    pub(super) fn allocated(&self) -> u64 {
        self.meta.as_ref().map_or(0, |meta| meta.blocks().saturating_mul(512))
    }

    pub(super) fn time(&self, stamp: Stamp) -> Instant {
        let Some(meta) = &self.meta else {
            return Instant::default();
        };
        match stamp {
            Stamp::Modified => Instant::new(meta.mtime(), meta.mtime_nsec()),
            Stamp::Accessed => Instant::new(meta.atime(), meta.atime_nsec()),
            Stamp::Changed => Instant::new(meta.ctime(), meta.ctime_nsec()),
            Stamp::Born => meta.created().map_or_else(|_| Instant::default(), Instant::from),
        }
    }

    /// The mark after the name.
    pub(super) fn mark(&self, options: &Options) -> Option<u8> {
        mark_of(self.kind, self.meta.as_ref(), options.mark)
    }
}

/// The mark for a file of some kind.
pub(super) fn mark_of(kind: Option<FileType>, meta: Option<&Metadata>, mark: Mark) -> Option<u8> {
    let kind = kind?;
    if kind.is_dir() {
        return (mark != Mark::None).then_some(b'/');
    }
    if !matches!(mark, Mark::Type | Mark::Classify) {
        return None;
    }
    if kind.is_symlink() {
        Some(b'@')
    } else if kind.is_fifo() {
        Some(b'|')
    } else if kind.is_socket() {
        Some(b'=')
    } else {
        let executable = kind.is_file() && meta.is_some_and(|meta| meta.permissions().mode() & 0o111 != 0);
        (mark == Mark::Classify && executable).then_some(b'*')
    }
}
