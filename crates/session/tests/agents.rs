//! Agents that are files: what each does at each message of the client is data, and so is what must come of it.
//!
//! `agents/hostile` breaks the protocol: every file says which typed error comes of it, and that the session goes on after it.
//! `agents/transcripts` holds conversations as agents have them: every file says the text, the events and what the agent was
//! answered. One runner plays all of them; a file without an expectation does not load.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use agentos_session::{ApprovalPolicy, CreateOptions, Error, Notice, Outcome};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::{AgentIo, Setup, World, chunk, initialized, kinds};

/// One file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Case {
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    policy: Option<ApprovalPolicy>,
    /// What the agent does at `initialize`, `session/new` and `session/prompt`; it is polite where nothing is said.
    #[serde(default)]
    initialize: Option<Vec<Step>>,
    #[serde(default)]
    new: Option<Vec<Step>>,
    #[serde(default)]
    prompt: Option<Vec<Step>>,
    expect: Expected,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
struct Limits {
    max_read_line_bytes: Option<usize>,
    max_event_bytes: Option<usize>,
    max_history_bytes_per_vm: Option<u64>,
}

/// One thing that an agent does. In texts, `$ID` is the id of the client's request.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
enum Step {
    /// Writes a text as it stands, so often.
    Write {
        text: String,
        #[serde(default = "once")]
        times: usize,
    },
    /// Tells an update of the session.
    Update(Value),
    /// Answers the client's request.
    Answer(Value),
    /// Asks the client, and looks for these members in what comes back.
    Ask { method: String, params: Value, gets: Value },
    /// Waits until it is told to cancel.
    UntilCancelled,
    /// Ends.
    Exit(i32),
    /// Does nothing any more.
    Silence,
}

const fn once() -> usize {
    1
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Expected {
    /// Code of the error that `createSession` fails with.
    #[serde(default)]
    create: Option<String>,
    /// Code of the error that the prompt fails with.
    #[serde(default)]
    prompt: Option<String>,
    /// What the error says, in part.
    #[serde(default)]
    says: Option<String>,
    /// The limit that it names.
    #[serde(default)]
    limit: Option<String>,
    /// The text of a prompt that succeeds, and its events.
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    events: Option<Vec<String>>,
    /// Outcomes of permission requests.
    #[serde(default)]
    outcomes: Vec<Outcome>,
    /// Time to pass until the deadline of whatever waits, in ms.
    #[serde(default)]
    passes: Vec<u64>,
}

/// Longer than anything takes: what is not done by then is stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Plays the steps; gives the exit code, unless the agent lives on.
async fn play(io: &AgentIo, steps: &[Step], id: &Value) -> Option<i32> {
    for step in steps {
        match step {
            Step::Write { text, times } => {
                let text = text.replace("$ID", &id.to_string());
                for _ in 0..*times {
                    io.raw(text.clone()).await;
                }
            }
            Step::Update(update) => io.update(update.clone()).await,
            Step::Answer(result) => io.reply(id, result.clone()).await,
            Step::Ask { method, params, gets } => {
                let answer = io.ask(method, params.clone()).await;
                assert!(includes(&answer, gets), "{method}: {answer} lacks {gets}");
            }
            Step::UntilCancelled => {
                let mut io = io.clone();
                while io
                    .next()
                    .await
                    .is_some_and(|message| message["method"] != "session/cancel")
                {}
            }
            Step::Exit(code) => return Some(*code),
            Step::Silence => std::future::pending().await,
        }
    }
    None
}

/// Whether a value has everything that is wanted of it.
fn includes(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Object(value), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, wanted)| value.get(name).is_some_and(|value| includes(value, wanted))),
        (value, wanted) => value == wanted,
    }
}

/// The agent of a file. Once it was prompted or started again it is polite.
async fn agent(mut io: AgentIo, case: Arc<Case>, start: usize) -> i32 {
    let mut polite_now = start > 0;
    while let Some(message) = io.next().await {
        let (steps, polite) = match message["method"].as_str() {
            Some("initialize") => (&case.initialize, initialized()),
            Some("session/new") => (&case.new, json!({"sessionId": "agent-1"})),
            Some("session/prompt") => {
                if polite_now {
                    io.update(chunk("fine")).await;
                }
                (&case.prompt, json!({"stopReason": "end_turn"}))
            }
            _ => continue,
        };
        let played = steps.as_ref().filter(|_| !polite_now);
        polite_now |= message["method"] == "session/prompt";
        match played {
            Some(steps) => {
                if let Some(code) = play(&io, steps, &message["id"]).await {
                    return code;
                }
            }
            None => io.reply(&message["id"], polite).await,
        }
    }
    0
}

fn cases(folder: &str) -> Vec<(String, Arc<Case>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/agents")
        .join(folder);
    let mut cases: Vec<(String, Arc<Case>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let case = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, Arc::new(case))
        })
        .collect();
    cases.sort_by(|one, other| one.0.cmp(&other.0));
    cases
}

async fn world(case: &Arc<Case>) -> Arc<World> {
    let (starts, played) = (Arc::new(AtomicUsize::new(0)), Arc::clone(case));
    let mut setup = Setup::default().agent("test-agent", move |io| {
        agent(io, Arc::clone(&played), starts.fetch_add(1, Ordering::AcqRel))
    });
    let limits = &mut setup.limits;
    limits.max_read_line_bytes = case.limits.max_read_line_bytes.unwrap_or(limits.max_read_line_bytes);
    limits.max_event_bytes = case.limits.max_event_bytes.unwrap_or(limits.max_event_bytes);
    limits.max_history_bytes_per_vm = case
        .limits
        .max_history_bytes_per_vm
        .unwrap_or(limits.max_history_bytes_per_vm);
    Arc::new(setup.build().await)
}

/// Does something that waits for the agent, and lets the time pass that the file names.
async fn timed<T: Send + 'static>(
    world: &Arc<World>,
    case: &Case,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    let work = tokio::spawn(work);
    for ms in &case.expect.passes {
        let passed = world.clock.pass(Duration::from_millis(*ms));
        tokio::time::timeout(PATIENCE, passed)
            .await
            .expect("somebody waits so long");
    }
    // A caller that is stuck is the one thing that must never be.
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.expect("nobody waits for ever").unwrap()
}

fn check(name: &str, case: &Case, error: &Error, code: &str) {
    assert_eq!(error.code(), code, "{name}: {error}");
    if let Some(says) = &case.expect.says {
        assert!(error.to_string().contains(says.as_str()), "{name}: {error}");
    }
    if let Some(limit) = &case.expect.limit {
        assert_eq!(error.metadata()["configurationPath"], json!(limit), "{name}");
    }
}

async fn run(name: &str, case: &Arc<Case>) {
    let world = world(case).await;
    let mut options = CreateOptions::default();
    options.permission_policy = case.policy;
    let creating = Arc::clone(&world);
    let created = async move { creating.sessions.create("test", options).await };
    let id = match (
        timed_if(&world, case, case.expect.create.is_some(), created).await,
        &case.expect.create,
    ) {
        (Err(error), Some(code)) => {
            check(name, case, &error, code);
            assert!(
                world.sessions.persisted(true).unwrap().is_empty(),
                "{name}: a session was left"
            );
            return;
        }
        (created, None) => created.unwrap_or_else(|error| panic!("{name}: {error}")).session_id,
        (Ok(_), Some(code)) => panic!("{name}: {code} was expected of createSession"),
    };
    let (prompting, of) = (Arc::clone(&world), id.clone());
    let outcome = timed(&world, case, async move { prompting.prompt(&of, "go").await }).await;
    let events = world.check_events(&id);
    match &case.expect.prompt {
        Some(code) => {
            check(name, case, &outcome.unwrap_err(), code);
            if case.limits.max_history_bytes_per_vm.is_none() {
                let again = tokio::time::timeout(PATIENCE, world.prompt(&id, "again")).await;
                assert_eq!(again.expect("nobody waits for ever").unwrap().text, "fine", "{name}");
            }
        }
        None => {
            let outcome = outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(Some(&outcome.text), case.expect.text.as_ref(), "{name}");
        }
    }
    if let Some(expected) = &case.expect.events {
        assert_eq!(&kinds(&events), expected, "{name}");
    }
    let outcomes: Vec<Outcome> = world
        .notices
        .all()
        .iter()
        .filter_map(|notice| match notice {
            Notice::PermissionResolved { outcome, .. } => Some(*outcome),
            _ => None,
        })
        .collect();
    assert_eq!(outcomes, case.expect.outcomes, "{name}");
    world.check_events(&id);
    world.sessions.destroy(&id).await.unwrap();
}

/// Time passes for whatever is expected to fail.
async fn timed_if<T: Send + 'static>(
    world: &Arc<World>,
    case: &Case,
    fails: bool,
    work: impl Future<Output = T> + Send + 'static,
) -> T {
    match fails {
        true => timed(world, case, work).await,
        false => tokio::time::timeout(PATIENCE, work).await.expect("in time"),
    }
}

#[tokio::test]
async fn hostile_agents_lead_to_typed_errors() {
    let cases = cases("hostile");
    assert!(cases.len() >= 20, "{}", cases.len());
    for (name, case) in &cases {
        assert!(
            case.expect.create.is_some() || case.expect.prompt.is_some() || case.expect.text.is_some(),
            "{name} expects nothing"
        );
        run(name, case).await;
    }
}

#[tokio::test]
async fn transcripts_have_their_events_and_their_text() {
    let cases = cases("transcripts");
    assert!(cases.len() >= 6, "{}", cases.len());
    for (name, case) in &cases {
        assert!(
            case.expect.text.is_some() && case.expect.events.is_some(),
            "{name} expects nothing"
        );
        run(name, case).await;
    }
}
