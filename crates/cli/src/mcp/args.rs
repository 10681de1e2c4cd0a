//! What can be typed for `agentos mcp`.

use crate::args::VmArgs;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Options of `agentos mcp`.
#[derive(Debug, Args)]
pub(crate) struct McpArgs {
    #[command(flatten)]
    pub(crate) vm: VmArgs,
    /// Serve over HTTP at this address in place of standard input and output; port 0 takes a free one. Beyond loopback a
    /// token is needed.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) http: Option<SocketAddr>,
    /// Ask every client over HTTP for the token in the first line of this file; AGENTOS_MCP_TOKEN unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Let clients call the server by this name, besides localhost and the address.
    #[arg(long = "allow-host", value_name = "NAME")]
    pub(crate) hosts: Vec<String>,
    /// Let pages of this origin call the server, for example http://localhost:5173.
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub(crate) origins: Vec<String>,
}
