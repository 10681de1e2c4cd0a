//! `linux_busy_8`: whether the thread of a VM that answers calls holds up programs that use all processors.
//!
//! Eight processes of four threads compute and make 12,800 calls in between, in a VM and on the host, in turns. Beside their time
//! stands how much of it that thread itself was at work: what is far from 100 % cannot be what others wait for.

use super::super::Scale;
use super::super::row::Row;
use super::world::{World, compiled};
use super::{not_run, samples};
use crate::error::Error;
use std::fs::read_to_string;

/// The names of [`rows`].
pub(in super::super) const NAMES: &[&str] = &["linux_busy_8", "linux_busy_8_supervisor"];

const SOURCE: &str = include_str!("busy.c");
/// Goals: the time that the host takes and this part more; the most that the thread may be at work, in %.
const RATIO_MOST: f64 = 1.25;
const SHARE_MOST: f64 = 50.0;
/// What the thread is called.
const THREAD: &str = "agentos-linux";

pub(in super::super) async fn rows(scale: Scale) -> Result<Vec<Row>, Error> {
    let world = World::new().await?;
    if let Some(why) = world.refusal().await? {
        return Ok(not_run(NAMES, &why));
    }
    let Some(program) = compiled(SOURCE)? else {
        return Ok(not_run(NAMES, "no C compiler here"));
    };
    world.put("busy", &program).await?;
    let (mut in_vm, mut on_host, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.of(10) {
        let before = at_work();
        let (text, took) = world.in_vm("./busy").await?;
        // The rest of the time belongs to the start of the shell.
        shares.push((at_work() - before) * 100.0 / took.as_secs_f64());
        in_vm.extend(samples(&text, "busy"));
        on_host.extend(samples(&world.on_host("./busy").await?.0, "busy"));
    }
    let host = Row::new("host", "us", on_host);
    Ok(vec![
        Row::new(NAMES[0], "us", in_vm)
            .against_row(&host)
            .goal_ratio(RATIO_MOST),
        Row::new(NAMES[1], "%", shares).goal(SHARE_MOST),
    ])
}

/// Seconds that threads of VMs have been at work in this process, which has one VM with guests.
fn at_work() -> f64 {
    let entries = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let nanos = entries.filter_map(|entry| {
        let path = entry.path();
        let name = read_to_string(path.join("comm")).ok()?;
        // Time on a processor, time waiting for one, and how often.
        let times = read_to_string(path.join("schedstat")).ok()?;
        let on_processor = times.split_ascii_whitespace().next()?.parse::<f64>().ok()?;
        (name.trim_end() == THREAD).then_some(on_processor)
    });
    nanos.sum::<f64>() / 1e9
}
