//! Directories, moving, removing.

use crate::error::{Error, Result};
use crate::path;
use crate::vm::{AgentOs, Vm};
use agentos_kernel::cred::Credentials;
use agentos_kernel::vfs::{FileType, FsContext, Mode, OpenOptions, Opened, RenameFlags, SetTime};
use agentos_kernel::{Errno, Error as KernelError};

/// Deepest tree that is copied or removed in one call.
const DEPTH_MAX: usize = 1024;

impl AgentOs {
    /// Creates a directory. `EEXIST`, `ENOENT`.
    pub async fn mkdir(&self, path: impl AsRef<str>) -> Result<()> {
        let path = path::check_writable(path.as_ref())?;
        self.vm.mkdir(path).map_err(Error::file("mkdir", path))
    }

    /// Creates a directory and its parents; one that exists is no error.
    pub async fn mkdir_all(&self, path: impl AsRef<str>) -> Result<()> {
        let path = path::check_writable(path.as_ref())?;
        let ends = path.match_indices('/').skip(1).map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            match self.vm.mkdir(&path[..end]) {
                Err(error) if error.errno() == Errno::EEXIST && self.vm.is_directory(&path[..end]) => {}
                other => other.map_err(Error::file("mkdir", path))?,
            }
        }
        Ok(())
    }

    /// Moves a file or directory, replacing a file that is there. Atomic within one mount; across mounts it is copied with
    /// its metadata and then deleted.
    pub async fn rename(&self, from: impl AsRef<str>, to: impl AsRef<str>) -> Result<()> {
        let (from, to) = (path::check_writable(from.as_ref())?, path::check_writable(to.as_ref())?);
        match self.vm.rename(from, to) {
            Err(error) if error.errno() == Errno::EXDEV => self
                .vm
                .copy(from, to, 0)
                .and_then(|()| self.vm.remove(from, 0))
                .map_err(Error::file("move", from)),
            other => other.map_err(Error::file("move", from)),
        }
    }

    /// Removes a file, a link, or an empty directory. `ENOTEMPTY`.
    pub async fn remove(&self, path: impl AsRef<str>) -> Result<()> {
        let path = path::check_writable(path.as_ref())?;
        self.vm.remove_one(path).map_err(Error::file("delete", path))
    }

    /// Removes a file, or a directory with everything in it. Links are removed, not followed.
    pub async fn remove_all(&self, path: impl AsRef<str>) -> Result<()> {
        let path = path::check_writable(path.as_ref())?;
        self.vm.remove(path, 0).map_err(Error::file("delete", path))
    }

    /// Creates a symbolic link at `path` that leads to `target`.
    pub async fn symlink(&self, target: impl AsRef<str>, path: impl AsRef<str>) -> Result<()> {
        let path = path::check_writable(path.as_ref())?;
        let target = target.as_ref().as_bytes();
        let made = self.vm.as_user(|cx| self.vm.kernel.vfs().symlink(cx, target, None, path.as_bytes()));
        made.map(drop).map_err(Error::file("symlink", path))
    }

    /// Changes permission bits.
    pub async fn chmod(&self, path: impl AsRef<str>, mode: u32) -> Result<()> {
        let path = path::check_writable(path.as_ref())?;
        let changed = self.vm.as_user(|cx| self.vm.kernel.vfs().chmod(cx, None, path.as_bytes(), Mode::new(mode)));
        changed.map(drop).map_err(Error::file("chmod", path))
    }
}

impl Vm {
    fn mkdir(&self, path: &str) -> Result<(), KernelError> {
        self.as_user(|cx| self.kernel.vfs().mkdir(cx, None, path.as_bytes(), Mode::new(0o777))).map(drop)
    }

    fn is_directory(&self, path: &str) -> bool {
        self.stat(path, true).is_ok_and(|stat| stat.kind == super::EntryKind::Directory)
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), KernelError> {
        let (from, to) = (from.as_bytes(), to.as_bytes());
        self.as_user(|cx| self.kernel.vfs().rename(cx, None, from, None, to, RenameFlags::Replace))
    }

    fn remove_one(&self, path: &str) -> Result<(), KernelError> {
        let vfs = self.kernel.vfs();
        self.as_user(|cx| match vfs.unlink(cx, None, path.as_bytes()) {
            Err(error) if error.errno() == Errno::EISDIR => vfs.rmdir(cx, None, path.as_bytes()),
            other => other,
        })
    }

    fn remove(&self, path: &str, depth: usize) -> Result<(), KernelError> {
        match self.remove_one(path) {
            Err(error) if error.errno() == Errno::ENOTEMPTY && depth < DEPTH_MAX => {}
            other => return other,
        }
        loop {
            // In portions, so that a directory of any size can be emptied.
            let names = self.portion(path)?;
            for name in &names {
                self.remove(&format!("{}/{name}", path.trim_end_matches('/')), depth + 1)?;
            }
            match self.remove_one(path) {
                Err(error) if error.errno() == Errno::ENOTEMPTY && !names.is_empty() => {}
                other => return other,
            }
        }
    }

    /// Some names of a directory.
    fn portion(&self, path: &str) -> Result<Vec<String>, KernelError> {
        use std::ops::ControlFlow;
        let options = OpenOptions { read: true, directory: true, ..OpenOptions::default() };
        let opened = self.as_user(|cx| self.kernel.vfs().open(cx, None, path.as_bytes(), &options))?;
        let Opened::Inode(handle) = opened else { return Err(Errno::ENOTDIR.into()) };
        let mut names = Vec::new();
        handle.readdir(0, &mut |entry| {
            if !matches!(entry.name, b"." | b"..") {
                names.push(String::from_utf8_lossy(entry.name).into_owned());
            }
            if names.len() < 1024 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        Ok(names)
    }

    /// Copies with metadata; the copy replaces a file that is there.
    fn copy(&self, from: &str, to: &str, depth: usize) -> Result<(), KernelError> {
        let vfs = self.kernel.vfs();
        let (source, target) = (from.as_bytes(), to.as_bytes());
        let attr = self.as_user(|cx| vfs.stat(cx, None, source, false))?.attr;
        match attr.kind {
            FileType::Directory if depth < DEPTH_MAX => {
                self.mkdir(to)?;
                for (name, _) in self.list(from)? {
                    let name = String::from_utf8_lossy(&name).into_owned();
                    self.copy(&format!("{from}/{name}"), &format!("{to}/{name}"), depth + 1)?;
                }
            }
            FileType::Directory => return Err(Errno::ELOOP.into()),
            FileType::Symlink => {
                let leads_to = self.as_user(|cx| vfs.readlink(cx, None, source))?;
                return self.as_user(|cx| vfs.symlink(cx, &leads_to, None, target)).map(drop);
            }
            FileType::Regular => self.copy_content(from, to)?,
            kind => {
                let mode = Mode::new(attr.mode.bits());
                self.as_user(|cx| vfs.mknod(cx, None, target, kind, mode, attr.rdev))?;
            }
        }
        self.as_user(|cx: &FsContext<'_>| {
            vfs.chmod(cx, None, target, attr.mode)?;
            vfs.set_times(cx, None, target, true, SetTime::At(attr.atime), SetTime::At(attr.mtime)).map(drop)
        })
    }

    fn copy_content(&self, from: &str, to: &str) -> Result<(), KernelError> {
        let source = self.open(from, &OpenOptions { read: true, ..OpenOptions::default() })?;
        let options = OpenOptions {
            write: true,
            create: true,
            truncate: true,
            mode: Mode::new(0o600),
            ..OpenOptions::default()
        };
        let target = self.open(to, &options)?;
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
