//! What programs see of the network through their standard library, in Rust and in C, and through the tools: sockets inside
//! the VM, ports of the host that are exempt, and refusals.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "a test may fail")]

mod support;

use agentos::{AgentOs, Builder, ExecOutput, Network, Policy, Process};
use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;
use support::probe;

/// A VM with the probe at `/home/user/probe`.
async fn with_probe(builder: Builder) -> AgentOs {
    let vm = builder.create().await.expect("a VM");
    vm.write_file("/home/user/probe", probe()).await.expect("room");
    vm.chmod("/home/user/probe", 0o755).await.expect("our file");
    vm
}

async fn plain() -> AgentOs {
    with_probe(AgentOs::builder()).await
}

async fn run(vm: &AgentOs, args: &[&str]) -> ExecOutput {
    let argv = ["/home/user/probe"].iter().chain(args).copied();
    vm.exec_argv(argv)
        .timeout(Duration::from_secs(60))
        .await
        .expect("it starts")
}

/// What a program must have printed, and that it ended well.
async fn prints(vm: &AgentOs, args: &[&str], expected: &str) {
    let output = run(vm, args).await;
    assert_eq!(
        (
            output.exit_code,
            output.stdout_text().as_ref(),
            output.stderr_text().as_ref()
        ),
        (0, expected, ""),
        "{args:?}"
    );
}

/// How a program must have failed.
async fn fails(vm: &AgentOs, args: &[&str], kind: &str) {
    let output = run(vm, args).await;
    let error = output.stderr_text();
    assert!(output.exit_code == 1 && error.starts_with(kind), "{args:?}: {error}");
}

async fn serve(vm: &AgentOs, args: &[&str]) -> Process {
    let mut server = vm.spawn("/home/user/probe", args).start().await.expect("it starts");
    let output = server.first_output().await.expect("it says something");
    assert_eq!(&output.data[..], b"ready\n");
    server
}

#[tokio::test]
async fn the_standard_library_has_sockets() {
    let vm = plain().await;
    let output = run(&vm, &["check"]).await;
    assert_eq!(
        (output.exit_code, output.stderr_text().as_ref()),
        (0, ""),
        "after {}",
        output.stdout_text()
    );
    assert_eq!(output.stdout_text().lines().count(), 17);
}

#[tokio::test]
async fn c_programs_have_sockets() {
    let vm = plain().await;
    prints(&vm, &["c", "check"], "streams\nwaiting\nmessages\nunix\ntext\nnames\n").await;
}

#[tokio::test]
async fn programs_talk_to_each_other() {
    let vm = plain().await;
    for (listen, talk) in [
        ("127.0.0.1:7000", "localhost:7000"),
        ("[::1]:7000", "[::1]:7000"),
        ("0.0.0.0:7001", "127.0.0.1:7001"),
    ] {
        let mut server = serve(&vm, &["serve", listen]).await;
        prints(&vm, &["talk", talk, "through the VM"], "through the VM\n").await;
        assert_eq!(server.wait().await.unwrap(), 0);
    }
    let mut server = serve(&vm, &["serve", "127.0.0.1:7002"]).await;
    prints(&vm, &["c", "talk", "localhost", "7002", "from C"], "from C\n").await;
    assert_eq!(server.wait().await.unwrap(), 0);
    let mut server = serve(&vm, &["udp-serve", "127.0.0.1:7003"]).await;
    prints(&vm, &["udp", "localhost:7003", "a datagram"], "a datagram\n").await;
    assert_eq!(server.wait().await.unwrap(), 0);
}

#[tokio::test]
async fn names_have_addresses() {
    let network = Network::new().dns_override("db.example", ["93.184.216.34", "2606:2800:220:1::1"]);
    let vm = with_probe(AgentOs::builder().network(network)).await;
    prints(&vm, &["resolve", "localhost"], "127.0.0.1\n::1\n").await;
    prints(&vm, &["resolve", "agent-os"], "127.0.1.1\n").await;
    prints(&vm, &["resolve", "db.example"], "93.184.216.34\n2606:2800:220:1::1\n").await;
    prints(&vm, &["resolve", "192.0.2.7"], "192.0.2.7\n").await;
    fails(
        &vm,
        &["resolve", "not a name"],
        "Uncategorized: failed to lookup address information",
    )
    .await;
}

/// Answers one connection in capitals; the port.
fn host_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut text = String::new();
            let _ = stream.read_to_string(&mut text);
            let _ = stream.write_all(text.to_uppercase().as_bytes());
        }
    });
    port
}

#[tokio::test]
async fn an_exempt_port_of_the_host_is_reached_and_no_other() {
    let (open, closed) = (host_server(), host_server());
    let vm = with_probe(AgentOs::builder().loopback_exempt_ports([open])).await;
    prints(
        &vm,
        &["talk", &format!("127.0.0.1:{open}"), "hello, host"],
        "HELLO, HOST\n",
    )
    .await;
    prints(
        &vm,
        &["c", "talk", "localhost", &open.to_string(), "from c"],
        "FROM C\n",
    )
    .await;
    prints(&vm, &["late", &format!("127.0.0.1:{open}"), "30000"], "connected\n").await;
    fails(&vm, &["talk", &format!("127.0.0.1:{closed}"), "x"], "PermissionDenied").await;
    fails(&vm, &["talk", &format!("127.0.0.2:{open}"), "x"], "PermissionDenied").await;
    let locked = with_probe(
        AgentOs::builder()
            .permissions(Policy::locked())
            .loopback_exempt_ports([open]),
    )
    .await;
    fails(
        &locked,
        &["talk", &format!("127.0.0.1:{open}"), "x"],
        "PermissionDenied",
    )
    .await;
}

#[tokio::test]
async fn an_exempt_port_takes_datagrams() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut buffer = [0; 64];
        let (n, from) = socket.recv_from(&mut buffer).expect("a datagram");
        buffer[..n].make_ascii_uppercase();
        socket.send_to(&buffer[..n], from).expect("sent");
    });
    let vm = with_probe(AgentOs::builder().loopback_exempt_ports([port])).await;
    prints(&vm, &["udp", &format!("127.0.0.1:{port}"), "hello"], "HELLO\n").await;
}

#[tokio::test]
async fn what_the_guard_blocks_is_a_permission_denied() {
    let network = Network::new().dns_override("metadata.example", ["169.254.169.254"]);
    let vm = with_probe(AgentOs::builder().network(network)).await;
    for target in [
        "169.254.169.254:80",
        "10.0.0.1:80",
        "[fd00:ec2::254]:80",
        "[::ffff:192.168.0.1]:80",
    ] {
        fails(&vm, &["talk", target, "x"], "PermissionDenied").await;
        fails(&vm, &["late", target, "5000"], "PermissionDenied").await;
    }
    fails(&vm, &["udp", "10.0.0.1:53", "x"], "PermissionDenied").await;
    fails(&vm, &["resolve", "metadata.example"], "PermissionDenied").await;
    let output = run(&vm, &["c", "talk", "metadata.example", "80", "x"]).await;
    assert_eq!(
        (output.exit_code, output.stderr_text().as_ref()),
        (1, "metadata.example: Permission denied\n")
    );
}

/// What a script printed, both streams in one.
async fn says(vm: &AgentOs, script: &str) -> String {
    let output = vm
        .exec(format!("exec 2>&1; {script}"))
        .timeout(Duration::from_secs(60))
        .await
        .expect("it starts");
    output.stdout_text()
}

/// A script that runs `server` until it said a word of its log, then `client`, and prints what the server got.
fn conversation(server: &str, word: &str, client: &str) -> String {
    format!(
        "nc {server} > got 2> log & until grep -qs {word} log; do sleep 0.01; done; {client}; wait; cat got; grep -c received log"
    )
}

#[tokio::test]
async fn nc_talks_over_every_kind_of_socket() {
    let vm = AgentOs::create().await.unwrap();
    for (server, word, client) in [
        ("-v -l 9001", "Listening", "echo hi | nc 127.0.0.1 9001"),
        ("-v -l -6 -p 9002", "Listening", "echo hi | nc -6 -n ::1 9002"),
        ("-v -lU s", "Listening", "echo hi | nc -U s"),
        (
            "-v -u -w 1 -l 127.0.0.1 9003",
            "Bound",
            "echo hi | nc -u -q 0 127.0.0.1 9003",
        ),
        ("-v -l 9004", "Listening", "echo hi | nc -N -p 5555 localhost 9004"),
    ] {
        assert_eq!(
            says(&vm, &conversation(server, word, client)).await,
            "hi\n1\n",
            "nc {server}"
        );
    }
    let crlf = conversation("-v -l 9005", "Listening", "echo hi | nc -C 127.0.0.1 9005") + "; od -c got | head -1";
    assert!(says(&vm, &crlf).await.contains("h   i  \\r  \\n"));
    let scan = "nc -lk 9006 & until nc -z 127.0.0.1 9006; do sleep 0.01; done; nc -zv localhost 9006; nc -z 127.0.0.1 9005; echo $?; kill %1";
    assert_eq!(
        says(&vm, scan).await,
        "Connection to localhost (127.0.0.1) 9006 port [tcp/*] succeeded!\n1\n"
    );
}

/// Whoever ends first, and however much both say at once, everything arrives.
#[tokio::test]
async fn nc_loses_nothing() {
    let vm = AgentOs::create().await.unwrap();
    let zeros = |count: u32| format!("head -c {count} /dev/zero");
    let server = |input: &str, port: u16| {
        format!("{input} | nc -v -l {port} 2> log > got & until grep -qs Listening log; do sleep 0.01; done;")
    };
    for (port, server_says, client_says) in [(9101, 1_000_000, 0), (9102, 0, 1_000_000), (9103, 3_000_000, 2_000_000)] {
        let script = format!(
            "{} {} | nc 127.0.0.1 {port} | wc -c; wait; wc -c < got",
            server(&zeros(server_says), port),
            zeros(client_says)
        );
        assert_eq!(
            says(&vm, &script).await,
            format!("{server_says}\n{client_says}\n"),
            "{script}"
        );
    }
    // A client that hears the end at once and is still busy with what it has to say.
    let slow = format!(
        "{} (echo a; until [ -s got ]; do sleep 0.01; done; echo b) | nc 127.0.0.1 9104; wait; cat got",
        server("true", 9104)
    );
    assert_eq!(says(&vm, &slow).await, "a\nb\n");
}

#[tokio::test]
async fn tools_explain_refusals() {
    let network = Network::new().dns_override("metadata.example", ["169.254.169.254"]);
    let vm = AgentOs::builder().network(network).create().await.unwrap();
    let blocked = "EACCES: blocked outbound network access to";
    for (command, expected) in [
        (
            "nc 10.0.0.1 22 < /dev/null",
            format!(
                "nc: connect to 10.0.0.1 port 22 (tcp) failed: {blocked} tcp://10.0.0.1:22: 10.0.0.1 is within restricted private range 10.0.0.0/8\n"
            ),
        ),
        (
            "echo x | nc -u 192.168.0.1 53",
            format!(
                "nc: connect to 192.168.0.1 port 53 (udp) failed: {blocked} udp://192.168.0.1:53: 192.168.0.1 is within restricted private range 192.168.0.0/16\n"
            ),
        ),
        (
            "getent hosts metadata.example; echo $?",
            format!(
                "getent: metadata.example: {blocked} dns://metadata.example: 169.254.169.254 is within restricted metadata range 169.254.169.254/32\n2\n"
            ),
        ),
        (
            "ping -c 1 example.com; echo $?",
            "ping: raw sockets do not exist in this VM (Operation not permitted); try: nc -zv example.com 443\n2\n"
                .to_owned(),
        ),
    ] {
        assert_eq!(says(&vm, command).await, expected, "{command}");
    }
    let locked = AgentOs::builder().permissions(Policy::locked()).create().await.unwrap();
    assert_eq!(
        says(&locked, "nc 93.184.216.34 80 < /dev/null").await,
        "nc: connect to 93.184.216.34 port 80 (tcp) failed: EACCES: permission denied, tcp://93.184.216.34:80: blocked by network.http policy\n"
    );
}

#[tokio::test]
async fn nslookup_asks_the_resolver_of_the_vm() {
    let network = Network::new().dns_override("db.example", ["93.184.216.34"]);
    let vm = AgentOs::builder().network(network).create().await.unwrap();
    assert_eq!(
        says(&vm, "nslookup db.example").await,
        "Server:\t\t127.0.0.53\nAddress:\t127.0.0.53#53\n\nNon-authoritative answer:\nName:\tdb.example\nAddress: 93.184.216.34\n\n"
    );
    assert!(
        says(&vm, "nslookup -type=AAAA localhost")
            .await
            .contains("Address: ::1\n")
    );
    assert!(
        says(&vm, "nslookup -vc -type=A localhost")
            .await
            .contains("Address: 127.0.0.1\n")
    );
    assert!(
        says(&vm, "nslookup -type=nonsense x; echo $?")
            .await
            .ends_with("unknown query type: nonsense\n1\n")
    );
    assert_eq!(
        says(&vm, "getent ahosts db.example").await,
        "93.184.216.34   STREAM db.example\n93.184.216.34   DGRAM  \n93.184.216.34   RAW    \n"
    );
}
