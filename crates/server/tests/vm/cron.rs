//! Scheduled commands and prompts.

use crate::sessions;
use crate::support::{Client, json, members, text};
use agentos_server::actor::{Clock as _, ManualClock};
use agentos_server::{Registry, SecretRequest, SecretSource, SecretText, VmDefinition, VmOptions};
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

/// A VM whose cron events a client hears, on a clock that the test moves.
struct Timed {
    vm: Client,
    clock: ManualClock,
    /// Dropped last.
    _directory: tempfile::TempDir,
}

impl Timed {
    async fn new(definition: VmDefinition) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = ManualClock::at(1_700_000_000_000);
        let builder = Registry::builder().vm("vm", definition).data_dir(directory.path());
        let vm = Client::of(builder.clock(clock.clone()).build().unwrap()).await;
        vm.subscribe("cronEvent");
        // Booted before the time begins to pass.
        vm.ok("exists", ("/",)).await;
        Self {
            vm,
            clock,
            _directory: directory,
        }
    }

    /// The next event, as its type and itself.
    async fn event(&self) -> (String, serde_json::Value) {
        let (name, payload) = self.vm.event().await;
        assert_eq!(name, "cronEvent");
        let event = text(&payload)["event"].clone();
        (event["type"].as_str().unwrap().to_owned(), event)
    }

    /// Has an action done each minute, and gives the first end of a run.
    async fn first_run(&self, action: serde_json::Value) -> serde_json::Value {
        let job = json(json!({ "schedule": "* * * * *", "action": action }));
        self.vm.ok("scheduleCron", (job,)).await;
        // Once, and then the time stands still: a run has an hour.
        until_minute(&self.clock, 1);
        assert_eq!(self.event().await.0, "cron:fire");
        self.event().await.1
    }
}

#[tokio::test]
async fn a_job_runs_when_it_is_due_and_survives_sleep() {
    let timed = Timed::new(VmDefinition::default()).await;
    let vm = &timed.vm;
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
    for _ in 0..2 {
        until_minute(&timed.clock, 5);
        for expected in ["cron:fire", "cron:complete"] {
            let (kind, event) = timed.event().await;
            assert_eq!((kind.as_str(), &event["jobId"]), (expected, &json!("j")));
        }
    }
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
    let timed = Timed::new(VmDefinition::default()).await;
    let action = json!({ "type": "exec", "command": "sh", "args": ["-c", "echo why >&2; exit 3"] });
    let failed = timed.first_run(action).await;
    assert_eq!(failed["type"], "cron:error");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains('3') && error.contains("why"), "{error}");
}

/// A VM whose clients may use the secrets A and GONE, of which the host has the first.
fn with_secrets() -> VmDefinition {
    let source = SecretSource::hook(|request: SecretRequest| async move {
        Ok((request.name == "A").then(|| SecretText::new("hunter2")))
    });
    let options = VmOptions::new().client_secrets(["A", "GONE"]);
    VmDefinition::builder()
        .options(options)
        .secret_source(source)
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_job_gets_the_secrets_that_its_environment_refers_to() {
    let timed = Timed::new(with_secrets()).await;
    let env = json!({ "TOKEN": { "secret": "A" } });
    let action = json!({ "type": "exec", "command": "echo $TOKEN > /home/user/token", "env": env });
    assert_eq!(timed.first_run(action).await["type"], "cron:complete");
    let content = timed.vm.ok("readFile", ("/home/user/token",)).await;
    assert_eq!(text(&content), json!("hunter2\n"));
    // What is listed has neither values nor references.
    assert!(
        text(&timed.vm.ok("listCronJobs", ()).await)[0]["action"]
            .get("env")
            .is_none()
    );
}

#[tokio::test]
async fn a_job_whose_secret_is_gone_does_not_run() {
    let timed = Timed::new(with_secrets()).await;
    let env = json!({ "TOKEN": { "secret": "GONE" } });
    let failed = timed
        .first_run(json!({ "type": "exec", "command": "touch ran", "env": env }))
        .await;
    assert_eq!(failed["type"], "cron:error");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("action.env.TOKEN.secret"), "{error}");
    assert_eq!(text(&timed.vm.ok("exists", ("/home/user/ran",)).await), json!(false));
}

/// A VM with the agent of the session tests, and a job that prompts it each minute.
async fn prompted(prompt: &str, policy: &str) -> Timed {
    let timed = Timed::new(sessions::definition(sessions::Hooks::default())).await;
    sessions::install(&timed.vm).await;
    let options = json!({ "permissionPolicy": policy, "env": { "TOKEN": "very-secret" } });
    let action =
        json!({ "type": "session", "agentType": "script", "prompt": prompt, "options": options, "cwd": "/tmp" });
    let job = json(json!({ "id": "ask", "schedule": "* * * * *", "action": action }));
    timed.vm.ok("scheduleCron", (job,)).await;
    timed
}

impl Timed {
    /// The events of the next run, which a change of the time begins.
    async fn run(&self) -> (serde_json::Value, serde_json::Value) {
        until_minute(&self.clock, 1);
        let (began, ended) = (self.event().await, self.event().await);
        assert_eq!(began.0, "cron:fire");
        (began.1, ended.1)
    }

    /// The sessions that are kept, newest last, and what was said in each.
    async fn told(&self) -> Vec<(serde_json::Value, Vec<serde_json::Value>)> {
        let mut told = Vec::new();
        for session in text(&self.vm.ok("listPersistedSessions", ()).await).as_array().unwrap() {
            let id = session["sessionId"].as_str().unwrap();
            let events = text(&self.vm.ok("getEvents", (id,)).await);
            told.push((session.clone(), events.as_array().unwrap().clone()));
        }
        told
    }
}

#[tokio::test]
async fn a_job_prompts_an_agent_in_a_session_of_its_own_and_wakes_its_vm() {
    let timed = prompted("write /home/user/done text", "allow_all").await;
    let vm = &timed.vm;
    // What is listed tells the prompt and not the options, which may hold secrets.
    let listed = text(&vm.ok("listCronJobs", ()).await)[0]["action"].clone();
    assert_eq!(listed["prompt"], "write /home/user/done text");
    assert!(!listed.to_string().contains("very-secret"), "{listed}");
    vm.ok("sleepVm", ()).await;
    assert_eq!(text(&vm.ok("vmStatus", ()).await)["state"], "asleep");
    let (began, ended) = timed.run().await;
    assert_eq!((&began["jobId"], &ended["jobId"]), (&json!("ask"), &json!("ask")));
    assert_eq!(ended["type"], "cron:complete", "{ended}");
    assert!(ended["durationMs"].is_u64(), "{ended}");
    // The agent was really asked, asked for approval, got it by the policy and wrote.
    assert_eq!(text(&vm.ok("readFile", ("/home/user/done",)).await), "text");
    let told = timed.told().await;
    assert_eq!(told.len(), 1);
    let (session, events) = &told[0];
    assert_eq!(
        (&session["agentType"], &session["status"]),
        (&json!("script"), &json!("closed"))
    );
    let update = |at: usize| &events[at]["params"]["update"];
    assert_eq!(update(0)["content"]["text"], "write /home/user/done text");
    assert_eq!(update(1)["sessionUpdate"], "tool_call");
    assert_eq!(update(2)["content"]["text"], "written");
    assert_eq!(events[3]["method"], "agentos/prompt_end");
    assert_eq!(
        (events[3]["params"]["stopReason"].as_str(), events.len()),
        (Some("end_turn"), 4)
    );
    // Each run has a session of its own.
    assert_eq!(timed.run().await.1["type"], "cron:complete");
    assert_eq!(timed.told().await.len(), 2);
    assert_eq!(text(&vm.ok("listSessions", ()).await), json!([]));
}

#[tokio::test]
async fn a_prompt_that_fails_fails_its_run_and_says_how() {
    let timed = prompted("die", "reject_all").await;
    let (_, failed) = timed.run().await;
    assert_eq!(failed["type"], "cron:error");
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("agent_crashed") && error.contains("code 9"), "{error}");
    let told = timed.told().await;
    let (session, events) = &told[0];
    assert_eq!(session["status"], "closed");
    assert_eq!(events.last().unwrap()["params"]["error"]["code"], "agent_crashed");
    // The next run is not held up by it.
    timed
        .vm
        .ok("writeFile", ("/home/user/agent.sh", "#!/bin/sh\nexit 3\n"))
        .await;
    let (_, failed) = timed.run().await;
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("agent_start_failed"), "{error}");
    // What did not start left no session.
    assert_eq!(timed.told().await.len(), 1);
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
        (
            json!({ "schedule": "* * * * *", "action": { "type": "exec", "command": "a", "env": { "X": { "secret": "A" } } } }),
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
