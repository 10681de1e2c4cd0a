//! A definition of VMs: what `agentOs(config)` is elsewhere (api.md section 2.1).

use crate::config::InvalidConfig;
use crate::hooks::{self, Hooks, VmHooks};
use crate::options::{OptionsRequest, VmOptions};
use crate::secrets::SecretSource;
use agentos::Limits;
use agentos_actor::{ActorOptions, BoxFuture, Failure};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// How VMs of one name are made and who may use them.
#[derive(Clone)]
pub struct VmDefinition {
    pub(crate) plan: Arc<Plan>,
}

/// What a definition was built from.
pub(crate) struct Plan {
    pub(crate) options: OptionsSource,
    pub(crate) hooks: Hooks,
    pub(crate) actor: ActorOptions,
    pub(crate) preview_host: Option<String>,
    pub(crate) preview_path_sandbox: bool,
    pub(crate) db: bool,
    pub(crate) secret_source: SecretSource,
}

type MakeOptions = dyn Fn(OptionsRequest) -> BoxFuture<'static, Result<VmOptions, Failure>> + Send + Sync;

/// Where the options of a VM come from.
#[derive(Clone)]
pub(crate) enum OptionsSource {
    /// The same for all, checked when the definition was built.
    Fixed(Box<VmOptions>),
    /// Made at each boot.
    PerVm(Arc<MakeOptions>),
}

/// Puts a [`VmDefinition`] together.
#[derive(Clone)]
pub struct VmDefinitionBuilder {
    options: OptionsSource,
    hooks: Hooks,
    actor: ActorOptions,
    preview_host: Option<String>,
    preview_path_sandbox: bool,
    db: bool,
    secret_source: SecretSource,
}

impl VmDefinition {
    /// Options of a new definition; every one has a default.
    pub fn builder() -> VmDefinitionBuilder {
        VmDefinitionBuilder {
            options: OptionsSource::Fixed(Box::default()),
            hooks: Arc::new(hooks::None),
            actor: ActorOptions::default(),
            preview_host: None,
            preview_path_sandbox: true,
            db: false,
            secret_source: SecretSource::default(),
        }
    }

    /// The limits of all VMs, unless each has its own.
    pub(crate) fn fixed_limits(&self) -> Option<&Limits> {
        match &self.plan.options {
            OptionsSource::Fixed(options) => Some(&options.limits),
            OptionsSource::PerVm(_) => None,
        }
    }

    /// Whether somebody decides about connections: what listening beyond loopback needs besides a token.
    pub fn authenticates(&self) -> bool {
        self.plan.hooks.authenticates()
    }
}

impl Default for VmDefinition {
    /// The bundled commands, the baseline policy, a persistent home, no hooks.
    fn default() -> Self {
        Self {
            plan: Arc::new(VmDefinition::builder().plan()),
        }
    }
}

impl VmDefinitionBuilder {
    /// Options of all VMs.
    #[must_use]
    pub fn options(mut self, options: VmOptions) -> Self {
        self.options = OptionsSource::Fixed(Box::new(options));
        self
    }

    /// Makes the options of a VM at each boot, so that mounts and secrets can differ per key.
    #[must_use]
    pub fn options_per_vm<F, R>(mut self, make: F) -> Self
    where
        F: Fn(OptionsRequest) -> R + Send + Sync + 'static,
        R: Future<Output = Result<VmOptions, Failure>> + Send + 'static,
    {
        self.options = OptionsSource::PerVm(Arc::new(move |request| Box::pin(make(request))));
        self
    }

    /// Decides about connections, actions and events.
    #[must_use]
    pub fn hooks(mut self, hooks: impl VmHooks) -> Self {
        self.hooks = Arc::new(hooks);
        self
    }

    /// How long a VM stays awake with nothing to do (`sleep.idleTimeoutMs`, 900 s); zero means for ever.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.actor.idle_timeout = timeout;
        self
    }

    /// Time to stop processes and hooks (`sleep.shutdownBudgetMs`, 30 s).
    #[must_use]
    pub fn shutdown_budget(mut self, budget: Duration) -> Self {
        self.actor.shutdown_budget = budget;
        self
    }

    /// Deadline of one action (`actionTimeoutMs`, 900 s).
    #[must_use]
    pub fn action_timeout(mut self, timeout: Duration) -> Self {
        self.actor.action_timeout = timeout;
        self
    }

    /// Life of a preview for which none is asked (`preview.defaultExpiresInSeconds`, 3600 s).
    #[must_use]
    pub fn preview_default_expires(mut self, life: Duration) -> Self {
        self.actor.preview_default_expires = life;
        self
    }

    /// Longest life of a preview (`preview.maxExpiresInSeconds`, 86,400 s).
    #[must_use]
    pub fn preview_max_expires(mut self, life: Duration) -> Self {
        self.actor.preview_max_expires = life;
        self
    }

    /// Host under which `{token}.<host>` serves previews (`preview.host`).
    #[must_use]
    pub fn preview_host(mut self, host: impl Into<String>) -> Self {
        self.preview_host = Some(host.into());
        self
    }

    /// Whether pages of the path form are isolated from the gateway's origin (`preview.pathSandbox`, true).
    #[must_use]
    pub fn preview_path_sandbox(mut self, isolate: bool) -> Self {
        self.preview_path_sandbox = isolate;
        self
    }

    /// Gives each VM a database for its hooks (`db`): see [`HookContext::db`](agentos_actor::HookContext::db). Its bounds are
    /// `limits.sqlite` of the VM's options.
    #[must_use]
    pub fn db(mut self, db: bool) -> Self {
        self.db = db;
        self
    }

    /// Where the values of [`client_secrets`](VmOptions::client_secrets) come from; variables of the host's environment that begin
    /// with `AGENTOS_SECRET_` unless set.
    #[must_use]
    pub fn secret_source(mut self, source: SecretSource) -> Self {
        self.secret_source = source;
        self
    }

    /// Checks everything that can be known now.
    ///
    /// # Errors
    /// Every problem, with the path of the option.
    pub fn build(self) -> Result<VmDefinition, InvalidConfig> {
        let problems = crate::config::Problems::default();
        if let OptionsSource::Fixed(options) = &self.options
            && let Err(invalid) = options.check()
        {
            problems.extend(invalid);
        }
        let (default, most) = (self.actor.preview_default_expires, self.actor.preview_max_expires);
        if default > most {
            problems.add(
                "preview.defaultExpiresInSeconds",
                format_args!(
                    "{} must not exceed maxExpiresInSeconds ({})",
                    default.as_secs(),
                    most.as_secs()
                ),
            );
        }
        problems.finish()?;
        Ok(VmDefinition {
            plan: Arc::new(self.plan()),
        })
    }

    fn plan(self) -> Plan {
        let mut actor = self.actor;
        actor.shutdown_event = "vmShutdown";
        Plan {
            options: self.options,
            hooks: self.hooks,
            actor,
            preview_host: self.preview_host,
            preview_path_sandbox: self.preview_path_sandbox,
            db: self.db,
            secret_source: self.secret_source,
        }
    }
}

impl std::fmt::Debug for VmDefinitionBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VmDefinitionBuilder")
            .field("actor", &self.actor)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for VmDefinition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("VmDefinition");
        if let OptionsSource::Fixed(options) = &self.plan.options {
            shown.field("options", options);
        }
        shown.field("actor", &self.plan.actor).finish_non_exhaustive()
    }
}
