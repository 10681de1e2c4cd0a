//! The terminals that guests hold.
//!
//! A guest's descriptor of a terminal is one of the host's terminal that carries the bytes; the terminal itself, its attributes,
//! session and foreground group, is the VM's. Nothing here keeps a terminal open: that is for those who hold its descriptors.

use super::Vm;
use crate::calls::Fail;
use crate::tty::NativeTty;
use agentos_kernel::Error;
use agentos_kernel::fd::{AccessMode, OpenFile, StatusFlags};
use agentos_kernel::process::Kernel;
use agentos_kernel::tty::{HostTty, Master, Pty, Slave};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Weak};

/// Things of the VM by device and inode on the host, none of which is kept alive.
pub(super) type ByIdentity<T> = Arc<Mutex<HashMap<(u64, u64), Weak<T>>>>;

/// Terminals by device and inode of what guests hold of them on the host.
#[derive(Clone, Default)]
pub(super) struct Terminals {
    slaves: ByIdentity<Pty>,
    masters: ByIdentity<OpenFile>,
}

/// One end of a terminal.
#[derive(Clone)]
pub(crate) enum Terminal {
    Slave(Arc<Pty>),
    Master(Arc<Pty>, Arc<OpenFile>),
}

impl Terminal {
    pub(crate) fn pty(&self) -> &Arc<Pty> {
        match self {
            Self::Slave(pty) | Self::Master(pty, _) => pty,
        }
    }

    /// What the kernel is asked with about it; it does not count as open.
    pub(super) fn file(&self, kernel: &Kernel, access: AccessMode) -> Result<Arc<OpenFile>, Error> {
        let pty = match self {
            Self::Slave(pty) => pty,
            Self::Master(_, file) => return Ok(Arc::clone(file)),
        };
        let place = kernel.init().cx()?;
        let path = pty.path();
        let location = kernel.vfs().resolve(&place.fs(), None, path.as_bytes(), false).ok();
        let slave = pty.lend_slave();
        OpenFile::from_object(slave, location, access, StatusFlags::empty(), kernel.fd_limits())
    }
}

impl Terminals {
    fn add(&self, identity: (u64, u64), pty: &Arc<Pty>) {
        let mut all = self.slaves.lock();
        all.retain(|_, pty| pty.strong_count() > 0);
        all.insert(identity, Arc::downgrade(pty));
    }

    pub(super) fn add_master(&self, identity: (u64, u64), master: &Arc<OpenFile>) {
        let mut all = self.masters.lock();
        all.retain(|_, master| master.strong_count() > 0);
        all.insert(identity, Arc::downgrade(master));
    }

    /// What is this on the host.
    pub(super) fn get(&self, identity: (u64, u64)) -> Option<Terminal> {
        let slave = self.slaves.lock().get(&identity).and_then(Weak::upgrade);
        if let Some(pty) = slave {
            return Some(Terminal::Slave(pty));
        }
        let master = self.masters.lock().get(&identity).and_then(Weak::upgrade)?;
        let pty = Arc::clone(master.object_as::<Master>()?.pty());
        Some(Terminal::Master(pty, master))
    }

    /// Those that are there.
    pub(super) fn open(&self) -> Vec<Arc<Pty>> {
        self.slaves.lock().values().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.slaves.lock().is_empty() && self.masters.lock().is_empty()
    }
}

impl Vm {
    /// A slave of the host for a guest.
    pub(super) fn slave(&mut self, slave: &Slave, file: &OpenFile) -> Result<OwnedFd, Fail> {
        let pty = slave.pty();
        let tty = pty.on_host(|| Ok(NativeTty::new()? as Arc<dyn HostTty>))?;
        let tty = tty.as_any().downcast_ref::<NativeTty>().ok_or(Fail(libc::EIO))?;
        tty.serve(&self.shared);
        self.terminals.add(tty.identity(), pty);
        Ok(tty.open(file.access(), file.flags().contains(StatusFlags::NONBLOCK))?)
    }

    /// The terminal that a guest has open as `fd`.
    pub(crate) fn terminal(&self, key: u32, fd: i32) -> Result<Option<Terminal>, Fail> {
        if self.terminals.is_empty() || fd < 0 {
            return Ok(None);
        }
        let identity = self.identity(key, fd)?;
        Ok(self.terminals.get(identity))
    }

    /// The terminal that is this on the host.
    pub(crate) fn terminal_at(&self, identity: (u64, u64)) -> Option<Terminal> {
        self.terminals.get(identity)
    }

    /// What the kernel is asked with about a terminal that a guest holds.
    pub(crate) fn lend_terminal(&self, key: u32, terminal: &Terminal) -> Result<Arc<OpenFile>, Fail> {
        let guest = self.guests.get(&key).ok_or(Fail(libc::ESRCH))?;
        Ok(terminal.file(guest.process.kernel(), AccessMode::READ_WRITE)?)
    }

    /// A new slave of a terminal (`TIOCGPTPEER`).
    pub(crate) fn open_peer(&mut self, key: u32, pty: &Arc<Pty>, status: StatusFlags) -> Result<OwnedFd, Fail> {
        let guest = self.guests.get(&key).ok_or(Fail(libc::ESRCH))?;
        let limits = Arc::clone(guest.process.kernel().fd_limits());
        let slave = pty.open_slave()?;
        let file = OpenFile::from_object(slave, None, AccessMode::READ_WRITE, status, &limits)?;
        self.materialise(&file)
    }
}
