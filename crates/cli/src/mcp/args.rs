//! What can be typed for `agentos mcp`.

use crate::args::VmArgs;
use crate::remote::TargetArgs;
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Options of `agentos mcp`.
#[derive(Debug, Args)]
pub(crate) struct McpArgs {
    #[command(flatten)]
    pub(crate) vm: VmArgs,
    /// Serve a VM of a running server in place of a fresh one: the name of its definition, "vm" with --key alone. Options that
    /// shape a fresh VM are not for it, but --cwd and --trust-root.
    #[arg(long = "vm", value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Key of that VM, several for a key of several parts; "default" with --vm alone.
    #[arg(short, long, value_name = "PART")]
    pub(crate) key: Vec<String>,
    /// The server of that VM; AGENTOS_ENDPOINT, or http://127.0.0.1:6420, unless given. Its token is read from AGENTOS_TOKEN.
    #[arg(short, long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
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

impl McpArgs {
    /// The VM of a running server, if one is meant.
    ///
    /// # Errors
    /// An option that shapes a fresh VM, beside it.
    pub(crate) fn target(&self) -> Result<Option<TargetArgs>, String> {
        if self.name.is_none() && self.key.is_empty() {
            return match self.endpoint {
                Some(_) => {
                    Err("mcp: --endpoint is for a VM of a running server: name it with --vm or --key".to_owned())
                }
                None => Ok(None),
            };
        }
        let vm = &self.vm;
        let shaping = [
            ("--mount", vm.mounts.is_empty()),
            ("--image", vm.images.is_empty()),
            ("--software", vm.software.is_empty()),
            ("--tools", vm.tools.is_none()),
            ("--env", vm.env.is_empty()),
            ("--secret", vm.secrets.is_empty()),
            ("--secret-file", vm.secret_files.is_empty()),
            ("--proxy", vm.proxy.is_none()),
            ("--limit", vm.limits.is_empty()),
            ("--allow-port", vm.allow_ports.is_empty()),
            ("--dns-server", vm.dns_servers.is_empty()),
            ("--permissions", vm.permissions.is_none()),
            ("--config", vm.config.is_none()),
        ];
        if let Some((option, _)) = shaping.into_iter().find(|(_, is_absent)| !is_absent) {
            return Err(format!(
                "mcp: {option} shapes a fresh VM; that of a server is as the server made it"
            ));
        }
        Ok(Some(TargetArgs {
            endpoint: self.endpoint.clone(),
            vm: self.name.clone().unwrap_or_else(|| "vm".to_owned()),
            key: self.key.clone(),
            params: None,
            trust_roots: vm.trust_roots.clone(),
            json: false,
        }))
    }
}
