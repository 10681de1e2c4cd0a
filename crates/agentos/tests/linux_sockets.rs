//! The network of Linux programs: with WebAssembly programs, with the host, and outside through the guard.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

#[path = "support/https.rs"]
mod https;

use agentos::http::Request;
use agentos::{AgentOs, Builder, Network, Policy, Process, Secret};
use https::Host;
use std::io::{Read, Write};
use std::net::TcpListener;

const PYTHON: &str = "/usr/bin/python3";
const NODE: &str = "/usr/bin/node";
const CURL: &str = "/usr/bin/curl";

fn has(program: &str) -> bool {
    let there = std::path::Path::new(program).exists();
    if !there {
        eprintln!("SKIPPED: no {program}");
    }
    there
}

/// A VM with the host's programs; none where this machine cannot run them, which is said.
async fn with_programs(builder: Builder) -> Option<AgentOs> {
    let vm = builder.image("host").linux_programs(true).create().await.expect("a VM");
    let output = vm.exec("/usr/bin/env true").await.expect("a shell");
    if output.exit_code != 0 {
        eprintln!("SKIPPED: {}", output.stderr_text());
        return None;
    }
    Some(vm)
}

/// What a line prints, which must end well.
#[track_caller]
fn says(vm: &AgentOs, script: &str) -> impl Future<Output = String> {
    let vm = vm.clone();
    let script = script.to_owned();
    async move {
        let output = vm.exec(&script).await.expect("a shell");
        assert_eq!(output.exit_code, 0, "{script}: {output:?}");
        output.stdout_text()
    }
}

/// Starts a server and waits until it says something.
async fn serve(vm: &AgentOs, program: &str, args: &[&str]) -> Process {
    let mut server = vm.spawn(program, args).start().await.expect("it starts");
    let first = server.first_output().await.expect("it says that it listens");
    assert_eq!(&first.data[..], b"ready\n");
    server
}

/// An HTTP server of Node that says what it was asked.
const SERVER: &str = "require('http').createServer((request, response) => { let n = 0; request.on('data', (part) => n += part.length); \
                      request.on('end', () => response.end(`${request.method} ${request.url} ${n}\\n`)); }).listen(8080, () => console.log('ready'))";

#[tokio::test]
async fn servers_of_linux_programs_are_reached_by_everybody() {
    let Some(vm) = with_programs(AgentOs::builder()).await else {
        return;
    };
    if !has(NODE) || !has(CURL) {
        return;
    }
    let _server = serve(&vm, NODE, &["-e", SERVER]).await;
    // From the host.
    for index in 0..3 {
        let request = Request::builder().uri(format!("/{index}")).body(()).unwrap();
        let response = vm.fetch(8080, request).await.unwrap();
        assert_eq!(response.into_body().text().await.unwrap(), format!("GET /{index} 0\n"));
    }
    let request = Request::builder()
        .method("POST")
        .uri("/up")
        .body(vec![7; 3_000_000])
        .unwrap();
    let response = vm.fetch(8080, request).await.unwrap();
    assert_eq!(response.into_body().text().await.unwrap(), "POST /up 3000000\n");
    // From a Linux program, and from a WebAssembly one.
    assert_eq!(
        says(&vm, &format!("{CURL} -sS http://localhost:8080/curl")).await,
        "GET /curl 0\n"
    );
    assert_eq!(says(&vm, "curl -sS http://127.0.0.1:8080/tool").await, "GET /tool 0\n");
    assert_eq!(says(&vm, "/usr/bin/bash -c 'exec 3<>/dev/tcp/127.0.0.1/8080; printf \"GET /bash HTTP/1.0\\r\\n\\r\\n\" >&3; cat <&3 | tail -n 1'").await, "GET /bash 0\n");
}

#[tokio::test]
async fn linux_programs_reach_servers_of_webassembly_programs() {
    let Some(vm) = with_programs(AgentOs::builder()).await else {
        return;
    };
    if !has(CURL) {
        return;
    }
    vm.write_file("/home/user/index.html", "hello\n").await.unwrap();
    let mut server = vm.spawn("sh", ["-c", "exec httpd -p 8081"]).start().await.unwrap();
    server.first_output().await.expect("it says that it listens");
    assert_eq!(
        says(&vm, &format!("{CURL} -sS http://127.0.0.1:8081/")).await,
        "hello\n"
    );
}

/// A server on the host's loopback that answers one request.
fn host_server() -> (u16, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut buf = [0; 4096];
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            let count = connection.read(&mut buf).unwrap();
            request.extend_from_slice(&buf[..count]);
        }
        connection
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n")
            .unwrap();
        String::from_utf8_lossy(&request)
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    });
    (port, thread)
}

#[tokio::test]
async fn names_and_the_way_out_are_the_vms() {
    if !has(PYTHON) || !has(NODE) || !has(CURL) {
        return;
    }
    let (port, served) = host_server();
    let (other, by_node) = host_server();
    let network = Network::new().dns_override("api.example.com", ["127.0.0.1"]);
    let builder = AgentOs::builder().network(network).loopback_exempt_ports([port, other]);
    let Some(vm) = with_programs(builder).await else { return };
    let lookup = "import socket; print(sorted({a[4][0] for a in socket.getaddrinfo('api.example.com', 80, type=socket.SOCK_STREAM)}))";
    assert_eq!(says(&vm, &format!("{PYTHON} -c \"{lookup}\"")).await, "['127.0.0.1']\n");
    assert_eq!(
        says(&vm, &format!("{CURL} -sS http://api.example.com:{port}/a")).await,
        "hello\n"
    );
    assert_eq!(served.join().unwrap(), "GET /a HTTP/1.1");
    let script = format!(
        "require('dns').resolve4('api.example.com', async (error, found) => {{ console.log(error ?? found.join()); \
         console.log((await (await fetch('http://api.example.com:{other}/b')).text()).trim()); }})"
    );
    assert_eq!(
        says(&vm, &format!("{NODE} -e \"{script}\"")).await,
        "127.0.0.1\nhello\n"
    );
    assert_eq!(by_node.join().unwrap(), "GET /b HTTP/1.1");
}

#[tokio::test]
async fn the_guard_and_the_policy_hold() {
    let refused = |address: &str| {
        format!(
            "{PYTHON} -c \"import socket, errno\ns = socket.socket()\ns.settimeout(20)\ntry: s.connect({address})\nexcept OSError as e: print(errno.errorcode[e.errno])\""
        )
    };
    if !has(PYTHON) {
        return;
    }
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = format!("('127.0.0.1', {})", host.local_addr().unwrap().port());
    let Some(vm) = with_programs(AgentOs::builder()).await else {
        return;
    };
    for address in [
        "('169.254.169.254', 80)",
        "('10.0.0.1', 80)",
        "('192.168.1.1', 80)",
        &own,
    ] {
        assert_eq!(says(&vm, &refused(address)).await, "EACCES\n", "{address}");
    }
    let locked = AgentOs::builder().permissions(Policy::locked());
    let Some(vm) = with_programs(locked).await else { return };
    assert_eq!(says(&vm, &refused("('93.184.216.34', 80)")).await, "EACCES\n");
}

#[tokio::test]
async fn secrets_are_placeholders_for_linux_programs_and_values_on_the_way_out() {
    const VALUE: &str = "sk-live-0123456789abcdef";
    if !has(PYTHON) || !has(NODE) || !has(CURL) {
        return;
    }
    let ask = |port: u16| {
        let url = format!("http://api.example.com:{port}/");
        [
            format!("{CURL} -sS -i {url} -H \"Authorization: Bearer $KEY\""),
            format!(
                "{PYTHON} -c \"import os, urllib.request as r; print(r.urlopen(r.Request('{url}', headers={{'Authorization': 'Bearer ' + \
                 os.environ['KEY']}})).read().decode())\""
            ),
            format!(
                "{NODE} -e \"fetch('{url}', {{ headers: {{ authorization: 'Bearer ' + process.env.KEY }} }}).then((r) => r.text()).then(console.log)\""
            ),
        ]
    };
    for index in 0..3 {
        let host = Host::start(None, VALUE);
        let builder = AgentOs::builder()
            .network(Network::new().dns_override("api.example.com", ["127.0.0.1"]))
            .loopback_exempt_ports([host.port])
            .secret(Secret::new("KEY", VALUE).hosts(["api.example.com"]));
        let Some(vm) = with_programs(builder).await else { return };
        let said = says(&vm, &ask(host.port)[index]).await;
        let asked = host.asked();
        assert!(asked.contains(&format!("Bearer {VALUE}")), "{asked}");
        assert!(!said.contains(VALUE) && said.contains("****"), "{said}");
        // Nothing that a Linux program can read of itself or of others has it.
        let script = "/usr/bin/bash -c 'env; tr \"\\0\" \"\\n\" < /proc/self/environ; /usr/bin/cat /proc/*/environ /proc/*/cmdline 2>/dev/null; :'";
        let found = says(&vm, script).await;
        assert!(
            found.contains("KEY=agentos-secret-") && !found.contains(VALUE),
            "{found}"
        );
    }
}
