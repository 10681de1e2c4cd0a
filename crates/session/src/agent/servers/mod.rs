//! The servers of the Model Context Protocol that a session was given: in the form in which the agent hears of them, and
//! whether they start ([`check`]).

mod check;

pub(super) use check::check;

use super::acp;
use super::start::{Private, refused};
use crate::error::{Error, Result};
use crate::model::{EnvValue, McpServer};
use crate::session::Session;
use agent_client_protocol_schema::v1::{self, AgentCapabilities};
use agent_client_protocol_schema::v2;
use std::collections::BTreeMap;

/// The servers of a session in the protocol's form.
pub(super) async fn servers(
    session: &Session,
    private: &Private,
    agent: &AgentCapabilities,
) -> Result<Vec<v1::McpServer>> {
    let mut servers = Vec::new();
    for (at, server) in private.mcp_servers.iter().enumerate() {
        servers.push(match server {
            McpServer::Local {
                name,
                command,
                args,
                env,
            } => {
                let env = pairs(session, &path(at, "env"), env).await?;
                acp::local_server(named(name.as_deref(), at), command, args.clone(), env)
            }
            McpServer::Remote { name, url, headers } => {
                let headers = pairs(session, &path(at, "headers"), headers).await?;
                let name = named(name.as_deref(), at);
                let made = acp::remote_server(name.clone(), url, headers, agent);
                made.ok_or_else(|| Error::AgentStartFailed {
                    agent_type: session.agent_type().to_owned(),
                    reason: format!("it cannot reach the remote MCP server \"{name}\""),
                    exit_code: None,
                    stderr_tail: String::new(),
                })?
            }
        });
    }
    Ok(servers)
}

/// The servers as version 2 of the protocol has them: programs by their paths.
pub(super) async fn of_v2(
    session: &Session,
    servers: Vec<v1::McpServer>,
    starts_servers: bool,
) -> Result<Vec<v2::McpServer>> {
    let mut made = Vec::new();
    for mut server in servers {
        if let v1::McpServer::Stdio(stdio) = &mut server {
            if !starts_servers {
                return Err(Error::AgentStartFailed {
                    agent_type: session.agent_type().to_owned(),
                    reason: format!("it cannot start the local MCP server \"{}\"", stdio.name),
                    exit_code: None,
                    stderr_tail: String::new(),
                });
            }
            let command = stdio.command.to_string_lossy().into_owned();
            if let Some(path) = session.core().computer.find_command(&command).await {
                stdio.command = path.into();
            }
        }
        made.extend(super::v2::server(server));
    }
    Ok(made)
}

/// Where a member of a server stands, for error messages.
fn path(at: usize, member: &str) -> String {
    format!("options.mcpServers[{at}].{member}")
}

fn named(name: Option<&str>, at: usize) -> String {
    name.map_or_else(|| format!("mcp-{}", at + 1), str::to_owned)
}

async fn pairs(session: &Session, path: &str, given: &BTreeMap<String, EnvValue>) -> Result<Vec<(String, String)>> {
    let given = given
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let revealed = session.core().computer.reveal(path, given).await;
    revealed.map_err(|error| refused(session, error))
}
