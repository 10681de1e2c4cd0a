//! What a VM reports to its host.
//!
//! Events come through callbacks, which see all of them from the start, and through streams, which see what happens from when
//! they were made. A stream holds a bounded number of events for a listener that does not keep up, and counts the rest.

use crate::vm::AgentOs;
use agentos_kernel::events::{Event, EventSink};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

/// Events that a stream holds for its listener.
const WAITING_MAX: usize = 1024;

/// Called for each event.
type Callback = Arc<dyn Fn(&Event) + Send + Sync>;

/// The callbacks of a VM.
#[derive(Clone, Default)]
pub(crate) struct Callbacks(Vec<Callback>);

/// Where the events of one VM go.
pub(crate) struct Feed {
    callbacks: Callbacks,
    streams: Mutex<Vec<Weak<Queue>>>,
    listening: AtomicBool,
}

/// Events of a VM, from when this was made; made by [`AgentOs::events`]. Ends with the VM.
pub struct Events {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    missed: u64,
    ended: bool,
    task: Option<Waker>,
}

impl AgentOs {
    /// What the VM reports from now on: warnings before a limit is reached, and the audit trail.
    pub fn events(&self) -> Events {
        self.vm.feed.stream()
    }
}

impl Events {
    /// The next event; none once the VM is gone.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll(cx.waker())).await
    }

    /// Events that were lost because nobody took them.
    pub fn missed(&self) -> u64 {
        self.queue.0.lock().missed
    }

    fn poll(&mut self, waker: &Waker) -> Poll<Option<Event>> {
        let mut waiting = self.queue.0.lock();
        match waiting.events.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if waiting.ended => Poll::Ready(None),
            None => {
                waiting.task = Some(waker.clone());
                Poll::Pending
            }
        }
    }
}

impl futures_core::Stream for Events {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.poll(cx.waker())
    }
}

impl Callbacks {
    pub(crate) fn add(&mut self, callback: impl Fn(&Event) + Send + Sync + 'static) {
        self.0.push(Arc::new(callback));
    }
}

impl Feed {
    pub(crate) fn new(callbacks: Callbacks) -> Arc<Self> {
        Arc::new(Self {
            listening: AtomicBool::new(!callbacks.0.is_empty()),
            callbacks,
            streams: Mutex::default(),
        })
    }

    fn stream(&self) -> Events {
        let queue = Arc::new(Queue::default());
        self.streams.lock().push(Arc::downgrade(&queue));
        self.listening.store(true, Ordering::Release);
        Events { queue }
    }
}

impl EventSink for Feed {
    fn emit(&self, event: Event) {
        for callback in &self.callbacks.0 {
            // The host's mistake must not end the thread that serves the timers of all VMs.
            let _ = catch_unwind(AssertUnwindSafe(|| callback(&event)));
        }
        let mut streams = self.streams.lock();
        streams.retain(|stream| stream.strong_count() > 0);
        self.listening
            .store(!streams.is_empty() || !self.callbacks.0.is_empty(), Ordering::Release);
        let queues: Vec<Arc<Queue>> = streams.iter().filter_map(Weak::upgrade).collect();
        drop(streams);
        queues.iter().for_each(|queue| queue.push(event.clone()));
    }

    fn listens(&self) -> bool {
        self.listening.load(Ordering::Acquire)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        for queue in self.streams.get_mut().iter().filter_map(Weak::upgrade) {
            queue.end();
        }
    }
}

impl Queue {
    fn push(&self, event: Event) {
        let mut waiting = self.0.lock();
        match waiting.events.len() < WAITING_MAX {
            true => waiting.events.push_back(event),
            false => waiting.missed += 1,
        }
        let task = waiting.task.take();
        drop(waiting);
        task.into_iter().for_each(Waker::wake);
    }

    fn end(&self) {
        let mut waiting = self.0.lock();
        waiting.ended = true;
        let task = waiting.task.take();
        drop(waiting);
        task.into_iter().for_each(Waker::wake);
    }
}

impl std::fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} callbacks", self.0.len())
    }
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
