//! What all VMs of one definition share at run time.

use crate::definition::{OptionsSource, Plan};
use crate::errors::from_sdk;
use crate::executions::{Admission, Executions};
use crate::limits::ServerLimits;
use crate::machine::{Bounds, LogBounds, Machine};
use crate::options::{OptionsRequest, VmOptions};
use crate::shapes;
use crate::vm_limits::{self, Stocks};
use agentos::{LimitUsage, LimitWarning, Limits, Permissions};
use agentos_actor::cron::CronJobs;
use agentos_actor::{ActorContext, Failure};
use agentos_value::{ActorError, ActorId, Value};
use parking_lot::Mutex;
use serde_json::json;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

/// A definition in use.
pub(crate) struct Shared {
    pub(crate) plan: Arc<Plan>,
    pub(crate) limits: ServerLimits,
    /// Those of the whole server.
    pub(crate) executions: Arc<Executions>,
    /// The VMs that are booted now.
    machines: Mutex<HashMap<ActorId, Weak<Machine>>>,
    /// Scheme and host under which previews have origins of their own, once the server listens.
    preview_origin: OnceLock<(&'static str, String)>,
    stocks: Stocks,
    /// The policy of VMs that all have the same options; made at the first question.
    permissions: Mutex<Option<Permissions>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(plan: Arc<Plan>, limits: ServerLimits, executions: Arc<Executions>) -> Self {
        Self {
            plan,
            limits,
            executions,
            machines: Mutex::default(),
            preview_origin: OnceLock::new(),
            stocks: Stocks::default(),
            permissions: Mutex::default(),
        }
    }

    /// Says where previews are served. The first call counts: a server listens once.
    pub(crate) fn serves_previews_at(&self, scheme: &'static str, host: &str) {
        let _ = self.preview_origin.set((scheme, host.to_owned()));
    }

    /// The URL of a preview that has an origin of its own.
    pub(crate) fn preview_url(&self, token: &str) -> Option<String> {
        let (scheme, host) = self.preview_origin.get()?;
        Some(format!("{scheme}://{token}.{host}/"))
    }

    /// What the server holds a VM to.
    pub(crate) fn bounds(&self, ctx: &ActorContext) -> Bounds {
        let bytes = |limit| usize::try_from(limit).unwrap_or(usize::MAX);
        Bounds {
            most_outgoing: self.limits.max_outgoing_message_size,
            log: LogBounds {
                head: bytes(self.limits.guest_log_head_bytes),
                tail: bytes(self.limits.guest_log_tail_bytes),
            },
            admission: Some(Admission::new(&self.executions, ctx)),
        }
    }

    /// The booted VM of an actor, if it is booted.
    pub(crate) fn machine(&self, id: &ActorId) -> Option<Arc<Machine>> {
        self.machines.lock().get(id).and_then(Weak::upgrade)
    }

    /// The limits of one VM, which need not be booted.
    pub(crate) async fn limits(&self, ctx: &ActorContext) -> Result<Limits, Failure> {
        match self.known_limits(ctx.actor_id()) {
            Some(limits) => Ok(limits),
            None => Ok(self.options(ctx, ctx.input()?).await?.limits),
        }
    }

    /// The limits of one VM, unless they are only made when it boots and it is asleep.
    pub(crate) fn known_limits(&self, id: &ActorId) -> Option<Limits> {
        match (&self.plan.options, self.machine(id)) {
            (_, Some(machine)) => Some(machine.vm.limits().clone()),
            (OptionsSource::Fixed(options), None) => Some(options.limits.clone()),
            (OptionsSource::PerVm(_), None) => None,
        }
    }

    /// The jobs of an actor.
    pub(crate) fn cron_jobs(ctx: &ActorContext, limits: &Limits) -> Result<CronJobs, Failure> {
        ctx.cron_jobs(vm_limits::cron(limits))
    }

    /// Usage of a stock that is kept for a VM has changed.
    pub(crate) fn used(&self, ctx: &ActorContext, usage: &LimitUsage) {
        if let Some(warning) = self.stocks.changed(ctx.actor_id(), usage) {
            warn(ctx, &warning);
        }
    }

    /// A client's or a hook's request was refused for a limit of what is kept: that is told in the audit trail.
    pub(crate) fn refused(&self, ctx: &ActorContext, error: &ActorError) {
        if !error.is("agentos", "limit_exceeded") {
            return;
        }
        let field = |name: &str| error.metadata.as_ref().and_then(|metadata| metadata.get(name)).cloned();
        let number = |name: &str| field(name).and_then(|value| value.as_int());
        let limit = field("limit").and_then(|value| value.as_str().map(str::to_owned));
        let fields = json!({
            "limit": limit, "observed": number("observed"), "capacity": number("capacity"), "pid": null,
        });
        ctx.audit("security.limit.exceeded", fields);
    }

    /// Tells a booted VM that its jobs have changed.
    pub(crate) fn cron_changed(&self, id: &ActorId) {
        if let Some(machine) = self.machine(id) {
            machine.cron_changed();
        }
    }

    /// Remembers a VM that was booted.
    pub(crate) fn booted(&self, id: &ActorId, machine: &Arc<Machine>) {
        self.machines.lock().insert(id.clone(), Arc::downgrade(machine));
    }

    /// Forgets a VM that was destroyed.
    pub(crate) fn destroyed(&self, id: &ActorId) {
        self.stocks.forget(id);
    }

    /// Forgets a VM that has ended.
    pub(crate) fn ended(&self, id: &ActorId) {
        self.machines.lock().remove(id);
    }

    /// The options of one VM.
    pub(crate) async fn options(&self, ctx: &ActorContext, input: Value) -> Result<VmOptions, Failure> {
        match &self.plan.options {
            OptionsSource::Fixed(options) => Ok((**options).clone()),
            OptionsSource::PerVm(make) => {
                let options = make(OptionsRequest::new(ctx.key().clone(), ctx.actor_id().clone(), input)).await?;
                options
                    .check()
                    .map_err(|invalid| ActorError::agentos("invalid_config", invalid.to_string()))?;
                Ok(options)
            }
        }
    }

    /// The secrets that clients of one VM may refer to, if that is known without booting it.
    pub(crate) fn client_secrets(&self, ctx: &ActorContext) -> Option<Vec<String>> {
        if let Some(machine) = self.machine(ctx.actor_id()) {
            return Some(machine.secrets.allowed().to_vec());
        }
        match &self.plan.options {
            OptionsSource::Fixed(options) => Some(options.client_secrets.to_vec()),
            OptionsSource::PerVm(_) => None,
        }
    }

    /// The policy of one VM, which need not be booted.
    pub(crate) async fn permissions(&self, ctx: &ActorContext, input: Value) -> Result<Permissions, Failure> {
        if let Some(machine) = self.machine(ctx.actor_id()) {
            return Ok(machine.vm.policy());
        }
        let fixed = matches!(self.plan.options, OptionsSource::Fixed(_));
        if let Some(known) = self.permissions.lock().clone().filter(|_| fixed) {
            return Ok(known);
        }
        let made = self.options(ctx, input).await?.builder.policy().map_err(from_sdk)?;
        if fixed {
            *self.permissions.lock() = Some(made.clone());
        }
        Ok(made)
    }
}

/// Tells of a limit that is nearly reached: in the log and to subscribers.
pub(crate) fn warn(ctx: &ActorContext, warning: &LimitWarning) {
    tracing::warn!(vm = %ctx.key(), actor = %ctx.actor_id(), message = %warning.message, "a limit is nearly reached");
    ctx.broadcast("limitWarning", vec![shapes::limit_warning(warning)]);
}
