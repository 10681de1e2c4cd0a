//! What a tool is told besides its input.

use parking_lot::Mutex;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Whose VM it is in which tools are called. Empty for an embedded VM.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// Key of the VM.
    pub key: Option<Vec<String>>,
    /// Id of the VM.
    pub actor_id: Option<String>,
}

impl Caller {
    /// A VM that has an address.
    pub fn new(key: Vec<String>, actor_id: impl Into<String>) -> Self {
        Self {
            key: Some(key),
            actor_id: Some(actor_id.into()),
        }
    }
}

/// One call of a tool.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ToolContext {
    /// Name of the kit.
    pub kit: Arc<str>,
    /// Name of the tool.
    pub tool: Arc<str>,
    /// Whose VM it is.
    pub caller: Arc<Caller>,
    /// The session whose agent calls, if one does.
    pub session_id: Option<Arc<str>>,
    /// The process that calls.
    pub pid: u32,
    pub(crate) end: Arc<End>,
}

impl ToolContext {
    pub(crate) fn new(names: (Arc<str>, Arc<str>), caller: Arc<Caller>, pid: u32, end: Arc<End>) -> Self {
        Self {
            kit: names.0,
            tool: names.1,
            caller,
            session_id: None,
            pid,
            end,
        }
    }

    /// Resolves when the call is over: its time has passed, its caller was killed, or it has returned. The future of the function
    /// itself is dropped then; this is for what it has started elsewhere.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled(Arc::clone(&self.end))
    }

    /// Whether the call is over.
    pub fn is_cancelled(&self) -> bool {
        self.end.state.lock().over
    }
}

/// Resolves when a call is over; made by [`ToolContext::cancelled`].
#[derive(Debug)]
pub struct Cancelled(Arc<End>);

impl Future for Cancelled {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.state.lock();
        if state.over {
            return Poll::Ready(());
        }
        state.waiting.retain(|waker| !waker.will_wake(cx.waker()));
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }
}

/// Whether a call is over, and who waits for that. Only the host's own code registers here.
#[derive(Default)]
pub(crate) struct End {
    state: Mutex<EndState>,
}

#[derive(Default)]
struct EndState {
    over: bool,
    waiting: Vec<Waker>,
}

impl End {
    /// Says that the call is over.
    pub(crate) fn announce(&self) {
        let woken = {
            let mut state = self.state.lock();
            state.over = true;
            std::mem::take(&mut state.waiting)
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "End({})", self.state.lock().over)
    }
}

/// Says that a call is over when it is dropped.
pub(crate) struct Announces(pub(crate) Arc<End>);

impl Drop for Announces {
    fn drop(&mut self) {
        self.0.announce();
    }
}

/// Polls `work` until it is ready or `stop` is; `stop` decides first.
pub(crate) async fn unless<T, S>(
    mut stop: impl FnMut(&mut Context<'_>) -> Poll<S>,
    work: impl Future<Output = T>,
) -> Result<T, S> {
    let mut work = std::pin::pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(stopped) = stop(cx) {
            return Poll::Ready(Err(stopped));
        }
        work.as_mut().poll(cx).map(Ok)
    })
    .await
}
