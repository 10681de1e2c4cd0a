//! What keeps one awake actor awake: work in flight and guards, and when the last of it ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::Clock;

/// The reasons of one generation to stay awake.
pub(crate) struct Busy {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    /// Notified when the last work in flight ends.
    done: Notify,
}

#[derive(Debug)]
struct Inner {
    in_flight: usize,
    guards: BTreeMap<String, usize>,
    last_active_ms: i64,
}

impl Busy {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let last_active_ms = clock.now_ms();
        let inner = Mutex::new(Inner {
            in_flight: 0,
            guards: BTreeMap::new(),
            last_active_ms,
        });
        Arc::new(Self {
            clock,
            inner,
            done: Notify::new(),
        })
    }

    pub(crate) fn begin(&self) {
        self.inner.lock().in_flight += 1;
    }

    pub(crate) fn end(&self) {
        let now = self.clock.now_ms();
        let mut inner = self.inner.lock();
        inner.last_active_ms = now;
        inner.in_flight -= 1;
        if inner.in_flight == 0 {
            self.done.notify_waiters();
        }
    }

    /// Restarts the idle time.
    pub(crate) fn touch(&self) {
        let now = self.clock.now_ms();
        self.inner.lock().last_active_ms = now;
    }

    /// When the idle time began, or `None` if something keeps the actor awake.
    pub(crate) fn idle_since(&self) -> Option<i64> {
        let inner = self.inner.lock();
        (inner.in_flight == 0 && inner.guards.is_empty()).then_some(inner.last_active_ms)
    }

    /// Resolves when no work is in flight.
    pub(crate) async fn drained(&self) {
        loop {
            let done = self.done.notified();
            let mut done = std::pin::pin!(done);
            done.as_mut().enable();
            if self.inner.lock().in_flight == 0 {
                return;
            }
            done.await;
        }
    }

    /// The names of the reasons.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let inner = self.inner.lock();
        let request = (inner.in_flight > 0).then(|| "request".to_owned());
        request.into_iter().chain(inner.guards.keys().cloned()).collect()
    }

    pub(crate) fn guard(self: &Arc<Self>, reason: String) -> KeepAwake {
        *self.inner.lock().guards.entry(reason.clone()).or_default() += 1;
        KeepAwake {
            busy: Arc::clone(self),
            reason,
        }
    }
}

/// Keeps an actor awake until it is dropped. See [`crate::ActorContext::keep_awake`].
#[must_use = "the actor may sleep as soon as this is dropped"]
pub struct KeepAwake {
    busy: Arc<Busy>,
    reason: String,
}

impl KeepAwake {
    /// The reason, as `awakeBecause` names it.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl std::fmt::Debug for KeepAwake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("KeepAwake").field(&self.reason).finish()
    }
}

impl Drop for KeepAwake {
    fn drop(&mut self) {
        let now = self.busy.clock.now_ms();
        let mut inner = self.busy.inner.lock();
        inner.last_active_ms = now;
        if let Some(count) = inner.guards.get_mut(&self.reason) {
            *count -= 1;
            if *count == 0 {
                inner.guards.remove(&self.reason);
            }
        }
    }
}
