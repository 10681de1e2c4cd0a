//! From the plain data of JavaScript to definitions and a registry, with errors that say where.

use super::actors::JsActors;
use super::hooks::{Dispatch, JsHooks};
use crate::core::ScriptDrivers;
use crate::mailbox::Mailbox;
use agentos::vfs::{Filesystem, MemoryFs};
use agentos::{Tool, ToolError, ToolFuture};
use agentos_server::{
    ActorError, Drivers, InvalidConfig, Registry, SdkActor, SdkDefinition, ServerError, SetupConfig, Value,
    VmDefinition, VmOptions,
};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// What a program starts a registry with.
pub(super) struct Plan {
    setup: String,
    definitions: Vec<Definition>,
    address: Address,
    allow_insecure_bind: bool,
}

/// A definition as the TypeScript side describes it.
struct Definition {
    name: String,
    config: String,
    /// Whether it is a VM; otherwise an actor whose code is JavaScript.
    vm: bool,
}

/// Where to listen; what is not given comes from the environment.
struct Address {
    host: Option<String>,
    port: Option<u16>,
}

impl Plan {
    /// Reads what the TypeScript side made.
    pub(super) fn read(plan: &Value) -> Result<Self, ActorError> {
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let definitions = plan.get("definitions").and_then(Value::as_array).unwrap_or_default();
        let definitions = definitions.iter().filter_map(|definition| {
            Some(Definition {
                name: text(definition, "name")?,
                config: text(definition, "config")?,
                vm: definition.get("vm").and_then(Value::as_bool) != Some(false),
            })
        });
        let port = match plan.get("port").filter(|port| !port.is_nullish()) {
            None => None,
            Some(port) => match port.as_int().and_then(|port| u16::try_from(port).ok()) {
                Some(port) => Some(port),
                None => return Err(invalid("port", "must be an integer between 0 and 65535")),
            },
        };
        Ok(Self {
            setup: text(plan, "setup").unwrap_or_default(),
            definitions: definitions.collect(),
            address: Address {
                host: text(plan, "host"),
                port,
            },
            allow_insecure_bind: plan.get("allowInsecureBind").and_then(Value::as_bool) == Some(true),
        })
    }

    /// The registry and its address. To be called on the runtime.
    pub(super) async fn build(
        &self,
        dispatch: &Arc<Dispatch>,
        mailbox: &Arc<Mailbox>,
    ) -> Result<(Registry, SocketAddr), ActorError> {
        let setup = SetupConfig::read(json(&self.setup)?).map_err(|invalid| invalid_config(&invalid))?;
        let address = self.address.resolve(setup.listen).await?;
        let mut builder = setup.into_builder().allow_insecure_bind(self.allow_insecure_bind);
        for Definition { name, config, vm } in &self.definitions {
            builder = match vm {
                true => builder.vm(name, definition(name, config, dispatch, mailbox)?),
                false => {
                    let plan = SdkActor::read(json(config)?).map_err(|invalid| invalid_config(&invalid))?;
                    builder.actor(name, JsActors::new(name, plan, Arc::clone(dispatch)))
                }
            };
        }
        let registry = builder.build().map_err(server_error)?;
        dispatch.serves(registry.actors().client());
        Ok((registry, address))
    }
}

impl Address {
    async fn resolve(&self, default: SocketAddr) -> Result<SocketAddr, ActorError> {
        let port = self.port.unwrap_or(default.port());
        let Some(host) = &self.host else {
            return Ok(SocketAddr::new(default.ip(), port));
        };
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(SocketAddr::new(ip, port));
        }
        let found = tokio::net::lookup_host((bare, port)).await;
        let address = found.ok().and_then(|mut addresses| addresses.next());
        address.ok_or_else(|| invalid("host", "must be an address of this machine, such as 127.0.0.1"))
    }
}

fn definition(
    name: &str,
    config: &str,
    dispatch: &Arc<Dispatch>,
    mailbox: &Arc<Mailbox>,
) -> Result<VmDefinition, ActorError> {
    let config = json(config)?;
    let mut drivers = ScriptDrivers::of_options(Arc::clone(mailbox), config.get("options"));
    let SdkDefinition {
        mut builder,
        hooks,
        options_per_vm,
        ..
    } = SdkDefinition::read(config, &mut drivers).map_err(|invalid| invalid_config(&invalid))?;
    if options_per_vm {
        let (name, dispatch, mailbox) = (name.to_owned(), Arc::clone(dispatch), Arc::clone(mailbox));
        builder = builder.options_per_vm(move |request| {
            let (name, dispatch, mailbox) = (name.clone(), Arc::clone(&dispatch), Arc::clone(&mailbox));
            async move {
                let text = dispatch.options(&name, request).await?;
                let options = json(&text)?;
                let mut drivers = ScriptDrivers::of_options(mailbox, Some(&options));
                let options =
                    VmOptions::from_json(options, &mut drivers).map_err(|invalid| invalid_config(&invalid))?;
                Ok(options)
            }
        });
    }
    if !hooks.is_empty() {
        builder = builder.hooks(JsHooks::new(name, &hooks, Arc::clone(dispatch)));
    }
    builder.build().map_err(|invalid| invalid_config(&invalid))
}

/// Checks the argument of `agentOs`, `actor` or `setup`.
pub(super) fn check(what: &str, config: &str) -> Result<(), ActorError> {
    let config = json(config)?;
    match what {
        "setup" => SetupConfig::read(config).map(drop),
        "actor" => SdkActor::read(config).map(drop),
        _ => SdkDefinition::read(config, &mut Unopened).map(drop),
    }
    .map_err(|invalid| invalid_config(&invalid))
}

/// Accepts filesystems of the program's own without opening them: a definition that is checked is not used yet.
struct Unopened;

impl Drivers for Unopened {
    fn open(&mut self, id: &str, _config: &serde_json::Value) -> Option<Result<Arc<dyn Filesystem>, String>> {
        (id == "script").then(|| {
            let quota = agentos::quota(&agentos::Limits::default());
            Ok(MemoryFs::new(agentos::system_clock(), quota) as Arc<dyn Filesystem>)
        })
    }

    fn tool(&mut self, schema: serde_json::Value, _function: &serde_json::Value) -> Option<Result<Tool, String>> {
        let unused =
            |_, _| Box::pin(async { Err(ToolError::masked("this definition was only checked")) }) as ToolFuture;
        Some(Ok(Tool::raw(schema, unused)))
    }
}

fn json(text: &str) -> Result<serde_json::Value, ActorError> {
    serde_json::from_str(text).map_err(|error| invalid("config", &error.to_string()))
}

fn invalid(path: &str, expected: &str) -> ActorError {
    let metadata = Value::object([("path", path), ("expected", expected)]);
    ActorError::agentos("invalid_config", format!("{path}: {expected}")).with_metadata(metadata)
}

/// All problems in the text, the first one's path in the metadata.
pub(super) fn invalid_config(error: &InvalidConfig) -> ActorError {
    let problems = error.problems();
    let first = problems.first().map_or("", String::as_str);
    let (path, expected) = first.split_once(": ").unwrap_or(("", first));
    let metadata = Value::object([
        ("path", Value::from(path)),
        ("expected", Value::from(expected)),
        (
            "problems",
            Value::Array(problems.iter().map(|problem| Value::from(problem.as_str())).collect()),
        ),
    ]);
    ActorError::agentos("invalid_config", problems.join("\n")).with_metadata(metadata)
}

/// Why a registry does not serve.
pub(super) fn server_error(error: ServerError) -> ActorError {
    match error {
        ServerError::Invalid(error) => invalid_config(&error),
        ServerError::Registry(error) => invalid("dataDir", &error.to_string()),
        other => {
            let text = other.to_string();
            let metadata = Value::object([("path", "port"), ("expected", text.as_str())]);
            ActorError::agentos("listen_failed", text).with_metadata(metadata)
        }
    }
}
