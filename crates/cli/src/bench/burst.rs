//! Many VMs and many processes at once.

use super::row::{Row, check};
use super::{Scale, baseline};
use crate::error::Error;
use agentos::AgentOs;
use std::time::Instant;

/// `burst200_p99`: 200 VMs created and used at once; the p99 of their creation.
pub(crate) async fn burst(scale: Scale) -> Result<Vec<Row>, Error> {
    let mut p99 = Vec::new();
    for _ in 0..scale.of(20) {
        let tasks: Vec<_> = (0..200).map(|_| tokio::spawn(one())).collect();
        let mut times = Vec::with_capacity(200);
        for task in tasks {
            let time = task
                .await
                .map_err(|error| Error::Usage(format!("bench: a VM panicked: {error}")))?;
            times.push(time?);
        }
        p99.push(Row::times("", &times).percentile(99.0));
    }
    let host = baseline::bash(":", scale.of(50))?;
    Ok(vec![
        Row::new("burst200_p99", "us", p99)
            .against("bash -c :", &host)
            .goal(5000.0),
    ])
}

async fn one() -> Result<std::time::Duration, Error> {
    let start = Instant::now();
    let vm = AgentOs::builder().create().await?;
    let time = start.elapsed();
    let script = "echo hello > file && cat file";
    check(&vm.exec(script).await?, script)?;
    Ok(time)
}

/// `blocked500`: time to have 500 processes alive and blocked in one VM.
pub(crate) async fn blocked(scale: Scale) -> Result<Vec<Row>, Error> {
    let mut limits = agentos::Limits::default();
    limits.max_processes = 2000;
    limits.max_pipes = 4000;
    limits.max_open_fds = 8000;
    limits.max_memory_bytes = 8 << 30;
    let mut times = Vec::new();
    for _ in 0..scale.of(5).min(5) {
        let vm = AgentOs::builder().limits(limits.clone()).create().await?;
        let start = Instant::now();
        let mut held = Vec::with_capacity(500);
        for _ in 0..500 {
            held.push(vm.spawn("cat", [""; 0]).start().await?);
        }
        times.push(start.elapsed());
        let alive = vm
            .all_processes()
            .await?
            .iter()
            .filter(|process| process.command == "cat")
            .count();
        if alive < 500 {
            return Err(Error::Usage(format!(
                "bench: only {alive} of 500 blocked processes are alive"
            )));
        }
    }
    Ok(vec![Row::times("blocked500", &times)])
}
