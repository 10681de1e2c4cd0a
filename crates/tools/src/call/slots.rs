//! How many calls run at a time: whoever comes beyond that waits, in order.

use agentos_kernel::limits::Counter;
use agentos_kernel::process::Kernel;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// The queue of a VM; what is taken is counted by its kernel.
#[derive(Default)]
pub(crate) struct Slots(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(u64, Waker)>,
    /// Numbers of those who were given the slot of one that ended, and have not noticed.
    granted: Vec<u64>,
    next: u64,
}

impl Slots {
    /// Waits for a slot.
    pub(super) fn take<'a>(&'a self, kernel: &'a Arc<Kernel>) -> Take<'a> {
        Take {
            slots: self,
            kernel,
            number: None,
        }
    }

    /// Hands a slot to the first who waits, or gives it back.
    fn release(&self, calls: &Counter) {
        let mut queue = self.0.lock();
        let next = queue.waiting.pop_front();
        match &next {
            Some((number, _)) => queue.granted.push(*number),
            None => calls.give(1),
        }
        drop(queue);
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }
}

/// Resolves to a slot.
pub(super) struct Take<'a> {
    slots: &'a Slots,
    kernel: &'a Arc<Kernel>,
    /// Its place in the queue, once it has one.
    number: Option<u64>,
}

/// A slot that is held.
pub(super) struct Slot<'a> {
    slots: &'a Slots,
    kernel: &'a Arc<Kernel>,
}

impl<'a> Future for Take<'a> {
    type Output = Slot<'a>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Slot<'a>> {
        let (slots, kernel) = (self.slots, self.kernel);
        let mut queue = slots.0.lock();
        let number = self.number;
        let taken = match number {
            Some(number) => queue.collect(number),
            None => queue.waiting.is_empty() && kernel.tool_calls().take(1, "tool").is_ok(),
        };
        if taken {
            drop(queue);
            self.number = None;
            return Poll::Ready(Slot { slots, kernel });
        }
        self.number = Some(queue.wait(number, cx.waker()));
        Poll::Pending
    }
}

impl Queue {
    /// Whether this number was given a slot.
    fn collect(&mut self, number: u64) -> bool {
        let granted = self.granted.iter().position(|granted| *granted == number);
        granted.map(|at| self.granted.swap_remove(at)).is_some()
    }

    /// Joins the queue, or stays in it.
    fn wait(&mut self, number: Option<u64>, waker: &Waker) -> u64 {
        let known = number.and_then(|number| self.waiting.iter_mut().find(|(waiting, _)| *waiting == number));
        if let Some((number, known)) = known {
            known.clone_from(waker);
            return *number;
        }
        let number = self.next;
        self.next += 1;
        self.waiting.push_back((number, waker.clone()));
        number
    }
}

impl Drop for Take<'_> {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut queue = self.slots.0.lock();
        let granted = queue.collect(number);
        queue.waiting.retain(|(waiting, _)| *waiting != number);
        drop(queue);
        if granted {
            self.slots.release(self.kernel.tool_calls());
        }
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.slots.release(self.kernel.tool_calls());
    }
}
