//! Scheduling (api.md sections 4.6 and 7). Jobs live in the actor's store, so a sleeping VM stays asleep when they change; a
//! booted one is told to look again.

use super::args::{Result as ArgResult, invalid_argument};
use super::{Action, StoredCall, stored};
use crate::shared::Shared;
use crate::vm_limits;
use agentos::{LimitUsage, Limits};
use agentos_actor::cron::CronJobs;
use agentos_actor::cron::{CronAction, NewCronJob, Overlap};
use agentos_actor::{ActorContext, Failure};
use agentos_value::Value;

/// The actions of this group.
pub(super) const ACTIONS: &[Action] = &[
    stored!("scheduleCron", schedule),
    stored!("listCronJobs", list),
    stored!("cancelCronJob", cancel),
];

async fn schedule(StoredCall { shared, ctx, mut args }: StoredCall) -> Result<Value, Failure> {
    let mut job = args
        .next("job")
        .members(&["id", "schedule", "timezone", "action", "overlap"])?;
    args.end()?;
    let overlap = job.take("overlap").map(|arg| arg.word(&["allow", "skip", "queue"]));
    let action = job.need("action");
    if !action.is_object() {
        return Ok(action.refuse("an object with type, \"exec\" or \"session\"")?);
    }
    let action = CronAction::from_value(&action.into_value())?;
    check_secrets(&shared, &ctx, &action)?;
    let new = NewCronJob {
        id: job.text("id")?,
        schedule: job.need("schedule").text()?,
        timezone: job.text("timezone")?,
        action,
        overlap: overlap_of(overlap.transpose()?)?,
    };
    let now = ctx.clock().now_ms();
    let limits = shared.limits(&ctx).await?;
    let jobs = Shared::cron_jobs(&ctx, &limits)?;
    let id = jobs.schedule(new, now).await?;
    shared.cron_changed(ctx.actor_id());
    shared.used(&ctx, &jobs_in_use(&jobs, &limits)?);
    Ok(Value::object([("id", id)]))
}

/// A job whose references cannot be resolved is refused at once where that is known; it is checked again at each run.
fn check_secrets(shared: &Shared, ctx: &ActorContext, action: &CronAction) -> ArgResult<()> {
    let Some(allowed) = shared.client_secrets(ctx) else {
        return Ok(());
    };
    for (variable, name) in action.secrets() {
        crate::secrets::check(&allowed, &format!("job.action.env.{variable}.secret"), name)?;
    }
    Ok(())
}

fn overlap_of(word: Option<&'static str>) -> ArgResult<Overlap> {
    match word {
        None | Some("allow") => Ok(Overlap::Allow),
        Some("skip") => Ok(Overlap::Skip),
        Some("queue") => Ok(Overlap::Queue),
        Some(other) => Err(invalid_argument("job.overlap", "allow, skip or queue", other)),
    }
}

async fn list(StoredCall { shared, ctx, args }: StoredCall) -> Result<Value, Failure> {
    args.end()?;
    let jobs = Shared::cron_jobs(&ctx, &shared.limits(&ctx).await?)?.list()?;
    let jobs: Vec<Value> = jobs.iter().map(Value::from_serialize).collect::<Result<_, _>>()?;
    Ok(Value::Array(jobs))
}

async fn cancel(StoredCall { shared, ctx, mut args }: StoredCall) -> Result<Value, Failure> {
    let id = args.next("id").text()?;
    args.end()?;
    let limits = shared.limits(&ctx).await?;
    let jobs = Shared::cron_jobs(&ctx, &limits)?;
    jobs.cancel(&id).await?;
    shared.cron_changed(ctx.actor_id());
    shared.used(&ctx, &jobs_in_use(&jobs, &limits)?);
    Ok(Value::Undefined)
}

/// How full `maxJobs` is.
pub(super) fn jobs_in_use(jobs: &CronJobs, limits: &Limits) -> Result<LimitUsage, Failure> {
    Ok(vm_limits::usage(
        "limits.cron.maxJobs",
        jobs.count()?,
        limits.cron_max_jobs,
    ))
}
