//! What one VM notices of a hostile one.

use super::row::{Row, check};
use super::{Scale, baseline};
use crate::error::Error;
use agentos::AgentOs;
use std::time::{Duration, Instant};

/// Guests that take all they can get. A noise that a limit ends begins anew.
const NOISE: &[(&str, &str)] = &[
    ("neighbour_flood_p99", "while :; do yes | cat > /dev/null; done"),
    ("neighbour_spin_p99", "while :; do :; done"),
    ("neighbour_fork_p99", "f() { f | f & }; while :; do f; sleep 0.01; done"),
    (
        "neighbour_hog_p99",
        "while :; do (x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done); done 2> /dev/null",
    ),
];

/// The p99 of `echo` in a quiet VM while another floods, spins, forks or hoards memory, and while it does all of it.
pub(crate) async fn noisy(scale: Scale) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for (name, script) in NOISE {
        rows.push(beside(name, &[script], scale.of(300)).await?);
    }
    let all: Vec<&str> = NOISE.iter().map(|(_, script)| *script).collect();
    rows.push(beside("neighbour_echo_p99", &all, scale.of(1000)).await?);
    Ok(rows)
}

async fn beside(name: &'static str, noise: &[&str], samples: usize) -> Result<Row, Error> {
    let loud = AgentOs::builder().create().await?;
    let quiet = AgentOs::builder().create().await?;
    let mut makers = Vec::new();
    for script in noise {
        makers.push(loud.spawn("sh", ["-c", script]).start().await?);
    }
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..samples {
        let start = Instant::now();
        let output = quiet.exec("echo hello").await?;
        times.push(start.elapsed());
        check(&output, "echo hello")?;
    }
    let p99 = Row::times("", &times).percentile(99.0);
    let host = baseline::bash("echo hello", samples / 10)?;
    loud.dispose().await;
    Ok(Row::new(name, "us", vec![p99])
        .against("bash, same noise", &host)
        .goal(20_000.0))
}
