//! `agentos chat` with an agent that is a shell script in the VM: on a pseudo-terminal, in lines, and as JSON.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[path = "support/pty.rs"]
mod pty;
mod support;

use pty::Terminal;
use serde_json::Value;
use std::path::Path;

const AGENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/agents:/agents");

/// Arguments of a chat that is kept in this folder.
fn chat<'a>(data: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let data = data.to_str().unwrap();
    let mut args = vec![
        "chat",
        "--mount",
        AGENTS,
        "--cwd",
        "/home/user",
        "--agent",
        "/agents/agent.sh",
        "--data",
        data,
    ];
    args.extend(more);
    args
}

/// Types a line, as soon as the prompt is there: before, the line is kept and Enter is not taken.
fn line(terminal: &mut Terminal, text: &str) {
    terminal.until(PROMPT);
    terminal.keys(&format!("{text}\r"));
}

/// The cursor behind the prompt of an empty line.
const PROMPT: &str = "\x1b[2C\x1b[?25h";

#[test]
fn markdown_is_shown_as_it_comes() {
    let data = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(&chat(data.path(), &[]));
    terminal.until("/help says");
    line(&mut terminal, "markdown");
    terminal.until("\x1b[0;1;35mTitle");
    terminal.until("Some \x1b[0;1mbold\x1b[0m words.");
    terminal.until("• \x1b[0mone");
    terminal.until("\x1b[0;32mcode  here");
    line(&mut terminal, "hello");
    terminal.until("you said: hello");
    // The line of before comes back, and is edited.
    terminal.until(PROMPT);
    terminal.keys("\x1b[A\x7f\x7fp\r");
    terminal.until("you said: help");
    line(&mut terminal, "/quit");
    terminal.until("--resume=");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_an_agent_says_does_not_control_the_terminal() {
    let data = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(&chat(data.path(), &[]));
    terminal.until("/help says");
    line(&mut terminal, "evil");
    let mut shown = terminal.until("thought");
    line(&mut terminal, "hello");
    shown += &terminal.until("you said: hello");
    assert!(
        shown.contains("before ␛]0;owned␇␛[2J<U+009B>31m␛[?1049h ␛[2Jafter"),
        "{shown:?}"
    );
    for sequence in ["\x1b]", "\x1b[2J", "\u{9b}", "\x1b[?1049h", "\x07"] {
        assert!(!shown.contains(sequence), "{sequence:?} in {shown:?}");
    }
}

#[test]
fn requests_are_answered_by_keys() {
    let data = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(&chat(data.path(), &[]));
    terminal.until("/help says");
    line(&mut terminal, "edit /home/user/one");
    let shown = terminal.until("allow? y once, a always, n reject");
    for part in ["Change /home/user/one", "/home/user/one", "- old line", "+ new line"] {
        assert!(shown.contains(part), "{part} in {shown:?}");
    }
    // Other keys are no answer.
    terminal.keys("x\rn");
    terminal.until("rejected");
    terminal.until("the change was refused");
    line(&mut terminal, "edit /home/user/two");
    terminal.until("allow? y once");
    terminal.keys("a");
    terminal.until("allowed from now on");
    terminal.until("the change was allowed");
    // The grant answers for the one who gave it.
    line(&mut terminal, "edit /home/user/three");
    let shown = terminal.until("the change was allowed");
    assert!(!shown.contains("allow? y"), "{shown:?}");
}

#[test]
fn control_c_cancels_and_then_leaves() {
    let data = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::start(&chat(data.path(), &[]));
    let fresh = Terminal::start(&["--version"]).modes();
    terminal.until("/help says");
    line(&mut terminal, "wait");
    terminal.until("waiting now");
    // What is typed meanwhile is there afterwards.
    terminal.keys("hel\x03");
    terminal.until("ended: cancelled");
    terminal.until("\x1b[5C\x1b[?25h");
    terminal.keys("lo\r");
    terminal.until("you said: hello");
    line(&mut terminal, "/mode");
    terminal.until("* ask  Ask first");
    line(&mut terminal, "/mode auto");
    terminal.until("mode: auto");
    line(&mut terminal, "/nonsense");
    terminal.until("there is no /nonsense");
    line(&mut terminal, "fail");
    terminal.until("it went wrong");
    terminal.until(PROMPT);
    terminal.keys("\x03");
    assert_eq!(terminal.child.wait().unwrap().code(), Some(1));
    assert_eq!(terminal.modes(), fresh);
}

#[test]
fn a_chat_is_resumed_with_its_home() {
    let data = tempfile::tempdir().unwrap();
    let ran = support::run_with(&chat(data.path(), &["first"]), "second\n");
    assert_eq!(ran.status, Some(0), "{ran:?}");
    assert_eq!(ran.stdout, "you said: first\nyou said: second\n");
    let ids: Vec<_> = std::fs::read_dir(data.path()).unwrap().flatten().collect();
    let [folder] = ids.as_slice() else { panic!("{ids:?}") };
    std::fs::write(folder.path().join("home/kept"), "x").unwrap();
    let id = folder.file_name().into_string().unwrap();
    assert!(
        ran.stderr.contains(&format!("agentos chat --resume={id} goes on")),
        "{ran:?}"
    );
    let resume = format!("--resume={id}");
    let ran = support::run_with(&chat(data.path(), &[&resume, "--json"]), "third\n");
    let lines: Vec<Value> = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    // The numbers go on where they were, and the agent is told of the transcript.
    assert!(lines[0]["seq"].as_u64().unwrap() >= 6, "{ran:?}");
    assert!(
        ran.stdout.contains("third") && ran.stdout.contains("agentos/prompt_end"),
        "{ran:?}"
    );
    let ran = support::run_with(&chat(data.path(), &["--resume=nowhere"]), "");
    assert!(ran.status == Some(64) && ran.stderr.contains(&id), "{ran:?}");
}

#[test]
fn without_a_terminal_requests_are_rejected_or_left_to_the_policy() {
    let data = tempfile::tempdir().unwrap();
    let ran = support::run_with(
        &chat(data.path(), &[]),
        "edit /home/user/a\n/mode\nevil\n/quit\nnever\n",
    );
    assert!(
        ran.stderr
            .contains("rejected, as nobody can be asked: [edit] Change /home/user/a"),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("[edit] Change /home/user/a: pending\n"), "{ran:?}");
    assert!(
        ran.stdout.contains("the change was refused") && !ran.stdout.contains("never"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("* ask  Ask first"), "{ran:?}");
    assert!(
        !ran.stdout.contains('\x1b') && !ran.stdout.contains('\u{9b}'),
        "{ran:?}"
    );
    let ran = support::run_with(&chat(data.path(), &["--approve", "allow", "edit /home/user/a"]), "");
    assert!(
        ran.status == Some(0) && ran.stdout.contains("the change was allowed"),
        "{ran:?}"
    );
    let ran = support::run_with(&chat(data.path(), &["fail"]), "");
    assert!(ran.status == Some(1) && ran.stderr.contains("it went wrong"), "{ran:?}");
    let ran = support::run(&["chat", "--agent", "claud", "--data", data.path().to_str().unwrap()]);
    assert!(
        ran.status == Some(127) && ran.stderr.contains("did you mean claude?"),
        "{ran:?}"
    );
}

#[test]
fn programs_answer_requests_in_json() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::Stdio;
    let data = tempfile::tempdir().unwrap();
    let mut command = support::agentos();
    command
        .args(chat(data.path(), &["--json"]))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"{\"prompt\": \"edit /home/user/a\"}\n").unwrap();
    let mut said = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let value: Value = serde_json::from_str(&line).unwrap();
        if let Some(request) = value.get("permissionRequest") {
            assert_eq!(request["paths"][0], "/home/user/a");
            let answer = serde_json::json!({"permissionId": request["permissionId"], "reply": "once"});
            writeln!(input, "{answer}").unwrap();
        }
        said += &line;
        if value["event"]["method"] == "agentos/prompt_end" {
            break;
        }
    }
    assert!(said.contains("the change was allowed"), "{said}");
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
