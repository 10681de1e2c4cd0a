//! Rules about files, against shell scripts that try to get around them, and against clients of the VM.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::{AgentOs, Errno, Error, ListOptions, Mount, Policy};
use serde_json::{Value, json};

async fn vm(permissions: Value) -> AgentOs {
    let policy = Policy::from_json(&permissions).expect("a policy");
    let vm = AgentOs::builder().permissions(policy).create().await.expect("a VM");
    let host = vm.as_host();
    host.mkdir_all("/home/user/secret/deep").await.unwrap();
    host.mkdir("/home/user/work").await.unwrap();
    for file in ["secret/key", "secret/deep/key", "work/mine", "work/.env"] {
        let path = format!("/home/user/{file}");
        host.write_file(path, format!("content of {file}\n")).await.unwrap();
    }
    vm
}

fn deny(operations: &[&str], paths: &[&str]) -> Value {
    json!({ "fs": { "default": "allow", "rules": [{ "mode": "deny", "operations": operations, "paths": paths }] } })
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    let error = result.expect_err("the policy refuses it");
    assert_eq!(
        (error.code(), error.errno()),
        ("EACCES", Some(Errno::EACCES)),
        "{error}"
    );
    let denied = error.denied().unwrap_or_else(|| panic!("not by the policy: {error}"));
    format!("{} {}", denied.operation.name(), denied.resource_text())
}

/// Each line is one attempt; none may print what is hidden.
const ATTEMPTS: &str = r#"
cat secret/key
cat /home/user/secret/key
cat ./work/../secret/./key
cd secret && cat key
cd secret/deep && cat ../key
ln -s secret/key link1; cat link1
ln -s secret dir1; cat dir1/key; cat dir1/deep/key
ln -s secret dir1; ln -s dir1 dir2; ln -s dir2/deep dir3; cat dir3/../key
ln secret/key hard1; cat hard1
mv secret/key work/key; cat work/key
mv secret open; cat open/key
mv secret/deep work/deep; cat work/deep/key
cp secret/key copy; cat copy
cp -r secret copies; cat copies/key
cat < secret/key
exec 3<secret/key; cat <&3
exec 3>>secret/key; cat /proc/self/fd/3
exec 3>>secret/key; cat /dev/fd/3
exec 3<>secret/key; cat <&3
cat /dev/stdin < secret/key
cat /proc/self/cwd/secret/key
cat /proc/self/root/home/user/secret/key
cat /proc/$$/cwd/secret/key
(cd secret/deep; cat /proc/self/cwd/../key)
head -c 100 secret/key; tail -1 secret/key; grep -r content secret; sort secret/key; dd if=secret/key
tar cf - secret | tar xf - -C work; cat work/secret/key
sh secret/key
. secret/key
echo secret/key | xargs cat
find . -type f -exec cat {} +
"#;

#[tokio::test]
async fn a_script_gets_at_nothing_that_it_may_not_read() {
    for attempt in ATTEMPTS.trim().lines() {
        let vm = vm(deny(&["read"], &["/home/user/secret/**"])).await;
        let output = vm.exec(attempt).await.unwrap();
        let all = format!("{}{}", output.stdout_text(), output.stderr_text());
        assert!(!all.contains("content of secret"), "{attempt}\n{all}");
    }
}

/// The attempts are real ones: without rules each of them succeeds.
#[tokio::test]
async fn without_rules_every_attempt_succeeds() {
    let mut failed = Vec::new();
    for attempt in ATTEMPTS.trim().lines() {
        let vm = vm(json!("default")).await;
        let output = vm.exec(attempt).await.unwrap();
        let all = format!("{}{}", output.stdout_text(), output.stderr_text());
        if !all.contains("content of secret") && !all.contains("content: command not found") {
            failed.push(format!("{attempt}\n{all}"));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[tokio::test]
async fn a_guest_is_told_and_may_do_the_rest() {
    let vm = vm(deny(&["read"], &["/home/user/secret/**", "/**/.env"])).await;
    let output = vm.exec("cat secret/key; ls secret; cat work/mine").await.unwrap();
    assert_eq!(output.stdout_text(), "deep\nkey\ncontent of work/mine\n");
    assert!(
        output.stderr_text().contains("ermission denied"),
        "{}",
        output.stderr_text()
    );
    // A directory with a protected name in it is moved, and the name stays protected.
    let script = "mv work moved && cat moved/mine; cat moved/.env";
    let output = vm.exec(script).await.unwrap();
    assert_eq!(
        output.stdout_text(),
        "content of work/mine\n",
        "{}",
        output.stderr_text()
    );
}

#[tokio::test]
async fn a_tree_that_is_only_to_be_read_stays_as_it_is() {
    let all = ["write", "create_dir", "rm", "rename", "symlink", "chmod", "truncate"];
    let vm = vm(deny(&all, &["/home/user/secret/**"])).await;
    let script = "
        echo x > secret/key; echo x >> secret/new; : > secret/key; mkdir secret/d; rm secret/key; rmdir secret/deep
        mv secret/key secret/k2; mv work/mine secret/mine; ln -s x secret/l; ln work/mine secret/hard; chmod 0 secret/key
        touch secret/key; truncate -s 0 secret/key; cp work/mine secret/key; rm -rf secret; mv secret away; mkfifo secret/p
        exec 3<secret/key; chmod 0 /proc/self/fd/3; ln secret/key work/hard && echo changed > work/hard
        sed -i s/content/x/ secret/key; tee secret/key < work/mine; dd if=work/mine of=secret/key; sort -o secret/key work/mine
        find secret -ls | sed 's/^ *[0-9]*//' > /dev/null; find secret | sort; cat secret/key";
    let output = vm.exec(script).await.unwrap();
    let expected = "secret\nsecret/deep\nsecret/deep/key\nsecret/key\ncontent of secret/key\n";
    let shown = output.stdout_text();
    assert!(shown.ends_with(expected), "{shown}\n{}", output.stderr_text());
    assert!(!vm.as_host().exists("/home/user/work/hard").await.unwrap());
}

#[tokio::test]
async fn clients_are_bound_and_the_host_is_not() {
    let all = [
        "read",
        "write",
        "stat",
        "readdir",
        "create_dir",
        "rm",
        "rename",
        "symlink",
        "readlink",
        "chmod",
        "truncate",
    ];
    let vm = vm(deny(&all, &["/home/user/secret/**"])).await;
    let key = "/home/user/secret/key";
    assert_eq!(refused(vm.read_file(key).await), format!("read {key}"));
    assert_eq!(refused(vm.read_file_range(key, 0, 1).await), format!("read {key}"));
    assert_eq!(refused(vm.write_file(key, "x").await), format!("write {key}"));
    assert_eq!(refused(vm.append_file(key, "x").await), format!("write {key}"));
    assert_eq!(
        refused(vm.write_file("/home/user/secret/new", "x").await),
        "write /home/user/secret/new"
    );
    assert_eq!(refused(vm.stat(key).await), format!("stat {key}"));
    assert_eq!(refused(vm.lstat(key).await), format!("stat {key}"));
    assert_eq!(refused(vm.exists(key).await), format!("stat {key}"));
    assert_eq!(
        refused(vm.read_dir("/home/user/secret").await),
        "readdir /home/user/secret"
    );
    assert_eq!(
        refused(vm.mkdir("/home/user/secret/d").await),
        "create_dir /home/user/secret/d"
    );
    assert_eq!(refused(vm.remove(key).await), format!("rm {key}"));
    assert_eq!(
        refused(vm.remove_all("/home/user/secret").await),
        "rm /home/user/secret"
    );
    assert_eq!(refused(vm.rename(key, "/home/user/k").await), format!("rename {key}"));
    assert_eq!(
        refused(vm.symlink("x", "/home/user/secret/l").await),
        "symlink /home/user/secret/l"
    );
    assert_eq!(refused(vm.chmod(key, 0o777).await), format!("chmod {key}"));
    assert_eq!(refused(vm.read_link(key).await), format!("readlink {key}"));
    let listed = vm
        .read_dir_recursive("/home/user", ListOptions::default())
        .await
        .unwrap();
    let paths: Vec<&str> = listed.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/home/user/secret",
            "/home/user/work",
            "/home/user/work/.env",
            "/home/user/work/mine"
        ]
    );

    let host = vm.as_host();
    assert_eq!(host.read_text(key).await.unwrap(), "content of secret/key\n");
    host.write_file(key, "new").await.unwrap();
    host.append_file(key, "er").await.unwrap();
    assert_eq!(host.stat(key).await.unwrap().size, 5);
    assert_eq!(host.read_dir("/home/user/secret").await.unwrap(), ["deep", "key"]);
    host.rename(key, "/home/user/secret/k2").await.unwrap();
    host.remove_all("/home/user/secret/deep").await.unwrap();
    // A path that only leads there is no way in either.
    vm.symlink("secret", "/home/user/way").await.unwrap();
    assert_eq!(
        refused(vm.read_file("/home/user/way/k2").await),
        "read /home/user/secret/k2"
    );
    assert_eq!(
        refused(vm.write_file("/home/user/way/k2", "x").await),
        "write /home/user/secret/k2"
    );
}

/// Replacing a file is one operation to a client, however it is done.
#[tokio::test]
async fn a_client_writes_where_it_may_write_and_nowhere_else() {
    let vm = vm(json!({ "fs": { "rules": [
        { "mode": "allow", "operations": ["read", "stat", "write", "truncate"], "paths": ["/home/user/work/*.txt"] } ] } }))
    .await;
    let path = "/home/user/work/a.txt";
    vm.write_file(path, "one").await.unwrap();
    vm.write_file(path, "three").await.unwrap();
    assert_eq!(vm.read_text(path).await.unwrap(), "three");
    vm.append_file(path, "!").await.unwrap();
    assert_eq!(
        refused(vm.write_file("/home/user/work/a.md", "x").await),
        "write /home/user/work/a.md"
    );
    let names = vm.as_host().read_dir("/home/user/work").await.unwrap();
    assert_eq!(names, [".env", "a.txt", "mine"]);
    // Whoever may write but not cut cannot replace.
    let vm = self::vm(deny(&["truncate"], &["/home/user/work/mine"])).await;
    assert_eq!(
        refused(vm.write_file("/home/user/work/mine", "x").await),
        "truncate /home/user/work/mine"
    );
    assert_eq!(
        vm.read_text("/home/user/work/mine").await.unwrap(),
        "content of work/mine\n"
    );
}

#[tokio::test]
async fn mounting_over_a_protected_path_needs_its_own_right() {
    let policy = || Policy::from_json(&deny(&["mount_sensitive"], &["/**"])).unwrap();
    // What the operator mounts is the operator's affair.
    let builder = AgentOs::builder().permissions(policy());
    let vm = builder.mount(Mount::memory("/etc/given")).create().await.unwrap();
    assert_eq!(
        refused(vm.mount(Mount::memory("/etc/conf")).await),
        "mount_sensitive /etc/conf"
    );
    assert_eq!(
        refused(vm.mount(Mount::memory("/usr/bin")).await),
        "mount_sensitive /usr/bin"
    );
    // Through the link that leads there, too, and through one that a guest made.
    assert_eq!(
        refused(vm.mount(Mount::memory("/bin")).await),
        "mount_sensitive /usr/bin"
    );
    vm.exec("ln -s /etc /tmp/way").await.unwrap();
    assert_eq!(
        refused(vm.mount(Mount::memory("/tmp/way/x")).await),
        "mount_sensitive /etc/x"
    );
    assert_eq!(refused(vm.unmount("/etc/given").await), "mount_sensitive /etc/given");
    vm.mount(Mount::memory("/srv/data")).await.unwrap();
    vm.unmount("/srv/data").await.unwrap();
    vm.as_host().mount(Mount::memory("/etc/conf")).await.unwrap();
}

/// A program that knows preview 1 only finds the root open; that is where its paths start and gives no right.
#[tokio::test]
async fn a_preview_1_program_is_bound_by_the_same_rules() {
    let opens = |path: &str| {
        format!(
            r#"(module
                (import "wasi_snapshot_preview1" "path_open"
                    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
                (import "wasi_snapshot_preview1" "fd_readdir"
                    (func $list (param i32 i32 i32 i64 i32) (result i32)))
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (data (i32.const 64) "{path}")
                (func (export "_start")
                    (call $exit (i32.add
                        (call $open (i32.const 3) (i32.const 1) (i32.const 64) (i32.const {len}) (i32.const 0)
                            (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 0))
                        (i32.mul (i32.const 10)
                            (i32.ne (i32.const 0)
                                (call $list (i32.const 3) (i32.const 256) (i32.const 64) (i64.const 0) (i32.const 8))))))))"#,
            len = path.len()
        )
    };
    let vm = vm(json!({ "fs": { "rules": [
        { "mode": "allow", "operations": ["read"], "paths": ["/home/user/*.wasm", "/home/user/work/**"] } ] } }))
    .await;
    // 2 is EACCES of preview 1; listing the root is refused as well.
    for (path, status) in [
        ("home/user/work/mine", 10),
        ("home/user/secret/key", 12),
        ("home/user/work/../secret/key", 12),
        // An absolute path is no path under the preopen: 76, and 10.
        ("/home/user/secret/key", 86),
    ] {
        let host = vm.as_host();
        let module = wat::parse_str(opens(path)).unwrap();
        host.write_file("/home/user/tool.wasm", module).await.unwrap();
        host.chmod("/home/user/tool.wasm", 0o755).await.unwrap();
        let output = vm.exec_argv(["/home/user/tool.wasm"]).await.unwrap();
        assert_eq!(output.exit_code, status, "{path}: {}", output.stderr_text());
    }
}

#[tokio::test]
async fn a_fork_is_under_the_same_policy() {
    let vm = vm(deny(&["read"], &["/home/user/secret/**"])).await;
    let fork = vm.fork().await.unwrap();
    assert_eq!(
        refused(fork.read_file("/home/user/secret/key").await),
        "read /home/user/secret/key"
    );
}
