//! What the tests do to an actor's tables and to the index: each step is acknowledged before the next.

use agentos_store::database::Database;
use agentos_store::tables::{
    ActorRecord, ActorTable, CronJobRow, CronTable, Firing, KvTable, MetaTable, Overlap, PreviewRow, PreviewTable,
    QueueLimits, QueueTable, RunStatus, ScheduleRow, ScheduleTable, StepRow, WorkflowStatus, WorkflowTable,
};
use agentos_store::{HostIndex, NewActor, Result};

/// A step of a script.
pub(crate) type Act<T> = Box<dyn Fn(&T) -> Result<()>>;

fn act<T>(step: impl Fn(&T) -> Result<()> + 'static) -> Act<T> {
    Box::new(step)
}

/// An actor's life in its tables.
pub(crate) fn actor() -> Vec<Act<Database>> {
    let mut script = state();
    script.extend(cron());
    script.extend(work());
    script
}

fn state() -> Vec<Act<Database>> {
    let record = ActorRecord {
        actor_id: "a".into(),
        name: "vm".into(),
        key: "k".into(),
        created_at: 1,
        input: Some(vec![7; 6000]),
    };
    vec![
        act(move |db| ActorTable::new(db).create(record.clone()).wait().map(drop)),
        act(|db| ActorTable::new(db).set_state(vec![1; 5000]).wait()),
        act(|db| MetaTable::new(db).set("booted", Some(vec![1])).wait()),
        act(|db| {
            KvTable::new(db)
                .apply(vec![(vec![1], Some(vec![2])), (vec![3], Some(vec![4; 5000]))])
                .wait()
        }),
        act(|db| {
            KvTable::new(db)
                .apply(vec![(vec![1], None), (vec![5], Some(vec![6]))])
                .wait()
        }),
        act(|db| ActorTable::new(db).set_state(vec![2]).wait()),
        act(|db| {
            let row = PreviewRow {
                token_hash: [1; 32],
                port: 80,
                created_at: 1,
                expires_at: 9,
            };
            PreviewTable::new(db).add(row, 9).wait()
        }),
        act(|db| PreviewTable::new(db).sweep(9).wait().map(drop)),
    ]
}

fn cron() -> Vec<Act<Database>> {
    let job = |id: &str| CronJobRow {
        job_id: id.into(),
        schedule: "* * * * *".into(),
        timezone: "UTC".into(),
        action: "{}".into(),
        sealed_env: Some(vec![9; 100]),
        overlap: Overlap::Queue,
        created_at: 1,
        next_at: Some(10),
        last_at: None,
        run_count: 0,
    };
    let fire = |at: i64, status| Firing {
        job_id: "j".into(),
        expected_at: at,
        due_at: at,
        next_at: Some(at + 10),
        status,
        error: None,
        now: at,
        history: 2,
    };
    vec![
        act(move |db| CronTable::new(db).add(job("j"), 9).wait()),
        act(move |db| CronTable::new(db).add(job("k"), 9).wait()),
        act(move |db| CronTable::new(db).fire(fire(10, RunStatus::Running)).wait().map(drop)),
        act(move |db| CronTable::new(db).fire(fire(20, RunStatus::Queued)).wait().map(drop)),
        act(|db| {
            CronTable::new(db)
                .finish(1, Some("exit 1".into()), 21, 2)
                .wait()
                .map(drop)
        }),
        act(|db| CronTable::new(db).start_queued("j", 22).wait().map(drop)),
        act(|db| CronTable::new(db).interrupt("interrupted", 23).wait().map(drop)),
        act(move |db| CronTable::new(db).fire(fire(30, RunStatus::Skipped)).wait().map(drop)),
        act(|db| CronTable::new(db).remove("j").wait().map(drop)),
    ]
}

fn work() -> Vec<Act<Database>> {
    let schedule = ScheduleRow {
        schedule_id: "s".into(),
        due_at: 5,
        action: "ring".into(),
        args: vec![1],
        created_at: 1,
        attempts: 0,
    };
    let step = |name: &str| StepRow {
        step: name.into(),
        result: vec![3; 3000],
    };
    vec![
        act(move |db| ScheduleTable::new(db).add(schedule.clone(), "l", 9).wait()),
        act(|db| ScheduleTable::new(db).start("s").wait().map(drop)),
        act(|db| ScheduleTable::new(db).remove("s").wait().map(drop)),
        act(|db| {
            QueueTable::new(db)
                .push("q", vec![1; 3000], 1, QueueLimits::default())
                .wait()
                .map(drop)
        }),
        act(|db| {
            QueueTable::new(db)
                .push("q", vec![2], 2, QueueLimits::default())
                .wait()
                .map(drop)
        }),
        act(|db| QueueTable::new(db).deliver(1).wait()),
        act(|db| QueueTable::new(db).remove(1).wait().map(drop)),
        act(|db| WorkflowTable::new(db).begin("w", vec![1], 1).wait().map(drop)),
        act(move |db| WorkflowTable::new(db).finish_step("w", step("one"), 2, 9).wait()),
        act(move |db| WorkflowTable::new(db).finish_step("w", step("two"), 3, 9).wait()),
        act(|db| {
            WorkflowTable::new(db)
                .finish("w", WorkflowStatus::Complete, vec![4], 4)
                .wait()
        }),
    ]
}

/// The lives of some actors in the index.
pub(crate) fn index() -> Vec<Act<HostIndex>> {
    let new = |id: &str, key: &str| NewActor {
        actor_id: id.into(),
        name: "vm".into(),
        key: key.into(),
        created_at: 1,
        input: Some(vec![5; 5000]),
        ..NewActor::default()
    };
    vec![
        act(move |index: &HostIndex| index.get_or_create(new("a", "1")).wait().map(drop)),
        act(move |index: &HostIndex| index.create(new("b", "2")).wait().map(drop)),
        act(|index: &HostIndex| index.accept("a", 2).wait().map(drop)),
        act(|index: &HostIndex| index.set_due("a", Some(50)).wait()),
        act(|index: &HostIndex| index.set_due_at_most("a", 40).wait()),
        act(|index: &HostIndex| index.add_preview([1; 32], "a", 90).wait()),
        act(|index: &HostIndex| index.set_due("a", None).wait()),
        act(|index: &HostIndex| index.mark_destroyed("a", 60).wait().map(drop)),
        act(move |index: &HostIndex| index.get_or_create(new("c", "1")).wait().map(drop)),
        act(|index: &HostIndex| index.remove("a").wait()),
        act(|index: &HostIndex| index.sweep_previews(100).wait().map(drop)),
    ]
}
