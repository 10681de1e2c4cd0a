//! Entries of the audit trail that the runtime makes.

use std::sync::Arc;
use std::time::Duration;

use agentos_actor::{
    ActionKind, Actor, ActorContext, ActorDefinition, Boot, BoxFuture, ConnectRequest, CreateOptions, Failure,
    HookContext, ManualClock, Registry, Transport,
};
use agentos_value::{ActorError, Key, Value};
use parking_lot::Mutex;

/// Lets nobody in but who says so, and keeps the audit trail.
#[derive(Clone, Default)]
struct Guarded(Arc<Mutex<Vec<serde_json::Value>>>);

impl ActorDefinition for Guarded {
    fn action_kind(&self, _name: &str) -> Option<ActionKind> {
        None
    }

    fn boot<'a>(&'a self, _ctx: ActorContext, _boot: Boot) -> BoxFuture<'a, Result<Arc<dyn Actor>, Failure>> {
        Box::pin(async { Err(Failure::internal("never")) })
    }

    fn on_before_connect<'a>(&'a self, _ctx: HookContext, params: Value) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            match params.as_str() {
                Some("sesame") => Ok(()),
                _ => Err(ActorError::user("forbidden", "Forbidden").into()),
            }
        })
    }

    fn on_audit_event(&self, entry: &serde_json::Value) {
        self.0.lock().push(entry.clone());
    }
}

#[tokio::test]
async fn entries_have_one_form_and_equal_ones_are_folded() {
    let (guarded, clock) = (Guarded::default(), ManualClock::at(1_700_000_000_000));
    let builder = Registry::builder()
        .define("guarded", guarded.clone())
        .clock(clock.clone());
    let registry = builder.build().unwrap();
    let key = Key::new(["k"]);
    let made = registry.get_or_create("guarded", &key, CreateOptions::default());
    let id = made.await.unwrap().0.id;
    let http = || ConnectRequest::new(Transport::Http);
    for _ in 0..25 {
        registry.connect(&id, http()).await.unwrap_err();
    }
    registry
        .connect(&id, http().params(Value::from("sesame")))
        .await
        .unwrap();
    let seen = guarded.0.lock().clone();
    assert_eq!(seen.len(), 11, "ten refusals and one creation");
    for entry in &seen {
        assert_eq!(
            (&entry["vm"], &entry["actorId"], &entry["time"]),
            (&"guarded".into(), &id.as_str().into(), &1_700_000_000_000_i64.into())
        );
        assert_eq!(entry["correlationId"].as_str().unwrap().len(), 32);
    }
    assert_eq!(
        (&seen[0]["event"], &seen[0]["step"], &seen[0]["code"]),
        (
            &"security.auth.failed".into(),
            &"onBeforeConnect".into(),
            &"forbidden".into()
        )
    );
    assert_eq!(
        (&seen[10]["event"], &seen[10]["key"]),
        (&"security.vm.created".into(), &"k".into())
    );
    // The rest of the second becomes one.
    while guarded.0.lock().len() < 12 {
        clock.advance(Duration::from_secs(1));
        tokio::task::yield_now().await;
    }
    let folded = guarded.0.lock()[11].clone();
    assert_eq!(
        (&folded["event"], &folded["count"]),
        (&"security.auth.failed".into(), &15.into())
    );
    registry.destroy(&id).await.unwrap();
    let last = guarded.0.lock().last().cloned().unwrap();
    assert_eq!(last["event"], "security.vm.destroyed");
}
