//! `session`: agents in a server's VM.
//!
//! Each command is one action, but for `prompt` and `events`, which listen as well. What agents say is shown with its control
//! characters made visible: it must not control a terminal. With `--json` it is JSON, which has none.

mod args;
mod events;
mod prompt;

use super::TargetArgs;
use crate::chat::safe;
use crate::error::{Error, Exit};
use crate::report;
use agentos_client::Value;
pub(crate) use args::SessionArgs;
use args::{ApproveArgs, CreateArgs, IdArgs, ListArgs, SessionCommand};
use serde_json::{Value as Json, json};

/// Carries out one command.
pub(super) async fn main(args: &SessionArgs) -> Result<Exit, Error> {
    match &args.request {
        SessionCommand::Create(args) => create(args).await?,
        SessionCommand::List(args) => list(args).await?,
        SessionCommand::Show(args) => show(args).await?,
        SessionCommand::Prompt(args) => return prompt::run(args).await,
        SessionCommand::Events(args) => return events::run(args).await,
        SessionCommand::Cancel(args) => cancel(args).await?,
        SessionCommand::Approve(args) => approve(args).await?,
        SessionCommand::Resume(args) => resume(args).await?,
        SessionCommand::Close(args) => silently("closeSession", args).await?,
        SessionCommand::Destroy(args) => silently("destroySession", args).await?,
    }
    Ok(Exit::SUCCESS)
}

async fn create(args: &CreateArgs) -> Result<(), Error> {
    let mut options = match &args.options {
        Some(text) => serde_json::from_str(text).map_err(|error| Error::Usage(format!("--options: {error}")))?,
        None => json!({}),
    };
    let Some(members) = options.as_object_mut() else {
        return Err(Error::Usage("--options: expected a JSON object".to_owned()));
    };
    for (name, value) in [
        ("cwd", &args.cwd),
        ("permissionPolicy", &args.policy),
        ("additionalInstructions", &args.instructions),
    ] {
        if let Some(value) = value {
            members.insert(name.to_owned(), json!(value));
        }
    }
    if !args.env.is_empty() {
        let env = members.entry("env").or_insert_with(|| json!({}));
        for variable in &args.env {
            env[&variable.name] = json!(variable.value);
        }
    }
    let options = Value::from_serialize(&options).map_err(|error| Error::Usage(error.to_string()))?;
    let vm = super::vm(&args.target).await?;
    let made: Json = vm
        .call_as("createSession", &[Value::from(args.agent.clone()), options])
        .await?;
    match args.target.json {
        true => report::json(&made),
        false => report::text(&format!("{}\n", safe(word(&made, "sessionId")))),
    }
}

async fn list(args: &ListArgs) -> Result<(), Error> {
    let action = if args.all {
        "listPersistedSessions"
    } else {
        "listSessions"
    };
    let sessions: Json = super::vm(&args.target).await?.call_as(action, &[]).await?;
    if args.target.json {
        return report::json(&sessions);
    }
    let mut text = String::new();
    for one in sessions.as_array().into_iter().flatten() {
        let words = ["sessionId", "agentType", "status"].map(|name| safe(word(one, name)));
        text.push_str(&format!("{}\n", words.join("  ")));
    }
    report::text(&text)
}

async fn show(args: &IdArgs) -> Result<(), Error> {
    let record: Json = call(&args.target, "getSession", &args.id).await?;
    if args.target.json {
        return report::json(&record);
    }
    let agent = record["agentInfo"]["name"].as_str().unwrap_or("-");
    let words = [
        word(&record, "sessionId"),
        word(&record, "agentType"),
        word(&record, "status"),
        agent,
    ];
    report::text(&format!("{}\n", words.map(safe).join("  ")))
}

async fn cancel(args: &IdArgs) -> Result<(), Error> {
    let response: Json = call(&args.target, "cancelPrompt", &args.id).await?;
    if args.target.json {
        return report::json(&response);
    }
    report::text(match response["result"]["cancelled"] == true {
        true => "cancelled\n",
        false => "no prompt runs\n",
    })
}

async fn resume(args: &IdArgs) -> Result<(), Error> {
    let resumed: Json = call(&args.target, "resumeSession", &args.id).await?;
    match args.target.json {
        true => report::json(&resumed),
        false => report::text(&format!("{}\n", safe(word(&resumed, "via")))),
    }
}

async fn approve(args: &ApproveArgs) -> Result<(), Error> {
    let vm = super::vm(&args.target).await?;
    let (Some(id), Some(request), Some(reply)) = (&args.id, &args.request, &args.reply) else {
        let of: Vec<Value> = args.id.iter().map(|id| Value::from(id.clone())).collect();
        let pending: Json = vm.call_as("listPendingPermissions", &of).await?;
        if args.target.json {
            return report::json(&pending);
        }
        let requests = pending.as_array().into_iter().flatten();
        return report::text(&requests.map(request_line).collect::<String>());
    };
    let words = [id, request, reply].map(|word| Value::from(word.clone()));
    let response: Json = vm.call_as("respondPermission", &words).await?;
    match args.target.json {
        true => report::json(&response),
        false => Ok(()),
    }
}

/// A request for approval on a line: what is needed to answer it, and what it is about.
fn request_line(request: &Json) -> String {
    let mut line = ["sessionId", "permissionId"]
        .map(|name| safe(word(request, name)))
        .join("  ");
    for name in ["toolKind", "description", "command"] {
        if let Some(text) = request[name].as_str() {
            line.push_str(&format!("  {}", safe(text)));
        }
    }
    for path in request["paths"].as_array().into_iter().flatten() {
        line.push_str(&format!("  {}", safe(path.as_str().unwrap_or_default())));
    }
    format!("{line}\n")
}

/// An action on a session without a result that anybody reads.
async fn silently(action: &str, args: &IdArgs) -> Result<(), Error> {
    call(&args.target, action, &args.id).await.map(drop)
}

async fn call(target: &TargetArgs, action: &str, id: &str) -> Result<Json, Error> {
    let value = super::vm(target)
        .await?
        .call(action, &[Value::from(id.to_owned())])
        .await?;
    json_of(value)
}

/// A value as JSON; what an action without a result gives is null.
fn json_of(value: Value) -> Result<Json, Error> {
    match value {
        Value::Undefined => Ok(Json::Null),
        value => value
            .deserialize()
            .map_err(|error| Error::Server(agentos_client::Error::Protocol(error.to_string()))),
    }
}

fn word<'a>(value: &'a Json, name: &str) -> &'a str {
    value[name].as_str().unwrap_or("-")
}

/// What an event says, on a line of its own unless it is a piece of a message.
fn told(event: &Json) -> String {
    let update = &event["params"]["update"];
    match update["sessionUpdate"].as_str() {
        Some("agent_message_chunk") => lines(&update["content"]["text"]),
        Some("tool_call") => format!(
            "\n[{}: {}]\n",
            safe(update["kind"].as_str().unwrap_or("tool")),
            safe(update["title"].as_str().unwrap_or_default())
        ),
        Some("tool_call_update") => match update["status"].as_str() {
            Some(status @ ("completed" | "failed")) => format!("[{status}]\n"),
            _ => String::new(),
        },
        _ => String::new(),
    }
}

/// A text with its lines, each of them safe.
fn lines(text: &Json) -> String {
    let lines = text.as_str().unwrap_or_default().split('\n').map(safe);
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_and_requests_control_no_terminal() {
        let update = |update: Json| json!({ "method": "session/update", "params": { "update": update } });
        let chunk = update(
            json!({ "sessionUpdate": "agent_message_chunk", "content": { "type": "text", "text": "a\u{1b}[2J\nb" } }),
        );
        let said = told(&chunk);
        assert!(!said.contains('\u{1b}') && said.ends_with("\nb"), "{said:?}");
        let call = update(json!({ "sessionUpdate": "tool_call", "kind": "edit", "title": "x\u{7}" }));
        assert!(told(&call).starts_with("\n[edit: x") && !told(&call).contains('\u{7}'));
        assert_eq!(told(&update(json!({ "sessionUpdate": "plan" }))), "");
        let request = json!({ "sessionId": "s", "permissionId": "p", "description": "d\u{1b}", "paths": ["/a"] });
        let line = request_line(&request);
        assert!(
            line.starts_with("s  p  d") && line.ends_with("  /a\n") && !line.contains('\u{1b}'),
            "{line:?}"
        );
    }
}
