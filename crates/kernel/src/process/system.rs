//! Small system calls: the machine's name, working directory, umask, priority, terminals' names.

use super::process::Process;
use crate::errno::Errno;
use crate::error::Result;
use crate::id::{Fd, Pid};
use crate::vfs::{FileType, Mode};
use core::sync::atomic::Ordering;

/// Fields of `uname(2)`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UtsName {
    /// Operating system.
    pub sysname: &'static str,
    /// Host name.
    pub nodename: Vec<u8>,
    /// Release.
    pub release: &'static str,
    /// Version.
    pub version: &'static str,
    /// Hardware.
    pub machine: &'static str,
}

/// What `uname -r` says: programs look here for features of Linux, whose interface this is.
pub(crate) const RELEASE: &str = "6.1.0-agentos";
/// What `uname -v` says.
pub(crate) const VERSION: &str = concat!("#1 agentOS ", env!("CARGO_PKG_VERSION"));
/// What `uname -m` says.
const MACHINE: &str = "wasm32";

impl Process {
    /// `uname(2)`.
    pub fn uname(&self) -> UtsName {
        let nodename = self.kernel().hostname();
        UtsName {
            sysname: "Linux",
            nodename,
            release: RELEASE,
            version: VERSION,
            machine: MACHINE,
        }
    }

    /// Sets the host name of the VM.
    ///
    /// # Errors
    /// `EPERM` unless the superuser, `EINVAL` beyond 64 bytes.
    pub fn set_hostname(&self, name: &[u8]) -> Result<()> {
        if !self.cred().is_root() {
            return Err(Errno::EPERM.into());
        }
        self.kernel().rename_host(name)
    }

    /// Sets the umask and returns the old one; `None` only reports.
    pub fn umask(&self, new: Option<Mode>) -> Mode {
        let mut place = self.place.lock();
        let Some(place) = place.as_mut() else {
            return Mode::default();
        };
        let old = place.umask;
        if let Some(new) = new {
            place.umask = Mode::new(new.bits() & 0o777);
        }
        old
    }

    /// Nice value of process `pid` (0: the caller), -20 to 19.
    ///
    /// # Errors
    /// `ESRCH`.
    pub fn nice(&self, pid: Pid) -> Result<i32> {
        Ok(self.inspected(pid)?.nice.load(Ordering::Acquire))
    }

    /// Sets the nice value, cut to its bounds.
    ///
    /// # Errors
    /// `ESRCH`, `EPERM` for another user's process, `EACCES` to become less nice without being the superuser.
    pub fn set_nice(&self, pid: Pid, nice: i32) -> Result<()> {
        let target = self.relative(pid)?;
        let kernel = self.kernel();
        // What slows a process down is as good as a signal to it.
        kernel.may_signal(&kernel.table.lock(), self.pid(), &target)?;
        let cred = self.cred();
        let nice = nice.clamp(-20, 19);
        if !cred.is_root() {
            let other = target.cred();
            if cred.euid != other.ruid && cred.euid != other.euid {
                return Err(Errno::EPERM.into());
            }
            if nice < target.nice.load(Ordering::Acquire) {
                return Err(Errno::EACCES.into());
            }
        }
        target.nice.store(nice, Ordering::Release);
        Ok(())
    }

    /// Changes the working directory.
    ///
    /// # Errors
    /// Those of `chdir(2)`.
    pub fn chdir(&self, path: &[u8]) -> Result<()> {
        let cx = self.cx()?;
        let target = self.kernel().vfs().resolve(&cx.fs(), None, path, true)?;
        self.enter(&cx, target)
    }

    /// Makes an open directory the working directory.
    ///
    /// # Errors
    /// Those of `fchdir(2)`.
    pub fn fchdir(&self, fd: Fd) -> Result<()> {
        let cx = self.cx()?;
        let location = self.file(fd)?.location().ok_or(Errno::ENOTDIR)?.clone();
        self.enter(&cx, location)
    }

    fn enter(&self, cx: &super::process::Cx, target: crate::vfs::Location) -> Result<()> {
        if target.kind() != FileType::Directory {
            return Err(Errno::ENOTDIR.into());
        }
        crate::vfs::access::check(&cx.cred, &target.attr()?, crate::vfs::Access::EXEC)?;
        let old = self
            .place
            .lock()
            .as_mut()
            .map(|place| core::mem::replace(&mut place.cwd, target));
        drop(old);
        Ok(())
    }

    /// Absolute path of the working directory.
    ///
    /// # Errors
    /// `ENOENT` if it was removed or cannot be reached from the root.
    pub fn getcwd(&self) -> Result<Vec<u8>> {
        let cx = self.cx()?;
        self.kernel().vfs().path_of(&cx.fs(), &cx.place.cwd)
    }
}
