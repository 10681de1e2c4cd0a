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
