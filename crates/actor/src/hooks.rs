//! Running the code of definitions: with a deadline, and so that neither an error nor a panic gets further than it may.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use agentos_value::ActorError;

use crate::clock::{Clock, timeout};
use crate::error::auth_timeout;
use crate::{BoxFuture, Failure};

/// What a panic left.
#[derive(Debug, thiserror::Error)]
#[error("panicked: {0}")]
pub(crate) struct Panicked(String);

/// Runs `future`, and makes an error of a panic in it.
pub(crate) fn catch<'a, T>(future: impl Future<Output = T> + Send + 'a) -> Catch<'a, T> {
    Catch(Some(Box::pin(future)))
}

/// See [`catch`].
pub(crate) struct Catch<'a, T>(Option<BoxFuture<'a, T>>);

impl<T> Future for Catch<'_, T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = self.0.as_mut() else {
            return Poll::Pending;
        };
        // The future is dropped after a panic and never polled again, so its broken state is not seen.
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(payload) => {
                let future = self.0.take();
                // Destructors of a future that panicked may panic as well.
                let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
                Poll::Ready(Err(Panicked(panic_text(&*payload))))
            }
        }
    }
}

fn panic_text(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "not with a text".to_owned())
}

/// Runs one hook. Whatever it does other than succeed is a refusal.
pub(crate) async fn hook<T>(
    clock: &dyn Clock,
    step: &str,
    deadline: Duration,
    future: impl Future<Output = Result<T, Failure>> + Send,
) -> Result<T, ActorError> {
    match timeout(clock, deadline, catch(future)).await {
        Ok(Ok(Ok(value))) => Ok(value),
        Ok(Ok(Err(failure))) => Err(failure.publish(step)),
        Ok(Err(panicked)) => Err(Failure::internal(panicked).publish(step)),
        Err(_) => Err(auth_timeout(step, deadline.as_millis())),
    }
}

/// Runs something whose result nobody sees. Failures are logged.
pub(crate) async fn notify(clock: &dyn Clock, step: &str, deadline: Duration, future: impl Future<Output = ()> + Send) {
    match timeout(clock, deadline, catch(future)).await {
        Ok(Ok(())) => {}
        Ok(Err(panicked)) => tracing::error!(target: "agentos::actor", step, error = %panicked, "a hook failed"),
        Err(_) => {
            tracing::error!(target: "agentos::actor", step, timeout_ms = deadline.as_millis(), "a hook took too long");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ManualClock, SystemClock};

    #[tokio::test]
    async fn errors_panics_and_delays_refuse() {
        let second = Duration::from_secs(1);
        let clock = SystemClock;
        assert_eq!(hook(&clock, "h", second, async { Ok(1) }).await, Ok(1));
        let user = ActorError::user("forbidden", "Forbidden");
        let thrown = user.clone();
        assert_eq!(
            hook::<()>(&clock, "h", second, async { Err(thrown.into()) }).await,
            Err(user)
        );
        let masked = hook::<()>(&clock, "h", second, async { panic!("secret") })
            .await
            .unwrap_err();
        assert!(masked.is("internal", "internal_error") && !format!("{masked:?}").contains("secret"));
        let manual = ManualClock::default();
        let late = hook::<()>(&manual, "onConnect", second, std::future::pending());
        let (late, ()) = tokio::join!(late, async {
            while manual.sleepers() == 0 {
                tokio::task::yield_now().await;
            }
            manual.advance(second);
        });
        assert!(late.unwrap_err().is("auth", "auth_timeout"));
    }
}
