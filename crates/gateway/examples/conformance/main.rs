//! A server with the actors that stock clients are tested against; `tests/clients.sh` starts it.
//!
//! Listens on a free port of loopback, or on the one given, and prints one line of JSON: `{"endpoint":"http://.."}`. Actors
//! live as long as the process, or in the directory given by `--data-dir`. `--token` sets a gateway token.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout)]

mod counter;

use std::error::Error;
use std::net::TcpListener;

use agentos_actor::Registry;
use agentos_gateway::Gateway;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut port = 0_u16;
    let mut registry = Registry::builder()
        .define("counter", counter::Counter { strict: false })
        .define("strict", counter::Counter { strict: true });
    let mut token = None;
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--port", Some(value)) => port = value.parse()?,
            ("--data-dir", Some(value)) => registry = registry.data_dir(value),
            ("--token", value @ Some(_)) => token = value,
            _ => return Err("usage: conformance [--port PORT] [--data-dir DIR] [--token TOKEN]".into()),
        }
    }
    let mut gateway = Gateway::builder(registry.build()?);
    if let Some(token) = token {
        gateway = gateway.token(token);
    }
    let running = gateway.build()?.serve(TcpListener::bind(("127.0.0.1", port))?)?;
    println!("{}", serde_json::json!({ "endpoint": running.url() }));
    tokio::signal::ctrl_c().await?;
    Ok(())
}
