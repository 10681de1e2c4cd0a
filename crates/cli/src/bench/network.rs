//! Sockets between two guests of one VM, beside two threads of the host that do the same.

use super::Scale;
use super::row::Row;
use crate::error::Error;
use agentos::{AgentOs, Output, Process, Stream};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// The guest, assembled from `network.wat`; a test of the WebAssembly executor compares them.
const GUEST: &[u8] = include_bytes!("network.wasm");
const PATH: &str = "/home/user/net";
/// What the guest does: bytes of one connection, in writes of this size, and round trips.
const BYTES: usize = 256 << 20;
const CHUNK: usize = 128 << 10;
const TRIPS: u32 = 20_000;
/// A connection's time is told for so many bytes, so that 1 GB/s is one second.
const GB: f64 = 1e9;

/// `loopback_tcp`, the time of 10^9 bytes through a TCP connection, and `loopback_rtt`, that of a byte forth and back.
pub(crate) async fn loopback(scale: Scale) -> Result<Vec<Row>, Error> {
    let vm = AgentOs::builder().create().await?;
    vm.write_file(PATH, GUEST).await?;
    super::row::check(&vm.exec(format!("chmod +x {PATH}")).await?, "chmod")?;
    let samples = scale.of(20);
    let (mut carried, mut trips) = (Vec::new(), Vec::new());
    let (mut host_carried, mut host_trips) = (Vec::new(), Vec::new());
    for _ in 0..samples {
        carried.push(per_gb(pair(&vm, 0).await?));
        trips.push(pair(&vm, 1).await? / TRIPS);
        host_carried.push(per_gb(host(sink, source)?));
        host_trips.push(host(echo, ping)? / TRIPS);
    }
    Ok(vec![
        Row::times("loopback_tcp", &carried)
            .against("host threads, TCP", &host_carried)
            .goal(1_000_000.0),
        Row::times("loopback_rtt", &trips)
            .against("host threads, TCP", &host_trips)
            .goal(15.0),
    ])
}

fn per_gb(time: Duration) -> Duration {
    time.mul_f64(GB / BYTES as f64)
}

/// Runs a server and its client, and returns what the client measured.
async fn pair(vm: &AgentOs, role: usize) -> Result<Duration, Error> {
    let args = |count: usize| vec!["x"; count];
    let mut server = vm.spawn(PATH, args(role)).start().await?;
    first(&mut server, 1).await?;
    let mut client = vm.spawn(PATH, args(role + 2)).start().await?;
    let told = first(&mut client, 8).await?;
    let (client, server) = (client.wait().await?, server.wait().await?);
    match <[u8; 8]>::try_from(told) {
        Ok(nanos) if (client, server) == (0, 0) => Ok(Duration::from_nanos(u64::from_le_bytes(nanos))),
        _ => Err(Error::Usage(format!(
            "bench: the guests of the loopback exited with {client} and {server}"
        ))),
    }
}

/// The first bytes of a process's standard output; fewer if it ends before.
async fn first(process: &mut Process, count: usize) -> Result<Vec<u8>, Error> {
    let mut got = Vec::new();
    while got.len() < count {
        match process.next_output().await? {
            Some(Output {
                stream: Stream::Stdout,
                data,
                ..
            }) => got.extend_from_slice(&data),
            Some(_) => {}
            None => break,
        }
    }
    Ok(got)
}

type End = fn(TcpStream) -> std::io::Result<()>;

/// Times the client of two threads of the host.
fn host(server: End, client: End) -> Result<Duration, Error> {
    let run = || {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let stream = TcpStream::connect(listener.local_addr()?)?;
        let (accepted, _) = listener.accept()?;
        [&stream, &accepted]
            .into_iter()
            .try_for_each(|end| end.set_nodelay(true))?;
        let thread = std::thread::spawn(move || server(accepted));
        let start = Instant::now();
        client(stream)?;
        let time = start.elapsed();
        // A server that failed has failed its client, too.
        let _ = thread.join();
        Ok(time)
    };
    run().map_err(Error::host("loopback sockets"))
}

fn sink(mut from: TcpStream) -> std::io::Result<()> {
    let mut buf = vec![0; CHUNK];
    while from.read(&mut buf)? > 0 {}
    from.write_all(&[1])
}

fn source(mut to: TcpStream) -> std::io::Result<()> {
    let data = vec![0; CHUNK];
    for _ in 0..BYTES / CHUNK {
        to.write_all(&data)?;
    }
    to.shutdown(Shutdown::Write)?;
    to.read_exact(&mut [0])
}

fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buf = [0; 4096];
    loop {
        match stream.read(&mut buf)? {
            0 => return Ok(()),
            count => stream.write_all(buf.get(..count).unwrap_or_default())?,
        }
    }
}

fn ping(mut stream: TcpStream) -> std::io::Result<()> {
    for _ in 0..TRIPS {
        stream.write_all(&[1])?;
        stream.read_exact(&mut [0])?;
    }
    Ok(())
}
