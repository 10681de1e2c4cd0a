//! The system prompt of a session (api.md section 9).
//!
//! The base text of the VM, what its owner and the session add, and the list of host tools become one file below
//! `/etc/agentos`, which guests cannot write. Agents get it through their own way of adding to the prompt: as `_meta` of the
//! conversation, in a variable, or from the file whose path is in `AGENTOS_INSTRUCTIONS`. Files of a project are never touched.

use crate::error::{Error, Result};
use crate::limits::MAX_FILE_BYTES;
use crate::session::Session;
use agent_client_protocol_schema::v1::Meta;
use bytes::Bytes;
use serde_json::{Value, json};

/// The base text, which is a part of the VM's base tree.
const BASE: &str = "/etc/agentos/instructions.md";

/// Where a session's file is.
pub(crate) fn path(session: &Session) -> String {
    format!("/etc/agentos/sessions/{}.instructions.md", session.id())
}

/// Where the transcript is that a session is continued with.
pub(crate) fn transcript_path(session: &Session) -> String {
    format!("/etc/agentos/sessions/{}.md", session.id())
}

/// Writes the file; gives the `_meta` that agents take the text from.
pub(crate) async fn publish(session: &Session) -> Result<Meta> {
    let text = compose(session).await;
    put(session, &path(session), text.clone(), false).await?;
    if session.agent_type() == PI {
        put(session, PI_PATH, PI_COMMAND.to_owned(), true).await?;
    }
    if text.is_empty() {
        return Ok(Meta::new());
    }
    Ok(Meta::from_iter([
        ("systemPrompt".to_owned(), json!({"append": text})),
        ("agentos".to_owned(), json!({"instructions": path(session)})),
    ]))
}

/// Pi takes additions from its command line, which its adapter lets us choose the program of.
pub(crate) const PI_PATH: &str = "/etc/agentos/pi/pi";
/// Where that is, and nothing else: what the adapter looks for first.
pub(crate) const PI_FOLDER: &str = "/etc/agentos/pi";

/// The name of the agent that needs it.
pub(crate) const PI: &str = "pi";

/// What the adapter starts as Pi, the same for all sessions. Before each conversation it also asks Pi for its version, twice, to say whether there is a
/// newer one: each time all of Pi is loaded, which takes as long as the conversation itself. In a VM there is nothing newer, so that question
/// alone has no answer. Pi itself and what it starts do not find this in their `PATH`.
const PI_COMMAND: &str = r#"#!/bin/sh
case $* in --version) exit 1 ;; esac
PATH=${PATH#/etc/agentos/pi:}
exec pi --append-system-prompt "$AGENTOS_INSTRUCTIONS" "$@"
"#;

/// The name of the agent that takes them from its configuration.
pub(crate) const OPENCODE: &str = "opencode";

/// OpenCode reads files that its configuration names, the last part of which a variable may hold. Whatever else is there stays; what is no
/// configuration is left for OpenCode to complain of.
pub(crate) fn add_to_opencode(env: &mut Vec<(String, String)>, path: &str) {
    const NAME: &str = "OPENCODE_CONFIG_CONTENT";
    let given = env.iter().rev().find(|(name, _)| name == NAME);
    let config = given.map_or(Some(json!({})), |(_, text)| serde_json::from_str(text).ok());
    let Some(Value::Object(mut config)) = config else {
        return;
    };
    match config.entry("instructions").or_insert_with(|| json!([])) {
        Value::Array(files) => files.push(path.into()),
        _ => return,
    }
    env.retain(|(name, _)| name != NAME);
    env.push((NAME.to_owned(), Value::Object(config).to_string()));
}

async fn put(session: &Session, path: &str, text: String, executable: bool) -> Result<()> {
    let put = session
        .core()
        .computer
        .publish(path, Bytes::from(text), executable)
        .await;
    put.map_err(|error| Error::Vm {
        code: error.code,
        message: error.message,
    })
}

async fn compose(session: &Session) -> String {
    let core = session.core();
    let (skip, additional) = session.instruction_settings();
    let base = match skip {
        true => None,
        false => core.computer.read(BASE, MAX_FILE_BYTES).await.ok(),
    };
    let base = base.map(|text| String::from_utf8_lossy(&text).into_owned());
    let tools = core
        .computer
        .tool_list()
        .map(|tools| format!("Commands of the host that this VM can call:\n\n{tools}"));
    let parts = [base, core.instructions.clone(), additional, tools];
    let parts: Vec<String> = parts
        .into_iter()
        .flatten()
        .map(|part| part.trim().to_owned())
        .filter(|part| !part.is_empty())
        .collect();
    parts.join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(given: &[&str]) -> Vec<String> {
        let mut env = vec![("OTHER".to_owned(), "x".to_owned())];
        let name = "OPENCODE_CONFIG_CONTENT".to_owned();
        env.extend(given.iter().map(|text| (name.clone(), (*text).to_owned())));
        add_to_opencode(&mut env, "/a.md");
        assert_eq!(env.remove(0).1, "x");
        env.into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn opencode_is_told_of_the_file_beside_what_else_it_is_told() {
        assert_eq!(added(&[]), [r#"{"instructions":["/a.md"]}"#]);
        let given = r#"{"model":"m","instructions":["/b.md"]}"#;
        let both = r#"{"instructions":["/b.md","/a.md"],"model":"m"}"#;
        let got: Vec<Value> = added(&["{}", given])
            .iter()
            .map(|text| serde_json::from_str(text).unwrap())
            .collect();
        assert_eq!(got, [serde_json::from_str::<Value>(both).unwrap()]);
        for odd in ["no JSON", "[]", r#"{"instructions":3}"#] {
            assert_eq!(added(&[odd]), [odd]);
        }
    }
}
