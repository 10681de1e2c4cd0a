//! The VM of the actions without an actor: what a binding to another language embeds (api.md section 10).
//!
//! Actions that need the VM are called by name with values, exactly as a client of a server calls them, and are read and
//! answered by the same code. What belongs to an actor - sleep, storage, connections, previews - does not exist here. Output
//! of processes and shells is announced as events; it is read only while whoever listens has room for more. Events of sessions are
//! kept, so that only their being there is announced (`sessionStored`), and they are read page by page.

use crate::actions::{self, Args};
use crate::errors::{from_sdk, session_error};
use crate::machine::{Bounds, Durable, Emit, LogBounds, Machine};
use crate::secrets::Secrets;
use crate::shapes;
use agentos::{AgentOs, EventQuery, SessionEvent, Stream, Via};
use agentos_actor::{BoxFuture, Event};
use agentos_value::{ActorError, Value};
use bytes::Bytes;
use std::sync::Arc;

/// A VM whose actions can be called. Clones are handles to the same.
#[derive(Clone, Debug)]
pub struct Embedded {
    machine: Arc<Machine>,
    /// The same VM for the host's own file work, which the policy does not bind.
    host: Arc<Machine>,
}

/// What whoever embeds a VM has for the contents of files.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Gives memory for a content of that length that is copied, zeroed; see [`AgentOs::read_file_with`].
    pub buffer: fn(usize) -> Vec<u8>,
    /// Whether a content that is written may become the file with its memory, whoever else has that; see
    /// [`AgentOs::write_file_shared`].
    pub keeps: fn(&Bytes) -> bool,
    /// Whether a content that is read may be given with the memory that is the file's too. Others are copied where they are
    /// read, so that whoever gets them does not have to.
    pub gives: fn(&Bytes) -> bool,
}

impl Memory {
    /// A content that was read, for whoever asked.
    pub(crate) fn give(&self, content: Bytes) -> Bytes {
        if content.is_unique() || (self.gives)(&content) {
            return content;
        }
        let mut copy = (self.buffer)(content.len());
        copy.clear();
        copy.extend_from_slice(&content);
        copy.into()
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            buffer: |length| vec![0; length],
            keeps: |_| false,
            gives: |_| true,
        }
    }
}

impl Embedded {
    /// Takes a VM that nothing was started in. `emit` is called for each event; `room` is awaited before output is read; the
    /// contents of files are where `memory` says.
    pub fn new(
        vm: AgentOs,
        emit: impl Fn(Event) + Send + Sync + 'static,
        room: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static,
        memory: Memory,
    ) -> Self {
        let emit = Emit::new(emit).with_room(Arc::new(room));
        let host = vm.as_host().handle();
        let machine = |vm| {
            let (durable, secrets) = (Durable::default(), Secrets::default());
            // Whoever embeds a VM gets its output as it comes, and shares its host with nobody.
            let bounds = Bounds {
                most_outgoing: u64::MAX,
                log: LogBounds::default(),
                admission: None,
            };
            let mut machine = Machine::new(vm, durable, secrets, bounds, emit.clone());
            machine.memory = memory;
            Arc::new(machine)
        };
        Self {
            machine: machine(vm),
            host: machine(host),
        }
    }

    /// The VM.
    pub fn vm(&self) -> &AgentOs {
        &self.machine.vm
    }

    /// Calls an action, with the policy. It needs a tokio runtime where it is polled.
    pub fn call(&self, name: &str, args: Vec<Value>) -> BoxFuture<'static, Result<Value, ActorError>> {
        call(Arc::clone(&self.machine), name, args)
    }

    /// Calls an action on files without the policy, for the host that seeds them. Never on behalf of a client.
    pub fn call_as_host(&self, name: &str, args: Vec<Value>) -> BoxFuture<'static, Result<Value, ActorError>> {
        call(Arc::clone(&self.host), name, args)
    }

    /// Calls `exec` or, with `argv`, `execArgv`, and shows output as it is read.
    pub fn exec(
        &self,
        argv: bool,
        args: Vec<Value>,
        on_output: impl FnMut(Stream, Bytes) + Send + 'static,
    ) -> BoxFuture<'static, Result<Value, ActorError>> {
        let machine = Arc::clone(&self.machine);
        Box::pin(actions::exec_with(machine, argv, Args::new(args), on_output))
    }

    /// Events of a session from number `since` on, as `getSequencedEvents` shows them: as many as are there and have at most
    /// `most` bytes together, but one if there is one.
    ///
    /// # Errors
    /// `session_not_found`.
    pub async fn session_events(&self, id: &str, since: u64, most: usize) -> Result<Value, ActorError> {
        let sessions = self.machine.sessions().await?;
        let (mut page, mut bytes, mut next) = (Vec::new(), 0, since);
        while let Some(event) = event_at(sessions, id, next)? {
            next = event.seq + 1;
            let event = actions::sequenced_event(&event)?;
            bytes += event.size();
            if bytes > most && !page.is_empty() {
                break;
            }
            page.push(event);
        }
        Ok(Value::Array(page))
    }

    /// The number from which on the events of a session have at most `most` bytes together.
    ///
    /// # Errors
    /// `session_not_found`.
    pub async fn session_tail(&self, id: &str, most: usize) -> Result<u64, ActorError> {
        let sessions = self.machine.sessions().await?;
        sessions.get(id).map_err(session_error)?;
        let (mut first, mut bytes) = (sessions.next_event(id).map_err(session_error)?, 0);
        while let Some(before) = first.checked_sub(1)
            && let Some(event) = event_at(sessions, id, before)?
        {
            bytes += actions::sequenced_event(&event)?.size();
            if bytes > most {
                break;
            }
            first = before;
        }
        Ok(first)
    }

    /// What goes on in the VM: `process:<pid>`, `shell:<id>`, `prompt:<session>`, `permission:<id>`.
    pub fn awake_because(&self) -> Vec<String> {
        self.machine.awake_because()
    }

    /// Usage of the limits that are warned about: `{name, observed, capacity}[]`.
    pub fn limits(&self) -> Value {
        shapes::limits(&self.machine.vm.usage().limits)
    }

    /// Kills what runs and waits for the last events. Idempotent.
    pub async fn dispose(&self) {
        self.machine.kill().await;
    }
}

fn event_at(sessions: &agentos::Sessions, id: &str, seq: u64) -> Result<Option<SessionEvent>, ActorError> {
    let query = EventQuery::from_json(serde_json::json!({"since": seq, "limit": 1})).map_err(session_error)?;
    let events = sessions.events(id, &query).map_err(session_error)?;
    Ok(events.into_iter().next())
}

fn call(machine: Arc<Machine>, name: &str, args: Vec<Value>) -> BoxFuture<'static, Result<Value, ActorError>> {
    let Some(action) = actions::find(name) else {
        let error = ActorError::actor("action_not_found", format!("there is no action {name:?}"));
        return Box::pin(std::future::ready(Err(error)));
    };
    Box::pin(async move {
        let outcome = action.call(machine, args, Via::Client).await;
        outcome.map_err(|failure| failure.publish(action.name))
    })
}

/// The documented form of an error of the SDK, for bindings that call the SDK themselves.
pub fn client_error(error: agentos::Error) -> ActorError {
    from_sdk(error)
}
