//! The limits of what a server keeps for a VM: one test for each, with the value from the options of the VM.

use crate::cron::{later, until_minute};
use crate::support::{Client, json, text};
use agentos_server::actor::{ConnectRequest, CreateOptions, ManualClock, Transport};
use agentos_server::agentos::Limits;
use agentos_server::{Registry, ServerLimits, VmDefinition, VmOptions};
use agentos_value::Key;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Where each limit is reached: here, and in `database.rs`.
const REACHED: &[(&str, &str)] = &[
    (
        "sqlite.maxDatabaseBytes",
        "database::the_file_is_bounded_warned_about_and_audited",
    ),
    ("sqlite.maxResultBytes", "database::a_result_is_bounded"),
    ("sqlite.queryTimeoutMs", "database::an_endless_statement_is_interrupted"),
    ("preview.maxActive", "bounds::previews_and_jobs_are_counted"),
    (
        "preview.maxConcurrentRequests",
        "bounds::requests_of_one_vm_are_bounded",
    ),
    ("preview.idleTimeoutMs", "bounds::a_silent_stream_is_closed"),
    (
        "preview.maxFailuresPerMinute",
        "bounds::an_address_that_guesses_is_refused",
    ),
    ("cron.maxJobs", "bounds::previews_and_jobs_are_counted"),
    ("cron.maxQueuedRunsPerJob", "bounds::runs_that_wait_are_bounded"),
    ("cron.maxConcurrentRunsPerJob", "bounds::runs_at_a_time_are_bounded"),
    ("cron.runTimeoutMs", "bounds::a_run_has_its_time"),
    ("cron.maxHistoryPerJob", "bounds::finished_runs_are_forgotten"),
];

/// Where the limits are reached that a server has for what its VMs run together; the others' tests are in `agentos-actor` and
/// `agentos-gateway`.
const REACHED_OF_SERVER: &[(&str, &str)] = &[
    ("maxConcurrentExecutions", "bounds::commands_run_in_turns_of_the_vms"),
    (
        "executionQueueDeadlineMs",
        "bounds::a_command_waits_for_its_time_and_no_longer",
    ),
    (
        "guestLogHeadBytes",
        "bounds::both_ends_of_what_a_process_wrote_are_kept",
    ),
    (
        "guestLogTailBytes",
        "bounds::both_ends_of_what_a_process_wrote_are_kept",
    ),
];

#[test]
fn every_limit_of_a_server_has_a_test() {
    let fields: Vec<&str> = Limits::FIELDS
        .iter()
        .filter(|field| field.is_of_server())
        .map(|field| field.path.trim_start_matches("limits."))
        .collect();
    let reached: Vec<&str> = REACHED.iter().map(|(path, _)| *path).collect();
    assert_eq!(reached, fields, "the rows are the fields, in their order");
    let tests = [
        ("bounds", include_str!("bounds.rs")),
        ("database", include_str!("database.rs")),
    ];
    for (name, _) in REACHED_OF_SERVER {
        ServerLimits::default().set(name, 1).unwrap();
    }
    for (_, test) in REACHED.iter().chain(REACHED_OF_SERVER) {
        let (file, name) = test.split_once("::").unwrap();
        let text = tests.iter().find(|(known, _)| *known == file).unwrap().1;
        assert!(text.contains(&format!("async fn {name}()")), "{test}");
    }
}

/// A definition with limits as they stand in options.
#[allow(clippy::needless_pass_by_value, reason = "it is called with what `json!` makes")]
pub(crate) fn limited(limits: serde_json::Value) -> agentos_server::VmDefinitionBuilder {
    let limits = Limits::from_json(&limits).expect("limits");
    VmDefinition::builder().options(VmOptions::new().limits(limits))
}

#[tokio::test]
async fn previews_and_jobs_are_counted() {
    let limits = json!({ "preview": { "maxActive": 5 }, "cron": { "maxJobs": 5 } });
    let vm = Client::asleep(limited(limits).build().unwrap()).await;
    vm.subscribe("limitWarning");
    for _ in 0..5 {
        vm.ok("createSignedPreviewUrl", (3000,)).await;
    }
    let error = vm.call("createSignedPreviewUrl", (3000,)).await.unwrap_err();
    assert!(error.is("agentos", "limit_exceeded"), "{error}");
    let metadata = text(&error.metadata.unwrap());
    assert_eq!(
        (
            &metadata["configurationPath"],
            &metadata["observed"],
            &metadata["capacity"]
        ),
        (&json!("limits.preview.maxActive"), &json!(6), &json!(5))
    );
    let job = json(json!({ "schedule": "0 0 1 1 *", "action": { "type": "exec", "command": "true" } }));
    for _ in 0..5 {
        vm.ok("scheduleCron", (job.clone(),)).await;
    }
    let error = vm.call("scheduleCron", (job,)).await.unwrap_err();
    assert_eq!(
        text(&error.metadata.unwrap())["configurationPath"],
        "limits.cron.maxJobs"
    );
    for limit in ["maxActive", "maxJobs"] {
        let (name, warning) = vm.event().await;
        let warning = text(&warning);
        assert_eq!((name.as_str(), &warning["limit"]), ("limitWarning", &json!(limit)));
        assert_eq!((&warning["observed"], &warning["fillPercent"]), (&json!(4), &json!(80)));
    }
    let status = text(&vm.ok("vmStatus", ()).await);
    assert_eq!(status["state"], "asleep");
    assert_eq!(
        status["limits"],
        json!([
            { "name": "maxDatabaseBytes", "observed": 0, "capacity": 1 << 30 },
            { "name": "maxSessionsPerVm", "observed": 0, "capacity": 10_000 },
            { "name": "maxActive", "observed": 5, "capacity": 5 },
            { "name": "maxJobs", "observed": 5, "capacity": 5 },
        ])
    );
}

/// A VM on a clock that moves when told, which it wakes.
async fn timed(limits: serde_json::Value) -> (Client, ManualClock) {
    let clock = ManualClock::at(1_700_000_000_000);
    let builder = Registry::builder().vm("vm", limited(limits).build().unwrap());
    let vm = Client::of(builder.clock(clock.clone()).build().unwrap()).await;
    vm.subscribe("cronEvent");
    vm.ok("exists", ("/",)).await;
    (vm, clock)
}

/// Schedules a run each minute.
async fn schedule(vm: &Client, command: &str, overlap: &str) {
    let action = json!({ "type": "exec", "command": command });
    let job = json!({ "id": "j", "schedule": "* * * * *", "action": action, "overlap": overlap });
    vm.ok("scheduleCron", (json(job),)).await;
}

/// Lets a run begin, and then the time pass until one fails; gives the error and how many were told to have begun. The first run
/// keeps the VM awake, however fast the time passes.
async fn until_refused(vm: &Client, clock: &ManualClock) -> (String, usize) {
    until_minute(clock, 1);
    assert_eq!(text(&vm.event().await.1)["event"]["type"], "cron:fire");
    let mut began = 1;
    loop {
        let event = text(&later(clock, vm.event()).await.1)["event"].clone();
        match event["type"].as_str().unwrap() {
            "cron:error" => return (event["error"].as_str().unwrap().to_owned(), began),
            "cron:fire" => began += 1,
            _ => {}
        }
    }
}

#[tokio::test]
async fn runs_that_wait_are_bounded() {
    let (vm, clock) = timed(json!({ "cron": { "maxQueuedRunsPerJob": 1, "runTimeoutMs": 0 } })).await;
    schedule(&vm, "sleep 100000", "queue").await;
    let (error, began) = until_refused(&vm, &clock).await;
    assert_eq!(began, 1, "one runs, and one waits");
    assert!(error.contains("maxQueuedRunsPerJob"), "{error}");
}

#[tokio::test]
async fn runs_at_a_time_are_bounded() {
    let (vm, clock) = timed(json!({ "cron": { "maxConcurrentRunsPerJob": 2, "runTimeoutMs": 0 } })).await;
    schedule(&vm, "sleep 100000", "allow").await;
    let (error, began) = until_refused(&vm, &clock).await;
    assert!(began <= 2, "{began}");
    assert!(error.contains("maxConcurrentRunsPerJob"), "{error}");
}

#[tokio::test]
async fn a_run_has_its_time() {
    let (vm, clock) = timed(json!({ "cron": { "runTimeoutMs": 90_000 } })).await;
    schedule(&vm, "sleep 100000", "skip").await;
    let (error, _) = until_refused(&vm, &clock).await;
    assert!(
        error.contains("90000") || error.contains("90 s") || error.contains("timeout"),
        "{error}"
    );
}

#[tokio::test]
async fn finished_runs_are_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(1_700_000_000_000);
    let definition = limited(json!({ "cron": { "maxHistoryPerJob": 2 } })).build().unwrap();
    let builder = Registry::builder().vm("vm", definition).data_dir(directory.path());
    let vm = Client::of(builder.clock(clock.clone()).build().unwrap()).await;
    vm.subscribe("cronEvent");
    schedule(&vm, "true", "skip").await;
    vm.ok("exists", ("/",)).await;
    for _ in 0..4 {
        until_minute(&clock, 1);
        for kind in ["cron:fire", "cron:complete"] {
            assert_eq!(text(&vm.event().await.1)["event"]["type"], kind);
        }
    }
    vm.ok("sleepVm", ()).await;
    let path = directory.path().join("vms").join(vm.id.as_str()).join("vm.sqlite");
    vm.actors.drain().await;
    let database = agentos_store::Database::open(&path, &agentos_store::tables::VM_SCHEMA, Default::default()).unwrap();
    let runs = agentos_store::tables::CronTable::new(&database).runs("j", 100).unwrap();
    assert_eq!(runs.len(), 2, "{runs:?}");
    database.close().unwrap();
}

/// A server with one VM in which something listens on port 8081 and says nothing; the VM's client, the address of the server
/// and the path of a preview of the port.
async fn preview(limits: serde_json::Value) -> (Client, ManualClock, agentos_server::Running, String) {
    let clock = ManualClock::at(1_700_000_000_000);
    let definition = limited(limits).build().unwrap();
    let builder = Registry::builder().vm("vm", definition).clock(clock.clone());
    let registry = builder.build().unwrap();
    let vm = Client::over(registry.actors().clone(), Transport::Socket).await;
    vm.subscribe("processOutput");
    vm.ok("spawn", ("nc", json(json!(["-v", "-l", "8081"])))).await;
    // It says that it listens.
    vm.event().await;
    let made = text(&vm.ok("createSignedPreviewUrl", (8081,)).await);
    let path = format!("/gateway/{}{}/", vm.id, made["path"].as_str().unwrap());
    let running = registry.listen("127.0.0.1:0").await.unwrap();
    (vm, clock, running, path)
}

/// Asks for a page; gives the connection, of which nothing is read.
async fn ask(running: &agentos_server::Running, path: &str) -> tokio::net::TcpStream {
    let mut stream = tokio::net::TcpStream::connect(running.address()).await.unwrap();
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        running.address()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

/// The first line of an answer.
async fn status(stream: &mut tokio::net::TcpStream) -> String {
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(60), read)
        .await
        .expect("an answer")
        .unwrap();
    String::from_utf8_lossy(&answer)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn requests_of_one_vm_are_bounded() {
    let (vm, _clock, running, path) = preview(json!({ "preview": { "maxConcurrentRequests": 1 } })).await;
    let _first = ask(&running, &path).await;
    // What the guest was asked is seen in its output.
    while !text(&vm.event().await.1)["data"].to_string().contains("GET") {}
    let refused = status(&mut ask(&running, &path).await).await;
    assert!(refused.contains(" 503 "), "{refused}");
    running.close().await;
}

#[tokio::test]
async fn a_silent_stream_is_closed() {
    let limits = json!({ "preview": { "idleTimeoutMs": 5000 } });
    let (vm, clock, running, path) = preview(limits).await;
    let script = "mkfifo /tmp/f; nc -v -l 8082 < /tmp/f | \
                  { exec 3> /tmp/f; read line; printf 'HTTP/1.1 200 OK\\r\\n\\r\\nbegun' >&3; sleep 100000; }";
    vm.ok("spawn", ("sh", json(json!(["-c", script])))).await;
    while !text(&vm.event().await.1)["data"].to_string().contains("8082") {}
    let made = text(&vm.ok("createSignedPreviewUrl", (8082,)).await);
    let path = path.replace(
        path.split("/request/fetch/").nth(1).unwrap(),
        &format!("{}/", made["token"].as_str().unwrap()),
    );
    let mut stream = ask(&running, &path).await;
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("begun") {
        let mut buffer = [0; 4096];
        let read = stream.read(&mut buffer).await.unwrap();
        assert_ne!(read, 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&buffer[..read]);
    }
    // Silence is counted in the time of the registry's clock.
    let end = async {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    };
    later(&clock, end).await;
    running.close().await;
}

#[tokio::test]
async fn an_address_that_guesses_is_refused() {
    // The smallest of all definitions holds.
    let strict = limited(json!({ "preview": { "maxFailuresPerMinute": 2 } }))
        .build()
        .unwrap();
    let builder = Registry::builder()
        .vm("vm", VmDefinition::default())
        .vm("strict", strict);
    let registry = builder.build().unwrap();
    let vm = Client::over(registry.actors().clone(), Transport::Socket).await;
    let running = registry.listen("127.0.0.1:0").await.unwrap();
    let path = format!("/gateway/{}/request/fetch/{}/", vm.id, "a".repeat(32));
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(status(&mut ask(&running, &path).await).await);
    }
    let codes: Vec<&str> = seen
        .iter()
        .map(|line| line.split(' ').nth(1).unwrap_or_default())
        .collect();
    assert_eq!(codes, ["403", "403", "429"]);
    running.close().await;
}

/// A server with limits of its own, on a clock that moves when told, and its VM with the key `k`.
async fn bounded(limits: &[(&str, u64)]) -> (Arc<Client>, ManualClock) {
    let mut given = ServerLimits::default();
    for (name, value) in limits {
        given.set(name, *value).unwrap();
    }
    let clock = ManualClock::at(1_700_000_000_000);
    let builder = Registry::builder().vm("vm", VmDefinition::default()).limits(given);
    let vm = Client::of(builder.clock(clock.clone()).build().unwrap()).await;
    (Arc::new(vm), clock)
}

/// Begins a command that goes on until there is a file `/tmp/go`, and waits until it runs.
async fn endless(vm: &Arc<Client>) -> tokio::task::JoinHandle<serde_json::Value> {
    let begun = Arc::clone(vm);
    let running = tokio::spawn(async move {
        let script = "touch /tmp/begun; until [ -e /tmp/go ]; do sleep 0.01; done; echo go";
        text(&begun.ok("exec", (script,)).await)
    });
    while text(&vm.ok("exists", ("/tmp/begun",)).await) == false {
        tokio::task::yield_now().await;
    }
    running
}

/// Ends what [`endless`] began. Writing to a file is no command, and waits for nobody.
async fn end(vm: &Client) {
    vm.ok("writeFile", ("/tmp/go", "")).await;
}

#[tokio::test]
async fn commands_run_in_turns_of_the_vms() {
    let (vm, _clock) = bounded(&[("maxConcurrentExecutions", 2)]).await;
    let first = endless(&vm).await;
    let waiting = Arc::clone(&vm);
    let second = tokio::spawn(async move { text(&waiting.ok("exec", ("echo second",)).await) });
    // Of two places one VM has one, so the other serves others, one after the other.
    for name in ["a", "b", "c"] {
        let key = Key::new([name]);
        let made = vm.actors.get_or_create("vm", &key, CreateOptions::default());
        let id = made.await.unwrap().0.id;
        let request = ConnectRequest::new(Transport::Http);
        let call = vm.actors.call(&id, request, "exec", vec!["echo other".into()]);
        assert_eq!(text(&call.await.unwrap())["stdout"], "other\n");
    }
    assert!(!first.is_finished() && !second.is_finished());
    end(&vm).await;
    assert_eq!(first.await.unwrap()["stdout"], "go\n");
    assert_eq!(second.await.unwrap()["stdout"], "second\n");
}

#[tokio::test]
async fn a_command_waits_for_its_time_and_no_longer() {
    let (vm, clock) = bounded(&[("maxConcurrentExecutions", 1), ("executionQueueDeadlineMs", 1000)]).await;
    let first = endless(&vm).await;
    let mut call = std::pin::pin!(vm.call("execArgv", (json(json!(["true"])),)));
    // In small steps: the time of the command that runs is counted, too.
    let error = loop {
        tokio::select! {
            biased;
            answer = &mut call => break answer.unwrap_err(),
            () = tokio::task::yield_now() => clock.advance(Duration::from_millis(100)),
        }
    };
    assert!(error.is("agentos", "limit_exceeded"), "{error}");
    let metadata = text(&error.metadata.unwrap());
    let path = "limits.server.executionQueueDeadlineMs";
    assert_eq!(
        (&metadata["errno"], &metadata["configurationPath"]),
        (&json!("EAGAIN"), &json!(path))
    );
    assert_eq!((&metadata["capacity"], &metadata["unit"]), (&json!(1000), &json!("ms")));
    let counted = vm.actors.metrics().limits_exceeded;
    assert!(counted.contains(&(path, 1)), "{counted:?}");
    end(&vm).await;
    first.await.unwrap();
    // The place is free again.
    vm.ok("exec", ("true",)).await;
}

#[tokio::test]
async fn what_spawn_and_open_shell_start_has_a_place_until_it_waits() {
    let (vm, clock) = bounded(&[("maxConcurrentExecutions", 1)]).await;
    for action in ["spawn", "openShell"] {
        // Both wait for input, and have the only place until they are looked at.
        match action {
            "spawn" => vm.ok(action, ("cat",)).await,
            _ => vm.ok(action, ()).await,
        };
        let waiting = Arc::clone(&vm);
        let second = tokio::spawn(async move { text(&waiting.ok("exec", ("echo second",)).await) });
        // Less than anybody waits for a place, and more than enough for two looks.
        for _ in 0..300 {
            tokio::task::yield_now().await;
            clock.advance(Duration::from_millis(100));
        }
        assert_eq!(second.await.unwrap()["stdout"], "second\n", "{action}");
    }
}

#[tokio::test]
async fn both_ends_of_what_a_process_wrote_are_kept() {
    let (vm, _clock) = bounded(&[("guestLogHeadBytes", 4), ("guestLogTailBytes", 6)]).await;
    vm.subscribe("processExit");
    let args = json(json!(["-c", "printf abcdefghijklmnop; printf err >&2"]));
    let pid = vm.ok("spawn", ("sh", args)).await.get("pid").unwrap().clone();
    // The end is told after all output.
    assert_eq!(vm.event().await.0, "processExit");
    assert_eq!(
        text(&vm.ok("getProcessLog", (pid,)).await),
        json!({
            "stdout": { "head": "abcd", "tail": "klmnop", "discarded": 6 },
            "stderr": { "head": "err", "tail": "", "discarded": 0 },
            "complete": true,
        })
    );
    // Much more than is kept costs no more.
    let args = json(json!(["-c", "head -c 20000000 /dev/zero | tr '\\0' x >&2"]));
    let pid = vm.ok("spawn", ("sh", args)).await.get("pid").unwrap().clone();
    assert_eq!(vm.event().await.0, "processExit");
    let log = text(&vm.ok("getProcessLog", (pid,)).await);
    assert_eq!(
        log["stderr"],
        json!({ "head": "xxxx", "tail": "xxxxxx", "discarded": 20_000_000 - 10 })
    );
    assert_eq!(vm.err("getProcessLog", (99_999,)).await.0, "agentos/process_not_found");
}
