//! What the gateway costs: `cargo run --release -p agentos-gateway --example load`.
//!
//! One process holds a server with an actor that does next to nothing, and clients that write the protocol's bytes by hand.
//! They share the machine's cores, so that every figure includes the client's half of the work.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs)]

mod actor;
mod client;
mod measure;

use std::time::Duration;

use agentos_actor::Registry;
use agentos_gateway::{Gateway, bind};
use tokio::runtime::Builder;

fn main() {
    let server = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let (running, registry) = server.block_on(async {
        let registry = Registry::builder()
            .define("load", actor::Load)
            .build()
            .expect("a registry");
        let listener = bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let gateway = Gateway::builder(registry.clone()).build().expect("options");
        (gateway.serve(listener).expect("serves"), registry)
    });
    let address = running.address();
    let clients = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    clients.block_on(async {
        let id = client::create(address, "latency").await;
        measure::latency(
            "action, keep-alive HTTP",
            client::Http::open(address, &id).await,
            20_000,
        )
        .await;
        measure::latency("action, WebSocket", client::Socket::open(address, &id).await, 20_000).await;
        measure::throughput("actions, keep-alive HTTP", 32, || client::Http::open(address, &id)).await;
        measure::throughput("actions, WebSocket", 32, || client::Socket::open(address, &id)).await;
        measure::pipelined("actions, WebSocket, 16 in flight", 8, 16, || {
            client::Socket::open(address, &id)
        })
        .await;
        let id = client::create(address, "events").await;
        measure::events(address, &id, 1000, 10, Duration::from_secs(5)).await;
    });
    server.block_on(async {
        running.drain(Duration::from_secs(5)).await;
        registry.drain().await;
    });
}
