//! Linux programs where they run: the loader, and a thread for each VM.

use super::Based;
use crate::loader::Loader;
use crate::park::{Key, ParkedNode, Pool};
use crate::pipe::host_error;
use crate::probe::Probe;
use crate::program::{Loaded, Ready};
use crate::vm::Shared;
use crate::walls::{Cgroup, CgroupError};
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
    cgroup: Mutex<Cgroup>,
}

/// A VM's thread. The weak reference keeps the kernel's address from being used again; the others keep nothing of a thread that has ended,
/// whose place stays until another VM starts a program.
#[derive(Debug)]
struct Place {
    kernel: Weak<Kernel>,
    loader: Weak<Loader>,
    vm: Weak<Shared>,
    /// What it was started with, if that may be served.
    first: Option<Arc<Key>>,
}

impl Place {
    fn new(kernel: &Arc<Kernel>, loader: &Arc<Loader>, vm: &Arc<Shared>, first: Option<Arc<Key>>) -> Self {
        Self {
            first,
            kernel: Arc::downgrade(kernel),
            loader: Arc::downgrade(loader),
            vm: Arc::downgrade(vm),
        }
    }

    /// The thread, if it lives and starts programs with this loader.
    fn thread(&self, loader: &Arc<Loader>) -> Option<Arc<Shared>> {
        self.vm
            .upgrade()
            .filter(|_| self.loader.as_ptr() == Arc::as_ptr(loader))
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
        let cgroup = self.cgroup.lock().clone();
        let made = Loader::install(&cgroup).and_then(|loader| match loader.walls_found() {
            Err(error) if cgroup.is_required() => Err(error),
            _ => Ok(Arc::new(loader)),
        });
        let made = made.map_err(|error| host_error(&error))?;
        *loader = Some(Arc::clone(&made));
        Ok(made)
    }

    /// What this machine can do. Guests are started with what was tried.
    pub(super) fn probe(&self) -> Probe {
        let cgroup = self.cgroup.lock().clone();
        let (probe, loader) = Probe::keeping(&cgroup);
        if let Some(loader) = loader {
            self.loader.lock().get_or_insert(loader);
        }
        probe
    }

    /// Says where control groups are made.
    pub(super) fn set_cgroup(&self, cgroup: Cgroup) -> std::result::Result<(), CgroupError> {
        let loader = self.loader.lock();
        let mut now = self.cgroup.lock();
        if loader.is_some() && *now != cgroup {
            return Err(CgroupError::TooLate(now.clone()));
        }
        *now = cgroup;
        Ok(())
    }

    pub(super) fn cgroup(&self) -> Cgroup {
        self.cgroup.lock().clone()
    }

    pub(super) fn park_node(&self, most: usize) {
        self.pool.set_most(most);
    }

    pub(super) fn parked_node(&self) -> ParkedNode {
        self.pool.stand()
    }

    pub(super) fn load(
        self: &Arc<Self>,
        kernel: &Kernel,
        file: &InodeHandle,
        base: Option<&Based>,
    ) -> Result<Box<dyn Program>> {
        Ok(Box::new(Ready {
            loaded: Loaded::new(kernel, file)?,
            core: Arc::clone(self),
            base: base.cloned(),
        }))
    }

    /// Hands a process to its VM's thread, which is started if there is none.
    fn start(&self, mut loaded: Loaded, process: &Arc<Process>, base: Option<&Based>) -> Result<()> {
        if let Some(base) = base.filter(|_| self.pool.is_on()) {
            let key = Key::of(&loaded, process, &base.preloads);
            loaded.invocation = key.and_then(|key| self.pool.invocation(key, &base.base)).map(Box::new);
        }
        let kernel = process.kernel();
        let key = Arc::as_ptr(kernel).addr();
        let mut vms = self.vms.lock();
        let loader = self.loader()?;
        let wanted = loaded.invocation.as_ref().map(|wanted| Arc::clone(&wanted.key));
        let first = vms.get(&key).and_then(|place| place.first.clone());
        if let Some(invocation) = &loaded.invocation {
            // An agent that a VM starts after its first program is wanted together with that.
            match first {
                Some(first) if invocation.key.preload.is_some() => invocation.accompany(first, &loader),
                _ => invocation.refill(&loader, None),
            }
        }
        let mut start = (Box::new(loaded), Arc::clone(process));
        if let Some(vm) = vms.get(&key).and_then(|place| place.thread(&loader)) {
            match vm.start(start) {
                Ok(()) => return Ok(()),
                // It was about to end, for want of guests or of a guardian.
                Err(back) => start = back,
            }
        }
        vms.retain(|_, place| place.kernel.strong_count() > 0);
        let parked = wanted.as_ref().and_then(|key| self.pool.take(key, &loader));
        if let Some(ready) = parked {
            match ready.start(start) {
                Ok(()) => {
                    vms.insert(key, Place::new(kernel, &loader, &ready, wanted));
                    return Ok(());
                }
                Err(back) => start = back,
            }
        }
        let vm = Shared::launch(&loader, kernel.limits().cpu_count).map_err(|_| Errno::EAGAIN)?;
        let started = vm.start(start).map_err(|_| Errno::EAGAIN);
        vms.insert(key, Place::new(kernel, &loader, &vm, wanted));
        Ok(started?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guests_are_started_with_what_was_tried() {
        let core = Core::default();
        let probe = core.probe();
        let Some(kept) = core.loader.lock().clone() else {
            assert!(probe.refusal().is_some());
            return;
        };
        assert!(kept.is_guarded() && kept.place().join("x").exists());
        assert!(Arc::ptr_eq(&kept, &core.loader().unwrap()));
        let place = kept.place().to_owned();
        drop((core, kept));
        assert!(!place.exists());
    }
}
