//! From command line and configuration file to a VM.

use crate::args::{VmArgs, parse_tools};
use crate::config::Config;
use crate::error::Error;
use crate::{network, secrets};
use agentos::{AgentOs, Image, ImageSource, Limits, LimitsDraft, Mount};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

/// The runtime on which the command waits; guests have their own threads.
pub(crate) fn runtime() -> Result<Runtime, Error> {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Error::host("runtime"))
}

/// Reads the configuration file, if one is named.
pub(crate) fn config(args: &VmArgs) -> Result<Config, Error> {
    args.config
        .as_deref()
        .map_or_else(|| Ok(Config::default()), Config::load)
}

/// Options of the VM: those of the file, then those of the command line.
pub(crate) fn builder(args: &VmArgs, config: &Config) -> Result<agentos::Builder, Error> {
    let mut builder = AgentOs::builder().limits(limits(args, config)?);
    for (name, value) in &config.env {
        builder = builder.env(name, value);
    }
    for env in &args.env {
        builder = builder.env(&env.name, &env.value);
    }
    if let Some(policy) = crate::policy::given(args.permissions.as_deref(), config)? {
        builder = builder.permissions(policy);
    }
    if let Some(cwd) = args.cwd.as_ref().or(config.cwd.as_ref()) {
        builder = builder.cwd(cwd);
    }
    for mount in &config.mounts {
        builder = builder.mount(host_dir(&mount.host, &mount.guest, !mount.read_only));
    }
    for mount in &args.mounts {
        builder = builder.mount(host_dir(&mount.host, &mount.guest, mount.writable));
    }
    builder = images(builder, args, config)?;
    builder = crate::software::give(builder, args, config)?;
    builder = network::apply(builder, args, config);
    builder = secrets::apply(builder, args, config)?;
    network::outlet(builder, args, config)
}

/// Opens the images: those of the command line lie above those of the file.
fn images(mut builder: agentos::Builder, args: &VmArgs, config: &Config) -> Result<agentos::Builder, Error> {
    let configured = config.image.iter().map(|text| text.parse());
    let configured: Vec<ImageSource> = configured.collect::<Result<_, _>>().map_err(agentos::Error::from)?;
    for source in args.images.iter().map(|image| &image.0).chain(&configured) {
        builder = builder.image(Image::open(source).map_err(agentos::Error::from)?);
    }
    let configured = config.tools.as_deref().map(parse_tools).transpose();
    let configured = configured.map_err(|reason| Error::Usage(format!("tools: {reason}")))?;
    match args.tools.or(configured) {
        Some(tools) => Ok(builder.tools(tools)),
        None => Ok(builder),
    }
}

fn host_dir(host: &std::path::Path, guest: &str, writable: bool) -> Mount {
    let mount = Mount::host_dir(host, guest);
    if writable { mount } else { mount.read_only() }
}

/// Those of the file, then those of the command line; everything that is wrong with them is reported at once.
fn limits(args: &VmArgs, config: &Config) -> Result<Limits, Error> {
    let mut draft = LimitsDraft::default();
    draft.json_with_units(&Value::Object(config.limits.clone()));
    for limit in &args.limits {
        draft.text(&limit.name, &limit.value);
    }
    Ok(draft.finish().map_err(agentos::Error::from)?)
}
