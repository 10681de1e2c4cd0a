//! Directories, links, modes, moving and removing.

use super::Files;
use super::listing::{ENTRIES_MAX, child};
use crate::error::{Error, Result};
use crate::path::{self, GuestPath};
use crate::vm::AgentOs;
use agentos_kernel::cred::Credentials;
use agentos_kernel::vfs::{
    FileType, FsContext, InodeHandle, Location, Mode, OpenOptions, Opened, RenameFlags, SetTime,
};
use agentos_kernel::{Errno, Error as KernelError};
use std::ops::ControlFlow;

/// Deepest tree that is copied in one call (limits.md section 4.2).
const COPY_DEPTH_MAX: usize = 128;

/// Most entries that one call removes. A guest that creates files as fast as they are removed must not hold it for ever.
const REMOVE_MAX: usize = 1 << 24;

impl AgentOs {
    /// Creates a directory. `EEXIST`, `ENOENT`.
    pub async fn mkdir(&self, path: impl AsRef<str>) -> Result<()> {
        let path = self.writable(path.as_ref())?;
        self.vm
            .noted(self.files().mkdir(&path).map_err(Error::file("mkdir", path.text)))
    }

    /// Creates a directory and its parents; one that exists is no error.
    pub async fn mkdir_all(&self, path: impl AsRef<str>) -> Result<()> {
        let path = self.writable(path.as_ref())?;
        let made = self.files().mkdir_all(&path);
        self.vm.noted(made.map_err(Error::file("mkdir", path.text)))
    }

    /// Moves a file or directory, replacing a file that is there. Atomic within one mount; across mounts it is copied with
    /// its metadata and then deleted.
    pub async fn rename(&self, from: impl AsRef<str>, to: impl AsRef<str>) -> Result<()> {
        let (from, to) = (self.writable(from.as_ref())?, self.writable(to.as_ref())?);
        let moved = self.files().relocate(&from, &to);
        self.vm.noted(moved.map_err(Error::file("move", from.text)))
    }

    /// Removes a file, a link, or an empty directory. `ENOTEMPTY`.
    pub async fn remove(&self, path: impl AsRef<str>) -> Result<()> {
        let path = self.writable(path.as_ref())?;
        self.files()
            .remove_one(None, &path)
            .map_err(Error::file("delete", path.text))
    }

    /// Removes a file, or a directory with everything in it. Links are removed, not followed.
    pub async fn remove_all(&self, path: impl AsRef<str>) -> Result<()> {
        let path = self.writable(path.as_ref())?;
        self.files()
            .remove_tree(&path)
            .map_err(Error::file("delete", path.text))
    }

    /// Creates a symbolic link at `path` that leads to `target`.
    pub async fn symlink(&self, target: impl AsRef<str>, path: impl AsRef<str>) -> Result<()> {
        let path = self.writable(path.as_ref())?;
        let target = path::encode(target.as_ref());
        let made = self
            .files()
            .as_user(|cx| self.vm.kernel.vfs().symlink(cx, &target, None, &path));
        self.vm.noted(made.map(drop).map_err(Error::file("symlink", path.text)))
    }

    /// Where a symbolic link leads, as it is written. `EINVAL` for anything else.
    pub async fn read_link(&self, path: impl AsRef<str>) -> Result<String> {
        let path = self.readable(path.as_ref())?;
        let target = self
            .files()
            .as_user(|cx| self.vm.kernel.vfs().readlink(cx, None, &path));
        Ok(path::decode(&target.map_err(Error::file("readlink", path.text))?))
    }

    /// Changes permission bits; links are followed.
    pub async fn chmod(&self, path: impl AsRef<str>, mode: u32) -> Result<()> {
        let path = self.writable(path.as_ref())?;
        let changed = self
            .files()
            .as_user(|cx| self.vm.kernel.vfs().chmod(cx, None, &path, Mode::new(mode), true));
        self.vm.noted(changed.map_err(Error::file("chmod", path.text)))
    }
}

impl Files<'_> {
    fn mkdir(&self, path: &[u8]) -> Result<(), KernelError> {
        self.as_user(|cx| self.kernel.vfs().mkdir(cx, None, path, Mode::new(0o777)))
            .map(drop)
    }

    fn mkdir_all(&self, path: &[u8]) -> Result<(), KernelError> {
        match self.mkdir_if_absent(path) {
            Err(error) if error.errno() == Errno::ENOENT => {}
            other => return other,
        }
        for (end, _) in path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/') {
            self.mkdir_if_absent(&path[..end])?;
        }
        self.mkdir_if_absent(path)
    }

    fn mkdir_if_absent(&self, path: &[u8]) -> Result<(), KernelError> {
        match self.mkdir(path) {
            Err(error) if error.errno() == Errno::EEXIST && self.is_directory(path) => Ok(()),
            other => other,
        }
    }

    fn is_directory(&self, path: &[u8]) -> bool {
        self.stat(path, true)
            .is_ok_and(|stat| stat.kind == super::EntryKind::Directory)
    }

    fn relocate(&self, from: &GuestPath<'_>, to: &GuestPath<'_>) -> Result<(), KernelError> {
        let vfs = self.kernel.vfs();
        match self.as_user(|cx| vfs.rename(cx, None, from, None, to, RenameFlags::Replace)) {
            Err(error) if error.errno() == Errno::EXDEV => {}
            other => return other,
        }
        if let Err(error) = self.copy(from, to, 0) {
            // What was copied so far is taken back where that is possible; the original is untouched.
            if error.errno() != Errno::EEXIST {
                let _ = self.remove_tree(to);
            }
            return Err(error);
        }
        self.remove_tree(from)
    }

    /// Removes one entry that is not a directory with content.
    fn remove_one(&self, base: Option<&Location>, path: &[u8]) -> Result<(), KernelError> {
        let vfs = self.kernel.vfs();
        self.as_user(|cx| match vfs.unlink(cx, base, path) {
            Err(error) if error.errno() == Errno::EISDIR => vfs.rmdir(cx, base, path),
            other => other,
        })
    }

    /// Removes a tree of any depth: directories are held, not named by ever longer paths.
    fn remove_tree(&self, path: &[u8]) -> Result<(), KernelError> {
        match self.remove_one(None, path) {
            Err(error) if error.errno() == Errno::ENOTEMPTY => {}
            other => return other,
        }
        let mut open: Vec<(Vec<u8>, InodeHandle)> = vec![(path.to_vec(), self.open_directory(None, path)?)];
        for _ in 0..REMOVE_MAX {
            let Some((_, folder)) = open.last() else { return Ok(()) };
            if let Some((name, child)) = self.empty_one(folder)? {
                open.push((name, child));
                continue;
            }
            let Some((name, _)) = open.pop() else { return Ok(()) };
            let parent = open.last().map(|(_, parent)| parent.location());
            match self.remove_one(parent, &name) {
                Ok(()) => {}
                // Somebody made an entry meanwhile.
                Err(error) if error.errno() == Errno::ENOTEMPTY => {
                    let again = self.open_directory(parent, &name)?;
                    open.push((name, again));
                }
                Err(error) => return Err(error),
            }
        }
        Err(Errno::EBUSY.into())
    }

    /// Removes what can be removed from a directory; gives the first subdirectory that has content, opened.
    fn empty_one(&self, folder: &InodeHandle) -> Result<Option<(Vec<u8>, InodeHandle)>, KernelError> {
        loop {
            let names = portion(folder)?;
            if names.is_empty() {
                return Ok(None);
            }
            for name in names {
                match self.remove_one(Some(folder.location()), &name) {
                    Err(error) if error.errno() == Errno::ENOTEMPTY => {
                        let child = self.open_directory(Some(folder.location()), &name)?;
                        return Ok(Some((name, child)));
                    }
                    Err(error) if error.errno() != Errno::ENOENT => return Err(error),
                    _ => {}
                }
            }
        }
    }

    fn open_directory(&self, base: Option<&Location>, path: &[u8]) -> Result<InodeHandle, KernelError> {
        let options = OpenOptions {
            read: true,
            directory: true,
            no_follow: true,
            ..OpenOptions::default()
        };
        match self.as_user(|cx| self.kernel.vfs().open(cx, base, path, options))? {
            Opened::Inode(handle) => Ok(handle),
            _ => Err(Errno::ENOTDIR.into()),
        }
    }

    /// Copies with metadata; the copy replaces a file that is there.
    fn copy(&self, from: &[u8], to: &[u8], depth: usize) -> Result<(), KernelError> {
        let vfs = self.kernel.vfs();
        let attr = self.as_user(|cx| vfs.stat(cx, None, from, false))?.attr;
        if attr.kind != FileType::Directory {
            // A link that stands there is replaced, not written through.
            match self.as_user(|cx| vfs.unlink(cx, None, to)) {
                Err(error) if error.errno() != Errno::ENOENT => return Err(error),
                _ => {}
            }
        }
        match attr.kind {
            FileType::Directory if depth < COPY_DEPTH_MAX => {
                self.mkdir(to)?;
                for (name, _) in self.list_up_to(from, "move", ENTRIES_MAX)? {
                    self.copy(&child(from, &name), &child(to, &name), depth + 1)?;
                }
            }
            FileType::Directory => return Err(Errno::ELOOP.into()),
            FileType::Symlink => {
                let leads_to = self.as_user(|cx| vfs.readlink(cx, None, from))?;
                return self.as_user(|cx| vfs.symlink(cx, &leads_to, None, to)).map(drop);
            }
            FileType::Regular => self.copy_content(from, to)?,
            kind => {
                self.as_user(|cx| vfs.mknod(cx, None, to, kind, attr.mode, attr.rdev))?;
            }
        }
        self.as_user(|cx: &FsContext<'_>| {
            vfs.chmod(cx, None, to, attr.mode, false)?;
            vfs.set_times(cx, None, to, SetTime::At(attr.atime), SetTime::At(attr.mtime), false)
        })
    }

    fn copy_content(&self, from: &[u8], to: &[u8]) -> Result<(), KernelError> {
        let source = self.open(
            from,
            OpenOptions {
                read: true,
                ..OpenOptions::default()
            },
        )?;
        let options = OpenOptions {
            write: true,
            create: true,
            truncate: true,
            mode: Mode::new(0o600),
            ..OpenOptions::default()
        };
        let target = self.open(to, options)?;
        let mut chunk = vec![0; 64 << 10];
        let mut offset = 0;
        loop {
            let n = source.read_at(offset, &mut chunk)?;
            if n == 0 {
                return Ok(());
            }
            let mut done = 0;
            while done < n {
                done += target.write_at(&Credentials::user(), offset + done as u64, &chunk[done..n])?;
            }
            offset += n as u64;
        }
    }
}

/// Some names of a directory.
fn portion(folder: &InodeHandle) -> Result<Vec<Vec<u8>>, KernelError> {
    let mut names = Vec::new();
    folder.readdir(0, &mut |entry| {
        if !matches!(entry.name, b"." | b"..") {
            names.push(entry.name.to_vec());
        }
        if names.len() < 1024 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    Ok(names)
}
