//! Calls that take time, and the environment they belong to.
//!
//! A call is a future and a number that the TypeScript side chose. [`start`] polls it at once: most calls are answered then
//! and there, without a promise's detour. What is left waits in one of two ways:
//!
//! * *Inline*: it is polled on the JavaScript thread whenever it is woken. A command that runs costs two changes of thread in
//!   all, to the guest's thread and back.
//! * *Pooled*: it runs on a thread that may block, for what touches the host's disk or functions of the script, or is long.
//!
//! The environment's state is local to its thread: Node.js runs one environment per thread. Its end closes the mailbox, drops
//! inline calls (which ends what they had started), abandons pooled ones and disposes its VMs.

use crate::abi::{Bell, Fault};
use crate::mailbox::{Letter, Mailbox};
use crate::{callback, core, error, registry, runtime};
use agentos_value::{ActorError, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tokio::sync::oneshot;

/// What a call ends with.
pub(crate) type Outcome = Result<Value, ActorError>;
/// A call under way.
pub(crate) type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Letters that are read at once, so that other work of the event loop gets its turn.
const LETTERS_AT_ONCE: usize = 256;

/// What belongs to one environment.
struct Environment {
    mailbox: Arc<Mailbox>,
    tasks: HashMap<u32, Task>,
}

enum Task {
    Inline(Work, Arc<Woken>),
    /// Dropping the sender ends the work.
    Pooled {
        _stop: oneshot::Sender<()>,
    },
}

thread_local! {
    static ENVIRONMENT: RefCell<Option<Environment>> = const { RefCell::new(None) };
}

/// How a call is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the JavaScript thread; it never blocks.
    Inline,
    /// On a thread that may block.
    Pooled,
}

/// Opens the environment of this thread. To be done once: a second time would end what goes on in the first.
///
/// # Errors
/// It is open.
pub(crate) fn open(bell: Bell) -> Result<(), Fault> {
    if mailbox().is_ok() {
        return Err(Fault::Misuse("the addon's environment is open already".to_owned()));
    }
    let environment = Environment {
        mailbox: Mailbox::new(bell),
        tasks: HashMap::new(),
    };
    ENVIRONMENT.with_borrow_mut(|slot| *slot = Some(environment));
    Ok(())
}

/// Ends the environment of this thread.
pub(crate) fn close() {
    let Some(environment) = ENVIRONMENT.take() else {
        return;
    };
    environment.mailbox.close();
    callback::fail_all(&environment.mailbox);
    core::dispose_all(&environment.mailbox);
    registry::dispose_all(&environment.mailbox);
    // Inline calls end here, and what they had started with them.
    drop(environment);
}

/// The mailbox of this thread's environment.
///
/// # Errors
/// The environment was not opened, or has ended.
pub(crate) fn mailbox() -> Result<Arc<Mailbox>, Fault> {
    let mailbox = ENVIRONMENT.with_borrow(|slot| slot.as_ref().map(|environment| Arc::clone(&environment.mailbox)));
    mailbox.ok_or_else(|| Fault::Misuse("the addon's environment is not open".to_owned()))
}

/// Starts a call under this number; `None` if its end comes as a letter.
///
/// # Errors
/// The environment is not open, or the host gives no threads.
pub(crate) fn start(id: u32, place: Place, work: Work) -> Result<Option<Outcome>, Fault> {
    let mailbox = mailbox()?;
    match place {
        Place::Inline => {
            let woken = Arc::new(Woken {
                mailbox,
                id,
                posted: AtomicBool::new(false),
            });
            poll(id, work, woken)
        }
        Place::Pooled => {
            let (stop, stopped) = oneshot::channel();
            let handle = runtime::handle()?;
            handle.spawn_blocking(move || {
                let done = handle.block_on(async {
                    tokio::select! {
                        outcome = work => Some(outcome),
                        _ = stopped => None,
                    }
                });
                if let Some(outcome) = done {
                    mailbox.post(Letter::Done(id, outcome));
                }
            });
            keep(id, Task::Pooled { _stop: stop });
            Ok(None)
        }
    }
}

/// Gives a call up; what it had started ends.
pub(crate) fn cancel(id: u32) {
    drop(forget(id));
}

fn keep(id: u32, task: Task) {
    ENVIRONMENT.with_borrow_mut(|slot| {
        if let Some(environment) = slot {
            environment.tasks.insert(id, task);
        }
    });
}

fn forget(id: u32) -> Option<Task> {
    ENVIRONMENT.with_borrow_mut(|slot| slot.as_mut().and_then(|environment| environment.tasks.remove(&id)))
}

/// Polls a call once. It is not among the tasks meanwhile, so whatever it does may start and cancel others.
fn poll(id: u32, mut work: Work, woken: Arc<Woken>) -> Result<Option<Outcome>, Fault> {
    let _runtime = runtime::handle()?.enter();
    woken.posted.store(false, Ordering::Release);
    let waker = Waker::from(Arc::clone(&woken));
    match work.as_mut().poll(&mut Context::from_waker(&waker)) {
        Poll::Ready(outcome) => Ok(Some(outcome)),
        Poll::Pending => {
            keep(id, Task::Inline(work, woken));
            Ok(None)
        }
    }
}

/// Wakes an inline call by a letter.
struct Woken {
    mailbox: Arc<Mailbox>,
    id: u32,
    posted: AtomicBool,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.posted.swap(true, Ordering::AcqRel) {
            self.mailbox.post(Letter::Poll(self.id));
        }
    }
}

/// Kinds of what [`drain`] returns; the TypeScript side has the same numbers.
mod kind {
    pub(super) const RESULT: i64 = 0;
    pub(super) const FAILURE: i64 = 1;
    pub(super) const EVENT: i64 = 2;
    pub(super) const CALL: i64 = 3;
    pub(super) const ABANDONED: i64 = 4;
}

/// Reads letters and gives what JavaScript has to do, flat: a kind, a number and what belongs to it, each time.
///
/// # Errors
/// The environment is not open.
pub(crate) fn drain() -> Result<Vec<Value>, Fault> {
    let mailbox = mailbox()?;
    let mut todo = Vec::new();
    let mut left = LETTERS_AT_ONCE;
    while left > 0 {
        let letters = mailbox.take(left);
        if letters.is_empty() {
            return Ok(todo);
        }
        left -= letters.len();
        for letter in letters {
            read(&mut todo, letter)?;
        }
    }
    mailbox.ring_again();
    Ok(todo)
}

fn read(todo: &mut Vec<Value>, letter: Letter) -> Result<(), Fault> {
    match letter {
        Letter::Poll(id) => {
            // One that was cancelled or has ended meanwhile is no longer there.
            if let Some(Task::Inline(work, woken)) = forget(id)
                && let Some(outcome) = poll(id, work, woken)?
            {
                done(todo, id, outcome);
            }
        }
        Letter::Done(id, outcome) => {
            if forget(id).is_some() {
                done(todo, id, outcome);
            }
        }
        Letter::Event(target, name, payload) => {
            todo.extend([Value::Int(kind::EVENT), target.into(), name.into(), payload]);
        }
        Letter::Call { call, function, args } => {
            todo.extend([Value::Int(kind::CALL), call.into(), function.into(), Value::Array(args)]);
        }
        Letter::Abandoned(call) => todo.extend([Value::Int(kind::ABANDONED), call.into()]),
    }
    Ok(())
}

fn done(todo: &mut Vec<Value>, id: u32, outcome: Outcome) {
    let (kind, value) = match outcome {
        Ok(value) => (kind::RESULT, value),
        Err(failure) => (kind::FAILURE, error::to_value(failure)),
    };
    todo.extend([Value::Int(kind), id.into(), value]);
}
