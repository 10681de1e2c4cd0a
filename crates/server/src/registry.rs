//! The registry: definitions under their names, what bounds all of them, and the way to the network.

use crate::config::InvalidConfig;
use crate::definition::VmDefinition;
use crate::executions::Executions;
use crate::limits::ServerLimits;
use crate::running::Running;
use crate::shared::Shared;
use crate::vm_actor::VmActors;
use agentos::Limits;
use agentos_actor::{ActorDefinition, Clock};
use agentos_gateway::operations::Operations;
use agentos_gateway::preview::{PreviewHost, PreviewProxy, RegistryPreviews};
use agentos_gateway::{Gateway, GatewayError, Traffic};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

/// VMs and other actors by name, ready to be served.
///
/// ```no_run
/// # async fn example() -> Result<(), agentos_server::ServerError> {
/// use agentos_server::{Registry, VmDefinition};
/// let registry = Registry::builder()
///     .vm("vm", VmDefinition::default())
///     .data_dir("/var/lib/agentos")
///     .build()?;
/// let running = registry.listen("127.0.0.1:6420").await?;
/// println!("{}", running.url());
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Registry {
    actors: agentos_actor::Registry,
    options: Options,
    preview: PreviewOptions,
    definitions: Vec<Arc<Shared>>,
    executions: Arc<Executions>,
}

#[derive(Debug, Default)]
struct Options {
    token: Option<String>,
    origins: Vec<String>,
    tls: Option<(PathBuf, PathBuf)>,
    limits: ServerLimits,
    allow_insecure_bind: bool,
}

/// How previews are served; the same for all definitions of a server.
#[derive(Debug, Clone, Default)]
pub(crate) struct PreviewOptions {
    pub(crate) host: Option<String>,
    pub(crate) path_sandbox: bool,
    /// Refused tokens of one address in a minute.
    pub(crate) max_failures_per_minute: u32,
}

impl PreviewOptions {
    fn proxy(
        &self,
        actors: &agentos_actor::Registry,
        gateway_token: Option<String>,
        host: Option<&str>,
    ) -> Result<PreviewProxy, InvalidConfig> {
        let mut options = agentos_gateway::preview::PreviewOptions::default();
        options.path_sandbox = self.path_sandbox;
        options.gateway_token = gateway_token;
        options.max_failures_per_minute = self.max_failures_per_minute;
        if let Some(host) = host {
            let wrong = || InvalidConfig::one("preview.host", "must be a host name with or without a port");
            options.host = Some(PreviewHost::parse(host).ok_or_else(wrong)?);
        }
        Ok(PreviewProxy::with_clock(
            Arc::new(RegistryPreviews::new(actors.clone())),
            options,
            actors.clock(),
        ))
    }
}

/// Opens the inspector of a server that has no token of its own.
fn random_token() -> String {
    crate::audit::correlation_id()
}

/// Puts a [`Registry`] together.
#[derive(Default)]
pub struct RegistryBuilder {
    vms: Vec<(String, VmDefinition)>,
    actors: agentos_actor::RegistryBuilder,
    data_dir: Option<PathBuf>,
    options: Options,
}

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// Options that cannot be.
    #[error(transparent)]
    Invalid(#[from] InvalidConfig),
    /// Definitions or a data directory that cannot be used.
    #[error(transparent)]
    Registry(#[from] agentos_actor::BuildError),
    /// The gateway cannot serve.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// An address that does not exist.
    #[error("cannot listen on {address}: {source}")]
    Address {
        /// What was asked for.
        address: String,
        /// Why not.
        source: std::io::Error,
    },
}

impl Registry {
    /// Begins a registry.
    pub fn builder() -> RegistryBuilder {
        RegistryBuilder::default()
    }

    /// The actors, for programs that use them without a network.
    pub fn actors(&self) -> &agentos_actor::Registry {
        &self.actors
    }

    /// Listens at an address, `127.0.0.1:6420` for example; port 0 takes a free one.
    ///
    /// # Errors
    /// An address that is taken or does not exist, and one beyond loopback while nobody is authenticated.
    pub async fn listen(self, address: &str) -> Result<Running, ServerError> {
        let wrong = |source| ServerError::Address {
            address: address.to_owned(),
            source,
        };
        let mut addresses = tokio::net::lookup_host(address).await.map_err(wrong)?;
        let found = addresses
            .next()
            .ok_or_else(|| wrong(std::io::ErrorKind::NotFound.into()))?;
        self.listen_at(found)
    }

    /// Listens at a numeric address.
    ///
    /// # Errors
    /// Those of [`listen`](Self::listen).
    pub fn listen_at(self, address: SocketAddr) -> Result<Running, ServerError> {
        let listener = agentos_gateway::bind(address)?;
        self.serve(listener)
    }

    /// Serves a socket that listens already.
    ///
    /// # Errors
    /// Those of [`listen`](Self::listen).
    pub fn serve(self, listener: TcpListener) -> Result<Running, ServerError> {
        let Self {
            actors,
            options,
            preview,
            definitions,
            executions,
        } = self;
        let address = listener.local_addr().map_err(|source| ServerError::Address {
            address: "the given socket".to_owned(),
            source,
        })?;
        // Below which host previews have origins of their own; the gateway assumes the same.
        let loopback = address.ip().to_canonical().is_loopback();
        let host = preview
            .host
            .clone()
            .or_else(|| loopback.then(|| format!("localhost:{}", address.port())));
        if let Some(host) = &host {
            let scheme = if options.tls.is_some() { "https" } else { "http" };
            definitions
                .iter()
                .for_each(|definition| definition.serves_previews_at(scheme, host));
        }
        let proxy = preview.proxy(&actors, options.token.clone(), host.as_deref())?;
        let traffic = Arc::new(Traffic::default());
        let inspector = options.token.clone().unwrap_or_else(random_token);
        let operations = Operations::new(actors.clone(), proxy.clone(), Arc::clone(&traffic), inspector.clone())
            .executions(move || executions.count());
        let mut gateway = Gateway::builder(actors.clone())
            .extension(Arc::new(proxy))
            .extension(Arc::new(operations))
            .traffic(traffic)
            .on_span(crate::traces::continue_trace())
            .origins(options.origins)
            .limits(options.limits.gateway())
            .allow_insecure_bind(options.allow_insecure_bind);
        if let Some(token) = options.token {
            gateway = gateway.token(token);
        }
        if let Some((certificate, key)) = options.tls {
            gateway = gateway.tls(certificate, key);
        }
        if let Some(host) = host {
            gateway = gateway.preview_host(host);
        }
        Ok(Running::new(gateway.build()?.serve(listener)?, actors, inspector))
    }
}

impl RegistryBuilder {
    /// Adds VMs under a name of 1 to 64 characters.
    #[must_use]
    pub fn vm(mut self, name: impl Into<String>, definition: VmDefinition) -> Self {
        self.vms.push((name.into(), definition));
        self
    }

    /// Adds actors of another kind under a name.
    #[must_use]
    pub fn actor(mut self, name: impl Into<String>, definition: impl ActorDefinition) -> Self {
        self.actors = self.actors.define(name, definition);
        self
    }

    /// Where everything durable is kept. Without a directory nothing outlives the registry.
    #[must_use]
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(directory.into());
        self
    }

    /// The token that every request must present.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.options.token = Some(token.into());
        self
    }

    /// Origins whose pages may use the API.
    #[must_use]
    pub fn cors<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> Self {
        self.options.origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Serves TLS with a certificate chain and a key, PEM files.
    #[must_use]
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.options.tls = Some((certificate.into(), key.into()));
        self
    }

    /// Bounds of the whole.
    #[must_use]
    pub fn limits(mut self, limits: ServerLimits) -> Self {
        self.options.limits = limits;
        self
    }

    /// Listens beyond loopback although nobody is authenticated.
    #[must_use]
    pub fn allow_insecure_bind(mut self, allow: bool) -> Self {
        self.options.allow_insecure_bind = allow;
        self
    }

    /// The clock of all timers; the host's unless set.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.actors = self.actors.clock(clock);
        self
    }

    /// The watch over the disk of the data directory; by default new persistent data is refused, with `ENOSPC`, while less than
    /// 5 % or less than 1 GiB of it are free.
    #[must_use]
    pub fn headroom(mut self, headroom: agentos_store::Headroom) -> Self {
        self.actors = self.actors.headroom(headroom);
        self
    }

    /// The VFS of SQLite that files are opened with, by its name; for tests of disks that fail.
    #[must_use]
    pub fn sqlite_vfs(mut self, name: impl Into<String>) -> Self {
        self.actors = self.actors.sqlite_vfs(name);
        self
    }

    /// Checks everything and opens the data directory. To be called on a tokio runtime, on which actors then run.
    ///
    /// # Errors
    /// Names that cannot be, options that exclude each other, a data directory that another process uses.
    pub fn build(self) -> Result<Registry, ServerError> {
        let Self {
            vms,
            mut actors,
            data_dir,
            options,
        } = self;
        let preview = preview_options(&vms)?;
        let limits = &options.limits;
        let executions = Executions::new(limits.max_concurrent_executions, limits.execution_queue_deadline_ms);
        let mut definitions = Vec::new();
        for (name, definition) in vms {
            let shared = Shared::new(definition.plan, limits.clone(), Arc::clone(&executions));
            let shared = Arc::new(shared);
            definitions.push(Arc::clone(&shared));
            actors = actors.define(name, VmActors(shared));
        }
        actors = actors.limits(options.limits.registry());
        if let Some(directory) = data_dir {
            actors = actors.data_dir(directory);
        }
        Ok(Registry {
            actors: actors.build()?,
            options,
            preview,
            definitions,
            executions,
        })
    }
}

/// A refused token belongs to no definition, so the smallest limit of all holds. Options that are made for each VM are not known
/// yet.
fn max_failures(vms: &[(String, VmDefinition)]) -> u32 {
    let given = vms.iter().filter_map(|(_, definition)| definition.fixed_limits());
    let least = given.map(|limits| limits.preview_max_failures_per_minute).min();
    let least = least.unwrap_or_else(|| Limits::default().preview_max_failures_per_minute);
    u32::try_from(least).unwrap_or(u32::MAX)
}

/// One server has one preview host, so definitions that name one must agree.
fn preview_options(vms: &[(String, VmDefinition)]) -> Result<PreviewOptions, InvalidConfig> {
    let mut options = PreviewOptions {
        host: None,
        path_sandbox: vms.iter().all(|(_, definition)| definition.plan.preview_path_sandbox),
        max_failures_per_minute: max_failures(vms),
    };
    for (name, definition) in vms {
        match (&options.host, &definition.plan.preview_host) {
            (Some(first), Some(other)) if first != other => {
                let reason = format!("must be the same in all definitions, got {other:?} and {first:?}");
                return Err(InvalidConfig::one(&format!("{name}.preview.host"), reason));
            }
            (None, Some(host)) => options.host = Some(host.clone()),
            _ => {}
        }
    }
    Ok(options)
}

impl std::fmt::Debug for RegistryBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryBuilder")
            .field("vms", &self.vms)
            .field("actors", &self.actors)
            .finish_non_exhaustive()
    }
}
