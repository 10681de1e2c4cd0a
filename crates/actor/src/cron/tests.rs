//! Cron in simulated time: days pass as fast as the machine can commit.

use std::sync::Arc;
use std::time::Duration;

use agentos_store::tables::{CronTable, VM_SCHEMA};
use agentos_store::{Database, HostIndex, NewActor, SealKey};
use agentos_value::{ActorError, Value};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use super::*;
use crate::clock::{Clock as _, ManualClock};
use crate::{BoxFuture, DueTimes, Failure};

const DAY: Duration = Duration::from_secs(86_400);
const MINUTE: Duration = Duration::from_secs(60);

/// An actor whose actions are carried out by the test.
struct Fixture {
    database: Database,
    index: HostIndex,
    clock: ManualClock,
    events: mpsc::UnboundedReceiver<CronEvent>,
    host: Arc<Host>,
}

struct Host {
    events: mpsc::UnboundedSender<CronEvent>,
    /// What the next runs end with; a run without one ends well at once.
    ends: Mutex<std::collections::VecDeque<oneshot::Receiver<Result<(), ActorError>>>>,
    runs: Mutex<Vec<CronRun>>,
    awake: Arc<()>,
}

impl CronHost for Host {
    fn run(&self, run: CronRun) -> BoxFuture<'_, Result<(), ActorError>> {
        self.runs.lock().push(run);
        let end = self.ends.lock().pop_front();
        Box::pin(async move {
            match end {
                Some(end) => end.await.unwrap_or(Ok(())),
                None => Ok(()),
            }
        })
    }

    fn emit(&self, event: CronEvent) {
        let _ = self.events.send(event);
    }

    fn keep_awake(&self, _job_id: &str) -> Box<dyn Send> {
        Box::new(self.awake.clone())
    }
}

impl Fixture {
    fn new() -> Self {
        Self::on(Database::in_memory(&VM_SCHEMA).unwrap())
    }

    fn on(database: Database) -> Self {
        let index = HostIndex::in_memory().unwrap();
        let actor = NewActor {
            actor_id: "a".into(),
            name: "vm".into(),
            key: "k".into(),
            ..NewActor::default()
        };
        index.create(actor).wait().unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        let host = Host {
            events: sender,
            ends: Mutex::default(),
            runs: Mutex::default(),
            awake: Arc::default(),
        };
        Self {
            database,
            index,
            clock: ManualClock::at(0),
            events,
            host: Arc::new(host),
        }
    }

    fn jobs(&self, limits: CronLimits) -> CronJobs {
        let due = DueTimes::new(Some(self.index.clone()), "a", &self.database);
        CronJobs::new(&self.database, due, "a", Some(Arc::new(SealKey::new([1; 32]))), limits)
    }

    async fn start(&self, limits: CronLimits) -> Cron {
        Cron::start(self.jobs(limits), self.host.clone(), Arc::new(self.clock.clone()))
            .await
            .unwrap()
    }

    /// The end of the next run is decided by the test.
    fn hold(&self) -> oneshot::Sender<Result<(), ActorError>> {
        let (sender, receiver) = oneshot::channel();
        self.host.ends.lock().push_back(receiver);
        sender
    }

    /// Moves the clock once the clockwork waits for it.
    async fn advance(&self, by: Duration) {
        self.settled().await;
        self.clock.advance(by);
    }

    /// The clockwork has nothing to do until the clock moves.
    async fn settled(&self) {
        while self.clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
    }

    async fn event(&mut self) -> (&'static str, String) {
        match self.events.recv().await.unwrap() {
            CronEvent::Fire { job_id, .. } => ("fire", job_id),
            CronEvent::Complete { job_id, .. } => ("complete", job_id),
            CronEvent::Error { job_id, error, .. } => ("error", format!("{job_id}: {error}")),
        }
    }

    async fn expect(&mut self, kinds: &[&str]) {
        for kind in kinds {
            let event = self.event().await;
            assert_eq!(event.0, *kind, "{event:?}");
        }
    }

    fn table(&self) -> CronTable {
        CronTable::new(&self.database)
    }

    fn due(&self) -> Option<i64> {
        self.index.next_due().unwrap()
    }
}

/// Runs without a deadline: one more sleeper would hide whether the clockwork waits.
fn limits() -> CronLimits {
    CronLimits {
        run_timeout: Duration::ZERO,
        ..CronLimits::default()
    }
}

fn exec(command: &str) -> CronAction {
    CronAction::from_value(&Value::object([("type", "exec"), ("command", command)])).unwrap()
}

fn job(id: &str, schedule: &str) -> NewCronJob {
    NewCronJob {
        id: Some(id.into()),
        schedule: schedule.into(),
        timezone: None,
        action: exec("true"),
        overlap: Overlap::Allow,
    }
}

fn code(failure: Failure) -> String {
    match failure {
        Failure::Public(error) => error.code.into_owned(),
        Failure::Internal(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_year_of_days() {
    let mut fixture = Fixture::new();
    let cron = fixture.start(limits()).await;
    cron.schedule(job("daily", "30 4 * * *")).await.unwrap();
    assert_eq!(fixture.due(), Some(4 * 3_600_000 + 1_800_000));
    for _ in 0..365 {
        fixture.advance(DAY).await;
        fixture.expect(&["fire", "complete"]).await;
    }
    let info = cron.list().unwrap().remove(0);
    assert_eq!((info.run_count, info.running, info.queued), (365, false, 0));
    assert_eq!(info.last_run.as_deref(), Some("1970-12-31T04:30:00.000Z"));
    assert_eq!(info.next_run.as_deref(), Some("1971-01-01T04:30:00.000Z"));
    assert_eq!(fixture.table().runs("daily", 1000).unwrap().len(), 32);
    assert_eq!(Arc::strong_count(&fixture.host.awake), 1);
    fixture.settled().await;
    assert_eq!(fixture.due(), Some(365 * 86_400_000 + 4 * 3_600_000 + 1_800_000));
    cron.cancel("daily").await.unwrap();
    cron.cancel("daily").await.unwrap();
    assert_eq!(fixture.due(), None);
}

#[tokio::test]
async fn queued_runs_go_one_by_one_and_survive_a_crash() {
    let mut fixture = Fixture::new();
    let cron = fixture
        .start(CronLimits {
            queued_runs: 2,
            ..limits()
        })
        .await;
    cron.schedule(NewCronJob {
        overlap: Overlap::Queue,
        ..job("q", "* * * * *")
    })
    .await
    .unwrap();
    let first = fixture.hold();
    fixture.advance(MINUTE).await;
    fixture.expect(&["fire"]).await;
    for _ in 0..2 {
        fixture.advance(MINUTE).await;
    }
    fixture.settled().await;
    assert_eq!(fixture.table().open_runs("q"), Ok((1, 2)));
    fixture.advance(MINUTE).await;
    let (kind, text) = fixture.event().await;
    assert_eq!(kind, "error");
    assert!(
        text.contains("limit_exceeded: limits.cron.maxQueuedRunsPerJob"),
        "{text}"
    );
    // The second run starts when the first ends, and is cut short by a crash.
    let _second = fixture.hold();
    first.send(Ok(())).unwrap();
    fixture.expect(&["complete", "fire"]).await;
    drop(cron);
    let cron = fixture.start(limits()).await;
    let (kind, text) = fixture.event().await;
    assert_eq!((kind, text.as_str()), ("error", "q: interrupted"));
    fixture.expect(&["fire", "complete"]).await;
    let due: Vec<_> = fixture.host.runs.lock().iter().map(|run| run.due_at).collect();
    assert_eq!(due, [60_000, 120_000, 180_000]);
    let info = cron.list().unwrap().remove(0);
    assert_eq!((info.run_count, info.running, info.queued), (3, false, 0));
}

#[tokio::test]
async fn no_queued_run_is_left_behind_when_runs_end_as_others_are_due() {
    let mut fixture = Fixture::new();
    let cron = fixture
        .start(CronLimits {
            queued_runs: 1000,
            ..limits()
        })
        .await;
    cron.schedule(NewCronJob {
        overlap: Overlap::Queue,
        ..job("q", "* * * * *")
    })
    .await
    .unwrap();
    for _ in 0..300 {
        // Nobody waits for the runs: they end while the next are being recorded.
        fixture.advance(MINUTE).await;
    }
    let mut completed = 0;
    while completed < 300 {
        if fixture.event().await.0 == "complete" {
            completed += 1;
        }
    }
    let due: Vec<_> = fixture.host.runs.lock().iter().map(|run| run.due_at).collect();
    assert!(due.is_sorted() && due.len() == 300);
    assert_eq!(cron.list().unwrap()[0].run_count, 300);
}

#[tokio::test]
async fn skipped_runs_are_remembered_and_emit_nothing() {
    let mut fixture = Fixture::new();
    let cron = fixture.start(limits()).await;
    cron.schedule(NewCronJob {
        overlap: Overlap::Skip,
        ..job("s", "* * * * *")
    })
    .await
    .unwrap();
    let first = fixture.hold();
    fixture.advance(MINUTE).await;
    fixture.expect(&["fire"]).await;
    assert_eq!(Arc::strong_count(&fixture.host.awake), 2);
    fixture.advance(MINUTE).await;
    fixture.settled().await;
    first
        .send(Err(ActorError::agentos("exit_code", "exit code 3\nno such file")))
        .unwrap();
    let (kind, text) = fixture.event().await;
    assert_eq!(
        (kind, text.as_str()),
        ("error", "s: exit_code: exit code 3\nno such file")
    );
    fixture.advance(MINUTE).await;
    fixture.expect(&["fire", "complete"]).await;
    let statuses: Vec<_> = fixture
        .table()
        .runs("s", 9)
        .unwrap()
        .iter()
        .map(|run| run.status.name())
        .collect();
    assert_eq!(statuses, ["complete", "skipped", "error"]);
    assert_eq!(cron.list().unwrap()[0].run_count, 2);
}

#[tokio::test]
async fn allowed_runs_overlap_up_to_a_bound_and_a_cancelled_job_lets_them_finish() {
    let mut fixture = Fixture::new();
    let cron = fixture
        .start(CronLimits {
            concurrent_runs: 2,
            ..limits()
        })
        .await;
    cron.schedule(job("a", "* * * * *")).await.unwrap();
    let (first, second) = (fixture.hold(), fixture.hold());
    for _ in 0..2 {
        fixture.advance(MINUTE).await;
        fixture.expect(&["fire"]).await;
    }
    fixture.advance(MINUTE).await;
    let (_, text) = fixture.event().await;
    assert!(text.contains("limits.cron.maxConcurrentRunsPerJob: 3 of 2"), "{text}");
    cron.cancel("a").await.unwrap();
    first.send(Ok(())).unwrap();
    second.send(Ok(())).unwrap();
    fixture.expect(&["complete", "complete"]).await;
    assert!(cron.list().unwrap().is_empty());
    assert_eq!(fixture.table().runs("a", 9).unwrap(), []);
}

#[tokio::test]
async fn a_run_ends_at_its_deadline() {
    let mut fixture = Fixture::new();
    let cron = fixture
        .start(CronLimits {
            run_timeout: Duration::from_secs(5),
            ..limits()
        })
        .await;
    cron.schedule(job("slow", "0 0 * * *")).await.unwrap();
    let end = fixture.hold();
    fixture.advance(DAY).await;
    fixture.expect(&["fire"]).await;
    while fixture.clock.sleepers() < 2 {
        tokio::task::yield_now().await;
    }
    fixture.clock.advance(Duration::from_secs(5));
    let (_, text) = fixture.event().await;
    assert!(text.contains("timeout: the run took longer than 5000 ms"), "{text}");
    assert!(end.is_closed());
}

#[tokio::test]
async fn missed_times_are_one_run_and_old_ones_none() {
    let mut fixture = Fixture::new();
    let cron = fixture.start(limits()).await;
    cron.schedule(job("minutely", "* * * * *")).await.unwrap();
    cron.schedule(job("yearly", "0 0 1 2 *")).await.unwrap();
    cron.schedule(job("once", "1970-01-10T00:00:00Z")).await.unwrap();
    drop(cron);
    // Asleep for two months: the host was down.
    let jobs = fixture.jobs(limits());
    fixture.clock.advance(60 * DAY);
    assert_eq!(fixture.due(), Some(60_000));
    let cron = fixture.start(limits()).await;
    let mut fired = Vec::new();
    while fired.len() < 4 {
        fired.push(fixture.event().await);
    }
    fired.sort();
    let expected = [
        ("complete", "minutely"),
        ("complete", "once"),
        ("fire", "minutely"),
        ("fire", "once"),
    ];
    assert_eq!(fired, expected.map(|(kind, id)| (kind, id.to_owned())));
    fixture.settled().await;
    let now = fixture.clock.now_ms();
    assert_eq!(fixture.due(), Some(now + 60_000));
    let infos = jobs.list().unwrap();
    let next: Vec<_> = infos
        .iter()
        .map(|info| (info.id.as_str(), info.run_count, info.next_run.is_some()))
        .collect();
    assert_eq!(next, [("minutely", 1, true), ("once", 1, false), ("yearly", 0, true)]);
    drop(cron);
}

#[tokio::test]
async fn environments_are_sealed_at_rest_and_never_listed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("vm.sqlite");
    let database = Database::open(&path, &VM_SCHEMA, agentos_store::database::Options::default()).unwrap();
    let mut fixture = Fixture::on(database);
    let cron = fixture.start(limits()).await;
    let env = Value::object([("TOKEN", Value::from("s3cr3t-value"))]);
    let action = Value::object([
        ("type", Value::from("exec")),
        ("command", Value::from("env")),
        ("env", env),
    ]);
    let action = CronAction::from_value(&action).unwrap();
    assert!(!format!("{action:?}").contains("s3cr3t"));
    cron.schedule(NewCronJob {
        action: action.clone(),
        ..job("j", "* * * * *")
    })
    .await
    .unwrap();
    let listed = serde_json::to_string(&cron.list().unwrap()).unwrap();
    assert!(
        listed.contains(r#""command":"env""#) && !listed.contains("TOKEN"),
        "{listed}"
    );
    fixture.advance(MINUTE).await;
    fixture.expect(&["fire", "complete"]).await;
    assert_eq!(fixture.host.runs.lock()[0].action, action);
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(6).any(|window| window == b"s3cr3t"));
    }
    // Another key: the job is listed, its runs fail and say why.
    let due = DueTimes::new(None, "a", &fixture.database);
    let key = Some(Arc::new(SealKey::new([2; 32])));
    let jobs = CronJobs::new(&fixture.database, due.clone(), "a", key, limits());
    drop(cron);
    let cron = Cron::start(jobs, fixture.host.clone(), Arc::new(fixture.clock.clone()))
        .await
        .unwrap();
    fixture.advance(MINUTE).await;
    fixture.expect(&["fire"]).await;
    let (kind, text) = fixture.event().await;
    assert!(kind == "error" && text.contains("another key"), "{text}");
    // Without a key a secret is refused rather than kept in clear.
    let jobs = CronJobs::new(&fixture.database, due, "a", None, limits());
    assert!(
        jobs.schedule(
            NewCronJob {
                action,
                ..job("k", "* * * * *")
            },
            0
        )
        .await
        .is_err()
    );
    drop(cron);
}

#[tokio::test]
async fn bad_jobs_are_refused_with_their_codes() {
    let fixture = Fixture::new();
    let cron = fixture.start(CronLimits { jobs: 1, ..limits() }).await;
    let refused = async |job| code(cron.schedule(job).await.unwrap_err());
    assert_eq!(refused(job("a", "61 * * * *")).await, "invalid_schedule");
    let elsewhere = NewCronJob {
        timezone: Some("Mars/Olympus".into()),
        ..job("a", "* * * * *")
    };
    assert_eq!(refused(elsewhere).await, "invalid_schedule");
    assert_eq!(refused(job("a", "1969-01-01T00:00:00Z")).await, "past_schedule");
    assert_eq!(refused(job("a", "1970-01-01T00:00:00Z")).await, "past_schedule");
    assert_eq!(refused(job("", "* * * * *")).await, "invalid_argument");
    assert_eq!(refused(job("a\n", "* * * * *")).await, "invalid_argument");
    assert_eq!(refused(job(&"a".repeat(129), "* * * * *")).await, "invalid_argument");
    cron.schedule(job("a", "* * * * *")).await.unwrap();
    assert_eq!(refused(job("a", "* * * * *")).await, "cron_job_exists");
    assert_eq!(refused(job("b", "* * * * *")).await, "limit_exceeded");
}

#[test]
fn bad_actions_are_refused() {
    let read = |json: &str| {
        let value = Value::from_serialize(&serde_json::from_str::<serde_json::Value>(json).unwrap()).unwrap();
        CronAction::from_value(&value).map_err(|error| error.message)
    };
    let message = |json: &str| read(json).unwrap_err();
    assert!(message(r#"{"type":"callback"}"#).contains("callback cron actions are not serializable"));
    assert!(message(r#"{"type":"exec"}"#).contains("command"));
    assert!(message(r#"{"type":"exec","command":""}"#).contains("must not be empty"));
    assert!(message(r#"{"type":"exec","command":"a\u0000b"}"#).contains("NUL"));
    assert!(
        message(r#"{"type":"exec","command":"a","args":"b"}"#).contains("args")
            || !message(r#"{"type":"exec","command":"a","args":"b"}"#).is_empty()
    );
    assert!(message(r#"{"type":"exec","command":"a","comand":"b"}"#).contains("comand"));
    assert!(message(r#"{"type":"exec","command":"a","env":{"A":1}}"#).contains("env.A"));
    assert!(message(r#"{"type":"exec","command":"a","env":{"A=":"x"}}"#).contains("variables"));
    assert!(message(r#"{"type":"session","agentType":"pi"}"#).contains("prompt"));
    let full =
        r#"{"type":"session","agentType":"pi","prompt":"hi","options":{"permissionPolicy":"reject_all"},"cwd":"/x"}"#;
    assert_eq!(serde_json::to_string(&read(full).unwrap()).unwrap(), full);
    assert!(read(r#"{"type":"exec","command":"a","env":{"A":"x","B":{"secret":"S"}},"timeoutMs":5}"#).is_ok());
}
