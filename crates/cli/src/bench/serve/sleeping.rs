//! What sleeping actors cost in memory: the growth of the whole process over thousands of them.
//!
//! Every actor has been accepted and has files of its own. They are made in batches, and the memory is read between two when
//! nothing of any actor is held and what was free has been given back to the host, both of which the runtime counts. The slope
//! over the second half is what one more costs: the first half brings allocators, threads and the index's cache to the size
//! that a batch needs, whose files are open all at once.

use super::House;
use crate::bench::Scale;
use crate::bench::memory::{resident, slope};
use crate::bench::row::Row;
use crate::error::Error;
use crate::report;
use std::time::{Duration, Instant};

/// Bytes on disk that a fresh actor needs, generously.
const FILES: u64 = 256 << 10;
/// Clients that create at the same time.
const HANDS: usize = 16;
/// Batches, of which the second half counts; a quick run has a few, since after each the memory is waited for.
const BATCHES: usize = 10;
/// Longest wait until nothing is held.
const PATIENCE: Duration = Duration::from_secs(300);

/// `serve_sleeping_bytes`: one more of 10,000 that were accepted and sleep; `serve_slept_bytes`: one more of as many that were
/// awake and fell asleep. With a thousand the allocator's pieces, a few megabytes whatever the number, would be most of it.
pub(crate) async fn sleeping(scale: Scale) -> Result<Vec<Row>, Error> {
    let count = scale.of(10_000);
    let needed = 2 * count as u64 * FILES;
    if let Some(why) = no_room(needed) {
        let row = |name| Row::not_run(name, "bytes", why.as_str());
        return Ok(vec![row("serve_sleeping_bytes"), row("serve_slept_bytes")]);
    }
    let house = House::new().await?;
    let batches = scale.of(BATCHES);
    let slept = growth(&house, "slept", (batches, count / batches), true).await?;
    let sleeping = growth(&house, "sleeping", (batches, count / batches), false).await?;
    house.end().await;
    let row = |name, bytes: f64| Row::new(name, "bytes", vec![bytes]).goal(1024.0);
    Ok(vec![
        row("serve_sleeping_bytes", sleeping),
        row("serve_slept_bytes", slept),
    ])
}

/// Bytes that one more actor costs, from so many batches of so many.
async fn growth(house: &House, name: &str, (batches, batch): (usize, usize), woken: bool) -> Result<f64, Error> {
    let mut points = Vec::new();
    for number in 1..=batches {
        make(house, &format!("{name}-{number}"), batch, woken).await?;
        let bytes = held(house).await?;
        report::progress(&format!("{name}: {} VMs, {:.0} KiB", number * batch, bytes / 1024.0));
        points.push(((number * batch) as f64, bytes));
    }
    Ok(slope(points.get(batches / 2 - 1..).unwrap_or(&points)))
}

/// Makes actors, a few at a time: by an action that is answered from storage, or by one that wakes them, and then to sleep.
async fn make(house: &House, name: &str, count: usize, woken: bool) -> Result<(), Error> {
    let hands = (0..HANDS).map(|hand| {
        let (client, name) = (house.client.clone(), name.to_owned());
        tokio::spawn(async move {
            for number in (hand..count).step_by(HANDS) {
                let vm = client.vm("vm").get_or_create([format!("{name}-{number}")]).await?;
                if woken {
                    vm.exists("/home/user").await?;
                    vm.sleep().await?;
                } else {
                    vm.call("listCronJobs", &[]).await?;
                }
            }
            Ok::<_, agentos_client::Error>(())
        })
    });
    super::all(hands.collect()).await.map(drop)
}

/// The memory of the process once no actor is held any more, and what they needed has been given back.
async fn held(house: &House) -> Result<f64, Error> {
    let begun = Instant::now();
    loop {
        let now = house.actors.metrics();
        if now.held == 0 && now.memory_kept == 0 {
            break;
        }
        if begun.elapsed() > PATIENCE {
            let count = now.held;
            return Err(Error::Usage(format!("bench: {count} actors do not fall asleep")));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    resident("self")
}

/// Why the disk of temporary files has no room, if it has none.
fn no_room(needed: u64) -> Option<String> {
    let folder = std::env::temp_dir();
    let free = rustix::fs::statvfs(&folder).map(|disk| disk.f_bavail * disk.f_frsize);
    // The server stops writing below 5 % of the disk or 1 GiB; what is not known is tried.
    let free = free.unwrap_or(u64::MAX) / 2;
    (free < needed).then(|| {
        let mib = |bytes| bytes >> 20;
        format!(
            "{} MiB of files would not leave half of {} free",
            mib(needed),
            folder.display()
        )
    })
}
