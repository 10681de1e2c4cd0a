//! From start to end.

use super::guest::{Guest, pass};
use super::meter;
use super::outcome::Outcome;
use super::state::State;
use crate::executor::{Core, Slot};
use crate::library::Code;
use crate::scheduler::{Task, Vm};
use agentos_kernel::process::{self, Gate, Process, Signal};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

/// A loaded program with a place to run.
pub(crate) struct Program {
    pub(crate) core: Arc<Core>,
    pub(crate) code: Arc<Code>,
    pub(crate) slot: Slot,
}

impl process::Program for Program {
    fn memory(&self) -> u64 {
        self.code.memory()
    }

    fn start(self: Box<Self>, process: Arc<Process>) {
        let vm = self.core.vm(process.kernel());
        let (share, owner) = (Arc::clone(&vm), Arc::downgrade(&process));
        let work = async move {
            let outcome = guarded(&process, begin(*self, &vm, &process)).await;
            conclude(&process, outcome);
        };
        Task::start(&share, owner, Box::pin(work));
    }
}

/// Queues an instance that was prepared as a clone.
pub(super) fn start_clone(guest: Guest, process: Arc<Process>, arg: u32) {
    let (vm, owner) = (Arc::clone(&guest.store.data().vm), Arc::downgrade(&process));
    let work = async move {
        let enter = async {
            match pass(&process).await {
                Gate::Run => guest.run_clone(arg).await,
                Gate::Die => Outcome::Killed,
            }
        };
        let outcome = guarded(&process, enter).await;
        conclude(&process, outcome);
    };
    Task::start(&vm, owner, Box::pin(work));
}

async fn begin(program: Program, vm: &Arc<Vm>, process: &Arc<Process>) -> Outcome {
    if pass(process).await == Gate::Die {
        return Outcome::Killed;
    }
    let mut state = State::new(&program.core, vm, &program.code, process);
    crate::preview1::preopen(&mut state);
    match Guest::new(state, program.slot, true).await {
        Ok(guest) => guest.run().await,
        Err(outcome) => outcome,
    }
}

/// Polls `guest` with its CPU time counted. A panic, which can only be a mistake of the host, ends this process alone; the
/// instance was dropped by the unwinding.
async fn guarded(process: &Process, guest: impl Future<Output = Outcome>) -> Outcome {
    let mut guest = pin!(guest);
    poll_fn(|cx| {
        meter::start();
        let polled = catch_unwind(AssertUnwindSafe(|| guest.as_mut().poll(cx)));
        meter::charge(process);
        polled.unwrap_or(Poll::Ready(Outcome::Fault(Signal::ABRT)))
    })
    .await
}

/// Tells the kernel how it ended. Nothing of the instance exists any more.
fn conclude(process: &Arc<Process>, outcome: Outcome) {
    match outcome {
        Outcome::Exited(status) => process.exit(status),
        Outcome::Fault(signal) => process.exit_by(signal),
        Outcome::Killed => {}
        Outcome::Exec(program) => {
            // The instance is gone, and with it all that the process was charged for.
            process.shrink_memory(process.memory());
            return program.start(Arc::clone(process));
        }
    }
    process.finish();
}
