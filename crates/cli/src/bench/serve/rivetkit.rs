//! The alternative: the stock RivetKit client 2.2.1 calls this server and RivetKit 2.2.1's own one in turns.
//!
//! Both servers run beside the client on the same cores, and answer the same bytes to the same action, `exists`. RivetKit's
//! actor answers from its code; this server's VM walks the path and asks its policy as well. The client is the same
//! unmodified program with the same settings, in Node 22, which RivetKit's server needs for its SQLite. That server starts
//! with its file-system driver and needs nothing else. What cannot be installed or started leaves rows that say why.

use super::House;
use super::npm::Packages;
use crate::bench::Scale;
use crate::bench::row::Row;
use crate::error::Error;
use serde::Deserialize;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

/// What the other server is called in the table.
const THEIRS: &str = "rivetkit 2.2.1's server";
/// Calls that one server gets in a row.
const TURN: usize = 25;
/// Longest time for the other server to start.
const START: Duration = Duration::from_secs(60);
/// Longest time for all calls.
const CALLS: Duration = Duration::from_secs(300);
/// Where the programs leave what they have to say.
const LOGS: (&str, &str) = ("server.log", "client.log");

/// What the client prints: microseconds of every call.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Compared {
    http: Both,
    web_socket: Both,
}

#[derive(Deserialize)]
struct Both {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

/// `serve_rivetkit_http`, `serve_rivetkit_ws`.
pub(crate) async fn compared(scale: Scale) -> Result<Vec<Row>, Error> {
    const NAMES: [&str; 2] = ["serve_rivetkit_http", "serve_rivetkit_ws"];
    if !scale.npm {
        return Ok(NAMES.map(|name| Row::not_run(name, "us", "--no-npm was given")).into());
    }
    let house = House::new().await?;
    let compared = compare(&house.running.url(), scale).await;
    house.end().await;
    Ok(match compared {
        Ok(Compared { http, web_socket }) => vec![http.row(NAMES[0]), web_socket.row(NAMES[1])],
        Err(why) => NAMES.map(|name| Row::not_run(name, "us", why.as_str())).into(),
    })
}

impl Both {
    fn row(self, name: &'static str) -> Row {
        Row::new(name, "us", self.ours)
            .against_row(&Row::new(THEIRS, "us", self.theirs))
            .goal_ratio(1.0)
    }
}

async fn compare(ours: &str, scale: Scale) -> Result<Compared, String> {
    let packages = Packages::install().await?;
    let data = std::env::temp_dir().join(format!("agentos-bench-rivetkit-{}", std::process::id()));
    let compared = between(&packages, ours, &data, scale).await;
    // What is left in the temporary directory is the system's to remove.
    let _ = std::fs::remove_dir_all(data);
    compared
}

async fn between(packages: &Packages, ours: &str, data: &Path, scale: Scale) -> Result<Compared, String> {
    let (mut server, theirs) = start(packages, data).await?;
    let mut client = packages.node("client.mjs");
    client
        .args([ours, &theirs, &scale.of(60).to_string(), &TURN.to_string()])
        .stdin(Stdio::null())
        .stderr(packages.log(LOGS.1).map_err(|error| error.to_string())?);
    let output = tokio::time::timeout(CALLS, client.output()).await;
    // It is of no more use, whatever became of the client.
    let _ = server.kill().await;
    let output = output
        .map_err(|_| format!("the client took longer than {} s", CALLS.as_secs()))?
        .map_err(|error| format!("the client does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("the client failed: {}", packages.last_words(LOGS.1)));
    }
    let read: Result<Compared, _> = serde_json::from_slice(&output.stdout);
    read.map_err(|error| format!("the client printed something else than its samples: {error}"))
}

/// Starts RivetKit's own server; returns it with its endpoint. It ends with the pipe that is its standard input.
async fn start(packages: &Packages, data: &Path) -> Result<(Child, String), String> {
    let failed = |error: std::io::Error| format!("{THEIRS} does not start: {error}");
    let mut command = packages.node("server.mjs");
    command
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(packages.log(LOGS.0).map_err(failed)?);
    let mut server = command.spawn().map_err(failed)?;
    let stdout = server.stdout.take().ok_or("a pipe is missing")?;
    let mut lines = BufReader::new(stdout).lines();
    let endpoint = async {
        loop {
            let line = lines.next_line().await.map_err(failed)?;
            let Some(line) = line else {
                return Err(format!("{THEIRS} ended: {}", packages.last_words(LOGS.0)));
            };
            let told: Option<serde_json::Value> = serde_json::from_str(&line).ok();
            if let Some(endpoint) = told.as_ref().and_then(|told| told["endpoint"].as_str()) {
                return Ok(endpoint.to_owned());
            }
        }
    };
    let endpoint = tokio::time::timeout(START, endpoint).await;
    let endpoint = endpoint.map_err(|_| format!("{THEIRS} did not start within {} s", START.as_secs()))??;
    // What it says later is of no interest, but must not stop it.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    Ok((server, endpoint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_prints_becomes_rows() {
        let text = r#"{"http": {"ours": [1, 2, 3], "theirs": [4, 5, 6]}, "webSocket": {"ours": [9], "theirs": [3]}}"#;
        let Compared { http, web_socket } = serde_json::from_str(text).unwrap();
        let (http, socket) = (http.row("http"), web_socket.row("ws"));
        assert_eq!((http.percentile(50.0), http.is_met()), (2.0, Some(true)));
        assert_eq!((socket.percentile(50.0), socket.is_met()), (9.0, Some(false)));
    }
}
