//! What can be typed for `agentos session`.

use crate::args::{EnvArg, parse_duration};
use crate::remote::TargetArgs;
use clap::{Args, Subcommand};
use std::time::Duration;

/// Options of `agentos session`.
#[derive(Debug, Args)]
pub(crate) struct SessionArgs {
    #[command(subcommand)]
    pub(super) request: SessionCommand,
}

/// What can be asked of sessions.
#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// Start an agent and print the id of its session.
    #[command(visible_alias = "new")]
    Create(CreateArgs),
    /// List the sessions that are not closed.
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Say what is known of a session.
    Show(IdArgs),
    /// Prompt a session and print the answer as it comes; exit with 1 if the prompt fails.
    Prompt(PromptArgs),
    /// Print the events of a session.
    Events(EventsArgs),
    /// Cancel the prompt that runs.
    Cancel(IdArgs),
    /// List what waits for an answer, or answer it.
    Approve(ApproveArgs),
    /// Wake a session's agent with its conversation.
    Resume(IdArgs),
    /// End a session's agent; its history is kept.
    Close(IdArgs),
    /// Remove a session with its history.
    #[command(visible_alias = "rm")]
    Destroy(IdArgs),
}

/// Options of `create`.
#[derive(Debug, Args)]
pub(super) struct CreateArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// Directory of the VM in which the agent works.
    #[arg(long, value_name = "DIR")]
    pub(super) cwd: Option<String>,
    /// Set an environment variable of the agent.
    #[arg(long = "env", value_name = "NAME=VALUE")]
    pub(super) env: Vec<EnvArg>,
    /// Who decides what the agent asks for: ask, allow_all or reject_all; ask unless given.
    #[arg(long, value_name = "POLICY")]
    pub(super) policy: Option<String>,
    /// Add this to the agent's instructions.
    #[arg(long, value_name = "TEXT")]
    pub(super) instructions: Option<String>,
    /// More options of `createSession`, as a JSON object, for example {"mcpServers": [...]}.
    #[arg(long, value_name = "JSON")]
    pub(super) options: Option<String>,
    /// The agent: pi, claude, codex, opencode, one of the server's, or the absolute path of a program in the VM.
    #[arg(value_name = "AGENT")]
    pub(super) agent: String,
}

/// Options of `list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// List closed ones as well, the newest first.
    #[arg(short, long)]
    pub(super) all: bool,
}

/// Which session.
#[derive(Debug, Args)]
pub(super) struct IdArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// Session.
    #[arg(value_name = "ID")]
    pub(super) id: String,
}

/// Options of `prompt`.
#[derive(Debug, Args)]
pub(super) struct PromptArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// Give up after this time (30s, 5m, 1h).
    #[arg(long, value_name = "DUR", value_parser = parse_duration)]
    pub(super) timeout: Option<Duration>,
    /// Session.
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// What to say; standard input to its end unless given.
    #[arg(value_name = "TEXT")]
    pub(super) text: Option<String>,
}

/// Options of `events`.
#[derive(Debug, Args)]
pub(super) struct EventsArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// Go on with what comes.
    #[arg(short, long)]
    pub(super) follow: bool,
    /// Only those after this number.
    #[arg(long, value_name = "NUMBER")]
    pub(super) after: Option<u32>,
    /// Session.
    #[arg(value_name = "ID")]
    pub(super) id: String,
}

/// Options of `approve`.
#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    #[command(flatten)]
    pub(super) target: TargetArgs,
    /// Session; without it requests of all sessions are listed.
    #[arg(value_name = "ID")]
    pub(super) id: Option<String>,
    /// Request; without it those that wait are listed.
    #[arg(value_name = "REQUEST", requires = "reply")]
    pub(super) request: Option<String>,
    /// once, always or reject.
    #[arg(value_name = "REPLY")]
    pub(super) reply: Option<String>,
}
