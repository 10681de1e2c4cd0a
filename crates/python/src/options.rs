//! Options of a VM, read from the JSON that the package writes.

use crate::failure::Failure;
use crate::objects::{Handle, Object, find};
use agentos::{AgentOs, Builder, Limits, Mount, Network, Software, ToolKit};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Options by the names of the constructor's arguments.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Options {
    software: Option<Vec<String>>,
    limits: Option<Value>,
    permissions: Option<Value>,
    #[serde(default)]
    mounts: Vec<MountOption>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    cwd: Option<String>,
    hostname: Option<String>,
    #[serde(default)]
    loopback_exempt_ports: Vec<i64>,
    #[serde(default)]
    dns_servers: Vec<String>,
    proxy: Option<String>,
    cache_dir: Option<PathBuf>,
    tools: Option<Tools>,
}

/// Host tools, and the desk that their calls are put on.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tools {
    desk: u64,
    kits: Vec<KitOption>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KitOption {
    name: String,
    description: String,
    tools: Vec<ToolOption>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolOption {
    name: String,
    description: String,
    schema: Value,
    function: u64,
    #[serde(default)]
    examples: Vec<(String, Value)>,
    timeout_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MountOption {
    guest: String,
    /// A directory of the host; memory without one.
    host: Option<PathBuf>,
    #[serde(default)]
    read_only: bool,
    max_bytes: Option<u64>,
    max_files: Option<u64>,
}

/// The builder that these options describe.
///
/// # Errors
/// `invalid_config` with what is wrong.
pub(crate) fn builder(json: &str) -> Result<Builder, Failure> {
    let invalid = |message: String| Failure::new("invalid_config", message);
    let options: Options = serde_json::from_str(json).map_err(|error| invalid(format!("options: {error}")))?;
    let mut builder = AgentOs::builder();
    if let Some(names) = options.software {
        let packages: Result<Vec<Software>, _> = names.iter().map(|name| name.parse()).collect();
        builder = builder.software(packages.map_err(|error| invalid(format!("software: {error}")))?);
    }
    if let Some(limits) = options.limits {
        builder = builder.limits(Limits::from_json(&limits).map_err(|error| invalid(error.to_string()))?);
    }
    if let Some(permissions) = options.permissions {
        builder = builder.permissions(permissions);
    }
    for mount in options.mounts {
        builder = builder.mount(mount.into());
    }
    if let Some(tools) = options.tools {
        builder = builder.tool_kits(tools.kits()?);
    }
    for (name, value) in options.env {
        builder = builder.env(name, value);
    }
    if let Some(cwd) = options.cwd {
        builder = builder.cwd(cwd);
    }
    if let Some(hostname) = options.hostname {
        builder = builder.hostname(hostname);
    }
    if let Some(proxy) = options.proxy {
        builder = builder.proxy(proxy);
    }
    if let Some(cache) = options.cache_dir {
        builder = builder.cache_dir(Some(cache));
    }
    Ok(builder
        .loopback_exempt_ports(options.loopback_exempt_ports)
        .network(Network::new().dns_servers(options.dns_servers)))
}

impl Tools {
    fn kits(self) -> Result<Vec<ToolKit>, Failure> {
        let Object::Desk(desk) = find(Handle(self.desk))? else {
            return Err(Failure::invalid("not a desk"));
        };
        let kit = |given: KitOption| {
            let kit = ToolKit::new(given.name, given.description);
            given.tools.into_iter().fold(kit, |kit, given| {
                let mut tool = desk.tool(given.schema, given.function).description(given.description);
                if let Some(ms) = given.timeout_ms {
                    tool = tool.timeout(Duration::from_millis(ms));
                }
                let examples = given.examples.into_iter();
                let tool = examples.fold(tool, |tool, (description, input)| tool.example(description, input));
                kit.tool(given.name, tool)
            })
        };
        Ok(self.kits.into_iter().map(kit).collect())
    }
}

/// A mount as an argument.
pub(crate) fn mount(json: &str) -> Result<Mount, Failure> {
    let mount: MountOption = serde_json::from_str(json).map_err(|error| Failure::invalid(format!("mount: {error}")))?;
    Ok(mount.into())
}

impl From<MountOption> for Mount {
    fn from(option: MountOption) -> Self {
        let mut mount = match option.host {
            Some(host) => Self::host_dir(host, option.guest),
            None => Self::memory(option.guest),
        };
        if let Some(bytes) = option.max_bytes {
            mount = mount.max_bytes(bytes);
        }
        if let Some(files) = option.max_files {
            mount = mount.max_files(files);
        }
        match option.read_only {
            true => mount.read_only(),
            false => mount,
        }
    }
}
