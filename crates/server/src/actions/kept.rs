//! Actions that are answered from what is kept, so that a sleeping VM stays asleep: policy, status, life (api.md
//! section 4.6).

use super::args::{Arg, Result as ArgResult, invalid_argument};
use super::cron::jobs_in_use;
use super::previews::previews_in_use;
use super::{Action, StoredCall, stored};
use crate::errors::{from_sdk, session_error};
use crate::sessions;
use crate::shapes;
use crate::shared::Shared;
use crate::vm_limits;
use agentos::{LimitUsage, Limits};
use agentos_actor::{ActorContext, Failure};
use agentos_value::{Object, Value};
use std::sync::Arc;

/// The actions of this group.
pub(super) const ACTIONS: &[Action] = &[
    stored!("policy.explain", explain),
    stored!("vmStatus", status),
    stored!("sleepVm", sleep),
    stored!("destroyVm", destroy),
];

/// Candidates that one question may name.
const MOST_CANDIDATES: usize = 64;

async fn explain(StoredCall { shared, ctx, mut args }: StoredCall) -> Result<Value, Failure> {
    let (scope, operation) = (args.next("scope").text()?, args.next("operation").text()?);
    let resources = resources(args.next("resource"))?;
    args.end()?;
    let permissions = shared.permissions(&ctx, ctx.input()?).await?;
    let resources: Vec<&str> = resources.iter().map(String::as_str).collect();
    let explanation = permissions.explain(&scope, &operation, &resources).map_err(from_sdk)?;
    Ok(Value::from_serialize(&explanation.to_json())?)
}

/// One resource, or the candidates of one.
fn resources(arg: Arg) -> ArgResult<Vec<String>> {
    if arg.is_text() {
        return Ok(vec![arg.text()?]);
    }
    let resources = arg.texts()?;
    match resources.len() {
        1..=MOST_CANDIDATES => Ok(resources),
        observed => {
            let expected = format!("1 to {MOST_CANDIDATES} candidates");
            Err(invalid_argument("resource", &expected, &observed.to_string()))
        }
    }
}

async fn status(StoredCall { shared, ctx, args }: StoredCall) -> Result<Value, Failure> {
    args.end()?;
    let status = ctx.status()?;
    let mut object = Object::new();
    object.insert("state", status.phase.as_str());
    if let Some(at) = status.booted_at_ms {
        object.insert("bootedAt", at);
    }
    object.insert("awakeBecause", status.awake_because);
    object.insert("limits", shapes::limits(&in_use(&shared, &ctx).await?));
    Ok(Value::Object(object))
}

/// How full the stocks of a VM are: those of the kernel while it is booted, and those that are kept for it.
async fn in_use(shared: &Arc<Shared>, ctx: &ActorContext) -> Result<Vec<LimitUsage>, Failure> {
    let booted = shared.machine(ctx.actor_id()).map(|machine| machine.vm.usage());
    let mut stocks = booted.map(|usage| usage.limits).unwrap_or_default();
    // Options that cannot be made keep the VM from booting, and nobody from asking how it is.
    let Ok(limits) = shared.limits(ctx).await else {
        return Ok(stocks);
    };
    let database = ctx.user_database_bytes();
    stocks.push(vm_limits::usage(
        "limits.sqlite.maxDatabaseBytes",
        database,
        limits.sqlite_max_database_bytes,
    ));
    let sessions = sessions::kept(ctx)?.count().map_err(session_error)?;
    sessions_in_use(&mut stocks, &limits, sessions);
    stocks.push(previews_in_use(ctx, &limits)?);
    stocks.push(jobs_in_use(&Shared::cron_jobs(ctx, &limits)?, &limits)?);
    Ok(stocks)
}

/// Sessions count also while the VM sleeps, and before somebody asks for one. The history is counted once they are opened: that
/// looks at all of it.
fn sessions_in_use(stocks: &mut Vec<LimitUsage>, limits: &Limits, observed: u64) {
    let path = "limits.acp.maxSessionsPerVm";
    match stocks.iter_mut().find(|stock| stock.configuration_path == path) {
        Some(stock) => stock.observed = observed,
        None => stocks.push(vm_limits::usage(path, observed, limits.acp_max_sessions_per_vm)),
    }
}

async fn sleep(StoredCall { ctx, args, .. }: StoredCall) -> Result<Value, Failure> {
    args.end()?;
    ctx.sleep().await?;
    Ok(Value::Undefined)
}

async fn destroy(StoredCall { ctx, args, .. }: StoredCall) -> Result<Value, Failure> {
    args.end()?;
    ctx.destroy().await?;
    Ok(Value::Undefined)
}
