//! Waiting for what is outside of every VM.
//!
//! A filesystem that somebody else serves (functions of a script, a service on the network) blocks the thread that asks it, and
//! that is usually the thread of a guest. Its answer may depend on other guests: a driver that runs a command in the same VM, or
//! one that reads the files of a VM whose own driver reads those of the next. If such a wait kept the CPU of its VM, nobody could
//! ever answer it.
//!
//! So whoever blocks does so with [`Waits::wait`], and an executor says once for each of its threads, with [`watch`], what is to
//! happen meanwhile: it lends the CPU and the thread's place to others, and it tells when the guest that waits is to end, which
//! then does not wait for the answer. On threads that nobody watches nothing of this happens.
//!
//! Each guest that waits holds a thread of the host, so they are counted, all VMs of the process together; a VM adds none beyond its
//! `limits.plugins.maxWaitingCalls`. Whoever asks then gets an error at once: if it waited for a place, the answer that makes one
//! free might be waiting for one too.

use crate::limits::Limits;
use crate::{Errno, LimitExceeded, Result};
use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

/// Told of the waits of one thread.
pub trait Watcher {
    /// The thread is about to wait.
    fn begins(&self);
    /// It goes on.
    fn ends(&self);
    /// Ready once whoever waits has to end; `waker` is woken then.
    fn poll_doomed(&self, waker: &Waker) -> Poll<()>;
}

thread_local! {
    static WATCHER: RefCell<Option<Rc<dyn Watcher>>> = const { RefCell::new(None) };
}

/// Guests of the process that wait.
static WAITING: AtomicU64 = AtomicU64::new(0);

/// Tells `watcher` of all waits of this thread from now on.
pub fn watch(watcher: Rc<dyn Watcher>) {
    WATCHER.set(Some(watcher));
}

/// How a filesystem that somebody else serves waits for answers.
#[derive(Debug, Clone, Copy)]
pub struct Waits {
    most: u64,
}

impl Waits {
    /// Waits in a VM with these limits.
    pub fn of(limits: &Limits) -> Self {
        Self {
            most: limits.max_waiting_calls,
        }
    }

    /// Blocks until something outside has answered. A wait within a wait is a part of it.
    ///
    /// # Errors
    /// `EAGAIN` beyond `maxWaitingCalls`, `EINTR` once the guest that waits has to end: it was killed.
    pub fn wait<T>(self, answer: impl Future<Output = T>) -> Result<T> {
        let mut answer = pin!(answer);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut cx = Context::from_waker(&waker);
        // Many have one at once, and then nobody is told.
        if let Poll::Ready(answer) = answer.as_mut().poll(&mut cx) {
            return Ok(answer);
        }
        let waiting = WATCHER
            .take()
            .map(|watcher| Waiting::begin(watcher, self.most))
            .transpose()?;
        loop {
            if waiting
                .as_ref()
                .is_some_and(|waiting| waiting.0.poll_doomed(&waker).is_ready())
            {
                return Err(Errno::EINTR.into());
            }
            if let Poll::Ready(answer) = answer.as_mut().poll(&mut cx) {
                return Ok(answer);
            }
            std::thread::park();
        }
    }
}

/// Lets a thread go on.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// A wait under way; also one that panics ends.
struct Waiting(Rc<dyn Watcher>);

impl Waiting {
    fn begin(watcher: Rc<dyn Watcher>, most: u64) -> Result<Self> {
        let others = WAITING.fetch_add(1, Ordering::Relaxed);
        if others >= most {
            WAITING.fetch_sub(1, Ordering::Relaxed);
            WATCHER.set(Some(watcher));
            let path = "limits.plugins.maxWaitingCalls";
            return Err(
                LimitExceeded::new(path, "calls", others.saturating_add(1), most, "wait", Errno::EAGAIN).into(),
            );
        }
        watcher.begins();
        Ok(Self(watcher))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
        self.0.ends();
        WATCHER.set(Some(Rc::clone(&self.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, poll_fn};

    #[derive(Default)]
    struct Counts {
        told: RefCell<Vec<&'static str>>,
        doomed: bool,
    }

    impl Watcher for Counts {
        fn begins(&self) {
            self.told.borrow_mut().push("begins");
        }

        fn ends(&self) {
            self.told.borrow_mut().push("ends");
        }

        fn poll_doomed(&self, _waker: &Waker) -> Poll<()> {
            if self.doomed { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    /// An answer that is there when it is asked for the second time.
    fn late<T: Copy>(answer: T) -> impl Future<Output = T> {
        let mut asked = false;
        poll_fn(move |cx| match std::mem::replace(&mut asked, true) {
            true => Poll::Ready(answer),
            false => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        })
    }

    fn waits(most: u64) -> Waits {
        Waits { most }
    }

    // One test, because what waits is counted for the whole process.
    #[test]
    fn a_wait_is_told_once_however_it_ends() {
        let counts = Rc::new(Counts::default());
        let waits = waits(1);
        assert_eq!(waits.wait(late(1)), Ok(1), "nobody watches");
        watch(Rc::clone(&counts) as Rc<dyn Watcher>);
        assert_eq!(waits.wait(std::future::ready(2)), Ok(2));
        assert_eq!(counts.told.take(), [""; 0], "it is there already");
        let within = || waits.wait(late(3));
        let nested = waits.wait(async {
            late(()).await;
            within()
        });
        assert_eq!(nested, Ok(Ok(3)));
        assert_eq!(counts.told.take(), ["begins", "ends"]);
        let broken = || -> Result<u8> {
            waits.wait(async {
                late(()).await;
                std::panic::resume_unwind(Box::new("a mistake"))
            })
        };
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(broken)).is_err());
        assert_eq!(waits.wait(late(4)), Ok(4));
        assert_eq!(counts.told.take(), ["begins", "ends", "begins", "ends"]);
        // One too many.
        let none = Waits { most: 0 };
        let error = none.wait(late(5)).unwrap_err();
        assert_eq!(error, Errno::EAGAIN);
        assert_eq!(
            error.to_string(),
            "limit exceeded: maxWaitingCalls: 1 of 0 calls (limits.plugins.maxWaitingCalls)"
        );
        assert_eq!(waits.wait(late(6)), Ok(6), "it was not counted");
        assert_eq!(counts.told.take(), ["begins", "ends"]);
        // A guest that is to end waits for nothing.
        watch(Rc::new(Counts {
            doomed: true,
            ..Counts::default()
        }));
        assert_eq!(waits.wait(pending::<u8>()).unwrap_err(), Errno::EINTR);
    }
}
