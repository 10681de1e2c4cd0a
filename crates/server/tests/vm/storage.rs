//! Storage that is full or fails: every call is answered, and the audit trail says what happened.

use crate::support::{Client, text};
use agentos_server::actor::{ConnectRequest, CreateOptions, Transport};
use agentos_server::{HookSet, Registry, VmDefinition, VmHooks};
use agentos_store::{DiskSpace, Headroom};
use agentos_store_faults::{Disk, Fault};
use agentos_value::Key;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Keeps the audit trail.
#[derive(Clone, Default)]
struct Trail(Arc<Mutex<Vec<serde_json::Value>>>);

impl VmHooks for Trail {
    fn hooks(&self) -> HookSet {
        HookSet::default()
    }

    fn on_audit_event(&self, event: &serde_json::Value) {
        self.0.lock().push(event.clone());
    }
}

impl Trail {
    fn definition(&self) -> VmDefinition {
        VmDefinition::builder().hooks(self.clone()).build().unwrap()
    }

    /// The names of the entries, without those of mounts.
    fn names(&self) -> Vec<String> {
        let entries = self.0.lock();
        let names = entries.iter().filter_map(|entry| entry["event"].as_str());
        names
            .filter(|name| !name.contains(".mount."))
            .map(str::to_owned)
            .collect()
    }

    /// Waits for an entry.
    async fn find(&self, name: &str) -> serde_json::Value {
        loop {
            let found = self.0.lock().iter().find(|entry| entry["event"] == name).cloned();
            match found {
                Some(entry) => return entry,
                None => tokio::task::yield_now().await,
            }
        }
    }
}

#[tokio::test]
async fn the_audit_trail_tells_creation_boots_and_destruction_apart() {
    let directory = tempfile::tempdir().unwrap();
    let trail = Trail::default();
    let builder = Registry::builder().vm("vm", trail.definition());
    let vm = Client::of(builder.data_dir(directory.path()).build().unwrap()).await;
    for _ in 0..2 {
        vm.ok("exists", ("/",)).await;
        vm.ok("sleepVm", ()).await;
    }
    vm.ok("exists", ("/",)).await;
    vm.actors.destroy(&vm.id).await.unwrap();
    let names = trail.names();
    assert_eq!(
        names,
        [
            "security.vm.created",
            "security.vm.booted",
            "security.vm.slept",
            "security.vm.booted",
            "security.vm.slept",
            "security.vm.booted",
            "security.vm.destroyed",
        ]
    );
    for entry in trail
        .0
        .lock()
        .iter()
        .filter(|entry| entry["event"].as_str().unwrap().contains(".vm."))
    {
        assert_eq!((&entry["key"], &entry["vm"]), (&"k".into(), &"vm".into()), "{entry}");
        assert_eq!(entry["actorId"], vm.id.as_str());
        assert!(
            entry["time"].is_number() && entry["correlationId"].as_str().unwrap().len() == 32,
            "{entry}"
        );
    }
}

#[tokio::test]
async fn a_commit_that_fails_is_told_to_the_writer_the_log_and_the_audit_trail() {
    for (fault, code) in [(Fault::Full, "ENOSPC"), (Fault::Io, "EIO")] {
        let directory = tempfile::tempdir().unwrap();
        let (trail, disk) = (Trail::default(), Disk::new());
        let builder = Registry::builder().vm("vm", trail.definition()).sqlite_vfs(disk.vfs());
        let builder = builder
            .data_dir(directory.path())
            .headroom(Headroom::with(0, 0, || Ok(DiskSpace { total: 100, free: 100 })));
        let vm = Client::of(builder.build().unwrap()).await;
        vm.ok("writeFile", ("/home/user/kept", "1")).await;
        disk.fail(disk.count(), fault, true);
        let error = vm.call("writeFile", ("/home/user/lost", "2")).await.unwrap_err();
        assert!(error.is("agentos", code), "{error}");
        let entry = trail.find("security.storage.failed").await;
        assert_eq!((&entry["code"], &entry["vm"]), (&code.into(), &"vm".into()), "{entry}");
        assert!(
            !entry.to_string().contains(directory.path().to_str().unwrap()),
            "{entry}"
        );
        assert_eq!(text(&vm.ok("readFile", ("/home/user/kept",)).await), "1");
        disk.heal();
        // What waited is tried again by itself, and what follows succeeds.
        while vm.call("writeFile", ("/home/user/again", "3")).await.is_err() {}
        vm.ok("sleepVm", ()).await;
        assert_eq!(text(&vm.ok("readFile", ("/home/user/again",)).await), "3");
    }
}

#[tokio::test]
async fn a_vm_whose_disk_takes_nothing_sleeps_and_says_what_was_lost() {
    for (fault, code) in [(Fault::Full, "ENOSPC"), (Fault::Io, "EIO")] {
        let directory = tempfile::tempdir().unwrap();
        let (trail, disk) = (Trail::default(), Disk::new());
        let builder = Registry::builder().vm("vm", trail.definition()).sqlite_vfs(disk.vfs());
        let builder = builder
            .data_dir(directory.path())
            .headroom(Headroom::with(0, 0, || Ok(DiskSpace { total: 100, free: 100 })));
        let vm = Client::over(builder.build().unwrap().actors().clone(), Transport::Http).await;
        vm.subscribe("vmShutdown");
        vm.ok("writeFile", ("/home/user/kept", "1")).await;
        disk.fail(disk.count(), fault, true);
        // A guest's own write is stored within a second, or not.
        let wrote = vm.ok("exec", ("echo 2 > /home/user/lost",)).await;
        assert_eq!(text(&wrote)["exitCode"], 0);
        let error = vm.call("sleepVm", ()).await.unwrap_err();
        assert!(error.is("agentos", code), "{error}");
        assert_eq!(text(&error.metadata.unwrap())["errno"], code);
        assert!(
            !error.message.contains(directory.path().to_str().unwrap()),
            "{}",
            error.message
        );
        let (event, payload) = vm.event().await;
        assert_eq!(
            (event.as_str(), &text(&payload)["reason"]),
            ("vmShutdown", &"sleep".into())
        );
        assert_eq!(trail.find("security.storage.failed").await["code"], code);
        assert!(trail.names().iter().any(|name| name == "security.vm.slept"));
        disk.heal();
        // It sleeps like any other, and asking again is no error.
        assert_eq!(text(&vm.ok("vmStatus", ()).await)["state"], "asleep");
        vm.ok("sleepVm", ()).await;
        assert_eq!(text(&vm.ok("readFile", ("/home/user/kept",)).await), "1");
        assert_eq!(text(&vm.ok("exists", ("/home/user/lost",)).await), false);
        vm.ok("writeFile", ("/home/user/again", "3")).await;
        vm.ok("sleepVm", ()).await;
        assert_eq!(text(&vm.ok("readFile", ("/home/user/again",)).await), "3");
    }
}

#[tokio::test]
async fn calls_on_a_nearly_full_disk_are_answered_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let free = Arc::new(AtomicU64::new(100));
    let measured = Arc::clone(&free);
    let headroom = Headroom::with(10, 0, move || {
        let free = measured.load(Ordering::Relaxed);
        Ok(DiskSpace { total: 100, free })
    });
    let trail = Trail::default();
    let builder = Registry::builder().vm("vm", trail.definition());
    let vm = Client::of(builder.data_dir(directory.path()).headroom(headroom).build().unwrap()).await;
    vm.ok("writeFile", ("/home/user/kept", "1")).await;
    free.store(5, Ordering::Relaxed);
    // A measurement is used for a moment.
    let error = loop {
        if let Err(error) = vm.call("writeFile", ("/home/user/lost", "2")).await {
            break error;
        }
    };
    assert!(error.is("agentos", "ENOSPC"), "{error}");
    assert_eq!(text(&vm.ok("readFile", ("/home/user/kept",)).await), "1");
    vm.ok("sleepVm", ()).await;
    // It wakes without space, and a new one is refused with the reason, again and again.
    assert_eq!(text(&vm.ok("readFile", ("/home/user/kept",)).await), "1");
    let actors = &vm.actors;
    let made = actors
        .get_or_create("vm", &Key::new(["new"]), CreateOptions::default())
        .await;
    let id = made.unwrap().0.id;
    for _ in 0..5 {
        let call = actors.call(&id, ConnectRequest::new(Transport::Http), "exists", vec!["/".into()]);
        let error = call.await.unwrap_err();
        assert!(error.is("agentos", "ENOSPC"), "{error}");
    }
    assert!(!directory.path().join("vms").join(id.as_str()).exists());
    free.store(100, Ordering::Relaxed);
    while actors
        .call(&id, ConnectRequest::new(Transport::Http), "exists", vec!["/".into()])
        .await
        .is_err()
    {}
}
