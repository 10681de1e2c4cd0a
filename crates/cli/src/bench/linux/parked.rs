//! `linux_node_*`: how soon a script of Node.js has its first output, from a parked process, without one and on the host; what an idle
//! parked process takes; and many live processes of Node.js.

use super::super::files::Scratch;
use super::super::row::Row;
use super::super::{Scale, memory};
use super::world::is_there;
use crate::error::Error;
use agentos::{AgentOs, park_node, parked_node};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// The names of [`rows`].
pub(in super::super) const NAMES: &[&str] = &[
    "linux_node_parked",
    "linux_node_fresh",
    "linux_node_parked_bytes",
    "linux_node_50",
    "linux_node_50_parked_bytes",
];

/// Writes, and stays until its input ends.
const SCRIPT: &str = "process.stdout.write('x'); process.stdin.resume();";
const COMMAND: &str = "node first.js";
/// Goals: first output in us, memory of one that is parked in bytes.
const FIRST_MOST: f64 = 10_000.0;
const BYTES_MOST: f64 = 10_485_760.0;
/// Processes that are to live at once.
const LIVE: usize = 50;
/// How long a process is waited for that is being parked.
const PARK_MOST: Duration = Duration::from_secs(30);

pub(in super::super) async fn rows(scale: Scale) -> Result<Vec<Row>, Error> {
    if !is_there("node") {
        return Ok(super::not_run(NAMES, "no node here"));
    }
    let folder = Scratch::new()?;
    let script = folder.path.join("first.js");
    std::fs::write(&script, SCRIPT).map_err(Error::host("temporary file"))?;
    if let Err(error) = first_output(&vm().await?).await {
        return Ok(super::not_run(NAMES, &error.to_string()));
    }
    let (live_took, among_live) = live().await?;
    let (mut parked, mut fresh, mut host) = (Vec::new(), Vec::new(), Vec::new());
    let mut sizes = Vec::new();
    for _ in 0..scale.of(30).max(5) {
        host.push(on_host(&script).await?);
        fresh.push(first_output(&vm().await?).await?);
        park_node(2);
        // The first start of a name is an ordinary one.
        first_output(&vm().await?).await?;
        wait_for_parked().await?;
        sizes.extend(sizes_of(&processes_of_node()));
        let (vm, before) = (vm().await?, parked_node().claimed);
        let took = first_output(&vm).await?;
        if parked_node().claimed > before {
            parked.push(took);
        }
        park_node(0);
    }
    let bytes = |name, sizes: Vec<f64>| match sizes.is_empty() {
        true => Row::not_run(name, "bytes", "not found in /proc"),
        false => Row::new(name, "bytes", sizes).goal(BYTES_MOST),
    };
    Ok(vec![
        Row::times(NAMES[0], &parked).against("host", &host).goal(FIRST_MOST),
        Row::times(NAMES[1], &fresh).against("host", &host),
        bytes(NAMES[2], sizes),
        Row::times(NAMES[3], &[live_took]),
        bytes(NAMES[4], among_live),
    ])
}

async fn vm() -> Result<AgentOs, Error> {
    let vm = AgentOs::builder().image("host").create().await?;
    vm.write_file("/home/user/first.js", SCRIPT).await?;
    Ok(vm)
}

/// From the command of a shell to the first output of the script.
async fn first_output(vm: &AgentOs) -> Result<Duration, Error> {
    let start = Instant::now();
    let mut process = vm.spawn("sh", ["-c", COMMAND]).cwd("/home/user").start().await?;
    process.first_output().await?;
    let took = start.elapsed();
    process.stdin().close();
    process.wait().await?;
    Ok(took)
}

async fn on_host(script: &Path) -> Result<Duration, Error> {
    let start = Instant::now();
    let mut node = Command::new("node");
    node.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = node.spawn().map_err(Error::host("node"))?;
    let mut byte = [0];
    if let Some(output) = process.stdout.as_mut() {
        output.read_exact(&mut byte).await.map_err(Error::host("node"))?;
    }
    let took = start.elapsed();
    drop(process.stdin.take());
    process.wait().await.map_err(Error::host("node"))?;
    Ok(took)
}

async fn wait_for_parked() -> Result<(), Error> {
    let start = Instant::now();
    while parked_node().waiting == 0 {
        if start.elapsed() > PARK_MOST {
            return Err(Error::Usage("bench: no process of Node.js was parked".to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// The processes of Node.js that this process has started and that have not ended.
fn processes_of_node() -> Vec<String> {
    let own = format!("PPid:\t{}\n", std::process::id());
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let is_node = |pid: &String| {
        let read = |file| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        // Newer versions name their first thread.
        read("status").contains(&own) && ["node", "MainThread"].iter().any(|name| read("comm").contains(name))
    };
    names.filter(is_node).collect()
}

/// Memory of processes: pages that others have too by share.
fn sizes_of(processes: &[String]) -> Vec<f64> {
    let sizes = processes.iter().filter_map(|pid| memory::resident(pid).ok());
    sizes.collect()
}

/// Starts many in one VM, and says how long it took until each had written, and what one takes that is parked meanwhile.
async fn live() -> Result<(Duration, Vec<f64>), Error> {
    let mut limits = agentos::Limits::default();
    for (name, most) in [("maxMemoryBytes", 16 << 30), ("maxPipes", 1024)] {
        let set = limits.set(name, most);
        set.map_err(|error| Error::Usage(error.to_string()))?;
    }
    let vm = AgentOs::builder().image("host").limits(limits).create().await?;
    vm.write_file("/home/user/first.js", SCRIPT).await?;
    let start = Instant::now();
    let mut processes = Vec::with_capacity(LIVE);
    for _ in 0..LIVE {
        processes.push(vm.spawn("node", ["first.js"]).cwd("/home/user").start().await?);
    }
    for process in &mut processes {
        process.first_output().await?;
    }
    let took = start.elapsed();
    let working = processes_of_node();
    park_node(2);
    first_output(&self::vm().await?).await?;
    wait_for_parked().await?;
    let parked = processes_of_node().into_iter().filter(|pid| !working.contains(pid));
    let sizes = sizes_of(&parked.collect::<Vec<_>>());
    park_node(0);
    for process in &mut processes {
        process.stdin().close();
        process.wait().await?;
    }
    Ok((took, sizes))
}
