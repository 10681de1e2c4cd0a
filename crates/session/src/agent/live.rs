//! An agent that runs: reading what it writes, serving what it asks for, noticing its end.
//!
//! One task reads. It stores events in the order in which they came, so the answer to a prompt is seen after every update
//! before it; while the storage is busy it does not read, and the agent waits. Requests of the agent are served by tasks of
//! their own, of which there are only so many. Nothing that an agent does or omits makes the reader wait for the agent.

use super::lines::Lines;
use super::message::{self, Answer, INVALID_PARAMS, Message, REFUSED, RpcError};
use super::peer::{Ended, Peer};
use crate::client;
use crate::client::Terminals;
use crate::computer::{ChildControl, ChildOutput, Stream};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::limits::named::{LIVE, READ_LINE};
use crate::limits::{
    NONSENSE_IN_A_ROW, REMEMBERED_ANSWERS, REMEMBERED_BYTES, REQUESTS_AT_ONCE, STDERR_TAIL, WAITING_AT_ONCE,
};
use crate::notice::Notice;
use crate::session::Session;
use crate::text::Tail;
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
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
}

/// What its notifications mean now.
enum Phase {
    /// It has no conversation yet, or is about to have one: the number of the request, and what came early.
    Starting { asked: Option<u64>, early: Vec<Value> },
    /// It shows us a conversation that we know: the number of the request, and its own id of the session.
    Replaying { asked: Option<u64>, agent_session: String },
    /// It works.
    Running { agent_session: String },
}

/// One of the agents that may run in a VM at once.
pub(crate) struct LivePlace(Arc<Core>);

impl LivePlace {
    /// Takes a place.
    ///
    /// # Errors
    /// [`Error::Limit`] if there is none.
    pub(crate) fn take(core: &Arc<Core>) -> Result<Self> {
        let capacity = core.limits.max_live_sessions_per_vm;
        let taken = core.live.fetch_update(Ordering::AcqRel, Ordering::Acquire, |live| {
            (live < capacity).then_some(live + 1)
        });
        match taken {
            Ok(before) => {
                core.used(LIVE, before + 1, capacity);
                Ok(Self(Arc::clone(core)))
            }
            Err(live) => Err(core.refused(Error::limit(LIVE, live + 1, capacity, "startAgent"))),
        }
    }
}

impl Drop for LivePlace {
    fn drop(&mut self) {
        let before = self.0.live.fetch_sub(1, Ordering::AcqRel);
        self.0.used(LIVE, before - 1, self.0.limits.max_live_sessions_per_vm);
    }
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

/// Notifications before the session has an id; more is a flood.
const EARLY: usize = 256;

/// Answers to requests that may come again.
#[derive(Default)]
struct Remembered {
    answers: HashMap<String, Option<Value>>,
    order: VecDeque<(String, usize)>,
    bytes: usize,
}

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
                    self.notified(&method, &params, &mut events)
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

    /// Notices the beginning of a conversation; gives the events that came before it.
    fn settle(&self, id: u64, answer: &Answer) -> Result<Vec<Value>, &'static str> {
        let mut phase = self.phase.lock();
        match (&mut *phase, answer) {
            (Phase::Starting { asked, early }, Ok(result)) if *asked == Some(id) => {
                let Some(agent_session) = super::acp::new_session(result) else {
                    return Ok(Vec::new());
                };
                let own = |params: &Value| params.get("sessionId").and_then(Value::as_str) == Some(&agent_session);
                let early = std::mem::take(early);
                let early = early.into_iter().filter(|event| event.get("params").is_some_and(own));
                let early = early.map(|event| self.renamed(event)).collect();
                *phase = Phase::Running { agent_session };
                Ok(early)
            }
            (Phase::Replaying { asked, agent_session }, Ok(_)) if *asked == Some(id) => {
                let agent_session = std::mem::take(agent_session);
                *phase = Phase::Running { agent_session };
                Ok(Vec::new())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn renamed(&self, mut event: Value) -> Value {
        if let Some(id) = event.get_mut("params").and_then(|params| params.get_mut("sessionId")) {
            *id = Value::from(self.session_id.as_str());
        }
        event
    }

    /// A notification; what is to be stored is added to `events`.
    fn notified(&self, method: &str, params: &Value, events: &mut Vec<Value>) -> Result<(), &'static str> {
        let Some(id) = params.get("sessionId").and_then(Value::as_str) else {
            // Not of a session: nothing that we offer has such notifications, and ignoring them is what JSON-RPC asks for.
            return match method {
                "session/update" => Err("an update of no session"),
                _ => Ok(()),
            };
        };
        let shaped = params
            .get("update")
            .and_then(|update| update.get("sessionUpdate"))
            .is_some_and(Value::is_string);
        if method == "session/update" && !shaped {
            return Err("an update that is none");
        }
        let mut phase = self.phase.lock();
        let known = match &*phase {
            Phase::Running { agent_session } => agent_session == id,
            // What it shows us of a conversation that we have is not told again.
            Phase::Replaying { agent_session, .. } if agent_session == id => return Ok(()),
            Phase::Replaying { .. } => false,
            Phase::Starting { .. } => true,
        };
        if !known {
            return Err("a notification of another session");
        }
        let event = json!({"jsonrpc": "2.0", "method": method, "params": params});
        if let Phase::Starting { early, .. } = &mut *phase {
            early.push(event);
            let flood = early.len() > EARLY;
            drop(phase);
            if flood {
                self.broke("it flooded before the session began");
            }
            return Ok(());
        }
        drop(phase);
        events.push(self.renamed(event));
        Ok(())
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

    /// A request: answered from memory, or by a task.
    fn requested(self: &Arc<Self>, id: Value, method: String, params: Value) {
        let key = id.to_string();
        let known = self.remembered.lock().answers.get(&key).cloned();
        match known {
            // The first of the two is still worked on, and its answer answers both.
            Some(None) => return,
            Some(Some(answer)) => return self.peer.offer(&answer),
            None => {}
        }
        let waits = method == "session/request_permission" || method == "terminal/wait_for_exit";
        let (counter, most) = match waits {
            true => (&self.waiting, WAITING_AT_ONCE),
            false => (&self.working, REQUESTS_AT_ONCE),
        };
        if counter.load(Ordering::Acquire) >= most {
            let error = RpcError::new(REFUSED, format!("more than {most} requests at once"));
            return self
                .peer
                .offer(&json!({"jsonrpc": "2.0", "id": id, "error": error.to_value()}));
        }
        self.remembered.lock().begin(&key);
        counter.fetch_add(1, Ordering::AcqRel);
        let live = Arc::clone(self);
        self.core.spawn(async move {
            let answer = tokio::select! {
                biased;
                answer = live.serve(&method, params) => answer,
                _ = live.peer.end_of() => Err(RpcError::new(REFUSED, "the session has ended")),
            };
            let response = match answer {
                Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
                Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": error.to_value()}),
            };
            live.remembered.lock().finish(&key, &response);
            live.peer.send(&response).await;
            let counter = if waits { &live.waiting } else { &live.working };
            counter.fetch_sub(1, Ordering::AcqRel);
        });
    }

    async fn serve(self: &Arc<Self>, method: &str, params: Value) -> Answer {
        if !client::METHODS.contains(&method) {
            return Err(RpcError::new(
                message::METHOD_NOT_FOUND,
                format!("Method not found: {}", crate::text::shown(method, 100)),
            ));
        }
        let Some(own) = self.agent_session() else {
            return Err(RpcError::new(REFUSED, "there is no session yet"));
        };
        if params.get("sessionId").and_then(Value::as_str) != Some(&own) {
            return Err(RpcError::new(
                INVALID_PARAMS,
                "Invalid params: sessionId is not the id of this session",
            ));
        }
        client::serve(self, method, params).await
    }
}

impl Remembered {
    fn begin(&mut self, key: &str) {
        self.answers.insert(key.to_owned(), None);
    }

    fn finish(&mut self, key: &str, response: &Value) {
        let bytes = response.to_string().len() + key.len();
        if bytes > REMEMBERED_BYTES {
            self.answers.remove(key);
            return;
        }
        self.answers.insert(key.to_owned(), Some(response.clone()));
        self.order.push_back((key.to_owned(), bytes));
        self.bytes += bytes;
        while self.order.len() > REMEMBERED_ANSWERS || self.bytes > REMEMBERED_BYTES {
            let Some((oldest, bytes)) = self.order.pop_front() else {
                break;
            };
            self.answers.remove(&oldest);
            self.bytes -= bytes;
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
