//! `curl` and `wget` as they are bundled, inside a VM, against a server on the host's loopback: the golden cases of their
//! own tests, and what only a VM can show.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

#[path = "../../../userland/tools-net/tests/server/mod.rs"]
mod server;

use agentos::{AgentOs, Network};
use agentos_golden::{expectation, parse};
use server::Server;
use std::path::Path;

/// A VM whose curl reaches the server whatever host it is told, as in the tools' own tests.
async fn vm(server: &Server) -> AgentOs {
    let vm = AgentOs::builder()
        .loopback_exempt_ports([server.port, server.tls_port, server.stranger_port])
        .network(Network::new().dns_override("web.test", ["127.0.0.1"]))
        .env("WEB", format!("http://127.0.0.1:{}", server.port))
        .env("HOME", "/tmp/home")
        .env("CURL_CA_BUNDLE", "/tmp/home/authority.pem")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .cwd("/tmp/work")
        .create()
        .await
        .unwrap();
    vm.mkdir("/tmp/work").await.unwrap();
    vm.mkdir("/tmp/home").await.unwrap();
    let places = [
        format!("stranger.other:443:127.0.0.1:{}", server.stranger_port),
        format!(":443:127.0.0.1:{}", server.tls_port),
        format!(":80:127.0.0.1:{}", server.port),
    ];
    let lines: String = places
        .iter()
        .map(|place| format!("connect-to = \"{place}\"\n"))
        .collect();
    vm.write_file("/tmp/home/.curlrc", lines).await.unwrap();
    vm.write_file("/tmp/home/authority.pem", server.authority.clone())
        .await
        .unwrap();
    vm
}

#[tokio::test]
async fn the_bundled_programs_do_what_their_cases_say() {
    let server = Server::start();
    let base = vm(&server).await;
    base.prepare(|_| {}).await.unwrap();
    let empty = base.snapshot().await.unwrap();
    let (mut passed, mut failed) = (0, Vec::new());
    for folder in ["http", "own"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../userland/tools-net/tests")
            .join(folder);
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        for file in files {
            let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            for case in parse(&std::fs::read(&file).unwrap()) {
                let label = format!("{stem}: {}", case.name);
                let vm = empty.create().await.unwrap();
                let output = vm.exec(&case.command).await.unwrap();
                let found = expectation(output.exit_code, &output.stdout);
                let differs = DIFFERENT.iter().any(|(known, _)| *known == label);
                match (found == case.expected, differs) {
                    (true, false) => passed += 1,
                    (false, true) => {}
                    (true, true) => failed.push(format!("{label}: passes, but stands among the differences")),
                    (false, false) => failed.push(format!(
                        "{label}\n$ {}\nexpected:\n{}\nfound:\n{}\n{}",
                        case.command,
                        String::from_utf8_lossy(&case.expected),
                        String::from_utf8_lossy(&found),
                        String::from_utf8_lossy(&output.stderr)
                    )),
                }
            }
        }
    }
    assert!(
        failed.is_empty(),
        "{passed} passed, {} failed:\n{}",
        failed.len(),
        failed.join("\n")
    );
    assert!(passed > 80, "only {passed} cases were found");
}

/// Cases that a VM answers in another way than a tool on the host, with the reason. A listed case that passes fails, too.
const DIFFERENT: &[(&str, &str)] = &[(
    "trouble: nobody listens",
    "the guard refuses the port instead, and curl says why",
)];

/// Runs a command; its status, standard output and standard error.
async fn run(vm: &AgentOs, command: &str) -> (i32, String, String) {
    let output = vm.exec(command).await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.exit_code, text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn a_refusal_says_why() {
    let vm = AgentOs::builder().create().await.unwrap();
    for (address, why) in [
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254/32"),
        ("http://10.1.2.3/", "10.0.0.0/8"),
        ("http://127.0.0.1:1/", "loopbackExemptPorts"),
        ("http://[::1]:1/", "loopbackExemptPorts"),
        ("http://0x7f.1:1/", "loopbackExemptPorts"),
    ] {
        let (status, out, err) = run(&vm, &format!("curl -sS -m 10 '{address}'")).await;
        assert_eq!((status, out.as_str()), (7, ""), "{address}: {err}");
        assert!(err.contains(why), "{address}: {err}");
        let (status, _, err) = run(&vm, &format!("wget -O- -t 1 -T 10 '{address}'")).await;
        assert_eq!(status, 4, "{address}: {err}");
    }
}

#[tokio::test]
async fn names_that_the_host_gives_are_resolved_in_the_vm() {
    let server = Server::start();
    let vm = vm(&server).await;
    let port = server.port;
    let (status, out, err) = run(
        &vm,
        &format!("curl -q -sS http://web.test:{port}/x -w '%{{remote_ip}}\n'"),
    )
    .await;
    assert_eq!((status, out.as_str()), (0, "plain /x\n127.0.0.1\n"), "{err}");
    let (status, _, err) = run(&vm, "curl -q -sS http://no-such-host.invalid/").await;
    assert_eq!(status, 6, "{err}");
    assert!(err.contains("Could not resolve host: no-such-host.invalid"), "{err}");
}

#[tokio::test]
async fn the_trusted_certificates_are_those_of_the_image() {
    let server = Server::start();
    let vm = vm(&server).await;
    let (status, _, err) = run(&vm, "CURL_CA_BUNDLE= curl -sS https://web.test/x").await;
    assert_eq!(status, 60, "{err}");
    assert!(err.contains("unable to get local issuer certificate"), "{err}");
    let (status, out, err) = run(
        &vm,
        "CURL_CA_BUNDLE= SSL_CERT_FILE=$HOME/authority.pem curl -sS https://web.test/x",
    )
    .await;
    assert_eq!((status, out.as_str()), (0, "plain /x\n"), "{err}");
}

#[tokio::test]
async fn a_server_in_the_vm_is_reached_without_leaving_it() {
    let vm = AgentOs::builder().create().await.unwrap();
    let script = "mkdir -p /tmp/www; echo inside > /tmp/www/f; httpd -q -b 127.0.0.1 -p 8080 /tmp/www & \
                  curl -sS --retry 50 --retry-connrefused --retry-delay 1 http://localhost:8080/f; kill $!";
    let (_, out, err) = run(&vm, script).await;
    assert_eq!(out, "inside\n", "{err}");
}

#[tokio::test]
async fn a_transfer_is_killed_while_it_waits() {
    let server = Server::start();
    let vm = vm(&server).await;
    let (status, ..) = run(&vm, "timeout 1 curl -s http://web.test/stalls").await;
    assert_eq!(status, 124);
}
