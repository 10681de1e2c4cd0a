//! Memory that VMs and processes add to the host process.
//!
//! Proportional set size of the whole process, read from `/proc/self/smaps_rollup`, before and after many; the difference
//! over their number is what one costs. Pages that VMs share are counted once.

use super::{Scale, baseline, row::Row};
use crate::error::Error;
use agentos::{AgentOs, Process};

/// `idle_vm_bytes` and `blocked_process_bytes`.
pub(crate) async fn marginal(scale: Scale) -> Result<Vec<Row>, Error> {
    let idle = idle(scale.of(1000)).await?;
    let blocked = blocked(scale.of(200)).await?;
    let host = baseline::waiting_bash()?.into_iter().collect();
    let host = Row::new("bash waiting for input", "bytes", host);
    Ok(vec![
        Row::new("idle_vm_bytes", "bytes", vec![idle])
            .against_row(&host)
            .goal(65_536.0),
        Row::new("blocked_process_bytes", "bytes", vec![blocked])
            .against_row(&host)
            .goal(524_288.0),
    ])
}

async fn idle(count: usize) -> Result<f64, Error> {
    let mut vms = Vec::with_capacity(count);
    for _ in 0..10 {
        vms.push(AgentOs::builder().create().await?);
    }
    let before = resident("self")?;
    for _ in 0..count {
        vms.push(AgentOs::builder().create().await?);
    }
    Ok((resident("self")? - before) / count as f64)
}

/// A VM each with one shell that waits for input.
async fn blocked(count: usize) -> Result<f64, Error> {
    let mut held: Vec<(AgentOs, Process)> = Vec::with_capacity(count);
    let mut before = 0.0;
    for started in 0..count + 10 {
        if started == 10 {
            before = resident("self")?;
        }
        let vm = AgentOs::builder().create().await?;
        let mut shell = vm.spawn("sh", ["-c", "echo ready; read line"]).start().await?;
        shell.first_output().await?;
        held.push((vm, shell));
    }
    Ok((resident("self")? - before) / count as f64)
}

/// `lifecycle_slope_bytes`: growth per VM over thousands of create-use-destroy cycles, by least squares.
pub(crate) async fn lifecycle(scale: Scale) -> Result<Vec<Row>, Error> {
    let cycles = scale.of(10_000);
    let mut points = Vec::new();
    for cycle in 0..cycles {
        let vm = AgentOs::builder().create().await?;
        if cycle % 10 == 0 {
            vm.exec("echo x > /tmp/file").await?;
        }
        drop(vm);
        // The first half lets allocators and pools reach their working size.
        if cycle >= cycles / 2 && cycle % (cycles / 200).max(1) == 0 {
            points.push((cycle as f64, resident("self")?));
        }
    }
    Ok(vec![
        Row::new("lifecycle_slope_bytes", "bytes", vec![slope(&points)]).goal(SLOPE_MAX),
    ])
}

/// What counts as no growth: a page for every few hundred cycles is the noise of the host's allocator.
const SLOPE_MAX: f64 = 16.0;

/// Growth of the second by the first, by least squares.
pub(crate) fn slope(points: &[(f64, f64)]) -> f64 {
    let n = points.len() as f64;
    let (mx, my) = (
        points.iter().map(|p| p.0).sum::<f64>() / n,
        points.iter().map(|p| p.1).sum::<f64>() / n,
    );
    let top: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    let bottom: f64 = points.iter().map(|p| (p.0 - mx).powi(2)).sum();
    if bottom == 0.0 { 0.0 } else { top / bottom }
}

/// Proportional set size in bytes of a process of the host.
pub(crate) fn resident(pid: &str) -> Result<f64, Error> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).map_err(Error::host("smaps_rollup"))?;
    let line = rollup.lines().find(|line| line.starts_with("Pss:")).unwrap_or_default();
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .unwrap_or(f64::NAN);
    Ok(kib * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_of_a_line_is_its_slope() {
        let points: Vec<(f64, f64)> = (0..10).map(|x| (f64::from(x), 3.0 * f64::from(x) + 1.0)).collect();
        assert!((slope(&points) - 3.0).abs() < 1e-9);
        assert_eq!(slope(&[]), 0.0);
    }
}
