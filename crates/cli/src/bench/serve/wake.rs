//! Waking: from asking a sleeping VM for a file to having it, and what is read from disk for that.

use super::House;
use crate::bench::Scale;
use crate::bench::row::Row;
use crate::error::Error;
use agentos_client::Vm;
use std::time::{Duration, Instant};

/// A hundred directories of a hundred files.
const MANY: &str = "for i in $(seq 100); do mkdir d$i; for j in $(seq 100); do echo $i > d$i/$j; done; done";
/// The one file that is asked for.
const ONE: &str = "mkdir d50; echo 50 > d50/50";

/// One VM that is put to sleep and woken again and again.
struct Sleeper {
    vm: Vm,
    times: Vec<Duration>,
    read: Vec<f64>,
}

/// `serve_wake` with 10,000 files at home, beside a home of one file; `serve_wake_read`, the bytes that such a wake reads
/// from files, beside the size of what is stored.
pub(crate) async fn wake(scale: Scale) -> Result<Vec<Row>, Error> {
    let house = House::new().await?;
    let mut many = Sleeper::new(&house, "many", MANY).await?;
    let mut one = Sleeper::new(&house, "one", ONE).await?;
    for _ in 0..scale.of(100) {
        many.turn().await?;
        one.turn().await?;
    }
    let stored = largest_database(&house.directory)?;
    house.end().await;
    Ok(vec![
        Row::times("serve_wake", &many.times)
            .against("a home of one file", &one.times)
            .goal(5000.0),
        Row::new("serve_wake_read", "bytes", many.read)
            .against_row(&Row::new("all that is stored", "bytes", vec![stored]))
            .goal_ratio(0.25),
    ])
}

impl Sleeper {
    async fn new(house: &House, key: &str, script: &str) -> Result<Self, Error> {
        let vm = house.vm(key).await?;
        let made = vm.exec(script).await?;
        if made.exit_code != 0 {
            return Err(Error::Usage(format!("bench: {}", made.stderr)));
        }
        Ok(Self {
            vm,
            times: Vec::new(),
            read: Vec::new(),
        })
    }

    async fn turn(&mut self) -> Result<(), Error> {
        self.vm.sleep().await?;
        let (start, before) = (Instant::now(), bytes_read()?);
        self.vm.read_file("/home/user/d50/50").await?;
        self.times.push(start.elapsed());
        self.read.push(bytes_read()? - before);
        Ok(())
    }
}

/// Bytes that this process has read so far, from the cache of the system or from the disk. What goes through sockets is in
/// it as well: some hundred bytes for a call.
fn bytes_read() -> Result<f64, Error> {
    let text = std::fs::read_to_string("/proc/self/io").map_err(Error::host("/proc/self/io"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    Ok(line.and_then(|number| number.trim().parse().ok()).unwrap_or(f64::NAN))
}

/// Bytes of the largest database of an actor.
fn largest_database(directory: &std::path::Path) -> Result<f64, Error> {
    let failed = Error::host("bench");
    let mut largest = 0;
    for entry in std::fs::read_dir(directory.join("vms")).map_err(&failed)? {
        let database = entry.map_err(&failed)?.path().join("vm.sqlite");
        largest = largest.max(database.metadata().map_err(&failed)?.len());
    }
    Ok(largest as f64)
}
