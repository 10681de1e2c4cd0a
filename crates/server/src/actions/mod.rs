//! The actions of a VM (api.md section 4): their names, what they need, and how they are answered.
//!
//! Each group is a file with a table of its actions. An action reads its arguments ([`args`]), does its work on the
//! [`Machine`] (or, for those of the stored kind, on what is kept), and gives a value in a documented shape. Errors are made
//! for clients where they arise; whatever else goes wrong is masked by the actor runtime.

mod args;
mod cron;
mod fetch;
mod files;
mod kept;
mod previews;
mod processes;
mod sessions;
mod shells;

pub(crate) use args::{Args, invalid_argument, nearest};
pub(crate) use processes::exec_with;
pub(crate) use sessions::sequenced_event;

use crate::machine::Machine;
use crate::sessions::Access;
use crate::shared::Shared;
use agentos::Via;
use agentos_actor::{ActionKind, ActorContext, BoxFuture, Failure};
use agentos_value::{ActorError, Value};
use std::sync::Arc;

/// One action.
#[derive(Clone, Copy)]
pub(crate) struct Action {
    /// Its name.
    pub(crate) name: &'static str,
    run: Run,
}

#[derive(Clone, Copy)]
enum Run {
    Awake(fn(Call) -> BoxFuture<'static, Result<Value, ActorError>>),
    Stored(fn(StoredCall) -> BoxFuture<'static, Result<Value, Failure>>),
    /// Of either kind: sessions are there with the VM and without.
    Session(
        ActionKind,
        fn(SessionCall) -> BoxFuture<'static, Result<Value, Failure>>,
    ),
}

/// A call of an action on sessions.
pub(crate) struct SessionCall {
    access: Access,
    args: Args,
    /// On whose behalf.
    via: Via,
}

/// A call of an action that needs the VM.
pub(crate) struct Call {
    machine: Arc<Machine>,
    args: Args,
}

/// A call of an action that needs only what is kept.
pub(crate) struct StoredCall {
    shared: Arc<Shared>,
    ctx: ActorContext,
    args: Args,
}

/// A row of a table: an action that needs the VM.
macro_rules! awake {
    ($name:literal, $run:path) => {
        $crate::actions::Action {
            name: $name,
            run: $crate::actions::Run::Awake(|call| Box::pin($run(call))),
        }
    };
}

/// A row of a table: an action that is answered from storage.
macro_rules! stored {
    ($name:literal, $run:path) => {
        $crate::actions::Action {
            name: $name,
            run: $crate::actions::Run::Stored(|call| Box::pin($run(call))),
        }
    };
}

/// A row of a table: an action on sessions.
macro_rules! session {
    ($kind:ident, $name:literal, $run:path) => {
        $crate::actions::Action {
            name: $name,
            run: $crate::actions::Run::Session(agentos_actor::ActionKind::$kind, |call| Box::pin($run(call))),
        }
    };
}

use {awake, session, stored};

/// All groups.
const GROUPS: &[&[Action]] = &[
    files::ACTIONS,
    processes::ACTIONS,
    shells::ACTIONS,
    fetch::ACTIONS,
    kept::ACTIONS,
    previews::ACTIONS,
    cron::ACTIONS,
    sessions::ACTIONS,
];

/// The actions of VMs.
pub(crate) fn all() -> impl Iterator<Item = &'static Action> {
    GROUPS.iter().copied().flatten()
}

/// The action with this name.
pub(crate) fn find(name: &str) -> Option<&'static Action> {
    all().find(|action| action.name == name)
}

/// Whether an action prompts an agent, or may: the session layer bounds what it takes.
pub(crate) fn is_prompt(name: &str) -> bool {
    matches!(name, "sendPrompt" | "rawSend")
}

/// Whether an action only looks, so that a listener may call it in reaction to `vmShutdown`.
pub(crate) fn is_reading(name: &str) -> bool {
    const READING: &[&str] = &[
        "readFile",
        "readFiles",
        "readdir",
        "readdirRecursive",
        "stat",
        "exists",
        "listProcesses",
        "getProcess",
        "getProcessLog",
        "allProcesses",
        "processTree",
        "listShells",
    ];
    READING.contains(&name)
}

impl Action {
    /// What it needs.
    pub(crate) fn kind(&self) -> ActionKind {
        match self.run {
            Run::Awake(_) => ActionKind::Awake,
            Run::Stored(_) => ActionKind::Stored,
            Run::Session(kind, _) => kind,
        }
    }

    /// Runs it in a booted VM, on behalf of a client or of a hook.
    pub(crate) async fn call(&self, machine: Arc<Machine>, args: Vec<Value>, via: Via) -> Result<Value, Failure> {
        match self.run {
            Run::Awake(run) => Ok(run(Call {
                machine,
                args: Args::new(args),
            })
            .await?),
            Run::Session(_, run) => {
                let access = Access::Live(machine.sessions().await?.clone());
                run(SessionCall {
                    access,
                    args: Args::new(args),
                    via,
                })
                .await
            }
            // The runtime asks for the kind before it calls.
            Run::Stored(_) => Err(Failure::internal("an action of the stored kind was sent to a VM")),
        }
    }

    /// Runs it without a VM.
    pub(crate) async fn call_stored(
        &self,
        shared: Arc<Shared>,
        ctx: ActorContext,
        args: Vec<Value>,
    ) -> Result<Value, Failure> {
        match self.run {
            Run::Stored(run) => {
                run(StoredCall {
                    shared,
                    ctx,
                    args: Args::new(args),
                })
                .await
            }
            Run::Session(_, run) => {
                let access = match shared.machine(ctx.actor_id()) {
                    Some(machine) => Access::Live(machine.sessions().await?.clone()),
                    None => Access::Kept(crate::sessions::kept(&ctx)?, ctx.clock().now_ms()),
                };
                run(SessionCall {
                    access,
                    args: Args::new(args),
                    // What is answered from storage decides nothing.
                    via: Via::Client,
                })
                .await
            }
            Run::Awake(_) => Err(Failure::internal("an action that needs a VM was sent to the storage")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_not_owned_by_clients() {
        let owned = [
            "action",
            "send",
            "connect",
            "fetch",
            "webSocket",
            "resolve",
            "reload",
            "getGatewayUrl",
            "on",
            "once",
            "dispose",
            "then",
            "constructor",
            "ready",
            "onOpen",
            "onClose",
            "onError",
        ];
        let mut seen = HashSet::new();
        for name in all().map(|action| action.name) {
            assert!(seen.insert(name), "{name} stands twice");
            assert!(!owned.contains(&name), "{name} never arrives");
        }
    }
}
