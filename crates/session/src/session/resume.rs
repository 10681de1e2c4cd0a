//! The agent of a session comes and goes; the session stays (lifecycle.md section 6).

use super::Session;
use crate::agent::acp;
use crate::agent::live::{Live, LivePlace};
use crate::agent::start::{self, Begun};
use crate::approvals;
use crate::computer::BoxFuture;
use crate::error::{Error, Result};
use crate::limits::{RESTART_WINDOW_MS, RESTARTS};
use crate::model::{ResumedVia, Status};
use crate::notice::Notice;
use crate::storage::SessionChange;
use crate::{instructions, transcript};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Why an agent is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A call needs it.
    Use,
    /// The session is to be resumed, also a closed one.
    Resume,
    /// The last one crashed.
    Restart,
    /// The session is new.
    Create,
}

impl Session {
    /// The running agent, which is started if there is none.
    pub(crate) async fn ensure_live(self: &Arc<Self>, purpose: Purpose) -> Result<(Arc<Live>, ResumedVia)> {
        let mut slot = self.lifecycle.lock().await;
        if let Some(live) = &*slot
            && live.peer.ended().is_none()
        {
            return Ok((Arc::clone(live), ResumedVia::Live));
        }
        let dead = slot.take();
        self.core.check_ending()?;
        if self.status() == Status::Closed && purpose != Purpose::Resume {
            return Err(Error::SessionNotFound {
                session_id: self.id.clone(),
                status: Some(Status::Closed),
            });
        }
        let crash = dead
            .filter(|live| !live.is_stopping())
            .map(|live| (live, self.count_crash()));
        if let Some((live, count)) = &crash
            && *count > RESTARTS
            && purpose == Purpose::Restart
        {
            self.set_status(Status::Suspended).await?;
            self.tell_crash(live, "exhausted", *count);
            return Err(live
                .peer
                .ended()
                .map_or(Error::ShuttingDown, |ended| live.crash(&ended)));
        }
        let started = self.start(purpose).await;
        if let Some((live, count)) = &crash {
            self.tell_crash(live, if started.is_ok() { "restarted" } else { "failed" }, *count);
        }
        match started {
            Ok((live, via)) => {
                *slot = Some(Arc::clone(&live));
                Ok((live, via))
            }
            Err(error) => {
                if self.status() == Status::Live {
                    self.set_status(Status::Suspended).await?;
                }
                Err(error)
            }
        }
    }

    async fn start(self: &Arc<Self>, purpose: Purpose) -> Result<(Arc<Live>, ResumedVia)> {
        let place = LivePlace::take(&self.core)?;
        let known = self.state.lock().agent_session_id.clone();
        let how = start::How {
            known,
            check_servers: purpose != Purpose::Restart,
        };
        let begun = start::start(self, place, how).await?;
        let kept = self.keep(&begun, purpose).await;
        if let Err(error) = kept {
            begun.live.stop(Duration::ZERO).await;
            return Err(error);
        }
        self.reapply(&begun.live).await;
        Ok((begun.live, begun.via))
    }

    /// Stores what is known of a new conversation.
    async fn keep(&self, begun: &Begun, purpose: Purpose) -> Result<()> {
        if begun.via == ResumedVia::Transcript && purpose != Purpose::Create {
            self.prepare_transcript().await?;
        }
        let initialized = begun.live.initialized.lock().clone();
        let capabilities = capabilities(&initialized, &begun.answer);
        let info = initialized.get("agentInfo").filter(|info| info.is_object()).cloned();
        let change = SessionChange {
            agent_session_id: Some(begun.agent_session.clone()),
            capabilities: Some(capabilities.clone()),
            agent_info: Some(info.clone()),
            status: Some(Status::Live),
            ..SessionChange::default()
        };
        self.core.storage.change(&self.id, change).await?;
        let mut state = self.state.lock();
        state.status = Status::Live;
        state.agent_session_id = Some(begun.agent_session.clone());
        state.capabilities = capabilities;
        state.agent_info = info;
        let member = |name: &str| begun.answer.get(name).filter(|value| value.is_object()).cloned();
        state.modes = member("modes");
        state.models = member("models");
        state.options = acp::options(&begun.answer).unwrap_or_default();
        Ok(())
    }

    async fn prepare_transcript(&self) -> Result<()> {
        let most = self.core.limits.max_fallback_continuation_bytes;
        let Some(text) = transcript::render(&*self.core.storage, &self.id, most)? else {
            return Ok(());
        };
        let path = instructions::transcript_path(self);
        self.core
            .computer
            .publish(&path, Bytes::from(text), false)
            .await
            .map_err(|error| Error::Vm {
                code: error.code,
                message: error.message,
            })?;
        self.state.lock().preamble = Some(transcript::preamble(self));
        Ok(())
    }

    /// An agent has ended; called once, by whoever read its output.
    pub(crate) fn agent_ended<'a>(self: &'a Arc<Self>, ended: &'a Arc<Live>) -> BoxFuture<'a, ()> {
        // Boxed, because the restart has a reader that calls this in its turn.
        Box::pin(async move {
            approvals::cancel(&self.core, &self.id).await;
            if ended.is_stopping() || self.core.check_ending().is_err() {
                return;
            }
            // Whoever needed the agent meanwhile has started another; one that never began is nobody's.
            let is_it = matches!(&*self.lifecycle.lock().await, Some(live) if Arc::ptr_eq(live, ended));
            if is_it && let Err(error) = self.ensure_live(Purpose::Restart).await {
                tracing::warn!(session = %self.id, %error, "a crashed agent was not restarted");
            }
        })
    }

    /// Ends of agents within the last hour, this one included.
    fn count_crash(&self) -> usize {
        let now = self.core.clock.now_ms();
        let mut state = self.state.lock();
        state.crashes.retain(|at| now.saturating_sub(*at) < RESTART_WINDOW_MS);
        state.crashes.push_back(now);
        state.crashes.len()
    }

    fn tell_crash(&self, live: &Live, restart: &'static str, restart_count: usize) {
        let exit = live.peer.ended().map(|ended| ended.exit.clone()).unwrap_or_default();
        self.core.notify(Notice::AgentCrashed {
            session_id: self.id.clone(),
            exit_code: exit.code,
            signal: exit.signal,
            restart,
            restart_count: restart_count.min(RESTARTS),
        });
    }

    /// Stops the agent, if there is one, and says where the session is then.
    pub(crate) async fn stop(&self, status: Status, grace: Duration) -> Result<()> {
        let mut slot = self.lifecycle.lock().await;
        if let Some(live) = slot.take() {
            live.stop(grace).await;
        }
        approvals::cancel(&self.core, &self.id).await;
        self.store_prompts().await?;
        match self.status() == status {
            true => Ok(()),
            false => self.set_status(status).await,
        }
    }

    /// Ends the agent at once, whatever it does.
    pub(crate) fn kill_agent(&self) {
        if let Ok(slot) = self.lifecycle.try_lock()
            && let Some(live) = &*slot
        {
            live.kill();
        }
    }
}

/// What an agent can do, in the words of api.md section 5.1, with its own capabilities beside them.
fn capabilities(initialized: &Value, answer: &Value) -> Value {
    let own = initialized.get("agentCapabilities").cloned().unwrap_or_default();
    let prompt = |name: &str| {
        own.get("promptCapabilities")
            .and_then(|prompt| prompt.get(name))
            .and_then(Value::as_bool)
            .unwrap_or(false)
    };
    let mcp = own.get("mcpCapabilities").is_some_and(Value::is_object);
    let modes = answer
        .get("modes")
        .and_then(|modes| modes.get("availableModes"))
        .and_then(Value::as_array);
    let plan = modes.is_some_and(|modes| {
        modes
            .iter()
            .any(|mode| mode.get("id").and_then(Value::as_str) == Some("plan"))
    });
    let mut known = json!({
        "permissions": true, "plan_mode": plan, "questions": false, "tool_calls": true, "text_messages": true,
        "images": prompt("image"), "file_attachments": prompt("embeddedContext"), "session_lifecycle": true,
        "error_events": true, "reasoning": true, "status": true, "streaming_deltas": true, "mcp_tools": mcp,
        "promptCapabilities": {
            "audio": prompt("audio"), "embeddedContext": prompt("embeddedContext"), "image": prompt("image"),
        },
    });
    if let (Some(known), Some(own)) = (known.as_object_mut(), own.as_object()) {
        for (name, value) in own.iter().filter(|(name, _)| *name != "promptCapabilities") {
            known.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    known
}
