//! A server with test actors, and clients of it.

pub(crate) mod actors;
pub(crate) mod http;
pub(crate) mod ws;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use agentos_actor::{Registry, RegistryLimits};
use agentos_gateway::{Builder, Gateway, Running};

/// A wait for what must come that takes longer is a failure instead of a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Server {
    pub(crate) running: Running,
    pub(crate) registry: Registry,
    pub(crate) log: actors::Log,
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        self.running.address()
    }
}

pub(crate) fn registry(limits: RegistryLimits, log: &actors::Log) -> Registry {
    Registry::builder()
        .define("counter", actors::Counter::open(log.clone()))
        .define("guarded", actors::Counter::guarded(log.clone()))
        .limits(limits)
        .build()
        .expect("a registry")
}

/// A server on a free port of loopback.
pub(crate) fn serve(configure: impl FnOnce(Builder) -> Builder) -> Server {
    serve_with(RegistryLimits::default(), configure)
}

pub(crate) fn serve_with(limits: RegistryLimits, configure: impl FnOnce(Builder) -> Builder) -> Server {
    let log = actors::Log::default();
    let registry = registry(limits, &log);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let gateway = configure(Gateway::builder(registry.clone())).build().expect("options");
    Server {
        running: gateway.serve(listener).expect("serves"),
        registry,
        log,
    }
}

/// Waits for something that must come.
pub(crate) async fn soon<T>(what: impl std::future::Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("comes soon")
}

/// Waits for a condition of the server that nothing announces.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    soon(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}
