//! What sleeping actors cost in memory: the growth of the whole process over thousands of them.
//!
//! Every actor has been accepted and has files of its own. An actor is asleep once nothing of it is held: the runtime counts
//! those that are, and the memory is read when there are none.

use super::House;
use crate::bench::Scale;
use crate::bench::memory::resident;
use crate::bench::row::Row;
use crate::error::Error;
use std::time::{Duration, Instant};

/// Bytes on disk that a fresh actor needs, generously.
const FILES: u64 = 256 << 10;
/// Clients that create at the same time.
const HANDS: usize = 16;
/// Longest wait until nothing is held.
const PATIENCE: Duration = Duration::from_secs(60);

/// `serve_sleeping_bytes`: one more of 10,000 that were accepted and sleep; `serve_slept_bytes`: one more that was awake and
/// fell asleep.
pub(crate) async fn sleeping(scale: Scale) -> Result<Vec<Row>, Error> {
    let (sleeping, slept) = (scale.of(10_000), scale.of(1_000));
    let needed = (sleeping + 2 * slept) as u64 * FILES;
    if let Some(why) = no_room(needed) {
        let row = |name| Row::not_run(name, "bytes", why.as_str());
        return Ok(vec![row("serve_sleeping_bytes"), row("serve_slept_bytes")]);
    }
    let house = House::new().await?;
    // Allocators, connections and the index's cache reach their working size first.
    make(&house, "warm", slept, true).await?;
    let before = held(&house).await?;
    make(&house, "sleeping", sleeping, false).await?;
    let after = held(&house).await?;
    make(&house, "slept", slept, true).await?;
    let last = held(&house).await?;
    house.end().await;
    let row = |name, bytes: f64, count: usize| Row::new(name, "bytes", vec![bytes / count as f64]).goal(1024.0);
    Ok(vec![
        row("serve_sleeping_bytes", after - before, sleeping),
        row("serve_slept_bytes", last - after, slept),
    ])
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

/// The memory of the process once no actor is held any more.
async fn held(house: &House) -> Result<f64, Error> {
    let begun = Instant::now();
    while house.actors.metrics().held > 0 {
        if begun.elapsed() > PATIENCE {
            let count = house.actors.metrics().held;
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
