//! A VM as a server of the Model Context Protocol.
//!
//! [`Server`] makes a VM's commands, files and host tools into the tools and resources of that protocol; [`stdio::serve`]
//! speaks it with one client over a pair of streams, [`http::serve`] with many over HTTP. What a client may do is what the
//! VM's policy lets any client do, and how much is bounded by the VM's limits and by [`Limits`].
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use agentos_mcp::{Limits, LocalVm, Server, stdio};
//! let vm = agentos::AgentOs::builder().create().await?;
//! let server = Server::new(LocalVm::new(vm, "/home/user"), Limits::default()).await;
//! stdio::serve(&server, tokio::io::stdin(), tokio::io::stdout()).await?;
//! # Ok(()) }
//! ```
//!
//! A program adds functions, resources and prompts of its own by [`Additions`].
//!
//! ```text
//!   stdio  lines, bounds ─┐                  ┌─ tools      exec, processes, files, host tools
//!                         ├─▶ Server (rmcp) ─┼─ resources  files ─────┴─▶ Computer: LocalVm, or a server's VM
//!   http   token, Host ───┘                  └─ additions  tools, resources, prompts of the program around it
//! ```
#![forbid(unsafe_code)]

pub mod additions;
mod arguments;
mod client;
mod complete;
mod computer;
mod failure;
pub mod http;
mod limits;
mod local;
mod media;
mod process;
mod progress;
mod records;
mod resources;
mod server;
pub mod stdio;
mod tools;
mod uri;
mod watch;

pub use additions::Additions;
pub use computer::{
    Attributes, BoxFuture, Command, Computer, Ended, Entry, Log, OnOutput, ProcessLog, Result, Started,
};
pub use failure::{Exceeded, Failure};
pub use limits::Limits;
pub use local::LocalVm;
pub use server::Server;
pub use tools::FAILURE_META;

/// The examples of the guide are compiled with the tests.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../docs/mcp.md")]
    struct Mcp;
}
