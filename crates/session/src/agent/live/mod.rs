//! An agent that runs: reading what it writes, serving what it asks for, noticing its end.
//!
//! One task reads. It stores events in the order in which they came, so the answer to a prompt is seen after every update
//! before it; while the storage is busy it does not read, and the agent waits. Requests of the agent are served by tasks of
//! their own, of which there are only so many. Nothing that an agent does or omits makes the reader wait for the agent.

mod phase;
mod place;
mod requests;

pub(crate) use place::LivePlace;

use super::lines::Lines;
use super::message::{self, Answer, Message};
use super::peer::{Ended, Peer};
use super::v2::Work;
use crate::client::Terminals;
use crate::computer::{ChildControl, ChildOutput, Stream};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::limits::named::READ_LINE;
use crate::limits::{NONSENSE_IN_A_ROW, STDERR_TAIL};
use crate::notice::Notice;
use crate::session::Session;
use crate::text::Tail;
use bytes::Bytes;
use parking_lot::Mutex;
use phase::Phase;
use requests::Remembered;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

/// A running agent of one session.
pub(crate) struct Live {
    pub(crate) peer: Peer,
    pub(crate) core: Arc<Core>,
    pub(crate) terminals: Terminals,
    session_id: String,
    session: Weak<Session>,
    agent_type: String,
    control: Arc<dyn ChildControl>,
    phase: Mutex<Phase>,
    stderr: Mutex<Tail>,
    failure: Mutex<Option<Error>>,
    stopping: AtomicBool,
    remembered: Mutex<Remembered>,
    /// Given up with the process, whoever still holds this.
    place: Mutex<Option<LivePlace>>,
    working: AtomicUsize,
    waiting: AtomicUsize,
    /// The answer to `initialize`.
    pub(crate) initialized: Mutex<Value>,
    /// What it says of its work, if it chose version 2 of the protocol.
    work: OnceLock<Work>,
}

/// The limit that sets the deadline of a request.
fn deadline_of(method: &str) -> &'static str {
    match method {
        "initialize" => "limits.acp.initializeTimeoutMs",
        "session/new" | "session/load" | "session/resume" => "limits.acp.newSessionTimeoutMs",
        _ => "limits.acp.requestTimeoutMs",
    }
}

/// Time between an agent's refusal of input and its end, if it is about to end.
const INPUT_GRACE: Duration = Duration::from_secs(1);

impl Live {
    pub(crate) fn new(session: &Arc<Session>, control: Arc<dyn ChildControl>, peer: Peer, place: LivePlace) -> Self {
        let core = Arc::clone(session.core());
        Self {
            peer,
            terminals: Terminals::new(&core.limits),
            core,
            session_id: session.id().to_owned(),
            session: Arc::downgrade(session),
            agent_type: session.agent_type().to_owned(),
            control,
            phase: Mutex::new(Phase::Starting {
                asked: None,
                early: Vec::new(),
            }),
            stderr: Mutex::new(Tail::new(STDERR_TAIL)),
            failure: Mutex::default(),
            stopping: AtomicBool::new(false),
            remembered: Mutex::default(),
            place: Mutex::new(Some(place)),
            working: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            initialized: Mutex::default(),
            work: OnceLock::new(),
        }
    }

    /// It chose version 2 of the protocol.
    pub(crate) fn chose_v2(&self) {
        let _ = self.work.set(Work::default());
    }

    /// Whether it chose version 2 of the protocol.
    pub(crate) fn is_v2(&self) -> bool {
        self.work.get().is_some()
    }

    /// Prompts and waits for the end of that. The caller brings the deadline.
    pub(crate) async fn prompt(&self, params: Value) -> Result<Answer, Arc<Ended>> {
        let Some(work) = self.work.get() else {
            return self.peer.request("session/prompt", params, |_| {}).await;
        };
        work.prompted();
        let taken = self.peer.request("session/prompt", params, |_| {}).await?;
        if taken.is_err() {
            return Ok(taken);
        }
        tokio::select! {
            biased;
            end = work.end() => Ok(end),
            ended = self.peer.end_of() => Err(ended),
        }
    }

    /// The session, unless it is gone.
    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        self.session.upgrade()
    }

    /// The agent's id of the session, once it has one.
    pub(crate) fn agent_session(&self) -> Option<String> {
        match &*self.phase.lock() {
            Phase::Running { agent_session } | Phase::Replaying { agent_session, .. } => Some(agent_session.clone()),
            Phase::Starting { .. } => None,
        }
    }

    /// Asks with a deadline.
    pub(crate) async fn ask(&self, method: &str, params: Value, time: Duration) -> Result<Answer> {
        self.ask_noting(method, params, time, |_| {}).await
    }

    async fn ask_noting(&self, method: &str, params: Value, time: Duration, asked: impl FnOnce(u64)) -> Result<Answer> {
        let exchange = self.peer.request(method, params, asked);
        match crate::clock::within(&*self.core.clock, time, exchange).await {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(ended)) => Err(self.crash(&ended)),
            None => Err(self.timeout(method, time)),
        }
    }

    /// Begins a conversation: the reader itself notices the answer, so that nothing that comes after it is misread.
    pub(crate) async fn begin(&self, method: &str, params: Value, load: Option<String>) -> Result<Answer> {
        let time = self.core.limits.new_session_timeout;
        self.ask_noting(method, params, time, |id| {
            *self.phase.lock() = match load {
                Some(agent_session) => Phase::Replaying {
                    asked: Some(id),
                    agent_session,
                },
                None => Phase::Starting {
                    asked: Some(id),
                    early: Vec::new(),
                },
            };
        })
        .await
    }

    pub(crate) fn timeout(&self, method: &str, time: Duration) -> Error {
        let timeout_ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let exit_code = self.peer.ended().map(|ended| ended.exit.code);
        Error::AcpTimeout {
            method: method.to_owned(),
            timeout_ms,
            detail: json!({
                "kind": "acp_timeout", "method": method, "id": Value::Null, "timeoutMs": timeout_ms,
                "configurationPath": deadline_of(method), "exitCode": exit_code, "killed": self.stopping.load(Ordering::Acquire),
                "transportState": if exit_code.is_some() { "closed" } else { "open" },
                "recentActivity": self.peer.activity(),
            }),
        }
    }

    /// What a request fails with after the agent's end.
    pub(crate) fn crash(&self, ended: &Ended) -> Error {
        if let Some(failure) = &ended.failure {
            return failure.clone();
        }
        let reason = match &ended.exit.signal {
            Some(signal) => format!("it was ended by {signal}"),
            None => format!("it ended with code {}", ended.exit.code),
        };
        Error::AgentCrashed {
            agent_type: self.agent_type.clone(),
            reason,
            exit_code: Some(ended.exit.code),
            stderr_tail: ended.stderr_tail.clone(),
        }
    }

    /// Ends the agent for a reason that whoever waits for it is told.
    pub(crate) fn fail(&self, failure: Error) {
        tracing::warn!(session = %self.session_id, error = %failure, "an agent is ended");
        self.failure.lock().get_or_insert(failure);
        self.control.kill();
    }

    pub(crate) fn broke(&self, reason: &str) {
        self.fail(Error::AgentCrashed {
            agent_type: self.agent_type.clone(),
            reason: reason.to_owned(),
            exit_code: None,
            stderr_tail: self.stderr.lock().text(),
        });
    }

    /// The end of its error output.
    pub(crate) fn stderr_tail(&self) -> String {
        self.stderr.lock().text()
    }

    /// It does not take what is written to it any more. One that is about to end says how by its end.
    pub(crate) fn stopped_reading(self: &Arc<Self>) {
        let live = Arc::clone(self);
        self.core.spawn(async move {
            if crate::clock::within(&*live.core.clock, INPUT_GRACE, live.peer.end_of())
                .await
                .is_none()
            {
                live.broke("it closed its standard input");
            }
        });
    }

    /// Whether its end is what was wanted.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Ends it, on purpose. It is asked first, and has a little time.
    pub(crate) async fn stop(&self, grace: Duration) {
        self.stopping.store(true, Ordering::Release);
        if !grace.is_zero() {
            self.control.terminate();
            let _ = crate::clock::within(&*self.core.clock, grace, self.peer.end_of()).await;
        }
        self.control.kill();
        self.peer.end_of().await;
    }

    /// Ends it without waiting.
    pub(crate) fn kill(&self) {
        self.control.kill();
    }

    /// Reads until the agent has ended.
    pub(crate) async fn read(self: Arc<Self>, mut output: Box<dyn ChildOutput>) {
        let mut lines = Lines::new(self.core.limits.max_read_line_bytes);
        let mut nonsense = 0_u32;
        let most = self.core.limits.stdout_buffer_byte_limit;
        while let Some((stream, data)) = output.next(most).await {
            match stream {
                Stream::Stderr => self.heard_error(&data),
                Stream::Stdout if self.failure.lock().is_some() => {}
                Stream::Stdout => match lines.push(data) {
                    Ok(lines) => self.heard(&lines, &mut nonsense).await,
                    Err(too_long) => {
                        let most = self.core.limits.max_read_line_bytes as u64;
                        let error = Error::limit(READ_LINE, too_long.0 as u64, most, "readAgent");
                        self.fail(self.core.refused(error));
                    }
                },
            }
        }
        // An agent that closes its output cannot say anything any more.
        self.control.kill();
        let exit = self.control.wait().await;
        self.terminals.end_all();
        drop(self.place.lock().take());
        self.peer.end(Ended {
            exit,
            failure: self.failure.lock().clone(),
            stderr_tail: self.stderr.lock().text(),
        });
        if let Some(session) = self.session() {
            session.agent_ended(&self).await;
        }
    }

    fn heard_error(&self, data: &Bytes) {
        self.stderr.lock().push(data);
        self.core.notify(Notice::AgentStderr {
            session_id: self.session_id.clone(),
            data: data.clone(),
        });
    }

    async fn heard(self: &Arc<Self>, lines: &[Bytes], nonsense: &mut u32) {
        let mut events = Vec::new();
        for line in lines {
            let message = message::read(line);
            let meant = match message {
                Message::Notification { method, params } => {
                    self.peer.note(&format!("<- {method} ({} bytes)", line.len()));
                    let meant = self.notified(&method, &params, &mut events);
                    if let (Ok(()), Some(work), Some(update)) = (meant, self.work.get(), params.get("update")) {
                        // Whoever waits for the end finds everything before it in the history.
                        self.store(&mut events).await;
                        work.told(update);
                    }
                    meant
                }
                message => {
                    self.store(&mut events).await;
                    self.meant(message, line.len()).await
                }
            };
            match meant {
                Ok(()) => *nonsense = 0,
                Err(why) => {
                    *nonsense += 1;
                    tracing::debug!(session = %self.session_id, why, bytes = line.len(), "an agent's message is skipped");
                    if *nonsense > NONSENSE_IN_A_ROW {
                        self.broke(&format!(
                            "more than {NONSENSE_IN_A_ROW} messages in a row had no meaning, the last: {why}"
                        ));
                    }
                }
            }
            if self.failure.lock().is_some() {
                break;
            }
        }
        self.store(&mut events).await;
    }

    /// Anything but a notification.
    async fn meant(self: &Arc<Self>, message: Message, bytes: usize) -> Result<(), &'static str> {
        match message {
            Message::Answer { id, answer } => {
                if !self.peer.is_asked(id) {
                    return Err("an answer to nothing");
                }
                self.peer.note(&format!("<- answer #{id} ({bytes} bytes)"));
                let mut early = self.settle(id, &answer)?;
                self.store(&mut early).await;
                self.peer.answered(id, answer);
                Ok(())
            }
            Message::Request { id, method, params } => {
                self.peer.note(&format!("<- {method} request ({bytes} bytes)"));
                self.requested(id, method, params);
                Ok(())
            }
            Message::Refused { id, error } => {
                self.peer
                    .offer(&json!({"jsonrpc": "2.0", "id": id, "error": error.to_value()}));
                Err("a request that is none")
            }
            Message::Nonsense(why) => Err(why),
            // Notifications have been taken care of.
            Message::Notification { .. } => Ok(()),
        }
    }

    /// Stores events and tells of them.
    async fn store(&self, events: &mut Vec<Value>) {
        let events = std::mem::take(events);
        let Some(session) = self.session().filter(|_| !events.is_empty()) else {
            return;
        };
        if let Err(error) = session.record(events, true).await {
            self.fail(error);
        }
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live")
            .field("session_id", &self.session_id)
            .finish_non_exhaustive()
    }
}
