//! Descriptors: `dup(2)`, `pipe(2)`, `fcntl(2)`.

use crate::error::Result;
use crate::fd::{AccessMode, OpenFile, StatusFlags};
use crate::id::Fd;
use crate::process::process::Process;

impl Process {
    /// Another descriptor, at least `min`, for the description of `fd`.
    ///
    /// # Errors
    /// `EBADF`, `EINVAL`, `EMFILE`.
    pub fn dup(&self, fd: Fd, min: Fd, cloexec: bool) -> Result<Fd> {
        self.fds.lock().dup(fd, min, cloexec)
    }

    /// Makes `to` a descriptor of `fd`'s description, closing what it was.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn dup_to(&self, fd: Fd, to: Fd, cloexec: bool) -> Result<()> {
        let old = self.fds.lock().dup_to(fd, to, cloexec)?;
        if let Some(old) = old {
            self.drop_file(old);
        }
        Ok(())
    }

    /// Moves `from` to `to`, closing what that was (preview 1's `fd_renumber`).
    ///
    /// # Errors
    /// `EBADF` if either is not open.
    pub fn renumber(&self, from: Fd, to: Fd) -> Result<()> {
        let old = self.fds.lock().renumber(from, to)?;
        if let Some(old) = old {
            self.drop_file(old);
        }
        Ok(())
    }

    /// A new pipe: descriptors of its read end and its write end.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `EAGAIN` at `maxPipes`.
    pub fn pipe(&self, nonblock: bool, cloexec: bool) -> Result<(Fd, Fd)> {
        let cred = self.cred();
        let status = if nonblock {
            StatusFlags::NONBLOCK
        } else {
            StatusFlags::empty()
        };
        let kernel = self.kernel();
        let owner = (cred.euid, cred.egid);
        let pair = kernel.with_pipes(|| OpenFile::pipe(kernel.fd_limits(), owner, kernel.clock.now(), status))?;
        let kept = pair.clone();
        let added = self.fds.lock().insert_pair(pair, cloexec);
        drop(kept);
        added
    }

    /// Puts a description that the host or another part of the kernel made at a given number.
    ///
    /// # Errors
    /// `EBADF` if the number is not below the cap.
    pub fn install(&self, fd: Fd, file: std::sync::Arc<OpenFile>, cloexec: bool) -> Result<()> {
        let old = self.fds.lock().set(fd, file, cloexec)?;
        if let Some(old) = old {
            self.drop_file(old);
        }
        Ok(())
    }

    /// Bytes that can be read at once (`FIONREAD`).
    ///
    /// # Errors
    /// `EBADF`, `ENOTTY`.
    pub fn available(&self, fd: Fd) -> Result<u64> {
        self.file(fd)?.available()
    }

    /// Whether the descriptor is close-on-exec.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn cloexec(&self, fd: Fd) -> Result<bool> {
        self.fds.lock().entry(fd).map(|entry| entry.cloexec)
    }

    /// Sets or clears close-on-exec.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn set_cloexec(&self, fd: Fd, cloexec: bool) -> Result<()> {
        self.fds.lock().set_cloexec(fd, cloexec)
    }

    /// Access mode and status flags of the description.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn status_flags(&self, fd: Fd) -> Result<(AccessMode, StatusFlags)> {
        let file = self.file(fd)?;
        Ok((file.access(), file.flags()))
    }

    /// Sets the status flags that can be changed: append and non-blocking.
    ///
    /// # Errors
    /// `EBADF`.
    pub fn set_status_flags(&self, fd: Fd, flags: StatusFlags) -> Result<()> {
        self.file(fd)?.set_flags(flags);
        Ok(())
    }

    /// Open descriptors, ascending.
    pub fn descriptors(&self) -> Vec<Fd> {
        self.fds.lock().iter().map(|(fd, _)| fd).collect()
    }
}
