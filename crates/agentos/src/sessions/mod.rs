//! Sessions of an embedded VM: agents in it, driven from Rust (api.md section 11).
//!
//! ```no_run
//! # async fn example(vm: agentos::AgentOs) -> Result<(), Box<dyn std::error::Error>> {
//! let session = vm.session("pi").policy(agentos::ApprovalPolicy::AllowAll).create().await?;
//! let outcome = session.prompt("Write hello.py and run it.").await?;
//! println!("{}", outcome.text);
//! # Ok(()) }
//! ```

pub(crate) mod child;
mod computer;
mod handle;
mod limits;

pub(crate) use limits::SessionStocks;

pub use computer::Reveal;
pub use handle::{PromptRun, Session, SessionBuilder};

use crate::tools::runtime;
use crate::vm::{AgentOs, Vm};
use agentos_session::{AgentSpec, Config, Error, Notice, Result, SessionLimits, Sessions, Storage};
use computer::VmComputer;
use std::sync::{Arc, Weak};

/// How the sessions of a VM are kept; made by [`AgentOs::session_setup`], needed by servers only.
#[must_use = "nothing is there until it is opened"]
#[derive(Debug)]
pub struct SessionSetup {
    config: Config,
    vm: Weak<Vm>,
}

impl SessionSetup {
    /// Where they are kept.
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.config = self.config.storage(storage);
        self
    }

    /// What they are held to, in the place of the limits of the VM.
    pub fn limits(mut self, limits: SessionLimits) -> Self {
        self.config = self.config.limits(limits);
        self
    }

    /// Adds an agent; one of the same name is replaced.
    pub fn agent(mut self, agent: AgentSpec) -> Self {
        self.config = self.config.agent(agent);
        self
    }

    /// Added to the system prompt of every session.
    pub fn instructions(mut self, text: Option<String>) -> Self {
        self.config = self.config.instructions(text);
        self
    }

    /// Called for each notice, in order; must return soon.
    pub fn on_notice(mut self, on_notice: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        let vm = self.vm.clone();
        self.config = self.config.on_notice(move |notice| {
            watch(&vm, &notice);
            on_notice(notice);
        });
        self
    }

    /// Opens them.
    ///
    /// # Errors
    /// Those of the storage.
    pub async fn open(self) -> Result<Sessions> {
        self.config.open().await
    }
}

/// Tells a VM how full its stocks of sessions are and what was refused.
fn watch(vm: &Weak<Vm>, notice: &Notice) {
    if let Some(vm) = vm.upgrade() {
        vm.session_stocks.hear(notice, vm.kernel.audit());
    }
}

/// What the builder was told of sessions.
#[derive(Clone, Default)]
pub(crate) struct SessionPlan {
    pub(crate) agents: Vec<AgentSpec>,
    pub(crate) instructions: Option<String>,
    pub(crate) on_notice: Vec<OnNotice>,
}

/// Called for each notice.
pub(crate) type OnNotice = Arc<dyn Fn(&Notice) + Send + Sync>;

impl std::fmt::Debug for SessionPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionPlan")
            .field("agents", &self.agents)
            .finish_non_exhaustive()
    }
}

impl AgentOs {
    /// Sessions of this VM with a storage and a listener of your own, and the agents and instructions of the builder. What is
    /// opened with it has nothing to do with [`sessions`](Self::sessions). `reveal` puts values in the place of references to
    /// secrets; without one they are refused.
    ///
    /// # Errors
    /// If the host has no thread for them.
    pub fn session_setup(&self, reveal: Option<Reveal>) -> Result<SessionSetup> {
        let computer = VmComputer {
            vm: Arc::downgrade(&self.vm),
            reveal,
        };
        let runtime = runtime().ok_or_else(|| Error::Vm {
            code: "EAGAIN".to_owned(),
            message: "EAGAIN: the host has no thread for sessions".to_owned(),
        })?;
        let plan = &self.vm.options.sessions;
        let vm = Arc::downgrade(&self.vm);
        let watched = vm.clone();
        let mut config = Config::new(Arc::new(computer), runtime)
            .instructions(plan.instructions.clone())
            .limits(limits::session_limits(self.limits()))
            .on_notice(move |notice| watch(&watched, &notice));
        // Of two agents of one name the later counts.
        for agent in self.vm.added.agents().into_iter().chain(plan.agents.iter().cloned()) {
            config = config.agent(agent);
        }
        Ok(SessionSetup { config, vm })
    }

    /// The sessions of this VM, kept in its memory; they end with it.
    ///
    /// # Errors
    /// If the host has no thread for them.
    pub async fn sessions(&self) -> Result<&Sessions> {
        let open = async || {
            let told = self.vm.options.sessions.on_notice.clone();
            let setup = self.session_setup(None)?;
            setup
                .on_notice(move |notice| told.iter().for_each(|tell| tell(&notice)))
                .open()
                .await
        };
        self.vm.sessions.get_or_try_init(open).await
    }

    /// Processes that run and are neither agents nor started by one. Terminals of agents are not theirs but the VM's.
    pub fn running_without_agents(&self) -> Vec<u32> {
        let agents = child::descendants(&self.vm, &self.vm.agents.lock());
        self.running().into_iter().filter(|pid| !agents.contains(pid)).collect()
    }
}
