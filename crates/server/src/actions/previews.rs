//! Preview URLs (api.md section 4.4). Tokens, their life and their revocation are the actor runtime's; here they get their
//! shapes.

use super::args::Arg;
use super::{Action, StoredCall, stored};
use crate::vm_limits;
use agentos::{LimitUsage, Limits};
use agentos_actor::{ActorContext, Failure};
use agentos_value::{Object, Value};

/// The actions of this group.
pub(super) const ACTIONS: &[Action] = &[
    stored!("createSignedPreviewUrl", create),
    stored!("expireSignedPreviewUrl", expire),
    stored!("expirePreview", expire_by_id),
    stored!("listPreviews", list),
];

async fn create(StoredCall { shared, ctx, mut args }: StoredCall) -> Result<Value, Failure> {
    let port = args.next("port").port()?;
    let life = args.optional("expiresInSeconds").map(Arg::seconds).transpose()?;
    args.end()?;
    let limits = shared.limits(&ctx).await?;
    let most = vm_limits::count(limits.preview_max_active);
    let made = ctx.create_preview_of(port, life, most).await?;
    shared.used(&ctx, &previews_in_use(&ctx, &limits)?);
    let mut object = Object::new();
    object.insert("path", format!("/request/fetch/{}", made.token));
    if let Some(url) = shared.preview_url(&made.token) {
        object.insert("url", url);
    }
    object.insert("token", made.token);
    object.insert("port", port);
    object.insert("expiresAt", made.preview.expires_at_ms);
    Ok(Value::Object(object))
}

async fn expire(StoredCall { ctx, mut args, .. }: StoredCall) -> Result<Value, Failure> {
    let token = args.next("token").text()?;
    args.end()?;
    ctx.revoke_preview(&token).await?;
    Ok(Value::Undefined)
}

async fn expire_by_id(StoredCall { ctx, mut args, .. }: StoredCall) -> Result<Value, Failure> {
    let id = args.next("id").text()?;
    args.end()?;
    ctx.revoke_preview_id(&id).await?;
    Ok(Value::Undefined)
}

async fn list(StoredCall { ctx, args, .. }: StoredCall) -> Result<Value, Failure> {
    args.end()?;
    let previews = ctx.list_previews()?.into_iter().map(|preview| {
        Value::object([
            ("id", Value::from(preview.id)),
            ("port", Value::from(preview.port)),
            ("createdAt", Value::from(preview.created_at_ms)),
            ("expiresAt", Value::from(preview.expires_at_ms)),
        ])
    });
    Ok(Value::Array(previews.collect()))
}

/// How full `maxActive` is.
pub(super) fn previews_in_use(ctx: &ActorContext, limits: &Limits) -> Result<LimitUsage, Failure> {
    let valid = ctx.list_previews()?.len() as u64;
    Ok(vm_limits::usage(
        "limits.preview.maxActive",
        valid,
        limits.preview_max_active,
    ))
}
