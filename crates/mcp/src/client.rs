//! The client that made a call, as far as a call can reach it.

use crate::records::Level;
use rmcp::RoleServer;
use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::service::{Peer, RequestContext};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Who called.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) peer: Peer<RoleServer>,
    pub(crate) level: Arc<Level>,
    token: Option<ProgressToken>,
    stream: Option<StreamEnd>,
}

/// Ends the stream on which a client over HTTP waits for an answer; put into requests by the sessions.
#[derive(Debug, Clone, Default)]
pub(crate) struct StreamEnd(pub(crate) CancellationToken);

impl Client {
    pub(crate) fn new(context: &RequestContext<RoleServer>, level: &Arc<Level>) -> Self {
        Self {
            peer: context.peer.clone(),
            level: Arc::clone(level),
            token: context.meta.get_progress_token(),
            stream: context.extensions.get::<StreamEnd>().cloned(),
        }
    }

    /// What it wants to hear of progress by.
    pub(crate) fn token(&self) -> Option<ProgressToken> {
        self.token.clone()
    }

    /// Tells how far a call is.
    pub(crate) async fn progress(&self, done: f64, total: Option<f64>, message: Option<&str>) {
        let Some(token) = self.token() else { return };
        let mut param = ProgressNotificationParam::new(token, done);
        param.total = total;
        param.message = message.map(str::to_owned);
        // A client that is gone needs no news.
        let _ = self.peer.notify_progress(param).await;
    }

    /// Ends the stream of its request, if it has one.
    pub(crate) fn release_stream(&self) {
        if let Some(stream) = &self.stream {
            stream.0.cancel();
        }
    }
}
