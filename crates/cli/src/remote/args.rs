//! What can be typed for the commands that talk to a server.

use crate::args::{EnvArg, parse_duration};
use clap::{Args, Subcommand};
use std::path::PathBuf;
use std::time::Duration;

/// Which VM of which server.
#[derive(Debug, Args)]
pub(crate) struct TargetArgs {
    /// The server; AGENTOS_ENDPOINT, or http://127.0.0.1:6420, unless given. Its token is read from AGENTOS_TOKEN.
    #[arg(short, long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// Name of the VM's definition.
    #[arg(long, value_name = "NAME", default_value = "vm")]
    pub(crate) vm: String,
    /// Key of the VM, several for a key of several parts; "default" unless given.
    #[arg(short, long, value_name = "PART")]
    pub(crate) key: Vec<String>,
    /// Connection parameters for the server's hooks, as JSON.
    #[arg(long, value_name = "JSON")]
    pub(crate) params: Option<String>,
    /// Trust the certificate authorities of this PEM file besides the web's.
    #[arg(long = "trust-root", value_name = "FILE")]
    pub(crate) trust_roots: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `agentos exec`.
#[derive(Debug, Args)]
pub(crate) struct ExecArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Set an environment variable.
    #[arg(long = "env", value_name = "K=V")]
    pub(crate) env: Vec<EnvArg>,
    /// Start in this directory of the VM.
    #[arg(long, value_name = "DIR")]
    pub(crate) cwd: Option<String>,
    /// Stop the command after this time (500ms, 30s, 5m, 1h) and exit with 124.
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    pub(crate) timeout: Option<Duration>,
    /// Pass standard input to the command, to its end.
    #[arg(short = 'i', long = "stdin")]
    pub(crate) stdin: bool,
    /// A shell script, run by `sh -c`.
    #[arg(short = 'c', value_name = "SCRIPT", conflicts_with = "command")]
    pub(crate) script: Option<String>,
    /// The command and its arguments.
    #[arg(value_name = "COMMAND", trailing_var_arg = true, required_unless_present = "script")]
    pub(crate) command: Vec<String>,
}

/// Options of `agentos ls`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Directory; the home of the VM's user unless given.
    #[arg(value_name = "PATH", default_value = "/home/user")]
    pub(crate) path: String,
}

/// Options of `agentos cat`.
#[derive(Debug, Args)]
pub(crate) struct CatArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Files.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<String>,
}

/// Options of `agentos cp`.
#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Copy directories with what is in them.
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// From: vm:/path is a path of the VM, anything else one of this machine.
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// To, likewise.
    #[arg(value_name = "TO")]
    pub(crate) to: String,
}

/// Options of `agentos rm`.
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Remove directories with what is in them.
    #[arg(short, long)]
    pub(crate) recursive: bool,
    /// Paths.
    #[arg(value_name = "PATH", required = true)]
    pub(crate) paths: Vec<String>,
}

/// Options of `agentos kill`.
#[derive(Debug, Args)]
pub(crate) struct KillArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Signal, with or without SIG.
    #[arg(short, long, value_name = "SIGNAL", default_value = "TERM")]
    pub(crate) signal: String,
    /// Process.
    #[arg(value_name = "PID")]
    pub(crate) pid: u32,
}

/// Options of `agentos logs`.
#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Go on until the process ends.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Process, one that was started by `spawn`.
    #[arg(value_name = "PID")]
    pub(crate) pid: u32,
}

/// Options of `agentos events`.
#[derive(Debug, Args)]
pub(crate) struct EventsArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Only these events; all unless given.
    #[arg(value_name = "EVENT")]
    pub(crate) events: Vec<String>,
}

/// Options of `agentos preview`.
#[derive(Debug, Args)]
pub(crate) struct PreviewArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// How long the URL works (30s, 5m, 1h).
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    pub(crate) ttl: Option<Duration>,
    /// Port in the VM.
    #[arg(value_name = "PORT")]
    pub(crate) port: u16,
}

/// Options of `agentos cron`.
#[derive(Debug, Args)]
pub(crate) struct CronArgs {
    #[command(subcommand)]
    pub(crate) request: CronCommand,
}

/// What can be asked of the schedule.
#[derive(Debug, Subcommand)]
pub(crate) enum CronCommand {
    /// List the jobs.
    Ls(TargetArgs),
    /// Add a job that runs a command.
    Add(CronAddArgs),
    /// Remove a job.
    Rm(CronRemoveArgs),
}

/// Options of `agentos cron add`.
#[derive(Debug, Args)]
pub(crate) struct CronAddArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Id of the job; made up unless given.
    #[arg(long, value_name = "ID")]
    pub(crate) id: Option<String>,
    /// Time zone, for instance Europe/Berlin; UTC unless given.
    #[arg(long, value_name = "ZONE")]
    pub(crate) timezone: Option<String>,
    /// What happens when the job is due while it runs: allow, skip or queue.
    #[arg(long, value_name = "RULE")]
    pub(crate) overlap: Option<String>,
    /// Five fields, "0 3 * * 1", or one instant, "2030-01-01T00:00:00Z".
    #[arg(value_name = "SCHEDULE")]
    pub(crate) schedule: String,
    /// The command and its arguments; one word alone is a script for the shell.
    #[arg(value_name = "COMMAND", trailing_var_arg = true, required = true)]
    pub(crate) command: Vec<String>,
}

/// Options of `agentos cron rm`.
#[derive(Debug, Args)]
pub(crate) struct CronRemoveArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// Id of the job.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}
