//! One session: its state, its events, and the agent that it may have.
//!
//! Locks, in the order in which they are taken: `turn` (one prompt runs), `lifecycle` (one start or end of the agent at a
//! time), `journal` (events get their numbers one after another). The plain mutex of the state is held for no longer than it
//! takes to read or write it.

mod config;
mod prompt;
mod resume;

pub(crate) use config::Setting;
pub(crate) use prompt::{Cancelled, end_event};
pub(crate) use resume::Purpose;

use crate::agent::acp;
use crate::agent::live::Live;
use crate::agent::v2;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::limits::REMEMBERED_TOOL_CALLS;
use crate::limits::named::EVENT;
use crate::model::{ApprovalPolicy, CreateOptions, SessionEvent, SessionRecord, Status};
use crate::notice::Notice;
use crate::storage::{SessionChange, SessionRow};
use agent_client_protocol_schema::v1::SessionUpdate;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// A session.
pub(crate) struct Session {
    core: Arc<Core>,
    id: String,
    agent_type: String,
    cwd: String,
    created_at: i64,
    settings: Mutex<Settings>,
    state: Mutex<State>,
    turn: Arc<tokio::sync::Mutex<()>>,
    queued: AtomicU64,
    prompts: AtomicU64,
    lifecycle: tokio::sync::Mutex<Option<Arc<Live>>>,
    journal: tokio::sync::Mutex<()>,
    /// The number that the next event gets; whoever follows the events waits for it to change.
    next_seq: watch::Sender<u64>,
}

/// What a session was created with and what was set since; stored without the secrets of [`CreateOptions`].
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Settings {
    pub(crate) policy: Option<ApprovalPolicy>,
    pub(crate) skip_os_instructions: bool,
    pub(crate) additional_instructions: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thought_level: Option<String>,
    /// Prompts so far, as of the last time that the settings were stored.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) prompts: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "it is what serde calls")]
const fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// The prompts that a session has had, by its stored settings.
pub(crate) fn prompts_of(options: &Value) -> u64 {
    options.get("prompts").and_then(Value::as_u64).unwrap_or_default()
}

/// What is known of the agent and of the running prompt.
struct State {
    status: Status,
    agent_session_id: Option<String>,
    capabilities: Value,
    agent_info: Option<Value>,
    /// `{currentModeId, availableModes}`.
    modes: Option<Value>,
    /// `{currentModelId, availableModels}`, of agents that have no option for it.
    models: Option<Value>,
    /// The agent's own shape of its options.
    options: Vec<Value>,
    tool_calls: HashMap<String, Value>,
    tool_call_order: VecDeque<String>,
    running: Option<prompt::Running>,
    /// The next prompt tells the agent of the transcript.
    preamble: Option<String>,
    /// Ends of agents that nobody wanted, in ms.
    crashes: VecDeque<i64>,
}

impl Session {
    /// A session that is kept already.
    pub(crate) fn from_row(core: &Arc<Core>, row: &SessionRow) -> Result<Self> {
        let next_seq = core.storage.next_seq(&row.session_id)?;
        Ok(Self {
            core: Arc::clone(core),
            id: row.session_id.clone(),
            agent_type: row.agent_type.clone(),
            cwd: row.cwd.clone(),
            created_at: row.created_at,
            settings: Mutex::new(serde_json::from_value(row.options.clone()).unwrap_or_default()),
            state: Mutex::new(State {
                // Whatever was running when the row was written is not running now.
                status: match row.status {
                    Status::Live => Status::Suspended,
                    status => status,
                },
                agent_session_id: row.agent_session_id.clone(),
                capabilities: row.capabilities.clone(),
                agent_info: row.agent_info.clone(),
                modes: None,
                models: None,
                options: Vec::new(),
                tool_calls: HashMap::new(),
                tool_call_order: VecDeque::new(),
                running: None,
                preamble: None,
                crashes: VecDeque::new(),
            }),
            turn: Arc::default(),
            queued: AtomicU64::new(0),
            prompts: AtomicU64::new(prompts_of(&row.options)),
            lifecycle: tokio::sync::Mutex::default(),
            journal: tokio::sync::Mutex::default(),
            next_seq: watch::Sender::new(next_seq),
        })
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn agent_type(&self) -> &str {
        &self.agent_type
    }

    pub(crate) fn cwd(&self) -> &str {
        &self.cwd
    }

    pub(crate) fn status(&self) -> Status {
        self.state.lock().status
    }

    pub(crate) fn policy(&self) -> ApprovalPolicy {
        self.settings.lock().policy.unwrap_or(ApprovalPolicy::Ask)
    }

    /// What the storage keeps in clear of the options of a new session.
    pub(crate) fn settings_of(options: &CreateOptions) -> Settings {
        Settings {
            policy: options.permission_policy,
            skip_os_instructions: options.skip_os_instructions,
            additional_instructions: options.additional_instructions.clone(),
            ..Settings::default()
        }
    }

    pub(crate) fn record_of(&self) -> SessionRecord {
        let state = self.state.lock();
        SessionRecord {
            session_id: self.id.clone(),
            agent_type: self.agent_type.clone(),
            capabilities: state.capabilities.clone(),
            agent_info: state.agent_info.clone(),
            status: state.status,
            created_at: self.created_at,
        }
    }

    /// The id of a prompt that runs.
    pub(crate) fn running_prompt(&self) -> bool {
        self.state.lock().running.is_some() || self.queued.load(Ordering::Acquire) > 0
    }

    /// Follows the numbers of events.
    pub(crate) fn follow(&self) -> watch::Receiver<u64> {
        self.next_seq.subscribe()
    }

    pub(crate) async fn set_status(&self, status: Status) -> Result<()> {
        let mut change = SessionChange::status(status);
        if status == Status::Closed {
            change.closed_at = Some(self.core.clock.now_ms());
        }
        self.core.storage.change(&self.id, change).await?;
        self.state.lock().status = status;
        Ok(())
    }

    pub(crate) async fn store_settings(&self) -> Result<()> {
        let options = {
            let mut settings = self.settings.lock();
            settings.prompts = self.prompts.load(Ordering::Acquire);
            serde_json::to_value(&*settings).unwrap_or_default()
        };
        let change = SessionChange {
            options: Some(options),
            ..SessionChange::default()
        };
        self.core.storage.change(&self.id, change).await
    }

    /// Stores how many prompts there were, if there were more since.
    pub(crate) async fn store_prompts(&self) -> Result<()> {
        let stored = self.settings.lock().prompts;
        match self.prompts.load(Ordering::Acquire) == stored {
            true => Ok(()),
            false => self.store_settings().await,
        }
    }

    /// An agent's parameters with our id of the session in the place of its own.
    pub(crate) fn renamed(&self, mut params: Value) -> Value {
        if let Some(id) = params.get_mut("sessionId") {
            *id = Value::from(self.id.as_str());
        }
        params
    }

    /// Stores events and tells of them, in this order. Events of the agent are bounded and looked at.
    pub(crate) async fn record(&self, events: Vec<Value>, of_agent: bool) -> Result<()> {
        let mut texts = Vec::with_capacity(events.len());
        for event in &events {
            let text = event.to_string();
            if of_agent && text.len() > self.core.limits.max_event_bytes {
                let capacity = self.core.limits.max_event_bytes as u64;
                let error = Error::limit(EVENT, text.len() as u64, capacity, "recordEvent");
                return Err(self.core.refused(error));
            }
            texts.push(text);
        }
        if of_agent && let Err(full) = self.core.check_history("recordEvent") {
            // A running prompt is cancelled and hears why; an agent that goes on is ended.
            return match self.fail_prompt(full.clone()) {
                true => Ok(()),
                false => Err(full),
            };
        }
        let _order = self.journal.lock().await;
        let now = self.core.clock.now_ms();
        let first = self.core.storage.append(&self.id, texts, now).await?;
        self.core.tell_history();
        self.next_seq.send_replace(first + events.len() as u64);
        for (seq, event) in (first..).zip(events) {
            if of_agent {
                self.observe(&event);
            }
            self.core.notify(Notice::Event(SessionEvent {
                session_id: self.id.clone(),
                seq,
                event,
                created_at: now,
            }));
        }
        Ok(())
    }

    /// Learns from an update.
    fn observe(&self, event: &Value) {
        let Some(update) = event.get("params").and_then(|params| params.get("update")) else {
            return;
        };
        let mut state = self.state.lock();
        match acp::update(update) {
            Some(SessionUpdate::AgentMessageChunk(chunk)) => {
                if let (Some(running), Some(text)) = (&mut state.running, acp::text(&chunk.content)) {
                    running.say(text, self.core.limits.max_read_line_bytes);
                    if let Some(id) = update.get("messageId").and_then(Value::as_str) {
                        running.is_new(id);
                    }
                }
            }
            Some(SessionUpdate::CurrentModeUpdate(mode)) => {
                if let Some(current) = state.modes.as_mut().and_then(|modes| modes.get_mut("currentModeId")) {
                    *current = Value::from(mode.current_mode_id.to_string());
                }
            }
            // Options and calls are kept as they came: clients see more of them than these types know.
            Some(SessionUpdate::ConfigOptionUpdate(_)) => {
                if let Some(options) = acp::options(update) {
                    state.options = options;
                }
            }
            Some(SessionUpdate::ToolCall(_) | SessionUpdate::ToolCallUpdate(_)) => state.remember_tool_call(update),
            // What only version 2 has.
            _ if v2::is_tool_call(update) => state.remember_tool_call(update),
            _ => {
                if let (Some(running), Some((id, text))) = (&mut state.running, v2::message(update))
                    && running.is_new(&id)
                {
                    running.say(&text, self.core.limits.max_read_line_bytes);
                }
            }
        }
    }

    /// What is known of a tool call, with what a request says of it.
    pub(crate) fn tool_call(&self, id: &str, given: &Value) -> Value {
        let mut call = self
            .state
            .lock()
            .tool_calls
            .get(id)
            .cloned()
            .unwrap_or_else(|| json!({}));
        merge(&mut call, given);
        call
    }
}

impl State {
    fn remember_tool_call(&mut self, update: &Value) {
        let Some(id) = update.get("toolCallId").and_then(Value::as_str) else {
            return;
        };
        if !self.tool_calls.contains_key(id) {
            self.tool_call_order.push_back(id.to_owned());
            if self.tool_call_order.len() > REMEMBERED_TOOL_CALLS
                && let Some(oldest) = self.tool_call_order.pop_front()
            {
                self.tool_calls.remove(&oldest);
            }
        }
        let call = self.tool_calls.entry(id.to_owned()).or_insert_with(|| json!({}));
        merge(call, update);
        // Output has no part in a decision, and may be large.
        if let Some(call) = call.as_object_mut() {
            call.retain(|name, value| name != "rawOutput" && value.to_string().len() <= 64 << 10);
        }
    }
}

/// Takes over what is given.
fn merge(call: &mut Value, given: &Value) {
    if let (Some(call), Some(given)) = (call.as_object_mut(), given.as_object()) {
        for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
            call.insert(name.clone(), value.clone());
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.id).finish_non_exhaustive()
    }
}
