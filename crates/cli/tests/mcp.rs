//! `agentos mcp` as a client meets it: over its standard streams, and over HTTP.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[path = "support/server.rs"]
mod server;
mod support;

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use support::{agentos, run};

/// The first message of a client.
fn hello(id: u64) -> Value {
    let info = json!({ "name": "test", "version": "0" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    json!({ "jsonrpc": "2.0", "id": id, "method": "initialize", "params": params })
}

#[allow(clippy::needless_pass_by_value, reason = "callers make it at the place")]
fn call(id: u64, name: &str, arguments: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": name, "arguments": arguments } })
}

/// A server with pipes.
struct Piped {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Piped {
    fn start(args: &[&str]) -> Self {
        let mut command = agentos();
        command.env_remove("AGENTOS_MCP_TOKEN").arg("mcp").args(args);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, output }
    }

    fn say(&mut self, message: &Value) {
        writeln!(self.child.stdin.as_mut().expect("a pipe"), "{message}").expect("it reads");
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }
}

impl Drop for Piped {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn standard_output_is_the_protocols_and_its_end_is_the_servers() {
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("from-host"), "seen").unwrap();
    let mount = format!("{}:/mnt", host.path().display());
    let mut server = Piped::start(&["--mount", &mount, "--env", "A=b", "--cwd", "/tmp"]);
    server.say(&hello(1));
    assert_eq!(server.hear()["result"]["serverInfo"]["name"], "agentos");
    server.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    server.say(&call(
        2,
        "exec",
        json!({ "command": "cat /mnt/from-host; echo $A; pwd; touch /mnt/x" }),
    ));
    let fields = server.hear()["result"]["structuredContent"].clone();
    assert_eq!(fields["stdout"], "seenb\n/tmp\n");
    assert!(fields["stderr"].as_str().unwrap().contains("Read-only"), "{fields}");
    server.say(&json!({ "jsonrpc": "2.0", "id": 3, "method": "no/such" }));
    assert_eq!(server.hear()["error"]["code"], -32601);
    drop(server.child.stdin.take());
    assert!(server.child.wait().unwrap().success());
    let mut rest = String::new();
    server.output.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
}

#[test]
fn what_a_client_asked_before_it_left_is_answered() {
    let lines = [
        hello(1),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        call(2, "exec", json!({ "command": "echo last" })),
    ];
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let ran = support::run_with(&["mcp"], &input);
    assert_eq!(ran.status, Some(0), "{}", ran.stderr);
    let last: Value = serde_json::from_str(ran.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["result"]["structuredContent"]["stdout"], "last\n");
}

#[test]
fn a_vm_of_a_running_server_is_served() {
    let data = tempfile::tempdir().unwrap();
    let running = server::Server::start(data.path(), &[]);
    let mut mcp = Piped::start(&["--endpoint", &running.url, "--key", "mine"]);
    mcp.say(&hello(1));
    assert_eq!(mcp.hear()["result"]["serverInfo"]["name"], "agentos");
    mcp.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let mut id = 0;
    let mut tool = |name: &str, arguments: Value| {
        id += 1;
        mcp.say(&call(id + 1, name, arguments));
        loop {
            let heard = mcp.hear();
            if heard["id"] == json!(id + 1) {
                return heard["result"].clone();
            }
        }
    };
    let fields = |result: &Value| result["structuredContent"].clone();
    let ran = fields(&tool(
        "exec",
        json!({ "command": "cat; echo $A; pwd >&2; exit 3", "stdin": "in\n", "env": { "A": "b" }, "cwd": "/tmp" }),
    ));
    assert_eq!(
        (&ran["stdout"], &ran["stderr"], &ran["exitCode"]),
        (&json!("in\nb\n"), &json!("/tmp\n"), &json!(3))
    );
    let ran = fields(&tool(
        "exec",
        json!({ "command": "echo begun; sleep 600", "timeoutMs": 300 }),
    ));
    assert_eq!(
        (&ran["timedOut"], &ran["exitCode"], &ran["stdout"]),
        (&json!(true), &json!(124), &json!("begun\n"))
    );
    let many = fields(&tool("exec", json!({ "command": "seq 1 100000" })));
    let text = many["stdout"].as_str().unwrap();
    assert!(
        text.starts_with("1\n2\n") && text.ends_with("100000\n"),
        "{} bytes",
        text.len()
    );
    assert!(text.contains("bytes that the server does not keep") || text.contains("bytes left out"));
    // Files, and what another client of the server sees of them.
    tool(
        "write_file",
        json!({ "path": "/home/user/notes/a.txt", "content": "alpha\nbeta\n" }),
    );
    let read = tool("read_file", json!({ "path": "/home/user/notes/a.txt" }));
    assert!(read.to_string().contains("beta"), "{read}");
    let seen = agentos()
        .args([
            "cat",
            "--endpoint",
            &running.url,
            "--key",
            "mine",
            "/home/user/notes/a.txt",
        ])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&seen.stdout), "alpha\nbeta\n");
    let missing = tool("read_file", json!({ "path": "/home/user/none" }));
    assert!(
        missing["isError"] == true && missing.to_string().contains("ENOENT"),
        "{missing}"
    );
    // A process that goes on, with input.
    let started = fields(&tool(
        "process_start",
        json!({ "command": "read line; echo got $line" }),
    ));
    let pid = started["pid"].clone();
    tool("process_input", json!({ "pid": pid, "text": "it\n" }));
    let log = tool("process_output", json!({ "pid": pid, "waitMs": 20000 }));
    assert!(log.to_string().contains("got it"), "{log}");
}

#[test]
fn a_server_that_is_not_there_is_told_of_at_once() {
    let ran = run(&["mcp", "--key", "x", "--endpoint", "http://127.0.0.1:1"]);
    assert!(
        ran.status != Some(0) && ran.stderr.contains("cannot be reached"),
        "{:?} {}",
        ran.status,
        ran.stderr
    );
    assert_eq!(ran.stdout, "");
}

#[test]
fn wrong_options_are_refused_with_what_helps() {
    for (args, expected) in [
        (&["--http", "0.0.0.0:0"][..], "give a token, or listen at 127.0.0.1"),
        (&["--http", "nowhere"], "invalid socket address"),
        (
            &["--token-file", "/none/at/all", "--http", "127.0.0.1:0"],
            "/none/at/all",
        ),
        (&["--allow-origin", "http://x"], "are for --http"),
        (&["--permissions", "none"], "none"),
        (&["--endpoint", "http://127.0.0.1:1"], "name it with --vm or --key"),
        (&["--key", "a", "--mount", "/tmp:/mnt"], "--mount shapes a fresh VM"),
    ] {
        let args: Vec<&str> = [&["mcp"], args].concat();
        let ran = run(&args);
        assert_eq!(ran.status, Some(64), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(expected), "{args:?}: {}", ran.stderr);
        assert_eq!(ran.stdout, "", "{args:?}");
    }
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "short-secret\n").unwrap();
    let ran = run(&[
        "mcp",
        "--http",
        "127.0.0.1:0",
        "--token-file",
        token.path().to_str().unwrap(),
    ]);
    assert_eq!(ran.status, Some(64));
    assert!(
        ran.stderr.contains("at least 16 characters") && !ran.stderr.contains("short-secret"),
        "{}",
        ran.stderr
    );
}

/// A server over HTTP.
struct Http {
    child: Child,
    address: String,
}

/// A response.
#[derive(Debug)]
struct Response {
    status: u16,
    headers: String,
    body: String,
}

impl Response {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The message in a body, which is JSON or a stream of events.
    fn message(&self) -> Value {
        let events = self.body.lines().filter_map(|line| line.strip_prefix("data:"));
        let text = events
            .map(str::trim)
            .rfind(|text| !text.is_empty())
            .unwrap_or(&self.body);
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Http {
    fn start(args: &[&str]) -> Self {
        let mut command: Command = agentos();
        command
            .env_remove("AGENTOS_MCP_TOKEN")
            .args(["mcp", "--http", "127.0.0.1:0"])
            .args(args);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("a pipe"))
            .read_line(&mut line)
            .expect("a line");
        let address = line
            .trim()
            .strip_prefix("agentos mcp is listening on http://")
            .and_then(|rest| rest.strip_suffix("/mcp"));
        let address = address.unwrap_or_else(|| panic!("{line:?}")).to_owned();
        Self { child, address }
    }

    /// One request on a connection of its own.
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Response {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        if !headers.iter().any(|(name, _)| *name == "host") {
            head.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = TcpStream::connect(&self.address).expect("a connection");
        stream.write_all(format!("{head}\r\n").as_bytes()).expect("it reads");
        // A server that refuses need not read the rest.
        let _ = stream.write_all(body);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (headers, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
        let status = headers
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status");
        Response {
            status,
            headers: headers.to_owned(),
            body: body.to_owned(),
        }
    }

    fn post(&self, more: &[(&str, &str)], message: &Value) -> Response {
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        self.send(
            "POST",
            "/mcp",
            &[&headers, more].concat(),
            message.to_string().as_bytes(),
        )
    }
}

impl Drop for Http {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn clients_have_sessions_over_http() {
    let server = Http::start(&[]);
    let first = server.post(&[], &hello(1));
    assert_eq!(
        (first.status, &first.message()["result"]["serverInfo"]["name"]),
        (200, &json!("agentos"))
    );
    let session = first.header("mcp-session-id").expect("a session").to_owned();
    let mine = [("mcp-session-id", session.as_str())];
    let begun = server.post(
        &mine,
        &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
    );
    assert_eq!(begun.status, 202);
    let ran = server.post(&mine, &call(2, "exec", json!({ "command": "echo hi" })));
    assert_eq!(
        ran.message()["result"]["structuredContent"]["stdout"],
        "hi\n",
        "{ran:?}"
    );
    // Sessions share the VM.
    server.post(
        &mine,
        &call(3, "write_file", json!({ "path": "shared", "content": "x" })),
    );
    let other = server
        .post(&[], &hello(1))
        .header("mcp-session-id")
        .expect("a session")
        .to_owned();
    let other = [("mcp-session-id", other.as_str())];
    let read = server.post(&other, &call(2, "read_file", json!({ "path": "shared" })));
    assert_eq!(read.message()["result"]["structuredContent"]["content"], "x");
    let ended = server.send("DELETE", "/mcp", &mine, b"").status;
    assert!((200..300).contains(&ended), "{ended}");
    assert_eq!(
        server
            .post(&mine, &call(4, "exec", json!({ "command": "true" })))
            .status,
        404
    );
}

#[test]
fn wrong_requests_are_refused() {
    let server = Http::start(&[]);
    let headers = [
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ];
    assert_eq!(server.send("POST", "/", &headers, b"{}").status, 404);
    assert_eq!(server.send("PUT", "/mcp", &headers, b"{}").status, 405);
    assert_eq!(
        server.send("POST", "/mcp", &[("accept", "text/plain")], b"{}").status,
        406
    );
    assert_eq!(
        server
            .send("POST", "/mcp", &[headers[1], ("content-type", "text/plain")], b"{}")
            .status,
        415
    );
    for body in [&b"{"[..], b"", b"\xff", b"[]", b"{}"] {
        let status = server.send("POST", "/mcp", &headers, body).status;
        assert!((400..500).contains(&status), "{body:?}: {status}");
    }
    for session in ["x", "00000000-0000-0000-0000-000000000000", "../../etc"] {
        let mine = [("mcp-session-id", session)];
        assert_eq!(
            server
                .post(&mine, &call(1, "exec", json!({ "command": "true" })))
                .status,
            404,
            "{session}"
        );
    }
    // Without a session nothing but the first message is heard.
    let status = server.post(&[], &call(1, "exec", json!({ "command": "true" }))).status;
    assert!((400..500).contains(&status), "{status}");
    // The names that a page of a browser cannot choose.
    assert_eq!(server.post(&[("host", "evil.example")], &hello(1)).status, 403);
    assert_eq!(server.post(&[("origin", "http://evil.example")], &hello(1)).status, 403);
    // A body beyond the bound, announced and not.
    let large = server.send("POST", "/mcp", &headers, &vec![b' '; (8 << 20) + 1]);
    let limit = json!({ "limit": "mcp.maxMessageBytes", "observed": (8 << 20) + 1, "cap": 8 << 20, "field": "body" });
    assert_eq!(
        (large.status, &large.message()["error"]["data"]["limit"]),
        (413, &limit)
    );
    // It goes on.
    assert_eq!(server.post(&[], &hello(1)).status, 200);
}

#[test]
fn a_token_is_asked_for_and_names_and_origins_can_be_added() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "a-token-of-this-test\n").unwrap();
    let path = file.path().to_str().unwrap();
    let server = Http::start(&[
        "--token-file",
        path,
        "--allow-host",
        "vm.example",
        "--allow-origin",
        "http://localhost:5173",
    ]);
    let refused = server.post(&[], &hello(1));
    assert_eq!(
        (refused.status, refused.header("www-authenticate")),
        (401, Some("Bearer realm=\"agentos\""))
    );
    for wrong in [
        "Bearer a-token-of-this-tesu",
        "Bearer",
        "Basic a-token-of-this-test",
        "a-token-of-this-test",
    ] {
        assert_eq!(
            server.post(&[("authorization", wrong)], &hello(1)).status,
            401,
            "{wrong}"
        );
    }
    let token = ("authorization", "Bearer a-token-of-this-test");
    assert_eq!(server.post(&[token], &hello(1)).status, 200);
    let named = [token, ("host", "vm.example"), ("origin", "http://localhost:5173")];
    assert_eq!(server.post(&named, &hello(1)).status, 200);
    assert_eq!(
        server
            .post(&[token, ("origin", "http://localhost:9")], &hello(1))
            .status,
        403
    );
}

#[test]
fn sessions_are_bounded() {
    let server = Http::start(&[]);
    for number in 0..32 {
        assert_eq!(server.post(&[], &hello(1)).status, 200, "{number}");
    }
    let refused = server.post(&[], &hello(1));
    let limit = json!({ "limit": "mcp.maxSessions", "observed": 33, "cap": 32, "field": "sessions" });
    assert_eq!(
        (refused.status, &refused.message()["error"]["data"]["limit"]),
        (503, &limit)
    );
}

#[test]
fn a_signal_ends_the_server() {
    let mut server = Http::start(&[]);
    assert_eq!(server.post(&[], &hello(1)).status, 200);
    let pid = rustix::process::Pid::from_child(&server.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(server.child.wait().unwrap().success());
}
