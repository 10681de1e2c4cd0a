//! Making and entering an instance.

use super::meter;
use super::outcome::{Outcome, Unwind, signal_of};
use super::state::State;
use crate::engine::FULL_STACK;
use crate::executor::Slot;
use crate::library::Form;
use agentos_kernel::process::{Gate, Process, Signal};
use agentos_kernel::{Errno, Error, LimitExceeded};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use wasmtime::{
    Extern, Instance, ModuleExport, PoolConcurrencyLimitError, Store, StoreContextMut, Trap, TypedFunc, UpdateDeadline,
    WasmParams, WasmResults,
};

/// An instance that was made but not entered.
pub(super) struct Guest {
    pub(super) store: Store<State>,
    pub(super) instance: Instance,
    form: Arc<Form>,
    /// Held as long as the store.
    _slot: Slot,
}

impl Guest {
    /// Makes an instance: in the pool if there is room, else outside. A start function may end the process already.
    ///
    /// With `insists` a VM that has not enough memory for it loses its largest process, until there is enough or the process
    /// itself is the largest: whoever started it was told already that it runs.
    pub(super) async fn new(mut state: State, mut slot: Slot, insists: bool) -> Result<Self, Outcome> {
        loop {
            let (mut store, made, form) = attempt(state, &mut slot).await?;
            let Err(error) = &made else {
                return Self::finish(store, made, form, slot);
            };
            let Some(needed) = store.data_mut().refused.take().filter(|_| insists) else {
                return Err(outcome(&mut store, error));
            };
            state = store.into_data();
            state.uncharge();
            make_room(&state.process, needed).await?;
        }
    }

    fn finish(
        mut store: Store<State>,
        made: wasmtime::Result<Instance>,
        form: Arc<Form>,
        slot: Slot,
    ) -> Result<Self, Outcome> {
        let instance = made.map_err(|error| outcome(&mut store, &error))?;
        let memory = form.memory.as_ref();
        let memory = memory.and_then(|export| instance.get_module_export(&mut store, export));
        store.data_mut().memory = memory.and_then(Extern::into_memory);
        store.data_mut().instance = Some(instance);
        Ok(Self {
            store,
            instance,
            form,
            _slot: slot,
        })
    }

    /// Calls `_start` and says how that ended.
    pub(super) async fn run(mut self) -> Outcome {
        let start = self.form.start;
        let ended = match self.entry::<(), ()>(&start) {
            Ok(start) => start.call_async(&mut self.store, ()).await,
            Err(error) => Err(error),
        };
        ended.map_or_else(|error| outcome(&mut self.store, &error), |()| Outcome::Exited(0))
    }

    /// Calls the entry of a clone and says how that ended.
    pub(super) async fn run_clone(mut self, arg: u32) -> Outcome {
        let Some(entry) = self.form.clone_entry else {
            return Outcome::Killed;
        };
        let ended = match self.entry::<u32, u32>(&entry) {
            Ok(entry) => entry.call_async(&mut self.store, arg).await,
            Err(error) => Err(error),
        };
        ended.map_or_else(|error| outcome(&mut self.store, &error), Outcome::Exited)
    }

    fn entry<P: WasmParams, R: WasmResults>(&mut self, export: &ModuleExport) -> wasmtime::Result<TypedFunc<P, R>> {
        let export = self.instance.get_module_export(&mut self.store, export);
        let func = export.and_then(Extern::into_func);
        func.ok_or_else(|| wasmtime::Error::msg("no entry"))?.typed(&self.store)
    }
}

/// How a call into the guest that failed ends it.
fn outcome(store: &mut Store<State>, error: &wasmtime::Error) -> Outcome {
    match error.downcast_ref::<Unwind>() {
        Some(Unwind::Exit(status)) => Outcome::Exited(*status),
        Some(Unwind::Killed) => Outcome::Killed,
        Some(Unwind::Exec) => {
            if let Ok(left) = store.get_fuel() {
                store.data().process.set_fuel(left);
            }
            store.data_mut().next.take().map_or(Outcome::Killed, Outcome::Exec)
        }
        None if error.downcast_ref::<Trap>() == Some(&Trap::OutOfFuel) => {
            out_of_fuel(&store.data().process);
            Outcome::Killed
        }
        None => signal_of(error).map_or(Outcome::Killed, Outcome::Fault),
    }
}

fn out_of_fuel(process: &Process) {
    let capacity = process.kernel().limits().max_wasm_fuel;
    let path = "limits.resources.maxWasmFuel";
    let breach = LimitExceeded::new(path, "units", capacity.saturating_add(1), capacity, "run", Errno::EINTR);
    process.exit_for(breach, Signal::XCPU);
}

/// Waits until the end of the VM's largest process has made room. Fails if that is `process`.
async fn make_room(process: &Arc<Process>, needed: u64) -> Result<(), Outcome> {
    let Some(victim) = process.kernel().relieve(needed) else {
        // Nobody holds any memory: it does not fit at all.
        if let Err(Error::Limit(breach)) = process.kernel().check_memory(needed, "exec") {
            process.exit_for(*breach, Signal::KILL);
        }
        return Err(Outcome::Killed);
    };
    let gone = poll_fn(|cx| match process.gate(Some(cx.waker())) {
        Poll::Ready(Gate::Die) => Poll::Ready(Err(Outcome::Killed)),
        _ => victim.poll_exit(cx.waker()).map(|_| Ok(())),
    });
    gone.await
}

/// One attempt to make an instance, in the pool or outside.
async fn attempt(
    mut state: State,
    slot: &mut Slot,
) -> Result<(Store<State>, wasmtime::Result<Instance>, Arc<Form>), Outcome> {
    let stack = state.process.kernel().limits().max_wasm_stack_bytes;
    let poolable = state.code.fits_pool && stack >= FULL_STACK as u64;
    if poolable
        && let Some(engine) = slot.enter_pool()
        && let Ok(form) = state.code.on(&engine)
    {
        let (store, made) = instantiate(&form, state).await?;
        match made {
            Err(error) if error.is::<PoolConcurrencyLimitError>() => {
                state = store.into_data();
                state.uncharge();
            }
            made => return Ok((store, made, form)),
        }
    }
    slot.leave_pool();
    let form = state.code.on_demand(stack).map_err(|_| Outcome::Fault(Signal::KILL))?;
    let (store, made) = instantiate(&form, state).await?;
    Ok((store, made, form))
}

/// A store for `state` and an attempt to make an instance in it.
async fn instantiate(form: &Form, state: State) -> Result<(Store<State>, wasmtime::Result<Instance>), Outcome> {
    // A lack of host memory.
    let store = Store::try_new(form.pre.module().engine(), state);
    let mut store = store.map_err(|_| Outcome::Fault(Signal::KILL))?;
    store.limiter(|state| state);
    if store.data().core.counts_fuel() {
        let fuel = store.data().process.fuel();
        store.set_fuel(fuel).map_err(|_| Outcome::Fault(Signal::KILL))?;
    }
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(at_tick);
    let made = form.pre.instantiate_async(&mut store).await;
    Ok((store, made))
}

/// What a running guest does at the end of a tick.
#[allow(clippy::needless_pass_by_value)] // as wasmtime calls it
fn at_tick(cx: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let state = cx.data();
    meter::charge(&state.process);
    if state.process.should_yield() {
        match state.process.gate(None) {
            Poll::Ready(Gate::Die) => return Ok(UpdateDeadline::Interrupt),
            Poll::Ready(Gate::Run) => {}
            Poll::Pending => {
                let process = Arc::clone(&state.process);
                // Whether it may run or must die is asked again at the next tick.
                return Ok(UpdateDeadline::YieldCustom(
                    1,
                    Box::pin(async move {
                        let _ = pass(&process).await;
                    }),
                ));
            }
        }
    }
    if state.vm.slice_is_over() && state.vm.contended() {
        return Ok(UpdateDeadline::Yield(1));
    }
    Ok(UpdateDeadline::Continue(1))
}

/// Waits until the process may run or must die.
pub(super) async fn pass(process: &Process) -> Gate {
    poll_fn(|cx| process.gate(Some(cx.waker()))).await
}
