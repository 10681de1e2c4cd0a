//! Prompts: one runs in a session, others wait in their order.
//!
//! A prompt is a task of the layer: whoever asked may go away, and it ends all the same. Its events are, in this order, the
//! prompt itself, what the agent says, and its end (lifecycle.md section 6.1). Waiting for the agent has three ends: its
//! answer, its death, and the budget; a prompt that is cancelled gives the agent a little time and then none.

use super::{Purpose, Session};
use crate::agent::acp;
use crate::agent::live::Live;
use crate::agent::message::{Answer, RpcError};
use crate::agent::peer::Ended;
use crate::approvals;
use crate::error::{Error, Result};
use crate::limits::named::{PROMPTS, PROMPTS_OF_VM, QUEUED};
use crate::limits::{CANCEL_GRACE, REMEMBERED_MESSAGES};
use crate::model::{PromptOutcome, Status};
use crate::text::new_id;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// The prompt that runs.
pub(super) struct Running {
    id: String,
    text: String,
    /// Messages of which pieces have come, of agents that name them.
    messages: BTreeSet<String>,
    cancel: watch::Sender<bool>,
    /// Why it fails although the agent may answer.
    failure: Option<Error>,
    /// Tells those who cancelled it how it ended: whether the agent had to be ended.
    ended: watch::Sender<Option<bool>>,
}

impl Running {
    /// Adds to its text; what is beyond `most` is in the events only.
    pub(super) fn say(&mut self, text: &str, most: usize) {
        let room = most.saturating_sub(self.text.len());
        self.text.push_str(crate::text::head(text, room));
    }

    /// Whether a message is new; what is beyond the bound is not, and is in the events only.
    pub(super) fn is_new(&mut self, message: &str) -> bool {
        self.messages.len() < REMEMBERED_MESSAGES && self.messages.insert(message.to_owned())
    }
}

/// What became of a request to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cancelled {
    /// Nothing ran.
    Idle,
    /// The agent ended the prompt.
    ByAgent,
    /// The agent did not, and was ended.
    ByForce,
}

/// How waiting for an agent ended.
struct Waited {
    answer: Result<Answer, Arc<Ended>>,
    timed_out: bool,
    forced: bool,
}

/// A place in the queue.
struct Queued(Arc<Session>);

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.queued.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Session {
    /// Prompts and waits for the end. `timeout` of zero or none is the limit's.
    pub(crate) async fn prompt(
        self: &Arc<Self>,
        blocks: Vec<Value>,
        timeout: Option<Duration>,
    ) -> Result<PromptOutcome> {
        let place = self.enqueue()?;
        let (done, outcome) = oneshot::channel();
        let session = Arc::clone(self);
        // Asked for here, where prompts come in their order: tasks begin in any.
        let mut turn = Box::pin(Arc::clone(&self.turn).lock_owned());
        let taken = std::future::poll_fn(|cx| Poll::Ready(turn.as_mut().poll(cx))).await;
        self.core.spawn(async move {
            let _place = place;
            let _turn = match taken {
                Poll::Ready(taken) => taken,
                Poll::Pending => turn.await,
            };
            let _ = done.send(session.run(blocks, timeout).await);
        });
        // The task ends without an answer only with the runtime.
        outcome.await.unwrap_or(Err(Error::ShuttingDown))
    }

    fn enqueue(self: &Arc<Self>) -> Result<Queued> {
        let core = &self.core;
        core.check_ending()?;
        self.check_open()?;
        core.check_history("sendPrompt")?;
        for (limit, observed, capacity) in [
            (PROMPTS, &self.prompts, core.limits.max_prompts_per_session),
            (PROMPTS_OF_VM, &core.prompts, core.limits.max_prompts_per_vm),
        ] {
            let observed = observed.load(Ordering::Acquire);
            if observed >= capacity {
                return Err(core.refused(Error::limit(limit, observed + 1, capacity, "sendPrompt")));
            }
        }
        let (queued, capacity) = (
            self.queued.load(Ordering::Acquire),
            core.limits.max_queued_prompts_per_session,
        );
        // The one that runs does not wait.
        if queued > capacity {
            return Err(core.refused(Error::limit(QUEUED, queued, capacity, "sendPrompt")));
        }
        self.queued.fetch_add(1, Ordering::AcqRel);
        self.prompts.fetch_add(1, Ordering::AcqRel);
        core.prompts.fetch_add(1, Ordering::AcqRel);
        Ok(Queued(Arc::clone(self)))
    }

    fn check_open(&self) -> Result<()> {
        match self.status() {
            Status::Closed => Err(Error::SessionNotFound {
                session_id: self.id.clone(),
                status: Some(Status::Closed),
            }),
            _ => Ok(()),
        }
    }

    async fn run(self: &Arc<Self>, blocks: Vec<Value>, timeout: Option<Duration>) -> Result<PromptOutcome> {
        self.core.check_ending()?;
        let (live, _) = self.ensure_live(Purpose::Use).await?;
        let started = self.core.clock.now_ms();
        let (cancel, mut cancelled) = watch::channel(false);
        let prompt_id = new_id("prompt_");
        self.state.lock().running = Some(Running {
            id: prompt_id.clone(),
            text: String::new(),
            messages: BTreeSet::new(),
            cancel,
            failure: None,
            ended: watch::Sender::new(None),
        });
        let told = self.record(self.spoken(&blocks, &prompt_id), false).await;
        let waited = match told {
            Ok(()) => {
                let prompt = self.preamble().into_iter().chain(blocks).collect();
                Ok(self.exchange(&live, prompt, timeout, &mut cancelled).await)
            }
            Err(error) => Err(error),
        };
        self.conclude(&live, waited, timeout, started).await
    }

    /// The prompt as events.
    fn spoken(&self, blocks: &[Value], prompt_id: &str) -> Vec<Value> {
        let event = |block: &Value| {
            json!({"jsonrpc": "2.0", "method": "session/update", "params": {
                "sessionId": self.id,
                "update": {"sessionUpdate": "user_message_chunk", "content": block},
                "_meta": {"agentos": {"promptId": prompt_id, "source": "prompt"}},
            }})
        };
        blocks.iter().map(event).collect()
    }

    fn preamble(&self) -> Option<Value> {
        let text = self.state.lock().preamble.take()?;
        Some(json!({"type": "text", "text": text}))
    }

    fn budget(&self, timeout: Option<Duration>) -> Option<Duration> {
        timeout
            .filter(|timeout| !timeout.is_zero())
            .or(self.core.limits.prompt_timeout)
    }

    /// Asks the agent and waits.
    async fn exchange(
        &self,
        live: &Arc<Live>,
        prompt: Vec<Value>,
        timeout: Option<Duration>,
        cancelled: &mut watch::Receiver<bool>,
    ) -> Waited {
        let agent_session = live.agent_session().unwrap_or_default();
        let params = acp::prompt(&agent_session, &prompt);
        let request = live.prompt(params);
        tokio::pin!(request);
        let clock = &self.core.clock;
        let over = async {
            match self.budget(timeout) {
                Some(budget) => clock.sleep(budget).await,
                None => std::future::pending().await,
            }
        };
        let timed_out = tokio::select! {
            biased;
            answer = &mut request => return Waited { answer, timed_out: false, forced: false },
            _ = cancelled.wait_for(|cancelled| *cancelled) => false,
            () = over => true,
        };
        let told = json!({"jsonrpc": "2.0", "method": "session/cancel", "params": acp::cancel(&agent_session)});
        // An agent that does not read must not keep us from counting its time.
        let grace = clock.sleep(CANCEL_GRACE);
        let ending = async {
            live.peer.send(&told).await;
            approvals::cancel(&self.core, &self.id).await;
            (&mut request).await
        };
        let answered = tokio::select! {
            biased;
            answer = ending => Some(answer),
            () = grace => None,
        };
        match answered {
            Some(answer) => Waited {
                answer,
                timed_out,
                forced: false,
            },
            None => {
                live.broke("it did not end a cancelled prompt");
                Waited {
                    answer: Err(live.peer.end_of().await),
                    timed_out,
                    forced: true,
                }
            }
        }
    }

    /// Writes the end of the prompt and makes its outcome.
    async fn conclude(
        &self,
        live: &Live,
        waited: Result<Waited>,
        timeout: Option<Duration>,
        started: i64,
    ) -> Result<PromptOutcome> {
        approvals::cancel(&self.core, &self.id).await;
        let running = self.state.lock().running.take();
        let Some(running) = running else {
            return Err(Error::ShuttingDown);
        };
        let cancelled = *running.cancel.borrow();
        let (forced, outcome) = match waited {
            Err(error) => (false, Err(error)),
            Ok(waited) if waited.timed_out => {
                let budget = self.budget(timeout).unwrap_or_default();
                let timeout_ms = u64::try_from(budget.as_millis()).unwrap_or(u64::MAX);
                (waited.forced, Err(Error::PromptTimeout { timeout_ms }))
            }
            Ok(waited) => (
                waited.forced,
                match (running.failure, waited.answer) {
                    (Some(failure), _) => Err(failure),
                    (None, Ok(answer)) => Ok(answer.and_then(checked)),
                    // It was to be cancelled, and it is.
                    (None, Err(_)) if cancelled && waited.forced => Ok(Ok(json!({"stopReason": "cancelled"}))),
                    (None, Err(ended)) => Err(live.crash(&ended)),
                },
            ),
        };
        let duration = self.core.clock.now_ms().saturating_sub(started);
        let end = end_event(&self.id, &running.id, duration, &outcome);
        let written = self.record(vec![end], false).await;
        running.ended.send_replace(Some(forced));
        let answer = outcome?;
        written?;
        let response = match answer {
            Ok(result) => json!({"jsonrpc": "2.0", "id": running.id, "result": result}),
            Err(error) => json!({"jsonrpc": "2.0", "id": running.id, "error": error.to_value()}),
        };
        Ok(PromptOutcome {
            response,
            text: running.text,
        })
    }

    /// Cancels the running prompt, if there is one, and waits for its end.
    pub(crate) async fn cancel(&self) -> Cancelled {
        let ended = {
            let state = self.state.lock();
            let Some(running) = &state.running else {
                return Cancelled::Idle;
            };
            running.cancel.send_replace(true);
            running.ended.subscribe()
        };
        let mut ended = ended;
        let forced = match ended.wait_for(Option::is_some).await {
            Ok(forced) => *forced,
            Err(_) => None,
        };
        match forced {
            Some(true) => Cancelled::ByForce,
            _ => Cancelled::ByAgent,
        }
    }

    /// Makes the running prompt fail and cancels it; false if none runs.
    pub(super) fn fail_prompt(&self, failure: Error) -> bool {
        let mut state = self.state.lock();
        let Some(running) = &mut state.running else {
            return false;
        };
        let first = running.failure.is_none();
        running.failure.get_or_insert(failure);
        running.cancel.send_replace(true);
        first
    }
}

/// An agent's answer to a prompt must say why it stopped.
fn checked(result: Value) -> Answer {
    match acp::is_stopped(&result) {
        true => Ok(result),
        false => Err(RpcError::new(-32603, "the agent's answer has no stopReason")),
    }
}

/// `agentos/prompt_end`.
pub(crate) fn end_event(session_id: &str, prompt_id: &str, duration_ms: i64, outcome: &Result<Answer>) -> Value {
    let (stop_reason, error) = match outcome {
        Ok(Ok(result)) => (result.get("stopReason").cloned().unwrap_or_default(), None),
        Ok(Err(error)) => (Value::Null, Some(json!({"code": error.code, "message": error.message}))),
        Err(Error::PromptTimeout { timeout_ms }) => (
            Value::from("cancelled"),
            Some(json!({"code": "prompt_timeout", "timeoutMs": timeout_ms})),
        ),
        Err(error) => (
            Value::Null,
            Some(json!({"code": error.code(), "message": error.to_string()})),
        ),
    };
    let mut params =
        json!({"sessionId": session_id, "stopReason": stop_reason, "promptId": prompt_id, "durationMs": duration_ms});
    if let (Some(error), Some(params)) = (error, params.as_object_mut()) {
        params.insert("error".to_owned(), error);
    }
    json!({"jsonrpc": "2.0", "method": "agentos/prompt_end", "params": params})
}
