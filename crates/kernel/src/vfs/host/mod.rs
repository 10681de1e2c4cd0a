//! A directory of the host as a filesystem.
//!
//! The guest must never reach anything outside the directory. That rests on the host kernel, not on string checks:
//!
//! * The directory is held open from the start. Files are opened with `openat2` below a held directory, beneath it, without
//!   following any symbolic or magic link and without crossing a mount; where `openat2` is missing, [`HostDirFs::open`]
//!   fails.
//! * Other operations take one name in a held directory and do not follow links. A name that is a mount point of the host
//!   is `EACCES`.
//! * A symbolic link is text, which the layers above walk in the guest's tree, confined to this mount. `..` is answered from
//!   what this filesystem remembers, so that a directory which the host moves out of the tree does not lead to where it went.
//! * FIFOs, sockets and devices are shown, and never opened or made.
//!
//! Identity is the host's device and inode number. A file that the guest holds (open, working directory) is held open here
//! as well, so that it survives renames and removal by either side and its number cannot be reused. For the rest a bounded
//! `table` remembers in which directory they were last seen under which name; every use checks that the same file is still
//! there (`ESTALE`, which path walks report as `ENOENT`). Directories that are walked through stay open in a small cache.
//! Files that nobody holds are not kept open: a descriptor that lingers keeps deleted files on the disk, and makes `execve`
//! on the host fail.
//!
//! Ownership: everything belongs to the VM's default user (1000) and shows the host's permissions without set-id bits; what
//! the process of the VM may not do on the host is refused when it is tried. Owners cannot be changed. New files belong to
//! the user that runs the VM. Of the extended attributes only `user.*` are visible. Access times are the host's affair.

mod change;
mod node;
mod open;
mod table;
#[cfg(test)]
mod tests;

use crate::clock::Timestamp;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::Ino;
use crate::vfs::attr::{Attr, SetAttr, StatFs};
use crate::vfs::filesystem::{DirEntry, Features, Filesystem, NewNode, RenameFlags, SeekTarget, XattrMode};
use core::ops::ControlFlow;
use node::Handle;
use open::OPEN_HERE;
use parking_lot::Mutex;
use rustix::fs::{self, OFlags};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;
use table::Table;

/// A directory of the host. See the head of the module.
pub struct HostDirFs {
    root: Arc<Handle>,
    root_ino: Ino,
    read_only: bool,
    table: Mutex<Table>,
    /// Held from looking at a file's size to writing at it.
    appending: Mutex<()>,
}

/// Why a host directory cannot be mounted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostDirError {
    /// The directory cannot be opened.
    #[error("{0}")]
    Open(Errno),
    /// The host cannot confine path resolution, so nothing is mounted rather than something that leaks.
    #[error("the host kernel does not offer openat2 ({0}); Linux 5.6 or newer is needed to mount a host directory")]
    NoConfinement(Errno),
}

/// Bytes of entries that are fetched at once.
const LISTING: usize = 8192;

impl HostDirFs {
    /// Opens the directory at `path`, following symbolic links of the host on the way. `read_only`: every change is `EROFS`.
    ///
    /// # Errors
    /// [`HostDirError`].
    pub fn open(path: impl AsRef<Path>, read_only: bool) -> Result<Arc<Self>, HostDirError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let failed = |errno: rustix::io::Errno| HostDirError::Open(errno.into());
        let fd = fs::open(path.as_ref(), flags, fs::Mode::empty()).map_err(failed)?;
        open::beneath(&fd, b".", OPEN_HERE, 0).map_err(|error| match error.errno() {
            errno @ (Errno::ENOSYS | Errno::EPERM | Errno::E2BIG | Errno::EINVAL) => HostDirError::NoConfinement(errno),
            errno => HostDirError::Open(errno),
        })?;
        let root = Arc::new(Handle::path(fd));
        let stat = node::stat_handle(&root).map_err(|error| HostDirError::Open(error.errno()))?;
        let (table, root_ino) = Table::new(&stat, Arc::clone(&root));
        Ok(Arc::new(Self {
            root,
            root_ino,
            read_only,
            table: Mutex::new(table),
            appending: Mutex::new(()),
        }))
    }

    fn writable(&self) -> Result<()> {
        if self.read_only {
            return Err(Errno::EROFS.into());
        }
        Ok(())
    }
}

impl Filesystem for HostDirFs {
    fn kind(&self) -> &'static str {
        "hostdir"
    }

    fn features(&self) -> Features {
        Features {
            read_only: self.read_only,
            volatile: true,
            confined: true,
            no_set_id: true,
            own_atime: true,
            ..Features::default()
        }
    }

    fn root(&self) -> Ino {
        self.root_ino
    }

    fn lookup(&self, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.find(dir, name)
    }

    fn parent(&self, dir: Ino) -> Result<Ino> {
        self.table.lock().parent(dir)
    }

    fn getattr(&self, ino: Ino) -> Result<Attr> {
        Ok(self.stat(ino)?.attr(ino))
    }

    fn setattr(&self, ino: Ino, set: &SetAttr) -> Result<Attr> {
        self.change(ino, set)?;
        self.getattr(ino)
    }

    fn readlink(&self, ino: Ino) -> Result<Vec<u8>> {
        self.link_text(ino)
    }

    fn create(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        self.create_file(dir, name, node)
    }

    fn mkdir(&self, dir: Ino, name: &[u8], node: &NewNode) -> Result<Attr> {
        self.create_dir(dir, name, node)
    }

    fn symlink(&self, dir: Ino, name: &[u8], target: &[u8], _: &NewNode) -> Result<Attr> {
        self.writable()?;
        let at = self.dir(dir)?;
        fs::symlinkat(target, at.fd(), name)?;
        self.find(dir, name)
    }

    fn link(&self, ino: Ino, dir: Ino, name: &[u8]) -> Result<Attr> {
        self.add_link(ino, dir, name)
    }

    fn unlink(&self, dir: Ino, name: &[u8]) -> Result<()> {
        self.remove(dir, name, fs::AtFlags::empty())
    }

    fn rmdir(&self, dir: Ino, name: &[u8]) -> Result<()> {
        self.remove(dir, name, fs::AtFlags::REMOVEDIR)
    }

    fn rename(&self, dir: Ino, name: &[u8], to_dir: Ino, to_name: &[u8], flags: RenameFlags) -> Result<()> {
        self.move_name(dir, name, to_dir, to_name, flags)
    }

    fn readdir(&self, dir: Ino, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let at = self.dir(dir)?;
        // A descriptor of its own, as the position belongs to the open file.
        let listing = open::listing(&at)?;
        if position > 0 {
            fs::seek(&listing, fs::SeekFrom::Start(position))?;
        }
        let mut buf = [MaybeUninit::uninit(); LISTING];
        let mut entries = fs::RawDir::new(&listing, &mut buf);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let (ino, kind) = match node::kind_of_entry(entry.file_type()) {
                Some(kind) => (self.table.lock().number_beside(dir, entry.ino()), kind),
                None => match self.find(dir, name) {
                    Ok(attr) => (attr.ino, attr.kind),
                    Err(_) => continue,
                },
            };
            let next = entry.next_entry_cookie().max(1);
            if emit(DirEntry { name, ino, kind, next }).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn read(&self, ino: Ino, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let file = self.reader(ino)?;
        Ok(rustix::io::pread(file.fd(), buf, offset)?)
    }

    fn write(&self, ino: Ino, offset: u64, data: &[u8]) -> Result<usize> {
        let file = self.writer(ino)?;
        Ok(rustix::io::pwrite(file.fd(), data, offset)?)
    }

    fn append(&self, ino: Ino, data: &[u8]) -> Result<(usize, u64)> {
        self.append_data(ino, data)
    }

    fn seek(&self, ino: Ino, offset: u64, target: SeekTarget) -> Result<u64> {
        let file = self.reader(ino)?;
        let from = match target {
            SeekTarget::Data => fs::SeekFrom::Data(offset),
            SeekTarget::Hole => fs::SeekFrom::Hole(offset),
        };
        Ok(fs::seek(file.fd(), from)?)
    }

    fn allocate(&self, ino: Ino, offset: u64, len: u64, keep_size: bool, punch: bool) -> Result<()> {
        let file = self.writer(ino)?;
        let mut flags = fs::FallocateFlags::empty();
        flags.set(fs::FallocateFlags::KEEP_SIZE, keep_size || punch);
        flags.set(fs::FallocateFlags::PUNCH_HOLE, punch);
        Ok(fs::fallocate(file.fd(), flags, offset, len)?)
    }

    fn retain(&self, ino: Ino) -> Result<()> {
        self.hold(ino)
    }

    fn release(&self, ino: Ino) {
        let closed = self.table.lock().release(ino);
        drop(closed);
    }

    fn fsync(&self, ino: Ino, data_only: bool) -> Result<()> {
        let file = self.reader(ino)?;
        let done = match data_only {
            true => fs::fdatasync(file.fd()),
            false => fs::fsync(file.fd()),
        };
        Ok(done?)
    }

    fn sync(&self) -> Result<()> {
        let root = open::beneath(self.root.fd(), b".", OPEN_HERE, 0)?;
        Ok(fs::syncfs(&root)?)
    }

    fn statfs(&self) -> Result<StatFs> {
        let root = open::beneath(self.root.fd(), b".", OPEN_HERE, 0)?;
        let stat = fs::fstatfs(&root)?;
        let number = |value: i64| u64::try_from(value).unwrap_or(0);
        Ok(StatFs {
            magic: number(stat.f_type),
            block_size: number(stat.f_bsize),
            blocks: stat.f_blocks,
            blocks_free: stat.f_bavail,
            inodes: stat.f_files,
            inodes_free: stat.f_ffree,
            name_max: crate::vfs::NAME_MAX as u64,
        })
    }

    fn getxattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>> {
        self.get_attribute(ino, name)
    }

    fn setxattr(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> Result<()> {
        self.set_attribute(ino, name, value, mode)
    }

    fn listxattr(&self, ino: Ino) -> Result<Vec<Vec<u8>>> {
        self.list_attributes(ino)
    }

    fn removexattr(&self, ino: Ino, name: &[u8]) -> Result<()> {
        self.remove_attribute(ino, name)
    }

    fn name_of(&self, ino: Ino) -> Result<(Ino, Vec<u8>)> {
        self.present_name(ino)
    }

    fn native(&self, ino: Ino, write: bool) -> Result<Option<OwnedFd>> {
        self.open_native(ino, write).map(Some)
    }

    fn native_in_use(&self, ino: Ino, write: bool) -> Result<Option<OwnedFd>> {
        let opened = match write {
            true => self.open_native(ino, true).or_else(|_| self.open_native(ino, false)),
            false => self.open_native(ino, false),
        };
        opened.map(Some)
    }

    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }
}
