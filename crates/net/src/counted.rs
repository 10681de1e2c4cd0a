//! A guest's end whose bytes are counted for the hook.

use crate::hook::{EgressHook, Traffic};
use crate::passage::{GuestSide, Target};
use crate::piped::GuestEnd;
use agentos_kernel::{Errno, Error};
use core::panic::AssertUnwindSafe;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::panic::catch_unwind;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Counts until it is dropped, then tells the hook.
pub(crate) struct Counted {
    guest: GuestEnd,
    target: Target,
    hook: Option<Arc<dyn EgressHook>>,
    traffic: Traffic,
    /// Whether the task has ended the guest's stream in good order.
    shut: bool,
}

impl Counted {
    pub(crate) fn new(guest: GuestEnd, target: Target, hook: Option<Arc<dyn EgressHook>>) -> Self {
        Self {
            guest,
            target,
            hook,
            traffic: Traffic::default(),
            shut: false,
        }
    }
}

impl GuestSide for Counted {
    fn reset(&self, error: Error) {
        self.guest.reset(error);
    }
}

impl AsyncRead for Counted {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.guest).poll_read(context, buf);
        self.traffic.sent += (buf.filled().len() - before) as u64;
        polled
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.guest).poll_write(context, data);
        if let Poll::Ready(Ok(count)) = polled {
            self.traffic.received += count as u64;
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.guest).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut = true;
        Pin::new(&mut self.guest).poll_shutdown(context)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // A stream that just stops must not pass for one that was complete.
        if !self.shut {
            self.guest.reset(Errno::ECONNRESET.into());
        }
        if let Some(hook) = self.hook.take() {
            // The host's code; what it does wrong ends here.
            let _ = catch_unwind(AssertUnwindSafe(|| hook.closed(&self.target, self.traffic)));
        }
    }
}
