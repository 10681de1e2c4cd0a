//! Limits of sessions that bound what an agent says and how long it takes: lines, events, deadlines, terminals, transcripts.

use crate::acp::{audited, changed, open, refused, text, vm};
use crate::support::lives;
use crate::tools::used;
use agentos::session::Error;
use agentos::{AgentOs, ApprovalPolicy};
use serde_json::json;
use std::time::Duration;

/// The prompt fails for this limit, and the agent that is started after it works.
async fn breaks(vm: &AgentOs, name: &'static str, capacity: u64) {
    let mut events = vm.events();
    let session = vm
        .session("script")
        .policy(ApprovalPolicy::RejectAll)
        .create()
        .await
        .unwrap();
    let error = session.prompt("break").await.unwrap_err();
    refused(&error, name, "bytes", (None, capacity));
    audited(&mut events, name, "bytes", capacity).await;
    assert_eq!(text(&session).await, "fine");
    session.close().await.unwrap();
    lives(vm).await;
}

pub(crate) mod max_read_line_bytes {
    use super::*;

    pub(crate) async fn program() {
        let prompt = "say \"$(head -c 1000 /dev/zero | tr '\\0' x)\"";
        let vm = vm(&[("maxReadLineBytes", 2000)], prompt).await;
        assert_eq!(text(&open(&vm).await).await.len(), 1000);
    }

    pub(crate) async fn hostile() {
        let prompt = "case $line in *break*) tr '\\0' x < /dev/zero ;; esac; say fine";
        let vm = vm(&[("maxReadLineBytes", 2000)], prompt).await;
        breaks(&vm, "maxReadLineBytes", 2000).await;
    }
}

pub(crate) mod stdout_buffer_byte_limit {
    use super::*;

    pub(crate) async fn program() {
        // A line comes in many pieces, and means the same.
        let vm = vm(&[("stdoutBufferByteLimit", 1)], "say one; say two").await;
        assert_eq!(text(&open(&vm).await).await, "onetwo");
    }

    pub(crate) async fn hostile() {
        let vm = vm(&[("stdoutBufferByteLimit", 7)], "while :; do say x; done").await;
        let session = open(&vm).await;
        let running = tokio::spawn(session.prompt("go").into_future());
        let mut events = session.events(0).unwrap();
        for _ in 0..50 {
            events.next().await.unwrap().unwrap();
            // What is not taken yet is in the pipe, and the agent waits when that is full.
            assert!(used(&vm, "pendingEventBytes").observed <= 2 * (64 << 10));
        }
        session.destroy().await.unwrap();
        assert!(running.await.unwrap().is_err());
        lives(&vm).await;
    }
}

/// A deadline that passed, with the limit that set it.
fn late(error: &Error, method: &str, name: &str, ms: u64) {
    let metadata = error.metadata();
    assert_eq!(
        (error.code(), &metadata["method"]),
        ("acp_timeout", &json!(method)),
        "{error}"
    );
    assert_eq!(
        (&metadata["timeoutMs"], &metadata["configurationPath"]),
        (&json!(ms), &json!(format!("limits.acp.{name}")))
    );
}

pub(crate) mod request_timeout_ms {
    use super::*;

    pub(crate) async fn program() {
        let vm = vm(&[("requestTimeoutMs", 60_000)], "say x").await;
        let session = open(&vm).await;
        let sessions = session.sessions();
        let answer = sessions.raw_send(session.id(), "other", json!({})).await.unwrap();
        assert_eq!(answer["result"], json!({}));
    }

    pub(crate) async fn hostile() {
        let vm = changed(&[("requestTimeoutMs", 50)], "say fine", "other() { :; }").await;
        let session = open(&vm).await;
        let error = session
            .sessions()
            .raw_send(session.id(), "other", json!({}))
            .await
            .unwrap_err();
        late(&error, "other", "requestTimeoutMs", 50);
        // An agent that is slow with one thing is not ended for it.
        assert_eq!(text(&session).await, "fine");
    }
}

/// An agent that answers `initialize` or `session/new` never.
async fn never(functions: &str, method: &str, name: &str) {
    let vm = changed(&[(name, 50)], "say x", functions).await;
    let error = vm.session("script").create().await.unwrap_err();
    late(&error, method, name, 50);
    assert_eq!(used(&vm, "maxSessionsPerVm").observed, 0);
    assert_eq!(used(&vm, "maxLiveSessionsPerVm").observed, 0);
    vm.idle().await;
    lives(&vm).await;
}

pub(crate) mod initialize_timeout_ms {
    use super::*;

    pub(crate) async fn program() {
        let vm = vm(&[("initializeTimeoutMs", 60_000)], "say x").await;
        assert_eq!(text(&open(&vm).await).await, "x");
    }

    pub(crate) async fn hostile() {
        never("initialize() { :; }", "initialize", "initializeTimeoutMs").await;
    }
}

pub(crate) mod new_session_timeout_ms {
    use super::*;

    pub(crate) async fn program() {
        let vm = vm(&[("newSessionTimeoutMs", 60_000)], "say x").await;
        assert_eq!(text(&open(&vm).await).await, "x");
    }

    pub(crate) async fn hostile() {
        never("new() { :; }", "session/new", "newSessionTimeoutMs").await;
    }
}

pub(crate) mod prompt_timeout_ms {
    use super::*;

    pub(crate) async fn program() {
        // Off: nothing ends it but its end.
        let vm = vm(&[("promptTimeoutMs", 0)], "say x").await;
        assert_eq!(text(&open(&vm).await).await, "x");
    }

    pub(crate) async fn hostile() {
        let prompt = "case $line in *break*) until_cancelled ;; esac; say fine";
        let vm = vm(&[("promptTimeoutMs", 100)], prompt).await;
        let session = open(&vm).await;
        let error = session.prompt("break").await.unwrap_err();
        assert_eq!(
            (error.code(), &error.metadata()["timeoutMs"]),
            ("prompt_timeout", &json!(100))
        );
        // A call may ask for more time than the limit gives.
        let outcome = session.prompt("go").timeout(Duration::from_secs(60)).await.unwrap();
        assert_eq!(outcome.text, "fine");
    }
}

pub(crate) mod max_event_bytes {
    use super::*;

    pub(crate) async fn program() {
        let prompt = "say \"$(head -c 500 /dev/zero | tr '\\0' x)\"";
        let vm = vm(&[("maxEventBytes", 1000)], prompt).await;
        assert_eq!(text(&open(&vm).await).await.len(), 500);
    }

    pub(crate) async fn hostile() {
        let prompt =
            "case $line in *break*) say \"$(head -c 5000 /dev/zero | tr '\\0' x)\"; until_cancelled ;; esac; say fine";
        let vm = vm(&[("maxEventBytes", 1000)], prompt).await;
        breaks(&vm, "maxEventBytes", 1000).await;
    }
}

pub(crate) mod max_fallback_continuation_bytes {
    use super::*;

    /// The transcript that an agent gets in the place of one that died.
    async fn transcript(most: u64) -> String {
        let prompt = "case $line in *die*) exit 9 ;; esac; say \"$(head -c 300 /dev/zero | tr '\\0' x)end\"";
        let vm = vm(&[("maxFallbackContinuationBytes", most)], prompt).await;
        let session = open(&vm).await;
        text(&session).await;
        assert_eq!(session.prompt("die").await.unwrap_err().code(), "agent_crashed");
        text(&session).await;
        let path = format!("/etc/agentos/sessions/{}.md", session.id());
        vm.read_text(path).await.unwrap()
    }

    pub(crate) async fn program() {
        let whole = transcript(10_000).await;
        assert!(whole.contains("## User\n\ngo") && whole.contains("xend"), "{whole}");
    }

    pub(crate) async fn hostile() {
        let cut = transcript(200).await;
        assert!(
            cut.starts_with("# Transcript\n\n[the beginning was left out]\n\n"),
            "{cut}"
        );
        assert!(cut.contains("xend") && cut.len() <= 200 + 60, "{}: {cut}", cut.len());
    }
}

/// Makes a terminal and puts its id into `$terminal`, or says the code of the error.
const TERMINAL: &str = r#"terminal() {
    ask "$1" terminal/create "{\"sessionId\":\"s\",\"command\":\"$2\"}"
    terminal=$(printf '%s' "$answer" | sed -n 's/.*"terminalId":"\([^"]*\)".*/\1/p')
    [ -n "$terminal" ] || say "$(printf '%s' "$answer" | sed -n 's/.*"code":\(-[0-9]*\).*"limit":"\([A-Za-z]*\)".*/\1 \2 /p')"
}
output() {
    ask "$1" terminal/wait_for_exit "{\"sessionId\":\"s\",\"terminalId\":\"$terminal\"}"
    ask "$1o" terminal/output "{\"sessionId\":\"s\",\"terminalId\":\"$terminal\"}"
    say "$(printf '%s' "$answer" | sed 's/.*"output":"\([^"]*\)","truncated":\([a-z]*\).*/\1 \2/')"
}
release() { ask "$1" terminal/release "{\"sessionId\":\"s\",\"terminalId\":\"$terminal\"}"; }"#;

pub(crate) mod max_terminals_per_session {
    use super::*;

    pub(crate) async fn program() {
        let prompt = "for i in 1 2 3; do terminal t$i true; release r$i; done; say done";
        let vm = changed(&[("maxTerminalsPerSession", 1)], prompt, TERMINAL).await;
        assert_eq!(text(&open(&vm).await).await, "done");
    }

    pub(crate) async fn hostile() {
        let prompt = "for i in 1 2 3; do terminal t$i 'sleep 1000'; done; say done";
        let vm = changed(&[("maxTerminalsPerSession", 2)], prompt, TERMINAL).await;
        let mut events = vm.events();
        let session = open(&vm).await;
        assert_eq!(text(&session).await, "-32000 maxTerminalsPerSession done");
        audited(&mut events, "maxTerminalsPerSession", "count", 2).await;
        // They end with the session.
        session.close().await.unwrap();
        vm.idle().await;
        lives(&vm).await;
    }
}

pub(crate) mod terminal_output_byte_limit {
    use super::*;

    pub(crate) async fn program() {
        let prompt = "terminal t 'printf 0123456789'; output o";
        let vm = changed(&[("terminalOutputByteLimit", 10)], prompt, TERMINAL).await;
        assert_eq!(text(&open(&vm).await).await, "0123456789 false");
    }

    pub(crate) async fn hostile() {
        let prompt = "terminal t 'seq 100000 | tr -d \\\\\\\\n; printf last'; output o";
        let vm = changed(&[("terminalOutputByteLimit", 10)], prompt, TERMINAL).await;
        assert_eq!(text(&open(&vm).await).await, "100000last true");
    }
}
