//! Sessions of a server's VMs: where they are kept, what is told of them, who is asked.
//!
//! The layer itself is the SDK's. A server adds the actor's database as the storage, the actor's connections as the audience,
//! and the hooks of the definition. Hooks hear of events in the order of their numbers: what waits for a slow hook is not a
//! queue of events but the number of the next one, and the events are read from the storage when the hook has time.

mod storage;

pub(crate) use storage::SqlStorage;

use crate::errors::session_error;
use crate::hooks::Hooks;
use crate::machine::{Emit, Machine};
use crate::secrets::{EnvValue, Secrets};
use agentos::session::{Storage, VmError};
use agentos::{EventQuery, Notice, Reveal, Sessions, Via};
use agentos_actor::{ActorContext, Event};
use agentos_value::{ActorError, Value};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Notify;

/// A way to sessions: those of a booted VM, or what is kept of them.
#[derive(Clone)]
pub(crate) enum Access {
    /// The VM is booted.
    Live(Sessions),
    /// It sleeps.
    Kept(Arc<dyn Storage>, i64),
}

/// What is kept of an actor's sessions.
pub(crate) fn kept(ctx: &ActorContext) -> Result<Arc<SqlStorage>, agentos_actor::Failure> {
    let key = ctx.data_dir().map(|data| data.seal_key()).transpose()?;
    Ok(Arc::new(SqlStorage::new(ctx.database(), key, ctx.actor_id().as_str())))
}

/// Opens the sessions of an actor's VM.
pub(crate) async fn open(
    machine: &Machine,
    ctx: &ActorContext,
    hooks: &Hooks,
) -> Result<Sessions, agentos_actor::Failure> {
    let storage: Arc<dyn Storage> = kept(ctx)?;
    let feed = Arc::new(Feed::default());
    let (told, emit, audit) = (Arc::clone(&feed), machine.emitter(), ctx.clone());
    let setup = machine
        .vm
        .session_setup(Some(reveal(machine.secrets.clone())))
        .map_err(session_error)?;
    let sessions = setup
        .storage(storage)
        .on_notice(move |notice| {
            record(&audit, &notice);
            told.hear(&notice);
            tell(&emit, notice);
        })
        .open()
        .await
        .map_err(session_error)?;
    tokio::spawn(feed.serve(sessions.downgrade(), ctx.clone(), Arc::clone(hooks)));
    Ok(sessions)
}

/// Opens the sessions of a VM without an actor, in memory.
pub(crate) async fn open_in_memory(machine: &Machine) -> Result<Sessions, ActorError> {
    let emit = machine.emitter();
    let setup = machine
        .vm
        .session_setup(Some(reveal(machine.secrets.clone())))
        .map_err(session_error)?;
    setup
        .on_notice(move |notice| tell_embedder(&emit, notice))
        .open()
        .await
        .map_err(session_error)
}

fn reveal(secrets: Secrets) -> Reveal {
    Arc::new(move |path, env| {
        let secrets = secrets.clone();
        Box::pin(async move {
            let value = |(name, value)| match value {
                agentos::EnvValue::Plain(value) => (name, EnvValue::Plain(value)),
                agentos::EnvValue::Secret { secret } => (name, EnvValue::Secret(secret)),
            };
            let resolved = secrets.resolve(&path, env.into_iter().map(value).collect()).await;
            resolved.map_err(|error| VmError::new(error.code.to_string(), error.message))
        })
    })
}

/// What whoever embeds a VM sees. Events of sessions may be many and large, so that only their being there is told: who wants
/// them reads them from where they are kept.
fn tell_embedder(emit: &Emit, notice: Notice) {
    let (name, id, payload) = match notice {
        Notice::Event(event) => {
            let payload = Value::object([("sessionId", event.session_id.as_str())]);
            ("sessionStored", event.session_id, payload)
        }
        Notice::AgentStderr { session_id, data } => {
            let payload = Value::object([
                ("sessionId", Value::from(session_id.as_str())),
                ("data", Value::Bytes(data)),
            ]);
            ("agentStderr", session_id, payload)
        }
        notice => return tell(emit, notice),
    };
    emit.send(Event::new(name, vec![payload]).scope("session", id));
}

/// The events that clients see.
fn tell(emit: &Emit, notice: Notice) {
    let (name, id, payload) = match notice {
        Notice::Event(event) => {
            let payload = json!({"sessionId": event.session_id, "event": event.event, "seq": event.seq});
            ("sessionEvent", event.session_id, payload)
        }
        Notice::PermissionRequest(request) => {
            let id = request.session_id.clone();
            (
                "permissionRequest",
                id.clone(),
                json!({"sessionId": id, "request": request}),
            )
        }
        Notice::PermissionResolved {
            session_id,
            permission_id,
            outcome,
            via,
            ..
        } => {
            let payload =
                json!({"sessionId": session_id, "permissionId": permission_id, "outcome": outcome, "via": via});
            ("permissionResolved", session_id, payload)
        }
        Notice::AgentCrashed {
            session_id,
            exit_code,
            signal,
            restart,
            restart_count,
        } => {
            let mut payload = json!({"sessionId": session_id, "exitCode": exit_code, "restart": restart,
                "restartCount": restart_count});
            if let Some(signal) = signal {
                payload["signal"] = json!(signal);
            }
            ("agentCrashed", session_id, payload)
        }
        _ => return,
    };
    match Value::from_serialize(&payload) {
        Ok(payload) => emit.send(Event::new(name, vec![payload]).scope("session", id)),
        // JSON has no value that values have not.
        Err(error) => tracing::warn!(%error, name, "an event of a session was not told"),
    }
}

/// What is written to the audit trail (security.md section 8).
fn record(ctx: &ActorContext, notice: &Notice) {
    match notice {
        Notice::PermissionRequest(request) => ctx.audit(
            "security.approval.requested",
            json!({"sessionId": request.session_id, "permissionId": request.permission_id,
                "tool": request.tool_name.as_ref().or(request.tool_kind.as_ref())}),
        ),
        Notice::PermissionResolved {
            session_id,
            permission_id,
            outcome,
            via,
            tool,
        } => ctx.audit(
            "security.approval.resolved",
            json!({"sessionId": session_id, "permissionId": permission_id, "tool": tool, "outcome": outcome, "via": via}),
        ),
        Notice::Grant {
            what,
            session_id,
            grant_id,
        } => {
            let event = match *what {
                "created" => "security.grant.created",
                "used" => "security.grant.used",
                _ => "security.grant.revoked",
            };
            ctx.audit(event, json!({"sessionId": session_id, "grantId": grant_id}));
        }
        _ => {}
    }
}

/// What hooks have not heard yet.
#[derive(Default)]
struct Feed {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Default)]
struct Waiting {
    /// The first event of each session that was not told.
    events: BTreeMap<String, u64>,
    requests: Vec<agentos::PermissionRequest>,
}

impl Feed {
    fn hear(&self, notice: &Notice) {
        let mut waiting = self.waiting.lock();
        match notice {
            Notice::Event(event) => {
                waiting.events.entry(event.session_id.clone()).or_insert(event.seq);
            }
            // As many as may wait for an answer, of which there are only so many.
            Notice::PermissionRequest(request) => waiting.requests.push((**request).clone()),
            _ => return,
        }
        drop(waiting);
        self.more.notify_one();
    }

    /// Tells hooks, one after another, until the sessions are gone.
    async fn serve(self: Arc<Self>, sessions: agentos::WeakSessions, ctx: ActorContext, hooks: Hooks) {
        let mut told: BTreeMap<String, u64> = BTreeMap::new();
        loop {
            tokio::select! {
                () = self.more.notified() => {}
                () = ctx.abort_signal().cancelled() => return,
            }
            loop {
                let Some(sessions) = sessions.upgrade() else { return };
                let (events, requests) = {
                    let mut waiting = self.waiting.lock();
                    (
                        std::mem::take(&mut waiting.events),
                        std::mem::take(&mut waiting.requests),
                    )
                };
                if events.is_empty() && requests.is_empty() {
                    break;
                }
                for request in requests {
                    tokio::spawn(ask(sessions.clone(), ctx.clone(), Arc::clone(&hooks), request));
                }
                for (id, from) in events {
                    let next = told.entry(id.clone()).or_default();
                    *next = from.max(*next);
                    while let Some(event) = next_event(&sessions, &id, *next) {
                        *next = event.seq + 1;
                        hear(&ctx, &hooks, &id, &event.event).await;
                    }
                }
            }
        }
    }
}

fn next_event(sessions: &Sessions, id: &str, from: u64) -> Option<agentos::SessionEvent> {
    let query = json!({"since": from, "limit": 1});
    let events = sessions.events(id, &EventQuery::from_json(query).ok()?).ok()?;
    events.into_iter().next()
}

/// Tells the hook of an event. One that is too slow or fails misses what it misses; the next event is told all the same.
async fn hear(ctx: &ActorContext, hooks: &Hooks, id: &str, event: &serde_json::Value) {
    // JSON has no value that values have not.
    let Ok(event) = Value::from_serialize(event) else {
        return;
    };
    let told = async {
        hooks.on_session_event(ctx.hook_context(), id, &event).await;
        Ok(())
    };
    if let Err(error) = ctx.run_hook("onSessionEvent", told).await {
        tracing::error!(target: "agentos::hooks", vm = %ctx.key(), session = id, %error, "onSessionEvent failed");
    }
}

/// Asks the hook; whoever answers first decides.
async fn ask(sessions: Sessions, ctx: ActorContext, hooks: Hooks, request: agentos::PermissionRequest) {
    let Ok(shown) = Value::from_serialize(&request) else {
        return;
    };
    let asked = hooks.on_permission_request(ctx.hook_context(), &request.session_id, &shown);
    match ctx.run_hook("onPermissionRequest", asked).await {
        Ok(Some(reply)) => {
            let answered = sessions
                .respond(&request.session_id, &request.permission_id, reply, None, Via::Hook)
                .await;
            if let Err(error) = answered {
                tracing::debug!(%error, "the answer of a hook came too late or was refused");
            }
        }
        Ok(None) => {}
        Err(error) => tracing::error!(
            target: "agentos::hooks", vm = %ctx.key(), session = request.session_id, %error,
            "onPermissionRequest failed; the request waits for a client"
        ),
    }
}
