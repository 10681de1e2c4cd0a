//! Approvals: who decides about what an agent asks permission for (security.md section 5).
//!
//! A request is decided by the first of the session's policy, a grant that matches, and whoever answers: a hook or a client.
//! It has no timer; it ends with the prompt, the session or the agent, as cancelled. Exactly one outcome is recorded, before
//! the agent learns of it. An `always` makes a grant that lives on the host: the agent is told `allow_once` where it offers
//! that, so that taking the grant back is enough.

use crate::agent::acp;
use crate::agent::message::{Answer, INTERNAL, INVALID_PARAMS, RpcError};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::limits::named::{PENDING, PENDING_OF_VM};
use crate::model::{ApprovalPolicy, Grant, GrantScope, Outcome, PermissionOption, PermissionRequest, Reply, Via};
use crate::notice::Notice;
use crate::patterns;
use crate::session::Session;
use crate::storage::{OutcomeBounds, OutcomeRow};
use crate::text::new_id;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio::sync::oneshot;

/// The requests that wait.
#[derive(Default)]
pub(crate) struct Pending {
    /// In the order in which they came.
    waiting: BTreeMap<u64, Waiting>,
    /// How many wait in each session.
    of_session: HashMap<String, u64>,
    made: u64,
}

struct Waiting {
    request: PermissionRequest,
    answer: oneshot::Sender<Outcome>,
}

impl Pending {
    /// Requests that wait, of one session or of all.
    pub(crate) fn list(&self, session_id: Option<&str>) -> Vec<PermissionRequest> {
        let asked = |waiting: &&Waiting| session_id.is_none_or(|id| waiting.request.session_id == id);
        self.waiting
            .values()
            .filter(asked)
            .map(|waiting| waiting.request.clone())
            .collect()
    }

    /// How many wait, in all and in the session that has most.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let most = self.of_session.values().copied().max().unwrap_or_default();
        (self.waiting.len() as u64, most)
    }

    fn in_session(&self, session_id: &str) -> u64 {
        self.of_session.get(session_id).copied().unwrap_or_default()
    }

    fn insert(&mut self, waiting: Waiting) -> u64 {
        self.made += 1;
        *self.of_session.entry(waiting.request.session_id.clone()).or_default() += 1;
        self.waiting.insert(self.made, waiting);
        self.made
    }

    fn remove(&mut self, at: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&at)?;
        let id = &waiting.request.session_id;
        match self.of_session.get_mut(id) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(self.of_session.remove(id)),
        }
        Some(waiting)
    }

    fn take(&mut self, wanted: impl Fn(&PermissionRequest) -> bool) -> Vec<Waiting> {
        let found: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, waiting)| wanted(&waiting.request))
            .map(|(at, _)| *at)
            .collect();
        found.into_iter().filter_map(|at| self.remove(at)).collect()
    }
}

/// The answer that nothing was decided.
pub(crate) fn cancelled() -> Value {
    acp::permission(None)
}

/// Serves a request of an agent.
pub(crate) async fn request(session: &Arc<Session>, params: Value) -> Answer {
    let core = session.core();
    let (request, resolved) = read(session, params).await?;
    let failed = |error: Error| RpcError::new(INTERNAL, error.to_string());
    let (outcome, via) = match session.policy() {
        ApprovalPolicy::AllowAll => (Outcome::Once, Via::Policy),
        ApprovalPolicy::RejectAll => (Outcome::Reject, Via::Policy),
        ApprovalPolicy::Ask => match granted(core, &request, &resolved).await.map_err(failed)? {
            true => (Outcome::Always, Via::Grant),
            false => return wait(session, request).await,
        },
    };
    record(core, &request, outcome, via).await.map_err(failed)?;
    Ok(chosen(&request.options, outcome))
}

/// Waits for an answer.
async fn wait(session: &Arc<Session>, request: PermissionRequest) -> Answer {
    let core = session.core();
    let (answer, decided) = oneshot::channel();
    let waiting = Waiting {
        request: request.clone(),
        answer,
    };
    let at = match enter(core, waiting) {
        Ok(at) => at,
        // The agent hears that nothing was decided, the host why.
        Err(full) => {
            core.refused(full);
            return Ok(cancelled());
        }
    };
    core.tell_pending();
    let place = Place { core, at };
    // An unclean end answers nobody; this is what is known of the request then.
    store(core, &request, Outcome::Cancelled, Via::Cancelled)
        .await
        .map_err(|error| RpcError::new(INTERNAL, error.to_string()))?;
    core.notify(Notice::PermissionRequest(Box::new(request.clone())));
    let outcome = decided.await.unwrap_or(Outcome::Cancelled);
    drop(place);
    Ok(chosen(&request.options, outcome))
}

/// Adds to what waits.
fn enter(core: &Core, waiting: Waiting) -> Result<u64> {
    let mut pending = core.pending.lock();
    let of_session = pending.in_session(&waiting.request.session_id);
    for (limit, observed, capacity) in [
        (PENDING, of_session, core.limits.max_pending_permissions_per_session),
        (
            PENDING_OF_VM,
            pending.waiting.len() as u64,
            core.limits.max_pending_permissions_per_vm,
        ),
    ] {
        if observed >= capacity {
            return Err(Error::limit(limit, observed + 1, capacity, "requestPermission"));
        }
    }
    Ok(pending.insert(waiting))
}

/// A place among those that wait. Given up without an answer, because the agent ended, the request was cancelled.
struct Place<'a> {
    core: &'a Arc<Core>,
    at: u64,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(waiting) = self.core.pending.lock().remove(self.at) else {
            return;
        };
        self.core.tell_pending();
        let core = Arc::clone(self.core);
        self.core.spawn(async move {
            if let Err(error) = record(&core, &waiting.request, Outcome::Cancelled, Via::Cancelled).await {
                tracing::warn!(%error, "the outcome of a permission request was not recorded");
            }
        });
    }
}

/// Answers a request on behalf of a client, or of a hook.
pub(crate) async fn respond(
    core: &Arc<Core>,
    session_id: &str,
    permission_id: &str,
    reply: Reply,
    scope: Option<GrantScope>,
    via: Via,
) -> Result<()> {
    let is_it =
        |request: &PermissionRequest| request.session_id == session_id && request.permission_id == permission_id;
    let grant = match reply {
        Reply::Always => {
            let request = core.pending.lock().list(Some(session_id)).into_iter().find(is_it);
            match request {
                Some(request) => Some(grant(core, &request, scope)?),
                None => None,
            }
        }
        _ => None,
    };
    let Some(waiting) = core.pending.lock().take(is_it).pop() else {
        return Err(match core.storage.outcome(permission_id)? {
            Some(row) if row.session_id == session_id => Error::PermissionResolved {
                permission_id: row.permission_id,
                outcome: row.outcome,
                via: row.via,
            },
            _ => Error::PermissionNotFound(crate::text::shown(permission_id, 64)),
        });
    };
    if let Some(grant) = grant {
        let grant_id = grant.grant_id.clone();
        if let Err(error) = core.storage.add_grant(grant, core.limits.max_grants_per_session).await {
            // Nothing was decided: it waits on.
            core.pending.lock().insert(waiting);
            return Err(core.refused(error));
        }
        core.count_grants(session_id);
        core.notify(Notice::Grant {
            what: "created",
            session_id: session_id.to_owned(),
            grant_id,
        });
    }
    let outcome = Outcome::from(reply);
    core.tell_pending();
    record(core, &waiting.request, outcome, via).await?;
    let _ = waiting.answer.send(outcome);
    Ok(())
}

/// Cancels what waits in a session.
pub(crate) async fn cancel(core: &Arc<Core>, session_id: &str) {
    let waiting = core.pending.lock().take(|request| request.session_id == session_id);
    for waiting in waiting {
        if let Err(error) = record(core, &waiting.request, Outcome::Cancelled, Via::Cancelled).await {
            tracing::warn!(%error, "the outcome of a permission request was not recorded");
        }
        let _ = waiting.answer.send(Outcome::Cancelled);
    }
}

async fn store(core: &Arc<Core>, request: &PermissionRequest, outcome: Outcome, via: Via) -> Result<()> {
    let row = OutcomeRow {
        permission_id: request.permission_id.clone(),
        session_id: request.session_id.clone(),
        outcome,
        via,
        resolved_at: core.clock.now_ms(),
    };
    let bounds = OutcomeBounds {
        per_session: core.limits.max_permission_outcomes_per_session,
        per_vm: core.limits.max_permission_outcomes_per_vm,
    };
    core.storage.add_outcome(row, bounds).await
}

async fn record(core: &Arc<Core>, request: &PermissionRequest, outcome: Outcome, via: Via) -> Result<()> {
    store(core, request, outcome, via).await?;
    core.notify(Notice::PermissionResolved {
        session_id: request.session_id.clone(),
        permission_id: request.permission_id.clone(),
        outcome,
        via,
        tool: request.tool_name.clone().or(request.tool_kind.clone()),
    });
    Ok(())
}

/// What the agent is answered: the option that means the outcome, never one of another meaning.
pub(crate) fn chosen(options: &[PermissionOption], outcome: Outcome) -> Value {
    let kinds: &[&str] = match outcome {
        Outcome::Once | Outcome::Always => &["allow_once", "allow_always"],
        Outcome::Reject => &["reject_once", "reject_always"],
        Outcome::Cancelled => &[],
    };
    let of_kind = |kind: &&str| options.iter().find(|option| option.kind == **kind);
    match kinds.iter().find_map(of_kind) {
        Some(option) => acp::permission(Some(&option.option_id)),
        None => cancelled(),
    }
}

/// Whether a grant decides, which is then counted.
async fn granted(core: &Arc<Core>, request: &PermissionRequest, resolved: &[String]) -> Result<bool> {
    let now = core.clock.now_ms();
    for grant in core.storage.grants(Some(&request.session_id))? {
        if grant.expires_at.is_some_and(|end| end <= now) {
            core.storage.remove_grant(&grant.grant_id).await?;
            core.count_grants(&request.session_id);
            continue;
        }
        // One that was taken back since it was read decides nothing.
        if covers(&grant.scope, request, resolved) && core.storage.use_grant(&grant.grant_id).await? {
            core.notify(Notice::Grant {
                what: "used",
                session_id: grant.session_id,
                grant_id: grant.grant_id,
            });
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a scope covers a request. A field of the scope that the request lacks is no match; a scope of nothing is none.
fn covers(scope: &GrantScope, request: &PermissionRequest, resolved: &[String]) -> bool {
    let given = |pattern: &Option<String>, text: &Option<String>| match (pattern, text) {
        (None, _) => true,
        (Some(pattern), Some(text)) => patterns::text(pattern, text),
        (Some(_), None) => false,
    };
    let paths = match &scope.paths {
        None => true,
        Some(patterns) => {
            !resolved.is_empty()
                && resolved
                    .iter()
                    .all(|path| patterns.iter().any(|pattern| patterns::path(pattern, path)))
        }
    };
    let empty =
        scope.tool_name.is_none() && scope.tool_kind.is_none() && scope.paths.is_none() && scope.command.is_none();
    !empty
        && given(&scope.tool_name, &request.tool_name)
        && given(&scope.tool_kind, &request.tool_kind)
        && given(&scope.command, &request.command)
        && paths
}

/// The grant of an `always`.
fn grant(core: &Core, request: &PermissionRequest, scope: Option<GrantScope>) -> Result<Grant> {
    let scope = match scope {
        Some(scope) => checked(scope)?,
        None => GrantScope {
            tool_name: request.tool_name.as_deref().map(literal),
            tool_kind: request
                .tool_kind
                .as_deref()
                .filter(|_| request.tool_name.is_none())
                .map(literal),
            ..GrantScope::default()
        },
    };
    if scope == GrantScope::default() {
        return Err(Error::invalid(
            "options.scope",
            "toolName, toolKind, paths or command, for a request that names no tool",
            "none of them",
        ));
    }
    let now = core.clock.now_ms();
    let life = scope
        .expires_in_seconds
        .and_then(|seconds| i64::try_from(seconds).ok()?.checked_mul(1000));
    Ok(Grant::new(
        new_id("grant_"),
        request.session_id.clone(),
        scope,
        now,
        life.map(|life| now.saturating_add(life)),
        0,
    ))
}

/// A name as a pattern of itself: what an agent calls a tool is no pattern.
fn literal(name: &str) -> String {
    name.replace('*', "?")
}

fn checked(scope: GrantScope) -> Result<GrantScope> {
    const MOST: usize = 4096;
    let texts = [&scope.tool_name, &scope.tool_kind, &scope.command];
    let long = texts
        .into_iter()
        .flatten()
        .chain(scope.paths.iter().flatten())
        .find(|text| text.is_empty() || text.len() > MOST);
    if let Some(long) = long {
        return Err(Error::invalid(
            "options.scope",
            "patterns of 1 to 4096 bytes",
            format!("one of {} bytes", long.len()),
        ));
    }
    if let Some(paths) = &scope.paths {
        if paths.is_empty() || paths.len() > 128 {
            return Err(Error::invalid(
                "options.scope.paths",
                "1 to 128 patterns",
                paths.len().to_string(),
            ));
        }
        if let Some(path) = paths.iter().find(|path| !path.starts_with('/') && *path != "*") {
            return Err(Error::invalid(
                "options.scope.paths",
                "absolute patterns",
                crate::text::shown(path, 64),
            ));
        }
    }
    if scope.expires_in_seconds == Some(0) {
        return Err(Error::invalid("options.scope.expiresInSeconds", "at least 1", "0"));
    }
    Ok(scope)
}

/// Reads what an agent asks; with it, where its paths lead.
async fn read(session: &Arc<Session>, params: Value) -> Result<(PermissionRequest, Vec<String>), RpcError> {
    let invalid = |what: &str| RpcError::new(INVALID_PARAMS, format!("Invalid params: {what}"));
    let (options, named) = acp::permission_request(&params).map_err(|wrong| invalid(&wrong))?;
    let tool_call_id = named.get("toolCallId").and_then(Value::as_str).map(str::to_owned);
    // A request may only name a call that was told before.
    let call = match &tool_call_id {
        Some(id) => session.tool_call(id, &named),
        None => named,
    };
    let text = |name: &str| call.get(name).and_then(Value::as_str).map(str::to_owned);
    let diff: Vec<Value> = items(&call, "content")
        .filter(|item| item.get("type").and_then(Value::as_str) == Some("diff"))
        .map(|item| json!({"path": item.get("path"), "oldText": item.get("oldText"), "newText": item.get("newText")}))
        .collect();
    let located = items(&call, "locations")
        .chain(&diff)
        .filter_map(|item| item.get("path")?.as_str());
    let mut paths: Vec<String> = Vec::new();
    for path in located.map(|path| absolute(session.cwd(), path)) {
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    let mut resolved = Vec::new();
    for path in &paths {
        resolved.push(session.core().computer.resolve(path).await);
    }
    let request = PermissionRequest {
        permission_id: new_id("perm_"),
        session_id: session.id().to_owned(),
        description: text("title"),
        tool_name: tool_name(&call),
        tool_kind: text("kind"),
        tool_call_id,
        paths: (!paths.is_empty()).then_some(paths),
        command: command(&call),
        diff: (!diff.is_empty()).then_some(diff),
        options,
        created_at: session.core().clock.now_ms(),
        params: session.renamed(params),
    };
    Ok((request, resolved))
}

fn items<'a>(call: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    call.get(name).and_then(Value::as_array).into_iter().flatten()
}

fn absolute(cwd: &str, path: &str) -> String {
    match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{}/{path}", cwd.trim_end_matches('/')),
    }
}

/// The name of the tool: the protocol has no field for it, so agents put it into their extensions or their input.
fn tool_name(call: &Value) -> Option<String> {
    let own = |value: &Value| {
        ["toolName", "tool_name"]
            .iter()
            .find_map(|name| value.get(name)?.as_str().map(str::to_owned))
    };
    let meta = call.get("_meta");
    let nested = meta
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(serde_json::Map::values)
        .find_map(own);
    own(call).or_else(|| meta.and_then(own)).or(nested)
}

/// The command that would run.
fn command(call: &Value) -> Option<String> {
    let input = call.get("rawInput")?;
    match input.get("command").or_else(|| input.get("cmd"))? {
        Value::String(command) => Some(command.clone()),
        Value::Array(parts) => {
            let parts: Option<Vec<&str>> = parts.iter().map(Value::as_str).collect();
            Some(parts?.join(" "))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(kinds: &[&str]) -> Vec<PermissionOption> {
        let option = |kind: &&str| PermissionOption {
            option_id: format!("id-{kind}"),
            kind: (*kind).to_owned(),
            name: String::new(),
        };
        kinds.iter().map(option).collect()
    }

    #[test]
    fn answers_keep_their_meaning() {
        for (kinds, outcome, expected) in [
            (
                &["allow_always", "allow_once"][..],
                Outcome::Always,
                Some("id-allow_once"),
            ),
            (&["allow_always"], Outcome::Once, Some("id-allow_always")),
            (&["reject_always"], Outcome::Reject, Some("id-reject_always")),
            (&["allow_once"], Outcome::Reject, None),
            (&["reject_once", "other"], Outcome::Once, None),
            (&["allow_once"], Outcome::Cancelled, None),
        ] {
            let answer = chosen(&options(kinds), outcome);
            assert_eq!(
                answer["outcome"]["optionId"].as_str(),
                expected,
                "{kinds:?} {outcome:?}"
            );
        }
    }

    #[test]
    fn scopes_cover_what_they_name_and_no_more() {
        let request = PermissionRequest {
            permission_id: String::new(),
            session_id: String::new(),
            description: None,
            params: Value::Null,
            tool_name: Some("Bash".to_owned()),
            tool_kind: Some("execute".to_owned()),
            tool_call_id: None,
            paths: None,
            command: Some("ls -l".to_owned()),
            diff: None,
            options: Vec::new(),
            created_at: 0,
        };
        let scope = |value: Value| serde_json::from_value::<GrantScope>(value).unwrap();
        for (given, paths, expected) in [
            (json!({}), &[][..], false),
            (json!({"expiresInSeconds": 5}), &[], false),
            (json!({"toolName": "Bash"}), &[], true),
            (json!({"toolName": "Ba*", "command": "ls *"}), &[], true),
            (json!({"toolName": "Bash", "command": "rm *"}), &[], false),
            (json!({"paths": ["/work/**"]}), &[], false),
            (json!({"paths": ["/work/**"]}), &["/work/a"], true),
            (json!({"paths": ["/work/**"]}), &["/work/a", "/etc/passwd"], false),
        ] {
            let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
            assert_eq!(covers(&scope(given.clone()), &request, &paths), expected, "{given}");
        }
    }
}
