//! Actions that are answered from what is kept, so that a sleeping VM stays asleep: policy, status, life (api.md
//! section 4.6).

use super::args::{Arg, Result as ArgResult, invalid_argument};
use super::{Action, StoredCall, stored};
use crate::errors::from_sdk;
use crate::shapes;
use agentos_actor::Failure;
use agentos_value::{Object, Value};

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
    let permissions = shared.permissions(&ctx, Value::Null).await?;
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
    let usage = shared.machine(ctx.actor_id()).map(|machine| machine.vm.usage());
    let limits = usage.map(|usage| usage.limits).unwrap_or_default();
    object.insert("limits", shapes::limits(&limits));
    Ok(Value::Object(object))
}

async fn sleep(StoredCall { ctx, args, .. }: StoredCall) -> Result<Value, Failure> {
    args.end()?;
    ctx.sleep().await;
    Ok(Value::Undefined)
}

async fn destroy(StoredCall { ctx, args, .. }: StoredCall) -> Result<Value, Failure> {
    args.end()?;
    ctx.destroy().await?;
    Ok(Value::Undefined)
}
