//! Two real processes and one listening socket.
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
    let listener = match taken {
        None => bind("127.0.0.1:0".parse().unwrap()).expect("binds"),
        Some(mut taken) => {
            assert!(taken.released(PATIENCE).await);
            taken.listener
        }
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
    fn start(configure: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "handover::child", "--ignored", "--nocapture"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
        configure(&mut command);
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
    let start = || {
        Process::start(|command| {
            command.env(SOCKET, &path);
        })
    };
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
    assert!(
        inherited(Some("1"), Some("1")).unwrap().is_empty(),
        "meant for another process"
    );
    let own = std::process::id().to_string();
    assert!(inherited(Some(&own), Some("0")).unwrap().is_empty());
    for wrong in ["-1", "65", "x", ""] {
        assert!(inherited(Some(&own), Some(wrong)).is_err(), "{wrong}");
    }
    // Whatever has the number three here is no listener alone; none of them is taken as one.
    let _listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert!(inherited(Some(&own), Some("64")).is_err());
}
