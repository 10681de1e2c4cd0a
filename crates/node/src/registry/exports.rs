//! What JavaScript sees of registries. The TypeScript package `@agentos/rivetkit` has the same list with types.
//!
//! A function that takes an `id` starts a call, as those of the embedded VM do.

use super::configuration::{self, Plan};
use super::reach::{self, Deed};
use super::serving;
use crate::abi::{Call, Export, Fault};
use crate::runtime;
use crate::task::{self, Outcome, Place, Work};
use agentos_server::{ActorError, Failure, Value};

/// Result of a function.
type Given = Result<Value, Fault>;

/// What JavaScript sees of registries.
pub(crate) static EXPORTS: &[Export] = &[
    Export {
        name: c"registryCheck",
        run: registry_check,
    },
    Export {
        name: c"registryOpen",
        run: registry_open,
    },
    Export {
        name: c"registryListen",
        run: registry_listen,
    },
    Export {
        name: c"registryClose",
        run: registry_close,
    },
    Export {
        name: c"registryAct",
        run: registry_act,
    },
    Export {
        name: c"registryDb",
        run: registry_db,
    },
    Export {
        name: c"registryConn",
        run: registry_conn,
    },
    Export {
        name: c"registryDeed",
        run: registry_deed,
    },
    Export {
        name: c"registryInstance",
        run: registry_instance,
    },
    Export {
        name: c"registryLog",
        run: registry_log,
    },
];

/// Checks the argument of `agentOs`, `actor` or `setup`, which is JSON; throws what is wrong.
fn registry_check(call: &mut Call) -> Given {
    let (what, config) = (call.text()?, call.text()?);
    configuration::check(&what, &config)?;
    Ok(Value::Undefined)
}

/// A number for a registry whose hooks are called by this function.
fn registry_open(call: &mut Call) -> Given {
    let function = call.number()?;
    Ok(Value::from(serving::open(task::mailbox()?, function)))
}

/// Builds and serves a registry; where it listens.
fn registry_listen(call: &mut Call) -> Given {
    let (registry, id) = (call.number()?, call.number()?);
    let plan = Plan::read(&call.value()?)?;
    start(id, Place::Pooled, Box::pin(serving::listen(registry, plan)))
}

/// Ends a registry; whether everything was completed.
fn registry_close(call: &mut Call) -> Given {
    let (registry, id, drain) = (call.number()?, call.number()?, call.flag()?);
    start(id, Place::Pooled, Box::pin(serving::close(registry, drain)))
}

/// Runs an action of an actor past its hooks.
fn registry_act(call: &mut Call) -> Given {
    let (dispatch, id) = (serving::dispatch(call.number()?)?, call.number()?);
    let (actor, action, args) = (call.text()?, call.text()?, call.items()?);
    start(
        id,
        Place::Inline,
        on_runtime(reach::act(dispatch, actor, action, args))?,
    )
}

/// Runs statements in the database of an actor; their rows. The connection may be `undefined`.
fn registry_db(call: &mut Call) -> Given {
    let (dispatch, id) = (serving::dispatch(call.number()?)?, call.number()?);
    let (actor, conn, sql, args) = (call.text()?, call.value()?, call.text()?, call.items()?);
    let conn = conn.as_str().map(str::to_owned);
    start(
        id,
        Place::Inline,
        on_runtime(reach::execute(dispatch, actor, conn, sql, args))?,
    )
}

/// Does something with a connection of an actor; whether it was still there.
fn registry_conn(call: &mut Call) -> Given {
    let dispatch = serving::dispatch(call.number()?)?;
    let (actor, conn, deed, args) = (call.text()?, call.text()?, call.text()?, call.items()?);
    match Deed::named(&deed) {
        Some(deed) => Ok(reach::with_conn(&dispatch, &actor, &conn, deed, args)?),
        None => Ok(Value::Bool(false)),
    }
}

/// Does something to an awake actor whose code is JavaScript, at once.
fn registry_deed(call: &mut Call) -> Given {
    let dispatch = serving::dispatch(call.number()?)?;
    let (instance, deed, args) = (call.number()?, call.text()?, call.items()?);
    let _runtime = runtime::handle()?.enter();
    Ok(dispatch.instances.deed(instance, &deed, args)?)
}

/// Does something to an awake actor whose code is JavaScript, and waits for it.
fn registry_instance(call: &mut Call) -> Given {
    let (dispatch, id) = (serving::dispatch(call.number()?)?, call.number()?);
    let (instance, deed, args) = (call.number()?, call.text()?, call.items()?);
    let work = on_runtime(async move { dispatch.instances.call(instance, &deed, args).await })?;
    start(id, Place::Inline, work)
}

/// Writes to the log.
fn registry_log(call: &mut Call) -> Given {
    let (level, source, text) = (call.text()?, call.text()?, call.text()?);
    // The macros want their levels where they are written.
    match level.as_str() {
        "error" => tracing::error!(target: "agentos::script", source, "{text}"),
        "warn" => tracing::warn!(target: "agentos::script", source, "{text}"),
        "info" => tracing::info!(target: "agentos::script", source, "{text}"),
        _ => tracing::debug!(target: "agentos::script", source, "{text}"),
    }
    Ok(Value::Undefined)
}

/// Work for the runtime's threads, for which the JavaScript thread only waits. Giving the wait up ends the work.
fn on_runtime(work: impl Future<Output = Outcome> + Send + 'static) -> Result<Work, Fault> {
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn_on(work, runtime::handle()?);
    Ok(Box::pin(async move {
        match tasks.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => Err(masked(&error.to_string())),
            None => Err(masked("no task")),
        }
    }))
}

fn masked(text: &str) -> ActorError {
    Failure::internal(text.to_owned()).publish("registry")
}

/// The call's result, or `null` if its end comes later.
fn start(id: u32, place: Place, work: Work) -> Given {
    match task::start(id, place, work)? {
        // `null` would say that the end comes later.
        Some(Ok(Value::Null)) => Ok(Value::Undefined),
        Some(outcome) => Ok(outcome?),
        None => Ok(Value::Null),
    }
}
