//! What an action costs, and how many there are in a second.

use super::{House, path};
use crate::bench::Scale;
use crate::bench::row::Row;
use crate::error::Error;
use agentos_client::{Connection, Vm};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// `serve_http`, `serve_ws`: one action after the other over a kept connection; `serve_rate`: as many as go at once.
pub(crate) async fn actions(scale: Scale) -> Result<Vec<Row>, Error> {
    let house = House::new().await?;
    let vm = house.vm("actions").await?;
    let count = scale.of(5000);
    let http = in_task(over_http(vm.clone(), count)).await?;
    let connection = vm.connect().await?;
    let socket = in_task(over_socket(connection.clone(), count)).await?;
    let mut rates = Vec::new();
    for _ in 0..scale.of(10) {
        rates.push(rate(&vm, 8000).await?);
    }
    connection.close().await;
    let apart = super::apart::apart(&house, scale).await?;
    house.end().await;
    let mut rows = vec![
        Row::times("serve_http", &http).goal(150.0),
        Row::times("serve_ws", &socket).goal(80.0),
        Row::new("serve_rate", "1/s", rates).goal_at_least(20_000.0),
    ];
    rows.extend(apart);
    Ok(rows)
}

/// Runs the measured calls in a task, as an application's are: who blocks on a future outside of the runtime's threads pays
/// for being woken by another thread at each answer.
pub(super) async fn in_task(
    calls: impl Future<Output = Result<Vec<Duration>, Error>> + Send + 'static,
) -> Result<Vec<Duration>, Error> {
    Ok(super::all(vec![tokio::spawn(calls)]).await?.concat())
}

pub(super) async fn over_http(vm: Vm, count: usize) -> Result<Vec<Duration>, Error> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        vm.exists("/home/user").await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

pub(super) async fn over_socket(connection: Connection, count: usize) -> Result<Vec<Duration>, Error> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let start = Instant::now();
        connection.call("exists", path()).await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

/// Actions a second over eight sockets with eight actions in flight each.
async fn rate(vm: &Vm, count: usize) -> Result<f64, Error> {
    let mut connections = Vec::new();
    for _ in 0..8 {
        connections.push(Arc::new(vm.connect().await?));
    }
    let start = Instant::now();
    let mut tasks = Vec::new();
    for connection in connections.iter().flat_map(|connection| [connection; 8]) {
        let connection = Arc::clone(connection);
        tasks.push(tokio::spawn(async move {
            for _ in 0..count / 64 {
                connection.call("exists", path()).await?;
            }
            Ok::<_, agentos_client::Error>(())
        }));
    }
    let total = count / 64 * tasks.len();
    super::all(tasks).await?;
    Ok(total as f64 / start.elapsed().as_secs_f64())
}
