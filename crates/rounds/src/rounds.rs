use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// Rounds of one poll at most.
const MOST: u32 = 8;

/// The future is being polled.
const POLLING: u8 = 1;
/// It has been woken since the last poll began.
const WOKEN: u8 = 2;

/// A future that is polled again at once when it has woken itself.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Rounds<F> {
    future: Pin<Box<F>>,
    signal: Arc<Signal>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Signal {
    state: AtomicU8,
    task: AtomicWaker,
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Always a change, never a mere look: a poll that begins after this one sees what the wake is about.
        if self.state.fetch_or(WOKEN, Ordering::AcqRel) == 0 {
            self.task.wake();
        }
    }
}

impl<F: Future> Rounds<F> {
    /// Around `future`.
    pub fn new(future: F) -> Self {
        let signal = Arc::<Signal>::default();
        Self {
            future: Box::pin(future),
            waker: Waker::from(Arc::clone(&signal)),
            signal,
        }
    }
}

impl<F: Future> Future for Rounds<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        this.signal.task.register(context.waker());
        let mut inner = Context::from_waker(&this.waker);
        for _ in 0..MOST {
            this.signal.state.swap(POLLING, Ordering::AcqRel);
            let polled = this.future.as_mut().poll(&mut inner);
            let rest = this
                .signal
                .state
                .compare_exchange(POLLING, 0, Ordering::AcqRel, Ordering::Acquire);
            if polled.is_ready() || rest.is_ok() {
                return polled;
            }
        }
        this.signal.state.swap(0, Ordering::AcqRel);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Wakes itself so many times, and is then done.
    async fn rounds(count: u32) -> u32 {
        for _ in 0..count {
            let mut first = true;
            std::future::poll_fn(|context| {
                if !std::mem::take(&mut first) {
                    return Poll::Ready(());
                }
                context.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
        count
    }

    #[test]
    fn what_wakes_itself_is_polled_again_without_the_runtime() {
        let count = Arc::<Count>::default();
        let waker = Waker::from(Arc::clone(&count));
        let mut context = Context::from_waker(&waker);
        let mut few = Rounds::new(rounds(MOST - 1));
        assert_eq!(Pin::new(&mut few).poll(&mut context), Poll::Ready(MOST - 1));
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        // One that does not stop takes turns.
        let mut many = Rounds::new(rounds(3 * MOST));
        for turn in 1..=3 {
            assert!(Pin::new(&mut many).poll(&mut context).is_pending());
            assert_eq!(count.0.load(Ordering::Relaxed), turn);
        }
        assert!(Pin::new(&mut many).poll(&mut context).is_ready());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_wake_from_elsewhere_is_never_lost() {
        let (there, here) = tokio::sync::mpsc::channel::<u32>(1);
        let sum = tokio::spawn(Rounds::new(async move {
            let (mut here, mut sum) = (here, 0);
            while let Some(number) = here.recv().await {
                sum += number;
            }
            sum
        }));
        for number in 0..10_000 {
            there.send(number).await.unwrap();
        }
        drop(there);
        assert_eq!(sum.await.unwrap(), 10_000 * 9_999 / 2);
    }
}
