//! A deploy of `agentos serve`: one process takes the place of another, and clients that go on calling notice nothing.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[path = "support/server.rs"]
mod server;

use agentos_client::Client;
use rustix::process::Signal;
use server::Server;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinHandle;

/// Clients that call at the same time.
const CLIENTS: usize = 6;
/// A call that takes longer than this has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Clients that call and call, half of them on kept-alive connections and half on new ones.
struct Crowd {
    stop: Arc<AtomicBool>,
    answered: Arc<Vec<AtomicUsize>>,
    tasks: Vec<JoinHandle<Vec<String>>>,
}

impl Crowd {
    fn start(url: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered: Arc<Vec<_>> = Arc::new((0..CLIENTS).map(|_| AtomicUsize::new(0)).collect());
        let tasks = (0..CLIENTS).map(|number| {
            let (stop, answered, url) = (Arc::clone(&stop), Arc::clone(&answered), url.to_owned());
            tokio::spawn(async move {
                let mut failures = Vec::new();
                let kept = Client::new(&url).unwrap();
                for turn in 0.. {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let client = if number % 2 == 0 {
                        kept.clone()
                    } else {
                        Client::new(&url).unwrap()
                    };
                    match tokio::time::timeout(PATIENCE, call(&client, number, turn)).await {
                        Ok(Ok(())) => drop(answered[number].fetch_add(1, Ordering::Relaxed)),
                        Ok(Err(error)) => failures.push(format!("client {number}, call {turn}: {error}")),
                        Err(_) => failures.push(format!("client {number}, call {turn}: no answer")),
                    }
                }
                failures
            })
        });
        let tasks = tasks.collect();
        Self { stop, answered, tasks }
    }

    /// Waits until every client was answered some times more.
    async fn goes_on(&self) {
        let before: Vec<usize> = self
            .answered
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        let served = || {
            let now = self.answered.iter().zip(&before);
            now.into_iter()
                .all(|(count, before)| count.load(Ordering::Relaxed) > before + 5)
        };
        let waiting = async {
            while !served() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("every client is served");
    }

    async fn ends(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            assert_eq!(task.await.unwrap(), Vec::<String>::new());
        }
    }
}

/// What one client does: it finds its VM, writes, and reads what it wrote.
async fn call(client: &Client, number: usize, turn: u32) -> agentos_client::Result<()> {
    let vm = client.vm("vm").get_or_create([number.to_string()]).await?;
    let text = format!("{turn}");
    vm.write_file("/home/user/turn", text.clone()).await?;
    assert_eq!(vm.read_file("/home/user/turn").await?, text);
    Ok(())
}

/// Starts a server without keeping the runtime from serving the clients meanwhile.
async fn start(start: impl FnOnce() -> Server + Send + 'static) -> Server {
    tokio::task::spawn_blocking(start).await.unwrap()
}

async fn ended(mut server: Server) {
    let status = tokio::task::spawn_blocking(move || server.child.wait().unwrap())
        .await
        .unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_of_a_service_manager_drops_no_client() {
    let data = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let next = async || {
        let (listener, data) = (listener.try_clone().unwrap(), data.path().to_owned());
        start(move || Server::passed(&listener, &data, &[])).await
    };
    let mut server = next().await;
    assert!(server.url.ends_with(&listener.local_addr().unwrap().port().to_string()));
    let crowd = Crowd::start(&server.url);
    for _ in 0..2 {
        crowd.goes_on().await;
        // Between the end of the one and the start of the other, connections wait in the socket.
        server.signal(Signal::TERM);
        ended(server).await;
        server = next().await;
    }
    crowd.goes_on().await;
    crowd.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_successor_that_takes_over_drops_no_client() {
    let data = tempfile::tempdir().unwrap();
    let next = async |more: &'static [&'static str]| {
        let data = data.path().to_owned();
        start(move || Server::start(&data, more)).await
    };
    let mut server = next(&[]).await;
    let crowd = Crowd::start(&server.url);
    for _ in 0..2 {
        crowd.goes_on().await;
        let successor = next(&["--take-over"]).await;
        assert_eq!(successor.url, server.url);
        ended(server).await;
        server = successor;
    }
    crowd.goes_on().await;
    crowd.ends().await;
}

/// Writes a new certificate for this machine and its key; returns the certificate as text.
fn issue(directory: &Path) -> String {
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    // As tools do that renew certificates: each file is whole at any moment.
    for (name, text) in [
        ("key.pem", issued.signing_key.serialize_pem()),
        ("cert.pem", issued.cert.pem()),
    ] {
        std::fs::write(directory.join("new"), text).unwrap();
        std::fs::rename(directory.join("new"), directory.join(name)).unwrap();
    }
    issued.cert.pem()
}

/// Whether a client that trusts this certificate alone, on a connection of its own, is served.
async fn is_served(url: &str, certificate: &str) -> bool {
    let client = Client::builder(url).root_certificate(certificate).build().unwrap();
    tokio::time::timeout(PATIENCE, client.health())
        .await
        .expect("an answer")
        .is_ok()
}

async fn until_served(url: &str, certificate: &str) {
    let waiting = async {
        while !is_served(url, certificate).await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting)
        .await
        .expect("the new certificate is served");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_certificate_is_served_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let config = directory.path().join("agentos.toml");
    let first = issue(directory.path());
    std::fs::write(&config, "[tls]\ncertFile = 'cert.pem'\nkeyFile = 'key.pem'\n").unwrap();
    let server = Server::start(&directory.path().join("data"), &["--config", config.to_str().unwrap()]);
    assert!(server.url.starts_with("https://"));
    assert!(is_served(&server.url, &first).await);
    // A connection that is open outlives the change.
    let open = Client::builder(&server.url)
        .root_certificate(first.as_str())
        .build()
        .unwrap();
    let vm = open.vm("vm").get_or_create(["k"]).await.unwrap();
    let second = issue(directory.path());
    server.signal(Signal::HUP);
    until_served(&server.url, &second).await;
    assert!(!is_served(&server.url, &first).await);
    vm.write_file("/home/user/a", "1").await.unwrap();
    // One that cannot be used leaves the old one in place.
    let good = std::fs::read(directory.path().join("key.pem")).unwrap();
    std::fs::write(directory.path().join("key.pem"), "no key").unwrap();
    server.signal(Signal::HUP);
    for _ in 0..5 {
        assert!(is_served(&server.url, &second).await);
    }
    std::fs::write(directory.path().join("key.pem"), good).unwrap();
    // Nobody has to say anything: the files are looked at now and then.
    let third = issue(directory.path());
    until_served(&server.url, &third).await;
    assert!(server.end(Signal::TERM).success());
}
