//! The host's own word on a guest's connections.
//!
//! A hook hears of every connection that policy and guard have admitted and may refuse it, send it elsewhere or through a proxy; it
//! cannot admit what they refuse. It fails closed: a hook that panics or does not answer in time has refused.

use crate::passage::{BoxFuture, Target};
use crate::proxy::Proxy;
use core::future::{Future, poll_fn};
use core::panic::AssertUnwindSafe;
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use std::panic::catch_unwind;

/// Decides about the connections of a VM and sees how much went over them. Called on the network's threads, which it must not
/// block: what takes time belongs into the future.
pub trait EgressHook: Send + Sync + 'static {
    /// Where a connection goes. `target` holds the checked address, the names under which the VM looked it up, and the process.
    fn route<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Route>;

    /// A connection has ended, whatever the reason. `target` is where it really went.
    fn closed(&self, target: &Target, traffic: Traffic) {
        let _ = (target, traffic);
    }

    /// Whether a guest may exchange datagrams with an address. Unless a hook says otherwise it may not: what decides about
    /// connections alone would be stepped around by datagrams.
    fn allows_datagrams(&self, target: &Target) -> bool {
        let _ = target;
        false
    }
}

/// Where a connection goes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Route {
    /// To its target: through the VM's proxy if it has one.
    Allow,
    /// Nowhere. The guest gets `EACCES`, its process can read the reason.
    Deny {
        /// For people; the guest sees it.
        reason: String,
    },
    /// To another host, which passes resolver, guard and policy like any other. The hook is not asked again.
    Rewrite {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
    },
    /// To its target, through this proxy.
    Proxy(Proxy),
}

/// What went over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Traffic {
    /// Bytes from the guest.
    pub sent: u64,
    /// Bytes to the guest.
    pub received: u64,
}

/// Longest reason that is passed on, in characters.
const REASON_MAX: usize = 256;

/// Asks the hook; the error is why the connection is refused.
pub(crate) async fn ask(hook: &dyn EgressHook, target: &Target, deadline: Duration) -> Result<Route, String> {
    let routed = async { hook.route(target).await };
    match tokio::time::timeout(deadline, caught(routed)).await {
        Ok(Ok(Route::Deny { reason })) => Err(reason.escape_debug().take(REASON_MAX).collect()),
        Ok(Ok(route)) => Ok(route),
        Ok(Err(Panicked)) => Err("the egress hook failed".to_owned()),
        Err(_) => Err("the egress hook did not answer in time".to_owned()),
    }
}

struct Panicked;

/// A hook is the host's code; its panic ends one connection and nothing else.
async fn caught<F: Future>(future: F) -> Result<F::Output, Panicked> {
    let mut future = pin!(future);
    poll_fn(|context| {
        // The future is not polled again after a panic.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(_) => Poll::Ready(Err(Panicked)),
        }
    })
    .await
}
