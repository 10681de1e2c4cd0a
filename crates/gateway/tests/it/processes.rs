//! Servers in processes of their own: handover, sockets that are passed, descriptors that run out.
//!
//! The test starts itself as the servers: [`child`] is an ignored test that serves until it is told otherwise.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use agentos_gateway::{Gateway, bind, handover, inherited};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::support::{self, PATIENCE, actors, soon};

const SOCKET: &str = "GATEWAY_TEST_HANDOVER";

/// A server that takes over what is offered at the path, says that it serves, and hands over in turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process of the tests below"]
async fn child() {
    let Some(path) = std::env::var_os(SOCKET) else { return };
    let path = Path::new(&path);
    let taken = handover::inherit(path).await.expect("asks");
    let passed = inherited(variable("LISTEN_PID").as_deref(), variable("LISTEN_FDS").as_deref()).expect("passed");
    let listener = match (taken, passed.into_iter().next()) {
        (Some(mut taken), _) => {
            assert!(taken.released(PATIENCE).await);
            taken.listener
        }
        (None, Some(passed)) => passed,
        (None, None) => bind("127.0.0.1:0".parse().unwrap()).expect("binds"),
    };
    let registry = support::registry(agentos_actor::RegistryLimits::default(), &actors::Log::default());
    let held = listener.try_clone().unwrap();
    let running = Gateway::builder(registry)
        .build()
        .unwrap()
        .serve(listener)
        .expect("serves");
    let offer = handover::Offer::bind(path).expect("offers");
    tell(&format!("serving {}", running.address()));
    let successor = offer.successor(&held).await;
    running.drain(PATIENCE).await;
    successor.release().await;
    tell("gone");
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Speaks past the test harness, which would keep the output.
fn tell(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "child: {line}");
}

struct Process {
    child: Child,
    lines: tokio::io::Lines<BufReader<tokio::process::ChildStderr>>,
}

impl Process {
    /// Starts a server behind a line of shell, which may prepare the process.
    fn start(prepare: &str, path: &Path, input: Stdio) -> Self {
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!(
            "{prepare} exec \"$0\" --exact processes::child --ignored --nocapture"
        ));
        command.arg(std::env::current_exe().unwrap()).env(SOCKET, path);
        command
            .stdin(input)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("starts");
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn says(&mut self, start: &str) -> String {
        loop {
            let line = soon(self.lines.next_line()).await.unwrap().expect("a line");
            if let Some(rest) = line.strip_prefix("child: ").and_then(|line| line.strip_prefix(start)) {
                return rest.trim().to_owned();
            }
        }
    }
}

/// One request on a new connection.
async fn ask(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_never_see_a_refused_connection() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("handover.sock");
    let start = || Process::start("", &path, Stdio::null());
    let mut old = start();
    let address: SocketAddr = old.says("serving").await.parse().unwrap();
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let client = tokio::spawn({
        let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
        async move {
            while !stop.load(Ordering::Relaxed) {
                let answer = soon(ask(address)).await.expect("never refused");
                assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    for _ in 0..3 {
        let before = answered.load(Ordering::Relaxed);
        support::until(|| answered.load(Ordering::Relaxed) > before + 20).await;
        let mut new = start();
        assert_eq!(new.says("serving").await.parse::<SocketAddr>().unwrap(), address);
        old.says("gone").await;
        assert!(soon(old.child.wait()).await.unwrap().success());
        old = new;
    }
    let before = answered.load(Ordering::Relaxed);
    support::until(|| answered.load(Ordering::Relaxed) > before + 20).await;
    stop.store(true, Ordering::Relaxed);
    soon(client).await.unwrap();
}

#[tokio::test]
async fn what_is_passed_by_number_must_be_a_listening_socket() {
    assert!(inherited(None, Some("1")).unwrap().is_empty());
    let (own, another) = (std::process::id(), std::process::id() ^ 1);
    assert!(
        inherited(Some(&another.to_string()), Some("1")).unwrap().is_empty(),
        "meant for another process"
    );
    let own = own.to_string();
    assert!(inherited(Some(&own), Some("0")).unwrap().is_empty());
    for wrong in ["-1", "65", "x", ""] {
        assert!(inherited(Some(&own), Some(wrong)).is_err(), "{wrong}");
    }
    // Whatever has the number three here is no listener alone; none of them is taken as one.
    let _listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(inherited(Some(&own), Some("64")).is_err());
}

#[tokio::test]
async fn a_passed_socket_is_served_and_outlives_its_server() {
    let directory = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for round in 0..2 {
        let path = directory.path().join(format!("handover-{round}.sock"));
        let passed = Stdio::from(std::os::fd::OwnedFd::from(listener.try_clone().unwrap()));
        let prepare = "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1;";
        let mut process = Process::start(prepare, &path, passed);
        assert_eq!(process.says("serving").await.parse::<SocketAddr>().unwrap(), address);
        assert!(soon(ask(address)).await.unwrap().starts_with("HTTP/1.1 200"));
        process.child.kill().await.unwrap();
        // The port still takes connections; the next server answers them.
        let mut waiting = TcpStream::connect(address).await.unwrap();
        waiting
            .write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_server_that_runs_out_of_descriptors_goes_on_when_there_are_some() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("handover.sock");
    let mut process = Process::start("ulimit -n 40;", &path, Stdio::null());
    let address: SocketAddr = process.says("serving").await.parse().unwrap();
    let mut crowd = Vec::new();
    for _ in 0..60 {
        // The kernel takes them all; the server has descriptors for some.
        crowd.push(TcpStream::connect(address).await.unwrap());
    }
    drop(crowd);
    for _ in 0..3 {
        assert!(soon(ask(address)).await.unwrap().starts_with("HTTP/1.1 200"));
    }
}
