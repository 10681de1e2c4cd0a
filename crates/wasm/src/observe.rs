//! A look into the memories of guests, for tests that search them.
//!
//! The host writes into a guest's memory only while it serves one of the guest's calls. So whoever looks after each call has seen
//! everything that the host ever put there.

use agentos_kernel::id::Pid;
use std::sync::OnceLock;

type Observer = dyn Fn(Pid, &[u8]) + Send + Sync;

/// One for the process: an engine is shared by many VMs. Unset, it costs a load.
static OBSERVER: OnceLock<Box<Observer>> = OnceLock::new();

/// Shows the whole linear memory of each guest of this process to `observer` after each call that the guest makes, from now on
/// and for ever. Only for tests. The first observer counts; false if there was one.
#[doc(hidden)]
pub fn observe_memories(observer: impl Fn(Pid, &[u8]) + Send + Sync + 'static) -> bool {
    OBSERVER.set(Box::new(observer)).is_ok()
}

/// Shows a memory to whoever looks.
pub(crate) fn observed<'a>(look: impl FnOnce() -> (Pid, &'a [u8])) {
    if let Some(observer) = OBSERVER.get() {
        let (pid, memory) = look();
        observer(pid, memory);
    }
}
