//! What the descriptors of guests mean.
//!
//! A guest's descriptor is a real one, and the guest may copy and close it without anybody being told. What it means is found by what
//! it is on the host: device and inode. An entry holds the VM's file alive; entries that no guest has open any more are swept
//! out when there are twice as many as after the last sweep.

use super::Vm;
use super::positions::Positions;
use crate::calls::Fail;
use crate::pipe::{NativeEnd, NativePipe};
use crate::program;
use crate::sys;
use agentos_kernel::Errno;
use agentos_kernel::fd::{AccessMode, HostPipe, OpenFile, StatusFlags};
use agentos_kernel::process::Kernel;
use agentos_kernel::tty::{Master, Slave};
use agentos_kernel::vfs::locks::FileKey;
use agentos_kernel::vfs::{FileType, InodeHandle, Location};
use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::task::Poll;

/// A file of the VM behind a file of the host.
pub(crate) struct Known {
    pub(crate) file: Arc<OpenFile>,
    pub(crate) directory: Option<Directory>,
}

/// An open directory. The host's one is empty and stands only for the position.
pub(crate) struct Directory {
    pub(crate) real: OwnedFd,
    pub(crate) positions: Positions,
}

/// Entries at which the first sweep happens.
pub(super) const FIRST_SWEEP: usize = 256;

impl Vm {
    /// What a guest's descriptor is on the host.
    pub(crate) fn host_stat(&self, key: u32, fd: i32) -> Result<libc::stat, Fail> {
        let guest = self.guests.get(&key).ok_or(Fail(libc::ESRCH))?;
        // Where the host allows it: finding it by its path below `/proc` takes twice as long.
        match sys::take_fd(guest.pid_fd.as_fd(), fd).and_then(|real| sys::stat_fd(real.as_fd(), c"")) {
            Ok(stat) => return Ok(stat),
            Err(error) if sys::errno_of(&error) == libc::EBADF => return Err(Fail(libc::EBADF)),
            Err(_) => {}
        }
        let path = CString::new(format!("fd/{fd}")).map_err(|_| Fail(libc::EBADF))?;
        let stat = sys::stat_fd(guest.proc_dir.as_fd(), &path);
        stat.map_err(|error| {
            Fail(if sys::errno_of(&error) == libc::ENOENT {
                libc::EBADF
            } else {
                sys::errno_of(&error)
            })
        })
    }

    /// Flags of the description behind a guest's descriptor.
    pub(crate) fn open_flags(&self, key: u32, fd: i32) -> Result<i32, Fail> {
        let guest = self.guests.get(&key).ok_or(Fail(libc::ESRCH))?;
        match sys::take_fd(guest.pid_fd.as_fd(), fd) {
            Ok(real) => Ok(sys::open_flags(real.as_fd())?),
            Err(_) => self.position(key, fd).map(|(_, flags)| flags & !libc::O_CLOEXEC),
        }
    }

    /// What a guest's descriptor means to the VM; none for what is only the host's: pipes, sockets, timers.
    pub(crate) fn meaning(&mut self, key: u32, fd: i32) -> Result<Option<&mut Known>, Fail> {
        let identity = self.identity(key, fd)?;
        Ok(self.known.get_mut(&identity))
    }

    /// Device and inode of a guest's descriptor on the host.
    pub(crate) fn identity(&self, key: u32, fd: i32) -> Result<(u64, u64), Fail> {
        if fd < 0 {
            return Err(Fail(libc::EBADF));
        }
        let stat = self.host_stat(key, fd)?;
        Ok((stat.st_dev, stat.st_ino))
    }

    /// A descriptor of the host for a file of the VM.
    pub(crate) fn materialise(&mut self, file: &Arc<OpenFile>) -> Result<OwnedFd, Fail> {
        let made = self.on_host(file);
        // It is this process's table that is full, not the guest's.
        made.map_err(|Fail(errno)| Fail(if errno == libc::EMFILE { libc::ENFILE } else { errno }))
    }

    fn on_host(&mut self, file: &Arc<OpenFile>) -> Result<OwnedFd, Fail> {
        let Some(handle) = file.handle() else {
            return self.object(file);
        };
        let access = file.access();
        if access.is_empty() {
            return self.placeholder(file);
        }
        match handle.kind() {
            FileType::Directory => return self.directory(file),
            FileType::Regular => {}
            _ => return Err(Fail(libc::ENXIO)),
        }
        let location = handle.location().clone();
        if let Some(own) = location.filesystem().natives_own(location.ino())? {
            return match access.contains(AccessMode::WRITE) {
                true => Err(Fail(libc::ETXTBSY)),
                false => Ok(own),
            };
        }
        let write = access.contains(AccessMode::WRITE);
        let real = match self.native(&location, write)? {
            Some(real) if access == AccessMode::WRITE => sys::reopen(real.as_fd(), libc::O_WRONLY)?,
            Some(real) => real,
            // What generates its content takes writes in its own way, which no native can use.
            None if write => return Err(Fail(libc::EROFS)),
            None => program::copy(&mut |at, into| match file.pread(at, into, None) {
                Poll::Ready(read) => read,
                Poll::Pending => Err(Errno::EAGAIN.into()),
            })?,
        };
        set_status(real.as_fd(), file.flags())?;
        file.made_native();
        self.know(real.as_fd(), file, None)?;
        self.files.opened();
        if write && let Some(kernel) = self.kernel() {
            self.opened_for_writing(&location, &kernel);
            self.watch_native(file);
        }
        Ok(real)
    }

    /// A file's own bytes, or its working copy. Each takes a descriptor of this process; where it has no more, those go that no
    /// guest uses.
    fn native_of(&mut self, location: &Location, write: bool) -> Result<Option<OwnedFd>, Fail> {
        self.stay_uncrowded();
        let open = || location.filesystem().native(location.ino(), write);
        match (open(), self.kernel()) {
            (Err(error), Some(kernel)) if matches!(error.errno(), Errno::EMFILE | Errno::ENFILE) => {
                kernel.vfs().tidy_natives(&sys::holders);
                Ok(open()?)
            }
            (opened, _) => Ok(opened?),
        }
    }

    /// As [`native_of`](Self::native_of); what is locked is locked against natives from now on.
    fn native(&mut self, location: &Location, write: bool) -> Result<Option<OwnedFd>, Fail> {
        let opened = self.native_of(location, write)?;
        if let (Some(real), Some(kernel)) = (&opened, self.kernel()) {
            let locks = kernel.vfs().locks();
            locks.made_native(FileKey::from(location), real.as_fd());
        }
        Ok(opened)
    }

    /// The VM's kernel, while it has guests.
    pub(crate) fn kernel(&self) -> Option<Arc<Kernel>> {
        self.guests
            .values()
            .next()
            .map(|guest| Arc::clone(guest.process.kernel()))
    }

    /// A description for writing of a file that is known by one for reading.
    pub(crate) fn writable_twin(&self, key: u32, file: &Arc<OpenFile>) -> Result<Arc<OpenFile>, Fail> {
        let guest = self.guests.get(&key).ok_or(Fail(libc::ESRCH))?;
        let location = file.location().ok_or(Fail(libc::EBADF))?.clone();
        let limits = guest.process.kernel().fd_limits();
        let twin = OpenFile::from_inode(
            InodeHandle::new(location),
            AccessMode::READ_WRITE,
            StatusFlags::empty(),
            limits,
        )?;
        twin.made_native();
        Ok(twin)
    }

    fn object(&mut self, file: &Arc<OpenFile>) -> Result<OwnedFd, Fail> {
        if let Some(end) = file.pipe_end() {
            let pipe = end
                .pipe()
                .on_host(|buffered| Ok(NativePipe::new(buffered)? as Arc<dyn HostPipe>))?;
            let pipe = pipe.as_any().downcast_ref::<NativePipe>().ok_or(Fail(libc::EIO))?;
            let real = pipe.open(file.access(), file.flags().contains(StatusFlags::NONBLOCK))?;
            return self.named_pipe(real, file);
        }
        if let Some(end) = file.object_as::<NativeEnd>() {
            return Ok(end
                .pipe
                .open(file.access(), file.flags().contains(StatusFlags::NONBLOCK))?);
        }
        if let Some(memory) = file.object_as::<super::Reopened>() {
            return memory.hand();
        }
        if let Some(real) = self.socket_for_guest(file)? {
            return Ok(real);
        }
        if let Some(slave) = file.object_as::<Slave>() {
            return self.slave(slave, file);
        }
        if file.object_as::<Master>().is_some() {
            return self.master(file);
        }
        let path = match device(file)? {
            3 => c"/dev/null",
            5 => c"/dev/zero",
            7 => c"/dev/full",
            8 | 9 => c"/dev/urandom",
            _ => return Err(Fail(libc::ENXIO)),
        };
        let flags = match (
            file.access().contains(AccessMode::READ),
            file.access().contains(AccessMode::WRITE),
        ) {
            (true, true) => libc::O_RDWR,
            (_, true) => libc::O_WRONLY,
            _ => libc::O_RDONLY,
        };
        let real = open_host(path, flags)?;
        self.know(real.as_fd(), file, None)?;
        Ok(real)
    }

    /// Remembers which FIFO a pipe of the host stands for.
    fn named_pipe(&mut self, real: OwnedFd, file: &OpenFile) -> Result<OwnedFd, Fail> {
        if let Some(location) = file.location() {
            if self.fifos.len() >= self.known_limit {
                self.sweep();
            }
            if let Some(kernel) = self.kernel() {
                kernel.fifos().keep(location);
            }
            let stat = sys::stat_fd(real.as_fd(), c"")?;
            self.fifos
                .insert((stat.st_dev, stat.st_ino), InodeHandle::new(location.clone()));
        }
        Ok(real)
    }

    /// Stands for a file of which only the place matters (`O_PATH`).
    fn placeholder(&mut self, file: &Arc<OpenFile>) -> Result<OwnedFd, Fail> {
        // Opened in the one way that permits neither reading nor writing.
        const NEITHER: i32 = libc::O_ACCMODE;
        let real = sys::reopen(sys::memfd(c"path", true)?.as_fd(), NEITHER)?;
        self.know(real.as_fd(), file, None)?;
        Ok(real)
    }

    fn directory(&mut self, file: &Arc<OpenFile>) -> Result<OwnedFd, Fail> {
        let real = self.loader.empty_directory()?;
        let directory = Directory {
            real: sys::duplicate(real.as_fd())?,
            positions: Positions::default(),
        };
        self.know(real.as_fd(), file, Some(directory))?;
        Ok(real)
    }

    fn know(&mut self, real: BorrowedFd<'_>, file: &Arc<OpenFile>, directory: Option<Directory>) -> Result<(), Fail> {
        if self.known.len() >= self.known_limit {
            self.sweep();
        }
        let stat = sys::stat_fd(real, c"")?;
        self.shown.add((stat.st_dev, stat.st_ino), file);
        self.known.insert(
            (stat.st_dev, stat.st_ino),
            Known {
                file: Arc::clone(file),
                directory,
            },
        );
        Ok(())
    }

    /// Forgets what no guest has open.
    pub(crate) fn sweep(&mut self) {
        let open = self.open_keys();
        self.known.retain(|key, _| open.contains(key));
        self.fifos.retain(|key, _| open.contains(key));
        if let Some(kernel) = self.kernel() {
            kernel.fifos().tidy();
        }
        self.known_limit = (self.known.len().max(self.fifos.len()) * 2).max(FIRST_SWEEP);
    }

    /// What guests have open, by device and inode.
    pub(super) fn open_keys(&self) -> HashSet<(u64, u64)> {
        let mut open: HashSet<(u64, u64)> = self.sockets.on_their_way().into_iter().collect();
        for guest in self.guests.values() {
            let Ok(entries) = std::fs::read_dir(format!("/proc/{}/fd", guest.pid)) else {
                continue;
            };
            for entry in entries.flatten() {
                let name = CString::new(format!("fd/{}", entry.file_name().to_string_lossy())).unwrap_or_default();
                if let Ok(stat) = sys::stat_fd(guest.proc_dir.as_fd(), &name) {
                    open.insert((stat.st_dev, stat.st_ino));
                }
            }
        }
        open
    }
}

/// Minor number of a memory device.
fn device(file: &OpenFile) -> Result<u64, Fail> {
    let attr = file.stat()?.attr;
    match (attr.kind, attr.rdev >> 8) {
        (FileType::CharDevice, 1) => Ok(attr.rdev & 0xff),
        _ => Err(Fail(libc::ENXIO)),
    }
}

fn open_host(path: &CStr, flags: i32) -> std::io::Result<OwnedFd> {
    let root = std::fs::File::open("/")?;
    sys::open_at(root.as_fd(), path, flags | libc::O_NOCTTY)
}

/// Sets what of a description's flags the host has to know.
pub(super) fn set_status(fd: BorrowedFd<'_>, status: StatusFlags) -> std::io::Result<()> {
    let mut flags = 0;
    if status.contains(StatusFlags::APPEND) {
        flags |= libc::O_APPEND;
    }
    if status.contains(StatusFlags::NONBLOCK) {
        flags |= libc::O_NONBLOCK;
    }
    if flags == 0 {
        // It was opened without any.
        return Ok(());
    }
    // SAFETY: takes numbers alone.
    sys::check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags) }.into()).map(drop)
}
