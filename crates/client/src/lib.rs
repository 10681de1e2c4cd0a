//! A client of an agentOS server.
//!
//! [`Client`] knows where the server is; [`Client::vm`] and [`Client::actor`] address one actor by name and key, which
//! gives a handle. Calls of a handle are single HTTP requests over kept-alive connections; [`Handle::connect`] opens a
//! WebSocket for events and for calls that cost less still. [`Vm`] names the actions of a VM and gives them types.
//!
//! ```no_run
//! # async fn example() -> Result<(), agentos_client::Error> {
//! let client = agentos_client::Client::new("http://127.0.0.1:6420")?;
//! let vm = client.vm("vm").get_or_create(["my-agent"]).await?;
//! vm.write_file("/home/user/names", "b\na\n").await?;
//! let sorted = vm.exec("sort names | head -1").await?;
//! assert_eq!(sorted.stdout, "a\n");
//! # Ok(()) }
//! ```
//!
//! The protocol is that of RivetKit's clients (crate `agentos-wire`), so that any server of that protocol can be called;
//! only [`Vm`] expects the actions of agentOS.
#![forbid(unsafe_code)]

mod client;
mod connection;
mod endpoint;
mod error;
mod handle;
mod http;
mod query;
mod stream;
mod tls;
mod vm;

pub use agentos_value::{ActorError, Key, Value};
pub use agentos_wire::Encoding;
pub use client::{Builder, Client};
pub use connection::{Connection, Events, Lagged, Status};
pub use error::{Error, Result};
pub use handle::Handle;
pub use query::{Name, Query};
pub use vm::{ExecOutput, ExecRequest, ProcessLog, StreamLog, Vm};
