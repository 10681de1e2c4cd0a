//! What can be typed for `agentos chat`.

use super::keep::Which;
use crate::args::VmArgs;
use agentos::ApprovalPolicy;
use clap::Args;
use std::path::PathBuf;
use std::str::FromStr;

/// Options of `agentos chat`.
#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    #[command(flatten)]
    pub(crate) vm: VmArgs,
    /// The agent: pi, claude, codex, opencode, or the absolute path of a program of the VM that speaks the Agent Client
    /// Protocol. Its command must be in the VM, by an image for instance.
    #[arg(long, value_name = "NAME|PATH", default_value = "pi")]
    pub(crate) agent: String,
    /// Go on with a chat: the one that was used last, or the one of this id.
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub(crate) resume: Option<String>,
    /// Keep chats in this folder; ~/.local/share/agentos/chats unless given.
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<PathBuf>,
    /// Who decides when the agent asks for permission: ask (you), allow (everything), reject (everything).
    #[arg(long, value_name = "ask|allow|reject", default_value = "ask")]
    pub(crate) approve: Approve,
    /// Talk to the bundled scripted model server in place of a provider: no key is needed, and no wits are there.
    #[arg(long)]
    pub(crate) scripted: bool,
    /// Talk to the scripted model server with a script of your own.
    #[arg(long, value_name = "FILE", conflicts_with = "scripted")]
    pub(crate) script: Option<PathBuf>,
    /// Print events as JSON, one a line, and read prompts and answers from standard input.
    #[arg(long)]
    pub(crate) json: bool,
    /// The first prompt; more are read from standard input.
    #[arg(value_name = "PROMPT")]
    pub(crate) prompt: Option<String>,
}

impl ChatArgs {
    /// Which chat it is.
    pub(crate) fn which(&self) -> Which {
        match self.resume.as_deref() {
            None => Which::New,
            Some("") => Which::Last,
            Some(id) => Which::Id(id.to_owned()),
        }
    }
}

/// An `--approve` value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Approve(pub(crate) ApprovalPolicy);

impl FromStr for Approve {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "ask" => Ok(Self(ApprovalPolicy::Ask)),
            "allow" => Ok(Self(ApprovalPolicy::AllowAll)),
            "reject" => Ok(Self(ApprovalPolicy::RejectAll)),
            _ => Err(format!("expected ask, allow or reject, got {text:?}")),
        }
    }
}
