//! Scheduled commands.

use crate::support::{Client, json, members, text};
use agentos_server::actor::{Clock as _, ManualClock};
use agentos_server::{Registry, VmDefinition};
use serde_json::json;
use std::time::Duration;

/// Lets the time pass until the next multiple of `minutes`, and no longer: the time limit of what runs is on the same clock.
pub(crate) fn until_minute(clock: &ManualClock, minutes: u64) {
    let step = minutes * 60_000;
    let now = u64::try_from(clock.now_ms()).expect("a time after 1970");
    clock.advance(Duration::from_millis(step - now % step));
}

/// Lets the time pass, minute by minute, until something happens.
pub(crate) async fn later<T>(clock: &ManualClock, happens: impl Future<Output = T>) -> T {
    let mut happens = std::pin::pin!(happens);
    loop {
        tokio::select! {
            biased;
            happened = &mut happens => return happened,
            () = tokio::task::yield_now() => clock.advance(Duration::from_secs(60)),
        }
    }
}

#[tokio::test]
async fn a_job_runs_when_it_is_due_and_survives_sleep() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_700_000_000_000);
    let builder = Registry::builder()
        .vm("vm", VmDefinition::default())
        .data_dir(directory.path());
    let vm = Client::of(builder.clock(clock.clone()).build().unwrap()).await;
    vm.subscribe("cronEvent");
    // It has booted: the boot has a time limit too.
    vm.ok("exists", ("/",)).await;
    let action = json!({ "type": "exec", "command": "echo $WHO >> /home/user/log", "cwd": "/tmp" });
    let job = json(json!({ "id": "j", "schedule": "*/5 * * * *", "action": action, "overlap": "skip" }));
    assert_eq!(text(&vm.ok("scheduleCron", (job.clone(),)).await), json!({ "id": "j" }));
    assert_eq!(vm.err("scheduleCron", (job,)).await.0, "agentos/cron_job_exists");
    let listed = vm.ok("listCronJobs", ()).await;
    let shown = &listed.as_array().unwrap()[0];
    assert_eq!(
        members(shown),
        [
            "id", "schedule", "timezone", "action", "overlap", "nextRun", "runCount", "running", "queued"
        ]
    );
    assert_eq!(text(shown)["action"]["command"], action["command"]);
    assert_eq!(
        (&text(shown)["timezone"], &text(shown)["overlap"]),
        (&json!("UTC"), &json!("skip"))
    );
    let mut seen = Vec::new();
    while seen.len() < 4 {
        if seen.len() % 2 == 0 {
            until_minute(&clock, 5);
        }
        let (name, payload) = vm.event().await;
        let event = text(&payload)["event"].clone();
        assert_eq!((name.as_str(), &event["jobId"]), ("cronEvent", &json!("j")));
        seen.push(event["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, ["cron:fire", "cron:complete", "cron:fire", "cron:complete"]);
    assert!(
        text(&vm.ok("readFile", ("/home/user/log",)).await)
            .as_str()
            .unwrap()
            .starts_with("\n\n")
    );
    vm.ok("cancelCronJob", ("j",)).await;
    vm.ok("cancelCronJob", ("j",)).await;
    assert_eq!(text(&vm.ok("listCronJobs", ()).await), json!([]));
}

#[tokio::test]
async fn a_job_that_fails_says_how() {
    let clock = ManualClock::at(1_700_000_000_000);
    let builder = Registry::builder().vm("vm", VmDefinition::default());
    let vm = Client::of(builder.clock(clock.clone()).build().unwrap()).await;
    vm.subscribe("cronEvent");
    vm.ok("exists", ("/",)).await;
    let action = json!({ "type": "exec", "command": "sh", "args": ["-c", "echo why >&2; exit 3"] });
    vm.ok(
        "scheduleCron",
        (json(json!({ "schedule": "* * * * *", "action": action })),),
    )
    .await;
    until_minute(&clock, 1);
    assert_eq!(text(&vm.event().await.1)["event"]["type"], "cron:fire");
    let failed = text(&vm.event().await.1)["event"].clone();
    assert_eq!(failed["type"], "cron:error");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains('3') && error.contains("why"), "{error}");
}

#[tokio::test]
async fn wrong_jobs_are_refused() {
    let vm = Client::asleep(VmDefinition::default()).await;
    let exec = json!({ "type": "exec", "command": "true" });
    for (job, code) in [
        (json!({ "schedule": "every day", "action": exec }), "invalid_schedule"),
        (
            json!({ "schedule": "2001-01-01T00:00:00Z", "action": exec }),
            "past_schedule",
        ),
        (
            json!({ "schedule": "* * * * *", "timezone": "Mars/Olympus", "action": exec }),
            "invalid_schedule",
        ),
        (
            json!({ "schedule": "* * * * *", "action": exec, "overlap": "maybe" }),
            "invalid_argument",
        ),
        (
            json!({ "schedule": "* * * * *", "action": { "type": "callback" } }),
            "invalid_argument",
        ),
        (json!({ "schedule": "* * * * *" }), "invalid_argument"),
        (json!({ "action": exec }), "invalid_argument"),
        (
            json!({ "schedule": "* * * * *", "action": exec, "schedul": 1 }),
            "invalid_argument",
        ),
    ] {
        let (found, message) = vm.err("scheduleCron", (json(job.clone()),)).await;
        assert_eq!(found, format!("agentos/{code}"), "{job}: {message}");
    }
}
