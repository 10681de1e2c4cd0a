//! A chat on a terminal.
//!
//! One loop hears everything - keys, events of the session, requests, the end of the prompt, signals - and draws after each.
//! The terminal is in raw mode and restored whatever happens. Ctrl-C cancels the prompt that runs; a second one leaves. What
//! is typed while a prompt runs stands in the line when it has ended.

mod editor;
mod screen;

use super::command::{self, Command, Line};
use super::open::Chat;
use super::show::request;
use super::show::span::{Color, Row, Style};
use super::show::view::{Shown, View};
use crate::error::{Error, Exit};
use crate::signals::Ending;
use agentos::{EventStream, PermissionRequest, PromptOutcome, Reply, SessionEvent, Via};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind};
use editor::{Editor, Typed};
use screen::Screen;
use serde_json::{Value, json};
use std::path::Path;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What to begin with, and how long to stay.
pub(crate) struct Start<'a> {
    /// Said before anything else.
    pub(crate) greeting: String,
    pub(crate) first: Option<String>,
    /// Whether to leave after the first prompt.
    pub(crate) once: bool,
    /// Where lines are remembered.
    pub(crate) history: Option<&'a Path>,
}

/// Talks until somebody leaves.
pub(crate) async fn talk(chat: &mut Chat, start: Start<'_>) -> Result<Exit, Error> {
    let events = chat.sessions.follow(&chat.id, chat.from)?;
    let mut talk = Talk {
        screen: Screen::enter()?,
        editor: Editor::new(start.history.map(read_history).unwrap_or_default()),
        view: View::default(),
        events,
        running: None,
        cancelled: false,
        request: None,
        theirs: Vec::new(),
        exit: Exit::SUCCESS,
    };
    talk.screen.say(Style::DIM, &start.greeting)?;
    if let Some(first) = &start.first {
        talk.screen.say(Style::BOLD, &format!("{PROMPT}{first}"))?;
        talk.prompt(chat, first);
    }
    let exit = talk.listen(chat, start.once).await;
    if let Some(path) = start.history {
        write_history(path, talk.editor.history());
    }
    exit
}

const PROMPT: &str = "> ";

type Running = JoinHandle<agentos::session::Result<PromptOutcome>>;

struct Talk {
    screen: Screen,
    editor: Editor,
    view: View,
    events: EventStream,
    running: Option<Running>,
    /// Whether the prompt that runs was told to end.
    cancelled: bool,
    /// The request whose answer is awaited.
    request: Option<PermissionRequest>,
    theirs: Vec<String>,
    exit: Exit,
}

impl Talk {
    async fn listen(&mut self, chat: &mut Chat, once: bool) -> Result<Exit, Error> {
        let mut keys = keys();
        let mut ending = Ending::watch()?;
        loop {
            self.draw()?;
            tokio::select! {
                biased;
                number = ending.next() => return Ok(Exit::signal(number)),
                key = keys.recv() => match key {
                    Some(event) => if let Some(exit) = self.event(chat, event).await? { return Ok(exit) },
                    // The terminal is gone.
                    None => return Ok(self.exit),
                },
                event = self.events.next() => if let Some(event) = event? { self.take(&event) },
                () = chat.asked.notified() => self.ask(chat)?,
                Some(text) = chat.told.recv() => self.view.note(&text),
                outcome = ended(&mut self.running) => {
                    self.end(outcome)?;
                    if once {
                        return Ok(self.exit);
                    }
                }
            }
        }
    }

    fn draw(&mut self) -> Result<(), Error> {
        let shown = self.view.show(self.screen.columns(), self.running.is_none());
        if self.running.is_none() {
            return self
                .screen
                .show(&shown, &[], Some((PROMPT, self.editor.text(), self.editor.cursor())));
        }
        let status = match (&self.request, self.cancelled) {
            (Some(_), _) => Row::of(Style::color(Color::Yellow), "allow? y once, a always, n reject"),
            (None, true) => Row::of(Style::DIM, "cancelling; Ctrl-C again leaves"),
            (None, false) => Row::of(Style::DIM, "working; Ctrl-C cancels"),
        };
        self.screen.show(&shown, &[status], None)
    }

    async fn event(&mut self, chat: &mut Chat, event: Event) -> Result<Option<Exit>, Error> {
        match event {
            Event::Resize(..) => self.screen.resized()?,
            Event::Paste(text) => self.editor.paste(&text),
            Event::Key(key) if key.kind != KeyEventKind::Release => return self.key(chat, key).await,
            _ => {}
        }
        Ok(None)
    }

    async fn key(&mut self, chat: &mut Chat, key: KeyEvent) -> Result<Option<Exit>, Error> {
        if self.running.is_some() {
            return self.key_while_running(chat, key).await;
        }
        match self.editor.key(key) {
            Typed::Line(line) => return self.line(chat, &line).await,
            // An empty line is as good as no prompt that runs.
            Typed::Interrupt if self.editor.text().is_empty() => return Ok(Some(self.exit)),
            Typed::Interrupt => drop(self.editor.take()),
            Typed::End => return Ok(Some(self.exit)),
            Typed::Clear => self.screen.clear()?,
            Typed::Edited => {}
        }
        Ok(None)
    }

    async fn key_while_running(&mut self, chat: &mut Chat, key: KeyEvent) -> Result<Option<Exit>, Error> {
        if let Some(request) = self.request.clone()
            && let Some(reply) = reply(key)
        {
            return self.answer(chat, &request, reply).await.map(|()| None);
        }
        // Done lines wait for the end of the prompt.
        if matches!(key.code, KeyCode::Enter) || self.request.is_some() && !key.modifiers.contains(CONTROL) {
            return Ok(None);
        }
        match self.editor.key(key) {
            Typed::Interrupt if self.cancelled => return Ok(Some(Exit::signal(INTERRUPT))),
            Typed::Interrupt => {
                self.cancelled = true;
                let (sessions, id) = (chat.sessions.clone(), chat.id.clone());
                // Its end is that of the prompt, which is awaited.
                tokio::spawn(async move { sessions.cancel(&id).await });
            }
            Typed::Clear => self.screen.clear()?,
            _ => {}
        }
        Ok(None)
    }

    async fn line(&mut self, chat: &mut Chat, line: &str) -> Result<Option<Exit>, Error> {
        self.screen
            .say(Style::BOLD, &format!("{PROMPT}{}", line.replace('\n', "\n  ")))?;
        let said = match command::read(line, &self.theirs) {
            Line::Prompt(text) => {
                self.prompt(chat, &text);
                return Ok(None);
            }
            Line::Empty => return Ok(None),
            Line::Unknown(name) => format!("there is no {name}; /help says what there is"),
            Line::Command(Command::Quit, _) => return Ok(Some(self.exit)),
            Line::Command(Command::Help, _) => command::help(&self.theirs),
            Line::Command(command, value) => match command::configure(chat, command, &value).await {
                Ok(said) => said,
                // An agent that does not answer is a reason to say so, not to leave.
                Err(error) => error.to_string(),
            },
        };
        self.screen.say(Style::PLAIN, &said)?;
        Ok(None)
    }

    fn prompt(&mut self, chat: &Chat, text: &str) {
        let (sessions, id) = (chat.sessions.clone(), chat.id.clone());
        let content = vec![json!({"type": "text", "text": text})];
        self.cancelled = false;
        self.screen.begin();
        self.running = Some(tokio::spawn(async move { sessions.prompt(&id, content, None).await }));
    }

    fn take(&mut self, event: &SessionEvent) {
        let Some(update) = event.event.get("params").and_then(|params| params.get("update")) else {
            return;
        };
        if let Some(names) = command::announced(update) {
            self.theirs = names;
        }
        self.view.update(update);
    }

    /// Shows the request that has waited longest, once.
    fn ask(&mut self, chat: &Chat) -> Result<(), Error> {
        let waits = chat.request();
        let id = |request: &Option<PermissionRequest>| request.as_ref().map(|request| request.permission_id.clone());
        if id(&waits) == id(&self.request) {
            return Ok(());
        }
        self.request = waits;
        let Some(request) = &self.request else { return Ok(()) };
        // What the agent said before belongs above the request.
        while let Some(event) = self.events.ready()? {
            let update = event.event.get("params").and_then(|params| params.get("update"));
            update.into_iter().for_each(|update| self.view.update(update));
        }
        let mut shown = self.view.show(self.screen.columns(), true);
        shown.done.push(Row::default());
        shown.done.extend(request::rows(request, self.screen.columns()));
        self.screen.show(&shown, &[], None)?;
        self.screen.begin();
        Ok(())
    }

    async fn answer(&mut self, chat: &Chat, request: &PermissionRequest, reply: Reply) -> Result<(), Error> {
        self.request = None;
        let answered = chat
            .sessions
            .respond(&chat.id, &request.permission_id, reply, None, Via::Client)
            .await;
        let (style, said) = match (&answered, reply) {
            (Err(error), _) => (Style::DIM, error.to_string()),
            (Ok(_), Reply::Reject) => (Style::color(Color::Red), "  rejected".to_owned()),
            (Ok(_), Reply::Always) => (Style::color(Color::Green), "  allowed from now on".to_owned()),
            (Ok(_), _) => (Style::color(Color::Green), "  allowed".to_owned()),
        };
        self.screen.say(style, &said)?;
        self.ask(chat)
    }

    fn end(&mut self, outcome: agentos::session::Result<PromptOutcome>) -> Result<(), Error> {
        while let Some(event) = self.events.ready()? {
            self.take(&event);
        }
        (self.running, self.request) = (None, None);
        let problem = match &outcome {
            Ok(outcome) if outcome.stop_reason() == Some("end_turn") => None,
            Ok(outcome) => Some(match outcome.response.get("error") {
                Some(error) => format!(
                    "the agent answered with an error: {}",
                    error.get("message").and_then(Value::as_str).unwrap_or_default()
                ),
                None => format!("ended: {}", outcome.stop_reason().unwrap_or("without a reason")),
            }),
            Err(error) => Some(error.to_string()),
        };
        let failed = outcome.is_err() || outcome.is_ok_and(|outcome| outcome.response.get("error").is_some());
        self.exit = if failed { Exit::MISSED } else { Exit::SUCCESS };
        if let Some(problem) = problem {
            self.view.note(&problem);
        }
        let mut shown: Shown = self.view.show(self.screen.columns(), true);
        shown.done.push(Row::default());
        self.screen.show(&shown, &[], None)?;
        self.screen.begin();
        Ok(())
    }
}

const CONTROL: crossterm::event::KeyModifiers = crossterm::event::KeyModifiers::CONTROL;
/// The number of SIGINT.
const INTERRUPT: i32 = 2;

/// The answer that a key stands for.
fn reply(key: KeyEvent) -> Option<Reply> {
    if key.modifiers.contains(CONTROL) {
        return None;
    }
    match key.code {
        KeyCode::Char('y' | 'Y') => Some(Reply::Once),
        KeyCode::Char('a' | 'A') => Some(Reply::Always),
        KeyCode::Char('n' | 'N') | KeyCode::Esc => Some(Reply::Reject),
        _ => None,
    }
}

/// The end of the prompt that runs; never, if none does.
async fn ended(running: &mut Option<Running>) -> agentos::session::Result<PromptOutcome> {
    match running {
        Some(running) => running.await.unwrap_or(Err(agentos::session::Error::ShuttingDown)),
        None => std::future::pending().await,
    }
}

/// Keys, read by a thread: reading cannot be given up in the middle. It ends with the program.
fn keys() -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(64);
    std::thread::spawn(move || {
        while let Ok(event) = crossterm::event::read() {
            if sender.blocking_send(event).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Lines of before, one JSON string a line; what cannot be read is none.
fn read_history(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn write_history(path: &Path, lines: &[String]) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let text: String = lines.iter().map(|line| format!("{}\n", json!(line))).collect();
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    // A history that cannot be kept is no reason to fail.
    let _ = file.and_then(|mut file| file.write_all(text.as_bytes()));
}
