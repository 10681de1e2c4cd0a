//! Making and entering an instance.

use super::meter;
use super::outcome::{Outcome, Unwind, signal_of};
use super::state::State;
use crate::executor::Slot;
use crate::library::Form;
use agentos_kernel::process::{Gate, Process};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use wasmtime::{Extern, Instance, ModuleExport, Store, StoreContextMut, UpdateDeadline, Val};

/// An instance that was made but not entered.
pub(super) struct Guest {
    pub(super) store: Store<State>,
    pub(super) instance: Instance,
    /// Held as long as the store.
    _slot: Slot,
    form: FormRef,
}

/// Where the instance's exports are described.
enum FormRef {
    Pooled,
    OnDemand(Arc<Form>),
}

impl Guest {
    /// Makes an instance: in the pool if there is room, else outside.
    pub(super) async fn new(state: State, mut slot: Slot) -> wasmtime::Result<Self> {
        let code = Arc::clone(&state.code);
        let mut state = Some(state);
        if let Some(form) = code.pooled()
            && slot.enter_pool()
        {
            let mut store = store(form, &mut state)?;
            match form.pre.instantiate_async(&mut store).await {
                Ok(instance) => return Self::finish(store, instance, slot, FormRef::Pooled, form),
                Err(error) if !error.is::<wasmtime::PoolConcurrencyLimitError>() => return Err(error),
                Err(_) => state = Some(store.into_data()),
            }
            slot.leave_pool();
        }
        let form = code
            .on_demand()
            .map_err(|failure| wasmtime::Error::msg(failure.into_error().to_string()))?;
        let mut store = store(&form, &mut state)?;
        let instance = form.pre.instantiate_async(&mut store).await?;
        Self::finish(store, instance, slot, FormRef::OnDemand(Arc::clone(&form)), &form)
    }

    fn finish(
        mut store: Store<State>,
        instance: Instance,
        slot: Slot,
        by: FormRef,
        form: &Form,
    ) -> wasmtime::Result<Self> {
        let memory = form
            .memory
            .as_ref()
            .and_then(|export| instance.get_module_export(&mut store, export));
        store.data_mut().memory = memory.and_then(Extern::into_memory);
        store.data_mut().instance = Some(instance);
        Ok(Self {
            store,
            instance,
            _slot: slot,
            form: by,
        })
    }

    /// Calls `_start` and says how that ended.
    pub(super) async fn run(mut self) -> Outcome {
        let code = Arc::clone(&self.store.data().code);
        let export = self.form(&code).map(|form| form.start);
        let result = match export {
            Some(export) => self.call(&export, &[], &mut []).await,
            None => return Outcome::Killed,
        };
        self.conclude(result.map(|()| 0))
    }

    /// Calls the entry of a clone and says how that ended.
    pub(super) async fn run_clone(mut self, arg: u32) -> Outcome {
        let code = Arc::clone(&self.store.data().code);
        let Some(export) = self.form(&code).and_then(|form| form.clone_entry) else {
            return Outcome::Killed;
        };
        let mut status = [Val::I32(0)];
        let result = self.call(&export, &[Val::I32(arg.cast_signed())], &mut status).await;
        self.conclude(result.map(|()| status[0].i32().unwrap_or(0).cast_unsigned()))
    }

    pub(super) fn form<'a>(&'a self, code: &'a crate::library::Code) -> Option<&'a Form> {
        match &self.form {
            FormRef::Pooled => code.pooled(),
            FormRef::OnDemand(form) => Some(form),
        }
    }

    async fn call(&mut self, export: &ModuleExport, args: &[Val], results: &mut [Val]) -> wasmtime::Result<()> {
        let func = self
            .instance
            .get_module_export(&mut self.store, export)
            .and_then(Extern::into_func);
        let func = func.ok_or_else(|| wasmtime::Error::msg("no entry"))?;
        func.call_async(&mut self.store, args, results).await
    }

    fn conclude(mut self, result: wasmtime::Result<u32>) -> Outcome {
        let error = match result {
            Ok(status) => return Outcome::Exited(status),
            Err(error) => error,
        };
        match error.downcast_ref::<Unwind>() {
            Some(Unwind::Exit(status)) => return Outcome::Exited(*status),
            Some(Unwind::Killed) => return Outcome::Killed,
            Some(Unwind::Exec) => return self.store.data_mut().next.take().map_or(Outcome::Killed, Outcome::Exec),
            None => {}
        }
        signal_of(&error).map_or(Outcome::Killed, Outcome::Fault)
    }
}

/// A store for `state`, which is taken.
fn store(form: &Form, state: &mut Option<State>) -> wasmtime::Result<Store<State>> {
    let state = state.take().ok_or_else(|| wasmtime::Error::msg("no state"))?;
    let mut store = Store::try_new(form.pre.module().engine(), state)?;
    store.limiter(|state| state);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(at_tick);
    Ok(store)
}

/// What a running guest does at the end of a tick.
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
