//! Terminals: attributes, window, foreground group, controlling terminal.

use crate::errno::Errno;
use crate::error::Result;
use crate::fd::{AccessMode, IoResult, OpenFile, StatusFlags};
use crate::id::{Fd, Pid};
use crate::process::process::Process;
use crate::tty::{Access, Master, Pty, Queue, Slave, Termios, When, WindowSize};
use core::task::{Poll, Waker, ready};
use std::sync::Arc;

impl Process {
    /// The terminal behind a descriptor, of either half.
    ///
    /// # Errors
    /// `EBADF`, `ENOTTY`.
    pub fn terminal(&self, fd: Fd) -> Result<Arc<Pty>> {
        let file = self.file(fd)?;
        if let Some(slave) = file.object_as::<Slave>() {
            return Ok(Arc::clone(slave.pty()));
        }
        let master = file.object_as::<Master>().ok_or(Errno::ENOTTY)?;
        Ok(Arc::clone(master.pty()))
    }

    /// Attributes of a terminal.
    ///
    /// # Errors
    /// `ENOTTY`, `EIO`.
    pub fn tty_attributes(&self, fd: Fd) -> Result<Termios> {
        self.terminal(fd)?.attributes()
    }

    /// Changes the attributes. A background process is stopped first.
    ///
    /// # Errors
    /// `ENOTTY`, `EIO`, `EINTR`.
    pub fn set_tty_attributes(&self, fd: Fd, when: When, termios: Termios, waker: Option<&Waker>) -> IoResult<()> {
        let pty = ready!(self.change_terminal(fd, waker))?;
        Poll::Ready(pty.set_attributes(when, termios))
    }

    /// Throws queued bytes of a terminal away.
    ///
    /// # Errors
    /// `ENOTTY`, `EIO`, `EINTR`.
    pub fn flush_tty(&self, fd: Fd, queue: Queue, waker: Option<&Waker>) -> IoResult<()> {
        let pty = ready!(self.change_terminal(fd, waker))?;
        Poll::Ready(pty.flush(queue))
    }

    /// Size of the window.
    ///
    /// # Errors
    /// `ENOTTY`, `EIO`.
    pub fn tty_window(&self, fd: Fd) -> Result<WindowSize> {
        self.terminal(fd)?.window()
    }

    /// Sets the size of the window; a change sends `SIGWINCH` to the foreground group.
    ///
    /// # Errors
    /// `ENOTTY`, `EIO`.
    pub fn set_tty_window(&self, fd: Fd, window: WindowSize) -> Result<()> {
        self.terminal(fd)?.set_window(window)
    }

    /// Foreground group of the caller's terminal (`tcgetpgrp(3)`).
    ///
    /// # Errors
    /// `ENOTTY` unless it is the caller's controlling terminal, or a master.
    pub fn tty_group(&self, fd: Fd) -> Result<Pid> {
        let pty = self.terminal(fd)?;
        let own = pty.session() == Some(self.sid());
        if !own && self.file(fd)?.object_as::<Master>().is_none() {
            return Err(Errno::ENOTTY.into());
        }
        // A terminal without a foreground group reports a number that no group has, as Linux does.
        Ok(pty.foreground().unwrap_or(Pid(i32::MAX.unsigned_abs())))
    }

    /// Sets the foreground group (`tcsetpgrp(3)`). A background process is stopped first.
    ///
    /// # Errors
    /// `ENOTTY` unless it is the caller's controlling terminal, `EPERM` for a group of another session, `ESRCH` without it,
    /// `EINTR`.
    pub fn set_tty_group(&self, fd: Fd, group: Pid, waker: Option<&Waker>) -> IoResult<()> {
        let pty = self.terminal(fd)?;
        if pty.session() != Some(self.sid()) {
            return Poll::Ready(Err(Errno::ENOTTY.into()));
        }
        ready!(self.change_terminal(fd, waker))?;
        let session = self.kernel().table.lock().session_of_group(group);
        match session {
            None => Poll::Ready(Err(Errno::ESRCH.into())),
            Some(session) if session != self.sid() => Poll::Ready(Err(Errno::EPERM.into())),
            Some(_) => Poll::Ready(pty.set_foreground(self, group)),
        }
    }

    /// Makes a terminal the controlling one of the session that the caller leads (`TIOCSCTTY`).
    ///
    /// # Errors
    /// `EPERM` unless a session leader without another terminal, or if another session has it.
    pub fn set_controlling_tty(&self, fd: Fd) -> Result<()> {
        let pty = self.terminal(fd)?;
        if pty.session() == Some(self.sid()) && self.sid() == self.pid() {
            return Ok(());
        }
        let has_one = self.kernel().ptys().controlling(self.sid()).is_some();
        if self.sid() != self.pid() || has_one {
            return Err(Errno::EPERM.into());
        }
        pty.set_controlling(self, false)
    }

    /// Opens a new terminal: descriptors of its master and its slave.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`, `EAGAIN` at `maxPtys`.
    pub fn open_tty(&self, nonblock: bool, cloexec: bool) -> Result<(Fd, Fd)> {
        let cred = self.cred();
        let kernel = self.kernel();
        let (master, slave) = kernel.ptys().open((cred.euid, cred.egid))?;
        let status = if nonblock {
            StatusFlags::NONBLOCK
        } else {
            StatusFlags::empty()
        };
        let limits = kernel.fd_limits();
        let master = OpenFile::from_object(master, None, AccessMode::READ_WRITE, status, limits)?;
        let slave = OpenFile::from_object(slave, None, AccessMode::READ_WRITE, status, limits)?;
        let pair = (master, slave);
        let kept = pair.clone();
        let added = self.fds.lock().insert_pair(pair, cloexec);
        drop(kept);
        added
    }

    /// Path of a terminal (`ttyname(3)`).
    ///
    /// # Errors
    /// `ENOTTY`.
    pub fn tty_name(&self, fd: Fd) -> Result<String> {
        let pty = self.terminal(fd)?;
        match self.file(fd)?.object_as::<Master>() {
            Some(_) => Ok("/dev/ptmx".to_owned()),
            None => Ok(pty.path()),
        }
    }

    /// The terminal, once job control lets the caller change it.
    fn change_terminal(&self, fd: Fd, waker: Option<&Waker>) -> IoResult<Arc<Pty>> {
        let file = self.file(fd)?;
        let pty = self.terminal(fd)?;
        ready!(self.waiting(waker, |waker| self.admit(&file, Access::Change, waker)))?;
        Poll::Ready(Ok(pty))
    }
}
