//! Creating VMs and running commands in them.

use super::{Scale, baseline, row::Row};
use crate::error::Error;
use agentos::{AgentOs, Signal};
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
    Ok(vec![
        Row::times("vm_create", &times).against("bash -c :", &host).goal(50.0),
    ])
}

/// `exec_echo`: `echo hello` through the shell.
pub(crate) async fn exec_echo(scale: Scale) -> Result<Vec<Row>, Error> {
    let times = exec("echo hello", scale.of(2000)).await?;
    let host = baseline::bash("echo hello", scale.of(300))?;
    Ok(vec![
        Row::times("exec_echo", &times)
            .against("bash -c 'echo hello'", &host)
            .goal(150.0),
    ])
}

/// `pipeline3`: three tools in a pipeline.
pub(crate) async fn pipeline(scale: Scale) -> Result<Vec<Row>, Error> {
    let script = "ls / | grep e | sort";
    let times = exec(script, scale.of(1000)).await?;
    let host = baseline::bash(script, scale.of(200))?;
    Ok(vec![
        Row::times("pipeline3", &times)
            .against("bash, same pipeline", &host)
            .goal(1000.0),
    ])
}

/// `spawn50`: one spawn and wait out of fifty in a script, the script's own start taken off.
pub(crate) async fn spawn50(scale: Scale) -> Result<Vec<Row>, Error> {
    let line = "/bin/true\n";
    let (script, empty) = (line.repeat(50), ":");
    let with = exec(&script, scale.of(200)).await?;
    let without = exec(empty, scale.of(200)).await?;
    let host_with = baseline::bash(&script, scale.of(30))?;
    let host_without = baseline::bash(empty, scale.of(30))?;
    let host = each(&host_with, &host_without, 50);
    Ok(vec![
        Row::times("spawn50", &each(&with, &without, 50))
            .against("bash, same script", &host)
            .goal(60.0),
    ])
}

/// Share of one of `count` equal steps: each sample less the median of the fixed part.
fn each(with: &[Duration], without: &[Duration], count: u32) -> Vec<Duration> {
    let mut fixed = without.to_vec();
    fixed.sort_unstable();
    let fixed = fixed.get(fixed.len() / 2).copied().unwrap_or_default();
    with.iter().map(|time| time.saturating_sub(fixed) / count).collect()
}

/// `kill_spinner`: from SIGKILL for a shell that computes to its end.
pub(crate) async fn kill(scale: Scale) -> Result<Vec<Row>, Error> {
    const SPIN: &str = "echo ready; while :; do :; done";
    let vm = AgentOs::builder().create().await?;
    let mut times = Vec::new();
    for _ in 0..scale.of(200) {
        let mut spinner = vm.spawn("sh", ["-c", SPIN]).start().await?;
        spinner.first_output().await?;
        let start = Instant::now();
        spinner.signal(Signal::Kill)?;
        spinner.wait().await?;
        times.push(start.elapsed());
    }
    let host = baseline::killed(SPIN, scale.of(100))?;
    Ok(vec![
        Row::times("kill_spinner", &times).against("bash, same loop", &host),
    ])
}

/// `pipe_100mb`: 100 MB through two pipes.
pub(crate) async fn pipe(scale: Scale) -> Result<Vec<Row>, Error> {
    let script = "head -c 100000000 /dev/zero | cat | wc -c";
    let times = exec(script, scale.of(20)).await?;
    let host = baseline::bash(script, scale.of(20))?;
    Ok(vec![
        Row::times("pipe_100mb", &times).against("bash, same pipeline", &host),
    ])
}

/// `cli_start`: the whole of `agentos run true`, a new process of the host.
pub(crate) async fn start(scale: Scale) -> Result<Vec<Row>, Error> {
    let this = std::env::current_exe().map_err(Error::host("own executable"))?;
    let times = baseline::program(&this, &["run", "true"], scale.of(50))?;
    let host = baseline::bash("true", scale.of(50))?;
    Ok(vec![Row::times("cli_start", &times).against("bash -c true", &host)])
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
