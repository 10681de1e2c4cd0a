//! Tests of the tables: what they promise beyond storing rows.

use super::*;
use crate::{Database, Error};

fn database() -> Database {
    Database::in_memory(&VM_SCHEMA).unwrap()
}

#[test]
fn an_actor_is_created_once_and_keeps_its_state() {
    let table = ActorTable::new(&database());
    assert_eq!(table.set_state(vec![1]).wait().unwrap_err().code(), "invalid_argument");
    let record = ActorRecord {
        actor_id: "a".into(),
        name: "vm".into(),
        key: "k".into(),
        created_at: 5,
        input: Some(vec![9]),
    };
    assert_eq!(table.create(record.clone()).wait(), Ok(true));
    assert_eq!(
        table
            .create(ActorRecord {
                created_at: 6,
                ..record.clone()
            })
            .wait(),
        Ok(false)
    );
    assert_eq!(table.record(), Ok(Some(record)));
    assert_eq!(table.state(), Ok(None));
    table.set_state(vec![1, 2]).wait().unwrap();
    assert_eq!(table.state(), Ok(Some(vec![1, 2])));
}

#[test]
fn pairs_are_listed_by_prefix_and_changed_atomically() {
    let table = KvTable::new(&database());
    let pair = |key: &[u8], value: &[u8]| (key.to_vec(), Some(value.to_vec()));
    table
        .apply(vec![
            pair(b"a/1", b"x"),
            pair(b"a/2", b"y"),
            pair(b"b", b"z"),
            pair(&[0xff, 0xff], b"last"),
        ])
        .wait()
        .unwrap();
    let keys = |prefix: &[u8], after| -> Vec<Vec<u8>> {
        table
            .list(prefix, after, 10)
            .unwrap()
            .into_iter()
            .map(|pair| pair.0)
            .collect()
    };
    assert_eq!(keys(b"a/", None), [b"a/1", b"a/2"]);
    assert_eq!(keys(b"a/", Some(b"a/1")), [b"a/2"]);
    assert_eq!(keys(&[0xff], None), [vec![0xff, 0xff]]);
    assert_eq!(keys(b"", None).len(), 4);
    let too_large = table.apply(vec![
        (b"a/1".to_vec(), None),
        (b"big".to_vec(), Some(vec![0; MAX_VALUE_BYTES + 1])),
    ]);
    assert!(matches!(
        too_large.wait(),
        Err(Error::Limit {
            limit: "kv.valueBytes",
            ..
        })
    ));
    assert_eq!(table.get(b"a/1"), Ok(Some(b"x".to_vec())));
    table.delete(b"a/1".to_vec()).wait().unwrap();
    assert_eq!(table.get(b"a/1"), Ok(None));
}

#[test]
fn schedules_are_bounded_and_come_in_order() {
    let table = ScheduleTable::new(&database());
    let row = |id: &str, due_at| ScheduleRow {
        schedule_id: id.into(),
        due_at,
        action: "act".into(),
        args: vec![],
        created_at: 0,
        attempts: 0,
    };
    table.add(row("b", 20), "l", 2).wait().unwrap();
    table.add(row("a", 10), "l", 2).wait().unwrap();
    assert_eq!(
        table.add(row("c", 5), "l", 2).wait(),
        Err(Error::Limit {
            limit: "l",
            observed: 3,
            capacity: 2
        })
    );
    assert_eq!(table.next_due(), Ok(Some(10)));
    assert_eq!(table.next_due_after(10), Ok(Some(20)));
    assert_eq!(table.due(9, 9).unwrap(), []);
    let due: Vec<_> = table
        .due(20, 9)
        .unwrap()
        .into_iter()
        .map(|row| row.schedule_id)
        .collect();
    assert_eq!(due, ["a", "b"]);
    assert_eq!(table.start("a").wait(), Ok(Some(0)));
    assert_eq!(table.start("a").wait(), Ok(Some(1)));
    assert_eq!(table.start("missing").wait(), Ok(None));
    assert_eq!(table.remove("a").wait(), Ok(true));
    assert_eq!(table.remove("a").wait(), Ok(false));
}

#[test]
fn queues_are_bounded_in_messages_bytes_and_names() {
    let table = QueueTable::new(&database());
    let limits = QueueLimits {
        messages: 2,
        bytes: 4,
        queues: 2,
    };
    let push = |queue: &str, body: &[u8]| table.push(queue, body.to_vec(), 0, limits).wait();
    let first = push("a", b"1").unwrap();
    let second = push("b", b"2").unwrap();
    let third = push("a", b"3").unwrap();
    assert!(matches!(
        push("a", b"4"),
        Err(Error::Limit {
            limit: "queue.maxMessages",
            ..
        })
    ));
    assert!(matches!(
        push("a", b"12345"),
        Err(Error::Limit {
            limit: "queue.maxMessageBytes",
            ..
        })
    ));
    assert!(matches!(
        push("c", b"4"),
        Err(Error::Limit {
            limit: "queue.maxQueues",
            ..
        })
    ));
    let ids = |queues: &[&str], after| -> Vec<i64> {
        table
            .peek(queues, after, 9)
            .unwrap()
            .iter()
            .map(|row| row.message_id)
            .collect()
    };
    assert_eq!(ids(&[], 0), [first, second, third]);
    assert_eq!(ids(&["a"], 0), [first, third]);
    assert_eq!(ids(&["a"], first), [third]);
    table.deliver(first).wait().unwrap();
    assert_eq!(table.peek(&[], 0, 1).unwrap()[0].attempts, 1);
    assert_eq!(table.remove(first).wait(), Ok(true));
    assert_eq!(table.remove(first).wait(), Ok(false));
    assert_eq!(table.len("a"), Ok(1));
}

#[test]
fn a_workflow_begins_once_and_its_steps_finish_once() {
    let table = WorkflowTable::new(&database());
    let (row, started) = table.begin("w", vec![1], 5).wait().unwrap();
    assert!(started && row.status == WorkflowStatus::Running);
    let (again, started) = table.begin("w", vec![2], 6).wait().unwrap();
    assert_eq!((again, started), (row, false));
    let step = |name: &str| StepRow {
        step: name.into(),
        result: vec![7],
    };
    table.finish_step("w", step("one"), 1, 2).wait().unwrap();
    assert!(matches!(
        table.finish_step("w", step("one"), 1, 2).wait(),
        Err(Error::Exists { .. })
    ));
    table.finish_step("w", step("two"), 1, 2).wait().unwrap();
    assert!(matches!(
        table.finish_step("w", step("three"), 1, 2).wait(),
        Err(Error::Limit { .. })
    ));
    assert_eq!(table.steps("w").unwrap(), [step("one"), step("two")]);
    assert_eq!(table.running().unwrap().len(), 1);
    table.finish("w", WorkflowStatus::Complete, vec![3], 9).wait().unwrap();
    assert_eq!(table.running().unwrap(), []);
    assert_eq!(table.steps("w").unwrap(), []);
    assert_eq!(table.get("w").unwrap().unwrap().outcome, Some(vec![3]));
}

#[test]
fn previews_expire_and_are_counted_while_valid() {
    let table = PreviewTable::new(&database());
    let row = |byte: u8, created_at, expires_at| PreviewRow {
        token_hash: [byte; 32],
        port: 80,
        created_at,
        expires_at,
    };
    table.add(row(1, 0, 10), 1).wait().unwrap();
    assert!(matches!(
        table.add(row(2, 5, 20), 1).wait(),
        Err(Error::Limit {
            limit: "limits.preview.maxActive",
            ..
        })
    ));
    assert_eq!(table.find(&[1; 32], 9).unwrap(), Some(row(1, 0, 10)));
    assert_eq!(table.find(&[1; 32], 10), Ok(None));
    table.add(row(2, 10, 20), 1).wait().unwrap();
    assert_eq!(table.list(10).unwrap(), [row(2, 10, 20)]);
    assert_eq!(table.next_expiry(), Ok(Some(20)));
    assert_eq!(table.sweep(20).wait(), Ok(vec![[2; 32]]));
    assert_eq!(table.remove([2; 32]).wait(), Ok(false));
    assert_eq!(row(0xab, 0, 0).id(), "abababab");
}

fn job(id: &str, next_at: Option<i64>) -> CronJobRow {
    CronJobRow {
        job_id: id.into(),
        schedule: "* * * * *".into(),
        timezone: "UTC".into(),
        action: "{}".into(),
        sealed_env: None,
        overlap: Overlap::Queue,
        created_at: 0,
        next_at,
        last_at: None,
        run_count: 0,
    }
}

fn firing(due_at: i64, next_at: Option<i64>, status: RunStatus) -> Firing {
    Firing {
        job_id: "j".into(),
        expected_at: due_at,
        due_at,
        next_at,
        status,
        error: None,
        now: due_at,
        history: 2,
    }
}

#[test]
fn a_due_time_fires_once() {
    let table = CronTable::new(&database());
    table.add(job("j", Some(10)), 1).wait().unwrap();
    assert!(matches!(table.add(job("j", None), 9).wait(), Err(Error::Exists { .. })));
    assert!(matches!(table.add(job("k", None), 1).wait(), Err(Error::Limit { .. })));
    assert_eq!(table.due(9).unwrap(), []);
    assert_eq!(table.due(10).unwrap().len(), 1);
    let run = table
        .fire(firing(10, Some(20), RunStatus::Running))
        .wait()
        .unwrap()
        .unwrap();
    assert_eq!(table.fire(firing(10, Some(20), RunStatus::Running)).wait(), Ok(None));
    assert_eq!(table.open_runs("j"), Ok((1, 0)));
    table
        // The job expected 20; several times were missed, the newest of them is 25.
        .fire(Firing {
            expected_at: 20,
            ..firing(25, Some(30), RunStatus::Queued)
        })
        .wait()
        .unwrap()
        .unwrap();
    assert_eq!(table.open_runs("j"), Ok((1, 1)));
    assert_eq!(table.queued_jobs().unwrap(), ["j"]);
    assert_eq!(table.finish(run, Some("exit 1".into()), 12, 2).wait(), Ok(true));
    assert_eq!(table.finish(run, None, 12, 2).wait(), Ok(false));
    let queued = table.start_queued("j", 13).wait().unwrap().unwrap();
    assert_eq!((queued.due_at, queued.status), (25, RunStatus::Running));
    assert_eq!(table.get("j").unwrap().unwrap().run_count, 2);
    let cut = table.interrupt("interrupted", 14).wait().unwrap();
    assert_eq!(cut.len(), 1);
    assert_eq!(table.interrupt("interrupted", 15).wait(), Ok(vec![]));
}

#[test]
fn the_history_is_bounded_and_goes_with_the_job() {
    let table = CronTable::new(&database());
    table.add(job("j", Some(0)), 1).wait().unwrap();
    for due in 0..5 {
        table
            .fire(firing(due, Some(due + 1), RunStatus::Skipped))
            .wait()
            .unwrap()
            .unwrap();
    }
    let kept: Vec<_> = table.runs("j", 9).unwrap().into_iter().map(|run| run.due_at).collect();
    assert_eq!(kept, [4, 3]);
    let running = table
        .fire(firing(5, Some(6), RunStatus::Running))
        .wait()
        .unwrap()
        .unwrap();
    assert_eq!(table.remove("j").wait(), Ok(true));
    assert_eq!(table.runs("j", 9).unwrap().len(), 1);
    assert_eq!(table.finish(running, None, 9, 2).wait(), Ok(true));
    assert_eq!(table.runs("j", 9).unwrap(), []);
}
