//! The sessions of a VM: what the actions of api.md section 4.5 do.

use crate::agent::acp;
use crate::agent::names::AgentListing;
use crate::agent::start::{Private, response};
use crate::agent::{AgentSpec, Agents};
use crate::approvals;
use crate::clock::{Clock, HostClock};
use crate::computer::Computer;
use crate::core::{Core, OnNotice};
use crate::error::{Error, Result};
use crate::events::EventStream;
use crate::limits::SessionLimits;
use crate::model::{
    CreateOptions, EventQuery, Grant, GrantScope, PermissionRequest, PromptOutcome, Reply, ResumedVia, SessionEvent,
    SessionRecord, Status, Via,
};
use crate::notice::Notice;
use crate::session::{Cancelled, Purpose, Session, Setting};
use crate::stocks::Stocks;
use crate::storage::{MemoryStorage, Secrets, SessionRow, Storage};
use crate::stored::{self, Stored};
use crate::text::new_id;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// How the sessions of a VM are made; every option but the VM and the runtime has a default.
#[must_use = "nothing is there until it is opened"]
pub struct Config {
    computer: Arc<dyn Computer>,
    storage: Arc<dyn Storage>,
    limits: SessionLimits,
    clock: Arc<dyn Clock>,
    agents: Agents,
    instructions: Option<String>,
    on_notice: OnNotice,
    runtime: tokio::runtime::Handle,
}

impl Config {
    /// Sessions in `computer`, whose tasks run on `runtime`.
    pub fn new(computer: Arc<dyn Computer>, runtime: tokio::runtime::Handle) -> Self {
        Self {
            computer,
            storage: Arc::new(MemoryStorage::default()),
            limits: SessionLimits::default(),
            clock: Arc::new(HostClock),
            agents: Agents::default(),
            instructions: None,
            on_notice: Arc::new(|_| {}),
            runtime,
        }
    }

    /// Where they are kept; in memory unless given.
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = storage;
        self
    }

    /// What they are held to.
    pub fn limits(mut self, limits: SessionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The source of time; the host's unless given.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Adds an agent; one of the same name is replaced.
    pub fn agent(mut self, agent: AgentSpec) -> Self {
        self.agents.add(agent);
        self
    }

    /// Added to the system prompt of every session.
    pub fn instructions(mut self, text: Option<String>) -> Self {
        self.instructions = text;
        self
    }

    /// Called for each notice, in order; must return soon.
    pub fn on_notice(mut self, on_notice: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        self.on_notice = Arc::new(on_notice);
        self
    }

    /// Opens them, and puts in order what an unclean end has left behind.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn open(self) -> Result<Sessions> {
        let core = Arc::new(Core {
            computer: self.computer,
            storage: self.storage,
            limits: self.limits,
            clock: self.clock,
            agents: parking_lot::RwLock::new(self.agents),
            instructions: self.instructions,
            on_notice: self.on_notice,
            runtime: self.runtime,
            sessions: parking_lot::Mutex::new(HashMap::new()),
            pending: parking_lot::Mutex::default(),
            live: AtomicU64::new(0),
            prompts: AtomicU64::new(0),
            stocks: Stocks::default(),
            ending: AtomicBool::new(false),
        });
        stored::recover(&*core.storage, core.clock.now_ms()).await?;
        core.count_stocks()?;
        Ok(Sessions {
            core: Arc::new(Kept(core)),
        })
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// The sessions of a VM. Clones are handles to the same; when the last is dropped, agents that still run are killed.
#[derive(Clone)]
pub struct Sessions {
    core: Arc<Kept>,
}

/// What the handles share. A session knows the core that lists it, so that with the last handle the list has to go as well.
struct Kept(Arc<Core>);

impl std::ops::Deref for Kept {
    type Target = Arc<Core>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Release);
        // Dropped outside the lock, for the last of a session drops what its agent holds.
        let sessions = std::mem::take(&mut *self.sessions.lock());
        for session in sessions.into_values() {
            session.kill_agent();
        }
    }
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

/// A handle that does not keep the sessions.
#[derive(Clone)]
pub struct WeakSessions(std::sync::Weak<Kept>);

impl WeakSessions {
    /// The sessions, unless they are gone.
    pub fn upgrade(&self) -> Option<Sessions> {
        self.0.upgrade().map(|core| Sessions { core })
    }
}

impl std::fmt::Debug for WeakSessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeakSessions").finish_non_exhaustive()
    }
}

impl Sessions {
    /// A handle that does not keep them.
    pub fn downgrade(&self) -> WeakSessions {
        WeakSessions(Arc::downgrade(&self.core))
    }

    /// Starts an agent and a conversation with it.
    ///
    /// # Errors
    /// `agent_not_installed`, `agent_start_failed`, `acp_timeout`, `limit_exceeded`, `invalid_argument`; then there is no session.
    pub async fn create(&self, agent_type: &str, options: CreateOptions) -> Result<SessionRecord> {
        self.core.check_ending()?;
        self.core.check_history("createSession")?;
        let cwd = options.cwd.clone().unwrap_or_else(|| "/home/user".to_owned());
        if !cwd.starts_with('/') {
            return Err(Error::invalid(
                "options.cwd",
                "an absolute path",
                crate::text::shown(&cwd, 64),
            ));
        }
        let row = SessionRow {
            session_id: new_id("ses_"),
            agent_type: agent_type.to_owned(),
            agent_session_id: None,
            capabilities: json!({}),
            agent_info: None,
            status: Status::Suspended,
            cwd,
            options: serde_json::to_value(Session::settings_of(&options)).unwrap_or_default(),
            secrets: secrets(options),
            created_at: self.core.clock.now_ms(),
            closed_at: None,
        };
        // What puts a session into the list keeps the list, so that nothing is put there after the last handle's end.
        let core = Arc::clone(&self.core);
        self.detached(async move {
            // A name that leads nowhere leaves no trace.
            core.agents().resolve(&row.agent_type, &*core.computer).await?;
            let capacity = core.limits.max_sessions_per_vm;
            core.storage
                .add(row.clone(), capacity)
                .await
                .map_err(|error| core.refused(error))?;
            core.added_session();
            let session = Arc::new(Session::from_row(&core, &row)?);
            core.sessions
                .lock()
                .insert(row.session_id.clone(), Arc::clone(&session));
            match session.ensure_live(Purpose::Create).await {
                Ok(_) => Ok(session.record_of()),
                Err(error) => {
                    core.sessions.lock().remove(&row.session_id);
                    core.storage.remove(&row.session_id).await?;
                    core.removed_session(&row.session_id);
                    Err(error)
                }
            }
        })
        .await
    }

    /// Sessions that are not closed, oldest first.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn list(&self) -> Result<Vec<SessionRecord>> {
        self.stored().list()
    }

    /// All sessions, newest first unless asked otherwise.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn persisted(&self, oldest_first: bool) -> Result<Vec<SessionRecord>> {
        self.stored().persisted(oldest_first)
    }

    /// One session.
    ///
    /// # Errors
    /// `session_not_found`.
    pub fn get(&self, id: &str) -> Result<SessionRecord> {
        self.stored().get(id)
    }

    /// Brings a session's agent back, also that of a closed session.
    ///
    /// # Errors
    /// `session_not_found`, and those of [`create`](Self::create); the session is then suspended and its history readable.
    pub async fn resume(&self, id: &str) -> Result<ResumedVia> {
        let session = self.session(id)?;
        self.detached(async move { Ok(session.ensure_live(Purpose::Resume).await?.1) })
            .await
    }

    /// Prompts and waits for the end. `content` holds content blocks of the protocol; `timeout` is the limit's unless given.
    /// Whoever stops waiting does not stop the prompt.
    ///
    /// # Errors
    /// `session_not_found`, `prompt_timeout`, `agent_crashed`, `limit_exceeded`, `shutting_down`. What the agent answers with an
    /// error is an answer.
    pub async fn prompt(&self, id: &str, content: Vec<Value>, timeout: Option<Duration>) -> Result<PromptOutcome> {
        let session = self.session(id)?;
        if content.is_empty() {
            let expected = "at least one content block {type, ...}";
            return Err(Error::invalid("prompt", expected, "none"));
        }
        for (at, block) in content.iter().enumerate() {
            acp::check_block(block).map_err(|reason| {
                let received = crate::text::shown(&reason, 200);
                Error::invalid(&format!("prompt[{at}]"), "a content block of the protocol", received)
            })?;
        }
        session.prompt(content, timeout).await
    }

    /// Cancels the running prompt and waits for its end; a JSON-RPC response with `{cancelled, requested, via}`.
    ///
    /// # Errors
    /// `session_not_found`.
    pub async fn cancel(&self, id: &str) -> Result<Value> {
        let session = self.session(id)?;
        let (cancelled, via) = match session.cancel().await {
            Cancelled::Idle => (false, "none"),
            Cancelled::ByAgent => (true, "session/cancel"),
            Cancelled::ByForce => (true, "prompt-fallback"),
        };
        Ok(response(Ok(
            json!({"cancelled": cancelled, "requested": cancelled, "via": via}),
        )))
    }

    /// Stops the agent and keeps the history; grants end.
    ///
    /// # Errors
    /// `session_not_found`.
    pub async fn close(&self, id: &str) -> Result<()> {
        let session = self.session(id)?;
        let core = Arc::clone(&self.core.0);
        self.detached(async move {
            session.cancel().await;
            session.stop(Status::Closed, STOP_GRACE).await?;
            core.storage.remove_grants(session.id()).await?;
            core.count_grants(session.id());
            Ok(())
        })
        .await
    }

    /// Removes a session with everything that is kept of it. One that is not there is no error.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn destroy(&self, id: &str) -> Result<()> {
        let session = match self.session(id) {
            Err(Error::SessionNotFound { .. }) => return Ok(()),
            session => session?,
        };
        let core = Arc::clone(&self.core.0);
        self.detached(async move {
            session.stop(Status::Closed, Duration::ZERO).await?;
            session.cancel().await;
            let known = core.sessions.lock().remove(session.id()).is_some();
            core.storage.remove(session.id()).await?;
            // Two that destroy it at once remove it once.
            if known {
                core.removed_session(session.id());
            }
            Ok(())
        })
        .await
    }

    /// Sets the model; a JSON-RPC response with `{configOptions}` or the agent's refusal.
    ///
    /// # Errors
    /// `session_not_found`, `acp_timeout`, and those of a resume.
    pub async fn set_model(&self, id: &str, value: &str) -> Result<Value> {
        self.configure(id, Setting::Model, value).await
    }

    /// Sets the mode; see [`set_model`](Self::set_model).
    ///
    /// # Errors
    /// As [`set_model`](Self::set_model).
    pub async fn set_mode(&self, id: &str, value: &str) -> Result<Value> {
        self.configure(id, Setting::Mode, value).await
    }

    /// Sets how much the agent thinks; see [`set_model`](Self::set_model).
    ///
    /// # Errors
    /// As [`set_model`](Self::set_model).
    pub async fn set_thought_level(&self, id: &str, value: &str) -> Result<Value> {
        self.configure(id, Setting::ThoughtLevel, value).await
    }

    async fn configure(&self, id: &str, setting: Setting, value: &str) -> Result<Value> {
        let session = self.session(id)?;
        let value = value.to_owned();
        self.detached(async move { Ok(response(session.configure(setting, &value).await?)) })
            .await
    }

    /// `{currentModeId, availableModes}`; none if the agent has no modes.
    ///
    /// # Errors
    /// As [`resume`](Self::resume).
    pub async fn modes(&self, id: &str) -> Result<Option<Value>> {
        Ok(self.used(id).await?.modes())
    }

    /// The agent's options.
    ///
    /// # Errors
    /// As [`resume`](Self::resume).
    pub async fn config_options(&self, id: &str) -> Result<Vec<Value>> {
        Ok(self.used(id).await?.options())
    }

    /// Calls any method of the agent with the session's id in place; its answer. A prompt goes the way of prompts.
    ///
    /// # Errors
    /// `acp_timeout`, `agent_crashed`, `invalid_argument` for what begins a conversation, and those of a resume.
    pub async fn raw_send(&self, id: &str, method: &str, params: Value) -> Result<Value> {
        match method {
            "session/prompt" => {
                let content = params
                    .get("prompt")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default();
                return Ok(self.prompt(id, content, None).await?.response);
            }
            "session/cancel" => return self.cancel(id).await,
            "initialize" | "session/new" | "session/load" | "session/resume" => {
                return Err(Error::invalid("method", "a method of a session that has begun", method));
            }
            _ => {}
        }
        let mut params = match params {
            Value::Null => json!({}),
            Value::Object(_) => params,
            _ => return Err(Error::invalid("params", "an object", "something else")),
        };
        let session = self.session(id)?;
        let (core, method) = (Arc::clone(&self.core.0), method.to_owned());
        self.detached(async move {
            let (live, _) = session.ensure_live(Purpose::Use).await?;
            if let Some(params) = params.as_object_mut() {
                params.insert(
                    "sessionId".to_owned(),
                    Value::from(live.agent_session().unwrap_or_default()),
                );
            }
            Ok(response(live.ask(&method, params, core.limits.request_timeout).await?))
        })
        .await
    }

    /// Events of a session.
    ///
    /// # Errors
    /// `session_not_found`, `invalid_argument`.
    pub fn events(&self, id: &str, query: &EventQuery) -> Result<Vec<SessionEvent>> {
        self.stored().events(id, query)
    }

    /// Events from number `from` on: those that are there and then each new one. A slow reader delays nobody and misses
    /// nothing.
    ///
    /// # Errors
    /// `session_not_found`.
    pub fn follow(&self, id: &str, from: u64) -> Result<EventStream> {
        let session = self.session(id)?;
        Ok(EventStream::new(
            Arc::clone(&self.core.storage),
            id,
            from,
            session.follow(),
        ))
    }

    /// The number that the next event of a session gets.
    ///
    /// # Errors
    /// `session_not_found`.
    pub fn next_event(&self, id: &str) -> Result<u64> {
        Ok(*self.session(id)?.follow().borrow())
    }

    /// Requests that wait for an answer, of one session or of all.
    pub fn pending(&self, id: Option<&str>) -> Vec<PermissionRequest> {
        self.core.pending.lock().list(id)
    }

    /// Answers a permission request.
    ///
    /// # Errors
    /// `permission_not_found`, `permission_already_resolved`; with a grant also `limit_exceeded` and `invalid_argument`, and then
    /// the request waits on.
    pub async fn respond(
        &self,
        id: &str,
        permission_id: &str,
        reply: Reply,
        scope: Option<GrantScope>,
        via: Via,
    ) -> Result<Value> {
        let (core, id) = (Arc::clone(&self.core.0), id.to_owned());
        let permission = permission_id.to_owned();
        self.detached(async move { approvals::respond(&core, &id, &permission, reply, scope, via).await })
            .await?;
        Ok(response(Ok(
            json!({"permissionId": permission_id, "reply": reply, "via": via}),
        )))
    }

    /// Permissions that were given for longer, of one session or of all.
    ///
    /// # Errors
    /// Those of the storage.
    pub fn grants(&self, id: Option<&str>) -> Result<Vec<Grant>> {
        self.stored().grants(id, self.core.clock.now_ms())
    }

    /// Takes a grant back; true if it was there.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn revoke(&self, grant_id: &str) -> Result<bool> {
        let grant = self
            .core
            .storage
            .grants(None)?
            .into_iter()
            .find(|grant| grant.grant_id == grant_id);
        let removed = self.core.storage.remove_grant(grant_id).await?;
        if let Some(grant) = grant.filter(|_| removed) {
            self.core.count_grants(&grant.session_id);
            self.core.notify(Notice::Grant {
                what: "revoked",
                session_id: grant.session_id,
                grant_id: grant.grant_id,
            });
        }
        Ok(removed)
    }

    /// The agents by name, with whether the VM has their commands.
    pub async fn agents(&self) -> Vec<AgentListing> {
        self.core.agents().list(&*self.core.computer).await
    }

    /// One more agent by name, from now on; one of the same name is replaced.
    pub fn add_agent(&self, agent: AgentSpec) {
        self.core.agents.write().add(agent);
    }

    /// Why the VM must not sleep: prompts and requests.
    pub fn awake_because(&self) -> Vec<String> {
        let sessions: Vec<Arc<Session>> = self.core.sessions.lock().values().cloned().collect();
        let prompts = sessions
            .iter()
            .filter(|session| session.running_prompt())
            .map(|session| format!("prompt:{}", session.id()));
        let mut reasons: Vec<String> = prompts.collect();
        reasons.sort();
        reasons.extend(
            self.pending(None)
                .into_iter()
                .map(|request| format!("permission:{}", request.permission_id)),
        );
        reasons
    }

    /// Ends everything for the sleep of the VM: prompts are cancelled, agents stopped, sessions suspended. Nothing new is begun
    /// from here on.
    pub async fn suspend(&self) {
        self.core.ending.store(true, Ordering::Release);
        let sessions: Vec<Arc<Session>> = self.core.sessions.lock().values().cloned().collect();
        let mut tasks = Vec::new();
        for session in sessions {
            tasks.push(self.core.runtime.spawn(async move {
                session.cancel().await;
                if session.status() == Status::Live
                    && let Err(error) = session.stop(Status::Suspended, STOP_GRACE).await
                {
                    tracing::warn!(session = session.id(), %error, "a session was not suspended");
                }
            }));
        }
        for task in tasks {
            // One that panicked has nothing more to say.
            let _ = task.await;
        }
    }

    /// Ends every agent at once and begins nothing any more.
    pub fn kill(&self) {
        self.core.ending.store(true, Ordering::Release);
        let sessions: Vec<Arc<Session>> = self.core.sessions.lock().values().cloned().collect();
        for session in sessions {
            session.kill_agent();
        }
    }

    fn stored(&self) -> Stored<'_> {
        Stored::new(&*self.core.storage)
    }

    fn session(&self, id: &str) -> Result<Arc<Session>> {
        let mut sessions = self.core.sessions.lock();
        if let Some(session) = sessions.get(id) {
            return Ok(Arc::clone(session));
        }
        let row = self.core.storage.session(id)?.ok_or_else(|| Error::not_found(id))?;
        let session = Arc::new(Session::from_row(&self.core, &row)?);
        sessions.insert(id.to_owned(), Arc::clone(&session));
        Ok(session)
    }

    /// A session whose agent runs.
    async fn used(&self, id: &str) -> Result<Arc<Session>> {
        let session = self.session(id)?;
        let used = Arc::clone(&session);
        self.detached(async move { used.ensure_live(Purpose::Use).await.map(drop) })
            .await?;
        Ok(session)
    }

    /// Does work that must come to its end although whoever asked for it goes away.
    async fn detached<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let (done, result) = oneshot::channel();
        self.core.spawn(async move {
            let _ = done.send(work.await);
        });
        result.await.unwrap_or(Err(Error::ShuttingDown))
    }
}

/// Time that an agent has to end when it is asked to.
const STOP_GRACE: Duration = Duration::from_secs(2);

fn secrets(options: CreateOptions) -> Secrets {
    if options.env.is_empty() && options.mcp_servers.is_empty() {
        return Secrets::None;
    }
    let private = Private {
        env: options.env,
        mcp_servers: options.mcp_servers,
    };
    Secrets::Open(serde_json::to_string(&private).unwrap_or_default())
}
