//! The Responses API over a socket.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod common;

use common::{Got, send_with, serve};
use serde_json::{Value, json};

const SCRIPT: &str = r#"{"turns": [
    {"say": [{"text": "I write a file, then I run it."},
             {"tool": "write", "input": {"path": "/a", "content": "line \"one\"\n"}},
             {"tool": "bash", "input": {"command": "ls"}}]},
    {"say": [{"text": "It said {{lastResult}}"}]}]}"#;

fn ask(stream: bool, input: &Value) -> String {
    let tools = json!([
        {"type": "function", "name": "exec_command", "strict": false, "parameters": {"properties": {"cmd": {}}}},
        {"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": ""}},
        {"type": "web_search"}]);
    json!({"model": "m", "stream": stream, "instructions": "i", "input": input, "tools": tools, "store": false})
        .to_string()
}

async fn post(server: &agentos_model::ModelServer, body: &str) -> Got {
    send_with(server, "POST", "/v1/responses", &[("authorization", "Bearer k")], body).await
}

/// Puts the items of a stream together as clients do, from its deltas.
fn assemble(got: &Got) -> (Vec<Value>, Value) {
    let (mut items, mut done, mut pieces, mut end) = (0, Vec::new(), Vec::<String>::new(), Value::Null);
    for (at, (name, data)) in got.events().into_iter().enumerate() {
        assert_eq!((&data["type"], &data["sequence_number"]), (&json!(name), &json!(at)));
        let index = usize::try_from(data["output_index"].as_u64().unwrap_or(0)).unwrap();
        match name.as_str() {
            "response.output_item.added" => {
                assert_eq!((index, &data["item"]["status"]), (items, &json!("in_progress")));
                items += 1;
                pieces.push(String::new());
            }
            "response.output_item.done" => {
                let item = &data["item"];
                let whole = match item["type"].as_str().unwrap() {
                    "message" => &item["content"][0]["text"],
                    "function_call" => &item["arguments"],
                    "custom_tool_call" => &item["input"],
                    other => panic!("{other}"),
                };
                assert_eq!(*whole, json!(pieces[index]));
                done.push(item.clone());
            }
            "response.completed" => end = data["response"].clone(),
            name if name.ends_with(".delta") => {
                assert_eq!(items, index + 1);
                pieces[index].push_str(data["delta"].as_str().unwrap());
            }
            _ => assert_eq!(end, Value::Null, "{name}"),
        }
    }
    (done, end)
}

#[tokio::test]
async fn a_stream_holds_what_the_whole_answer_holds() {
    let server = serve(SCRIPT).await;
    let mut input = json!([
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "d"}]},
        {"role": "user", "content": [{"type": "input_text", "text": "go"}]}]);
    let whole = post(&server, &ask(false, &input)).await.json();
    assert_eq!(
        (&whole["object"], &whole["status"]),
        (&json!("response"), &json!("completed"))
    );
    let kinds: Vec<&Value> = whole["output"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| &item["type"])
        .collect();
    assert_eq!(kinds, ["message", "custom_tool_call", "function_call"]);
    assert_eq!(
        whole["output"][1]["input"].as_str().unwrap().lines().nth(2),
        Some("+line \"one\"")
    );
    assert_eq!(whole["output"][2]["arguments"], r#"{"cmd":"ls"}"#);

    let streamed = post(&server, &ask(true, &input)).await;
    assert!(streamed.kind.starts_with("text/event-stream"), "{}", streamed.kind);
    let (items, end) = assemble(&streamed);
    assert_eq!(end["output"], json!(items));
    assert_eq!(end["usage"], whole["usage"]);

    // Several items are one answer of the model, thoughts before them included.
    let list = input.as_array_mut().unwrap();
    list.push(json!({"type": "reasoning", "summary": []}));
    list.extend(items.iter().cloned());
    list.push(json!({"type": "custom_tool_call_output", "call_id": items[1]["call_id"], "output": "written"}));
    let output = json!([{"type": "input_text", "text": "hello"}]);
    list.push(json!({"type": "function_call_output", "call_id": items[2]["call_id"], "output": output}));
    let second = post(&server, &ask(false, &input)).await.json();
    assert_eq!(second["output"][0]["content"][0]["text"], "It said hello");
    let seen = server.seen();
    assert_eq!(
        (seen[2].api, seen[2].answers, seen[2].prompt.as_str()),
        ("responses", 1, "go")
    );
    assert_eq!(seen[2].tools, ["exec_command", "apply_patch"]);
}

#[tokio::test]
async fn an_input_may_be_a_text() {
    let server = serve(SCRIPT).await;
    let got = post(&server, &ask(false, &json!("go on"))).await.json();
    assert_eq!(got["output"][0]["role"], "assistant");
    assert_eq!(server.seen()[0].prompt, "go on");
}

#[tokio::test]
async fn errors_have_the_shape_of_the_api() {
    let server = serve(SCRIPT).await;
    let called = json!({"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"});
    for (input, said) in [
        (json!([]), "at least one"),
        (json!(1), "input: expected an array"),
        (json!([{"role": "robot", "content": "x"}]), "input.0.role"),
        (json!([{"role": "user"}]), "input.0.content"),
        (json!([{"type": 3}]), "input.0.type"),
        (json!([{"type": "function_call"}]), "input.0.call_id"),
        (json!([called]), "No tool output found for function call c."),
        (
            json!([{"type": "function_call_output", "call_id": "c", "output": "x"}]),
            "input.0.call_id",
        ),
    ] {
        let got = post(&server, &ask(true, &input)).await;
        let error = got.json();
        let message = error["error"]["message"].as_str().unwrap();
        assert!(got.status == 400 && message.contains(said), "{input}: {error}");
    }
    let earlier = json!({"model": "m", "input": "x", "previous_response_id": "resp_1"}).to_string();
    let refused = post(&server, &earlier).await.json();
    assert!(
        refused["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("previous_response_id")
    );
    assert_eq!(server.seen().len(), 0);
    // Clients that try a WebSocket first learn at once that there is none.
    let socket = send_with(&server, "GET", "/v1/responses", &[("upgrade", "websocket")], "").await;
    assert_eq!(socket.status, 426);
}
