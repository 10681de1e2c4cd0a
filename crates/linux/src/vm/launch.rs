//! Starting the thread of a VM, or one that has no VM yet.

use super::{Shared, Vm};
use crate::loader::Loader;
use crate::sys;
use parking_lot::Mutex;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

impl Shared {
    /// Starts a VM's thread, whose guests use at most so many processors.
    pub(crate) fn launch(loader: &Arc<Loader>, processors: u64) -> io::Result<Arc<Self>> {
        Self::launch_with(loader, processors, false)
    }

    /// Starts a thread that has no VM yet.
    pub(crate) fn launch_unbound(loader: &Arc<Loader>, processors: u64) -> io::Result<Arc<Self>> {
        Self::launch_with(loader, processors, true)
    }

    fn launch_with(loader: &Arc<Loader>, processors: u64, unbound: bool) -> io::Result<Arc<Self>> {
        // SAFETY: takes numbers alone.
        let bell = sys::check(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) }.into())?;
        // SAFETY: the call made it.
        let bell = unsafe { OwnedFd::from_raw_fd(i32::try_from(bell).unwrap_or(-1)) };
        let shared = Arc::new(Self {
            inbox: Mutex::default(),
            bell,
            thread: OnceLock::new(),
            own: AtomicBool::new(false),
        });
        let vm = Vm::new(&shared, loader, processors, unbound)?;
        std::thread::Builder::new()
            .name("agentos-linux".into())
            .spawn(move || {
                sys::leave_signals_to_others();
                vm.run();
            })?;
        Ok(shared)
    }
}
