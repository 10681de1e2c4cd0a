//! A chat without a terminal: prompts are lines of standard input, what comes back is text, or JSON for programs.
//!
//! Nobody can be asked by a key here. With `--json` whoever runs this answers requests by lines of its own; without, they are
//! rejected, and said to be, unless the policy decides.

use super::command::{self, Command, Line};
use super::open::Chat;
use super::show::request;
use super::show::span::safe;
use super::show::tool::ToolCall;
use crate::error::{Error, Exit};
use crate::report;
use crate::signals::Ending;
use agentos::{EventStream, PromptOutcome, Reply, SessionEvent, Via};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Talks until the input ends; the status tells whether the last prompt came to its end.
pub(crate) async fn talk(chat: &mut Chat, first: Option<String>, json: bool, read: bool) -> Result<Exit, Error> {
    let events = chat.sessions.follow(&chat.id, chat.from)?;
    let mut talk = Talk {
        json,
        events,
        waiting: first.map(Input::Prompt).into_iter().collect(),
        input: read.then(lines),
        running: None,
        tools: HashMap::new(),
        theirs: Vec::new(),
        asked: VecDeque::new(),
        in_line: false,
        exit: Exit::SUCCESS,
    };
    let mut ending = Ending::watch()?;
    loop {
        if talk.running.is_none() && !talk.next(chat).await? {
            return Ok(talk.exit);
        }
        tokio::select! {
            biased;
            number = ending.next() => return Ok(Exit::signal(number)),
            event = talk.events.next() => if let Some(event) = event? { talk.show(&event)? },
            () = chat.asked.notified() => talk.ask(chat).await?,
            Some(text) = chat.told.recv() => talk.say(&text)?,
            line = read_line(&mut talk.input), if talk.waiting.len() < AHEAD => talk.take(chat, line).await?,
            outcome = ended(&mut talk.running) => talk.end(outcome)?,
        }
    }
}

/// A line of standard input.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", untagged)]
enum Input {
    Prompt(String),
    Ask {
        prompt: String,
    },
    Answer {
        #[serde(rename = "permissionId")]
        permission_id: String,
        reply: Reply,
    },
    Cancel {
        cancel: bool,
    },
}

type Running = JoinHandle<agentos::session::Result<PromptOutcome>>;

struct Talk {
    json: bool,
    events: EventStream,
    /// Lines that wait for the prompt that runs.
    waiting: VecDeque<Input>,
    input: Option<mpsc::Receiver<Result<String, String>>>,
    running: Option<Running>,
    tools: HashMap<String, ToolCall>,
    theirs: Vec<String>,
    /// Requests that were told of.
    asked: VecDeque<String>,
    /// Whether the last text did not end its line.
    in_line: bool,
    exit: Exit,
}

/// Lines that are read ahead, their longest, and tools and requests that are remembered.
const AHEAD: usize = 16;
const LONGEST: u64 = 4 << 20;
const REMEMBERED: usize = 1024;

impl Talk {
    /// Begins what waits; false if nothing will come any more.
    async fn next(&mut self, chat: &mut Chat) -> Result<bool, Error> {
        while self.running.is_none() {
            match self.waiting.pop_front() {
                Some(Input::Prompt(line)) => match command::read(&line, &self.theirs) {
                    Line::Prompt(text) => self.prompt(chat, &text),
                    Line::Empty => {}
                    Line::Unknown(name) => self.say(&format!("there is no {name}; /help says what there is"))?,
                    Line::Command(Command::Quit, _) => return Ok(false),
                    Line::Command(Command::Help, _) => self.say(&command::help(&self.theirs))?,
                    Line::Command(command, value) => {
                        let said = command::configure(chat, command, &value).await?;
                        self.say(&said)?;
                    }
                },
                Some(Input::Ask { prompt }) => self.prompt(chat, &prompt),
                Some(_) => {}
                None => return Ok(self.input.is_some()),
            }
        }
        Ok(true)
    }

    fn prompt(&mut self, chat: &Chat, text: &str) {
        let (sessions, id) = (chat.sessions.clone(), chat.id.clone());
        let content = vec![json!({"type": "text", "text": text})];
        self.running = Some(tokio::spawn(async move { sessions.prompt(&id, content, None).await }));
    }

    async fn take(&mut self, chat: &Chat, line: Option<Result<String, String>>) -> Result<(), Error> {
        let line = match line {
            Some(line) => line.map_err(Error::Usage)?,
            None => {
                self.input = None;
                // Nobody is left to answer.
                return if self.json { self.reject(chat).await } else { Ok(()) };
            }
        };
        if !(self.json && line.trim_start().starts_with('{')) {
            self.waiting.push_back(Input::Prompt(line));
            return Ok(());
        }
        let wrong = |_| {
            let expected =
                r#"{"prompt": TEXT}, {"permissionId": ID, "reply": "once|always|reject"} or {"cancel": true}"#;
            Error::Usage(format!("chat: a line of the input is none of {expected}"))
        };
        match serde_json::from_str(&line).map_err(wrong)? {
            Input::Answer { permission_id, reply } => {
                match chat
                    .sessions
                    .respond(&chat.id, &permission_id, reply, None, Via::Client)
                    .await
                {
                    Ok(_) => Ok(()),
                    // One that came too late is no reason to end.
                    Err(error) => report::json(&json!({"error": error.code(), "message": error.to_string()})),
                }
            }
            Input::Cancel { cancel: true } => {
                chat.sessions.cancel(&chat.id).await?;
                Ok(())
            }
            Input::Cancel { cancel: false } => Ok(()),
            prompt => {
                self.waiting.push_back(prompt);
                Ok(())
            }
        }
    }

    /// Tells of requests, and rejects them where nobody can answer.
    async fn ask(&mut self, chat: &Chat) -> Result<(), Error> {
        for request in chat.sessions.pending(Some(&chat.id)) {
            if self.asked.contains(&request.permission_id) {
                continue;
            }
            if self.asked.len() >= REMEMBERED {
                self.asked.pop_front();
            }
            self.asked.push_back(request.permission_id.clone());
            if self.json {
                report::json(&json!({"permissionRequest": request}))?;
            } else {
                self.say(&format!(
                    "rejected, as nobody can be asked: {}",
                    request::line(&request)
                ))?;
            }
        }
        if !self.json || self.input.is_none() {
            self.reject(chat).await?;
        }
        Ok(())
    }

    async fn reject(&mut self, chat: &Chat) -> Result<(), Error> {
        for request in chat.sessions.pending(Some(&chat.id)) {
            // Another answer may have been there first.
            let _ = chat
                .sessions
                .respond(&chat.id, &request.permission_id, Reply::Reject, None, Via::Client)
                .await;
        }
        Ok(())
    }

    fn end(&mut self, outcome: agentos::session::Result<PromptOutcome>) -> Result<(), Error> {
        self.running = None;
        while let Some(event) = self.events.ready()? {
            self.show(&event)?;
        }
        let problem = match outcome {
            Ok(outcome) => outcome.response.get("error").map(|error| {
                error
                    .get("message")
                    .and_then(Value::as_str)
                    .unwrap_or("an error")
                    .to_owned()
            }),
            Err(error) => Some(error.to_string()),
        };
        self.exit = if problem.is_some() { Exit::MISSED } else { Exit::SUCCESS };
        match problem {
            Some(problem) => self.say(&format!("the prompt failed: {problem}")),
            None if self.in_line => self.text("\n"),
            None => Ok(()),
        }
    }

    fn show(&mut self, event: &SessionEvent) -> Result<(), Error> {
        if self.json {
            return report::json(&serde_json::to_value(event).unwrap_or_default());
        }
        let Some(update) = event.event.get("params").and_then(|params| params.get("update")) else {
            return Ok(());
        };
        if let Some(names) = command::announced(update) {
            self.theirs = names;
        }
        match update.get("sessionUpdate").and_then(Value::as_str).unwrap_or_default() {
            "agent_message_chunk" => {
                let text = update.get("content").and_then(|content| content.get("text"));
                self.text(text.and_then(Value::as_str).unwrap_or_default())
            }
            "tool_call" | "tool_call_update" => self.tool(update),
            _ => Ok(()),
        }
    }

    /// Says when a tool call begins and how it ends.
    fn tool(&mut self, update: &Value) -> Result<(), Error> {
        let id = update.get("toolCallId").and_then(Value::as_str).unwrap_or_default();
        let known = self.tools.contains_key(id);
        if !known && self.tools.len() >= REMEMBERED {
            self.tools.clear();
        }
        let call = self.tools.entry(id.to_owned()).or_default();
        let was = call.is_done();
        call.update(update);
        let (line, done) = (call.line(), call.is_done());
        match (known, done && !was) {
            (true, false) => Ok(()),
            _ => self.own_line(&line),
        }
    }

    /// The agent's text.
    fn text(&mut self, text: &str) -> Result<(), Error> {
        if text.is_empty() {
            return Ok(());
        }
        self.in_line = !text.ends_with('\n');
        let shown: Vec<String> = text.split('\n').map(safe).collect();
        report::text(&shown.join("\n"))
    }

    fn own_line(&mut self, line: &str) -> Result<(), Error> {
        if self.in_line {
            self.text("\n")?;
        }
        self.text(&format!("{line}\n"))
    }

    /// Says something of our own, apart from the answer.
    fn say(&mut self, text: &str) -> Result<(), Error> {
        if self.json {
            return report::json(&json!({"notice": text}));
        }
        if self.in_line {
            self.text("\n")?;
        }
        text.lines().for_each(|line| report::progress(&safe(line)));
        Ok(())
    }
}

/// The end of the prompt that runs; never, if none does.
async fn ended(running: &mut Option<Running>) -> agentos::session::Result<PromptOutcome> {
    match running {
        Some(running) => running.await.unwrap_or(Err(agentos::session::Error::ShuttingDown)),
        None => std::future::pending().await,
    }
}

async fn read_line(input: &mut Option<mpsc::Receiver<Result<String, String>>>) -> Option<Result<String, String>> {
    match input {
        Some(input) => input.recv().await,
        None => std::future::pending().await,
    }
}

/// Lines of standard input, which are read by a task: reading cannot be given up in the middle.
fn lines() -> mpsc::Receiver<Result<String, String>> {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let mut input = BufReader::new(tokio::io::stdin());
        loop {
            let mut line = Vec::new();
            let read = (&mut input).take(LONGEST + 1).read_until(b'\n', &mut line).await;
            let line = match read {
                Ok(0) | Err(_) => return,
                Ok(n) if n as u64 > LONGEST => Err(format!("chat: a line of the input is longer than {LONGEST} bytes")),
                Ok(_) => String::from_utf8(line).map_err(|_| "chat: the input is no UTF-8".to_owned()),
            };
            if sender.send(line).await.is_err() {
                return;
            }
        }
    });
    receiver
}
