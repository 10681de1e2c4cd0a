//! The sessions of clients, of which there is a bounded number.

use crate::client::StreamEnd;
use crate::limits::Limits;
use rmcp::model::{ClientJsonRpcMessage, GetExtensions, JsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, LocalSessionManagerError};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio_util::sync::WaitForCancellationFutureOwned;

/// Sessions in memory.
pub(super) struct Sessions {
    all: LocalSessionManager,
    cap: usize,
    /// Held while one is made, so that no two take the last place.
    making: tokio::sync::Mutex<()>,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("there are {0} sessions, as many as mcp.maxSessions allows")]
    Full(usize),
    #[error(transparent)]
    Session(#[from] LocalSessionManagerError),
}

impl Sessions {
    pub(super) fn new(limits: &Limits) -> Self {
        let mut all = LocalSessionManager::default();
        all.session_config.keep_alive = Some(limits.max_idle);
        Self {
            all,
            cap: limits.max_sessions,
            making: tokio::sync::Mutex::default(),
        }
    }

    /// Whether there is no room for another.
    pub(super) async fn is_full(&self) -> bool {
        self.all.sessions.read().await.len() >= self.cap
    }
}

impl SessionManager for Sessions {
    type Error = Error;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Error> {
        let _alone = self.making.lock().await;
        let count = self.all.sessions.read().await.len();
        if count >= self.cap {
            return Err(Error::Full(count));
        }
        Ok(self.all.create_session().await?)
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Error> {
        Ok(self.all.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Error> {
        Ok(self.all.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Error> {
        Ok(self.all.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        mut message: ClientJsonRpcMessage,
    ) -> Result<impl futures_core::Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        let end = StreamEnd::default();
        if let JsonRpcMessage::Request(request) = &mut message {
            request.request.extensions_mut().insert(end.clone());
        }
        Ok(UntilEnd::new(self.all.create_stream(id, message).await?, end))
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Error> {
        Ok(self.all.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl futures_core::Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        Ok(self.all.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl futures_core::Stream<Item = ServerSseMessage> + Send + Sync + 'static, Error> {
        Ok(self.all.resume(id, last_event_id).await?)
    }
}

/// The messages of a stream until a call ends it. What comes later waits for the client to come back.
struct UntilEnd<S> {
    inner: Pin<Box<S>>,
    end: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl<S> UntilEnd<S> {
    fn new(inner: S, end: StreamEnd) -> Self {
        Self {
            inner: Box::pin(inner),
            end: Box::pin(end.0.cancelled_owned()),
        }
    }
}

impl<S: futures_core::Stream> futures_core::Stream for UntilEnd<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        // What was sent before the end comes before it.
        match self.inner.as_mut().poll_next(cx) {
            Poll::Ready(item) => Poll::Ready(item),
            Poll::Pending => self.end.as_mut().poll(cx).map(|()| None),
        }
    }
}
