//! The Messages API over a socket.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Got, ask, send, serve};
use serde_json::{Value, json};

const SCRIPT: &str = r#"{"turns": [
    {"say": [{"text": "I write a file, then I run it."},
             {"tool": "write", "input": {"path": "/a b", "content": "line \"one\"\n"}},
             {"tool": "bash", "input": {"command": "ls"}}]},
    {"say": [{"text": "It said {{lastResult}}"}]}]}"#;

/// Puts the blocks of a stream together as clients do.
fn assemble(got: &Got) -> (Vec<Value>, Value) {
    let (mut blocks, mut pieces, mut end) = (Vec::<Value>::new(), Vec::<String>::new(), Value::Null);
    for (name, data) in got.events() {
        assert_eq!(data["type"], Value::String(name.clone()), "{data}");
        let index = data["index"].as_u64().unwrap_or(0) as usize;
        match name.as_str() {
            "content_block_start" => {
                assert_eq!(index, blocks.len());
                blocks.push(data["content_block"].clone());
                pieces.push(String::new());
            }
            "content_block_delta" => match data["delta"]["type"].as_str().unwrap() {
                "text_delta" => pieces[index].push_str(data["delta"]["text"].as_str().unwrap()),
                "input_json_delta" => pieces[index].push_str(data["delta"]["partial_json"].as_str().unwrap()),
                other => panic!("{other}"),
            },
            "content_block_stop" if blocks[index]["type"] == "text" => {
                blocks[index]["text"] = pieces[index].clone().into();
            }
            "content_block_stop" => blocks[index]["input"] = serde_json::from_str(&pieces[index]).unwrap(),
            "message_delta" => end = data,
            "message_start" | "message_stop" | "ping" => {}
            other => panic!("{other}"),
        }
    }
    (blocks, end)
}

#[tokio::test]
async fn a_stream_holds_what_the_whole_answer_holds() {
    let server = serve(SCRIPT).await;
    let messages = json!([{"role": "user", "content": [{"type": "text", "text": "go"}]}]);
    let whole = send(&server, "POST", "/v1/messages", &ask(false, &messages)).await;
    assert_eq!((whole.status, whole.kind.as_str()), (200, "application/json"));
    let whole = whole.json();
    assert_eq!(
        (&whole["stop_reason"], &whole["role"]),
        (&json!("tool_use"), &json!("assistant"))
    );
    let streamed = send(&server, "POST", "/v1/messages?beta=true", &ask(true, &messages)).await;
    assert!(streamed.kind.starts_with("text/event-stream"), "{}", streamed.kind);
    let events = streamed.events();
    assert_eq!(events.first().unwrap().0, "message_start");
    assert_eq!(events.last().unwrap().0, "message_stop");
    let (mut blocks, end) = assemble(&streamed);
    assert_eq!(blocks[1]["input"], json!({"path": "/a b", "content": "line \"one\"\n"}));
    assert_eq!(end["delta"]["stop_reason"], "tool_use");
    assert_eq!(end["usage"]["output_tokens"], whole["usage"]["output_tokens"]);
    // Ids are of their requests: no two are the same in a conversation.
    let mut content = whole["content"].as_array().unwrap().clone();
    for (streamed, whole) in blocks.iter_mut().zip(&mut content).skip(1) {
        assert_ne!(streamed["id"], whole["id"]);
        streamed["id"] = Value::Null;
        whole["id"] = Value::Null;
    }
    assert_eq!(blocks, content);
}

#[tokio::test]
async fn the_conversation_goes_on_with_the_results() {
    let server = serve(SCRIPT).await;
    let mut messages = json!([{"role": "user", "content": "go"}]);
    let first = send(&server, "POST", "/v1/messages", &ask(false, &messages))
        .await
        .json();
    let results: Vec<Value> = first["content"].as_array().unwrap().iter().skip(1)
        .map(|tool| json!({"type": "tool_result", "tool_use_id": tool["id"], "content": [{"type": "text", "text": "done"}]}))
        .collect();
    let list = messages.as_array_mut().unwrap();
    list.push(json!({"role": "assistant", "content": first["content"]}));
    list.push(json!({"role": "user", "content": results}));
    let second = send(&server, "POST", "/v1/messages", &ask(false, &messages))
        .await
        .json();
    assert_eq!(second["content"][0]["text"], "It said done");
    assert_eq!(second["stop_reason"], "end_turn");
    let seen = server.seen();
    assert_eq!(
        seen.iter().map(|seen| seen.turn).collect::<Vec<_>>(),
        [Some(0), Some(1)]
    );
    assert_eq!((seen[1].answers, seen[1].last_result.as_deref()), (1, Some("done")));
    assert_eq!(seen[0].tools, ["write", "bash"]);
    // A new prompt begins with the first turn.
    let list = messages.as_array_mut().unwrap();
    list.push(json!({"role": "assistant", "content": second["content"]}));
    list.push(json!({"role": "user", "content": "again"}));
    let third = send(&server, "POST", "/v1/messages", &ask(false, &messages))
        .await
        .json();
    assert_eq!(third["stop_reason"], "tool_use");
}

#[tokio::test]
async fn a_prompt_may_stand_beside_results() {
    let script = r#"{"turns": [
        {"when": {"prompt": "second", "answers": 0}, "say": [{"text": "again"}]},
        {"when": {"prompt": "first", "answers": 0}, "say": [{"tool": "bash", "input": {"command": "x"}}]},
        {"when": {"prompt": "first", "answers": 1, "failed": true}, "say": [{"text": "not then"}]}
    ]}"#;
    let server = serve(script).await;
    let say = async |beside: Value| {
        let uses = json!([{"type": "tool_use", "id": "t", "name": "bash", "input": {"command": "x"}}]);
        let mut answer =
            vec![json!({"type": "tool_result", "tool_use_id": "t", "content": "refused", "is_error": true})];
        answer.extend(beside.as_array().unwrap().iter().cloned());
        let messages = json!([
            {"role": "user", "content": "the first"}, {"role": "assistant", "content": uses}, {"role": "user", "content": answer},
        ]);
        let got = send(&server, "POST", "/v1/messages", &ask(false, &messages))
            .await
            .json();
        got["content"][0]["text"].as_str().unwrap_or_default().to_owned()
    };
    let text = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(say(json!([])).await, "not then");
    assert_eq!(say(json!([text("the second")])).await, "again");
    let reminder = text("<system-reminder>\nIt is the second.\n</system-reminder>");
    assert_eq!(say(json!([reminder, text(" ")])).await, "not then");
    assert_eq!(say(json!([reminder, text("the second")])).await, "again");
    let seen = server.seen();
    let answers: Vec<usize> = seen.iter().map(|seen| seen.answers).collect();
    assert_eq!(answers, [1, 0, 1, 0]);
}

#[tokio::test]
async fn wrong_requests_are_refused_as_the_api_does() {
    let server = serve(SCRIPT).await;
    let user = json!({"role": "user", "content": "go"});
    let uses = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "bash", "input": {}}]});
    let result =
        |id: &str| json!({"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": "x"}]});
    for (messages, said) in [
        (json!([]), "at least one"),
        (json!("go"), "messages: expected an array"),
        (json!([{"role": "robot", "content": "x"}]), "messages.0.role"),
        (json!([{"role": "user"}]), "messages.0.content"),
        (json!([{"role": "user", "content": 3}]), "messages.0.content"),
        (
            json!([{"role": "user", "content": [{"text": "x"}]}]),
            "messages.0.content.0.type",
        ),
        (json!([user, uses]), "tool_use` ids were found without"),
        (json!([user, uses, user]), "tool_use` ids were found without"),
        (json!([user, uses, uses]), "tool_use` ids were found without"),
        (json!([user, uses, result("u")]), "messages.2.content.0.tool_use_id"),
        (json!([user, result("t")]), "messages.1.content.0.tool_use_id"),
    ] {
        let got = send(&server, "POST", "/v1/messages", &ask(true, &messages)).await;
        let error = got.json();
        let message = error["error"]["message"].as_str().unwrap();
        assert_eq!(
            (got.status, &error["type"], &error["error"]["type"]),
            (400, &json!("error"), &json!("invalid_request_error"))
        );
        assert!(message.contains(said), "{messages}: {message}");
    }
    for (body, said) in [
        ("{", "no JSON"),
        ("[]", "an object"),
        (r#"{"model": "m"}"#, "max_tokens"),
        (r#"{"max_tokens": 1}"#, "model"),
    ] {
        let got = send(&server, "POST", "/v1/messages", body).await;
        assert!(got.status == 400 && got.body.contains(said), "{got:?}");
    }
    let got = common::send_with(&server, "POST", "/v1/messages", &[], &ask(false, &json!([user]))).await;
    assert!(got.status == 400 && got.body.contains("anthropic-version"), "{got:?}");
    assert!(server.seen().is_empty());
    // A conversation that is beyond the script.
    let far = json!([user, {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"}]);
    let got = send(&server, "POST", "/v1/messages", &ask(false, &far)).await;
    assert!(got.status == 400 && got.body.contains("answered 2 times"), "{got:?}");
    assert_eq!(server.seen()[0].turn, None);
}

#[tokio::test]
async fn models_and_counts() {
    let server = serve(r#"{"models": ["one", "two"], "turns": []}"#).await;
    let list = send(&server, "GET", "/v1/models", "").await.json();
    assert_eq!(
        (&list["data"][1]["id"], &list["last_id"]),
        (&json!("two"), &json!("two"))
    );
    assert_eq!(send(&server, "GET", "/v1/models/one", "").await.json()["type"], "model");
    let missing = send(&server, "GET", "/v1/models/three", "").await;
    assert_eq!(
        (missing.status, &missing.json()["error"]["type"]),
        (404, &json!("not_found_error"))
    );
    let body = json!({"model": "one", "messages": [{"role": "user", "content": "x".repeat(400)}]}).to_string();
    let counted = send(&server, "POST", "/v1/messages/count_tokens", &body).await.json();
    assert_eq!(counted["input_tokens"], 100);
    for (method, path) in [("GET", "/v1/messages"), ("POST", "/v1/other"), ("GET", "/")] {
        assert_eq!(send(&server, method, path, "").await.status, 404, "{method} {path}");
    }
}
