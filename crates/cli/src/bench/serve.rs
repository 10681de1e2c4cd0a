//! `serve_*`: a server with VMs in it, called by the Rust client over loopback. Client and server share the machine's cores, as
//! they do in every comparison of this kind.
//!
//! The action is `exists` of a file, which goes through the gateway, the actor, the VM's path walk and its policy.

use super::Scale;
use super::row::Row;
use crate::error::Error;
use agentos_client::{Client, Value, Vm};
use agentos_server::{Registry, Running, VmDefinition};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A server with a data directory of its own.
struct House {
    running: Running,
    client: Client,
    directory: PathBuf,
}

impl House {
    async fn new() -> Result<Self, Error> {
        // Never the same twice: what the last house closes after its end must not meet files of the next.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("agentos-bench-{}-{number}", std::process::id()));
        let registry = Registry::builder()
            .vm("vm", VmDefinition::default())
            .data_dir(&directory);
        let running = registry
            .build()
            .map_err(started)?
            .listen("127.0.0.1:0")
            .await
            .map_err(started)?;
        let client = Client::new(running.url())?;
        Ok(Self {
            running,
            client,
            directory,
        })
    }

    async fn vm(&self, key: &str) -> Result<Vm, Error> {
        Ok(self.client.vm("vm").get_or_create([key]).await?)
    }

    async fn end(self) {
        self.running.drain(Duration::from_secs(30)).await;
        // What is left in the temporary directory is the system's to remove.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn started(error: agentos_server::ServerError) -> Error {
    agentos_server::ServeError::from(error).into()
}

fn path() -> Vec<Value> {
    vec![Value::from("/home/user")]
}

/// `serve_http`, `serve_ws`: one action after the other over a kept connection; `serve_rate`: as many as go at once.
pub(crate) async fn actions(scale: Scale) -> Result<Vec<Row>, Error> {
    let house = House::new().await?;
    let vm = house.vm("actions").await?;
    let mut http = Vec::new();
    for _ in 0..scale.of(5000) {
        let start = Instant::now();
        vm.exists("/home/user").await?;
        http.push(start.elapsed());
    }
    let connection = vm.connect().await?;
    let mut socket = Vec::new();
    for _ in 0..scale.of(5000) {
        let start = Instant::now();
        connection.call("exists", path()).await?;
        socket.push(start.elapsed());
    }
    let mut rates = Vec::new();
    for _ in 0..scale.of(10) {
        rates.push(rate(&vm, 2000).await?);
    }
    connection.close().await;
    house.end().await;
    Ok(vec![
        Row::times("serve_http", &http).goal(150.0),
        Row::times("serve_ws", &socket).goal(80.0),
        Row::new("serve_rate", "1/s", rates),
    ])
}

/// Actions a second over eight sockets with eight actions in flight each.
async fn rate(vm: &Vm, count: usize) -> Result<f64, Error> {
    let mut tasks = Vec::new();
    let start = Instant::now();
    for _ in 0..8 {
        let connection = std::sync::Arc::new(vm.connect().await?);
        for _ in 0..8 {
            let connection = std::sync::Arc::clone(&connection);
            tasks.push(tokio::spawn(async move {
                for _ in 0..count / 64 {
                    connection.call("exists", path()).await?;
                }
                Ok::<_, agentos_client::Error>(())
            }));
        }
    }
    let total = count / 64 * tasks.len();
    for task in tasks {
        task.await
            .map_err(|error| Error::Usage(format!("bench: a client panicked: {error}")))??;
    }
    Ok(total as f64 / start.elapsed().as_secs_f64())
}

/// `serve_wake`: from asking a sleeping VM with 10,000 files at home for one of them to having it.
pub(crate) async fn wake(scale: Scale) -> Result<Vec<Row>, Error> {
    let house = House::new().await?;
    let vm = house.vm("wake").await?;
    let script = "for i in $(seq 100); do mkdir d$i; for j in $(seq 100); do echo $i > d$i/$j; done; done";
    let made = vm.exec(script).await?;
    if made.exit_code != 0 {
        return Err(Error::Usage(format!("bench: {}", made.stderr)));
    }
    let mut times = Vec::new();
    for _ in 0..scale.of(100) {
        vm.sleep().await?;
        let start = Instant::now();
        vm.read_file("/home/user/d50/50").await?;
        times.push(start.elapsed());
    }
    house.end().await;
    Ok(vec![Row::times("serve_wake", &times).goal(5000.0)])
}

/// `serve_write_4k`: a durable write of 4 KiB; `serve_write_rate`: many at once.
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
                    for n in 0..8 {
                        vm.write_file(format!("/home/user/{task}-{n}"), content.clone()).await?;
                    }
                    Ok::<_, agentos_client::Error>(())
                })
            })
            .collect();
        for task in tasks {
            task.await
                .map_err(|error| Error::Usage(format!("bench: a client panicked: {error}")))??;
        }
        rates.push(512.0 / start.elapsed().as_secs_f64());
    }
    house.end().await;
    Ok(vec![
        Row::times("serve_write_4k", &times)
            .against("write and fsync", &host)
            .goal(1000.0),
        Row::new("serve_write_rate", "1/s", rates),
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

/// `serve_burst200`: the time until 200 VMs that did not exist have answered their first command.
pub(crate) async fn burst(scale: Scale) -> Result<Vec<Row>, Error> {
    let mut times = Vec::new();
    for round in 0..scale.of(10) {
        let house = House::new().await?;
        let start = Instant::now();
        let tasks: Vec<_> = (0..200)
            .map(|n| {
                let client = house.client.clone();
                tokio::spawn(async move {
                    let vm = client.vm("vm").get_or_create([format!("{round}-{n}")]).await?;
                    vm.exec("echo hello").await
                })
            })
            .collect();
        for task in tasks {
            task.await
                .map_err(|error| Error::Usage(format!("bench: a client panicked: {error}")))??;
        }
        times.push(start.elapsed());
        house.end().await;
    }
    Ok(vec![Row::times("serve_burst200", &times)])
}
