//! A VM of functions: agents are tasks, files a map, time stands still unless it is moved.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    unreachable_pub,
    missing_docs
)]

pub mod computer;
pub mod time;

use agentos_session::{AgentSpec, Config, CreateOptions, Notice, PromptOutcome, SessionLimits, Sessions, Storage};
pub use computer::{AgentIo, FakeComputer};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::future::Future;
use std::sync::Arc;
pub use time::ManualClock;
use tokio::sync::Notify;

/// Sessions in a VM of functions, and what they told.
pub struct World {
    pub computer: Arc<FakeComputer>,
    pub clock: Arc<ManualClock>,
    pub sessions: Sessions,
    pub notices: Arc<Notices>,
}

#[derive(Default)]
pub struct Notices {
    list: Mutex<Vec<Notice>>,
    more: Notify,
}

impl Notices {
    pub fn tell(&self, notice: Notice) {
        self.list.lock().push(notice);
        self.more.notify_waiters();
    }

    pub fn all(&self) -> Vec<Notice> {
        self.list.lock().clone()
    }

    /// Waits until a notice satisfies `wanted`, and gives what it made of it.
    pub async fn wait<T>(&self, wanted: impl Fn(&Notice) -> Option<T>) -> T {
        loop {
            let more = self.more.notified();
            if let Some(found) = self.list.lock().iter().find_map(&wanted) {
                return found;
            }
            more.await;
        }
    }
}

#[derive(Default)]
pub struct Setup {
    pub computer: FakeComputer,
    pub limits: SessionLimits,
    pub storage: Option<Arc<dyn Storage>>,
}

impl Setup {
    pub fn agent<F, R>(mut self, name: &str, run: F) -> Self
    where
        F: Fn(AgentIo) -> R + Send + Sync + 'static,
        R: Future<Output = i32> + Send + 'static,
    {
        self.computer.program(name, run);
        self
    }

    pub async fn build(self) -> World {
        let computer = Arc::new(self.computer);
        let clock = Arc::new(ManualClock::default());
        let notices = Arc::new(Notices::default());
        let told = Arc::clone(&notices);
        let mut config = Config::new(computer.clone(), tokio::runtime::Handle::current())
            .limits(self.limits)
            .clock(clock.clone())
            .agent(AgentSpec::new("test", ["test-agent"]))
            .on_notice(move |notice| told.tell(notice));
        if let Some(storage) = self.storage {
            config = config.storage(storage);
        }
        let sessions = config.open().await.unwrap();
        World {
            computer,
            clock,
            sessions,
            notices,
        }
    }
}

impl World {
    pub async fn create(&self) -> String {
        self.sessions
            .create("test", CreateOptions::default())
            .await
            .unwrap()
            .session_id
    }

    pub async fn prompt(&self, id: &str, text: &str) -> agentos_session::Result<PromptOutcome> {
        self.sessions
            .prompt(id, vec![json!({"type": "text", "text": text})], None)
            .await
    }

    /// Sequence numbers are gap-free, and what was told is what is stored.
    pub fn check_events(&self, id: &str) -> Vec<Value> {
        let stored = self.sessions.events(id, &Default::default()).unwrap();
        let seqs: Vec<u64> = stored.iter().map(|event| event.seq).collect();
        assert_eq!(seqs, (0..stored.len() as u64).collect::<Vec<_>>());
        let told: Vec<_> = self
            .notices
            .all()
            .into_iter()
            .filter_map(|notice| match notice {
                Notice::Event(event) if event.session_id == id => Some(event),
                _ => None,
            })
            .collect();
        assert_eq!(told, stored, "told and stored differ");
        stored.into_iter().map(|event| event.event).collect()
    }
}

/// The kinds of events, in order.
pub fn kinds(events: &[Value]) -> Vec<String> {
    events
        .iter()
        .map(|event| match event["params"]["update"]["sessionUpdate"].as_str() {
            Some(kind) => kind.to_owned(),
            None => event["method"].as_str().unwrap().to_owned(),
        })
        .collect()
}

/// A well-behaved agent: it answers each prompt with what `answer` says.
pub async fn polite<F, R>(mut io: AgentIo, answer: F) -> i32
where
    F: Fn(AgentIo, Value) -> R,
    R: Future<Output = Value>,
{
    while let Some(message) = io.next().await {
        let id = message["id"].clone();
        match message["method"].as_str() {
            Some("initialize") => io.reply(&id, initialized()).await,
            Some("session/new") => io.reply(&id, json!({"sessionId": "agent-1"})).await,
            Some("session/prompt") => {
                let result = answer(io.clone(), message).await;
                io.reply(&id, result).await;
            }
            Some("session/cancel") | None => {}
            Some(other) => panic!("unexpected {other}"),
        }
    }
    0
}

pub fn initialized() -> Value {
    json!({"protocolVersion": 1, "agentCapabilities": {"promptCapabilities": {"image": true}},
        "agentInfo": {"name": "test", "version": "1"}, "authMethods": []})
}

pub fn chunk(text: &str) -> Value {
    json!({"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}})
}
