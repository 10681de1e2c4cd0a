//! Registries that serve, by number, and how they end.

use super::configuration::{Plan, server_error};
use super::hooks::{Dispatch, not_serving};
use crate::callback::Callback;
use crate::mailbox::Mailbox;
use agentos_server::{ActorError, LogFormat, Running, Value};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Once};
use std::time::Duration;

/// How long the work in flight of all VMs may take at the end; each VM has its own, shorter budget.
const PATIENCE: Duration = Duration::from_secs(60);

/// A registry: one that is about to serve, one that serves, or one that ends.
struct Serving {
    mailbox: Arc<Mailbox>,
    dispatch: Arc<Dispatch>,
    running: Option<Arc<Running>>,
}

static SERVING: LazyLock<Mutex<HashMap<u32, Serving>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicU32 = AtomicU32::new(1);

/// A number for a registry of this environment, whose hooks are called by this function.
pub(super) fn open(mailbox: Arc<Mailbox>, function: u32) -> u32 {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let serving = Serving {
        dispatch: Dispatch::new(Callback::new(&mailbox, function)),
        mailbox,
        running: None,
    };
    SERVING.lock().insert(id, serving);
    id
}

/// Builds a registry and serves it. To be called on the runtime.
pub(super) async fn listen(id: u32, plan: Plan) -> Result<Value, ActorError> {
    static LOG: Once = Once::new();
    LOG.call_once(|| agentos_server::init_logs(LogFormat::Text));
    let served = serve(id, plan).await;
    if served.is_err() {
        SERVING.lock().remove(&id);
    }
    served
}

async fn serve(id: u32, plan: Plan) -> Result<Value, ActorError> {
    let (dispatch, mailbox) = {
        let serving = SERVING.lock();
        let opened = serving.get(&id).ok_or_else(not_serving)?;
        (Arc::clone(&opened.dispatch), Arc::clone(&opened.mailbox))
    };
    let (registry, address) = plan.build(&dispatch, &mailbox).await?;
    let running = Arc::new(registry.listen_at(address).map_err(server_error)?);
    let answer = Value::object([
        ("url", Value::from(running.url())),
        ("port", Value::from(i64::from(running.address().port()))),
    ]);
    match SERVING.lock().get_mut(&id) {
        Some(serving) => serving.running = Some(running),
        // The environment ended meanwhile, and nobody would close it.
        None => return Err(not_serving()),
    }
    Ok(answer)
}

/// Ends a registry: in good order, or at once. One that has ended already stays so.
pub(super) async fn close(id: u32, drain: bool) -> Result<Value, ActorError> {
    // It stays in the table meanwhile, so that hooks of the end still reach their actors.
    let running = SERVING.lock().get(&id).and_then(|serving| serving.running.clone());
    let complete = match running {
        Some(running) if drain => running.drain(PATIENCE).await,
        Some(running) => {
            running.close().await;
            true
        }
        None => true,
    };
    SERVING.lock().remove(&id);
    Ok(Value::Bool(complete))
}

/// The hooks and actors of a registry that serves.
pub(super) fn dispatch(id: u32) -> Result<Arc<Dispatch>, ActorError> {
    let found = SERVING.lock().get(&id).map(|serving| Arc::clone(&serving.dispatch));
    found.ok_or_else(not_serving)
}

/// Ends the registries of an environment that has ended, as a crash would: what was acknowledged is stored.
pub(crate) fn dispose_all(mailbox: &Arc<Mailbox>) {
    let mut ended = Vec::new();
    SERVING.lock().retain(|_, serving| {
        let theirs = Arc::ptr_eq(&serving.mailbox, mailbox);
        if theirs {
            ended.extend(serving.running.clone());
        }
        !theirs
    });
    // Dropped outside of the lock and on the runtime, which their sockets belong to.
    if let (false, Ok(runtime)) = (ended.is_empty(), crate::runtime::handle()) {
        runtime.spawn(async move {
            for running in ended {
                running.close().await;
            }
        });
    }
}
