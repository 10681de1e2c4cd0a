//! `serve_http_apart`, `serve_ws_apart`: the client is a process of its own, as it is where a server serves others.
//!
//! The client is this command once more, with an option that only it uses: it calls the server over loopback, measures
//! every call by its own clock and prints the times. So a call holds what `serve_http` and `serve_ws` leave out: two
//! processes that wake each other on the machine's cores.

use super::House;
use super::actions::{over_http, over_socket};
use crate::bench::Scale;
use crate::bench::row::Row;
use crate::error::Error;
use agentos_client::Client;
use serde::{Deserialize, Serialize};
use std::process::Stdio;
use std::time::Duration;

/// The VM that is called.
const KEY: &str = "actions";
/// Longest time for all calls.
const CALLS: Duration = Duration::from_secs(120);

/// What the client prints: how long each call took, in nanoseconds.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Calls {
    http: Vec<u64>,
    ws: Vec<u64>,
}

/// Has another process call the server.
pub(super) async fn apart(house: &House, scale: Scale) -> Result<Vec<Row>, Error> {
    let this = std::env::current_exe().map_err(Error::host("own executable"))?;
    let mut command = tokio::process::Command::new(this);
    command.args(["bench", "--client", &house.running.url()]);
    if scale.quick {
        command.arg("--quick");
    }
    // One that takes too long ends with the future that waits for it.
    command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = tokio::time::timeout(CALLS, command.output())
        .await
        .map_err(|_| failed(&format!("it took longer than {} s", CALLS.as_secs())))?
        .map_err(Error::host("own executable"))?;
    if !output.status.success() {
        return Err(failed(&format!("it ended with {}", output.status)));
    }
    let calls: Calls = serde_json::from_slice(&output.stdout).map_err(|error| failed(&error.to_string()))?;
    Ok(vec![
        row("serve_http_apart", &calls.http).goal(150.0),
        row("serve_ws_apart", &calls.ws).goal(80.0),
    ])
}

/// `agentos bench --client URL`: calls, and returns the object to print.
pub(crate) async fn client(url: &str, scale: Scale) -> Result<serde_json::Value, Error> {
    let vm = Client::new(url)?.vm("vm").get_or_create([KEY]).await?;
    let count = scale.of(5000);
    let http = super::actions::in_task(over_http(vm.clone(), count)).await?;
    let connection = vm.connect().await?;
    let ws = super::actions::in_task(over_socket(connection.clone(), count)).await?;
    connection.close().await;
    let calls = Calls {
        http: nanoseconds(&http),
        ws: nanoseconds(&ws),
    };
    serde_json::to_value(calls).map_err(|error| failed(&error.to_string()))
}

fn nanoseconds(times: &[Duration]) -> Vec<u64> {
    let whole = |time: &Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    times.iter().map(whole).collect()
}

fn row(name: &'static str, nanoseconds: &[u64]) -> Row {
    let times: Vec<Duration> = nanoseconds.iter().copied().map(Duration::from_nanos).collect();
    Row::times(name, &times)
}

fn failed(why: &str) -> Error {
    Error::Usage(format!("bench: the client in a process of its own: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_prints_becomes_rows() {
        let calls = Calls {
            http: nanoseconds(&[Duration::from_micros(70), Duration::from_micros(90)]),
            ws: vec![40_000],
        };
        let read: Calls = serde_json::from_str(&serde_json::to_string(&calls).unwrap()).unwrap();
        assert_eq!(read, calls);
        let rows = [row("http", &read.http), row("ws", &read.ws)];
        assert_eq!(rows.map(|row| row.percentile(100.0)), [90.0, 40.0]);
    }
}
