//! `agentos store`: stored files are checked, written to archives and read from them.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used)]

mod support;

use agentos::vfs::{FileType, Filesystem, FsQuota, Gid, Mode, NewNode, Uid};
use agentos_kernel::Errno;
use agentos_kernel::limits::Counter;
use agentos_store::fs::{DurableFs, FsLimits};
use agentos_store::{DataDir, NewActor};
use std::path::Path;
use std::sync::Arc;
use support::run;

fn node(kind: FileType) -> NewNode {
    NewNode {
        kind,
        mode: Mode::new(0o755),
        uid: Uid::USER,
        gid: Gid::USER,
        rdev: 0,
    }
}

/// A data directory with two VMs, of which the first has a file.
fn data(dir: &Path) {
    let data = DataDir::open(dir).unwrap();
    for actor in ["first", "second"] {
        let new = NewActor {
            actor_id: actor.to_owned(),
            name: "vm".to_owned(),
            key: actor.to_owned(),
            ..NewActor::default()
        };
        data.index().create(new).wait().unwrap();
        data.index().accept(actor, 1).wait().unwrap();
        let store = data.open_vm(actor).unwrap();
        let counter = |path| Counter::new(path, "", u64::MAX, Errno::ENOSPC);
        let quota = Arc::new(FsQuota {
            bytes: counter("bytes"),
            inodes: counter("inodes"),
        });
        let clock = agentos::system_clock();
        let files = DurableFs::open(store.database(), clock, quota, FsLimits::default()).unwrap();
        if actor == "first" {
            let home = files.subtree(b"/home/user", &node(FileType::Directory)).unwrap();
            let file = home.create(home.root(), b"file", &node(FileType::Regular)).unwrap();
            home.write(file.ino, 0, b"content").unwrap();
        }
        drop(files);
        store.close().unwrap();
    }
    data.close().unwrap();
}

#[test]
fn files_are_exported_imported_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    data(dir.path());
    let place = dir.path().to_str().unwrap();
    let (one, two) = (dir.path().join("one.tar"), dir.path().join("two.tar"));
    let (one, two) = (one.to_str().unwrap(), two.to_str().unwrap());
    let exported = run(&["store", "export", place, "first", one]);
    assert_eq!(exported.status, Some(0), "{}", exported.stderr);
    assert_eq!(exported.stderr, "2 entries, 7 bytes\n");
    let imported = run(&["store", "import", place, "second", one]);
    assert_eq!(imported.status, Some(0), "{}", imported.stderr);
    assert_eq!(run(&["store", "export", place, "second", two]).status, Some(0));
    assert_eq!(std::fs::read(one).unwrap(), std::fs::read(two).unwrap());
    let checked = run(&["store", "check", place]);
    assert_eq!(
        (checked.status, checked.stdout.as_str()),
        (Some(0), "2 of 2 VMs are sound\n")
    );
    let again = run(&["store", "import", place, "second", one]);
    assert_ne!(again.status, Some(0), "what exists is not replaced");
}

#[test]
fn contradictions_are_told() {
    let dir = tempfile::tempdir().unwrap();
    data(dir.path());
    let data = DataDir::open(dir.path()).unwrap();
    let store = data.open_vm("first").unwrap();
    let damage = "UPDATE agent_os_fs_inodes SET nlink = 7 WHERE ino = 3";
    let damaged = store
        .database()
        .submit(move |transaction| Ok(transaction.execute(damage, [])?));
    assert_eq!(damaged.wait().unwrap(), 1);
    store.close().unwrap();
    let place = dir.path().to_str().unwrap();
    let locked = run(&["store", "check", place]);
    assert_eq!(locked.status, Some(69), "{}", locked.stderr);
    data.close().unwrap();
    drop(data);
    let checked = run(&["store", "check", place, "--json"]);
    assert_eq!(checked.status, Some(1), "{}", checked.stderr);
    let report: serde_json::Value = serde_json::from_str(&checked.stdout).unwrap();
    assert_eq!(report["sound"], false);
    assert_eq!(report["vms"][0]["problems"][0], "inode 3: the count of links is wrong");
    assert_eq!(report["vms"][1]["problems"].as_array().map(Vec::len), Some(0));
    assert_eq!(run(&["store", "check", "/nowhere"]).status, Some(64));
    assert_eq!(run(&["store", "export", place, "nobody"]).status, Some(64));
}
