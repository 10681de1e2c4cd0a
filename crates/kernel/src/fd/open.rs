//! Open descriptions (`open(2)`: "an entry in the system-wide table of open files").
//!
//! Two kinds stand behind a description. An inode is read and written at offsets; the description owns the offset, and holds
//! its lock while it reads or writes, so that two processes that share it never see the same bytes twice. An object is a
//! stream that has its own order and needs no offset.

use super::file::{File, IoResult, PollEvents};
use super::flags::{AccessMode, SeekFrom, StatusFlags};
use super::limits::FdLimits;
use super::pipe::{Pipe, PipeEnd};
use crate::clock::Timestamp;
use crate::cred::Credentials;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{DeviceId, Gid, Uid};
use crate::vfs::filesystem::{DirEntry, SeekTarget};
use crate::vfs::{FileType, InodeHandle, Location, SIZE_MAX, Settle, Stat};
use core::any::Any;
use core::fmt;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use std::sync::{Arc, OnceLock};

/// An open description. It is closed when its last `Arc` goes.
pub struct OpenFile {
    id: u64,
    access: AccessMode,
    status: AtomicU32,
    target: Target,
    limits: Arc<FdLimits>,
    /// Whether native programs use it instead, on a description of the host.
    native: AtomicBool,
    /// Dropped after everything else.
    keepsake: OnceLock<Box<dyn Any + Send + Sync>>,
}

enum Target {
    Inode {
        handle: InodeHandle,
        /// Offset of a file, position of a directory.
        offset: Mutex<u64>,
    },
    Object {
        object: Arc<dyn File>,
        /// The FIFO or device inode through which it was opened.
        location: Option<Location>,
    },
}

/// Device of objects that no filesystem holds: pipes, sockets, terminals that were opened without a path.
const ANONYMOUS: DeviceId = DeviceId(u32::MAX as u64);

impl OpenFile {
    /// A description of a file or directory, at offset 0.
    ///
    /// # Errors
    /// `ENFILE` at the limit.
    pub fn from_inode(
        handle: InodeHandle,
        access: AccessMode,
        status: StatusFlags,
        limits: &Arc<FdLimits>,
    ) -> Result<Arc<Self>> {
        let offset = Mutex::new(0);
        Self::new(Target::Inode { handle, offset }, access, status, limits)
    }

    /// A description of an object; `location` is the inode through which it was reached, if one was. The object's
    /// [`close`](File::close) is called when the description is, or at once if there are too many descriptions.
    ///
    /// # Errors
    /// `ENFILE` at the limit.
    pub fn from_object(
        object: Arc<dyn File>,
        location: Option<Location>,
        access: AccessMode,
        status: StatusFlags,
        limits: &Arc<FdLimits>,
    ) -> Result<Arc<Self>> {
        let target = Target::Object { object, location };
        Self::new(target, access, status, limits)
    }

    /// A new pipe: its read end and its write end (`pipe2(2)`). `owner` and `now` are what `fstat(2)` will say of it.
    ///
    /// # Errors
    /// `EAGAIN` at the limit of pipes, `ENFILE` at that of descriptions.
    pub fn pipe(
        limits: &Arc<FdLimits>,
        owner: (Uid, Gid),
        now: Timestamp,
        status: StatusFlags,
    ) -> Result<(Arc<Self>, Arc<Self>)> {
        Self::ends_of(&Pipe::new(limits, owner, now)?, limits, status)
    }

    /// A read end and a write end of `pipe`.
    ///
    /// # Errors
    /// `ENFILE` at the limit.
    pub(crate) fn ends_of(
        pipe: &Arc<Pipe>,
        limits: &Arc<FdLimits>,
        status: StatusFlags,
    ) -> Result<(Arc<Self>, Arc<Self>)> {
        let end = |access| {
            let object: Arc<dyn File> = Arc::new(PipeEnd::new(pipe, access));
            Self::from_object(object, None, access, status, limits)
        };
        Ok((end(AccessMode::READ)?, end(AccessMode::WRITE)?))
    }

    fn new(target: Target, access: AccessMode, status: StatusFlags, limits: &Arc<FdLimits>) -> Result<Arc<Self>> {
        if let Err(full) = limits.descriptions().take(1, "open") {
            if let Target::Object { object, .. } = &target {
                object.close();
            }
            return Err(full);
        }
        Ok(Arc::new(Self {
            id: limits.next_id(),
            access,
            status: AtomicU32::new(status.bits()),
            target,
            limits: Arc::clone(limits),
            native: AtomicBool::new(false),
            keepsake: OnceLock::new(),
        }))
    }

    /// Reads at the offset, or the next bytes of a stream; 0 is the end.
    ///
    /// `Pending` means that nothing happened and `waker` is woken when it is worth trying again; a non-blocking description
    /// answers `EAGAIN` instead.
    ///
    /// # Errors
    /// `EBADF` if not open for reading, `EISDIR`, and those of the object.
    pub fn read(&self, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        if !self.access.contains(AccessMode::READ) {
            return Poll::Ready(Err(Errno::EBADF.into()));
        }
        let buf = capped_mut(buf, self.limits.max_read());
        match &self.target {
            Target::Object { object, .. } => self.wait_rule(waker, |waker| object.read(buf, waker)),
            Target::Inode { handle, offset } => {
                let mut offset = offset.lock();
                let read = handle.read_at(*offset, buf);
                if let Ok(count) = read {
                    *offset = offset.saturating_add(count as u64);
                }
                Poll::Ready(read)
            }
        }
    }

    /// Writes with the superuser's rights, as the host does. See [`write_as`](Self::write_as).
    ///
    /// # Errors
    /// As [`write_as`](Self::write_as).
    pub fn write(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        match &self.target {
            Target::Object { .. } => self.write_object(data, waker),
            Target::Inode { .. } => self.write_as(&Credentials::root(), data, waker),
        }
    }

    /// Writes at the offset, at the end with [`StatusFlags::APPEND`], or into a stream. A blocking stream may take a part
    /// only; whoever promises a whole write calls again with the rest. What a description must have on disk is there only
    /// once [`poll_settled`](Self::poll_settled) says so.
    ///
    /// # Errors
    /// `EBADF` if not open for writing, `EPIPE` (the cue for `SIGPIPE`), `ENOSPC`, `EFBIG` and those of the object.
    pub fn write_as(&self, cred: &Credentials, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        let Target::Inode { handle, offset } = &self.target else {
            return self.write_object(data, waker);
        };
        Poll::Ready(self.write_inode(handle, offset, cred, data))
    }

    fn write_object(&self, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        if !self.access.contains(AccessMode::WRITE) {
            return Poll::Ready(Err(Errno::EBADF.into()));
        }
        let data = capped(data, self.limits.max_write());
        match &self.target {
            Target::Object { object, .. } => self.wait_rule(waker, |waker| object.write(data, waker)),
            Target::Inode { .. } => Poll::Ready(Err(Errno::EBADF.into())),
        }
    }

    fn write_inode(&self, handle: &InodeHandle, offset: &Mutex<u64>, cred: &Credentials, data: &[u8]) -> Result<usize> {
        self.need(AccessMode::WRITE)?;
        let data = capped(data, self.limits.max_write());
        let mut offset = offset.lock();
        let count = if self.flags().contains(StatusFlags::APPEND) {
            let (count, end) = handle.append(cred, data)?;
            *offset = end;
            count
        } else {
            let count = handle.write_at(cred, *offset, data)?;
            *offset = offset.saturating_add(count as u64);
            count
        };
        Ok(count)
    }

    /// Reads at `at` without moving the offset (`pread(2)`).
    ///
    /// # Errors
    /// `ESPIPE` on a stream, `EBADF`, `EISDIR`, `EINVAL` for an offset beyond the largest.
    pub fn pread(&self, at: u64, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        let buf = capped_mut(buf, self.limits.max_read());
        match &self.target {
            Target::Object { object, .. } if object.ignores_offsets() => self.read(buf, waker),
            target => Poll::Ready(target.inode().and_then(|(handle, _)| {
                self.need(AccessMode::READ)?;
                handle.read_at(at, buf)
            })),
        }
    }

    /// Writes at `at` without moving the offset (`pwrite(2)`); a description with [`StatusFlags::APPEND`] writes at the end
    /// all the same, as in Linux.
    ///
    /// # Errors
    /// `ESPIPE` on a stream, and those of [`write_as`](Self::write_as).
    pub fn pwrite(&self, cred: &Credentials, at: u64, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        match &self.target {
            Target::Object { object, .. } if object.ignores_offsets() => self.write_object(data, waker),
            target => Poll::Ready(
                target
                    .inode()
                    .and_then(|(handle, _)| self.pwrite_inode(handle, cred, at, data)),
            ),
        }
    }

    fn pwrite_inode(&self, handle: &InodeHandle, cred: &Credentials, at: u64, data: &[u8]) -> Result<usize> {
        self.need(AccessMode::WRITE)?;
        if at > SIZE_MAX {
            return Err(Errno::EINVAL.into());
        }
        let data = capped(data, self.limits.max_write());
        match self.flags().contains(StatusFlags::APPEND) {
            true => Ok(handle.append(cred, data)?.0),
            false => handle.write_at(cred, at, data),
        }
    }

    /// Moves the offset and returns it (`lseek(2)`). On a directory only positions that
    /// [`readdir`](Self::readdir) gave are meaningful.
    ///
    /// # Errors
    /// `ESPIPE` on a stream, `EINVAL` before the start or beyond the largest offset, `ENXIO` for data past the end, `EBADF` on
    /// a handle that is only a path.
    pub fn seek(&self, to: SeekFrom) -> Result<u64> {
        if let Target::Object { object, .. } = &self.target
            && object.ignores_offsets()
        {
            return Ok(0);
        }
        let (handle, offset) = self.target.inode()?;
        if self.access.is_empty() {
            return Err(Errno::EBADF.into());
        }
        let mut offset = offset.lock();
        let found = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => offset.checked_add_signed(by),
            SeekFrom::End(by) => handle.getattr()?.size.checked_add_signed(by),
            SeekFrom::Data(from) => Some(handle.seek_data_hole(from, SeekTarget::Data)?),
            SeekFrom::Hole(from) => Some(handle.seek_data_hole(from, SeekTarget::Hole)?),
        };
        let found = found.filter(|at| *at <= SIZE_MAX).ok_or(Errno::EINVAL)?;
        *offset = found;
        Ok(found)
    }

    /// Conditions that hold now out of `interest` plus `ERR` and `HUP`. If none does, `waker` is registered for a change.
    /// Files and directories are always ready.
    pub fn poll(&self, interest: PollEvents, waker: Option<&Waker>) -> PollEvents {
        match &self.target {
            Target::Object { object, .. } => object.poll(interest, waker),
            Target::Inode { .. } if self.access.is_empty() => PollEvents::NVAL,
            Target::Inode { .. } => interest & (PollEvents::IN | PollEvents::OUT),
        }
    }

    /// What `fstat(2)` reports. An object that was opened through an inode has that inode's attributes.
    ///
    /// # Errors
    /// `EIO` and others of the filesystem.
    pub fn stat(&self) -> Result<Stat> {
        match &self.target {
            Target::Inode { handle, .. } => handle.stat(),
            Target::Object {
                location: Some(location),
                ..
            } => location.stat(),
            Target::Object { object, .. } => Ok(Stat {
                dev: ANONYMOUS,
                attr: object.stat()?,
            }),
        }
    }

    /// Bytes that can be read at once (`FIONREAD`): of a file, those up to its end.
    ///
    /// # Errors
    /// `ENOTTY` for an object that cannot tell, and for a directory.
    pub fn available(&self) -> Result<u64> {
        match &self.target {
            Target::Object { object, .. } => object.available(),
            Target::Inode { handle, offset } if handle.kind() == FileType::Regular => {
                let at = *offset.lock();
                Ok(handle.getattr()?.size.saturating_sub(at))
            }
            Target::Inode { .. } => Err(Errno::ENOTTY.into()),
        }
    }

    /// Status flags.
    pub fn flags(&self) -> StatusFlags {
        StatusFlags::from_bits_retain(self.status.load(Ordering::Relaxed))
    }

    /// Replaces the status flags (`F_SETFL`). [`StatusFlags::SYNC`] cannot be changed there, as in Linux: it stays.
    pub fn set_flags(&self, flags: StatusFlags) {
        let changeable = StatusFlags::APPEND | StatusFlags::NONBLOCK;
        let kept = self.flags() - changeable;
        let new = kept | (flags & changeable);
        self.status.store(new.bits(), Ordering::Relaxed);
    }

    /// Ways in which it may be used.
    pub fn access(&self) -> AccessMode {
        self.access
    }

    /// Lists the directory from `position` (0 = start) until `emit` breaks; leaves the description's own position alone.
    ///
    /// # Errors
    /// `ENOTDIR`, `EBADF` if not open for reading.
    pub fn readdir(&self, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let Target::Inode { handle, .. } = &self.target else {
            return Err(Errno::ENOTDIR.into());
        };
        self.need(AccessMode::READ)?;
        handle.readdir(position, emit)
    }

    /// Lists the directory from the description's position and moves it (`getdents(2)`). An entry on which `emit` breaks
    /// does not count as listed and comes again.
    ///
    /// # Errors
    /// As [`readdir`](Self::readdir).
    pub fn readdir_next(&self, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        let Target::Inode { handle, offset } = &self.target else {
            return Err(Errno::ENOTDIR.into());
        };
        self.need(AccessMode::READ)?;
        let mut offset = offset.lock();
        let mut position = *offset;
        let listed = handle.readdir(position, &mut |entry| {
            let next = entry.next;
            emit(entry)?;
            position = next;
            ControlFlow::Continue(())
        });
        *offset = position;
        listed
    }

    /// Cuts or extends (`ftruncate(2)`).
    ///
    /// # Errors
    /// `EINVAL` if not a regular file open for writing, `EFBIG`, `EROFS`, `ENOSPC`.
    pub fn truncate(&self, cred: &Credentials, size: u64) -> Result<()> {
        match &self.target {
            _ if self.access.is_empty() => Err(Errno::EBADF.into()),
            Target::Inode { handle, .. } if self.access.contains(AccessMode::WRITE) => handle.truncate(cred, size),
            _ => Err(Errno::EINVAL.into()),
        }
    }

    /// Reserves or punches a hole (`fallocate(2)`).
    ///
    /// # Errors
    /// `EBADF` if not open for writing, `ESPIPE` on a pipe, `ENODEV` on another object, `EINVAL`, `EFBIG`, `ENOSPC`, `EOPNOTSUPP`.
    pub fn allocate(&self, cred: &Credentials, offset: u64, len: u64, keep_size: bool, punch: bool) -> Result<()> {
        self.need(AccessMode::WRITE)?;
        match &self.target {
            Target::Inode { handle, .. } => handle.allocate(cred, offset, len, keep_size, punch),
            Target::Object { .. } if self.pipe_end().is_some() => Err(Errno::ESPIPE.into()),
            Target::Object { .. } => Err(Errno::ENODEV.into()),
        }
    }

    /// Makes content (and, unless `data_only`, attributes) durable (`fsync(2)`).
    ///
    /// # Errors
    /// `EINVAL` on a stream, `EBADF` on a handle that is only a path, `EIO`.
    pub fn sync(&self, data_only: bool) -> Result<()> {
        match &self.target {
            _ if self.access.is_empty() => Err(Errno::EBADF.into()),
            Target::Inode { handle, .. } => handle.fsync(data_only),
            Target::Object { .. } => Err(Errno::EINVAL.into()),
        }
    }

    /// As [`sync`](Self::sync), without keeping the thread. Called again with the same `settle` until it is ready.
    ///
    /// # Errors
    /// Those of [`sync`](Self::sync).
    pub fn poll_sync(&self, data_only: bool, settle: &mut Settle, waker: &Waker) -> IoResult<()> {
        match &self.target {
            _ if self.access.is_empty() => Poll::Ready(Err(Errno::EBADF.into())),
            Target::Inode { handle, .. } => settle.poll(|| handle.begin_fsync(data_only), waker),
            Target::Object { .. } => Poll::Ready(Err(Errno::EINVAL.into())),
        }
    }

    /// Waits until what was written is durable, if the description asks for that ([`StatusFlags::DSYNC`]). Whoever writes for
    /// a guest does this before it tells the guest. Called again with the same `settle` until it is ready.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn poll_settled(&self, settle: &mut Settle, waker: &Waker) -> IoResult<()> {
        let status = self.flags();
        match &self.target {
            Target::Inode { .. } if status.contains(StatusFlags::DSYNC) => {
                self.poll_sync(!status.contains(StatusFlags::SYNC), settle, waker)
            }
            Target::Inode { .. } | Target::Object { .. } => Poll::Ready(Ok(())),
        }
    }

    /// Waits until there is room for a write, where that takes a disk. Whoever writes for a guest does this first, without keeping
    /// the thread. Called again with the same `settle` until it is ready.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn poll_room(&self, settle: &mut Settle, waker: &Waker) -> IoResult<()> {
        match &self.target {
            Target::Inode { handle, .. } if self.access.contains(AccessMode::WRITE) => {
                settle.poll(|| handle.begin_room(), waker)
            }
            Target::Inode { .. } | Target::Object { .. } => Poll::Ready(Ok(())),
        }
    }

    /// What `/proc/<pid>/fd/<n>` shows for an object without a path, such as `pipe:[7]`. `None` if the path of
    /// [`location`](Self::location) is the answer.
    pub fn describe(&self) -> Option<String> {
        match &self.target {
            Target::Object { object, location: None } => Some(object.describe()),
            Target::Object { .. } | Target::Inode { .. } => None,
        }
    }

    /// The open file or directory, unless this is an object.
    pub fn handle(&self) -> Option<&InodeHandle> {
        match &self.target {
            Target::Inode { handle, .. } => Some(handle),
            Target::Object { .. } => None,
        }
    }

    /// The object, unless this is a file or directory.
    pub fn object(&self) -> Option<&Arc<dyn File>> {
        match &self.target {
            Target::Object { object, .. } => Some(object),
            Target::Inode { .. } => None,
        }
    }

    /// The object, if it is a `T`: a terminal, a socket.
    pub fn object_as<T: File>(&self) -> Option<&T> {
        self.object()?.as_any().downcast_ref()
    }

    /// The pipe end, if it is one.
    pub fn pipe_end(&self) -> Option<&PipeEnd> {
        self.object_as()
    }

    /// The inode it was opened through, if there was one.
    pub fn location(&self) -> Option<&Location> {
        match &self.target {
            Target::Inode { handle, .. } => Some(handle.location()),
            Target::Object { location, .. } => location.as_ref(),
        }
    }

    /// Native programs use a description of the host instead of this one, which only says what that means.
    pub fn made_native(&self) {
        self.native.store(true, Ordering::Relaxed);
    }

    /// A number that no other description of the VM has had: the owner of `flock(2)` locks.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Keeps a value that is dropped when the description is closed, once; a layer above ties what it knows of the description
    /// (its lock) to the description's life.
    pub(crate) fn keep(&self, make: impl FnOnce() -> Box<dyn Any + Send + Sync>) {
        self.keepsake.get_or_init(make);
    }

    fn need(&self, access: AccessMode) -> Result<()> {
        match self.access.contains(access) {
            true => Ok(()),
            false => Err(Errno::EBADF.into()),
        }
    }

    /// Runs a call that may wait, under the non-blocking flag.
    fn wait_rule<T>(&self, waker: Option<&Waker>, call: impl FnOnce(Option<&Waker>) -> IoResult<T>) -> IoResult<T> {
        if !self.flags().contains(StatusFlags::NONBLOCK) {
            return call(waker);
        }
        match call(None) {
            Poll::Pending => Poll::Ready(Err(Errno::EAGAIN.into())),
            ready @ Poll::Ready(_) => ready,
        }
    }
}

impl Target {
    /// The file and its offset; `ESPIPE` for a stream.
    fn inode(&self) -> Result<(&InodeHandle, &Mutex<u64>)> {
        match self {
            Self::Inode { handle, offset } => Ok((handle, offset)),
            Self::Object { .. } => Err(Errno::ESPIPE.into()),
        }
    }
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        match &self.target {
            Target::Object { object, .. } => object.close(),
            Target::Inode { handle, .. } => {
                let wrote = self.access.contains(AccessMode::WRITE) && !self.native.load(Ordering::Relaxed);
                if wrote && handle.kind() == FileType::Regular {
                    let location = handle.location();
                    location.filesystem().closed(location.ino());
                }
            }
        }
        self.limits.descriptions().give(1);
    }
}

impl fmt::Debug for OpenFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("OpenFile");
        shown.field("id", &self.id).field("access", &self.access);
        match &self.target {
            Target::Inode { handle, .. } => shown.field("location", handle.location()),
            Target::Object { object, .. } => shown.field("object", &object.describe()),
        };
        shown.finish()
    }
}

fn capped(data: &[u8], cap: usize) -> &[u8] {
    data.get(..cap).unwrap_or(data)
}

fn capped_mut(buf: &mut [u8], cap: usize) -> &mut [u8] {
    let len = buf.len().min(cap);
    buf.split_at_mut(len).0
}
