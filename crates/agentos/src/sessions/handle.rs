//! Handles for Rust programs: a session about to begin, a session, a prompt that runs.

use crate::vm::AgentOs;
use agentos_session::{
    ApprovalPolicy, CreateOptions, Error, EventQuery, EventStream, GrantScope, McpServer, PermissionRequest,
    PromptOutcome, Reply, Result, SessionEvent, SessionRecord, Sessions, Via,
};
use serde_json::{Value, json};
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

/// A session about to begin; made by [`AgentOs::session`].
#[must_use = "nothing begins until it is created"]
#[derive(Debug)]
pub struct SessionBuilder {
    os: AgentOs,
    agent: String,
    options: CreateOptions,
}

impl AgentOs {
    /// Prepares a session with an agent: a well-known name (`pi`, `claude`, `codex`, `opencode`), one that the VM was given, or
    /// the absolute path of a program that speaks the Agent Client Protocol.
    pub fn session(&self, agent: impl Into<String>) -> SessionBuilder {
        SessionBuilder {
            os: self.clone(),
            agent: agent.into(),
            options: CreateOptions::default(),
        }
    }

    /// A session of this VM by its id.
    ///
    /// # Errors
    /// `session_not_found`.
    pub async fn open_session(&self, id: &str) -> Result<Session> {
        let sessions = self.sessions().await?.clone();
        sessions.get(id)?;
        Ok(Session {
            sessions,
            id: id.to_owned(),
        })
    }
}

impl SessionBuilder {
    /// Directory that the agent works in; `/home/user` unless given.
    pub fn cwd(mut self, path: impl Into<String>) -> Self {
        self.options.cwd = Some(path.into());
        self
    }

    /// Sets a variable for the agent.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.env.insert(name.into(), value.into().into());
        self
    }

    /// Who decides about permission requests; [`ApprovalPolicy::Ask`] unless given.
    pub fn policy(mut self, policy: ApprovalPolicy) -> Self {
        self.options.permission_policy = Some(policy);
        self
    }

    /// A server of the Model Context Protocol that the agent is to use.
    pub fn mcp_server(mut self, server: McpServer) -> Self {
        self.options.mcp_servers.push(server);
        self
    }

    /// Added to the system prompt.
    pub fn additional_instructions(mut self, text: impl Into<String>) -> Self {
        self.options.additional_instructions = Some(text.into());
        self
    }

    /// Leaves the base text of the system prompt out.
    pub fn skip_os_instructions(mut self) -> Self {
        self.options.skip_os_instructions = true;
        self
    }

    /// Starts the agent.
    ///
    /// # Errors
    /// `agent_not_installed`, `agent_start_failed`, `acp_timeout`, `limit_exceeded`, `invalid_argument`.
    pub async fn create(self) -> Result<Session> {
        let sessions = self.os.sessions().await?.clone();
        let record = sessions.create(&self.agent, self.options).await?;
        Ok(Session {
            sessions,
            id: record.session_id,
        })
    }
}

/// A session. Clones are handles to the same; dropping them does not close it.
#[derive(Debug, Clone)]
pub struct Session {
    sessions: Sessions,
    id: String,
}

impl Session {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is known of it now.
    ///
    /// # Errors
    /// `session_not_found` once it was destroyed.
    pub fn record(&self) -> Result<SessionRecord> {
        self.sessions.get(&self.id)
    }

    /// A prompt: await it for its outcome. See [`PromptRun::with_events`] for what happens meanwhile.
    pub fn prompt(&self, text: impl Into<String>) -> PromptRun {
        self.prompt_content(vec![json!({"type": "text", "text": text.into()})])
    }

    /// A prompt of content blocks of the protocol: texts, images, resources.
    pub fn prompt_content(&self, content: Vec<Value>) -> PromptRun {
        PromptRun {
            session: self.clone(),
            content,
            timeout: None,
        }
    }

    /// Cancels the prompt that runs and waits for its end.
    ///
    /// # Errors
    /// `session_not_found`.
    pub async fn cancel(&self) -> Result<Value> {
        self.sessions.cancel(&self.id).await
    }

    /// Events that are there.
    ///
    /// # Errors
    /// `session_not_found`.
    pub fn history(&self, query: &EventQuery) -> Result<Vec<SessionEvent>> {
        self.sessions.events(&self.id, query)
    }

    /// Events from number `from` on, those that are there and those to come.
    ///
    /// # Errors
    /// `session_not_found`.
    pub fn events(&self, from: u64) -> Result<EventStream> {
        self.sessions.follow(&self.id, from)
    }

    /// Permission requests that wait for an answer.
    pub fn pending(&self) -> Vec<PermissionRequest> {
        self.sessions.pending(Some(&self.id))
    }

    /// Answers a permission request; `scope` is for [`Reply::Always`].
    ///
    /// # Errors
    /// `permission_not_found`, `permission_already_resolved`.
    pub async fn respond(&self, permission: &str, reply: Reply, scope: Option<GrantScope>) -> Result<()> {
        self.sessions
            .respond(&self.id, permission, reply, scope, Via::Client)
            .await
            .map(drop)
    }

    /// All sessions of its VM, for what else can be done with this one.
    pub fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Stops the agent and keeps the history.
    ///
    /// # Errors
    /// `session_not_found` once it was destroyed.
    pub async fn close(&self) -> Result<()> {
        self.sessions.close(&self.id).await
    }

    /// Removes it with everything that is kept of it.
    ///
    /// # Errors
    /// None with the storage of an embedded VM.
    pub async fn destroy(&self) -> Result<()> {
        self.sessions.destroy(&self.id).await
    }
}

/// A prompt about to run; awaiting it runs it.
#[must_use = "nothing is asked until it is awaited"]
#[derive(Debug)]
pub struct PromptRun {
    session: Session,
    content: Vec<Value>,
    timeout: Option<Duration>,
}

impl PromptRun {
    /// Ends the prompt after this time; `limits.acp.promptTimeoutMs` unless given.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Runs it and calls `on_event` for each event of the session from now on until its end, in order.
    ///
    /// # Errors
    /// As awaiting it.
    pub async fn with_events(self, mut on_event: impl FnMut(&SessionEvent)) -> Result<PromptOutcome> {
        let from = self.session.sessions.next_event(&self.session.id)?;
        let mut events = self.session.events(from)?;
        let run = self.into_future();
        tokio::pin!(run);
        let outcome = loop {
            tokio::select! {
                biased;
                event = events.next() => match event? {
                    Some(event) => on_event(&event),
                    None => return Err(Error::ShuttingDown),
                },
                outcome = &mut run => break outcome,
            }
        };
        while let Some(event) = events.ready()? {
            on_event(&event);
        }
        outcome
    }
}

impl IntoFuture for PromptRun {
    type Output = Result<PromptOutcome>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            self.session
                .sessions
                .prompt(&self.session.id, self.content, self.timeout)
                .await
        })
    }
}
