//! `/actors`.

use std::sync::Arc;

use agentos_actor::{ActorFilter, ActorInfo, CreateOptions};
use agentos_value::{ActorError, ActorId, Value};
use agentos_wire::{
    ActorRecord, CreateRequest, CreateResponse, GetOrCreateResponse, ListQuery, ListResponse, decode_create_request,
    encode_control,
};
use bytes::Bytes;
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;

use crate::refusal;
use crate::router::{Exchange, Router};
use crate::upload::Upload;

/// Actors in one answer; who has more asks by name and key.
const MOST_LISTED: usize = 1000;
/// The pool of actors whose creator named none.
const POOL: &str = "default";

type Answer = Result<Bytes, ActorError>;

pub(crate) fn list(router: &Router, exchange: &Exchange, query: &str) -> Answer {
    let query = ListQuery::parse(query);
    // Without an exact key or id this lists what belongs to others.
    let exact = query
        .as_ref()
        .is_ok_and(|query| query.actor_ids.is_some() || (query.name.is_some() && query.key.is_some()));
    if exact {
        router.admit(exchange, None)?;
    } else {
        router.admit_administrator(exchange)?;
    }
    let query = query?;
    router.check_namespace(query.namespace.as_deref())?;
    if let Some(name) = query
        .name
        .as_deref()
        .filter(|name| !router.registry.is_registered(name))
    {
        return Err(refusal::not_registered(name));
    }
    let found = match (query.actor_ids, query.name, query.key) {
        (Some(ids), name, _) => by_ids(router, ids, name.as_deref())?,
        (None, Some(name), Some(key)) => router.registry.get(&name, &key)?.into_iter().collect(),
        (None, name, key) => router.registry.list(&ActorFilter {
            name,
            key,
            limit: Some(MOST_LISTED),
        })?,
    };
    let actors = found.iter().map(|info| record(router, info, None)).collect();
    Ok(encode_control(&ListResponse { actors }))
}

fn by_ids(router: &Router, ids: Vec<String>, name: Option<&str>) -> Result<Vec<ActorInfo>, ActorError> {
    let mut found = Vec::new();
    for id in ids {
        let Ok(id) = ActorId::new(id) else { continue };
        let info = router.registry.find(&id)?;
        found.extend(info.filter(|info| name.is_none_or(|name| name == info.name)));
    }
    Ok(found)
}

pub(crate) async fn get_or_create(router: &Arc<Router>, exchange: &Exchange, body: Incoming, query: &str) -> Answer {
    let request = read(router, exchange, body, query).await?;
    let options = options(exchange, &request);
    let (info, created) = router
        .registry
        .get_or_create(&request.name, &request.key, options)
        .await?;
    Ok(encode_control(&GetOrCreateResponse {
        actor: record(router, &info, Some(request)),
        created,
    }))
}

pub(crate) async fn create(router: &Arc<Router>, exchange: &Exchange, body: Incoming, query: &str) -> Answer {
    let request = read(router, exchange, body, query).await?;
    let options = options(exchange, &request);
    let info = router.registry.create(&request.name, &request.key, options).await?;
    Ok(encode_control(&CreateResponse {
        actor: record(router, &info, Some(request)),
    }))
}

pub(crate) async fn destroy(router: &Arc<Router>, exchange: &Exchange, id: &str, query: &str) -> Answer {
    router.admit_administrator(exchange)?;
    router.check_namespace(ListQuery::parse(query)?.namespace.as_deref())?;
    let id = percent_decode_str(id)
        .decode_utf8()
        .ok()
        .and_then(|id| ActorId::new(id.into_owned()).ok());
    router.registry.destroy(&id.ok_or_else(refusal::not_found)?).await?;
    Ok(Bytes::from_static(b"{}"))
}

async fn read(
    router: &Arc<Router>,
    exchange: &Exchange,
    body: Incoming,
    query: &str,
) -> Result<CreateRequest, ActorError> {
    router.admit(exchange, None)?;
    router.check_namespace(ListQuery::parse(query)?.namespace.as_deref())?;
    let body = Upload::begin(&exchange.head.headers, body, &router.limits, &router.budget)
        .await?
        .finish()
        .await?;
    decode_create_request(&body, exchange.format.dialect, router.rules.allow_ambiguous_keys)
}

fn options(exchange: &Exchange, request: &CreateRequest) -> CreateOptions {
    CreateOptions {
        input: request.input.clone().unwrap_or(Value::Undefined),
        peer: Some(exchange.peer.address().ip()),
        pool: request.runner_name_selector.clone().unwrap_or_default(),
        crash_policy: request.crash_policy.clone().unwrap_or_default(),
    }
}

fn record(router: &Router, info: &ActorInfo, request: Option<CreateRequest>) -> ActorRecord {
    let (pool, crash_policy) = request.map_or((None, None), |request| {
        (request.runner_name_selector, request.crash_policy)
    });
    ActorRecord {
        actor_id: info.id.as_str().to_owned(),
        name: info.name.clone(),
        key: info.key.serialized(),
        namespace_id: router.rules.namespace.clone(),
        runner_name_selector: pool.unwrap_or_else(|| POOL.to_owned()),
        crash_policy,
        create_ts: info.created_at_ms,
        connectable_ts: Some(info.created_at_ms),
        start_ts: info.started_at_ms,
        sleep_ts: info.slept_at_ms.filter(|_| info.started_at_ms.is_none()),
        destroy_ts: None,
    }
}
