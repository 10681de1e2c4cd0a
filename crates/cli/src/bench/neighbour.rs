//! What one VM notices of a hostile one.

use super::row::{Row, check};
use super::{Scale, baseline};
use crate::error::Error;
use agentos::AgentOs;
use std::time::Instant;

/// Guests that take all they can get: output, CPU, processes, memory.
const NOISE: &[&str] = &[
    "yes | cat > /dev/null",
    "while :; do :; done",
    "f() { f | f & }; f; while :; do sleep 1; done",
    "x=x; while :; do x=$x$x; done",
];

/// `neighbour_echo_p99`: `echo` in a quiet VM while another floods, spins, forks and hoards.
pub(crate) async fn noisy(scale: Scale) -> Result<Vec<Row>, Error> {
    let loud = AgentOs::builder().create().await?;
    let quiet = AgentOs::builder().create().await?;
    let mut noise = Vec::new();
    for script in NOISE {
        noise.push(loud.spawn("sh", ["-c", script]).start().await?);
    }
    let mut times = Vec::new();
    for _ in 0..scale.of(1000) {
        let start = Instant::now();
        let output = quiet.exec("echo hello").await?;
        times.push(start.elapsed());
        check(&output, "echo hello")?;
    }
    let p99 = Row::times("", &times).percentile(99.0);
    let host = baseline::bash("echo hello", scale.of(100))?;
    Ok(vec![Row::new("neighbour_echo_p99", "us", vec![p99]).against("bash, same noise", &host)])
}
