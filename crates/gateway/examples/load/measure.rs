//! Figures.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::actor::now_us;
use super::client::{Caller, Socket};

const ROUND: Duration = Duration::from_secs(3);

/// One caller, one call after another.
pub(crate) async fn latency(what: &str, mut caller: impl Caller, calls: usize) {
    for _ in 0..calls / 10 {
        caller.call().await;
    }
    let mut times = Vec::with_capacity(calls);
    for _ in 0..calls {
        let start = Instant::now();
        caller.call().await;
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    print(what, "us", &mut times);
}

/// Many callers, each one call after another.
pub(crate) async fn throughput<C, F>(what: &str, callers: usize, open: impl Fn() -> F)
where
    C: Caller + Send + 'static,
    F: Future<Output = C>,
{
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let mut caller = open().await;
        tasks.spawn(async move {
            let (start, mut calls) = (Instant::now(), 0_u64);
            while start.elapsed() < ROUND {
                caller.call().await;
                calls += 1;
            }
            calls
        });
    }
    report(what, callers, tasks).await;
}

/// Many sockets, each with several calls in flight.
pub(crate) async fn pipelined<F>(what: &str, callers: usize, depth: usize, open: impl Fn() -> F)
where
    F: Future<Output = Socket>,
{
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..callers {
        let mut socket = open().await;
        tasks.spawn(async move {
            let (start, mut calls) = (Instant::now(), 0_u64);
            while start.elapsed() < ROUND {
                socket.send(depth).await;
                for _ in 0..depth {
                    socket.receive().await;
                }
                calls += depth as u64;
            }
            calls
        });
    }
    report(what, callers, tasks).await;
}

async fn report(what: &str, callers: usize, tasks: tokio::task::JoinSet<u64>) {
    let start = Instant::now();
    let calls: u64 = tasks.join_all().await.into_iter().sum();
    println!(
        "{what:40} {:>9.0}/s with {callers} connections",
        calls as f64 / start.elapsed().as_secs_f64()
    );
}

/// Many sockets that receive every event of one actor.
pub(crate) async fn events(address: SocketAddr, id: &str, sockets: usize, per_second: u8, round: Duration) {
    let seconds = u8::try_from(round.as_secs()).expect("short");
    let expected = usize::from(per_second) * usize::from(seconds);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..sockets {
        let mut socket = Socket::open(address, id).await;
        socket.subscribe("tick").await;
        socket.call().await;
        tasks.spawn(async move {
            let mut times = Vec::with_capacity(expected);
            for _ in 0..expected {
                let message = socket.receive().await;
                let sent = message
                    .last_chunk::<8>()
                    .map_or(0.0, |bytes| f64::from_be_bytes(*bytes));
                times.push((now_us() - sent) / 1e3);
            }
            (socket, times)
        });
    }
    let mut conductor = Socket::open(address, id).await;
    conductor.tick(per_second, seconds).await;
    let mut times: Vec<f64> = tasks
        .join_all()
        .await
        .into_iter()
        .flat_map(|(_, times)| times)
        .collect();
    print(
        &format!("{sockets} sockets, {per_second} events/s each"),
        "ms",
        &mut times,
    );
}

fn print(what: &str, unit: &str, times: &mut [f64]) {
    times.sort_by(f64::total_cmp);
    let at = |share: usize| times.get(times.len() * share / 1000).copied().unwrap_or_default();
    println!(
        "{what:40} p50 {:>7.1} {unit}  p99 {:>7.1} {unit}  p99.9 {:>7.1} {unit}  ({} samples)",
        at(500),
        at(990),
        at(999),
        times.len()
    );
}
