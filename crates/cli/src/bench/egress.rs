//! What the guard costs a guest that leaves its VM: connecting and downloading, beside the host doing the same over the same
//! loopback.
//!
//! Both go to a server of this process at an exempt port. The guest's program is left out, so that the rows show the way out
//! alone; `egress_curl_1gib` is the whole way.

use super::Scale;
use super::row::Row;
use crate::error::Error;
use agentos::AgentOs;
use agentos_kernel::id::Pid;
use agentos_kernel::net::{Egress, Outgoing, Stream};
use agentos_net::{Guard, GuardConfig};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// What the guard may add to a connection, in microseconds.
const CONNECT_GOAL: f64 = 20.0;
/// How much slower than the host a download may be.
const DOWNLOAD_GOAL: f64 = 1.3;
/// Bytes of a download.
const DOWNLOAD: usize = 256 << 20;
/// Bytes of a page.
const PAGE: usize = 1 << 30;
/// Bytes of one read.
const CHUNK: usize = 256 << 10;

/// `egress_connect`: from asking to being connected, and closing.
pub(super) async fn connect(scale: Scale) -> Result<Vec<Row>, Error> {
    let server = Server::start(|_| {})?;
    let guard = server.guard();
    let (mut bare, mut guarded) = (Vec::new(), Vec::new());
    for _ in 0..scale.of(2000) {
        let begun = Instant::now();
        drop(TcpStream::connect(server.address).map_err(Error::host("connect"))?);
        bare.push(begun.elapsed());
        let begun = Instant::now();
        open(&guard, server.address)?.close(false);
        guarded.push(begun.elapsed());
    }
    let bare = Row::times("host connect", &bare);
    let goal = bare.percentile(50.0) + CONNECT_GOAL;
    Ok(vec![
        Row::times("egress_connect", &guarded).against_row(&bare).goal(goal),
    ])
}

/// `egress_download`: 256 MiB.
pub(super) async fn download(scale: Scale) -> Result<Vec<Row>, Error> {
    let server = Server::start(|mut stream| {
        let chunk = vec![7; CHUNK];
        for _ in 0..DOWNLOAD / CHUNK {
            if stream.write_all(&chunk).is_err() {
                return;
            }
        }
    })?;
    let guard = server.guard();
    let (mut bare, mut guarded) = (Vec::new(), Vec::new());
    let mut buffer = vec![0; CHUNK];
    for _ in 0..scale.of(20) {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(server.address).map_err(Error::host("connect"))?;
        while stream.read(&mut buffer).map_err(Error::host("read"))? > 0 {}
        bare.push(begun.elapsed());
        let begun = Instant::now();
        let stream = open(&guard, server.address)?;
        while wait(|waker| stream.read(&mut buffer, waker))? > 0 {}
        stream.close(false);
        guarded.push(begun.elapsed());
    }
    let row = Row::times("egress_download", &guarded).against("host download", &bare);
    Ok(vec![row.goal_ratio(DOWNLOAD_GOAL)])
}

/// `egress_curl_1gib`: the whole way of a guest's `curl`, beside the host's; no row where the VM has none.
pub(super) async fn curl(scale: Scale) -> Result<Vec<Row>, Error> {
    let server = Server::start(serve_page)?;
    let vm = AgentOs::builder()
        .loopback_exempt_ports([server.address.port()])
        .create()
        .await?;
    if vm.exec("command -v curl").await?.exit_code != 0 {
        return Ok(Vec::new());
    }
    let url = format!("http://{}/", server.address);
    let (mut host, mut guest) = (Vec::new(), Vec::new());
    for _ in 0..scale.of(10) {
        let begun = Instant::now();
        let ran = Command::new("curl").args(["-s", "-o", "/dev/null", &url]).status();
        if ran.is_ok_and(|status| status.success()) {
            host.push(begun.elapsed());
        }
        let begun = Instant::now();
        let asked = vm
            .exec(format!("curl -sS -o /dev/null -w '%{{size_download}}' {url}"))
            .await?;
        if asked.stdout_text() != PAGE.to_string() {
            return Err(Error::Usage(format!("bench: curl in a VM: {}", asked.stderr_text())));
        }
        guest.push(begun.elapsed());
    }
    let row = Row::times("egress_curl_1gib", &guest).against("host curl", &host);
    Ok(vec![row.goal_ratio(DOWNLOAD_GOAL)])
}

/// One page of 1 GiB.
fn serve_page(mut stream: TcpStream) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {PAGE}\r\nConnection: close\r\n\r\n");
    let chunk = vec![7; CHUNK];
    if stream.read(&mut [0; 4096]).is_err() || stream.write_all(head.as_bytes()).is_err() {
        return;
    }
    for _ in 0..PAGE / CHUNK {
        if stream.write_all(&chunk).is_err() {
            return;
        }
    }
}

/// A server of this process, for as long as the process lives.
struct Server {
    address: SocketAddr,
}

impl Server {
    fn start(serve: impl Fn(TcpStream) + Send + 'static) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(Error::host("listen"))?;
        let address = listener.local_addr().map_err(Error::host("listen"))?;
        std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
        Ok(Self { address })
    }

    fn guard(&self) -> Guard {
        let mut config = GuardConfig::new(Arc::default());
        config.loopback_exempt_ports = [self.address.port()].into();
        Guard::new(config)
    }
}

fn open(guard: &Guard, to: SocketAddr) -> Result<Arc<dyn Stream>, Error> {
    let refused = |error: agentos_kernel::Error| Error::Usage(format!("bench: {error}"));
    let stream = guard.connect(&Outgoing::new(to, Pid(1))).map_err(refused)?;
    wait(|waker| stream.poll_connected(waker))?;
    Ok(stream)
}

struct Signal(mpsc::Sender<()>);

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        let _ = self.0.send(());
    }
}

/// Waits in this thread, as a guest does on its fiber.
fn wait<T>(mut ask: impl FnMut(Option<&Waker>) -> Poll<agentos_kernel::Result<T>>) -> Result<T, Error> {
    let failed = |error: agentos_kernel::Error| Error::Usage(format!("bench: {error}"));
    if let Poll::Ready(answer) = ask(None) {
        return answer.map_err(failed);
    }
    let (sender, receiver) = mpsc::channel();
    let waker = Waker::from(Arc::new(Signal(sender)));
    loop {
        if let Poll::Ready(answer) = ask(Some(&waker)) {
            return answer.map_err(failed);
        }
        if receiver.recv_timeout(Duration::from_secs(60)).is_err() {
            return Err(Error::Usage("bench: nothing moved for a minute".to_owned()));
        }
    }
}
