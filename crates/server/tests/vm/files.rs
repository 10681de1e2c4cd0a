//! Actions on files.

use crate::support::{Client, json, members, text};
use agentos_server::{Registry, ServerLimits, Value, VmDefinition};
use bytes::Bytes;
use serde_json::json;

#[tokio::test]
async fn files_are_written_and_read() {
    let vm = Client::new().await;
    assert_eq!(vm.ok("writeFile", ("/home/user/a", "hello")).await, Value::Undefined);
    assert_eq!(
        vm.ok("readFile", ("/home/user/a",)).await,
        Value::Bytes(Bytes::from("hello"))
    );
    vm.ok("writeFile", ("/home/user/a", Bytes::from_static(b"\xff\x00")))
        .await;
    assert_eq!(
        vm.ok("readFile", ("/home/user/a",)).await,
        Value::Bytes(Bytes::from_static(b"\xff\x00"))
    );
    vm.ok("writeFile", ("/home/user/a", "b", json(json!({ "append": true }))))
        .await;
    assert_eq!(
        vm.ok("readFile", ("/home/user/a",)).await,
        Value::Bytes(Bytes::from_static(b"\xff\x00b"))
    );
}

#[tokio::test]
async fn ranges_are_read() {
    let vm = Client::new().await;
    vm.ok("writeFile", ("/home/user/a", "0123456789")).await;
    for (range, expected) in [
        (json!({ "offset": 3, "length": 4 }), "3456"),
        (json!({ "offset": 8 }), "89"),
        (json!({ "length": 2 }), "01"),
        (json!({ "offset": 20 }), ""),
    ] {
        let read = vm.ok("readFile", ("/home/user/a", json(range.clone()))).await;
        assert_eq!(text(&read), json!(expected), "{range}");
    }
}

#[tokio::test]
async fn errors_have_code_text_and_metadata() {
    let vm = Client::new().await;
    let error = vm.call("readFile", ("/nothing",)).await.unwrap_err();
    assert!(error.is("agentos", "ENOENT"));
    assert_eq!(error.message, "ENOENT: No such file or directory, readFile '/nothing'");
    let metadata = text(&error.metadata.unwrap());
    assert_eq!(
        metadata,
        json!({ "errno": "ENOENT", "syscall": "readFile", "path": "/nothing" })
    );
    for (action, args, code, message) in [
        (
            "readFile",
            vec!["etc"],
            "invalid_argument",
            "Path must be absolute: etc",
        ),
        (
            "readFile",
            vec!["/a/../b"],
            "invalid_argument",
            "Path must be normalized: /a/../b",
        ),
        ("readFile", vec!["/home"], "EISDIR", "EISDIR"),
        ("writeFile", vec!["/proc/x", "y"], "EROFS", "Path is read-only: /proc/x"),
        (
            "writeFile",
            vec!["/etc/agentos/x", "y"],
            "EROFS",
            "Path is read-only: /etc/agentos/x",
        ),
        ("writeFile", vec!["/no/parent", "y"], "ENOENT", "ENOENT"),
        ("mkdir", vec!["/home/user"], "EEXIST", "EEXIST"),
        ("readdir", vec!["/nothing"], "ENOENT", "ENOENT"),
        ("stat", vec!["/nothing"], "ENOENT", "ENOENT"),
        ("move", vec!["/nothing", "/home/user/x"], "ENOENT", "ENOENT"),
        ("deleteFile", vec!["/nothing"], "ENOENT", "ENOENT"),
    ] {
        let args: Vec<Value> = args.into_iter().map(Value::from).collect();
        let (group_code, text) = vm.err(action, crate::support::list(args)).await;
        assert_eq!(group_code, format!("agentos/{code}"), "{action}: {text}");
        assert!(text.starts_with(message), "{action}: {text}");
    }
}

#[tokio::test]
async fn wrong_arguments_are_named() {
    let vm = Client::new().await;
    for (action, args, path) in [
        ("readFile", vec![Value::Undefined], "path"),
        ("readFile", vec![5.into()], "path"),
        ("writeFile", vec!["/home/user/a".into(), 5.into()], "content"),
        (
            "readFile",
            vec!["/a".into(), json(json!({ "offset": -1 }))],
            "options.offset",
        ),
        (
            "readFile",
            vec!["/a".into(), json(json!({ "ofset": 1 }))],
            "options.ofset",
        ),
        ("readFiles", vec!["x".into()], "paths"),
        ("writeFiles", vec![json(json!([{ "path": "/a" }]))], "files[0].content"),
        (
            "mkdir",
            vec!["/a".into(), json(json!({ "recursive": "yes" }))],
            "options.recursive",
        ),
        ("stat", vec!["/a".into(), "b".into()], "arguments[1]"),
    ] {
        let error = vm.call(action, crate::support::list(args)).await.unwrap_err();
        assert!(error.is("agentos", "invalid_argument"), "{error}");
        let metadata = text(error.metadata.as_ref().unwrap());
        assert_eq!(metadata["path"], path, "{metadata}");
        assert!(metadata["expected"].is_string() && metadata["received"].is_string());
    }
}

#[tokio::test]
async fn many_files_succeed_and_fail_apart() {
    let vm = Client::new().await;
    let files = json(json!([
        { "path": "/home/user/new/dir/a", "content": "1" },
        { "path": "relative", "content": "2" },
        { "path": "/home/user/b", "content": "3" },
    ]));
    let written = text(&vm.ok("writeFiles", (files,)).await);
    assert_eq!(written[0], json!({ "path": "/home/user/new/dir/a", "success": true }));
    assert_eq!(written[1]["success"], false);
    assert_eq!(written[1]["code"], "invalid_argument");
    assert_eq!(written[1]["error"], "Path must be absolute: relative");
    let paths = json(json!(["/home/user/b", "/nothing", "/home/user/new/dir/a"]));
    let read = text(&vm.ok("readFiles", (paths,)).await);
    assert_eq!(read[0], json!({ "path": "/home/user/b", "content": "3" }));
    assert_eq!(
        (&read[1]["content"], &read[1]["code"]),
        (&json!(null), &json!("ENOENT"))
    );
    assert_eq!(read[2]["content"], "1");
}

#[tokio::test]
async fn directories_are_listed() {
    let vm = Client::new().await;
    vm.ok("mkdir", ("/home/user/d/e/f", json(json!({ "recursive": true }))))
        .await;
    vm.ok("mkdir", ("/home/user/d/e/f", json(json!({ "recursive": true }))))
        .await;
    vm.ok("writeFile", ("/home/user/d/b", "12")).await;
    vm.ok("writeFile", ("/home/user/d/a", "1")).await;
    vm.ok("exec", ("ln -s b /home/user/d/l",)).await;
    assert_eq!(
        text(&vm.ok("readdir", ("/home/user/d",)).await),
        json!(["a", "b", "e", "l"])
    );
    let all = text(&vm.ok("readdirRecursive", ("/home/user/d",)).await);
    assert_eq!(
        all,
        json!([
            { "path": "/home/user/d/a", "type": "file", "size": 1 },
            { "path": "/home/user/d/b", "type": "file", "size": 2 },
            { "path": "/home/user/d/e", "type": "directory", "size": all[2]["size"] },
            { "path": "/home/user/d/l", "type": "symlink", "size": 1 },
            { "path": "/home/user/d/e/f", "type": "directory", "size": all[4]["size"] },
        ])
    );
    let direct = vm
        .ok(
            "readdirRecursive",
            ("/home/user/d", json(json!({ "maxDepth": 0, "exclude": ["e"] }))),
        )
        .await;
    assert_eq!(direct.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn attributes_have_the_documented_shape() {
    let vm = Client::new().await;
    vm.ok("writeFile", ("/home/user/a", "12")).await;
    let stat = vm.ok("stat", ("/home/user/a",)).await;
    assert_eq!(
        members(&stat),
        [
            "mode",
            "size",
            "blocks",
            "dev",
            "rdev",
            "isDirectory",
            "isSymbolicLink",
            "atimeMs",
            "mtimeMs",
            "ctimeMs",
            "birthtimeMs",
            "ino",
            "nlink",
            "uid",
            "gid"
        ]
    );
    assert_eq!(stat.get("size"), Some(&Value::Int(2)));
    assert_eq!(stat.get("uid"), Some(&Value::Int(1000)));
    assert_eq!(stat.get("mode"), Some(&Value::Int(0o100_644)));
    assert_eq!(vm.ok("exists", ("/home/user/a",)).await, Value::Bool(true));
    vm.ok("exec", ("ln -s nowhere /home/user/dangling",)).await;
    assert_eq!(vm.ok("exists", ("/home/user/dangling",)).await, Value::Bool(false));
}

#[tokio::test]
async fn files_are_moved_and_removed() {
    let vm = Client::new().await;
    vm.ok("writeFile", ("/home/user/a", "1")).await;
    // From a persistent path to one that is not.
    vm.ok("move", ("/home/user/a", "/tmp/b")).await;
    assert_eq!(text(&vm.ok("readFile", ("/tmp/b",)).await), "1");
    vm.ok("mkdir", ("/tmp/d",)).await;
    vm.ok("move", ("/tmp/b", "/tmp/d/b")).await;
    assert_eq!(vm.err("deleteFile", ("/tmp/d",)).await.0, "agentos/ENOTEMPTY");
    vm.ok("delete", ("/tmp/d", json(json!({ "recursive": true })))).await;
    assert_eq!(vm.ok("exists", ("/tmp/d",)).await, Value::Bool(false));
}

#[tokio::test]
async fn what_no_message_holds_is_refused_with_a_hint() {
    let mut limits = ServerLimits::default();
    limits.set("maxOutgoingMessageSize", 4096).unwrap();
    let registry = Registry::builder()
        .vm("vm", VmDefinition::default())
        .limits(limits)
        .build()
        .unwrap();
    let vm = Client::of(registry).await;
    vm.ok("writeFile", ("/home/user/a", "x".repeat(5000))).await;
    let (code, message) = vm.err("readFile", ("/home/user/a",)).await;
    assert_eq!(code, "actor/message_too_large");
    assert!(message.contains("{ offset, length }"), "{message}");
    let range = json(json!({ "offset": 4000, "length": 4000 }));
    assert_eq!(
        vm.ok("readFile", ("/home/user/a", range))
            .await
            .as_bytes()
            .unwrap()
            .len(),
        1000
    );
    let both = json(json!(["/home/user/a"]));
    assert_eq!(text(&vm.ok("readFiles", (both,)).await)[0]["code"], "message_too_large");
}
