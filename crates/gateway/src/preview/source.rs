//! What the proxy asks of the actors behind it.

use super::address::Token;
use agentos_actor::PreviewBounds;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// A boxed future.
pub type Waiting<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Bytes to and from a listener inside a VM.
pub trait GuestIo: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> GuestIo for T {}

/// A connection to a listener inside a VM.
pub type GuestConnection = Box<dyn GuestIo>;

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Unknown, expired, revoked or somebody else's token. One answer for all, and one way to find out.
    Denied,
    /// The actor cannot be used now, and might be soon: it stops, moves, or there are too many awake.
    Unavailable,
    /// Nobody listens, or the VM does not start.
    NoListener,
}

/// Knows preview tokens.
pub trait Previews: Send + Sync + 'static {
    /// Checks a token, without waking anything. `actor` is the actor that the request names; the token must be one of its
    /// own. Without it, the token alone finds the actor.
    fn authorize<'a>(
        &'a self,
        actor: Option<&'a str>,
        token: &'a Token,
    ) -> Waiting<'a, Result<Arc<dyn Grant>, Refusal>>;
}

/// A valid token in use. The actor stays awake while a clone is held.
pub trait Grant: Send + Sync + 'static {
    /// The actor's id.
    fn actor(&self) -> &str;

    /// The port inside the VM.
    fn port(&self) -> u16;

    /// Wakes the actor and connects to whoever listens on the port.
    fn open(&self) -> Waiting<'_, Result<GuestConnection, Refusal>>;

    /// Bounds of the requests for this actor, where they differ from the proxy's.
    fn bounds(&self) -> PreviewBounds {
        PreviewBounds::default()
    }

    /// Resolves when the token expires or is revoked, at most a second late.
    fn ended(&self) -> Waiting<'static, ()>;
}
