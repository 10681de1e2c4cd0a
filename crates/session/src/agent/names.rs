//! Agents by name.
//!
//! A VM's software brings the programs; a name stands for the command that speaks the protocol. Well-known names have
//! candidates, of which the first that the VM has is taken. Whoever makes a VM can give more names, and an absolute path is an
//! agent by itself.

use crate::computer::Computer;
use crate::error::{Error, Result};
use serde::Serialize;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSpec {
    id: String,
    /// Commands with arguments; the first that is there is taken.
    commands: Vec<Vec<String>>,
    adapter: String,
    package: String,
    env: Vec<(String, String)>,
    /// Whether version 2 of the protocol is offered to it.
    v2: bool,
}

impl AgentSpec {
    /// An agent of your own: any command that speaks the protocol on its standard input and output.
    pub fn new<A: Into<String>>(id: impl Into<String>, command: impl IntoIterator<Item = A>) -> Self {
        let command: Vec<String> = command.into_iter().map(Into::into).collect();
        let program = command.first().cloned().unwrap_or_default();
        Self {
            id: id.into(),
            commands: vec![command],
            adapter: program.clone(),
            package: program,
            env: Vec::new(),
            v2: false,
        }
    }

    /// The well-known agent of that name.
    pub fn known_as(id: &str) -> Option<Self> {
        Agents::default().0.into_iter().find(|spec| spec.id == id)
    }

    /// Names the packages that bring the adapter and the agent, for lists and error messages.
    #[must_use]
    pub fn packages(mut self, adapter: impl Into<String>, agent: impl Into<String>) -> Self {
        (self.adapter, self.package) = (adapter.into(), agent.into());
        self
    }

    /// Sets a variable for the agent's process.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Offers it version 2 of the protocol, which is a preview and may change. An agent that does not know it chooses version 1.
    #[must_use]
    pub fn preview_v2(mut self) -> Self {
        self.v2 = true;
        self
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn known(id: &str, commands: &[&[&str]], adapter: &str, package: &str) -> Self {
        Self {
            id: id.to_owned(),
            commands: commands
                .iter()
                .map(|command| command.iter().map(|part| (*part).to_owned()).collect())
                .collect(),
            adapter: adapter.to_owned(),
            package: package.to_owned(),
            env: Vec::new(),
            v2: false,
        }
    }
}

/// An agent in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct AgentListing {
    /// Its name.
    pub id: String,
    /// The package of its adapter.
    pub acp_adapter: String,
    /// The package of the agent.
    pub agent_package: String,
    /// Whether the VM has its command.
    pub installed: bool,
}

/// The agents of a VM by name.
#[derive(Debug, Clone)]
pub struct Agents(Vec<AgentSpec>);

impl Default for Agents {
    /// The well-known ones.
    fn default() -> Self {
        Self(vec![
            AgentSpec::known("pi", &[&["pi-acp"]], "pi-acp", "@mariozechner/pi-coding-agent"),
            AgentSpec::known(
                "claude",
                &[&["claude-agent-acp"], &["claude-code-acp"]],
                "@zed-industries/claude-code-acp",
                "@anthropic-ai/claude-code",
            ),
            AgentSpec::known("codex", &[CODEX], "@zed-industries/codex-acp", "@openai/codex"),
            AgentSpec::known("opencode", &[&["opencode", "acp"]], "opencode-ai", "opencode-ai"),
        ])
    }
}

/// The VM is the jail of what Codex runs, in place of one that it would build itself and cannot; and it asks before it runs
/// what it does not know to be harmless, so that the session's approvals decide.
const CODEX: &[&str] = &[
    "codex-acp",
    "-c",
    "sandbox_mode=\"danger-full-access\"",
    "-c",
    "approval_policy=\"untrusted\"",
];

/// What to start for an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AgentCommand {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// Whether version 2 of the protocol is offered to it.
    pub(crate) v2: bool,
}

impl Agents {
    /// Adds an agent; one of the same name is replaced.
    pub fn add(&mut self, spec: AgentSpec) {
        self.0.retain(|known| known.id != spec.id);
        self.0.push(spec);
    }

    /// All of them, with whether the VM has their commands.
    pub async fn list(&self, computer: &dyn Computer) -> Vec<AgentListing> {
        let mut listed = Vec::new();
        for spec in &self.0 {
            listed.push(AgentListing {
                id: spec.id.clone(),
                acp_adapter: spec.adapter.clone(),
                agent_package: spec.package.clone(),
                installed: find(spec, computer).await.is_some(),
            });
        }
        listed
    }

    /// All of them, where there is no VM to look into.
    pub fn list_without_vm(&self) -> Vec<AgentListing> {
        let listing = |spec: &AgentSpec| AgentListing {
            id: spec.id.clone(),
            acp_adapter: spec.adapter.clone(),
            agent_package: spec.package.clone(),
            installed: false,
        };
        self.0.iter().map(listing).collect()
    }

    /// The command of an agent in this VM.
    ///
    /// # Errors
    /// [`Error::AgentNotInstalled`] with what to do.
    pub(crate) async fn resolve(&self, agent_type: &str, computer: &dyn Computer) -> Result<AgentCommand> {
        let missing = |reason: String| Error::AgentNotInstalled {
            agent_type: crate::text::shown(agent_type, 64),
            reason,
        };
        if agent_type.starts_with('/') {
            return match computer.find_command(agent_type).await {
                Some(path) => Ok(AgentCommand {
                    argv: vec![path],
                    env: Vec::new(),
                    v2: false,
                }),
                None => Err(missing("the VM has no such program".to_owned())),
            };
        }
        let Some(spec) = self.0.iter().find(|spec| spec.id == agent_type) else {
            let names: Vec<&str> = self.0.iter().map(|spec| spec.id.as_str()).collect();
            return Err(missing(match nearest(agent_type, &names) {
                Some(near) => format!("did you mean {near}? Known agents: {}", names.join(", ")),
                None => format!("known agents: {}", names.join(", ")),
            }));
        };
        match find(spec, computer).await {
            Some(argv) => Ok(AgentCommand {
                argv,
                env: spec.env.clone(),
                v2: spec.v2,
            }),
            None => {
                let commands: Vec<&str> = spec
                    .commands
                    .iter()
                    .filter_map(|command| command.first())
                    .map(String::as_str)
                    .collect();
                Err(missing(format!(
                    "the VM has no command {} in its PATH; give the VM software that has it (agentos software add {}), or put {} \
                     into an image of the VM",
                    commands.join(" or "),
                    spec.id,
                    spec.adapter
                )))
            }
        }
    }
}

async fn find(spec: &AgentSpec, computer: &dyn Computer) -> Option<Vec<String>> {
    for command in &spec.commands {
        let Some((program, arguments)) = command.split_first() else {
            continue;
        };
        if let Some(path) = computer.find_command(program).await {
            return Some(std::iter::once(path).chain(arguments.iter().cloned()).collect());
        }
    }
    None
}

/// The known name that was most likely meant.
fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let close = |known: &&'a str| (strsim::damerau_levenshtein(name, known), *known);
    let (distance, near) = known.iter().map(close).min()?;
    (name.len() <= 64 && distance <= 2.max(near.len() / 3)).then_some(near)
}
