//! Parked processes of Node.js: what they boot on.
//!
//! [`agentos_linux`] parks and claims them, and makes sure that a VM gets none that has seen anything which would look different there.
//! Here is made what they see until then: a kernel of its own for each, whose root has the images, packages and runtimes
//! of the VM and the bundled files, all of which are read-only, and nothing that is a VM's: no mounts, no files that were
//! written, no snapshot, no network, no tools, and the policy that nobody has changed.

use crate::builder::{Builder, Options};
use crate::{engine, host, layers, vm};
use agentos_kernel::events::Ignore;
use agentos_kernel::process::{Executor, Kernel, KernelConfig};
use agentos_linux::{Base, ParkedNode, Preload};
use agentos_software::store::Package;
use std::sync::Arc;

/// Keeps up to `most` processes of Node.js ready for the VMs of this process of the host; none unless this is called. They are started once a
/// VM has run `node SCRIPT`, each takes about 10 MiB, and the next such start has its first output in a few milliseconds. 0 ends
/// them all.
pub fn park_node(most: usize) {
    engine::linux().park_node(most);
}

/// The processes of Node.js that are kept ready, and how many starts they have served.
pub fn parked_node() -> ParkedNode {
    engine::linux().parked_node()
}

/// Makes kernels with what VMs of these options have below their roots.
pub(crate) fn base(options: &Options) -> Base {
    let plain = Builder::default().options;
    let options = Options {
        software: options.software.clone(),
        limits: options.limits.clone(),
        images: options.images.clone(),
        runtimes: options.runtimes.clone(),
        ..plain
    };
    Arc::new(move |executor| kernel(&options, executor))
}

/// What may be loaded before scripts of a VM's packages are started.
pub(crate) fn preloads(options: &Options) -> Vec<Preload> {
    let preloads = options.packages.iter().flat_map(Package::preloads);
    preloads.map(|(script, modules)| Preload { script, modules }).collect()
}

fn kernel(options: &Options, executor: Arc<dyn Executor>) -> Option<Arc<Kernel>> {
    let clock = host::SystemClock::shared();
    let quota = vm::quota(&options.limits);
    let root = layers::root(options, &clock)
        .ok()?
        .fork(Arc::clone(&clock), Arc::clone(&quota));
    Some(Kernel::new(KernelConfig {
        limits: options.limits.clone(),
        policy: options.policy.clone(),
        clock,
        entropy: Arc::new(host::SystemEntropy),
        root: layers::stack(&root, options).ok()?,
        fs_quota: quota,
        events: Arc::new(Ignore),
        hostname: options.hostname.clone().into_bytes(),
        executors: vec![executor],
        network: options.network.kernel.clone(),
        egress: None,
    }))
}
