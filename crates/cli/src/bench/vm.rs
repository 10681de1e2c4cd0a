//! Creating VMs and running commands in them.

use super::{Scale, baseline, row::Row};
use crate::error::Error;
use agentos::AgentOs;
use std::time::{Duration, Instant};

/// `vm_create`: a VM with the bundled userland, in memory.
pub(crate) async fn create(scale: Scale) -> Result<Vec<Row>, Error> {
    AgentOs::builder().create().await?;
    let mut times = Vec::new();
    for _ in 0..scale.of(2000) {
        let start = Instant::now();
        let vm = AgentOs::builder().create().await?;
        times.push(start.elapsed());
        drop(vm);
    }
    let host = baseline::bash(":", scale.of(200))?;
    Ok(vec![Row::times("vm_create", &times).against("bash -c :", &host)])
}

/// `exec_echo`: `echo hello` through the shell.
pub(crate) async fn exec_echo(scale: Scale) -> Result<Vec<Row>, Error> {
    let times = exec("echo hello", scale.of(2000)).await?;
    let host = baseline::bash("echo hello", scale.of(300))?;
    Ok(vec![Row::times("exec_echo", &times).against("bash -c 'echo hello'", &host)])
}

/// `pipeline3`: three tools in a pipeline.
pub(crate) async fn pipeline(scale: Scale) -> Result<Vec<Row>, Error> {
    let script = "ls / | grep e | sort";
    let times = exec(script, scale.of(1000)).await?;
    let host = baseline::bash(script, scale.of(200))?;
    Ok(vec![Row::times("pipeline3", &times).against("bash, same pipeline", &host)])
}

/// `spawn50`: one spawn and wait out of fifty in a script, the script's own start taken off.
pub(crate) async fn spawn50(scale: Scale) -> Result<Vec<Row>, Error> {
    let line = "/bin/true\n";
    let (script, empty) = (line.repeat(50), ":");
    let with = exec(&script, scale.of(200)).await?;
    let without = exec(empty, scale.of(200)).await?;
    let host_with = baseline::bash(&script, scale.of(30))?;
    let host_without = baseline::bash(empty, scale.of(30))?;
    Ok(vec![Row::times("spawn50", &each(&with, &without, 50)).against("bash, same script", &each(&host_with, &host_without, 50))])
}

/// Share of one of `count` equal steps: each sample less the median of the fixed part.
fn each(with: &[Duration], without: &[Duration], count: u32) -> Vec<Duration> {
    let mut fixed = without.to_vec();
    fixed.sort_unstable();
    let fixed = fixed.get(fixed.len() / 2).copied().unwrap_or_default();
    with.iter().map(|time| time.saturating_sub(fixed) / count).collect()
}

async fn exec(script: &str, samples: usize) -> Result<Vec<Duration>, Error> {
    let vm = AgentOs::builder().create().await?;
    super::row::check(&vm.exec(script).await?, script)?;
    let mut times = Vec::with_capacity(samples);
    for _ in 0..samples {
        let start = Instant::now();
        let output = vm.exec(script).await?;
        times.push(start.elapsed());
        super::row::check(&output, script)?;
    }
    Ok(times)
}
