//! A lookup under way, as the kernel sees it.

use crate::fan::Fan;
use agentos_kernel::fd::IoResult;
use agentos_kernel::net as egress;
use agentos_kernel::{Errno, Result};
use core::future::Future;
use core::net::IpAddr;
use core::task::{Poll, Waker};
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Something that the network runtime works on. Dropping it stops the work.
pub(crate) struct Task<T> {
    shared: Arc<Shared<T>>,
    work: Option<AbortHandle>,
}

struct Shared<T> {
    outcome: Mutex<Option<Result<T>>>,
    waiting: Fan,
}

impl<T> Shared<T> {
    fn finish(&self, outcome: Result<T>) {
        let mut kept = self.outcome.lock();
        if kept.is_none() {
            *kept = Some(outcome);
        }
        drop(kept);
        self.waiting.wake();
    }
}

/// Finishes with an error when the work ends without a result, as it does when it panics.
struct Promise<T>(Arc<Shared<T>>);

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.0.finish(Err(Errno::EAGAIN.into()));
    }
}

impl<T: Clone + Send + 'static> Task<T> {
    /// Starts the work.
    pub(crate) fn start(runtime: &Handle, work: impl Future<Output = Result<T>> + Send + 'static) -> Arc<Self> {
        let shared = Arc::new(Shared {
            outcome: Mutex::new(None),
            waiting: Fan::new(),
        });
        let promise = Promise(Arc::clone(&shared));
        let handle = runtime.spawn(async move { promise.0.finish(work.await) });
        Arc::new(Self {
            shared,
            work: Some(handle.abort_handle()),
        })
    }

    /// Something that is done already.
    pub(crate) fn done(outcome: Result<T>) -> Arc<Self> {
        Arc::new(Self {
            shared: Arc::new(Shared {
                outcome: Mutex::new(Some(outcome)),
                waiting: Fan::new(),
            }),
            work: None,
        })
    }

    fn poll_outcome(&self, waker: Option<&Waker>) -> IoResult<T> {
        let ready = || self.shared.outcome.lock().clone();
        if let Some(outcome) = ready() {
            return Poll::Ready(outcome);
        }
        self.shared.waiting.register(waker);
        ready().map_or(Poll::Pending, Poll::Ready)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if let Some(work) = &self.work {
            work.abort();
        }
    }
}

impl egress::Lookup for Task<Vec<IpAddr>> {
    fn poll(&self, waker: Option<&Waker>) -> IoResult<Vec<IpAddr>> {
        self.poll_outcome(waker)
    }
}

impl egress::Query for Task<Vec<u8>> {
    fn poll(&self, waker: Option<&Waker>) -> IoResult<Vec<u8>> {
        self.poll_outcome(waker)
    }
}
