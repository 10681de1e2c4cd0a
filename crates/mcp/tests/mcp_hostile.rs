//! Clients that do not keep to the protocol, on a pair of streams.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

mod support;

use agentos::AgentOs;
use agentos_mcp::{Limits, LocalVm, Server, stdio};
use serde_json::{Value, json};
use support::pipe;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};

/// A client that writes what it likes.
struct Raw {
    input: BufReader<ReadHalf<DuplexStream>>,
    output: WriteHalf<DuplexStream>,
}

impl Raw {
    fn new(server: &Server) -> Self {
        let (input, output) = tokio::io::split(pipe(server));
        Self {
            input: BufReader::new(input),
            output,
        }
    }

    async fn begun(server: &Server) -> Self {
        let mut raw = Self::new(server);
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "0" } });
        raw.say(json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }))
            .await;
        assert_eq!(raw.hear().await["result"]["serverInfo"]["name"], "agentos");
        raw.say(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
        raw
    }

    async fn say(&mut self, message: Value) {
        self.write(format!("{message}\n").as_bytes()).await;
    }

    async fn write(&mut self, bytes: &[u8]) {
        self.output.write_all(bytes).await.expect("the server reads");
    }

    async fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.input.read_line(&mut line).await.expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    async fn ping(&mut self, id: u64) {
        self.say(json!({ "jsonrpc": "2.0", "id": id, "method": "ping" })).await;
        let answer = self.hear().await;
        assert_eq!((&answer["id"], &answer["result"]), (&json!(id), &json!({})), "{answer}");
    }
}

async fn server(limits: Limits) -> Server {
    let vm = AgentOs::create().await.unwrap();
    Server::new(LocalVm::new(vm, "/home/user"), limits).await
}

#[tokio::test]
async fn what_is_no_message_is_answered_and_the_next_one_read() {
    let mut raw = Raw::begun(&server(Limits::default()).await).await;
    for (line, code) in [
        ("{", -32700),
        ("not json", -32700),
        ("\u{1}\u{2}", -32700),
        ("[]", -32600),
        ("3", -32600),
        ("{}", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600),
    ] {
        raw.write(format!("{line}\n").as_bytes()).await;
        let answer = raw.hear().await;
        assert_eq!(
            (&answer["error"]["code"], &answer["id"]),
            (&json!(code), &Value::Null),
            "{line}: {answer}"
        );
    }
    raw.write(b"\n\r\n  \n").await;
    raw.write(b"\xff\xfe\n").await;
    assert_eq!(raw.hear().await["error"]["code"], -32700);
    raw.ping(7).await;
}

#[tokio::test]
async fn unknown_methods_and_wrong_parameters_are_refused() {
    let mut raw = Raw::begun(&server(Limits::default()).await).await;
    for (method, params, code) in [
        ("no/such", json!({}), -32601),
        ("prompts/list", json!({}), -32601),
        ("prompts/get", json!({ "name": "x" }), -32601),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "x" }, "argument": { "name": "a", "value": "" } }),
            -32602,
        ),
        ("tools/call", json!({ "name": "nothing" }), -32602),
        ("resources/read", json!({ "uri": "file:///none" }), -32002),
    ] {
        raw.say(json!({ "jsonrpc": "2.0", "id": "x", "method": method, "params": params }))
            .await;
        let answer = raw.hear().await;
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&json!("x"), &json!(code)),
            "{method}: {answer}"
        );
    }
    for method in ["tools/call", "resources/read"] {
        raw.say(json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "name": 3, "uri": 3 } }))
            .await;
        let answer = raw.hear().await;
        assert!(answer["error"]["code"].is_i64(), "{answer}");
    }
    // Answers to nothing and cancellations of nothing are ignored.
    raw.say(json!({ "jsonrpc": "2.0", "id": 99, "result": {} })).await;
    raw.say(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 99 } }))
        .await;
    raw.ping(8).await;
}

#[tokio::test]
async fn a_line_beyond_the_bound_is_named_and_skipped() {
    let mut limits = Limits::default();
    limits.max_message_bytes = 1000;
    let mut raw = Raw::begun(&server(limits).await).await;
    for length in [1001, 100_000] {
        let line = vec![b'x'; length - 1];
        let writes = async {
            raw.output.write_all(&line).await.unwrap();
            raw.output.write_all(b"\n").await.unwrap();
        };
        writes.await;
        let answer = raw.hear().await;
        let limit = json!({ "limit": "mcp.maxMessageBytes", "observed": length, "cap": 1000, "field": "message" });
        assert_eq!(answer["error"]["data"]["limit"], limit, "{answer}");
        raw.ping(1).await;
    }
}

#[tokio::test]
async fn a_flood_without_a_reader_is_held_up_and_then_answered() {
    let Raw { mut input, mut output } = Raw::begun(&server(Limits::default()).await).await;
    let count = 20_000;
    let flood = tokio::spawn(async move {
        for id in 0..count {
            let message = json!({ "jsonrpc": "2.0", "id": id, "method": "ping" });
            output.write_all(format!("{message}\n").as_bytes()).await.unwrap();
        }
        output
    });
    let mut answered = vec![false; count];
    let mut line = String::new();
    for _ in 0..count {
        line.clear();
        input.read_line(&mut line).await.unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        let id = usize::try_from(answer["id"].as_u64().unwrap()).unwrap();
        assert!(!std::mem::replace(&mut answered[id], true), "{id} was answered twice");
    }
    drop(flood.await.unwrap());
}

#[tokio::test]
async fn clients_that_leave_end_their_service_alone() {
    let server = server(Limits::default()).await;
    // Without a word, in the middle of a word, and with a call under way.
    for bytes in [&b""[..], b"{\"jsonrpc\":\"2.0\",\"id\":0,\"meth"] {
        let (mut near, far) = tokio::io::duplex(1024);
        let (input, output) = tokio::io::split(far);
        near.write_all(bytes).await.unwrap();
        drop(near);
        stdio::serve(&server, input, output).await.unwrap();
    }
    let mut other = Raw::begun(&server).await;
    let mut raw = Raw::begun(&server).await;
    let params = json!({ "name": "exec", "arguments": { "command": "sleep 1000" } });
    raw.say(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
        .await;
    raw.ping(2).await;
    drop(raw);
    other.ping(3).await;
}

#[tokio::test]
async fn what_runs_when_a_client_leaves_is_killed() {
    let vm = AgentOs::create().await.unwrap();
    let server = Server::new(LocalVm::new(vm.clone(), "/home/user"), Limits::default()).await;
    let mut raw = Raw::begun(&server).await;
    let params = json!({
        "name": "exec", "arguments": { "command": "echo begun; sleep 1000" }, "_meta": { "progressToken": "p" },
    });
    raw.say(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
        .await;
    assert_eq!(raw.hear().await["method"], "notifications/progress");
    drop(raw);
    vm.idle().await;
}
