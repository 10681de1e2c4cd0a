//! What the kernel sees.

use crate::probe::Probe;
use agentos_kernel::Error;
use agentos_kernel::fd::IoResult;
use agentos_kernel::process::{Executor, Kernel, Program};
use agentos_kernel::vfs::InodeHandle;
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};

/// What the kernel calls this executor.
pub(crate) const NAME: &str = "linux";

/// Runs Linux programs (ELF files) for any number of VMs. One per host process is enough.
///
/// Nothing happens until the first ELF file is executed: then the machine is probed, once, and what it said stays.
#[derive(Debug, Default)]
pub struct LinuxExecutor {
    probe: OnceLock<Probe>,
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    core: Arc<Core>,
}

impl LinuxExecutor {
    /// An executor that has done nothing yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// An executor that takes this for what the machine can do.
    pub fn with_probe(probe: Probe) -> Arc<Self> {
        Arc::new(Self {
            probe: probe.into(),
            ..Self::default()
        })
    }

    /// What this machine can do; found out at the first call.
    pub fn probe(&self) -> &Probe {
        self.probe.get_or_init(Probe::run)
    }
}

impl Executor for LinuxExecutor {
    fn name(&self) -> &'static str {
        NAME
    }

    fn accepts(&self, head: &[u8]) -> bool {
        head.starts_with(b"\x7fELF")
    }

    fn load(&self, kernel: &Kernel, file: &InodeHandle, _: Option<&Waker>) -> IoResult<Box<dyn Program>> {
        if let Some(why) = self.probe().refusal() {
            return Poll::Ready(Err(Error::not_executable(why)));
        }
        Poll::Ready(self.load_here(kernel, file))
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
impl LinuxExecutor {
    fn load_here(&self, _: &Kernel, _: &InodeHandle) -> agentos_kernel::Result<Box<dyn Program>> {
        Err(agentos_kernel::Errno::ENOEXEC.into())
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) use here::Core;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod here {
    use super::LinuxExecutor;
    use crate::loader::Loader;
    use crate::pipe::host_error;
    use crate::program::{Loaded, Ready};
    use crate::vm::Shared;
    use agentos_kernel::process::{Kernel, Process, Program, Signal};
    use agentos_kernel::vfs::InodeHandle;
    use agentos_kernel::{Errno, Result};
    use parking_lot::Mutex;
    use std::collections::HashMap;
    use std::sync::{Arc, Weak};

    /// What all VMs of one executor share.
    #[derive(Debug, Default)]
    pub(crate) struct Core {
        loader: Mutex<Option<Arc<Loader>>>,
        vms: Mutex<HashMap<usize, Place>>,
    }

    /// A VM's thread. The weak reference keeps the kernel's address from being used again.
    #[derive(Debug)]
    struct Place {
        kernel: Weak<Kernel>,
        loader: Arc<Loader>,
        vm: Arc<Shared>,
    }

    impl Core {
        fn loader(&self) -> Result<Arc<Loader>> {
            let mut loader = self.loader.lock();
            if let Some(loader) = &*loader
                && loader.is_guarded()
            {
                return Ok(Arc::clone(loader));
            }
            let made = Arc::new(Loader::install().map_err(|error| host_error(&error))?);
            *loader = Some(Arc::clone(&made));
            Ok(made)
        }

        /// Hands a process to its VM's thread, which is started if there is none.
        fn start(&self, loaded: Loaded, process: &Arc<Process>) -> Result<()> {
            let kernel = process.kernel();
            let key = Arc::as_ptr(kernel).addr();
            let mut vms = self.vms.lock();
            let mut start = (Box::new(loaded), Arc::clone(process));
            let loader = self.loader()?;
            if let Some(place) = vms.get(&key).filter(|place| Arc::ptr_eq(&place.loader, &loader)) {
                match place.vm.start(start) {
                    Ok(()) => return Ok(()),
                    // It was about to end, for want of guests or of a guardian.
                    Err(back) => start = back,
                }
            }
            vms.retain(|_, place| place.kernel.strong_count() > 0);
            let vm = Shared::launch(&loader, kernel.limits().cpu_count).map_err(|_| Errno::EAGAIN)?;
            let started = vm.start(start).map_err(|_| Errno::EAGAIN);
            vms.insert(
                key,
                Place {
                    kernel: Arc::downgrade(kernel),
                    loader,
                    vm,
                },
            );
            Ok(started?)
        }
    }

    impl LinuxExecutor {
        pub(super) fn load_here(&self, kernel: &Kernel, file: &InodeHandle) -> Result<Box<dyn Program>> {
            let loaded = Loaded::new(kernel, file)?;
            Ok(Box::new(Ready {
                loaded,
                core: Arc::clone(&self.core),
            }))
        }
    }

    impl Program for Ready {
        fn executor(&self) -> &'static str {
            super::NAME
        }

        fn start(self: Box<Self>, process: Arc<Process>) {
            if self.core.start(self.loaded, &process).is_err() {
                process.exit_by(Signal::KILL);
                process.finish();
            }
        }
    }
}
