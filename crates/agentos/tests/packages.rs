//! Software of a store in VMs.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::AgentOs;
use agentos::store::{Package, Spec, Store};
use std::path::Path;

/// A program that prints what it is told.
fn program(says: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
            (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "\10\00\00\00\{:02x}\00\00\00")
            (data (i32.const 16) "{says}\0a")
            (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))"#,
        says.len() + 1
    );
    wat::parse_str(text).unwrap()
}

fn add(store: &Store, dir: &Path, name: &str, says: &str) -> Package {
    let path = dir.join(format!("{name}.wasm"));
    std::fs::write(&path, program(says)).unwrap();
    let spec: Spec = format!("wasm:{}", path.display()).parse().unwrap();
    store.add(&spec, &()).unwrap()
}

#[tokio::test]
async fn a_program_of_the_store_is_a_command() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    let hello = add(&store, dir.path(), "hello", "hello");
    let other = add(&store, dir.path(), "other", "other");
    let vm = AgentOs::builder()
        .packages([hello.clone(), other])
        .create()
        .await
        .unwrap();
    let out = vm
        .exec("hello && other | tr a-z A-Z && ls -l /usr/local/bin/hello")
        .await
        .unwrap();
    assert!(
        out.stdout_text().starts_with("hello\nOTHER\n-rwxr-xr-x 1 root root"),
        "{out:?}"
    );
    // Nobody in the VM changes what others share.
    let out = vm.exec("echo x >> /usr/local/bin/hello").await.unwrap();
    assert_ne!(out.exit_code, 0);
    let second = AgentOs::builder().package(hello).create().await.unwrap();
    assert_eq!(second.exec("hello").await.unwrap().stdout_text(), "hello\n");
    assert_eq!(second.exec("other").await.unwrap().exit_code, 127);
}

#[tokio::test]
async fn two_versions_of_one_package_exclude_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    let one = add(&store, dir.path(), "tool", "one");
    let two = dir.path().join("two");
    std::fs::create_dir(&two).unwrap();
    let two = add(&store, &two, "tool", "two");
    let error = AgentOs::builder()
        .packages([one.clone(), two])
        .create()
        .await
        .unwrap_err();
    assert_eq!(error.code(), "invalid_config");
    assert!(error.to_string().contains("versions of one package"), "{error}");
    let vm = AgentOs::builder().packages([one.clone(), one]).create().await.unwrap();
    assert_eq!(vm.exec("tool").await.unwrap().stdout_text(), "one\n");
}

#[tokio::test]
async fn a_removed_package_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    let hello = add(&store, dir.path(), "hello", "hello");
    store.remove("hello").unwrap();
    let error = AgentOs::builder().package(hello).create().await.unwrap_err();
    assert_eq!(error.code(), "software_damaged");
    assert!(error.to_string().contains("hello"), "{error}");
}

/// An archive of files, as a package `name`.
fn archive(store: &Store, dir: &Path, name: &str, files: &[(&str, &[u8])]) -> Package {
    let tree = dir.join(format!("{name}-tree"));
    for (path, content) in files {
        let path = tree.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let tar = dir.join(format!("{name}.tar"));
    let made = std::process::Command::new("tar")
        .args(["--owner=0", "--group=0", "-cf"])
        .arg(&tar)
        .arg("-C")
        .arg(&tree)
        .arg(".")
        .status();
    assert!(made.unwrap().success());
    let spec: Spec = format!("tar:{}", tar.display()).parse().unwrap();
    store.add(&spec, &()).unwrap()
}

#[tokio::test]
async fn a_running_shell_finds_what_is_added() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    let hello = add(&store, dir.path(), "hello", "hello");
    let vm = AgentOs::create().await.unwrap();
    // A shell that has looked for it in vain.
    let script = "hello; echo ready; read line; hello; echo $line";
    let mut shell = vm.spawn("sh", ["-c", script]).start().await.unwrap();
    let mut seen = String::new();
    while !seen.contains("ready\n") {
        let output = shell.next_output().await.unwrap().expect("the shell still runs");
        seen.push_str(&String::from_utf8_lossy(&output.data));
    }
    let added = vm.add_software(hello.clone()).await.unwrap();
    assert_eq!((added.commands.join(" "), added.kept.len()), ("hello".to_owned(), 0));
    shell.stdin().write_all("done\n").await.unwrap();
    while let Some(output) = shell.next_output().await.unwrap() {
        seen.push_str(&String::from_utf8_lossy(&output.data));
    }
    assert!(seen.ends_with("hello\ndone\n"), "{seen}");
    // Nobody in the VM changes it, and it is there once.
    let out = vm
        .exec("echo x >> /usr/local/bin/hello; rm -f /usr/local/bin/hello; hello")
        .await
        .unwrap();
    assert_eq!(out.stdout_text(), "hello\n", "{out:?}");
    let error = vm.add_software(hello.clone()).await.unwrap_err();
    assert_eq!(error.code(), "software_exists");
    assert!(
        error.to_string().contains("hello is in the VM already (wasm:"),
        "{error}"
    );
    let error = store.get("helo").unwrap_err();
    assert!(error.to_string().contains("did you mean hello?"), "{error}");
    let created = AgentOs::builder().package(hello.clone()).create().await.unwrap();
    assert_eq!(created.add_software(hello).await.unwrap_err().code(), "software_exists");
}

#[tokio::test]
async fn trees_of_several_packages_are_merged_and_what_is_there_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    let files: [(&str, &[u8]); 3] = [
        ("usr/local/bin/one", b"#!/bin/sh\ncat /usr/local/lib/shared/one/text\n"),
        ("usr/local/lib/shared/one/text", b"1\n"),
        ("etc/motd", b"one\n"),
    ];
    let one = archive(&store, dir.path(), "one", &files);
    let files: [(&str, &[u8]); 4] = [
        ("usr/local/bin/two", b"#!/bin/sh\ncat /usr/local/lib/shared/two/text\n"),
        ("usr/local/lib/shared/two/text", b"2\n"),
        ("etc/motd", b"two\n"),
        ("bin/three", b"#!/bin/sh\necho 3\n"),
    ];
    let two = archive(&store, dir.path(), "two", &files);
    for builder in [
        AgentOs::builder(),
        AgentOs::builder().package(add(&store, dir.path(), "first", "first")),
    ] {
        let vm = builder.create().await.unwrap();
        assert!(vm.add_software(one.clone()).await.unwrap().kept.is_empty());
        // As long as nobody else has anything there, one link does.
        let link = vm.exec("readlink /usr/local/lib").await.unwrap();
        assert_eq!(link.stdout_text(), "/opt/agentos/software/one/usr/local/lib\n");
        assert_eq!(vm.add_software(two.clone()).await.unwrap().kept, ["/etc/motd"]);
        let out = vm
            .exec("one && two && three && cat /etc/motd && ls -m /usr/local/lib/shared")
            .await
            .unwrap();
        assert_eq!(out.stdout_text(), "1\n2\n3\none\none, two\n", "{out:?}");
        // Copies of the VM have it, and do not have it twice.
        let copy = vm.fork().await.unwrap();
        assert_eq!(copy.exec("one && two").await.unwrap().stdout_text(), "1\n2\n");
        assert_eq!(
            copy.add_software(two.clone()).await.unwrap_err().code(),
            "software_exists"
        );
        assert!(vm.snapshot().await.unwrap().to_archive().is_err());
    }
}

#[tokio::test]
async fn nothing_is_left_of_what_cannot_be_added() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    let files: Vec<(String, &[u8])> = (0..50).map(|at| (format!("usr/local/bin/c{at}"), &b"x"[..])).collect();
    let files: Vec<(&str, &[u8])> = files.iter().map(|(path, content)| (path.as_str(), *content)).collect();
    let many = archive(&store, dir.path(), "many", &files);
    let vm = AgentOs::create().await.unwrap();
    let inodes = |vm: &AgentOs| {
        let usage = vm.usage();
        let inodes = usage.limits.iter().find(|limit| limit.limit == "maxInodeCount");
        inodes.unwrap().observed
    };
    let before = inodes(&vm);
    let mut limits = agentos::Limits::default();
    limits.set("resources.maxInodeCount", before + 20).unwrap();
    let small = AgentOs::builder().limits(limits).create().await.unwrap();
    let error = small.add_software(many.clone()).await.unwrap_err();
    assert_eq!(error.limit().unwrap().limit, "maxInodeCount", "{error}");
    assert_eq!(small.exec("ls /usr/local/bin").await.unwrap().stdout_text(), "");
    let mounts = small.list_mounts().await;
    assert!(
        mounts.iter().all(|mount| !mount.guest.starts_with("/opt")),
        "{mounts:?}"
    );
    let fixed = AgentOs::builder().read_only_root(true).create().await.unwrap();
    assert_eq!(fixed.add_software(many).await.unwrap_err().code(), "EROFS");
}
