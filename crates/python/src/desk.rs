//! Calls of host tools on their way to Python, and what they come to.
//!
//! As with outcomes of calls ([`crate::queue`]), threads of ours never enter Python: a call is put on a desk and a socket is made
//! readable. A thread of Python's, which waits for that socket, takes what is there, runs the functions, and settles the
//! calls. A call that is over before - its time has passed, its process was killed - is told the same way.

use agentos::{Tool, ToolContext, ToolError};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write as _;
use std::os::fd::{IntoRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Weak};
use tokio::sync::oneshot;

/// The calls of the tools of one VM and its copies.
pub(crate) struct Desk {
    state: Mutex<State>,
    bell: UnixStream,
}

#[derive(Default)]
struct State {
    last: u64,
    /// Calls that are not settled.
    waiting: HashMap<u64, oneshot::Sender<Result<Value, ToolError>>>,
    /// What Python has not taken.
    letters: Vec<Value>,
}

/// What a function came to.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Settled {
    Result(Value),
    /// An error for the guest: message, code, metadata.
    User(String, Option<String>, Option<Value>),
    /// Input that the function does not take: path and what is expected.
    Input(String, String),
    /// Any other error; for the log.
    Masked(String),
}

impl Desk {
    /// A desk, and the socket that is readable while there is something on it; the caller owns that.
    pub(crate) fn open() -> std::io::Result<(Arc<Self>, RawFd)> {
        let (bell, watched) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        let state = Mutex::default();
        Ok((Arc::new(Self { state, bell }), watched.into_raw_fd()))
    }

    /// The tool whose function Python knows by this number.
    pub(crate) fn tool(self: &Arc<Self>, schema: Value, function: u64) -> Tool {
        // Python holds the desk for as long as it answers; without it every call fails.
        let desk = Arc::downgrade(self);
        Tool::raw(schema, move |input, context| {
            let (desk, letter) = (desk.clone(), letter(function, &input, &context));
            Box::pin(async move {
                let gone = || ToolError::masked("the functions of this VM are gone");
                let (pending, answer) = Pending::put(&desk, letter).ok_or_else(gone)?;
                let settled = answer.await.unwrap_or_else(|_| Err(gone()));
                pending.settled();
                settled
            })
        })
    }

    /// Takes what is there, as texts of JSON.
    pub(crate) fn take(&self) -> Vec<String> {
        let letters = std::mem::take(&mut self.state.lock().letters);
        letters.iter().map(Value::to_string).collect()
    }

    /// Says what a call came to. One that nobody waits for is ignored, and so is what is no outcome.
    pub(crate) fn settle(&self, number: u64, outcome: &str) {
        let Some(waiting) = self.state.lock().waiting.remove(&number) else {
            return;
        };
        let settled = match serde_json::from_str(outcome) {
            Ok(Settled::Result(value)) => Ok(value),
            Ok(Settled::User(message, code, metadata)) => Err(user(message, code, metadata)),
            Ok(Settled::Input(path, expected)) => Err(ToolError::input(path, expected)),
            Ok(Settled::Masked(text)) => Err(ToolError::masked(text)),
            Err(error) => Err(ToolError::masked(format!("what the function gave is no JSON: {error}"))),
        };
        // Whoever waited may be gone meanwhile.
        let _ = waiting.send(settled);
    }

    fn put(&self, letter: Value) {
        let mut state = self.state.lock();
        state.letters.push(letter);
        // Once for all that is there; a socket that is full is readable as it is.
        if state.letters.len() == 1 {
            let _ = (&self.bell).write(&[0]);
        }
    }
}

/// A call that Python has; dropping it before it is settled tells Python that nobody waits any more.
struct Pending {
    desk: Weak<Desk>,
    number: u64,
    settled: bool,
}

/// What a call will come to.
type Answer = oneshot::Receiver<Result<Value, ToolError>>;

impl Pending {
    fn put(desk: &Weak<Desk>, mut letter: Value) -> Option<(Self, Answer)> {
        let (sender, answer) = oneshot::channel();
        let held = desk.upgrade()?;
        let number = {
            let mut state = held.state.lock();
            state.last += 1;
            let number = state.last;
            state.waiting.insert(number, sender);
            number
        };
        letter["call"] = number.into();
        held.put(letter);
        let pending = Self {
            desk: desk.clone(),
            number,
            settled: false,
        };
        Some((pending, answer))
    }

    fn settled(mut self) {
        self.settled = true;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        if let Some(desk) = self.desk.upgrade()
            && desk.state.lock().waiting.remove(&self.number).is_some()
        {
            desk.put(json!({ "over": self.number }));
        }
    }
}

fn letter(function: u64, input: &Value, context: &ToolContext) -> Value {
    json!({ "function": function, "input": input, "pid": context.pid })
}

fn user(message: String, code: Option<String>, metadata: Option<Value>) -> ToolError {
    let mut error = ToolError::user(message);
    if let Some(code) = code {
        error = error.with_code(code);
    }
    match metadata {
        Some(metadata) => error.with_metadata(metadata),
        None => error,
    }
}
