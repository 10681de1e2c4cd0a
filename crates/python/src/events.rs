//! What a VM reports, and the one method of its handle.

use crate::failure::Failure;
use crate::objects::{Handle, Object, keep};
use crate::reply::Reply;
use crate::runtime::Call;
use agentos::{AgentOs, Event, Events};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Events from when it was made, for one reader at a time.
pub(crate) struct Feed(Mutex<Events>);

/// Listens to a VM from now on; the reply names the listener.
pub(crate) fn listen(vm: &AgentOs) -> Reply {
    let feed = Feed(Mutex::new(vm.events()));
    let Handle(handle) = keep(Object::Events(Arc::new(feed)));
    json!({ "handle": handle }).into()
}

/// A call of a method.
pub(crate) fn call(feed: Arc<Feed>, method: &str) -> Result<Call, Failure> {
    match method {
        "next" => Ok(Box::pin(async move {
            let mut events = feed.0.lock().await;
            let event = events.next().await;
            Ok(event
                .map_or(Value::Null, |event| json!([shape(&event), events.missed()]))
                .into())
        })),
        other => Err(Failure::invalid(format!("events have no method {other:?}"))),
    }
}

fn shape(event: &Event) -> Value {
    match event {
        Event::LimitWarning(warning) => json!({
            "event": "limit_warning",
            "limit": warning.limit,
            "category": warning.category,
            "observed": warning.observed,
            "capacity": warning.capacity,
            "fill_percent": warning.fill_percent,
            "message": warning.message,
        }),
        Event::Audit(entry) => entry.to_json(),
        _ => json!({ "event": "unknown" }),
    }
}
