//! `vmFetch`.

use crate::support::{Client, json, members, text};
use serde_json::json;

#[tokio::test]
async fn nothing_listens() {
    let vm = Client::new().await;
    let error = vm.call("vmFetch", (8080, "/")).await.unwrap_err();
    assert!(error.is("agentos", "no_listener"), "{error:?}");
    assert_eq!(text(&error.metadata.unwrap()), json!({ "port": 8080 }));
}

#[tokio::test]
async fn wrong_requests_are_named() {
    let vm = Client::new().await;
    for (args, path) in [
        (vec![json(json!(0)), json(json!("/"))], "port"),
        (vec![json(json!(80)), json(json!("no path"))], "url"),
        (
            vec![json(json!(80)), json(json!("/")), json(json!({ "method": "A B" }))],
            "options.method",
        ),
        (
            vec![
                json(json!(80)),
                json(json!("/")),
                json(json!({ "headers": { "a b": "c" } })),
            ],
            "options.headers.a b",
        ),
        (
            vec![
                json(json!(80)),
                json(json!("/")),
                json(json!({ "headers": { "a": "b\nc" } })),
            ],
            "options.headers.a",
        ),
        (
            vec![json(json!(80)), json(json!("/")), json(json!({ "body": 5 }))],
            "options.body",
        ),
    ] {
        let error = vm.call("vmFetch", crate::support::list(args)).await.unwrap_err();
        assert!(error.is("agentos", "invalid_argument"), "{error:?}");
        assert_eq!(error.metadata.unwrap().get("path").unwrap().as_str(), Some(path));
    }
}

#[tokio::test]
async fn a_server_in_the_vm_answers() {
    let vm = Client::new().await;
    vm.subscribe("processOutput");
    vm.subscribe("processExit");
    let answer = r"HTTP/1.1 201 Made\r\nContent-Length: 2\r\nX-A: b\r\nX-A: c\r\n\r\nhi";
    let script = format!("printf '{answer}' | nc -v -l 8081 > /tmp/request");
    vm.ok("spawn", ("sh", json(json!(["-c", script])))).await;
    // It says that it listens.
    vm.event().await;
    let options = json(json!({ "method": "put", "headers": { "x-own": "1" } }));
    let response = vm.ok("vmFetch", (8081, "http://name.test/x?y", options)).await;
    assert_eq!(members(&response), ["status", "statusText", "headers", "body"]);
    let response = text(&response);
    assert_eq!((&response["status"], &response["body"]), (&json!(201), &json!("hi")));
    assert_eq!(response["headers"]["x-a"], "b, c");
    // The answer was under way before the request was read: what was asked is there in full when the server has ended.
    while vm.event().await.0 != "processExit" {}
    let request = text(&vm.ok("readFile", ("/tmp/request",)).await);
    let request = request.as_str().unwrap();
    assert!(
        request.starts_with("PUT /x?y HTTP/1.1") && request.contains("x-own: 1"),
        "{request}"
    );
    assert!(request.contains("host: name.test"), "{request}");
}
