//! Getting at files of the host.

use super::HostDirFs;
use super::node::{self, Handle, HostStat, Rights};
use super::table::Known;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::id::Ino;
use crate::vfs::attr::{Attr, FileType};
use rustix::fd::{AsFd, AsRawFd, OwnedFd};
use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use std::sync::Arc;

/// For opening a directory to list it.
pub(super) const OPEN_HERE: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY);
/// For a file that is or may be regular: opening never waits, and never makes a terminal ours.
const OPEN_FILE: OFlags = OFlags::NONBLOCK.union(OFlags::NOCTTY);
/// Pieces of path that are walked to reach one directory.
const PIECES_MAX: usize = 4096;

/// Opens `path` below `dir` without leaving it, following links, or crossing mounts.
pub(super) fn beneath(dir: impl AsFd, path: &[u8], flags: OFlags, mode: u32) -> Result<OwnedFd> {
    let resolve =
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_XDEV;
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    // The kernel asks to try again if something was renamed meanwhile, and it cannot be sure.
    for _ in 0..16 {
        match fs::openat2(dir.as_fd(), path, flags, Mode::from_raw_mode(mode), resolve) {
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::XDEV) => return Err(Errno::EACCES.into()),
            Err(errno) => return Err(errno.into()),
            Ok(fd) => return Ok(fd),
        }
    }
    Err(Errno::EAGAIN.into())
}

/// The file behind a descriptor, opened anew. This is the one magic link that is followed: it names the descriptor itself.
pub(super) fn descriptor_path(handle: &Handle) -> String {
    format!("/proc/self/fd/{}", handle.fd().as_raw_fd())
}

fn reopen(handle: &Handle, flags: OFlags) -> Result<OwnedFd> {
    let flags = flags | OPEN_FILE | OFlags::CLOEXEC;
    Ok(fs::open(descriptor_path(handle), flags, Mode::empty())?)
}

/// A descriptor for listing a directory. Walking to `.` takes search permission, which listing does not.
pub(super) fn listing(dir: &Handle) -> Result<OwnedFd> {
    match beneath(dir.fd(), b".", OPEN_HERE, 0) {
        Err(error) if error == Errno::EACCES => reopen(dir, OPEN_HERE),
        opened => opened,
    }
}

/// An absent or different file where one was remembered.
fn stale(error: Error) -> Error {
    match error.errno() {
        Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP => Errno::ESTALE.into(),
        _ => error,
    }
}

impl HostDirFs {
    /// Looks a name up and remembers what it is.
    pub(super) fn find(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        let at = self.dir(dir)?;
        let stat = node::stat_name(&at, name)?;
        let ino = self.table.lock().see(dir, name, &stat)?;
        Ok(stat.attr(ino))
    }

    /// A directory, open.
    pub(super) fn dir(&self, dir: Ino) -> Result<Arc<Handle>> {
        if let Some(open) = self.table.lock().open_dir(dir)? {
            return Ok(open);
        }
        for _ in 0..PIECES_MAX {
            let route = match self.table.lock().route(dir) {
                Ok(route) => route,
                Err(open) => return open,
            };
            let fd = beneath(route.from.fd(), &route.path, OFlags::PATH | OFlags::DIRECTORY, 0).map_err(stale)?;
            let handle = Arc::new(Handle::path(fd));
            if node::stat_handle(&handle)?.key != route.key {
                return Err(Errno::ESTALE.into());
            }
            let closed = self.table.lock().keep_dir(route.to, &handle);
            drop(closed);
            if route.to == dir {
                return Ok(handle);
            }
        }
        Err(Errno::ELOOP.into())
    }

    /// Present attributes of a known file.
    pub(super) fn stat(&self, ino: Ino) -> Result<HostStat> {
        // In an own statement, so that the lock is not held over the call.
        let handle = self.table.lock().handle(ino)?;
        if let Some(handle) = handle {
            return node::stat_handle(&handle);
        }
        let known = self.table.lock().get(ino)?;
        let (dir, name) = self.place(&known)?;
        let stat = node::stat_name(&dir, &name).map_err(stale)?;
        same(&known, stat)
    }

    /// The directory and name of a known file.
    pub(super) fn place(&self, known: &Known) -> Result<(Arc<Handle>, Box<[u8]>)> {
        let name = known.name.clone().ok_or(Errno::ESTALE)?;
        Ok((self.dir(known.parent)?, name))
    }

    /// A descriptor of a known file that is good for attributes at least.
    pub(super) fn descriptor(&self, ino: Ino) -> Result<Arc<Handle>> {
        let known = self.table.lock().get(ino)?;
        match known.handle {
            Some(handle) => Ok(handle),
            None => self.open_known(&known, false),
        }
    }

    /// A known file, open for reading.
    pub(super) fn reader(&self, ino: Ino) -> Result<Arc<Handle>> {
        if let Some(handle) = self.table.lock().handle(ino)?.filter(|handle| handle.reads()) {
            return Ok(handle);
        }
        self.reopen_file(
            ino,
            Handle::reads,
            &[(OFlags::RDONLY, Rights::Read), (OFlags::RDWR, Rights::ReadWrite)],
        )
    }

    /// A known file, open for writing.
    pub(super) fn writer(&self, ino: Ino) -> Result<Arc<Handle>> {
        self.writable()?;
        if let Some(handle) = self.table.lock().handle(ino)?.filter(|handle| handle.writes()) {
            return Ok(handle);
        }
        self.reopen_file(
            ino,
            Handle::writes,
            &[(OFlags::RDWR, Rights::ReadWrite), (OFlags::WRONLY, Rights::Write)],
        )
    }

    /// A description of its own of a known regular file.
    pub(super) fn open_native(&self, ino: Ino, write: bool) -> Result<OwnedFd> {
        let (handle, access) = match write {
            true => (self.writer(ino)?, OFlags::RDWR),
            false => (self.reader(ino)?, OFlags::RDONLY),
        };
        let file = reopen(&handle, access)?;
        // Opening must not wait; whoever has the descriptor did not ask for that.
        fs::fcntl_setfl(&file, access)?;
        Ok(file)
    }

    /// Opens a regular file in the first of the given ways that the host permits.
    fn reopen_file(&self, ino: Ino, fits: fn(&Handle) -> bool, ways: &[(OFlags, Rights)]) -> Result<Arc<Handle>> {
        let known = self.table.lock().get(ino)?;
        match known.kind {
            FileType::Regular => {}
            FileType::Directory => return Err(Errno::EISDIR.into()),
            _ => return Err(Errno::EINVAL.into()),
        }
        let present = match &known.handle {
            Some(handle) => Arc::clone(handle),
            None => self.open_known(&known, true)?,
        };
        if fits(&present) {
            return Ok(present);
        }
        // What the descriptor was opened for and what is wanted now are both needed from here on.
        let keep_reading = present.reads();
        let mut refused = Errno::EACCES.into();
        for (flags, rights) in ways
            .iter()
            .filter(|(_, rights)| !keep_reading || *rights != Rights::Write)
        {
            match reopen(&present, *flags) {
                Ok(fd) => {
                    let handle = Arc::new(Handle::new(fd, *rights));
                    self.table.lock().upgrade(ino, &handle);
                    return Ok(handle);
                }
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// Opens a known file where it was last seen. `content`: for reading if it is regular and the host permits.
    fn open_known(&self, known: &Known, content: bool) -> Result<Arc<Handle>> {
        let (dir, name) = self.place(known)?;
        if content && known.kind == FileType::Regular {
            match beneath(dir.fd(), &name, OFlags::RDONLY | OPEN_FILE, 0) {
                Ok(fd) => return self.checked(known, Handle::new(fd, Rights::Read)),
                Err(error) if error == Errno::EACCES || error == Errno::EPERM => {}
                Err(error) => return Err(stale(error)),
            }
        }
        let fd = self.open_path(&dir, &name)?;
        self.checked(known, Handle::path(fd))
    }

    fn open_path(&self, dir: &Handle, name: &[u8]) -> Result<OwnedFd> {
        // Links and special files can be held, not opened. One component cannot lead elsewhere with O_NOFOLLOW, and
        // `NO_SYMLINKS` would refuse the link itself; mounts are excluded by what `checked` compares.
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        fs::openat(dir.fd(), name, flags, Mode::empty()).map_err(|errno| stale(errno.into()))
    }

    fn checked(&self, known: &Known, handle: Handle) -> Result<Arc<Handle>> {
        same(known, node::stat_handle(&handle)?)?;
        Ok(Arc::new(handle))
    }

    /// Adds a holder, and opens what was not held so far.
    pub(super) fn hold(&self, ino: Ino) -> Result<()> {
        if self.table.lock().hold(ino)? {
            return Ok(());
        }
        let (created, known) = {
            let mut table = self.table.lock();
            (table.take_created(ino), table.get(ino)?)
        };
        let handle = match created {
            Some(handle) => handle,
            None => self.open_known(&known, true)?,
        };
        self.table.lock().hold_with(ino, handle)
    }

    pub(super) fn link_text(&self, ino: Ino) -> Result<Vec<u8>> {
        let known = self.table.lock().get(ino)?;
        if known.kind != FileType::Symlink {
            return Err(Errno::EINVAL.into());
        }
        let text = match &known.handle {
            Some(handle) => fs::readlinkat(handle.fd(), "", Vec::new()),
            None => {
                let (dir, name) = self.place(&known)?;
                match fs::readlinkat(dir.fd(), &*name, Vec::new()) {
                    // Something else has the name by now.
                    Err(rustix::io::Errno::INVAL) => return Err(Errno::ESTALE.into()),
                    text => text,
                }
            }
        };
        text.map(std::ffi::CString::into_bytes)
            .map_err(|errno| stale(errno.into()))
    }

    /// Directory and name of a file, if it still has that name.
    pub(super) fn present_name(&self, ino: Ino) -> Result<(Ino, Vec<u8>)> {
        let known = self.table.lock().get(ino)?;
        let missing = |_| Error::from(Errno::ENOENT);
        let (dir, name) = self.place(&known).map_err(missing)?;
        let stat = node::stat_name(&dir, &name).map_err(missing)?;
        same(&known, stat).map_err(missing)?;
        Ok((known.parent, name.into_vec()))
    }
}

/// The attributes, if they are still those of the file that is known.
fn same(known: &Known, stat: HostStat) -> Result<HostStat> {
    match stat.key == known.key && stat.kind() == known.kind {
        true => Ok(stat),
        false => Err(Errno::ESTALE.into()),
    }
}
