//! Waiting for durability without holding the thread that waits.
//!
//! What makes a file durable waits for a disk, which takes as long as it takes. A guest's thread belongs to all guests, so a
//! filesystem that has to wait gives a [`Settling`], which is polled as everything else in the kernel that may wait.

use crate::error::Result;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// Something that is on its way to the disk: ready once it is there, or has failed. It holds no lock. Dropping it takes
/// nothing back: what is on its way still gets there.
pub type Settling = Pin<Box<dyn Future<Output = Result<()>> + Send>>;

/// Where a call that waits for durability stands between its steps.
#[derive(Default)]
pub struct Settle(Option<Settling>);

impl Settle {
    /// One more step of what has begun; ready if nothing has.
    pub fn resume(&mut self, waker: &Waker) -> Poll<Result<()>> {
        self.poll(|| Ok(None), waker)
    }

    /// One step: begins with `begin` at the first, and goes on with what that gave at the others. After the last step the next
    /// one begins anew.
    pub(crate) fn poll(&mut self, begin: impl FnOnce() -> Result<Option<Settling>>, waker: &Waker) -> Poll<Result<()>> {
        let mut settling = match self.0.take() {
            Some(settling) => settling,
            None => match begin()? {
                Some(settling) => settling,
                None => return Poll::Ready(Ok(())),
            },
        };
        let polled = settling.as_mut().poll(&mut Context::from_waker(waker));
        if polled.is_pending() {
            self.0 = Some(settling);
        }
        polled
    }
}

impl core::fmt::Debug for Settle {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Settle").field(&self.0.is_some()).finish()
    }
}

/// Waits for all of several; the first error is told after all have ended.
pub(super) fn all(settling: Vec<Settling>, begun: Result<()>) -> Settling {
    Box::pin(All {
        settling,
        outcome: begun,
    })
}

struct All {
    settling: Vec<Settling>,
    outcome: Result<()>,
}

impl Future for All {
    type Output = Result<()>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let mut failed = Ok(());
        this.settling.retain_mut(|one| match one.as_mut().poll(context) {
            Poll::Pending => true,
            Poll::Ready(outcome) => {
                failed = core::mem::replace(&mut failed, Ok(())).and(outcome);
                false
            }
        });
        this.outcome = core::mem::replace(&mut this.outcome, Ok(())).and(failed);
        match this.settling.is_empty() {
            true => Poll::Ready(core::mem::replace(&mut this.outcome, Ok(()))),
            false => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errno::Errno;
    use core::future::{pending, ready};

    #[test]
    fn a_wait_begins_once_and_is_forgotten_at_its_end() {
        let (mut settle, mut begun) = (Settle::default(), 0);
        let mut step = |result: Result<Option<Settling>>| {
            settle.poll(
                || {
                    begun += 1;
                    result
                },
                Waker::noop(),
            )
        };
        assert!(matches!(step(Ok(None)), Poll::Ready(Ok(()))));
        assert!(matches!(step(Err(Errno::EIO.into())), Poll::Ready(Err(_))));
        assert!(step(Ok(Some(Box::pin(pending())))).is_pending());
        // A second step goes on with the first wait.
        assert!(step(Ok(None)).is_pending());
        assert_eq!(begun, 3);
    }

    #[test]
    fn all_are_waited_for_and_the_first_error_is_told() {
        let fails = || Box::pin(ready(Err(Errno::EIO.into()))) as Settling;
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting = all(vec![fails(), Box::pin(pending())], Ok(()));
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        let mut ended = all(vec![Box::pin(ready(Ok(()))), fails()], Err(Errno::ENOSPC.into()));
        let Poll::Ready(Err(error)) = ended.as_mut().poll(&mut context) else {
            panic!("an error")
        };
        assert_eq!(error.errno(), Errno::ENOSPC);
    }
}
