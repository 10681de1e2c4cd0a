//! `open(2)` and `close(2)`.

use super::Dir;
use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{AccessMode, FifoOpening, IoResult, OpenFile, StatusFlags};
use crate::id::Fd;
use crate::policy::Operation;
use crate::process::kernel::Kernel;
use crate::process::process::{Cx, Process};
use crate::process::request::OpenHow;
use crate::pseudo::Device;
use crate::tty::{Master, Pty, Slave};
use crate::vfs::locks::FileKey;
use crate::vfs::{Attr, FileType, InodeHandle, Location, Object, Opened};
use core::task::{Poll, Waker, ready};
use std::sync::Arc;

/// A file to open on somebody's behalf.
pub(in crate::process) struct Opening<'a> {
    pub(in crate::process) cx: &'a Cx,
    pub(in crate::process) base: Option<&'a Location>,
    pub(in crate::process) path: &'a [u8],
    pub(in crate::process) how: &'a OpenHow,
}

/// A FIFO whose other side has not come yet. The end counts from the first try on, so it is kept between tries.
pub(in crate::process) struct WaitingFifo {
    key: FileKey,
    access: AccessMode,
    opening: FifoOpening,
}

impl Process {
    /// Opens a file and gives it the lowest free descriptor. `Pending` while a FIFO waits for its other side.
    ///
    /// # Errors
    /// Those of `open(2)`.
    pub fn open(&self, dir: Dir, path: &[u8], how: &OpenHow, waker: Option<&Waker>) -> IoResult<Fd> {
        let opened = self.waiting(waker, |waker| {
            let cx = self.cx()?;
            let base = self.base(dir, path)?;
            let opening = Opening {
                cx: &cx,
                base: base.as_ref(),
                path,
                how,
            };
            self.open_for(&opening, waker)
        });
        if opened.is_ready() {
            // Also after EINTR: who gives up waiting takes the end away.
            drop(self.fifo.lock().take());
        }
        let file = ready!(opened)?;
        if !how.no_tty {
            self.adopt_terminal(&file);
        }
        Poll::Ready(self.add_fd(file, how.cloexec))
    }

    /// Opens the root directory as what programs find open: for listing where the policy lets them, and otherwise only as where
    /// paths start, which needs no right.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`.
    pub fn open_root(&self, cloexec: bool) -> Result<Fd> {
        let kernel = self.kernel();
        let access = match kernel.guard.allows(Operation::FsReaddir, b"/") {
            true => AccessMode::READ,
            false => AccessMode::empty(),
        };
        let handle = InodeHandle::new(kernel.root().clone());
        let file = OpenFile::from_inode(handle, access, StatusFlags::empty(), kernel.fd_limits())?;
        self.add_fd(file, cloexec)
    }

    /// Gives a description the lowest free descriptor.
    pub(in crate::process) fn add_fd(&self, file: Arc<OpenFile>, cloexec: bool) -> Result<Fd> {
        // The table drops what it cannot take while it is locked, so a clone outlives that.
        let kept = Arc::clone(&file);
        let added = self.fds.lock().insert(file, cloexec);
        drop(kept);
        added
    }

    fn open_for(&self, opening: &Opening<'_>, waker: Option<&Waker>) -> IoResult<Arc<OpenFile>> {
        match self.kernel().resolve_open(opening)? {
            Found::File(file) => Poll::Ready(Ok(file)),
            Found::Fifo(location, attr) => self.open_fifo(&location, &attr, opening.how, waker),
        }
    }

    fn open_fifo(
        &self,
        location: &Location,
        attr: &Attr,
        how: &OpenHow,
        waker: Option<&Waker>,
    ) -> IoResult<Arc<OpenFile>> {
        let (key, access) = (FileKey::from(location), access_mode(how));
        let mut waiting = self.fifo.lock();
        let known = waiting.take().filter(|fifo| fifo.key == key && fifo.access == access);
        let fifo = match known {
            Some(fifo) => fifo,
            None => WaitingFifo {
                key,
                access,
                opening: self.kernel().begin_fifo(location, attr, how)?,
            },
        };
        match fifo.opening.poll(waker) {
            Poll::Pending => {
                *waiting = Some(fifo);
                Poll::Pending
            }
            ready => ready,
        }
    }

    /// A session leader without a terminal gets the one that it opens.
    fn adopt_terminal(&self, file: &OpenFile) {
        let Some(slave) = file.object_as::<Slave>() else { return };
        let leader = self.sid() == self.pid();
        if leader && self.kernel().ptys().controlling(self.sid()).is_none() {
            // It may have become another session's in the meantime; opening succeeds all the same.
            let _ = slave.pty().set_controlling(self, false);
        }
    }

    /// Closes a descriptor.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn close(&self, fd: Fd) -> Result<()> {
        let file = self.fds.lock().close(fd)?;
        self.drop_file(file);
        Ok(())
    }
}

/// What a path led to.
enum Found {
    File(Arc<OpenFile>),
    Fifo(Location, Attr),
}

impl Kernel {
    /// Opens a file for a process that does not exist yet.
    pub(in crate::process) fn open_file(
        &self,
        opening: &Opening<'_>,
        waker: Option<&Waker>,
    ) -> IoResult<Arc<OpenFile>> {
        match self.resolve_open(opening)? {
            Found::File(file) => Poll::Ready(Ok(file)),
            Found::Fifo(location, attr) => {
                let fifo = self.begin_fifo(&location, &attr, opening.how)?;
                match fifo.poll(waker) {
                    // A spawn that is tried again opens anew, so it cannot wait for a FIFO without losing its end.
                    Poll::Pending => Poll::Ready(Err(Errno::EAGAIN.into())),
                    ready => ready,
                }
            }
        }
    }

    /// `/dev/null`, open for reading: what the host gives a process for a descriptor that it has nothing else for.
    ///
    /// # Errors
    /// `ENOENT` in a VM without `/dev`, `ENFILE`.
    pub fn open_null(&self) -> Result<Arc<OpenFile>> {
        let cx = self.init().cx()?;
        let mut how = OpenHow::default();
        how.options.read = true;
        match self.vfs().open(&cx.fs().trusted(), None, b"/dev/null", how.options)? {
            Opened::Special(location, attr) => self.device_file(&cx, location, &attr, &how),
            _ => Err(Errno::ENXIO.into()),
        }
    }

    fn begin_fifo(&self, location: &Location, attr: &Attr, how: &OpenHow) -> Result<FifoOpening> {
        self.with_pipes(|| {
            self.fifos()
                .open(location.clone(), attr, access_mode(how), how.status, self.fd_limits())
        })
    }

    fn resolve_open(&self, opening: &Opening<'_>) -> Result<Found> {
        let how = opening.how;
        match self
            .vfs()
            .open(&opening.cx.fs(), opening.base, opening.path, how.options)?
        {
            Opened::Inode(handle) => self.inode_file(handle, how).map(Found::File),
            Opened::Special(location, attr) if attr.kind == FileType::Fifo => Ok(Found::Fifo(location, attr)),
            Opened::Special(location, attr) => self.device_file(opening.cx, location, &attr, how).map(Found::File),
            Opened::Object(object) => self.object_file(opening.cx, &object, how).map(Found::File),
        }
    }

    fn inode_file(&self, handle: InodeHandle, how: &OpenHow) -> Result<Arc<OpenFile>> {
        OpenFile::from_inode(handle, access_mode(how), how.status, self.fd_limits())
    }

    fn device_file(&self, cx: &Cx, location: Location, attr: &Attr, how: &OpenHow) -> Result<Arc<OpenFile>> {
        let device = Device::from_number(attr.kind, attr.rdev).ok_or(Errno::ENXIO)?;
        let (access, status, limits) = (access_mode(how), how.status, self.fd_limits());
        let object: Arc<dyn crate::fd::File> = match device {
            Device::Memory(memory) => memory.open(self),
            Device::Terminal => self.session_terminal(cx)?.open_slave()?,
            Device::Console => self.session_terminal(cx).map_err(|_| Errno::EIO)?.open_slave()?,
            Device::Multiplexer => self.ptys().open_master((cx.cred.euid, cx.cred.egid))?,
            Device::Pty(number) => self.ptys().get(number).map_err(|_| Errno::EIO)?.open_slave()?,
        };
        OpenFile::from_object(object, Some(location), access, status, limits)
    }

    /// The controlling terminal of the caller.
    fn session_terminal(&self, cx: &Cx) -> Result<Arc<Pty>> {
        let caller = self.process(cx.caller).ok_or(Errno::ENXIO)?;
        self.ptys_if_any()
            .and_then(|ptys| ptys.controlling(caller.sid()))
            .ok_or_else(|| Errno::ENXIO.into())
    }

    /// Opens what a magic link leads to once more (`/proc/<pid>/fd/<n>`).
    fn object_file(&self, cx: &Cx, object: &Object, how: &OpenHow) -> Result<Arc<OpenFile>> {
        let Ok(file) = Arc::clone(&object.handle).downcast::<OpenFile>() else {
            return Err(Errno::ENXIO.into());
        };
        if how.options.directory {
            return Err(Errno::ENOTDIR.into());
        }
        let (access, status, limits) = (access_mode(how), how.status, self.fd_limits());
        if let Some(end) = file.pipe_end() {
            check_object(cx, object, how)?;
            let end = match file.location() {
                Some(_) => crate::fd::PipeEnd::new(end.pipe(), access),
                None => end.again(access),
            };
            let end = Arc::new(end);
            return OpenFile::from_object(end, file.location().cloned(), access, status, limits);
        }
        if let Some(slave) = file.object_as::<Slave>() {
            let slave = slave.pty().open_slave()?;
            return OpenFile::from_object(slave, file.location().cloned(), access, status, limits);
        }
        if file.object_as::<Master>().is_some() {
            return Err(Errno::EIO.into());
        }
        if let Some(again) = file.object().and_then(|object| object.again(access)) {
            check_object(cx, object, how)?;
            return OpenFile::from_object(again, file.location().cloned(), access, status, limits);
        }
        Err(Errno::ENXIO.into())
    }
}

fn check_object(cx: &Cx, object: &Object, how: &OpenHow) -> Result<()> {
    use crate::vfs::{Access, access};
    let mut want = Access::empty();
    want.set(Access::READ, how.options.read);
    want.set(Access::WRITE, how.options.write);
    access::check(&cx.cred, &object.stat.attr, want)
}

/// Ways in which the description may be used.
pub(in crate::process) fn access_mode(how: &OpenHow) -> AccessMode {
    let mut access = AccessMode::empty();
    if !how.options.path_only {
        access.set(AccessMode::READ, how.options.read);
        access.set(AccessMode::WRITE, how.options.write);
    }
    access
}
