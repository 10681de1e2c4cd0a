//! Calling functions of JavaScript from Rust.
//!
//! A function is known by a number that the TypeScript side gave it. The call is a letter; the TypeScript side runs the
//! function, awaits what it returns, and answers with [`settle`]. Every call has a deadline, after which the caller goes on
//! and a late answer is dropped. A function that throws or rejects is a [`CallError::Threw`], an environment that ends a
//! [`CallError::Gone`]: the caller always gets an answer.

use crate::error;
use crate::mailbox::{Letter, Mailbox};
use agentos_value::{ActorError, Value};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::sync::oneshot;

/// A function of JavaScript. It may be called from any thread but that of its own environment, which would wait for itself.
#[derive(Clone)]
pub(crate) struct Callback {
    mailbox: Arc<Mailbox>,
    function: u32,
}

/// Why a call gave no result.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum CallError {
    /// It threw or rejected with an error that users may see.
    Refused(ActorError),
    /// It threw or rejected with anything else; the text is for the log.
    Threw(String),
    /// It did not end in time.
    TimedOut(Duration),
    /// Its environment has ended.
    Gone,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Threw(text) => f.write_str(text),
            Self::TimedOut(deadline) => write!(f, "the function did not end within {} ms", deadline.as_millis()),
            Self::Gone => f.write_str("the JavaScript environment of the function has ended"),
        }
    }
}

type Answer = Result<Value, CallError>;

/// Who waits for an answer.
type Waiting = oneshot::Sender<Answer>;

/// Calls under way, of all environments.
struct Calls {
    next: AtomicU32,
    waiting: Mutex<HashMap<u32, (Waiting, Arc<Mailbox>)>>,
}

static CALLS: LazyLock<Calls> = LazyLock::new(|| Calls {
    next: AtomicU32::new(1),
    waiting: Mutex::default(),
});

impl Callback {
    /// The function with this number in this environment.
    pub(crate) fn new(mailbox: &Arc<Mailbox>, function: u32) -> Self {
        Self {
            mailbox: Arc::clone(mailbox),
            function,
        }
    }

    /// Calls the function and waits for what it returns or resolves to. Dropping the future abandons the call.
    ///
    /// # Errors
    /// See [`CallError`].
    pub(crate) async fn call(&self, args: Vec<Value>, deadline: Duration) -> Answer {
        let (sender, receiver) = oneshot::channel();
        let pending = self.post(sender, args)?;
        let answer = tokio::time::timeout(deadline, receiver).await;
        match answer {
            Ok(Ok(answer)) => pending.answered(answer),
            Ok(Err(_)) => Err(CallError::Gone),
            Err(_) => Err(CallError::TimedOut(deadline)),
        }
    }

    fn post(&self, waiting: Waiting, args: Vec<Value>) -> Result<Pending, CallError> {
        let call = CALLS.next.fetch_add(1, Ordering::Relaxed);
        CALLS.waiting.lock().insert(call, (waiting, Arc::clone(&self.mailbox)));
        let pending = Pending {
            call,
            mailbox: Arc::clone(&self.mailbox),
            answered: false,
        };
        let letter = Letter::Call {
            call,
            function: self.function,
            args,
        };
        match self.mailbox.post(letter) {
            true => Ok(pending),
            false => Err(CallError::Gone),
        }
    }
}

/// A call that somebody waits for; dropping it tells the other side that nobody does any more.
struct Pending {
    call: u32,
    mailbox: Arc<Mailbox>,
    answered: bool,
}

impl Pending {
    fn answered(mut self, answer: Answer) -> Answer {
        self.answered = true;
        answer
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if !self.answered {
            CALLS.waiting.lock().remove(&self.call);
            self.mailbox.post(Letter::Abandoned(self.call));
        }
    }
}

/// Answers a call. One that nobody waits for is ignored.
pub(crate) fn settle(call: u32, ok: bool, value: Value) {
    let Some((waiting, _)) = CALLS.waiting.lock().remove(&call) else {
        return;
    };
    let answer = match ok {
        true => Ok(value),
        false => Err(match error::from_value(&value) {
            Ok(error) => CallError::Refused(error),
            Err(text) => CallError::Threw(text),
        }),
    };
    // Whoever waited may have gone meanwhile.
    let _ = waiting.send(answer);
}

/// Fails every call into an environment that has ended.
pub(crate) fn fail_all(mailbox: &Arc<Mailbox>) {
    CALLS
        .waiting
        .lock()
        .retain(|_, (_, known)| !Arc::ptr_eq(known, mailbox));
}
