//! Sleep, wake and destroy.

use crate::support::{Client, json, text};
use agentos_server::actor::{CreateOptions, ManualClock};
use agentos_server::{Registry, Value, VmDefinition, VmOptions};
use agentos_value::Key;
use serde_json::json;
use std::time::Duration;

/// A registry with a data directory and a clock that moves when told.
fn timed(directory: &std::path::Path, clock: &ManualClock, definition: VmDefinition) -> Registry {
    let builder = Registry::builder()
        .vm("vm", definition)
        .data_dir(directory)
        .clock(clock.clone());
    builder.build().expect("a registry")
}

/// A registry with a data directory.
fn registry(directory: &std::path::Path, definition: VmDefinition) -> Registry {
    let builder = Registry::builder().vm("vm", definition).data_dir(directory);
    builder.build().expect("a registry")
}

#[tokio::test]
async fn the_home_survives_sleep_and_the_rest_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let vm = Client::of(registry(directory.path(), VmDefinition::default())).await;
    vm.ok("writeFile", ("/home/user/kept", "1")).await;
    vm.ok("writeFile", ("/tmp/lost", "2")).await;
    vm.ok(
        "exec",
        ("chmod 640 /home/user/kept; ln -s kept /home/user/link; ln /home/user/kept /home/user/hard",),
    )
    .await;
    let before = vm.ok("stat", ("/home/user/kept",)).await;
    vm.ok("sleepVm", ()).await;
    assert_eq!(text(&vm.ok("vmStatus", ()).await)["state"], "asleep");
    assert_eq!(text(&vm.ok("readFile", ("/home/user/link",)).await), "1");
    assert_eq!(vm.err("readFile", ("/tmp/lost",)).await.0, "agentos/ENOENT");
    let after = vm.ok("stat", ("/home/user/kept",)).await;
    for field in ["mode", "size", "mtimeMs", "birthtimeMs", "ino", "nlink", "uid", "gid"] {
        assert_eq!(before.get(field), after.get(field), "{field}");
    }
    assert_eq!(after.get("nlink"), Some(&Value::Int(2)));
}

#[tokio::test]
async fn everything_can_be_made_to_survive() {
    let directory = tempfile::tempdir().unwrap();
    let definition = VmDefinition::builder()
        .options(VmOptions::new().persist_all())
        .build()
        .unwrap();
    let vm = Client::of(registry(directory.path(), definition)).await;
    vm.ok(
        "exec",
        ("echo 1 > /tmp/a; mkdir -p /home/user/d; echo 2 > /home/user/d/b; rm /etc/hostname 2>/dev/null",),
    )
    .await;
    vm.ok("writeFile", ("/home/user/c", "3")).await;
    vm.ok("sleepVm", ()).await;
    assert_eq!(
        text(&vm.ok("exec", ("cat /tmp/a /home/user/d/b /home/user/c",)).await)["stdout"],
        "1\n2\n3"
    );
}

#[tokio::test]
async fn another_process_finds_what_was_written() {
    let directory = tempfile::tempdir().unwrap();
    let id = {
        let vm = Client::of(registry(directory.path(), VmDefinition::default())).await;
        vm.ok("writeFile", ("/home/user/kept", "1")).await;
        vm.actors.drain().await;
        vm.id.clone()
    };
    let vm = Client::of(registry(directory.path(), VmDefinition::default())).await;
    assert_eq!(vm.id, id);
    assert_eq!(text(&vm.ok("readFile", ("/home/user/kept",)).await), "1");
}

#[tokio::test]
async fn an_idle_vm_sleeps_and_a_busy_one_does_not() {
    let directory = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let definition = VmDefinition::builder()
        .idle_timeout(Duration::from_secs(900))
        .build()
        .unwrap();
    let vm = Client::of(timed(directory.path(), &clock, definition)).await;
    vm.subscribe("vmShutdown");
    vm.subscribe("processExit");
    let pid = vm
        .ok("spawn", ("sh", json(json!(["-c", "sleep 1000 & exit 0"]))))
        .await
        .get("pid")
        .unwrap()
        .clone();
    assert_eq!(vm.event().await.0, "processExit");
    // A descendant in the background keeps the VM awake.
    for _ in 0..5 {
        clock.advance(Duration::from_secs(900));
        tokio::task::yield_now().await;
    }
    let status = text(&vm.ok("vmStatus", ()).await);
    assert_eq!(status["state"], "ready", "{status}");
    assert_eq!(status["awakeBecause"].as_array().unwrap().len(), 1);
    assert_ne!(status["awakeBecause"][0], json!(format!("process:{}", text(&pid))));
    vm.ok(
        "exec",
        ("pkill sleep || kill $(ps -e | grep sleep | grep -v grep | awk '{print $1}')",),
    )
    .await;
    let shutdown = vm.event();
    let mut shutdown = std::pin::pin!(shutdown);
    let (name, payload) = loop {
        tokio::select! {
            biased;
            event = &mut shutdown => break event,
            () = tokio::task::yield_now() => { clock.advance_to_next(); }
        }
    };
    assert_eq!(
        (name.as_str(), text(&payload)),
        ("vmShutdown", json!({ "reason": "sleep" }))
    );
}

/// A VM whose programs have so long to end when it is put to sleep, and whose events of programs are heard.
async fn ending(directory: &std::path::Path, budget: Duration) -> Client {
    let definition = VmDefinition::builder().shutdown_budget(budget).build().unwrap();
    let vm = Client::of(registry(directory, definition)).await;
    for event in ["processExit", "shellExit", "processOutput"] {
        vm.subscribe(event);
    }
    vm
}

/// Starts a shell with this trap for SIGTERM, and waits until it is set.
async fn trapping(vm: &Client, trap: &str) {
    let script = format!("trap '{trap}' TERM; echo ready; while :; do sleep 1; done");
    vm.ok("spawn", ("sh", json(json!(["-c", script])))).await;
    assert_eq!(vm.event().await.0, "processOutput");
}

/// The next end of a program: the event and the exit code.
async fn end(vm: &Client) -> (String, i64) {
    loop {
        let (name, payload) = vm.event().await;
        if name != "processOutput" {
            return (name, text(&payload)["exitCode"].as_i64().unwrap());
        }
    }
}

#[tokio::test]
async fn sleeping_asks_what_runs_to_end() {
    let directory = tempfile::tempdir().unwrap();
    let vm = ending(directory.path(), Duration::from_secs(600)).await;
    trapping(&vm, "echo asked > /home/user/asked; exit 7").await;
    vm.ok("sleepVm", ()).await;
    assert_eq!(end(&vm).await, ("processExit".to_owned(), 7));
    assert_eq!(text(&vm.ok("readFile", ("/home/user/asked",)).await), "asked\n");
    assert_eq!(text(&vm.ok("listProcesses", ()).await), json!([]));
}

#[tokio::test]
async fn sleeping_ends_what_does_not_listen() {
    let directory = tempfile::tempdir().unwrap();
    let vm = ending(directory.path(), Duration::from_millis(200)).await;
    trapping(&vm, "").await;
    vm.ok("openShell", ()).await;
    vm.ok("sleepVm", ()).await;
    let mut ends = [end(&vm).await, end(&vm).await];
    ends.sort();
    assert_eq!(ends[0], ("processExit".to_owned(), 137));
    assert_eq!(ends[1].0, "shellExit");
    assert_eq!(text(&vm.ok("listProcesses", ()).await), json!([]));
}

#[tokio::test]
async fn destroying_removes_everything() {
    let directory = tempfile::tempdir().unwrap();
    let vm = Client::of(registry(directory.path(), VmDefinition::default())).await;
    vm.subscribe("vmShutdown");
    vm.ok("writeFile", ("/home/user/kept", "1")).await;
    let files = directory.path().join("vms").join(vm.id.as_str());
    assert!(files.join("vm.sqlite").exists());
    vm.ok("destroyVm", ()).await;
    assert_eq!(text(&vm.event().await.1), json!({ "reason": "destroy" }));
    let actors = &vm.actors;
    // Waits until nothing is left.
    let _ = actors.destroy(&vm.id).await;
    let again = actors
        .get_or_create("vm", &Key::new(["k"]), CreateOptions::default())
        .await
        .unwrap()
        .0;
    assert_ne!(again.id, vm.id);
    assert!(matches!(actors.find(&vm.id), Err(_) | Ok(None)));
}

#[tokio::test]
async fn options_can_differ_per_vm() {
    let definition = VmDefinition::builder()
        .options_per_vm(|request| async move {
            let who = request.key.parts().join("-");
            Ok(VmOptions::new().env("WHO", who).persist(["/srv"]))
        })
        .build()
        .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let vm = Client::of(registry(directory.path(), definition)).await;
    assert_eq!(
        text(&vm.ok("exec", ("echo $WHO; echo 1 > /srv/a; stat -c %u /srv",)).await)["stdout"],
        "k\n1000\n"
    );
    vm.ok("sleepVm", ()).await;
    assert_eq!(text(&vm.ok("exec", ("cat /srv/a",)).await)["stdout"], "1\n");
}

#[tokio::test]
async fn options_that_cannot_be_fail_the_boot_and_say_why() {
    let definition = VmDefinition::builder()
        .options_per_vm(|_| async { Ok(VmOptions::new().persist(["relative"])) })
        .build()
        .unwrap();
    let vm = Client::with(definition).await;
    vm.subscribe("vmShutdown");
    let error = vm.call("exists", ("/",)).await.unwrap_err();
    assert_eq!(error.code, "vm_boot_failed");
    let metadata = text(&error.metadata.unwrap());
    assert_eq!(metadata["cause"]["code"], "invalid_config");
    assert!(metadata["cause"]["message"].as_str().unwrap().starts_with("persist[0]"));
    assert_eq!(text(&vm.event().await.1), json!({ "reason": "error" }));
}

#[tokio::test]
async fn two_hundred_vms_at_once() {
    let registry = Registry::builder().vm("vm", VmDefinition::default()).build().unwrap();
    let work = (0..200).map(|n| {
        let actors = registry.actors().clone();
        tokio::spawn(async move {
            let key = Key::new([n.to_string()]);
            let id = actors
                .get_or_create("vm", &key, CreateOptions::default())
                .await
                .unwrap()
                .0
                .id;
            let request = agentos_server::actor::ConnectRequest::new(agentos_server::actor::Transport::Http);
            let answer = actors
                .call(&id, request, "exec", vec![format!("echo {n}").into()])
                .await
                .unwrap();
            assert_eq!(text(&answer)["stdout"], format!("{n}\n"));
        })
    });
    for one in work.collect::<Vec<_>>() {
        one.await.unwrap();
    }
}
