//! The power is lost after each step of the two databases that cron lives in: no acknowledged job is lost, no due time runs
//! twice, and the index of the host never promises a later wake than is needed.
//!
//! `AGENTOS_CRASH_CUTS` says at how many steps the power is lost (0: at all).
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agentos_actor::cron::{Cron, CronAction, CronEvent, CronHost, CronJobs, CronLimits, CronRun, NewCronJob, Overlap};
use agentos_actor::{BoxFuture, Clock as _, DueTimes, ManualClock};
use agentos_store::database::{Database, Options};
use agentos_store::tables::{CronTable, VM_SCHEMA};
use agentos_store::{HostIndex, NewActor};
use agentos_store_faults::{Disk, Step, Survivors};
use agentos_value::{ActorError, Value};
use parking_lot::Mutex;
use tokio::sync::mpsc;

/// Marks on the disk: what was acknowledged, and which due times were carried out.
const JOBS: u64 = 1;
const CANCELLING: u64 = 2;
const CANCELLED: u64 = 3;
const MINUTELY: u64 = 1000;
const ONCE: u64 = 2000;

/// The end of the simulated time.
const END_MS: i64 = 180_000;

struct Host {
    disk: Option<Disk>,
    runs: Mutex<Vec<u64>>,
    ended: mpsc::UnboundedSender<()>,
}

impl CronHost for Host {
    fn run(&self, run: CronRun) -> BoxFuture<'_, Result<(), ActorError>> {
        let mark = match run.job_id.as_str() {
            "once" => ONCE,
            _ => MINUTELY + run.due_at.unsigned_abs() / 60_000,
        };
        self.runs.lock().push(mark);
        if let Some(disk) = &self.disk {
            disk.mark(mark);
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn emit(&self, event: CronEvent) {
        if matches!(event, CronEvent::Complete { .. }) {
            let _ = self.ended.send(());
        }
    }

    fn keep_awake(&self, _job_id: &str) -> Box<dyn Send> {
        Box::new(())
    }
}

/// An actor with cron on files in a directory.
struct World {
    index: HostIndex,
    database: Database,
    due: DueTimes,
    clock: ManualClock,
    host: Arc<Host>,
    ended: mpsc::UnboundedReceiver<()>,
}

impl World {
    fn open(directory: &Path, disk: Option<Disk>, now: u64) -> agentos_store::Result<Self> {
        let options = || {
            let mut options = Options::default();
            options.vfs = disk.as_ref().map(|disk| disk.vfs().to_owned());
            options
        };
        let index = HostIndex::open(&directory.join("host.sqlite"), options())?;
        let database = Database::open(&directory.join("vm.sqlite"), &VM_SCHEMA, options())?;
        let due = DueTimes::new(Some(index.clone()), "a", &database);
        let (sender, ended) = mpsc::unbounded_channel();
        let host = Arc::new(Host {
            disk,
            runs: Mutex::default(),
            ended: sender,
        });
        Ok(Self {
            index,
            database,
            due,
            clock: ManualClock::at(now),
            host,
            ended,
        })
    }

    async fn cron(&self) -> Cron {
        let limits = CronLimits {
            run_timeout: Duration::ZERO,
            ..CronLimits::default()
        };
        let jobs = CronJobs::new(&self.database, self.due.clone(), "a", None, limits);
        Cron::start(jobs, self.host.clone(), Arc::new(self.clock.clone()))
            .await
            .unwrap()
    }

    fn close(&self) {
        self.database.close().unwrap();
        self.index.close().unwrap();
    }
}

fn job(id: &str, schedule: &str) -> NewCronJob {
    let action = Value::object([("type", "exec"), ("command", "true")]);
    NewCronJob {
        id: Some(id.into()),
        schedule: schedule.into(),
        timezone: None,
        action: CronAction::from_value(&action).unwrap(),
        overlap: Overlap::Queue,
    }
}

/// Three minutes of cron on a disk that notes every step.
async fn live(directory: &Path) -> Vec<Step> {
    let disk = Disk::new();
    let mut world = World::open(directory, Some(disk.clone()), 0).unwrap();
    let actor = NewActor {
        actor_id: "a".into(),
        name: "vm".into(),
        key: "k".into(),
        ..NewActor::default()
    };
    world.index.create(actor).await.unwrap();
    let cron = world.cron().await;
    cron.schedule(job("minutely", "* * * * *")).await.unwrap();
    cron.schedule(job("once", "1970-01-01T00:02:30Z")).await.unwrap();
    disk.mark(JOBS);
    for (step_s, ends) in [(60, 1), (60, 1), (30, 1), (30, 1)] {
        while world.clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        world.clock.advance(Duration::from_secs(step_s));
        for _ in 0..ends {
            world.ended.recv().await.unwrap();
        }
    }
    disk.mark(CANCELLING);
    cron.cancel("minutely").await.unwrap();
    disk.mark(CANCELLED);
    drop(cron);
    world.close();
    disk.steps()
}

/// What is found after the power was lost, and what cron does with it.
async fn recover(steps: &[Step], survivors: Survivors) {
    let directory = tempfile::tempdir().unwrap();
    Step::image(steps, survivors, directory.path()).unwrap();
    let world = World::open(directory.path(), None, END_MS.unsigned_abs()).unwrap();
    let marks: Vec<u64> = steps
        .iter()
        .filter_map(|step| if let Step::Mark(mark) = step { Some(*mark) } else { None })
        .collect();
    let table = CronTable::new(&world.database);
    let has = |id: &str| table.get(id).unwrap().is_some();
    if marks.contains(&JOBS) {
        assert!(has("once"), "an acknowledged job is lost");
        assert!(
            has("minutely") || marks.contains(&CANCELLING),
            "an acknowledged job is lost"
        );
    }
    assert!(
        !(marks.contains(&CANCELLED) && has("minutely")),
        "a cancelled job is back"
    );
    if let Some(needed) = world.due.next().unwrap() {
        let promised = world.index.next_due().unwrap();
        assert!(
            promised.is_some_and(|at| at <= needed),
            "due at {needed}, woken at {promised:?}"
        );
    }
    let cron = world.cron().await;
    let open = |id: &str| table.open_runs(id).unwrap() != (0, 0);
    while !table.due(world.clock.now_ms()).unwrap().is_empty() || open("minutely") || open("once") {
        tokio::task::yield_now().await;
    }
    for mark in world.host.runs.lock().iter() {
        assert!(!marks.contains(mark), "due time {mark} ran twice");
    }
    if marks.contains(&JOBS) {
        assert_eq!(table.runs("once", 9).unwrap().len(), 1, "the one run is recorded once");
    }
    drop(cron);
    world.close();
}

#[tokio::test]
async fn a_power_loss_loses_no_job_and_repeats_no_run() {
    let directory = tempfile::tempdir().unwrap();
    let steps = live(directory.path()).await;
    let wanted: usize = std::env::var("AGENTOS_CRASH_CUTS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(16);
    let stride = steps.len().checked_div(wanted).unwrap_or(1).max(1);
    for cut in (0..=steps.len()).rev().step_by(stride) {
        for survivors in [Survivors::None, Survivors::All, Survivors::Some(cut as u64)] {
            recover(&steps[..cut], survivors).await;
        }
    }
}
