//! `serve_*`: a server with VMs in it, called over loopback.
//!
//! Client and server share the machine's cores and, but for the stock RivetKit client and the rows that end in `_apart`, the
//! process, so every number holds what both sides cost. Each measurement has a server and a data directory of its own; the directory is on the disk of
//! temporary files, whose flushes are what durable writes wait for.

mod actions;
mod apart;
mod burst;
mod events;
mod npm;
mod rivetkit;
mod sleeping;
mod wake;
mod writes;

pub(super) use actions::actions;
pub(super) use apart::client;
pub(super) use burst::burst;
pub(super) use events::events;
pub(super) use rivetkit::compared;
pub(super) use sleeping::sleeping;
pub(super) use wake::wake;
pub(super) use writes::writes;

use crate::error::Error;
use agentos_client::{Client, Value, Vm};
use agentos_server::{Registry, RegistryBuilder, Running, ServerLimits, VmDefinition, actor};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A server with a data directory of its own.
struct House {
    running: Running,
    client: Client,
    actors: actor::Registry,
    directory: PathBuf,
}

impl House {
    async fn new() -> Result<Self, Error> {
        Self::with(|registry| registry).await
    }

    /// With further definitions or other limits.
    async fn with(change: impl FnOnce(RegistryBuilder) -> RegistryBuilder) -> Result<Self, Error> {
        // Never the same twice: what the last house closes after its end must not meet files of the next.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("agentos-bench-{}-{number}", std::process::id()));
        let registry = Registry::builder()
            .vm("vm", VmDefinition::default())
            .limits(limits())
            .data_dir(&directory);
        let registry = change(registry).build().map_err(started)?;
        let actors = registry.actors().clone();
        let running = registry.listen("127.0.0.1:0").await.map_err(started)?;
        let client = Client::new(running.url())?;
        Ok(Self {
            running,
            client,
            actors,
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

/// The defaults, but for those that bound how fast one address may create: a benchmark creates as fast as it can.
fn limits() -> ServerLimits {
    let mut limits = ServerLimits::default();
    limits.max_unaccepted_creates_per_minute = 1_000_000;
    limits
}

fn started(error: agentos_server::ServerError) -> Error {
    agentos_server::ServeError::from(error).into()
}

/// The arguments of the action that is measured: `exists`, which goes through the gateway, the actor, the VM's walk of the
/// path and its policy.
fn path() -> Vec<Value> {
    vec![Value::from("/home/user")]
}

/// Waits for tasks, and fails with the first of them that did.
async fn all<T, E: Into<Error>>(tasks: Vec<tokio::task::JoinHandle<Result<T, E>>>) -> Result<Vec<T>, Error> {
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        let joined = task.await;
        let result = joined.map_err(|error| Error::Usage(format!("bench: a client panicked: {error}")))?;
        results.push(result.map_err(Into::into)?);
    }
    Ok(results)
}
