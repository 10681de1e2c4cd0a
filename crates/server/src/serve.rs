//! `agentos serve`: a server from its configuration, until a signal ends it.

use crate::config::{ConfigError, ServerConfig};
use crate::definition::VmDefinition;
use crate::registry::{Registry, ServerError};
use crate::running::Running;
use agentos_gateway::GatewayError;
use agentos_gateway::handover::{self, Offer};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Name of the definition that a server has if its configuration names none.
pub const DEFAULT_NAME: &str = "vm";

/// How long the work in flight of all VMs may take at the end; each VM has its own, shorter budget.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long an end that must not wait waits.
const LAST_MOMENT: Duration = Duration::from_secs(5);

/// Where in its data directory a server can be taken over.
const MEETING_POINT: &str = "handover.sock";

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
    /// The listening socket could not be had or handed over.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// Linux programs have run already, with control groups in another place.
    #[error(transparent)]
    Cgroup(#[from] agentos::CgroupError),
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
        ) || matches!(self, Self::Gateway(error) | Self::Server(ServerError::Gateway(error))
            if !matches!(error, GatewayError::Socket { .. }))
    }
}

/// Starts what the configuration says, at the address that it names.
///
/// # Errors
/// Whatever is in the way.
pub fn start(config: ServerConfig) -> Result<Running, ServeError> {
    let listen = config.listen;
    let data_dir = data_dir(&config)?;
    Ok(registry(config, data_dir)?.listen_at(listen)?)
}

fn data_dir(config: &ServerConfig) -> Result<PathBuf, ServeError> {
    config
        .data_dir
        .clone()
        .or_else(default_data_dir)
        .ok_or(ServeError::NoDataDir)
}

fn registry(config: ServerConfig, data_dir: PathBuf) -> Result<Registry, ServeError> {
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
                .fold(builder, |builder, (name, vm)| builder.vm(name, vm));
        }
    }
    Ok(builder.build()?)
}

/// Serves until SIGTERM or SIGINT, or until a successor takes over, then drains; a signal meanwhile ends at once. `started` is
/// called when the server accepts connections. SIGHUP has the certificate read again.
///
/// The listening socket comes from a running server that this one is to replace, from the service manager that started the
/// process, or from the configured address, whichever there is first.
///
/// # Errors
/// Whatever kept it from starting.
pub async fn serve(config: ServerConfig, started: impl FnOnce(&Running)) -> Result<(), ServeError> {
    let mut signals = Signals::new().map_err(ServeError::Signals)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(ServeError::Signals)?;
    let data_dir = data_dir(&config)?;
    agentos::set_cgroup(config.cgroup.clone())?;
    agentos::park_node(config.parked_node);
    let meeting_point = data_dir.join(MEETING_POINT);
    let listener = match config.take_over {
        true => take_over(&meeting_point).await?,
        false => None,
    };
    let listener = match listener {
        Some(listener) => listener,
        None => passed_on()?.map_or_else(|| agentos_gateway::bind(config.listen), Ok)?,
    };
    let running = registry(config, data_dir)?.serve(listener)?;
    let offer = Offer::bind(&meeting_point)?;
    let own = running.gateway().listener()?;
    started(&running);
    warm_up();
    let successor = loop {
        tokio::select! {
            () = signals.next() => break None,
            successor = offer.successor(&own) => break Some(successor),
            _ = hangup.recv() => reload(&running),
        }
    };
    drop(own);
    tracing::info!(taken_over = successor.is_some(), "draining; a signal ends at once");
    tokio::select! {
        completed = running.drain(PATIENCE) => tracing::info!(completed, "drained"),
        () = signals.next() => {
            tracing::warn!("ending at once");
            // What is stored by then is stored; a second signal must not wait for a VM that does not end.
            let _ = tokio::time::timeout(LAST_MOMENT, running.close()).await;
        }
    }
    // The data directory goes with it; only then may the successor have it.
    drop(running);
    if let Some(successor) = successor {
        successor.release().await;
    }
    crate::traces::finish().await;
    Ok(())
}

/// Reads the certificate again. One that cannot be used changes nothing.
fn reload(running: &Running) {
    match running.gateway().reload_tls() {
        Ok(()) => tracing::info!("asked to read the certificate again, and did"),
        Err(error) => tracing::warn!(%error, "the certificate cannot be used; going on with the old one"),
    }
}

/// The listening socket of a server that serves the same data, once that has let go of them.
async fn take_over(meeting_point: &Path) -> Result<Option<TcpListener>, ServeError> {
    let Some(mut inherited) = handover::inherit(meeting_point).await? else {
        tracing::warn!("there is no server to take over from");
        return Ok(None);
    };
    if !inherited.released(PATIENCE + LAST_MOMENT).await {
        tracing::warn!("the predecessor is still there; its data directory may be in use");
    }
    Ok(Some(inherited.listener))
}

/// The listening socket that a service manager passed on.
fn passed_on() -> Result<Option<TcpListener>, ServeError> {
    let variable = |name: &str| std::env::var(name).ok();
    let (pid, count) = (variable("LISTEN_PID"), variable("LISTEN_FDS"));
    let sockets = agentos_gateway::inherited(pid.as_deref(), count.as_deref())?;
    Ok(sockets.into_iter().next())
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
pub(crate) fn default_data_dir() -> Option<PathBuf> {
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
