//! Waiting for what is outside of every VM, on a VM's thread.
//!
//! A filesystem that somebody else serves blocks whoever asks it, and for Linux guests that is the VM's thread. While it waits nobody of
//! the VM is answered; but the guest on whose behalf it waits may have been killed meanwhile, and then it is waited for no longer
//! than that. Without this a guest that is killed while a driver thinks would end at the driver's deadline, a minute later, and all
//! others of its VM would wait for that, too.
//!
//! What its call is answered with then does not matter: the kernel has noted that it has to end, and the thread ends it next.

use super::Vm;
use agentos_kernel::outside::{self, Watcher};
use agentos_kernel::process::Process;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

thread_local! {
    /// Whose call this thread is answering.
    static CALLER: RefCell<Option<Arc<Process>>> = const { RefCell::new(None) };
}

/// Says when the caller has to end.
struct Caller;

impl Watcher for Caller {
    fn begins(&self) {}

    fn ends(&self) {}

    fn poll_doomed(&self, waker: &Waker) -> Poll<()> {
        CALLER.with_borrow(|caller| match caller {
            Some(process) => process.poll_doomed(waker),
            None => Poll::Pending,
        })
    }
}

/// Watches the waits of the calling thread, which is a VM's, from now on.
pub(super) fn watch() {
    outside::watch(Rc::new(Caller));
}

impl Vm {
    /// Does something on behalf of a guest.
    pub(super) fn on_behalf<T>(&mut self, key: u32, work: impl FnOnce(&mut Self) -> T) -> T {
        let process = self.guests.get(&key).map(|guest| Arc::clone(&guest.process));
        let _before = Before(CALLER.replace(process));
        work(self)
    }
}

/// Whose call is answered again afterwards, also after a mistake in between: the end of a guest may have others go on.
struct Before(Option<Arc<Process>>);

impl Drop for Before {
    fn drop(&mut self) {
        CALLER.set(self.0.take());
    }
}
