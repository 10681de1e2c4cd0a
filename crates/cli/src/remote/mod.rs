//! Commands that talk to a server's VM: `exec`, `ls`, `cat`, `cp`, `rm`, `ps`, `kill`, `logs`, `events`, `preview`, `cron`,
//! `status`, `sleep`, `destroy`, `session`.
//!
//! Each is one or a few actions of the protocol, so that they work against any agentOS server that can be reached. The VM
//! is named by `--vm` and `--key`; `AGENTOS_ENDPOINT` and `AGENTOS_TOKEN` stand in for the options of these names.

mod args;
mod copy;
mod cron;
mod events;
mod files;
mod life;
mod logs;
mod preview;
mod processes;
mod session;

use crate::error::{Error, Exit};
use agentos_client::{Client, Vm};
pub(crate) use args::{
    CatArgs, CopyArgs, CronArgs, EventsArgs, ExecArgs, KillArgs, ListArgs, LogsArgs, PreviewArgs, RemoveArgs,
    TargetArgs,
};
pub(crate) use session::SessionArgs;

/// Where a server listens unless told otherwise.
const ENDPOINT: &str = "http://127.0.0.1:6420";

/// One of the commands.
#[derive(Debug)]
pub(crate) enum Request<'a> {
    Exec(&'a ExecArgs),
    List(&'a ListArgs),
    Cat(&'a CatArgs),
    Copy(&'a CopyArgs),
    Remove(&'a RemoveArgs),
    Processes(&'a TargetArgs),
    Kill(&'a KillArgs),
    Logs(&'a LogsArgs),
    Events(&'a EventsArgs),
    Preview(&'a PreviewArgs),
    Cron(&'a CronArgs),
    Status(&'a TargetArgs),
    Sleep(&'a TargetArgs),
    Destroy(&'a TargetArgs),
    Session(&'a SessionArgs),
}

/// Carries out one command.
pub(crate) fn main(request: &Request<'_>) -> Result<Exit, Error> {
    crate::vm::runtime()?.block_on(async {
        match request {
            Request::Exec(args) => processes::exec(args).await,
            Request::List(args) => files::list(args).await,
            Request::Cat(args) => files::cat(args).await,
            Request::Copy(args) => copy::copy(args).await,
            Request::Remove(args) => files::remove(args).await,
            Request::Processes(args) => processes::list(args).await,
            Request::Kill(args) => processes::kill(args).await,
            Request::Logs(args) => logs::print(args).await,
            Request::Events(args) => events::follow(args).await,
            Request::Preview(args) => preview::create(args).await,
            Request::Cron(args) => cron::main(args).await,
            Request::Status(args) => life::status(args).await,
            Request::Sleep(args) => life::sleep(args).await,
            Request::Destroy(args) => life::destroy(args).await,
            Request::Session(args) => session::main(args).await,
        }
    })
}

/// The VM that the options name, made if there is none.
pub(crate) async fn vm(target: &TargetArgs) -> Result<Vm, Error> {
    let key = if target.key.is_empty() {
        &["default".to_owned()][..]
    } else {
        &target.key
    };
    let mut query = client(target)?.vm(&target.vm).get_or_create(key);
    if let Some(params) = &target.params {
        let params: serde_json::Value =
            serde_json::from_str(params).map_err(|error| Error::Usage(format!("--params is not JSON: {error}")))?;
        query = query.params(params);
    }
    Ok(query.await?)
}

/// The client that the options and the environment describe.
fn client(target: &TargetArgs) -> Result<Client, Error> {
    let from_environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let endpoint = target.endpoint.clone().or_else(|| from_environment("AGENTOS_ENDPOINT"));
    let mut builder = Client::builder(endpoint.unwrap_or_else(|| ENDPOINT.to_owned()));
    if let Some(token) = from_environment("AGENTOS_TOKEN") {
        builder = builder.token(token);
    }
    for path in &target.trust_roots {
        let pem = std::fs::read(path).map_err(|error| Error::Config {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        builder = builder.root_certificate(pem);
    }
    Ok(builder.build()?)
}
