//! Durable writes: one after the other, and many at once.

use super::House;
use crate::bench::Scale;
use crate::bench::row::Row;
use crate::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

/// `serve_write_4k`: a durable write of 4 KiB; `serve_write_rate`: 64 writers at once.
pub(crate) async fn writes(scale: Scale) -> Result<Vec<Row>, Error> {
    let house = House::new().await?;
    let vm = house.vm("writes").await?;
    let content = vec![7_u8; 4096];
    let (mut times, mut host) = (Vec::new(), Vec::new());
    for n in 0..scale.of(500) {
        let start = Instant::now();
        vm.write_file(format!("/home/user/{}", n % 50), content.clone()).await?;
        times.push(start.elapsed());
        host.push(host_write(&house.directory, &content)?);
    }
    let mut rates = Vec::new();
    for _ in 0..scale.of(10) {
        let start = Instant::now();
        let tasks: Vec<_> = (0..64)
            .map(|task| {
                let (vm, content) = (vm.clone(), content.clone());
                tokio::spawn(async move {
                    for n in 0..32 {
                        vm.write_file(format!("/home/user/{task}-{n}"), content.clone()).await?;
                    }
                    Ok::<_, agentos_client::Error>(())
                })
            })
            .collect();
        super::all(tasks).await?;
        rates.push(64.0 * 32.0 / start.elapsed().as_secs_f64());
    }
    house.end().await;
    Ok(vec![
        Row::times("serve_write_4k", &times)
            .against("write and fsync", &host)
            .goal(1000.0),
        Row::new("serve_write_rate", "1/s", rates).goal_at_least(5000.0),
    ])
}

/// The host writing and flushing as much in the same place.
fn host_write(directory: &Path, content: &[u8]) -> Result<Duration, Error> {
    use std::io::Write;
    let failed = Error::host("bench");
    let start = Instant::now();
    let mut file = std::fs::File::create(directory.join("baseline")).map_err(&failed)?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(&failed)?;
    Ok(start.elapsed())
}
