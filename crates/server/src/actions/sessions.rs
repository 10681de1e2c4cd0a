//! Sessions (api.md section 4.5). What needs no agent is answered for a VM that sleeps as well.

use super::args::{Args, Result as ArgResult};
use super::{Action, SessionCall, session};
use crate::errors::session_error;
use crate::sessions::Access;
use agentos::session::Stored;
use agentos::{CreateOptions, EventQuery, GrantScope, Reply, SessionEvent, SessionRecord, Sessions};
use agentos_actor::Failure;
use agentos_value::{ActorError, Value};
use serde::Serialize;
use serde_json::{Value as Json, json};
use std::time::Duration;

/// The actions of this group.
pub(super) const ACTIONS: &[Action] = &[
    session!(Awake, "listAgents", list_agents),
    session!(Awake, "createSession", create),
    session!(Stored, "listSessions", list),
    session!(Stored, "getSession", get),
    session!(Awake, "resumeSession", resume),
    session!(Awake, "sendPrompt", prompt),
    session!(Awake, "cancelPrompt", cancel),
    session!(Stored, "closeSession", close),
    session!(Stored, "destroySession", destroy),
    session!(Awake, "setModel", set_model),
    session!(Awake, "setMode", set_mode),
    session!(Awake, "setThoughtLevel", set_thought_level),
    session!(Awake, "getModes", modes),
    session!(Awake, "getConfigOptions", config_options),
    session!(Stored, "getEvents", events),
    session!(Stored, "getSequencedEvents", sequenced),
    session!(Stored, "listPersistedSessions", persisted),
    session!(Stored, "getSessionEvents", session_events),
    session!(Awake, "rawSend", raw_send),
    session!(Awake, "respondPermission", respond),
    session!(Stored, "listPendingPermissions", pending),
    session!(Stored, "listPermissionGrants", grants),
    session!(Stored, "revokePermissionGrant", revoke),
];

type Answer = Result<Value, Failure>;

/// Longest result of a session in one message is the message's; what is larger asks for `limit`.
fn value(shape: &impl Serialize) -> Answer {
    Value::from_serialize(shape).map_err(Failure::internal)
}

fn failed(error: agentos::session::Error) -> Failure {
    session_error(error).into()
}

/// A member of options or a query as JSON.
fn json(args: &mut Args, name: &str) -> ArgResult<Json> {
    match args.optional(name) {
        Some(arg) if arg.is_object() => {
            let value = arg.into_value();
            value
                .deserialize()
                .map_err(|_| super::invalid_argument(name, "an object of JSON values", "another"))
        }
        Some(arg) => arg.refuse("an object"),
        None => Ok(Json::Null),
    }
}

fn live(access: &Access) -> Result<&Sessions, ActorError> {
    match access {
        Access::Live(sessions) => Ok(sessions),
        // The runtime boots the VM first.
        Access::Kept(..) => Err(crate::errors::shutting_down()),
    }
}

async fn list_agents(SessionCall { access, args, .. }: SessionCall) -> Answer {
    args.end()?;
    value(&live(&access)?.agents().await)
}

/// `{sessionId, agentType, capabilities, agentInfo, status}`.
fn record(record: &SessionRecord) -> Json {
    json!({"sessionId": record.session_id, "agentType": record.agent_type, "capabilities": record.capabilities,
        "agentInfo": record.agent_info, "status": record.status})
}

async fn create(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let agent = args.next("agentType").text()?;
    let options = CreateOptions::from_json(json(&mut args, "options")?).map_err(failed)?;
    args.end()?;
    value(&record(&live(&access)?.create(&agent, options).await.map_err(failed)?))
}

async fn list(SessionCall { access, args, .. }: SessionCall) -> Answer {
    args.end()?;
    let records = match &access {
        Access::Live(sessions) => sessions.list(),
        Access::Kept(storage, _) => Stored::new(&**storage).list(),
    };
    let short = |record: &SessionRecord| json!({"sessionId": record.session_id, "agentType": record.agent_type, "status": asleep(&access, record)});
    value(&records.map_err(failed)?.iter().map(short).collect::<Vec<_>>())
}

/// Without a VM no session is live, whatever a crash has left in its row.
fn asleep(access: &Access, record: &SessionRecord) -> agentos::SessionStatus {
    match (access, record.status) {
        (Access::Kept(..), agentos::SessionStatus::Live) => agentos::SessionStatus::Suspended,
        (_, status) => status,
    }
}

async fn get(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let id = args.next("sessionId").text()?;
    args.end()?;
    let found = match &access {
        Access::Live(sessions) => sessions.get(&id),
        Access::Kept(storage, _) => Stored::new(&**storage).get(&id),
    };
    let mut found = found.map_err(failed)?;
    found.status = asleep(&access, &found);
    value(&record(&found))
}

async fn resume(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let id = args.next("sessionId").text()?;
    args.end()?;
    let via = live(&access)?.resume(&id).await.map_err(failed)?;
    value(&json!({"sessionId": id, "via": via}))
}

async fn prompt(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let (id, text) = (args.next("sessionId").text()?, args.next("text").text()?);
    let mut options = args.options(&["timeoutMs"])?;
    let timeout = options.integer("timeoutMs", 0..=u64::from(u32::MAX))?;
    args.end()?;
    let content = vec![json!({"type": "text", "text": text})];
    let timeout = timeout.map(Duration::from_millis);
    let outcome = live(&access)?.prompt(&id, content, timeout).await.map_err(failed)?;
    value(&outcome)
}

async fn cancel(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let id = args.next("sessionId").text()?;
    args.end()?;
    value(&live(&access)?.cancel(&id).await.map_err(failed)?)
}

async fn close(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let id = args.next("sessionId").text()?;
    args.end()?;
    match &access {
        Access::Live(sessions) => sessions.close(&id).await,
        Access::Kept(storage, now) => Stored::new(&**storage).close(&id, *now).await,
    }
    .map_err(failed)?;
    Ok(Value::Undefined)
}

async fn destroy(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let id = args.next("sessionId").text()?;
    args.end()?;
    match &access {
        Access::Live(sessions) => sessions.destroy(&id).await,
        Access::Kept(storage, _) => Stored::new(&**storage).destroy(&id).await,
    }
    .map_err(failed)?;
    Ok(Value::Undefined)
}

fn setting(args: &mut Args) -> ArgResult<(String, String)> {
    Ok((args.next("sessionId").text()?, args.next("value").text()?))
}

async fn set_model(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let (id, given) = setting(&mut args)?;
    args.end()?;
    value(&live(&access)?.set_model(&id, &given).await.map_err(failed)?)
}

async fn set_mode(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let (id, given) = setting(&mut args)?;
    args.end()?;
    value(&live(&access)?.set_mode(&id, &given).await.map_err(failed)?)
}

async fn set_thought_level(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let (id, given) = setting(&mut args)?;
    args.end()?;
    value(&live(&access)?.set_thought_level(&id, &given).await.map_err(failed)?)
}

async fn modes(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let id = args.next("sessionId").text()?;
    args.end()?;
    value(&live(&access)?.modes(&id).await.map_err(failed)?)
}

async fn config_options(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let id = args.next("sessionId").text()?;
    args.end()?;
    value(&live(&access)?.config_options(&id).await.map_err(failed)?)
}

/// The events that a query asks for.
fn queried(access: &Access, args: &mut Args) -> Result<Vec<SessionEvent>, Failure> {
    let id = args.next("sessionId").text()?;
    let query = EventQuery::from_json(json(args, "query")?).map_err(failed)?;
    let found = match access {
        Access::Live(sessions) => sessions.events(&id, &query),
        Access::Kept(storage, _) => Stored::new(&**storage).events(&id, &query),
    };
    found.map_err(failed)
}

async fn events(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let found = queried(&access, &mut args)?;
    args.end()?;
    value(&found.into_iter().map(|event| event.event).collect::<Vec<_>>())
}

/// `{sequenceNumber, notification}`.
pub(crate) fn sequenced_event(event: &SessionEvent) -> Result<Value, ActorError> {
    let shape = json!({"sequenceNumber": event.seq, "notification": event.event});
    value(&shape).map_err(|failure| failure.publish("getSequencedEvents"))
}

async fn sequenced(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let found = queried(&access, &mut args)?;
    args.end()?;
    let shape = |event: SessionEvent| json!({"sequenceNumber": event.seq, "notification": event.event});
    value(&found.into_iter().map(shape).collect::<Vec<_>>())
}

async fn session_events(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let found = queried(&access, &mut args)?;
    args.end()?;
    value(&found)
}

async fn persisted(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let mut options = args.options(&["order"])?;
    let order = options
        .take("order")
        .map(|order| order.word(&["desc", "asc"]))
        .transpose()?;
    args.end()?;
    let oldest_first = order == Some("asc");
    let records = match &access {
        Access::Live(sessions) => sessions.persisted(oldest_first),
        Access::Kept(storage, _) => Stored::new(&**storage).persisted(oldest_first),
    };
    let mut records = records.map_err(failed)?;
    for record in &mut records {
        record.status = asleep(&access, record);
    }
    value(&records)
}

async fn raw_send(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let (id, method) = (args.next("sessionId").text()?, args.next("method").text()?);
    let params = json(&mut args, "params")?;
    args.end()?;
    value(&live(&access)?.raw_send(&id, &method, params).await.map_err(failed)?)
}

async fn respond(SessionCall { access, mut args, via }: SessionCall) -> Answer {
    let (id, permission) = (args.next("sessionId").text()?, args.next("permissionId").text()?);
    let reply = match args.next("reply").word(&["once", "always", "reject"])? {
        "once" => Reply::Once,
        "always" => Reply::Always,
        _ => Reply::Reject,
    };
    let mut options = args.options(&["scope"])?;
    let scope = match options.take("scope") {
        Some(scope) => {
            let refused = |_| super::invalid_argument("options.scope", "GrantScope", "another");
            Some(scope.into_value().deserialize::<GrantScope>().map_err(refused)?)
        }
        None => None,
    };
    args.end()?;
    value(
        &live(&access)?
            .respond(&id, &permission, reply, scope, via)
            .await
            .map_err(failed)?,
    )
}

async fn pending(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let id = args.optional("sessionId").map(super::args::Arg::text).transpose()?;
    args.end()?;
    // A VM whose agents wait for an answer does not sleep.
    match &access {
        Access::Live(sessions) => value(&sessions.pending(id.as_deref())),
        Access::Kept(..) => Ok(Value::Array(Vec::new())),
    }
}

async fn grants(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let id = args.optional("sessionId").map(super::args::Arg::text).transpose()?;
    args.end()?;
    let grants = match &access {
        Access::Live(sessions) => sessions.grants(id.as_deref()),
        Access::Kept(storage, now) => Stored::new(&**storage).grants(id.as_deref(), *now),
    };
    value(&grants.map_err(failed)?)
}

async fn revoke(SessionCall { access, mut args, .. }: SessionCall) -> Answer {
    let id = args.next("grantId").text()?;
    args.end()?;
    let removed = match &access {
        Access::Live(sessions) => sessions.revoke(&id).await,
        Access::Kept(storage, _) => storage.remove_grant(&id).await,
    };
    Ok(Value::Bool(removed.map_err(failed)?))
}
