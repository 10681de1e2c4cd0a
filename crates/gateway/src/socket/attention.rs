//! Looking again for a moment before going to sleep.
//!
//! A client that makes one call after the other sends the next some ten microseconds after an answer. A thread that goes to
//! sleep meanwhile lets its processor sleep too, and rousing one takes longer than the call: on an idle machine most of what
//! such a client waits for. So while a connection has shown that its messages follow closely, its next one is looked for
//! a while before the thread sleeps.
//!
//! Invariants: the look gives every other task of the thread its turn after each glance; at most one connection of the
//! process looks at a time, so that at most one processor is kept; and a look in vain makes the next one rarer, twice each
//! time until one is of use, so that a client which pauses or a machine whose processors are all busy costs next to nothing.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Longest look. The thread of a client on the same machine wakes, and answers, in less.
const LOOK: Duration = Duration::from_micros(120);
/// A message that came within this time would have come within [`LOOK`], had this thread not slept.
const CLOSE: Duration = Duration::from_micros(200);
/// Messages in a row that must follow closely before the first look.
const FEWEST: u32 = 8;
/// The most that must follow closely, however many looks were in vain.
const MOST: u32 = 8192;

/// Whether a connection of this process looks now.
static LOOKING: AtomicBool = AtomicBool::new(false);

/// What a connection's latest messages say about the next.
#[derive(Debug)]
pub(super) struct Attention {
    /// Messages in a row that followed closely.
    close: u32,
    /// How many of them it takes before the next look.
    needed: u32,
}

impl Attention {
    pub(super) const fn new() -> Self {
        Self {
            close: 0,
            needed: FEWEST,
        }
    }

    /// Waits for the next message, which `message` resolves to. Dropping this drops `message`, and nothing else.
    pub(super) async fn wait<F: Future>(&mut self, message: F) -> F::Output {
        let mut message = pin!(message);
        // One that is there already says nothing about the pause after an answer.
        if let Poll::Ready(message) = futures_util::poll!(message.as_mut()) {
            return message;
        }
        let begun = Instant::now();
        if let Some(look) = self.look() {
            while begun.elapsed() < LOOK {
                tokio::task::yield_now().await;
                if let Poll::Ready(message) = futures_util::poll!(message.as_mut()) {
                    self.seen();
                    return message;
                }
            }
            drop(look);
            self.in_vain();
            return message.await;
        }
        let message = message.await;
        self.waited(begun.elapsed());
        message
    }

    /// Leave to look, if this connection has shown to be worth it and no other looks.
    fn look(&self) -> Option<Look> {
        (self.close >= self.needed && !LOOKING.swap(true, Ordering::Relaxed)).then_some(Look)
    }

    fn waited(&mut self, time: Duration) {
        self.close = if time <= CLOSE { self.close.saturating_add(1) } else { 0 };
    }

    fn seen(&mut self) {
        self.needed = (self.needed / 2).max(FEWEST);
    }

    fn in_vain(&mut self) {
        self.close = 0;
        self.needed = (self.needed * 2).min(MOST);
    }
}

/// The right to look, which others have once this is dropped.
struct Look;

impl Drop for Look {
    fn drop(&mut self) {
        LOOKING.store(false, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::future::{pending, poll_fn};

    /// The right to look is the process's.
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

    fn keen() -> Attention {
        Attention {
            close: FEWEST,
            needed: FEWEST,
        }
    }

    #[test]
    fn messages_that_follow_closely_earn_a_look_and_looks_in_vain_make_it_rarer() {
        let _alone = ALONE.blocking_lock();
        let mut attention = Attention::new();
        for needed in [FEWEST, 2 * FEWEST, 4 * FEWEST] {
            for _ in 0..needed {
                assert!(attention.look().is_none());
                attention.waited(CLOSE);
            }
            assert!(attention.look().is_some());
            attention.in_vain();
        }
        for _ in 0..40 {
            attention.in_vain();
        }
        assert_eq!(attention.needed, MOST);
        attention.seen();
        assert_eq!(attention.needed, MOST / 2);
    }

    #[test]
    fn a_pause_begins_the_count_again() {
        let mut attention = keen();
        attention.waited(CLOSE + Duration::from_nanos(1));
        assert_eq!(attention.close, 0);
    }

    #[tokio::test]
    async fn a_message_within_the_look_is_taken_between_the_turns_of_other_tasks() {
        let _alone = ALONE.lock().await;
        let turns = Cell::new(0_u32);
        let other = async {
            loop {
                turns.set(turns.get() + 1);
                tokio::task::yield_now().await;
            }
        };
        // Nobody wakes whoever waits for this message: only a look sees it.
        let message = poll_fn(|_| {
            if turns.get() >= 3 {
                Poll::Ready(turns.get())
            } else {
                Poll::Pending
            }
        });
        let mut attention = keen();
        let seen = tokio::select! {
            biased;
            seen = attention.wait(message) => seen,
            () = other => unreachable!("it has no end"),
        };
        assert!(seen >= 3);
        assert_eq!(attention.needed, FEWEST);
        assert!(!LOOKING.load(Ordering::Relaxed));
    }

    #[tokio::test]
    async fn a_look_in_vain_ends_and_only_one_looks() {
        let _alone = ALONE.lock().await;
        let mut attention = keen();
        let look = attention.look();
        assert!(keen().look().is_none(), "another looks");
        drop(look);
        {
            let mut waiting = pin!(attention.wait(pending::<()>()));
            // Woken by nothing but itself, it comes to rest.
            let (woken, waker) = recorder();
            let mut context = std::task::Context::from_waker(&waker);
            loop {
                woken.0.store(false, Ordering::Relaxed);
                assert!(waiting.as_mut().poll(&mut context).is_pending());
                tokio::task::yield_now().await;
                if !woken.0.load(Ordering::Relaxed) {
                    break;
                }
            }
            assert!(!LOOKING.load(Ordering::Relaxed));
        }
        assert_eq!((attention.close, attention.needed), (0, 2 * FEWEST));
    }

    struct Woken(AtomicBool);

    impl std::task::Wake for Woken {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    fn recorder() -> (std::sync::Arc<Woken>, std::task::Waker) {
        let woken = std::sync::Arc::new(Woken(AtomicBool::new(false)));
        (std::sync::Arc::clone(&woken), std::task::Waker::from(woken))
    }
}
