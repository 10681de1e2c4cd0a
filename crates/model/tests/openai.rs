//! Chat completions over a socket.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod common;

use common::{send_with, serve};
use serde_json::{Value, json};

const SCRIPT: &str = r#"{"turns": [
    {"say": [{"text": "First I look."}, {"text": "Then I say."}, {"tool": "bash", "input": {"command": "cat a"}}]},
    {"say": [{"text": "It said {{lastResult}}"}]}]}"#;

fn ask(stream: bool, messages: &Value) -> String {
    let tools =
        json!([{"type": "function", "function": {"name": "bash", "parameters": {"properties": {"command": {}}}}}]);
    json!({"model": "m", "stream": stream, "stream_options": {"include_usage": true}, "messages": messages, "tools": tools})
        .to_string()
}

#[tokio::test]
async fn a_stream_holds_what_the_whole_answer_holds() {
    let server = serve(SCRIPT).await;
    let mut messages = json!([{"role": "system", "content": "s"}, {"role": "user", "content": "go"}]);
    let whole = send_with(&server, "POST", "/v1/chat/completions", &[], &ask(false, &messages))
        .await
        .json();
    let message = &whole["choices"][0]["message"];
    assert_eq!(message["content"], "First I look.\n\nThen I say.");
    assert_eq!(whole["choices"][0]["finish_reason"], "tool_calls");
    let streamed = send_with(&server, "POST", "/chat/completions", &[], &ask(true, &messages)).await;
    let events = streamed.events();
    assert_eq!(events.last().unwrap().1, "[DONE]");
    let (mut text, mut arguments, mut finish, mut usage) = (String::new(), String::new(), Value::Null, Value::Null);
    for (_, chunk) in &events[..events.len() - 1] {
        assert_eq!(chunk["object"], "chat.completion.chunk");
        let Some(choice) = chunk["choices"].get(0) else {
            usage = chunk["usage"].clone();
            continue;
        };
        text.push_str(choice["delta"]["content"].as_str().unwrap_or_default());
        if let Some(call) = choice["delta"]["tool_calls"].get(0) {
            arguments.push_str(call["function"]["arguments"].as_str().unwrap());
        }
        if !choice["finish_reason"].is_null() {
            finish = choice["finish_reason"].clone();
        }
    }
    assert_eq!(text, message["content"]);
    assert_eq!(arguments, message["tool_calls"][0]["function"]["arguments"]);
    assert_eq!((finish, &usage), (json!("tool_calls"), &whole["usage"]));

    let call = message["tool_calls"][0]["id"].clone();
    let list = messages.as_array_mut().unwrap();
    list.push(message.clone());
    list.push(json!({"role": "tool", "tool_call_id": call, "content": "hello"}));
    let second = send_with(&server, "POST", "/v1/chat/completions", &[], &ask(false, &messages))
        .await
        .json();
    assert_eq!(second["choices"][0]["message"]["content"], "It said hello");
    assert_eq!(second["choices"][0]["finish_reason"], "stop");
    assert_eq!(server.seen()[0].api, "openai");
}

#[tokio::test]
async fn errors_have_the_shape_of_the_api() {
    let server = serve(SCRIPT).await;
    let called = json!({"role": "assistant", "content": null, "tool_calls": [{"id": "c"}]});
    for (messages, said) in [
        (json!([]), "at least one"),
        (json!([{"role": "robot"}]), "messages.0.role"),
        (json!([called]), "must be followed"),
        (json!([called, {"role": "user", "content": "x"}]), "must be followed"),
        (
            json!([{"role": "tool", "tool_call_id": "c", "content": "x"}]),
            "messages.0.tool_call_id",
        ),
    ] {
        let got = send_with(&server, "POST", "/v1/chat/completions", &[], &ask(true, &messages)).await;
        let error = got.json();
        let message = error["error"]["message"].as_str().unwrap();
        assert!(got.status == 400 && message.contains(said), "{messages}: {error}");
        assert!(error.get("type").is_none());
    }
    let list = send_with(&server, "GET", "/v1/models", &[], "").await.json();
    assert_eq!(
        (&list["object"], &list["data"][0]["object"]),
        (&json!("list"), &json!("model"))
    );
}
