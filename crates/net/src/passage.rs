//! The seam for what stands between a guest and its peer: hooks, proxies, secrets.
//!
//! ```text
//!   guest --- socket of the VM --- GuestEnd [ Interceptor ] HostEnd --- socket of the host --- peer
//! ```
//!
//! Every connection was judged before an [`Interceptor`] sees it: the address in [`Target`] is one that policy and guard
//! admit. An interceptor that wants the connection makes the host's side of it ([`Interceptor::connect`], by default to the
//! address itself) and then owns both ends ([`Interceptor::carry`], by default copying). A connection that no interceptor wants
//! has none of this in its way.
//!
//! Futures run on the process's network runtime; they must not block a thread.

use crate::dial::Dial;
use crate::piped::GuestEnd;
use agentos_kernel::id::Pid;
use agentos_kernel::{Error, Result};
use core::future::Future;
use core::net::SocketAddr;
use core::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};

/// A future that may be kept anywhere.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection that a guest asked for and that guard and policy admit.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Target {
    /// Where to, checked.
    pub address: SocketAddr,
    /// The names that the VM's resolver answered with this address, in lower case and without a final dot, the latest first.
    /// They are what the guest looked up, not what the peer is.
    pub names: Arc<[Box<str>]>,
    /// The process that asks.
    pub pid: Pid,
}

impl Target {
    /// A target.
    pub fn new(address: SocketAddr, names: impl Into<Arc<[Box<str>]>>, pid: Pid) -> Self {
        Self {
            address,
            names: names.into(),
            pid,
        }
    }
}

/// A stream of bytes in both directions.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// The host's side of a connection.
pub type HostEnd = Box<dyn ByteStream>;

/// A connection that was made.
pub struct Connected {
    /// The host's side of it.
    pub host: HostEnd,
    /// Where it really leads: what the guest asked for, or what took its place.
    pub target: Target,
}

/// Something between a guest and its peers.
pub trait Interceptor: Send + Sync + 'static {
    /// Whether it wants to see this connection. Asked in the guest's own call, so it must be quick.
    fn wants(&self, target: &Target) -> bool;

    /// Makes the host's side of the connection: to the target, to where the operator says, or through a proxy.
    ///
    /// # Errors
    /// What the guest's `connect` fails with: [`Error::refused`] with a text, or an error number.
    fn connect<'a>(&'a self, target: &'a Target, dial: &'a Dial) -> BoxFuture<'a, Result<Connected>> {
        Box::pin(async move {
            Ok(Connected {
                host: Box::new(dial.target(target).await?),
                target: target.clone(),
            })
        })
    }

    /// Carries the bytes of a connection until both ends are done; `target` is that of [`Connected`]. Dropping the future ends the connection.
    fn carry(&self, target: Target, guest: GuestEnd, host: HostEnd) -> BoxFuture<'static, ()> {
        let _ = target;
        Box::pin(copy(guest, host))
    }

    /// Whether a flow of datagrams may be opened; it goes past the interceptor.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    fn datagrams(&self, target: &Target) -> Result<()> {
        let _ = target;
        Ok(())
    }
}

/// A guest's end, possibly with something around it.
pub trait GuestSide: ByteStream {
    /// As [`GuestEnd::reset`].
    fn reset(&self, error: Error);
}

impl GuestSide for GuestEnd {
    fn reset(&self, error: Error) {
        GuestEnd::reset(self, error);
    }
}

/// Copies until both directions have ended. An error on one side resets the other.
pub async fn copy(mut guest: impl GuestSide, mut host: HostEnd) {
    if let Err(error) = tokio::io::copy_bidirectional(&mut guest, &mut host).await {
        guest.reset(Error::from(crate::errors::errno(&error)));
    }
}
