//! T9 in a whole VM: a real client in the guest, a real server on the host, and nothing between them but the guard.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos::{AgentOs, Network, Policy};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, UdpSocket};

/// Destinations in every spelling; those that lead to this machine are of use here.
const CORPUS: &str = include_str!("../../net/tests/corpus/destinations.txt");

/// Hosts as a URL has them, that would lead to this machine.
fn hosts() -> Vec<String> {
    let local = |wanted: &str| matches!(wanted, "loopback" | "this-network" | "unspecified" | "isatap");
    let mut hosts: Vec<String> = CORPUS
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .filter(|(_, wanted)| local(wanted))
        .map(|(host, _)| match host.contains(':') && !host.starts_with('[') {
            true => format!("[{host}]"),
            false => host.to_owned(),
        })
        .collect();
    let probe = UdpSocket::bind("0.0.0.0:0").unwrap();
    if probe.connect("8.8.8.8:53").is_ok() {
        hosts.push(probe.local_addr().unwrap().ip().to_string());
    }
    hosts
}

/// Asks every host for a page, three at a time, and tells which answered.
fn script(port: u16) -> String {
    format!(
        "xargs -P 3 -I HOST sh -c 'curl -s -o /dev/null --max-time 20 \"http://HOST:{port}/\" && echo REACHED HOST' < /tmp/hosts; \
         echo tried"
    )
}

#[tokio::test]
async fn t9_no_spelling_reaches_a_server_of_the_host() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let hosts = hosts();
    assert!(hosts.len() > 50, "{}", hosts.len());
    // An exempt port opens only itself.
    let vm = AgentOs::builder()
        .loopback_exempt_ports([port ^ 1])
        .create()
        .await
        .unwrap();
    vm.write_file("/tmp/hosts", hosts.join("\n")).await.unwrap();
    let tried = vm.exec(script(port)).await.unwrap();
    assert_eq!(tried.stdout_text(), "tried\n");
    let accepted = listener.accept().map(|(_, peer)| peer);
    assert_eq!(accepted.unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(vm.network_usage().denied > 50, "{:?}", vm.network_usage());
}

/// A server that answers one page for ever.
fn page() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        }
    });
    port
}

#[tokio::test]
async fn an_exempt_port_is_reached_and_counted() {
    let port = page();
    let network = Network::new().dns_override("page.test", ["127.0.0.1"]);
    let vm = AgentOs::builder()
        .network(network)
        .loopback_exempt_ports([port])
        .create()
        .await
        .unwrap();
    for host in ["127.0.0.1", "localhost", "0x7f.1", "page.test"] {
        let asked = vm.exec(format!("curl -sS http://{host}:{port}/")).await.unwrap();
        assert_eq!(asked.stdout_text(), "hello", "{host}: {}", asked.stderr_text());
    }
    let usage = vm.network_usage();
    assert!(
        usage.connections == 4 && usage.bytes_in > 20 && usage.lookups >= 1,
        "{usage:?}"
    );
}

#[tokio::test]
async fn a_refused_program_tells_why() {
    let port = page();
    let rules = serde_json::json!({ "network": { "rules": [{ "mode": "allow", "patterns": ["page.test"] }] } });
    let vm = AgentOs::builder()
        .permissions(Policy::from_json(&rules).unwrap())
        .loopback_exempt_ports([port])
        .create()
        .await
        .unwrap();
    let asked = vm.exec(format!("curl -sS http://127.0.0.1:{port}/")).await.unwrap();
    let wanted = format!("EACCES: permission denied, tcp://127.0.0.1:{port}: blocked by network.http policy");
    assert!(asked.stderr_text().contains(&wanted), "{}", asked.stderr_text());
    let asked = vm.exec("curl -sS http://169.254.169.254/").await.unwrap();
    assert!(
        asked
            .stderr_text()
            .contains("within restricted metadata range 169.254.169.254/32"),
        "{}",
        asked.stderr_text()
    );
}
