//! What the kernel sees.

use crate::parked::{Base, ParkedNode};
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
    probe: Arc<OnceLock<Probe>>,
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    core: Arc<Core>,
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    base: Option<Based>,
}

impl LinuxExecutor {
    /// An executor that has done nothing yet.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// An executor that takes this for what the machine can do.
    pub fn with_probe(probe: Probe) -> Arc<Self> {
        Arc::new(Self {
            probe: Arc::new(probe.into()),
            ..Self::default()
        })
    }

    /// The same executor for VMs whose roots lie on one base, for which it may park processes of Node.js.
    #[must_use]
    pub fn on(&self, base: Base) -> Arc<Self> {
        #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
        drop(base);
        Arc::new(Self {
            probe: Arc::clone(&self.probe),
            #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
            core: Arc::clone(&self.core),
            #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
            base: Some(Based(base)),
        })
    }

    /// How many processes of Node.js may be parked; 0 parks none. What is too much ends.
    pub fn park_node(&self, most: usize) {
        #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
        self.core.pool().set_most(most);
        #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
        let _ = most;
    }

    /// The parked processes of Node.js.
    pub fn parked_node(&self) -> ParkedNode {
        #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
        return self.core.pool().stand();
        #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
        ParkedNode::default()
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

/// What some VMs lie on.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
struct Based(Base);

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
impl std::fmt::Debug for Based {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Base")
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod here {
    use super::LinuxExecutor;
    use crate::loader::Loader;
    use crate::park::{Base, Key, Pool};
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
        pool: Arc<Pool>,
    }

    /// A VM's thread. The weak reference keeps the kernel's address from being used again.
    #[derive(Debug)]
    struct Place {
        kernel: Weak<Kernel>,
        loader: Arc<Loader>,
        vm: Arc<Shared>,
    }

    impl Place {
        fn new(kernel: &Arc<Kernel>, loader: Arc<Loader>, vm: Arc<Shared>) -> Self {
            Self {
                kernel: Arc::downgrade(kernel),
                loader,
                vm,
            }
        }
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

        pub(super) fn pool(&self) -> &Pool {
            &self.pool
        }

        /// Hands a process to its VM's thread, which is started if there is none.
        fn start(&self, mut loaded: Loaded, process: &Arc<Process>, base: Option<&Base>) -> Result<()> {
            if let Some(base) = base.filter(|_| self.pool.is_on()) {
                let key = Key::of(&loaded, process);
                loaded.invocation = key.and_then(|key| self.pool.invocation(key, base)).map(Box::new);
            }
            let kernel = process.kernel();
            let key = Arc::as_ptr(kernel).addr();
            let mut vms = self.vms.lock();
            let loader = self.loader()?;
            let wanted = loaded.invocation.as_ref().map(|wanted| Arc::clone(&wanted.key));
            if let Some(invocation) = &loaded.invocation {
                invocation.refill(&loader, None);
            }
            let mut start = (Box::new(loaded), Arc::clone(process));
            if let Some(place) = vms.get(&key).filter(|place| Arc::ptr_eq(&place.loader, &loader)) {
                match place.vm.start(start) {
                    Ok(()) => return Ok(()),
                    // It was about to end, for want of guests or of a guardian.
                    Err(back) => start = back,
                }
            }
            vms.retain(|_, place| place.kernel.strong_count() > 0);
            let parked = wanted.and_then(|key| self.pool.take(&key, &loader));
            if let Some(ready) = parked {
                match ready.start(start) {
                    Ok(()) => {
                        vms.insert(key, Place::new(kernel, loader, ready));
                        return Ok(());
                    }
                    Err(back) => start = back,
                }
            }
            let vm = Shared::launch(&loader, kernel.limits().cpu_count).map_err(|_| Errno::EAGAIN)?;
            let started = vm.start(start).map_err(|_| Errno::EAGAIN);
            vms.insert(key, Place::new(kernel, loader, vm));
            Ok(started?)
        }
    }

    impl LinuxExecutor {
        pub(super) fn load_here(&self, kernel: &Kernel, file: &InodeHandle) -> Result<Box<dyn Program>> {
            let loaded = Loaded::new(kernel, file)?;
            Ok(Box::new(Ready {
                loaded,
                core: Arc::clone(&self.core),
                base: self.base.as_ref().map(|based| Arc::clone(&based.0)),
            }))
        }
    }

    impl Program for Ready {
        fn executor(&self) -> &'static str {
            super::NAME
        }

        fn start(self: Box<Self>, process: Arc<Process>) {
            if self.core.start(self.loaded, &process, self.base.as_ref()).is_err() {
                process.exit_by(Signal::KILL);
                process.finish();
            }
        }
    }
}
