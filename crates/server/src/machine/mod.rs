//! A booted VM with everything that clients have started in it: what actions of the awake kind work on.
//!
//! The SDK gives handles to whoever starts something; clients of a server have only numbers. The machine keeps the handles:
//! of processes ([`processes`]), which it also reads the output of, and of shells ([`shells`]). It forgets them as the limits
//! say, and at the end of the VM all at once.
//!
//! Invariants:
//!
//! * Output of a process or shell is announced in the order in which it was written, and its end exactly once, after the last
//!   output. One task does both for each, so there is no other order.
//! * A task of the machine holds the VM, never the machine, and ends with the process that it serves: dropping the machine
//!   after every process was killed leaves no task behind.

mod cron;
mod durable;
mod log;
mod processes;
mod shells;

pub(crate) use cron::CronExecutor;
pub(crate) use durable::Durable;
pub(crate) use log::LogBounds;
pub(crate) use processes::SpawnPlan;

use crate::embedded::Memory;
use crate::errors::from_sdk;
use crate::executions::{Admission, Place};
use crate::secrets::Secrets;
use agentos::{AgentOs, Exec, ExecOutput, Sessions, Signal};
use agentos_actor::cron::Cron;
use agentos_actor::{BoxFuture, Event};
use agentos_value::ActorError;
use parking_lot::Mutex;
use processes::Processes;
use shells::Shells;
use std::sync::Arc;
use std::time::Duration;

/// Where the events of a VM go.
#[derive(Clone)]
pub(crate) struct Emit {
    emit: Arc<dyn Fn(Event) + Send + Sync>,
    room: Option<Room>,
}

/// Waits until whoever takes the events can take more output.
pub(crate) type Room = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

impl Emit {
    /// Events go to `emit`, which never says that it has enough.
    pub(crate) fn new(emit: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self {
            emit: Arc::new(emit),
            room: None,
        }
    }

    /// The same, but output is only read while there is room for it.
    #[must_use]
    pub(crate) fn with_room(mut self, room: Room) -> Self {
        self.room = Some(room);
        self
    }

    pub(crate) fn send(&self, event: Event) {
        (self.emit)(event);
    }

    async fn room(&self) {
        if let Some(room) = &self.room {
            room().await;
        }
    }
}

/// What a server holds a VM to.
#[derive(Clone)]
pub(crate) struct Bounds {
    /// Largest message that a client can be sent.
    pub(crate) most_outgoing: u64,
    /// How much is kept of what a process writes.
    pub(crate) log: LogBounds,
    /// Says when a command may run; none where nobody else does.
    pub(crate) admission: Option<Admission>,
}

/// Time between asking a shell to end and ending it.
const HANGUP_GRACE: Duration = Duration::from_secs(2);

/// A booted VM.
pub(crate) struct Machine {
    pub(crate) vm: AgentOs,
    pub(crate) durable: Durable,
    /// What environments may refer to.
    pub(crate) secrets: Secrets,
    /// Where the contents of files are.
    pub(crate) memory: Memory,
    bounds: Bounds,
    emit: Emit,
    processes: Mutex<Processes>,
    shells: Mutex<Shells>,
    sessions: tokio::sync::OnceCell<Sessions>,
    /// Fires what is scheduled; gone once the VM ends.
    cron: Mutex<Option<Cron>>,
}

impl Machine {
    /// A machine around a VM that nothing was started in.
    pub(crate) fn new(vm: AgentOs, durable: Durable, secrets: Secrets, bounds: Bounds, emit: Emit) -> Self {
        let retained = usize::try_from(vm.limits().max_retained_exited).unwrap_or(usize::MAX);
        Self {
            vm,
            durable,
            secrets,
            memory: Memory::default(),
            bounds,
            emit,
            processes: Mutex::new(Processes::new(retained)),
            shells: Mutex::default(),
            sessions: tokio::sync::OnceCell::new(),
            cron: Mutex::default(),
        }
    }

    /// Largest message that a client can be sent.
    pub(crate) const fn most_outgoing(&self) -> u64 {
        self.bounds.most_outgoing
    }

    /// Runs a command to its end, once the server has a place for it.
    pub(crate) async fn execute(&self, exec: Exec) -> Result<ExecOutput, ActorError> {
        let _place = self.place("exec").await?;
        exec.await.map_err(from_sdk)
    }

    /// Waits for a place among the commands of the server, where it has an end of them.
    async fn place(&self, operation: &str) -> Result<Option<Place>, ActorError> {
        match &self.bounds.admission {
            Some(admission) => admission.enter(operation).await.map(Some),
            None => Ok(None),
        }
    }

    /// Why the VM must not sleep: what runs in it. Empty when nothing does.
    pub(crate) fn awake_because(&self) -> Vec<String> {
        let shells = self.shells.lock().running();
        let mut reasons: Vec<String> = shells.iter().map(|shell| format!("shell:{}", shell.id)).collect();
        let of_shells = |pid: &u32| shells.iter().any(|shell| shell.pid() == *pid);
        if let Some(sessions) = self.sessions.get() {
            reasons.extend(sessions.awake_because());
        }
        let running = self.vm.running_without_agents();
        reasons.extend(
            running
                .iter()
                .filter(|pid| !of_shells(pid))
                .map(|pid| format!("process:{pid}")),
        );
        reasons
    }

    /// Keeps the clockwork of what is scheduled for as long as the VM lives.
    pub(crate) fn set_cron(&self, cron: Cron) {
        let mut own = self.cron.lock();
        // A job that was stored after the clockwork's first look and before now had nobody to tell.
        own.insert(cron).refresh();
    }

    /// Takes the sessions of the VM, before anybody asks for them.
    pub(crate) fn set_sessions(&self, sessions: Sessions) {
        // Whoever made the machine has not handed it out yet.
        let _ = self.sessions.set(sessions);
    }

    /// The sessions of the VM; in memory unless they were set.
    pub(crate) async fn sessions(&self) -> Result<&Sessions, ActorError> {
        self.sessions
            .get_or_try_init(|| crate::sessions::open_in_memory(self))
            .await
    }

    /// Where the events of the VM go.
    pub(crate) fn emitter(&self) -> Emit {
        self.emit.clone()
    }

    /// What is scheduled has changed.
    pub(crate) fn cron_changed(&self) {
        if let Some(cron) = &*self.cron.lock() {
            cron.refresh();
        }
    }

    /// Ends everything in order: shells are hung up and processes asked to end; what is still there after `budget` is killed.
    /// Waits for the last announcements, too.
    pub(crate) async fn stop(&self, budget: Duration) {
        // Runs that go on are ended, and told as interrupted at the next boot.
        drop(self.cron.lock().take());
        if let Some(sessions) = self.sessions.get() {
            let _ = tokio::time::timeout(budget, sessions.suspend()).await;
        }
        for shell in self.shells.lock().running() {
            // A shell that has ended meanwhile needs no signal.
            let _ = shell.control.signal_group(Signal::Hup);
        }
        for pid in self.vm.running() {
            let _ = self.vm.signal_process(pid, Signal::Term).await;
        }
        let _ = tokio::time::timeout(budget, self.vm.idle()).await;
        self.kill().await;
    }

    /// Kills everything, without grace.
    pub(crate) async fn kill(&self) {
        drop(self.cron.lock().take());
        if let Some(sessions) = self.sessions.get() {
            sessions.kill();
        }
        self.vm.dispose().await;
        let tasks = self.processes.lock().take_tasks().into_iter();
        let tasks: Vec<_> = tasks.chain(self.shells.lock().take_tasks()).collect();
        for task in tasks {
            // The processes have ended, so their tasks do; one that panicked has nothing more to say.
            let _ = task.await;
        }
    }

    fn emit(&self) -> Emit {
        self.emit.clone()
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("vm", &self.vm).finish_non_exhaustive()
    }
}
