//! Software of a store in VMs.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::store::{Package, Spec, Store};
use agentos::{AgentOs, ShellOptions};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

/// An archive with an agent that is a script in it, which only the archive names.
#[tokio::test]
async fn an_archive_brings_an_agent() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    let manifest = r#"{
        "commands": { "mine": "opt/mine/agent.sh" },
        "agent": { "id": "mine", "command": ["mine"] },
        "env": { "MINE_HOME": "/opt/mine" },
        "permissions": { "full": ["mine"], "readOnly": ["look"] }
    }"#;
    let files: [(&str, &[u8]); 3] = [
        ("agentos.json", manifest.as_bytes()),
        ("opt/mine/agent.sh", include_bytes!("scripts_agents/agent.sh")),
        ("usr/bin/look", b"#!/bin/sh\necho $MINE_HOME; echo x > written\n"),
    ];
    let package = archive(&store, dir.path(), "mine", &files);
    let created = AgentOs::builder().package(package.clone()).create().await.unwrap();
    let added = AgentOs::create().await.unwrap();
    assert_eq!(
        added.add_software(package).await.unwrap().agent.as_deref(),
        Some("mine")
    );
    for vm in [created, added] {
        let session = vm.session("mine").create().await.unwrap();
        assert_eq!(session.prompt("hello there").await.unwrap().text, "hello there");
        // The other command has its tier: it may look, and make nothing.
        let out = vm.exec("look; ls written").await.unwrap();
        assert!(out.stdout_text().starts_with("/opt/mine\n"), "{out:?}");
        assert_ne!(out.exit_code, 0, "{out:?}");
    }
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
    // What it says of the first one may come at any time.
    assert!(
        seen.replace("sh: hello: command not found\n", "")
            .ends_with("ready\nhello\ndone\n"),
        "{seen}"
    );
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

/// A program of a package that was made for another system: it starts `echo` twice, the second time into a pipe, waits, and
/// says by its exit code which call did not do what it should.
const FOREIGN: &str = r#"(module
    (import "host_process" "proc_spawn" (func $spawn (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "host_process" "proc_waitpid" (func $wait (param i32 i32 i32) (result i32)))
    (import "host_process" "proc_kill" (func $kill (param i32 i32) (result i32)))
    (import "host_process" "fd_pipe" (func $pipe (param i32 i32) (result i32)))
    (import "host_process" "proc_getpid" (func $getpid (param i32) (result i32)))
    (import "host_process" "sleep_ms" (func $sleep (param i32) (result i32)))
    (import "host_user" "isatty" (func $isatty (param i32 i32) (result i32)))
    (import "host_user" "getpwuid" (func $account (param i32 i32 i32 i32) (result i32)))
    (import "host_fs" "path_mode" (func $mode (param i32 i32 i32) (result i32)))
    (import "host_fs" "fd_mode" (func $fd_mode (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "echo\00one\00/etc/missing")
    (data (i32.const 48) "sh\00-c\00exit 3\00")
    (data (i32.const 72) "sleep\0060\00")
    (data (i32.const 100) "\80\00\00\00\40\00\00\00")
    (func $must (param $what i32) (param $held i32)
        (if (i32.eqz (local.get $held)) (then (call $exit (local.get $what)))))
    (func $run (param $stdout i32) (result i32)
        (call $spawn (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 0)
            (i32.const -1) (local.get $stdout) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 200)))
    (func (export "_start")
        (call $must (i32.const 10) (i32.eqz (call $run (i32.const -1))))
        (call $must (i32.const 11) (i32.eqz (call $wait (i32.load (i32.const 200)) (i32.const 0) (i32.const 204))))
        (call $must (i32.const 12) (i32.eqz (i32.load (i32.const 204))))
        (call $must (i32.const 13) (i32.eqz (call $pipe (i32.const 208) (i32.const 212))))
        (call $must (i32.const 14) (i32.eqz (call $run (i32.load (i32.const 212)))))
        (call $must (i32.const 15) (i32.eqz (call $read (i32.load (i32.const 208)) (i32.const 100) (i32.const 1) (i32.const 216))))
        (call $must (i32.const 16) (i32.eq (i32.load (i32.const 216)) (i32.const 4)))
        (call $must (i32.const 17) (i32.eq (i32.load (i32.const 128)) (i32.const 0x0a656e6f)))
        ;; The writing end went to the child: there is an end.
        (call $must (i32.const 18) (i32.eqz (call $read (i32.load (i32.const 208)) (i32.const 100) (i32.const 1) (i32.const 216))))
        (call $must (i32.const 19) (i32.eqz (i32.load (i32.const 216))))
        (call $must (i32.const 20) (i32.eqz (call $wait (i32.const -1) (i32.const 0) (i32.const 204))))
        ;; ECHILD is 12.
        (call $must (i32.const 21) (i32.eq (call $wait (i32.const -1) (i32.const 1) (i32.const 204)) (i32.const 12)))
        ;; A status is that of wait(2); of a child that still runs, EBUSY (10) tells.
        (call $must (i32.const 40) (i32.eqz (call $spawn (i32.const 48) (i32.const 13) (i32.const 0) (i32.const 0)
            (i32.const -1) (i32.const -1) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 200))))
        (call $must (i32.const 41) (i32.eqz (call $wait (i32.load (i32.const 200)) (i32.const 0) (i32.const 204))))
        (call $must (i32.const 42) (i32.eq (i32.load (i32.const 204)) (i32.const 0x300)))
        (call $must (i32.const 43) (i32.eqz (call $spawn (i32.const 72) (i32.const 9) (i32.const 0) (i32.const 0)
            (i32.const -1) (i32.const -1) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 200))))
        (call $must (i32.const 44) (i32.eq (call $wait (i32.load (i32.const 200)) (i32.const 1) (i32.const 204)) (i32.const 10)))
        (call $must (i32.const 45) (i32.eqz (call $kill (i32.load (i32.const 200)) (i32.const 15))))
        (call $must (i32.const 46) (i32.eqz (call $wait (i32.load (i32.const 200)) (i32.const 0) (i32.const 204))))
        (call $must (i32.const 47) (i32.eq (i32.load (i32.const 204)) (i32.const 15)))
        (call $must (i32.const 22) (i32.eqz (call $getpid (i32.const 220))))
        (call $must (i32.const 23) (i32.gt_u (i32.load (i32.const 220)) (i32.const 1)))
        (call $must (i32.const 24) (i32.eqz (call $isatty (i32.const 1) (i32.const 224))))
        (call $must (i32.const 25) (i32.eqz (i32.load (i32.const 224))))
        (call $must (i32.const 26) (i32.eq (call $isatty (i32.const 99) (i32.const 224)) (i32.const 8)))
        (call $must (i32.const 27) (i32.eq (call $mode (i32.const 9) (i32.const 4) (i32.const 1)) (i32.const 0x41ed)))
        (call $must (i32.const 28) (i32.eqz (call $mode (i32.const 9) (i32.const 12) (i32.const 1))))
        (call $must (i32.const 29) (i32.eqz (call $fd_mode (i32.const 99))))
        (call $must (i32.const 30) (i32.eqz (call $account (i32.const 1000) (i32.const 300) (i32.const 100) (i32.const 228))))
        (call $must (i32.const 31) (i32.eq (i32.load (i32.const 300)) (i32.const 0x72657375)))
        (call $must (i32.const 32) (i32.ne (call $account (i32.const 4711) (i32.const 300) (i32.const 100) (i32.const 228)) (i32.const 0)))
        (call $must (i32.const 33) (i32.eqz (call $sleep (i32.const 1))))
        ;; What points outside of the memory is EFAULT (21), and no trap.
        (call $must (i32.const 34) (i32.eq (call $getpid (i32.const -2)) (i32.const 21)))
        (call $must (i32.const 35) (i32.eq (call $spawn (i32.const -5) (i32.const 100) (i32.const 0) (i32.const 0)
            (i32.const -1) (i32.const -1) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 200)) (i32.const 21)))))"#;

/// A program of a later generation: it starts programs with lists of actions, and says by its exit code which call did not do what it
/// should; at the end another program runs in its process.
const LATER: &str = r#"(module
    (type $four (func (param i32 i32 i32 i32) (result i32)))
    (import "host_process" "proc_spawn_v3" (func $spawn
        (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "host_process" "proc_exec" (func $exec (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "host_process" "proc_waitpid_v2" (func $wait (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "host_process" "proc_kill" (func $kill (param i32 i32) (result i32)))
    (import "host_process" "proc_signal_mask_v2" (func $mask (param i32 i32 i32 i32 i32) (result i32)))
    (import "host_process" "fd_pipe" (func $pipe (param i32 i32) (result i32)))
    (import "host_process" "fd_setfd" (func $setfd (param i32 i32) (result i32)))
    (import "host_process" "umask" (func $umask (param i32 i32 i32) (result i32)))
    (import "host_user" "getpwnam" (func $named (param i32 i32 i32 i32 i32) (result i32)))
    (import "host_user" "getgrgid" (func $group (type $four)))
    (import "host_user" "getgroups" (func $groups (param i32 i32 i32) (result i32)))
    (import "host_user" "setuid" (func $setuid (param i32) (result i32)))
    (import "host_fs" "set_open_mode" (func $open_mode (param i32) (result i32)))
    (import "host_fs" "path_mode" (func $mode (type $four)))
    (import "host_fs" "path_size" (func $size (param i32 i32 i32 i32) (result i64)))
    (import "host_fs" "fd_size" (func $fd_size (param i32) (result i64)))
    (import "host_fs" "ftruncate" (func $truncate (param i32 i64) (result i32)))
    (import "host_fs" "chmod" (func $chmod (type $four)))
    (import "host_fs" "path_owner" (func $owner (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "host_fs" "path_chown" (func $chown (param i32 i32 i32 i32 i32 i32) (result i32)))
    (import "host_fs" "path_statfs" (func $statfs (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "host_fs" "remount" (func $remount (type $four)))
    (import "host_tty" "read" (func $tty_read (param i32 i32 i32) (result i32)))
    (import "host_tty" "set_raw_mode" (func $raw (param i32) (result i32)))
    (import "host_net" "net_send" (func $send (param i32 i32 i32 i32 i32) (result i32)))
    (import "host_net" "net_recv" (func $recv (param i32 i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $read (type $four)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (global $root i32 (i32.const 0x40000003))
    (data (i32.const 0) "echo\00one\00")
    (data (i32.const 16) "/etc/passwd")
    (data (i32.const 30) ".")
    (data (i32.const 32) "tmp/made")
    (data (i32.const 48) "sh\00-c\00exit 3\00")
    (data (i32.const 64) "user")
    (data (i32.const 72) "sleep\0060\00")
    (data (i32.const 100) "\80\00\00\00\40\00\00\00")
    (data (i32.const 300) "PATH=/usr/local/bin:/usr/bin:/bin\00")
    ;; Standard output becomes the file /tmp/out: open for writing, make, with Linux's numbers.
    (data (i32.const 400) "\03\00\00\00\01\00\00\00\ff\ff\ff\ff\41\00\00\00\a0\01\00\00\08\00\00\00/tmp/out")
    (func $must (param $what i32) (param $held i32)
        (if (i32.eqz (local.get $held)) (then (call $exit (local.get $what)))))
    (func $run (param $path i32) (param $length i32) (param $argv i32) (param $argv_length i32)
        (param $actions i32) (param $actions_length i32) (param $flags i32) (result i32)
        (call $spawn (local.get $path) (local.get $length) (local.get $argv) (local.get $argv_length)
            (i32.const 300) (i32.const 34) (local.get $actions) (local.get $actions_length) (i32.const 0) (i32.const 0)
            (local.get $flags) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 200)))
    (func $ended (param $options i32) (result i32)
        (call $wait (i32.const -1) (local.get $options) (i32.const 204) (i32.const 208) (i32.const 212) (i32.const 216)))
    (func (export "_start")
        ;; A pipe becomes standard output by an action of 24 bytes.
        (call $must (i32.const 10) (i32.eqz (call $pipe (i32.const 220) (i32.const 224))))
        (i32.store (i32.const 500) (i32.const 2))
        (i32.store (i32.const 504) (i32.const 1))
        (i32.store (i32.const 508) (i32.load (i32.const 224)))
        (call $must (i32.const 11) (i32.eqz (call $setfd (i32.load (i32.const 224)) (i32.const 1))))
        (call $must (i32.const 12) (i32.eqz (call $run (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 9)
            (i32.const 500) (i32.const 24) (i32.const 0))))
        (call $must (i32.const 13) (i32.eqz (call $ended (i32.const 0))))
        (call $must (i32.const 14) (i32.eqz (i32.or (i32.load (i32.const 204)) (i32.load (i32.const 208)))))
        (call $must (i32.const 15) (i32.eq (i32.load (i32.const 212)) (i32.load (i32.const 200))))
        ;; A pipe is no socket: that is EBADF (8), and libc reads it in the other way.
        (call $must (i32.const 16) (i32.eq (call $recv (i32.load (i32.const 220)) (i32.const 128) (i32.const 64) (i32.const 0)
            (i32.const 232)) (i32.const 8)))
        (call $must (i32.const 17) (i32.eq (call $send (i32.load (i32.const 224)) (i32.const 0) (i32.const 4) (i32.const 0)
            (i32.const 232)) (i32.const 8)))
        (call $must (i32.const 18) (i32.eqz (call $read (i32.load (i32.const 220)) (i32.const 100) (i32.const 1) (i32.const 232))))
        (call $must (i32.const 19) (i32.eq (i32.load (i32.const 128)) (i32.const 0x0a656e6f)))
        ;; Exit codes and signals are apart; of whom nothing is heard yet the number is 0.
        (call $must (i32.const 20) (i32.eqz (call $run (i32.const 48) (i32.const 2) (i32.const 48) (i32.const 13)
            (i32.const 0) (i32.const 0) (i32.const 0))))
        (call $must (i32.const 21) (i32.eqz (call $ended (i32.const 0))))
        (call $must (i32.const 22) (i32.eq (i32.load (i32.const 204)) (i32.const 3)))
        (call $must (i32.const 23) (i32.eqz (call $run (i32.const 72) (i32.const 5) (i32.const 72) (i32.const 9)
            (i32.const 0) (i32.const 0) (i32.const 2))))
        (call $must (i32.const 24) (i32.eqz (call $ended (i32.const 1))))
        (call $must (i32.const 25) (i32.eqz (i32.load (i32.const 212))))
        (call $must (i32.const 26) (i32.eqz (call $kill (i32.load (i32.const 200)) (i32.const 9))))
        (call $must (i32.const 27) (i32.eqz (call $ended (i32.const 0))))
        (call $must (i32.const 28) (i32.eq (i32.load (i32.const 208)) (i32.const 9)))
        (call $must (i32.const 29) (i32.eq (call $ended (i32.const 0)) (i32.const 12)))
        (call $must (i32.const 30) (i32.eq (call $ended (i32.const 2)) (i32.const 28)))
        ;; A file that an action makes has the mode that is asked for, without the umask.
        (call $must (i32.const 31) (i32.eqz (call $umask (i32.const 7) (i32.const 1) (i32.const 236))))
        (call $must (i32.const 32) (i32.eqz (call $run (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 9)
            (i32.const 400) (i32.const 32) (i32.const 0))))
        (call $must (i32.const 33) (i32.eqz (call $ended (i32.const 0))))
        (call $must (i32.const 34) (i32.eq (call $mode (global.get $root) (i32.const 425) (i32.const 7) (i32.const 1)) (i32.const 0x81a0)))
        (call $must (i32.const 35) (i64.eq (call $size (global.get $root) (i32.const 425) (i32.const 7) (i32.const 1)) (i64.const 4)))
        ;; Actions that are cut off, unknown, or of descriptors that are not open.
        (call $must (i32.const 36) (i32.eq (call $run (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 9)
            (i32.const 400) (i32.const 31) (i32.const 0)) (i32.const 28)))
        (i32.store (i32.const 508) (i32.const 77))
        (call $must (i32.const 37) (i32.eq (call $run (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 9)
            (i32.const 500) (i32.const 24) (i32.const 0)) (i32.const 8)))
        (i32.store (i32.const 500) (i32.const 9))
        (call $must (i32.const 38) (i32.eq (call $run (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 9)
            (i32.const 500) (i32.const 24) (i32.const 0)) (i32.const 28)))
        (call $must (i32.const 39) (i32.eq (call $run (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 9)
            (i32.const -8) (i32.const 24) (i32.const 0)) (i32.const 21)))
        (call $must (i32.const 40) (i32.eq (call $run (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 9)
            (i32.const 0) (i32.const 0x7fffffff) (i32.const 0)) (i32.const 1)))
        (call $must (i32.const 41) (i32.eq (call $run (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 9)
            (i32.const 0) (i32.const 0) (i32.const 0)) (i32.const 44)))
        ;; A scheduling policy is not supported; a session and a group at once are EPERM.
        (call $must (i32.const 42) (i32.eq (call $run (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 9)
            (i32.const 0) (i32.const 0) (i32.const 32)) (i32.const 58)))
        (call $must (i32.const 43) (i32.eq (call $run (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 9)
            (i32.const 0) (i32.const 0) (i32.const 0x82)) (i32.const 63)))
        ;; The root is where no descriptor is, and the mode of what is made is said before.
        (call $must (i32.const 50) (i32.eqz (call $prestat (global.get $root) (i32.const 240))))
        (call $must (i32.const 51) (i32.eq (call $prestat (i32.const 0x40000004) (i32.const 240)) (i32.const 8)))
        (call $must (i32.const 52) (i32.eqz (call $open_mode (i32.const 0x180))))
        (call $must (i32.const 53) (i32.eqz (call $open (global.get $root) (i32.const 1) (i32.const 32) (i32.const 8) (i32.const 1)
            (i64.const 0x40) (i64.const 0) (i32.const 0) (i32.const 248))))
        (call $must (i32.const 54) (i32.eq (call $mode (global.get $root) (i32.const 32) (i32.const 8) (i32.const 1)) (i32.const 0x8180)))
        (call $must (i32.const 55) (i32.eqz (call $truncate (i32.load (i32.const 248)) (i64.const 9))))
        (call $must (i32.const 56) (i64.eq (call $fd_size (i32.load (i32.const 248))) (i64.const 9)))
        (call $must (i32.const 57) (i32.eq (call $truncate (i32.load (i32.const 248)) (i64.const -1)) (i32.const 28)))
        (call $must (i32.const 58) (i64.eq (call $fd_size (i32.const 99)) (i64.const -1)))
        (call $must (i32.const 59) (i32.eqz (call $chmod (global.get $root) (i32.const 32) (i32.const 8) (i32.const 0x1a0))))
        (call $must (i32.const 60) (i32.eq (call $mode (global.get $root) (i32.const 32) (i32.const 8) (i32.const 1)) (i32.const 0x81a0)))
        (call $must (i32.const 61) (i32.eqz (call $owner (global.get $root) (i32.const 32) (i32.const 8) (i32.const 1)
            (i32.const 252) (i32.const 256))))
        (call $must (i32.const 62) (i32.eq (i32.load (i32.const 252)) (i32.const 1000)))
        (call $must (i32.const 63) (i32.eq (call $chown (global.get $root) (i32.const 32) (i32.const 8) (i32.const 0) (i32.const 0)
            (i32.const 1)) (i32.const 63)))
        ;; Absolute paths are what they say.
        (call $must (i32.const 64) (i32.eqz (call $statfs (i32.const -1) (i32.const 16) (i32.const 11)
            (i32.const 600) (i32.const 608) (i32.const 616) (i32.const 624) (i32.const 632))))
        (call $must (i32.const 65) (i64.ge_u (i64.load (i32.const 600)) (i64.load (i32.const 608))))
        (call $must (i32.const 66) (i32.eq (call $remount (i32.const 16) (i32.const 11) (i32.const 0) (i32.const 0)) (i32.const 63)))
        ;; Without a directory a path starts in the working directory.
        (call $must (i32.const 67) (i32.eqz (call $owner (i32.const -1) (i32.const 30) (i32.const 1) (i32.const 1)
            (i32.const 252) (i32.const 256))))
        (call $must (i32.const 68) (i32.eq (call $owner (i32.const 99) (i32.const 30) (i32.const 1) (i32.const 1)
            (i32.const 252) (i32.const 256)) (i32.const 8)))
        (call $must (i32.const 70) (i32.eqz (call $named (i32.const 64) (i32.const 4) (i32.const 700) (i32.const 100) (i32.const 260))))
        (call $must (i32.const 71) (i32.eq (i32.load (i32.const 700)) (i32.const 0x72657375)))
        (call $must (i32.const 72) (i32.eq (call $named (i32.const 64) (i32.const 3) (i32.const 700) (i32.const 100) (i32.const 260)) (i32.const 44)))
        ;; ERANGE is 68.
        (call $must (i32.const 73) (i32.eq (call $named (i32.const 64) (i32.const 4) (i32.const 700) (i32.const 5) (i32.const 260)) (i32.const 68)))
        (call $must (i32.const 74) (i32.eqz (call $group (i32.const 1000) (i32.const 700) (i32.const 100) (i32.const 260))))
        (call $must (i32.const 75) (i32.eqz (call $groups (i32.const 4) (i32.const 800) (i32.const 260))))
        (call $must (i32.const 86) (i32.eq (i32.load (i32.const 800)) (i32.const 1000)))
        (call $must (i32.const 76) (i32.eq (call $setuid (i32.const 0)) (i32.const 63)))
        ;; There is no terminal.
        (call $must (i32.const 77) (i32.eq (call $raw (i32.const 1)) (i32.const 59)))
        (call $must (i32.const 78) (i32.eqz (call $raw (i32.const 0))))
        (call $must (i32.const 79) (i32.eqz (call $tty_read (i32.const -4) (i32.const 64) (i32.const 0))))
        ;; What is blocked is told in halves.
        (call $must (i32.const 80) (i32.eqz (call $mask (i32.const 0) (i32.const 0x4000) (i32.const 0) (i32.const 264) (i32.const 268))))
        (call $must (i32.const 81) (i32.eqz (call $mask (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 264) (i32.const 268))))
        (call $must (i32.const 82) (i32.eq (i32.load (i32.const 264)) (i32.const 0x4000)))
        (call $must (i32.const 83) (i32.eq (call $mask (i32.const 4) (i32.const 0) (i32.const 0) (i32.const 264) (i32.const 268)) (i32.const 28)))
        (call $must (i32.const 84) (i32.eq (call $exec (i32.const 16) (i32.const 11) (i32.const 0) (i32.const 9) (i32.const 300) (i32.const 34)
            (i32.const 0) (i32.const 0)) (i32.const 2)))
        (drop (call $exec (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 9) (i32.const 300) (i32.const 34)
            (i32.const 248) (i32.const 1)))
        (call $exit (i32.const 85))))"#;

/// A program that edits lines itself: it makes its terminal raw, says that it is ready, takes one key without an end of the line, and
/// says that it was the one.
const KEYS: &str = r#"(module
    (import "host_tty" "set_raw_mode" (func $raw (param i32) (result i32)))
    (import "host_tty" "read" (func $read (param i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 1)
    (data (i32.const 0) "\40\00\00\00\01\00\00\00")
    (data (i32.const 64) "?")
    (func $say (param $letter i32)
        (i32.store8 (i32.const 64) (local.get $letter))
        (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 72))))
    (func $must (param $held i32) (param $what i32)
        (if (i32.eqz (local.get $held)) (then (call $say (local.get $what)) (call $exit (i32.const 1)))))
    (func (export "_start")
        (call $must (i32.eqz (call $raw (i32.const 1))) (i32.const 0x61))
        (call $say (i32.const 0x3f))
        (call $must (i32.eq (call $read (i32.const 80) (i32.const 16) (i32.const -1)) (i32.const 1)) (i32.const 0x62))
        (call $must (i32.eq (i32.load8_u (i32.const 80)) (i32.const 0x6b)) (i32.const 0x63))
        ;; Nothing else was typed, which is told at once and after a while.
        (call $must (i32.eqz (call $read (i32.const 80) (i32.const 16) (i32.const 0))) (i32.const 0x64))
        (call $must (i32.eqz (call $read (i32.const 80) (i32.const 16) (i32.const 1))) (i32.const 0x65))
        (call $must (i32.eqz (call $raw (i32.const 0))) (i32.const 0x66))
        (call $must (i32.eqz (call $raw (i32.const 0))) (i32.const 0x67))
        (call $say (i32.const 0x21))))"#;

/// Adds a module under a name.
fn module(store: &Store, dir: &Path, name: &str, text: &str) -> Package {
    let path = dir.join(format!("{name}.wasm"));
    std::fs::write(&path, wat::parse_str(text).unwrap()).unwrap();
    store
        .add(&format!("wasm:{}", path.display()).parse().unwrap(), &())
        .unwrap()
}

#[tokio::test]
async fn programs_of_another_system_run_and_unknown_imports_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    let foreign = module(&store, dir.path(), "foreign", FOREIGN);
    let net = r#"(module (import "host_net" "net_socket" (func (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (func (export "_start")))"#;
    let net = module(&store, dir.path(), "wants-net", net);
    let later = module(&store, dir.path(), "later", LATER);
    let vm = AgentOs::builder()
        .packages([foreign, net, later])
        .create()
        .await
        .unwrap();
    let out = vm.exec("foreign").await.unwrap();
    assert_eq!((out.exit_code, out.stdout_text().as_ref()), (0, "one\n"), "{out:?}");
    let out = vm.exec("later").await.unwrap();
    assert_eq!((out.exit_code, out.stdout_text().as_ref()), (0, "one\n"), "{out:?}");
    assert_eq!(vm.exec("cat /tmp/out").await.unwrap().stdout_text(), "one\n");
    let out = vm.exec("wants-net").await.unwrap();
    assert_eq!(out.exit_code, 126, "{out:?}");
}

#[tokio::test]
async fn a_program_of_another_system_takes_keys_of_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("store")).unwrap();
    let keys = module(&store, dir.path(), "keys", KEYS);
    let vm = AgentOs::builder().package(keys).create().await.unwrap();
    let mut shell = vm.open_shell(ShellOptions::new("keys").size(80, 24)).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"!") {
        let mut byte = [0; 1];
        let read = tokio::time::timeout(std::time::Duration::from_secs(60), shell.read(&mut byte));
        assert_eq!(read.await.unwrap().unwrap(), 1, "{}", String::from_utf8_lossy(&seen));
        seen.push(byte[0]);
        if seen == b"?" {
            shell.write_all(b"k").await.unwrap();
        }
    }
    // The key was not echoed.
    assert_eq!(String::from_utf8_lossy(&seen), "?!");
}

#[tokio::test]
async fn a_program_does_no_more_than_its_tier() {
    use agentos::vfs::{FileType, Filesystem, Gid, MemoryFs, Mode, NewNode, Uid, XattrMode};
    let layer = MemoryFs::new(agentos::system_clock(), agentos::quota(&agentos::Limits::default()));
    let node = |kind, mode| NewNode {
        kind,
        mode: Mode::new(mode),
        uid: Uid::ROOT,
        gid: Gid::ROOT,
        rdev: 0,
    };
    let mut dir = layer.root();
    for name in ["usr", "local", "bin"] {
        let directory = node(FileType::Directory, 0o755);
        dir = layer.mkdir(dir, name.as_bytes(), &directory).unwrap().ino;
    }
    for tier in ["full", "readWrite", "readOnly", "isolated", "unheard-of"] {
        let program = layer
            .create(dir, tier.as_bytes(), &node(FileType::Regular, 0o755))
            .unwrap();
        layer.write(program.ino, 0, b"#!/bin/sh\neval \"$1\"\n").unwrap();
        let mark = "trusted.agentos.tier";
        layer
            .setxattr(program.ino, mark.as_bytes(), tier.as_bytes(), XattrMode::Any)
            .unwrap();
    }
    let vm = AgentOs::builder().lower(layer).create().await.unwrap();
    vm.exec("echo in > inside").await.unwrap();
    let read = ". /etc/hostname 2>/dev/null; read -r line < /etc/hostname && echo $line";
    let tries = [
        ("echo x > made && echo done", "done"),
        (read, "agent-os"),
        ("ls > /dev/null && echo done", "done"),
        ("read -r line < inside && echo $line", "in"),
    ];
    for (program, expected) in [
        ("full", [true, true, true, true]),
        ("readWrite", [true, true, false, true]),
        ("readOnly", [false, true, false, true]),
        ("isolated", [false; 4]),
        ("unheard-of", [false; 4]),
    ] {
        for ((script, says), works) in tries.iter().zip(expected) {
            let out = vm.exec_argv([program, script]).await.unwrap();
            let did = out.stdout_text().trim_end() == *says;
            assert_eq!(did, works, "{program} {script} {out:?}");
        }
    }
    // What is isolated has the working directory; a script, which its interpreter has to read, is run from there.
    for program in ["isolated", "unheard-of"] {
        let read = |file: &str| format!("read -r line < {file} && echo $line");
        let run = |file: &str| vm.exec_argv([program, &read(file)]).cwd("/usr/local/bin");
        assert_eq!(run("full").await.unwrap().stdout_text(), "#!/bin/sh\n");
        assert_eq!(run("../bin/full").await.unwrap().stdout_text(), "#!/bin/sh\n");
        assert_eq!(run("/etc/hostname").await.unwrap().stdout_text(), "");
        assert_eq!(run("../../../etc/hostname").await.unwrap().stdout_text(), "");
    }
    // A program that may start others does not give them more than they have, nor takes it from them.
    let out = vm
        .exec_argv(["full", "readOnly 'echo x > made' || echo refused"])
        .await
        .unwrap();
    assert_eq!(out.stdout_text(), "refused\n", "{out:?}");
    // What was refused is in the audit trail, although no policy had a say in it.
    let mut events = vm.events();
    vm.exec_argv(["readOnly", "echo x > made"]).await.unwrap();
    vm.idle().await;
    drop(vm);
    let mut rules = Vec::new();
    while let Some(event) = events.next().await {
        let agentos::Event::Audit(entry) = event else { continue };
        let entry = entry.to_json();
        if entry["event"] == "security.permission.denied" {
            let text = |field: &str| entry[field].as_str().unwrap().to_owned();
            rules.push([text("scope"), text("operation"), text("rule")].join(" "));
        }
    }
    assert_eq!(rules, ["fs write software.tier.readOnly"]);
}
