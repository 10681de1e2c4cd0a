//! `agentos serve` and `agentos config check`.

use crate::error::{Error, Exit};
use crate::report;
use crate::vm::runtime;
use agentos_server::{LogFormat, ServerConfig, Token};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Options of `agentos serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Read the configuration from this TOML file.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Keep everything durable in this directory.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Listen at this address; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Ask every client for the token in the first line of this file.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Listen beyond loopback although nobody is asked who they are.
    #[arg(long)]
    allow_insecure_bind: bool,
    /// Replace a server that serves the same data directory: it hands its listening socket over, so that no client is
    /// refused, finishes, and ends.
    #[arg(long)]
    take_over: bool,
    /// Write the log as text or as JSON lines.
    #[arg(long, value_name = "FORMAT", value_enum)]
    log_format: Option<Format>,
    /// Keep so many processes of Node.js ready for VMs (docs/linux.md).
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(0..=256))]
    parked_node: Option<u16>,
    /// Make control groups of VMs with Linux programs here: auto, off, own, or the path of one (docs/linux.md).
    #[arg(long, value_name = "PLACE")]
    cgroup: Option<agentos::Cgroup>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// Options of `agentos config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Check a server's configuration file without starting anything.
    Check {
        /// The file; `agentos.toml` unless given.
        #[arg(value_name = "FILE", default_value = "agentos.toml")]
        file: PathBuf,
        /// Print the result as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Serves until a signal ends it.
pub(crate) fn main(args: &ServeArgs) -> Result<Exit, Error> {
    let mut config = ServerConfig::load(args.config.as_deref()).map_err(agentos_server::ServeError::from)?;
    if let Some(data) = &args.data {
        config.data_dir = Some(data.clone());
    }
    if let Some(listen) = args.listen {
        config.listen = listen;
    }
    if let Some(file) = &args.token_file {
        config.token = Some(token(file)?);
    }
    config.allow_insecure_bind |= args.allow_insecure_bind;
    config.take_over = args.take_over;
    if let Some(parked) = args.parked_node {
        config.parked_node = parked.into();
    }
    if let Some(cgroup) = &args.cgroup {
        config.cgroup = cgroup.clone();
    }
    let format = args.log_format.map(|format| match format {
        Format::Text => LogFormat::Text,
        Format::Json => LogFormat::Json,
    });
    let own_token = config.token.is_some();
    let runtime = runtime()?;
    let _entered = runtime.enter();
    agentos_server::init_logs(format.or(config.log_format).unwrap_or_default());
    runtime.block_on(agentos_server::serve(config, |running| {
        // Who started the server waits for this line; a closed standard output is no reason not to serve.
        let url = running.url();
        // A token that was made for this start is told here and nowhere else; the operator's own is not told at all.
        let token = match own_token {
            true => String::new(),
            false => format!("#token={}", running.inspector_token()),
        };
        let _ = report::text(&format!(
            "agentos is listening on {url}\nthe inspector is at {url}/inspector/{token}\n"
        ));
    }))?;
    Ok(Exit::SUCCESS)
}

fn token(file: &std::path::Path) -> Result<Token, Error> {
    agentos_server::token_file(file).map_err(Error::Usage)
}

/// Checks a configuration.
pub(crate) fn config(args: &ConfigArgs) -> Result<Exit, Error> {
    let ConfigCommand::Check { file, json } = &args.command;
    match ServerConfig::load(Some(file)) {
        Ok(config) => {
            let names: Vec<&str> = config.vms.iter().map(|(name, _)| name.as_str()).collect();
            match json {
                true => report::json(&json!({ "valid": true, "definitions": names }))?,
                false => report::text(&format!("{}: valid\n", file.display()))?,
            }
            Ok(Exit::SUCCESS)
        }
        Err(error) if *json => {
            let problems: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
            report::json(&json!({ "valid": false, "problems": problems }))?;
            Ok(Exit::USAGE)
        }
        Err(error) => Err(agentos_server::ServeError::from(error).into()),
    }
}
