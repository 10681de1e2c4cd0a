//! Entries of the audit trail that the runtime makes (security.md section 8).
//!
//! Each is one JSON object: `time`, `event`, `vm` (the name of the definition), `actorId`, `correlationId` and the fields of
//! the event. It goes to the log under the target `audit`, and to the definition. Of equal events of one actor, ten in a
//! second are written at once; the rest of that second becomes one entry with a `count`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use agentos_value::ActorId;
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::random;
use crate::registry::{Identity, Registered, Shared};

/// Equal events that are written one by one within [`WINDOW`].
const AT_ONCE: u64 = 10;
/// The time that equal events are counted for.
const WINDOW: Duration = Duration::from_secs(1);
/// Kinds of events that are counted at one time; beyond, the rest are written one by one, as the log can take it.
const COUNTED_MAX: usize = 4096;

/// What was seen in the last second.
#[derive(Debug, Default)]
pub(crate) struct Folds(Mutex<HashMap<(ActorId, String), u64>>);

/// Writes an entry about an actor. `fields` is an object.
pub(crate) fn audit(
    shared: &Arc<Shared>,
    identity: &Arc<Identity>,
    registered: &Arc<Registered>,
    event: &'static str,
    fields: Value,
) {
    let key = (identity.id.clone(), format!("{event} {fields}"));
    let (seen, begins) = shared.folds.count(&key);
    if begins {
        let (shared, identity, registered) = (Arc::clone(shared), Arc::clone(identity), Arc::clone(registered));
        let fields = fields.clone();
        let runtime = shared.runtime.clone();
        runtime.spawn(async move {
            tokio::select! {
                () = shared.clock.sleep(WINDOW) => {}
                () = shared.draining() => {}
            }
            let seen = shared.folds.0.lock().remove(&key).unwrap_or(0);
            if seen > AT_ONCE {
                write(&shared, &identity, &registered, event, fields, seen - AT_ONCE);
            }
        });
    }
    if seen <= AT_ONCE {
        write(shared, identity, registered, event, fields, 1);
    }
}

impl Folds {
    /// How many there were in this second, this one included, and whether it is the first.
    fn count(&self, key: &(ActorId, String)) -> (u64, bool) {
        let mut seen = self.0.lock();
        if let Some(count) = seen.get_mut(key) {
            *count += 1;
            return (*count, false);
        }
        if seen.len() >= COUNTED_MAX {
            return (1, false);
        }
        seen.insert(key.clone(), 1);
        (1, true)
    }
}

fn write(shared: &Shared, identity: &Identity, registered: &Registered, event: &str, fields: Value, count: u64) {
    let correlation_id = random::correlation_id();
    let mut entry = json!({
        "time": shared.clock.now_ms(),
        "event": event,
        "vm": identity.name,
        "actorId": identity.id.as_str(),
        "correlationId": correlation_id,
    });
    if let (Value::Object(entry), Value::Object(fields)) = (&mut entry, fields) {
        entry.extend(fields);
        if count > 1 {
            entry.insert("count".to_owned(), json!(count));
        }
    }
    tracing::info!(target: "audit", correlation_id, "{entry}");
    registered.definition.on_audit_event(&entry);
}
