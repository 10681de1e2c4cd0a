//! `agentos serve`: a server from its configuration, until a signal ends it.

use crate::config::{ConfigError, ServerConfig};
use crate::definition::VmDefinition;
use crate::registry::{Registry, ServerError};
use crate::running::Running;
use agentos_gateway::GatewayError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Name of the definition that a server has if its configuration names none.
pub const DEFAULT_NAME: &str = "vm";

/// How long the work in flight of all VMs may take at the end; each VM has its own, shorter budget.
const PATIENCE: Duration = Duration::from_secs(60);

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The registry or the gateway.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// There is no place for the data.
    #[error("no data directory: name one with --data, dataDir or AGENTOS_DATA_DIR, or set HOME")]
    NoDataDir,
    /// The host's signals cannot be waited for.
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
}

impl ServeError {
    /// Whether whoever starts the server asked for what cannot be, so that trying again cannot help.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Config(_) | Self::NoDataDir | Self::Server(ServerError::Invalid(_) | ServerError::Address { .. })
        ) || matches!(self, Self::Server(ServerError::Gateway(error)) if !matches!(error, GatewayError::Socket { .. }))
    }
}

/// Starts what the configuration says.
///
/// # Errors
/// Whatever is in the way.
pub fn start(config: ServerConfig) -> Result<Running, ServeError> {
    let data_dir = config
        .data_dir
        .clone()
        .or_else(default_data_dir)
        .ok_or(ServeError::NoDataDir)?;
    let mut builder = Registry::builder()
        .data_dir(data_dir)
        .limits(config.limits)
        .cors(config.origins)
        .allow_insecure_bind(config.allow_insecure_bind);
    if let Some(token) = config.token {
        builder = builder.token(token.into_inner());
    }
    if let Some((certificate, key)) = config.tls {
        builder = builder.tls(certificate, key);
    }
    match config.vms.is_empty() {
        true => builder = builder.vm(DEFAULT_NAME, VmDefinition::default()),
        false => {
            builder = config
                .vms
                .into_iter()
                .fold(builder, |builder, (name, vm)| builder.vm(name, vm))
        }
    }
    Ok(builder.build()?.listen_at(config.listen)?)
}

/// Serves until SIGTERM or SIGINT, then drains; a second signal ends at once. `started` is called when the server accepts
/// connections.
///
/// # Errors
/// Whatever kept it from starting.
pub async fn serve(config: ServerConfig, started: impl FnOnce(&Running)) -> Result<(), ServeError> {
    let mut signals = Signals::new().map_err(ServeError::Signals)?;
    let running = start(config)?;
    started(&running);
    warm_up();
    signals.next().await;
    tracing::info!("draining; a second signal ends at once");
    tokio::select! {
        completed = running.drain(PATIENCE) => tracing::info!(completed, "drained"),
        () = signals.next() => {
            tracing::warn!("ending at once");
            // What is stored by then is stored; a second signal must not wait for a VM that does not end.
            let _ = tokio::time::timeout(Duration::from_secs(5), running.close()).await;
        }
    }
    crate::traces::finish().await;
    Ok(())
}

/// Builds the image that VMs share and compiles its programs, so that the first client does not wait for it.
fn warm_up() {
    tokio::task::spawn(async {
        let prepared = async { agentos::AgentOs::create().await?.prepare(|_| {}).await };
        if let Err(error) = prepared.await {
            tracing::warn!(%error, "the bundled programs could not be prepared");
        }
    });
}

/// `agentos` in the user's data directory.
fn default_data_dir() -> Option<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let base = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")))?;
    Some(base.join("agentos"))
}

/// The signals that end a server.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
