//! Previews of `agentos serve` to servers that are Linux programs: whole answers, answers that come in parts, WebSockets.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[path = "support/server.rs"]
mod server;

use agentos_client::{Value, Vm};
use server::Server;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

const NODE: &str = "/usr/bin/node";
const PYTHON: &str = "/usr/bin/python3";

/// Keeps an answer open until another request releases it, and speaks WebSocket: each text comes back in capitals.
const SERVER: &str = r"
const { createHash } = require('crypto');
let held;
const server = require('http').createServer((request, response) => {
  if (request.url === '/held') { response.write('first.'); held = response; }
  else if (request.url === '/release') { held.end('second.'); response.end('released.'); }
  else {
    let length = 0;
    request.on('data', (part) => length += part.length);
    request.on('end', () => response.end(`${request.method} ${request.url} ${length} for ${request.headers.host}.`));
  }
});
server.on('upgrade', (request, socket) => {
  const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
  let waiting = Buffer.alloc(0);
  socket.on('data', (part) => {
    waiting = Buffer.concat([waiting, part]);
    while (waiting.length >= 6 && waiting.length >= 6 + (waiting[1] & 127)) {
      const length = waiting[1] & 127;
      const text = waiting.subarray(6, 6 + length).map((byte, at) => byte ^ waiting[2 + at % 4]).toString().toUpperCase();
      socket.write(Buffer.concat([Buffer.from([0x81, length]), Buffer.from(text)]));
      waiting = waiting.subarray(6 + length);
    }
  });
});
server.listen(8080, '127.0.0.1', () => require('fs').writeFileSync('/tmp/ready', 'ready'));
";

/// One of the two addresses of a preview: where to connect, which host to name, what stands before each path.
struct Address {
    port: String,
    host: String,
    prefix: String,
}

impl Address {
    /// Sends a request and gives the connection.
    fn send(&self, head: &str, path: &str, more: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(&self.port).expect("the server listens");
        stream
            .set_read_timeout(Some(Duration::from_secs(120)))
            .expect("a timeout");
        let (host, prefix, length) = (&self.host, &self.prefix, body.len());
        let head = format!("{head} {prefix}{path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{more}\r\n");
        stream.write_all(head.as_bytes()).expect("it is taken");
        stream.write_all(body).expect("it is taken");
        stream
    }

    /// A whole answer.
    fn ask(&self, method: &str, path: &str, body: &[u8]) -> String {
        let mut answer = Vec::new();
        let mut stream = self.send(method, path, "Connection: close\r\n", body);
        stream.read_to_end(&mut answer).expect("an answer");
        String::from_utf8(answer).expect("text")
    }
}

/// Reads until something was said.
fn until(stream: &mut TcpStream, end: &[u8]) -> Vec<u8> {
    let mut said = Vec::new();
    let mut byte = [0];
    while !said.windows(end.len()).any(|window| window == end) {
        stream
            .read_exact(&mut byte)
            .unwrap_or_else(|error| panic!("{error} after {}", String::from_utf8_lossy(&said)));
        said.push(byte[0]);
    }
    said
}

/// A VM with the host's programs; none where this machine cannot run them, which is said.
async fn with_programs(data: &Path, needed: &[&str]) -> Option<(Server, Vm)> {
    if let Some(missing) = needed.iter().find(|program| !Path::new(program).exists()) {
        eprintln!("SKIPPED: no {missing}");
        return None;
    }
    let config = data.join("agentos.toml");
    std::fs::write(&config, "[vms.vm]\nimage = ['host']\n").unwrap();
    let server = Server::start(&data.join("data"), &["--config", config.to_str().unwrap()]);
    let vm = server.client().vm("vm").get_or_create(["k"]).await.unwrap();
    let tried = vm.exec("/usr/bin/env true && mkfifo /tmp/ready").await.unwrap();
    if tried.exit_code != 0 {
        eprintln!("SKIPPED: {tried:?}");
        return None;
    }
    Some((server, vm))
}

/// Starts a server and waits until it says by the FIFO `/tmp/ready` that it listens.
async fn listen(vm: &Vm, program: &str, args: &[&str]) {
    let args = Value::Array(args.iter().map(|&arg| Value::from(arg)).collect());
    vm.call("spawn", &[Value::from(program), args]).await.unwrap();
    let said = vm.exec("cat /tmp/ready").await.unwrap();
    assert_eq!(said.stdout, "ready");
}

/// Both addresses of a preview.
async fn previews(server: &Server, vm: &Vm) -> [Address; 2] {
    let made = vm
        .call("createSignedPreviewUrl", &[Value::from(8080), Value::from(600)])
        .await
        .unwrap();
    let text = |name: &str| made.get(name).and_then(Value::as_str).expect("a text").to_owned();
    let port = server
        .url
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let own = text("url")
        .trim_start_matches("http://")
        .trim_end_matches('/')
        .to_owned();
    let below = format!("{}{}", vm.gateway_url(), text("path"));
    let prefix = below.trim_start_matches("http://").trim_start_matches(&port).to_owned();
    let of = |host: String, prefix: String| Address {
        port: port.clone(),
        host,
        prefix,
    };
    [of(own, String::new()), of(port.clone(), prefix)]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_node_is_previewed() {
    let data = tempfile::tempdir().unwrap();
    let Some((server, vm)) = with_programs(data.path(), &[NODE]).await else {
        return;
    };
    vm.write_file("/home/user/server.js", SERVER).await.unwrap();
    listen(&vm, NODE, &["/home/user/server.js"]).await;
    for address in previews(&server, &vm).await {
        let answer = address.ask("GET", "/page?a=b", b"");
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("GET /page?a=b 0 for localhost:8080."),
            "{answer}"
        );
        let answer = address.ask("POST", "/up", &vec![7; 3_000_000]);
        assert!(answer.contains("POST /up 3000000 for localhost:8080."), "{answer}");
        // The first part of an answer is there before the guest has ended it.
        let mut held = address.send("GET", "/held", "", b"");
        until(&mut held, b"first.");
        assert!(address.ask("GET", "/release", b"").contains("released."));
        until(&mut held, b"second.");
        // A WebSocket stays open for more than one message.
        let wish = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let mut socket = address.send("GET", "/socket", wish, b"");
        let head = String::from_utf8(until(&mut socket, b"\r\n\r\n")).unwrap();
        assert!(
            head.starts_with("HTTP/1.1 101") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
            "{head}"
        );
        for (text, expected) in [("one", "\u{3}ONE"), ("three", "\u{5}THREE")] {
            let length = u8::try_from(text.len()).unwrap();
            let mut frame = vec![0x81, 0x80 | length, 1, 2, 3, 4];
            frame.extend(
                text.bytes()
                    .zip([1, 2, 3, 4].into_iter().cycle())
                    .map(|(byte, mask)| byte ^ mask),
            );
            socket.write_all(&frame).unwrap();
            assert_eq!(
                until(&mut socket, expected.as_bytes()),
                [b"\x81", expected.as_bytes()].concat()
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_python_is_previewed_and_its_end_is_told() {
    const SERVE: &str = "import http.server as h; s = h.ThreadingHTTPServer(('127.0.0.1', 8080), h.SimpleHTTPRequestHandler); \
                         open('/tmp/ready', 'w').write('ready'); s.serve_forever()";
    let data = tempfile::tempdir().unwrap();
    let Some((server, vm)) = with_programs(data.path(), &[PYTHON]).await else {
        return;
    };
    vm.write_file("/home/user/index.html", "hello").await.unwrap();
    vm.exec("seq 300000 > /home/user/large").await.unwrap();
    listen(&vm, PYTHON, &["-c", SERVE]).await;
    let addresses = previews(&server, &vm).await;
    for address in &addresses {
        let answer = address.ask("GET", "/", b"");
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello"),
            "{answer}"
        );
        assert!(address.ask("GET", "/large", b"").ends_with("\n300000\n"));
        assert!(address.ask("GET", "/nothing", b"").starts_with("HTTP/1.1 404"));
    }
    // Who is not there any more is told as such, and not waited for.
    vm.exec("pkill -f serve_forever").await.unwrap();
    for address in &addresses {
        let answer = address.ask("GET", "/", b"");
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
    }
}
