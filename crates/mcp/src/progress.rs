//! Telling a client what a long call is doing.
//!
//! A client that wants to know sends a token with its call. What happens meanwhile is only remembered, not queued: a task
//! tells the newest, ten times a second at most, and now and then that the call still runs, from which clients see that
//! they need not give up on it. A client that does not read slows this task alone.

use parking_lot::Mutex;
use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::Peer;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Shortest time between two notifications.
const PACE: Duration = Duration::from_millis(100);

/// Longest time between two.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// Characters of a message.
const MESSAGE_MAX: usize = 200;

/// Where a call reports to; nowhere if its client did not ask.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress(Option<Arc<Shared>>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    news: Notify,
}

#[derive(Debug, Default)]
struct State {
    message: Option<String>,
    total: Option<Duration>,
}

impl Progress {
    /// Begins to report; whoever drops the second value ends it.
    pub(crate) fn begin(peer: Peer<RoleServer>, token: Option<ProgressToken>) -> (Self, Option<Reporter>) {
        let Some(token) = token else {
            return (Self::default(), None);
        };
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(report(peer, token, Arc::clone(&shared)));
        (Self(Some(shared)), Some(Reporter(task.abort_handle())))
    }

    /// Says how long the call takes at most.
    pub(crate) fn total(&self, total: Duration) {
        if let Some(shared) = &self.0 {
            shared.state.lock().total = Some(total);
            shared.news.notify_one();
        }
    }

    /// Says what came last; of output its last line.
    pub(crate) fn output(&self, data: &[u8]) {
        let Some(shared) = &self.0 else { return };
        // The end of much output is enough.
        let tail = data.get(data.len().saturating_sub(4 * MESSAGE_MAX)..).unwrap_or(data);
        let text = String::from_utf8_lossy(tail);
        let Some(line) = text.lines().rev().map(str::trim).find(|line| !line.is_empty()) else {
            return;
        };
        shared.state.lock().message = Some(line.chars().take(MESSAGE_MAX).collect());
        shared.news.notify_one();
    }
}

/// Ends the reports when it is dropped.
#[derive(Debug)]
pub(crate) struct Reporter(tokio::task::AbortHandle);

impl Drop for Reporter {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn report(peer: Peer<RoleServer>, token: ProgressToken, shared: Arc<Shared>) {
    let start = Instant::now();
    loop {
        let _ = tokio::time::timeout(HEARTBEAT, shared.news.notified()).await;
        let (message, total) = {
            let mut state = shared.state.lock();
            (state.message.take(), state.total)
        };
        // Time alone grows in every case, as progress has to.
        let mut param = ProgressNotificationParam::new(token.clone(), start.elapsed().as_secs_f64());
        param.total = total.map(|total| total.as_secs_f64());
        param.message = message;
        if peer.notify_progress(param).await.is_err() {
            return;
        }
        tokio::time::sleep(PACE).await;
    }
}
