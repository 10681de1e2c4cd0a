//! Agents that write whatever they like, against the session that has to live with it.
//!
//! The agent begins politely, so that a prompt reaches it. What it writes then is made of the input: raw bytes, and messages of
//! the protocol with members of the input's choice; then its output ends. Whatever it was, the prompt has an end, events have
//! numbers without gaps, what was told is what is stored, and each is a notification of the session itself.

use crate::input::Input;
use agentos_session::{
    AgentSpec, ApprovalPolicy, BoxFuture, Child, ChildControl, ChildInput, ChildOutput, Computer, Config,
    CreateOptions, EnvValue, EventQuery, Exit, Launch, Notice, SessionEvent, Stream, VmError, VmResult,
};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

pub(crate) fn run(bytes: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(converse(bytes));
}

async fn converse(bytes: &[u8]) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let (hears, computer) = (Arc::clone(&told), Arc::new(Machine::new(&written(bytes))));
    let sessions = Config::new(computer, tokio::runtime::Handle::current())
        .agent(AgentSpec::new("fuzz", ["fuzz"]))
        .on_notice(move |notice| {
            if let Notice::Event(event) = notice {
                hears.lock().expect("no panic").push(event);
            }
        })
        .open()
        .await
        .expect("a storage in memory");
    let mut options = CreateOptions::default();
    options.permission_policy = Some(ApprovalPolicy::RejectAll);
    let id = sessions
        .create("fuzz", options)
        .await
        .expect("a polite beginning")
        .session_id;
    let prompt = vec![json!({"type": "text", "text": "go"})];
    // An error is an end like another.
    let _ = sessions.prompt(&id, prompt, None).await;
    sessions.suspend().await;
    let stored = sessions
        .events(&id, &EventQuery::default())
        .expect("the session is there");
    check(&id, &stored);
    assert_eq!(*told.lock().expect("no panic"), stored, "told and stored differ");
}

fn check(id: &str, events: &[SessionEvent]) {
    for (at, event) in events.iter().enumerate() {
        assert_eq!(event.seq, at as u64, "a gap");
        assert_eq!(event.event["params"]["sessionId"], *id, "an event of another session");
        assert!(
            event.event["method"].is_string() && event.event.get("id").is_none(),
            "no notification"
        );
    }
    let ends = |event: &&SessionEvent| {
        event.event["method"] == "agentos/prompt_end" && event.event["params"]["promptId"].is_string()
    };
    assert!(events.iter().any(|event| ends(&event)), "the prompt has no end");
}

/// What the agent writes at the prompt, which is the client's third request.
fn written(bytes: &[u8]) -> Vec<Bytes> {
    let mut input = Input::new(bytes);
    let mut pieces = Vec::new();
    while !input.is_empty() && pieces.len() < 64 {
        let piece = match input.u8() % 8 {
            0 => input.data(),
            1 => [input.data(), b"\n".to_vec()].concat(),
            _ => format!("{}\n", message(&mut input)).into_bytes(),
        };
        pieces.push(piece.into());
    }
    pieces
}

const METHODS: [&str; 10] = [
    "session/update",
    "session/request_permission",
    "fs/read_text_file",
    "fs/write_text_file",
    "fs/readDir",
    "terminal/create",
    "terminal/output",
    "terminal/wait_for_exit",
    "session/unknown",
    "",
];
const UPDATES: [&str; 9] = [
    "agent_message_chunk",
    "agent_thought_chunk",
    "tool_call",
    "tool_call_update",
    "plan",
    "current_mode_update",
    "config_option_update",
    "next_year",
    "",
];

/// A message with the shape of one.
fn message(input: &mut Input<'_>) -> Value {
    let mut message = json!({"jsonrpc": "2.0"});
    match input.u8() % 4 {
        0 => {
            message["id"] = id(input);
            message[if input.flag() { "result" } else { "error" }] = value(input, 0);
        }
        1 => {
            message["id"] = id(input);
            message["method"] = input.pick(&METHODS).into();
            message["params"] = params(input);
        }
        _ => {
            message["method"] = input.pick(&METHODS).into();
            message["params"] = params(input);
        }
    }
    message
}

fn id(input: &mut Input<'_>) -> Value {
    match input.u8() % 4 {
        0 | 1 => json!(3),
        2 => json!(input.u8()),
        _ => value(input, 0),
    }
}

fn params(input: &mut Input<'_>) -> Value {
    let session = if input.u8().is_multiple_of(8) { "other" } else { "a" };
    let mut params = json!({"sessionId": session, "path": "/f", "content": value(input, 0)});
    params["update"] = json!({"sessionUpdate": input.pick(&UPDATES), "toolCallId": value(input, 0), "content": {"type": "text", "text": value(input, 0)}});
    params["options"] = json!([{"optionId": value(input, 0), "kind": "allow_once", "name": "n"}]);
    params["toolCall"] = value(input, 0);
    params
}

fn value(input: &mut Input<'_>, depth: usize) -> Value {
    match input.u8() % 8 {
        0 => Value::Null,
        1 => input.flag().into(),
        2 => input.u64().into(),
        3 if depth < 4 => Value::Array((0..input.u8() % 4).map(|_| value(input, depth + 1)).collect()),
        4 if depth < 4 => json!({"type": value(input, depth + 1), "path": value(input, depth + 1)}),
        _ => String::from_utf8_lossy(&input.data()).into_owned().into(),
    }
}

/// A VM whose one program is the agent; the first that is started writes the input, those after it stay polite.
struct Machine {
    pieces: Mutex<Option<Vec<Bytes>>>,
}

impl Machine {
    fn new(pieces: &[Bytes]) -> Self {
        Self {
            pieces: Mutex::new(Some(pieces.to_vec())),
        }
    }
}

/// Counts the lines that the client has written.
struct Stdin(watch::Sender<usize>);

impl ChildInput for Stdin {
    fn write<'a>(&'a mut self, data: &'a [u8]) -> BoxFuture<'a, VmResult<()>> {
        let lines = data.iter().filter(|byte| **byte == b'\n').count();
        self.0.send_modify(|count| *count += lines);
        Box::pin(ready(Ok(())))
    }
}

/// What is written once so many lines were read.
struct Output {
    lines: watch::Receiver<usize>,
    pieces: VecDeque<(usize, Bytes)>,
    ends: bool,
    over: Arc<Control>,
}

impl ChildOutput for Output {
    fn next(&mut self, most: usize) -> BoxFuture<'_, Option<(Stream, Bytes)>> {
        Box::pin(async move {
            let Some((after, _)) = self.pieces.front() else {
                if !self.ends {
                    self.over.killed().await;
                }
                self.over.kill();
                return None;
            };
            let after = *after;
            tokio::select! {
                _ = self.lines.wait_for(|lines| *lines >= after) => {}
                () = self.over.killed() => return None,
            }
            let (_, piece) = self.pieces.front_mut()?;
            let taken = piece.split_to(most.min(piece.len()));
            if piece.is_empty() {
                self.pieces.pop_front();
            }
            Some((Stream::Stdout, taken))
        })
    }
}

#[derive(Default)]
struct Control {
    over: AtomicBool,
    told: tokio::sync::Notify,
}

impl Control {
    async fn killed(&self) {
        loop {
            let told = self.told.notified();
            if self.over.load(Ordering::Acquire) {
                return;
            }
            told.await;
        }
    }
}

impl ChildControl for Control {
    fn terminate(&self) {
        self.kill();
    }

    fn kill(&self) {
        self.over.store(true, Ordering::Release);
        self.told.notify_waiters();
    }

    fn wait(&self) -> BoxFuture<'static, Exit> {
        Box::pin(ready(Exit::default()))
    }
}

fn refused<T: Send + 'static>() -> BoxFuture<'static, VmResult<T>> {
    Box::pin(ready(Err(VmError::new("ENOENT", "ENOENT: nothing is there"))))
}

impl Computer for Machine {
    fn start(&self, _launch: Launch) -> BoxFuture<'_, VmResult<Child>> {
        let line = |id: u64, result: Value| {
            Bytes::from(format!("{}\n", json!({"jsonrpc": "2.0", "id": id, "result": result})))
        };
        let mut pieces = VecDeque::from([
            (1, line(1, json!({"protocolVersion": 1}))),
            (2, line(2, json!({"sessionId": "a"}))),
        ]);
        let input = self.pieces.lock().expect("no panic").take();
        let ends = input.is_some();
        pieces.extend(
            input
                .into_iter()
                .flatten()
                .filter(|piece| !piece.is_empty())
                .map(|piece| (3, piece)),
        );
        if ends {
            // Its output does not end before the prompt has come.
            pieces.push_back((3, Bytes::from_static(b"\n")));
        }
        let (stdin, lines) = watch::channel(0);
        let over = Arc::new(Control::default());
        let output = Output {
            lines,
            pieces,
            ends,
            over: Arc::clone(&over),
        };
        Box::pin(ready(Ok(Child {
            stdin: Box::new(Stdin(stdin)),
            output: Box::new(output),
            control: over,
        })))
    }

    fn find_command<'a>(&'a self, command: &'a str) -> BoxFuture<'a, Option<String>> {
        Box::pin(ready((command == "fuzz").then(|| command.to_owned())))
    }

    fn read<'a>(&'a self, _path: &'a str, _most: usize) -> BoxFuture<'a, VmResult<Bytes>> {
        refused()
    }

    fn write<'a>(&'a self, _path: &'a str, _content: Bytes) -> BoxFuture<'a, VmResult<()>> {
        Box::pin(ready(Ok(())))
    }

    fn read_dir<'a>(&'a self, _path: &'a str) -> BoxFuture<'a, VmResult<Vec<String>>> {
        refused()
    }

    fn resolve<'a>(&'a self, path: &'a str) -> BoxFuture<'a, String> {
        Box::pin(ready(path.to_owned()))
    }

    fn publish<'a>(&'a self, _path: &'a str, _content: Bytes, _executable: bool) -> BoxFuture<'a, VmResult<()>> {
        Box::pin(ready(Ok(())))
    }

    fn reveal<'a>(
        &'a self,
        _path: &'a str,
        _env: Vec<(String, EnvValue)>,
    ) -> BoxFuture<'a, VmResult<Vec<(String, String)>>> {
        Box::pin(ready(Ok(Vec::new())))
    }

    fn tool_list(&self) -> Option<String> {
        None
    }
}
