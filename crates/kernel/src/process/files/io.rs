//! Reading and writing.

use super::super::process::Process;
use crate::errno::Errno;
use crate::error::{Error, LimitExceeded, Result};
use crate::fd::{AccessMode, IoResult, OpenFile, PIPE_BUF, PollEvents, SeekFrom, StatusFlags};
use crate::id::Fd;
use crate::process::signal::{SigInfo, Signal};
use crate::tty::{Access, Admission, Slave};
use crate::vfs::{DirEntry, FileType};
use core::ops::ControlFlow;
use core::sync::atomic::Ordering;
use core::task::{Poll, Waker, ready};
use std::sync::Arc;

/// Bytes moved at once between two descriptors.
const CHUNK: usize = 64 << 10;

impl Process {
    /// Reads at the offset, or the next bytes of a stream; 0 is the end.
    ///
    /// # Errors
    /// `EBADF`, `EISDIR`, `EAGAIN` on a non-blocking description, `EINTR`, `ETIMEDOUT` after `maxBlockingReadMs`.
    pub fn read(&self, fd: Fd, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        let file = self.file(fd)?;
        let result = self.waiting(waker, |waker| {
            ready!(self.admit(&file, Access::Read, waker))?;
            let result = file.read(buf, waker);
            if result.is_pending()
                && let Some(expired) = self.read_expired(waker)
            {
                return Poll::Ready(Err(expired));
            }
            result
        });
        if let Poll::Ready(result) = &result {
            self.waiting_since.store(0, Ordering::Release);
            self.count_read(*result.as_ref().unwrap_or(&0));
        }
        result
    }

    /// Writes at the offset, or into a stream. A part may be written; the caller goes on with the rest.
    ///
    /// # Errors
    /// `EBADF`, `EAGAIN`, `EINTR`, `ENOSPC`, `EFBIG` (with `SIGXFSZ`), `EPIPE` (with `SIGPIPE`).
    pub fn write(&self, fd: Fd, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        let file = self.file(fd)?;
        self.write_file(&file, data, waker)
    }

    pub(super) fn write_file(&self, file: &Arc<OpenFile>, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        let data = self.allowed(file, None, data)?;
        let cred = self.cred();
        let result = self.waiting(waker, |waker| {
            ready!(self.admit(file, Access::Write, waker))?;
            match file.write_as(&cred, data, waker) {
                Poll::Pending => self.write_to_itself(file, data),
                ready => ready,
            }
        });
        self.written(result)
    }

    /// Reads at `offset` without moving the description's own.
    ///
    /// # Errors
    /// `ESPIPE` on a stream, and as [`read`](Self::read).
    pub fn pread(&self, fd: Fd, offset: u64, buf: &mut [u8], waker: Option<&Waker>) -> IoResult<usize> {
        let file = self.file(fd)?;
        let result = self.waiting(waker, |waker| file.pread(offset, buf, waker));
        if let Poll::Ready(Ok(count)) = &result {
            self.count_read(*count);
        }
        result
    }

    /// Writes at `offset` without moving the description's own.
    ///
    /// # Errors
    /// `ESPIPE` on a stream, and as [`write`](Self::write).
    pub fn pwrite(&self, fd: Fd, offset: u64, data: &[u8], waker: Option<&Waker>) -> IoResult<usize> {
        let file = self.file(fd)?;
        let data = self.allowed(&file, Some(offset), data)?;
        let cred = self.cred();
        let result = self.waiting(waker, |waker| file.pwrite(&cred, offset, data, waker));
        self.written(result)
    }

    /// Moves the offset and returns it.
    ///
    /// # Errors
    /// `EBADF`, `ESPIPE`, `EINVAL`, `ENXIO`.
    pub fn seek(&self, fd: Fd, to: SeekFrom) -> Result<u64> {
        self.file(fd)?.seek(to)
    }

    /// Lists a directory from `position` (0 = start, then [`DirEntry::next`] of the last entry) until `emit` breaks.
    ///
    /// # Errors
    /// `EBADF`, `ENOTDIR`.
    pub fn readdir(&self, fd: Fd, position: u64, emit: &mut dyn FnMut(DirEntry<'_>) -> ControlFlow<()>) -> Result<()> {
        self.file(fd)?.readdir(position, emit)
    }

    /// Moves up to `len` bytes from one descriptor to another without the guest's memory. Offsets, where given, are used
    /// and moved instead of the description's own. Returns how much was moved; 0 is the end of the input.
    ///
    /// # Errors
    /// Those of [`read`](Self::read) and [`write`](Self::write); `EINVAL` if the input is neither a file nor a pipe.
    pub fn copy_range(
        &self,
        input: (Fd, Option<&mut u64>),
        output: (Fd, Option<&mut u64>),
        len: u64,
        waker: Option<&Waker>,
    ) -> IoResult<u64> {
        let (from, to) = (self.file(input.0)?, self.file(output.0)?);
        check_range(&from, AccessMode::READ, input.1.is_some())?;
        check_range(&to, AccessMode::WRITE, output.1.is_some())?;
        let want = usize::try_from(len).unwrap_or(usize::MAX).min(CHUNK);
        if want == 0 {
            return Poll::Ready(Ok(0));
        }
        match input.1 {
            Some(offset) => {
                let moved = ready!(self.copy_at(&from, *offset, (&to, output.1), want, waker))?;
                *offset = offset.saturating_add(moved);
                Poll::Ready(Ok(moved))
            }
            None if from.handle().is_some() => {
                let at = from.seek(SeekFrom::Current(0))?;
                let moved = ready!(self.copy_at(&from, at, (&to, output.1), want, waker))?;
                // Only what was written counts as read.
                from.seek(SeekFrom::Start(at.saturating_add(moved)))?;
                Poll::Ready(Ok(moved))
            }
            None => self.copy_pipe(&from, (&to, output.1), want, waker),
        }
    }

    fn copy_at(
        &self,
        from: &OpenFile,
        at: u64,
        to: (&Arc<OpenFile>, Option<&mut u64>),
        want: usize,
        waker: Option<&Waker>,
    ) -> IoResult<u64> {
        let mut buf = vec![0; want];
        let got = ready!(from.pread(at, &mut buf, waker))?;
        self.copy_out(buf.get(..got).unwrap_or_default(), to, waker)
    }

    /// From a pipe. Nothing is read before the output has room, and what it does not take after all is put back.
    fn copy_pipe(
        &self,
        from: &Arc<OpenFile>,
        to: (&Arc<OpenFile>, Option<&mut u64>),
        want: usize,
        waker: Option<&Waker>,
    ) -> IoResult<u64> {
        let Some(end) = from.pipe_end() else {
            return Poll::Ready(Err(Errno::EINVAL.into()));
        };
        if to.0.handle().is_none() && to.0.poll(PollEvents::OUT, waker).is_empty() {
            return match to.0.flags().contains(StatusFlags::NONBLOCK) {
                true => Poll::Ready(Err(Errno::EAGAIN.into())),
                false => self.waiting(waker, |_| Poll::Pending),
            };
        }
        // An output that is a pipe has room for at least this much.
        let mut buf = [0; PIPE_BUF];
        let room = buf.get_mut(..want).map_or(PIPE_BUF, |part| part.len());
        let got = ready!(self.waiting(waker, |waker| from.read(&mut buf[..room], waker)))?;
        let data = &buf[..got];
        let result = self.copy_out(data, to, waker);
        let taken = match &result {
            Poll::Ready(Ok(count)) => usize::try_from(*count).unwrap_or(got),
            _ => 0,
        };
        end.unread(&data[taken.min(got)..]);
        result
    }

    fn copy_out(&self, data: &[u8], to: (&Arc<OpenFile>, Option<&mut u64>), waker: Option<&Waker>) -> IoResult<u64> {
        if data.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let count = match to.1 {
            Some(offset) => {
                let data = self.allowed(to.0, Some(*offset), data)?;
                let count = ready!(to.0.pwrite(&self.cred(), *offset, data, waker))?;
                *offset = offset.saturating_add(count as u64);
                count
            }
            None => ready!(self.write_file(to.0, data, waker))?,
        };
        self.count_read(count);
        Poll::Ready(Ok(count as u64))
    }

    /// What job control says to the use of a terminal.
    pub(super) fn admit(&self, file: &OpenFile, access: Access, waker: Option<&Waker>) -> IoResult<()> {
        let Some(slave) = file.object_as::<Slave>() else {
            return Poll::Ready(Ok(()));
        };
        match slave.pty().admit(access, self)? {
            Admission::Proceed => Poll::Ready(Ok(())),
            // The process is stopped now, or has caught the signal, which makes the call end with EINTR.
            Admission::Signalled => {
                self.noticed.register(waker);
                Poll::Pending
            }
        }
    }

    /// A write into a pipe that only the writer itself could empty would never end; the pipe grows instead.
    fn write_to_itself(&self, file: &OpenFile, data: &[u8]) -> IoResult<usize> {
        let Some(end) = file.pipe_end() else {
            return Poll::Pending;
        };
        let reads_it = |other: &OpenFile| {
            other
                .pipe_end()
                .is_some_and(|other| other.reads() && Arc::ptr_eq(other.pipe(), end.pipe()))
        };
        if !self.fds.lock().iter().any(|(_, entry)| reads_it(&entry.file)) {
            return Poll::Pending;
        }
        Poll::Ready(end.write_growing(data))
    }

    /// How much of a write `RLIMIT_FSIZE` lets through.
    fn allowed<'a>(&self, file: &OpenFile, offset: Option<u64>, data: &'a [u8]) -> Result<&'a [u8]> {
        let limit = self.meter.file_size.load(Ordering::Acquire);
        let Some(handle) = file
            .handle()
            .filter(|handle| limit < u64::MAX && handle.kind() == FileType::Regular)
        else {
            return Ok(data);
        };
        let at = match offset {
            _ if file.flags().contains(StatusFlags::APPEND) => handle.getattr()?.size,
            Some(offset) => offset,
            None => file.seek(SeekFrom::Current(0))?,
        };
        let room = limit.saturating_sub(at);
        if room == 0 && !data.is_empty() {
            self.kernel().signal(self.pid(), SigInfo::kernel(Signal::XFSZ));
            return Err(Errno::EFBIG.into());
        }
        Ok(usize::try_from(room)
            .ok()
            .and_then(|room| data.get(..room))
            .unwrap_or(data))
    }

    /// The end of a write: what was written is counted, and a broken pipe is a signal too.
    pub(super) fn written(&self, result: IoResult<usize>) -> IoResult<usize> {
        match &result {
            Poll::Ready(Ok(count)) => {
                self.meter.written_bytes.fetch_add(*count as u64, Ordering::Relaxed);
            }
            Poll::Ready(Err(error)) if *error == Errno::EPIPE => {
                self.kernel().signal(self.pid(), SigInfo::kernel(Signal::PIPE));
            }
            _ => {}
        }
        result
    }

    fn count_read(&self, count: usize) {
        self.meter.read_bytes.fetch_add(count as u64, Ordering::Relaxed);
    }

    /// `ETIMEDOUT` once the read that waits has waited too long (`maxBlockingReadMs`).
    pub(super) fn read_expired(&self, waker: Option<&Waker>) -> Option<Error> {
        let limit = self.kernel().limits.max_blocking_read_ms;
        if limit == 0 || !self.wait_expired(limit.saturating_mul(1_000_000), waker) {
            return None;
        }
        let path = "limits.resources.maxBlockingReadMs";
        Some(LimitExceeded::new(path, "ms", limit, limit, "read", Errno::ETIMEDOUT).into())
    }

    /// Whether the call that waits has waited for `limit` ns; the first call starts the time.
    pub(super) fn wait_expired(&self, limit: u64, waker: Option<&Waker>) -> bool {
        if waker.is_none() {
            return false;
        }
        let now = self.kernel().clock.instant();
        let since = match self.waiting_since.load(Ordering::Acquire) {
            0 => {
                self.waiting_since.store(now.0.max(1), Ordering::Release);
                now
            }
            since => crate::clock::Instant(since),
        };
        self.passed(Some(since.after(limit)), waker)
    }
}

/// `copy_range` with an offset needs a file, and both ends the right access.
fn check_range(file: &OpenFile, access: AccessMode, has_offset: bool) -> Result<()> {
    if !file.access().contains(access) {
        return Err(Errno::EBADF.into());
    }
    match file.handle() {
        Some(handle) if handle.kind() == FileType::Directory => Err(Errno::EISDIR.into()),
        None if has_offset => Err(Errno::ESPIPE.into()),
        _ => Ok(()),
    }
}
