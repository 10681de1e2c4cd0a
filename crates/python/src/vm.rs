//! The methods of a VM's handle.

mod commands;
mod files;

use crate::dispatch::{Bytes, arguments};
use crate::failure::Failure;
use crate::objects::{Handle, Object, keep};
use crate::process::signal;
use crate::reply::{self, Reply};
use crate::runtime::Call;
use crate::{events, options, terminal};
use agentos::{AgentOs, http};
use serde::Deserialize;
use serde_json::{Value, json};

/// A call of a method.
pub(crate) fn call(vm: AgentOs, method: &str, args: &str, data: Bytes) -> Result<Call, Failure> {
    if let Some(call) = files::call(&vm, method, args, &data)? {
        return Ok(call);
    }
    if let Some(call) = commands::call(&vm, method, args, &data)? {
        return Ok(call);
    }
    Ok(match method {
        "processes" => Box::pin(async move {
            let all = vm.all_processes().await?;
            Ok(all.iter().map(reply::process).collect::<Value>().into())
        }),
        "signal" => {
            let Target { pid, signal: name } = arguments(args)?;
            let signal = signal(&name)?;
            Box::pin(async move { Ok(vm.signal_process(pid, signal).await?.into()) })
        }
        "fetch" => fetch(vm, arguments(args)?, data)?,
        "explain" => {
            let Question {
                scope,
                operation,
                resources,
            } = arguments(args)?;
            let resources: Vec<&str> = resources.iter().map(String::as_str).collect();
            let explanation = vm.policy().explain(&scope, &operation, &resources)?.to_json();
            Box::pin(async move { Ok(explanation.into()) })
        }
        "mount" => {
            let mount = options::mount(args)?;
            Box::pin(async move { Ok(vm.mount(mount).await?.into()) })
        }
        "unmount" => {
            let Place { guest } = arguments(args)?;
            Box::pin(async move { Ok(vm.unmount(&guest).await?.into()) })
        }
        "usage" => Box::pin(async move { Ok(reply::usage(&vm.usage()).into()) }),
        "events" => Box::pin(async move { Ok(events::listen(&vm)) }),
        "open_shell" => terminal::open(vm, arguments(args)?)?,
        "snapshot" => Box::pin(async move { Ok(vm.snapshot().await?.to_archive()?.into()) }),
        "fork" => Box::pin(async move {
            let Handle(handle) = keep(Object::Vm(vm.fork().await?));
            Ok(json!({ "handle": handle }).into())
        }),
        "dispose" => Box::pin(async move {
            vm.dispose().await;
            Ok(().into())
        }),
        other => return Err(Failure::invalid(format!("a VM has no method {other:?}"))),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    pid: u32,
    signal: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    scope: String,
    operation: String,
    resources: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    guest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fetch {
    port: u16,
    path: String,
    method: String,
    headers: Vec<(String, String)>,
}

/// A request to a server in the VM, read whole.
fn fetch(vm: AgentOs, fetch: Fetch, body: Bytes) -> Result<Call, Failure> {
    let mut request = http::Request::builder().method(fetch.method.as_str()).uri(&fetch.path);
    for (name, value) in fetch.headers {
        request = request.header(name, value);
    }
    let request = request
        .body(body)
        .map_err(|error| Failure::invalid(error.to_string()))?;
    Ok(Box::pin(async move {
        let (head, body) = vm.fetch(fetch.port, request).await?.into_parts();
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers: Vec<_> = head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), text(value)))
            .collect();
        Ok(Reply {
            json: json!({ "status": head.status.as_u16(), "headers": headers }),
            blobs: vec![body.bytes().await?],
        })
    }))
}
