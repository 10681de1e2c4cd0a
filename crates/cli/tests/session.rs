//! `agentos session` against `agentos serve`, with an agent that is a script in the VM.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[path = "support/server.rs"]
mod server;

use serde_json::{Value, json};
use server::{Server, agentos};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Output, Stdio};

/// A server whose VM holds the agent, and a session with it.
struct World {
    server: Server,
    id: String,
    _data: tempfile::TempDir,
}

impl World {
    fn new(policy: &str) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut world = Self {
            server: Server::start(data.path(), &[]),
            id: String::new(),
            _data: data,
        };
        let agent = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/agents/agent.sh");
        world.run(&["cp", agent, "vm:/home/user/agent"]);
        world.run(&["exec", "chmod", "+x", "/home/user/agent"]);
        let made = world.run(&["session", "create", "--policy", policy, "/home/user/agent"]);
        world.id = made.trim().to_owned();
        assert!(!world.id.is_empty());
        world
    }

    fn spawn(&self, words: &[&str], input: &str) -> Child {
        let mut child = agentos()
            .args(words)
            .env("AGENTOS_ENDPOINT", &self.server.url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("it reads");
        child
    }

    fn output(&self, words: &[&str], input: &str) -> Output {
        self.spawn(words, input).wait_with_output().expect("it ends")
    }

    /// What a command that succeeds prints.
    fn run(&self, words: &[&str]) -> String {
        let output = self.output(words, "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {said}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.run(words)).expect("JSON")
    }
}

#[test]
fn a_prompt_is_answered_and_its_events_are_kept() {
    let world = World::new("ask");
    let id = world.id.as_str();
    assert_eq!(
        world.run(&["session", "prompt", id, "hello there"]),
        "you said: hello there\n"
    );
    // Standard input is a prompt as well.
    let output = world.output(&["session", "prompt", id], "from a pipe");
    assert_eq!(output.stdout, b"you said: from a pipe\n");
    let lines = world.run(&["session", "prompt", id, "again", "--json"]);
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let (result, events) = lines.split_last().expect("lines");
    assert_eq!(
        (&result["text"], &result["response"]["result"]["stopReason"]),
        (&json!("you said: again"), &json!("end_turn"))
    );
    assert!(
        events
            .iter()
            .all(|event| event["event"] == "sessionEvent" && event["payload"]["sessionId"] == id)
    );

    let events = world.run(&["session", "events", id]);
    assert!(
        events.contains("user_message_chunk hello there") && events.contains("agent_message_chunk you said: again"),
        "{events}"
    );
    let last = events.lines().count() - 1;
    let after = world.run(&["session", "events", id, "--json", "--after", &(last - 1).to_string()]);
    let after: Value = serde_json::from_str(after.trim()).expect("one line");
    assert_eq!(after["sequenceNumber"], last);

    let listed = world.json(&["session", "ls", "--json"]);
    assert_eq!(
        (&listed[0]["sessionId"], &listed[0]["status"]),
        (&json!(id), &json!("live"))
    );
    world.run(&["session", "close", id]);
    assert_eq!(world.json(&["session", "list", "--json"]), json!([]));
    assert_eq!(
        world.json(&["session", "list", "--all", "--json"])[0]["status"],
        "closed"
    );
    world.run(&["session", "rm", id]);
    let gone = world.output(&["session", "show", id], "");
    assert!(!gone.status.success() && String::from_utf8_lossy(&gone.stderr).contains("session not found"));
}

#[test]
fn a_failed_prompt_says_so_and_nothing_controls_the_terminal() {
    let world = World::new("ask");
    let failed = world.output(&["session", "prompt", &world.id, "fail"], "");
    assert_eq!(failed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&failed.stderr).contains("it went wrong"));
    for words in [
        &["session", "prompt", &world.id, "evil"][..],
        &["session", "events", &world.id],
    ] {
        let said = world.run(words);
        assert!(said.contains("before"), "{said}");
        assert!(!said.chars().any(|char| char.is_control() && char != '\n'), "{said:?}");
    }
}

#[test]
fn requests_are_answered_from_another_command() {
    let world = World::new("ask");
    let id = world.id.as_str();
    for (reply, said) in [("once", "the change was allowed"), ("reject", "the change was refused")] {
        let mut prompt = world.spawn(&["session", "prompt", id, "edit /home/user/a", "--json"], "");
        let mut lines = BufReader::new(prompt.stdout.take().expect("a pipe")).lines();
        let request = lines
            .by_ref()
            .map(|line| serde_json::from_str::<Value>(&line.expect("a line")).expect("JSON"))
            .find(|line| line["event"] == "permissionRequest")
            .expect("a request");
        let permission = request["payload"]["request"]["permissionId"]
            .as_str()
            .expect("an id")
            .to_owned();
        let listed = world.run(&["session", "approve", id]);
        assert!(
            listed.contains(&permission) && listed.contains("/home/user/a"),
            "{listed}"
        );
        world.run(&["session", "approve", id, &permission, reply]);
        let last = lines.last().expect("a result").expect("a line");
        assert!(last.contains(said), "{last}");
        assert!(prompt.wait().expect("a status").success());
        assert_eq!(world.run(&["session", "approve"]), "");
    }
}

#[test]
fn a_prompt_is_cancelled_from_another_command() {
    let world = World::new("allow_all");
    let id = world.id.as_str();
    assert_eq!(world.run(&["session", "cancel", id]), "no prompt runs\n");
    let mut prompt = world.spawn(&["session", "prompt", id, "wait", "--json"], "");
    let mut lines = BufReader::new(prompt.stdout.take().expect("a pipe")).lines();
    assert!(lines.by_ref().any(|line| line.expect("a line").contains("waiting now")));
    assert_eq!(world.run(&["session", "cancel", id]), "cancelled\n");
    let last = lines.last().expect("a result").expect("a line");
    assert!(last.contains("\"stopReason\":\"cancelled\""), "{last}");
    assert!(prompt.wait().expect("a status").success());
}

#[test]
fn options_that_are_none_are_refused() {
    let world = World::new("ask");
    for words in [
        &["session", "create", "x", "--options", "[]"][..],
        &["session", "create", "x", "--options", "{"],
        &["session", "approve", "s", "p"],
    ] {
        let output = world.output(words, "");
        assert!(!output.status.success(), "{words:?}");
    }
    let wrong = world.output(&["session", "create", "/home/user/agent", "--policy", "perhaps"], "");
    let said = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && said.contains("allow_all"), "{said}");
    let unknown = world.output(&["session", "create", "pie"], "");
    let said = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(!unknown.status.success() && said.contains("pi"), "{said}");
}
