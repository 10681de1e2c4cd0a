//! How a call of a guest reaches the function that serves it.
//!
//! There are three kinds of import, and a table in `preview1` and `abi` gives each its kind:
//!
//! * `now`: answers at once. A plain function of a [`Cx`].
//! * `wait`: may have to wait, or touches a filesystem. A function of a [`Cx`] and a waker that is called again, with the
//!   same arguments, each time the waker was woken, until it is ready. Between calls nothing is borrowed; what it must remember
//!   stands in [`Scratch`]. Before each call the process passes its gate.
//! * `own`: an async function of the caller, for the few that end or copy a process.

use crate::compat::Generation;
use crate::engine::Engines;
use crate::errno;
use crate::error::{Error, Result as HostResult};
use crate::library::Failure;
use crate::memory::Memory;
use crate::observe::observed;
use crate::process::{State, Unwind};
use agentos_kernel::clock::Instant;
use agentos_kernel::process::Gate;
use parking_lot::RwLock;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker, ready};
use wasmtime::{Caller, Engine, Extern, Linker};

/// One step of one import.
pub(crate) struct Cx<'a> {
    pub(crate) memory: Memory<'a>,
    pub(crate) state: &'a mut State,
    pub(crate) scratch: &'a mut Scratch,
}

/// What an import remembers between its steps.
#[derive(Default)]
pub(crate) struct Scratch {
    /// When it stops waiting; set at the first step.
    pub(crate) deadline: Option<Option<Instant>>,
    /// How much it has done.
    pub(crate) done: u64,
    /// When it began.
    pub(crate) began: Option<Instant>,
    /// Whether it has let others run.
    gave_way: bool,
    /// Bytes that it moves.
    pub(crate) bytes: Vec<u8>,
    /// What it has on its way to the disk.
    pub(crate) settle: agentos_kernel::vfs::Settle,
    /// How much it has written, once all that is left is to wait for the disk.
    pub(crate) written: Option<u32>,
    /// A name that it looks up.
    pub(crate) resolving: agentos_kernel::process::Resolving,
    /// A program's request that was read already.
    pub(crate) request: Option<Box<agentos_kernel::process::SpawnRequest>>,
}

impl Cx<'_> {
    /// Lets others run once per call, if anybody waits for the CPU.
    pub(crate) fn give_way(&mut self, waker: &Waker) -> Poll<()> {
        if self.scratch.gave_way || !self.state.vm.contended() {
            return Poll::Ready(());
        }
        self.scratch.gave_way = true;
        waker.wake_by_ref();
        Poll::Pending
    }

    /// The deadline of a call that gave up to `timeout_ns` (negative: for ever) when it was made.
    pub(crate) fn deadline(&mut self, timeout_ns: i64) -> Option<Instant> {
        let process = &self.state.process;
        *self
            .scratch
            .deadline
            .get_or_insert_with(|| process.deadline(timeout_ns))
    }
}

/// The imports, for each engine that runs guests, and for programs of each generation of another system.
pub(crate) struct Linkers(RwLock<Vec<(Generation, Arc<Linker<State>>)>>);

impl Linkers {
    /// The imports for modules of the first engine; others are made when they are needed.
    pub(crate) fn new(engines: &Engines) -> HostResult<Self> {
        let generation = Generation::First;
        let first = engines.home().and_then(|engine| linker(&engine, generation));
        let first = Arc::new(first.map_err(Error::engine)?);
        Ok(Self(RwLock::new(vec![(generation, first)])))
    }

    /// The imports for modules of this engine and generation.
    pub(crate) fn of(&self, engine: &Engine, generation: Generation) -> Result<Arc<Linker<State>>, Failure> {
        let known = |linkers: &Vec<(Generation, Arc<Linker<State>>)>| {
            let found = linkers
                .iter()
                .find(|(for_whom, linker)| *for_whom == generation && Engine::same(linker.engine(), engine));
            found.map(|(_, linker)| Arc::clone(linker))
        };
        if let Some(linker) = known(&self.0.read()) {
            return Ok(linker);
        }
        let linker = Arc::new(linker(engine, generation).map_err(Failure::invalid)?);
        self.0.write().push((generation, Arc::clone(&linker)));
        Ok(linker)
    }
}

fn linker(engine: &Engine, generation: Generation) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    crate::preview1::define(&mut linker)?;
    crate::abi::define(&mut linker)?;
    crate::compat::define(&mut linker, generation)?;
    Ok(linker)
}

/// An error that a guest can be told.
pub(crate) trait GuestError {
    /// The preview-1 number.
    fn number(&self) -> u32;

    /// What the kernel said, if it was the kernel.
    fn kernel(&self) -> Option<&agentos_kernel::Error>;
}

impl GuestError for agentos_kernel::Error {
    fn number(&self) -> u32 {
        errno::number(self.errno())
    }

    fn kernel(&self) -> Option<&agentos_kernel::Error> {
        Some(self)
    }
}

/// Serves an import that answers at once.
pub(crate) fn now<E: GuestError>(
    caller: &mut Caller<'_, State>,
    call: impl FnOnce(&mut Cx<'_>) -> Result<(), E>,
) -> u32 {
    let result = step(caller, &mut Scratch::default(), call);
    number(caller.data(), result)
}

/// Serves an import that may have to wait.
///
/// The gate is passed before each step and after the last one: a signal that the call itself raised (`SIGPIPE`, `kill` of
/// oneself) acts before the guest runs on.
pub(crate) async fn wait<E: GuestError>(
    mut caller: Caller<'_, State>,
    mut call: impl FnMut(&mut Cx<'_>, &Waker) -> Poll<Result<(), E>>,
) -> wasmtime::Result<u32> {
    let mut scratch = Scratch::default();
    let mut answer = None;
    poll_fn(move |task| {
        let polled = try_once(&mut caller, &mut scratch, &mut answer, task.waker(), &mut call);
        // Its clocks, if they stand still while it computes, run as long as it waits.
        match polled {
            Poll::Pending => caller.data().process.begins_to_wait(),
            Poll::Ready(_) => caller.data().process.has_waited(),
        }
        polled
    })
    .await
}

/// One attempt of [`wait`]; `answer` is what the call has answered already.
fn try_once<E: GuestError>(
    caller: &mut Caller<'_, State>,
    scratch: &mut Scratch,
    answer: &mut Option<u32>,
    waker: &Waker,
    call: &mut impl FnMut(&mut Cx<'_>, &Waker) -> Poll<Result<(), E>>,
) -> Poll<wasmtime::Result<u32>> {
    loop {
        match ready!(caller.data().process.gate(Some(waker))) {
            Gate::Die => return Poll::Ready(Err(Unwind::Killed.into())),
            Gate::Run => {}
        }
        if let Some(answer) = *answer {
            return Poll::Ready(Ok(answer));
        }
        let result = ready!(step(caller, scratch, |cx| call(cx, waker)));
        let number = number(caller.data(), result);
        if !caller.data().process.should_yield() {
            return Poll::Ready(Ok(number));
        }
        *answer = Some(number);
    }
}

/// Lends memory and state to one step of an import.
pub(crate) fn step<R>(caller: &mut Caller<'_, State>, scratch: &mut Scratch, call: impl FnOnce(&mut Cx<'_>) -> R) -> R {
    if caller.data().memory.is_none() {
        // A start function runs before the instance is known.
        let memory = caller.get_export("memory").and_then(Extern::into_memory);
        caller.data_mut().memory = memory;
    }
    match caller.data().memory {
        Some(memory) => {
            let (bytes, state) = memory.data_and_store_mut(&mut *caller);
            let result = call(&mut Cx {
                memory: Memory::new(bytes),
                state,
                scratch,
            });
            observed(|| (caller.data().process.pid(), memory.data(&*caller)));
            result
        }
        None => call(&mut Cx {
            memory: Memory::new(&mut []),
            state: caller.data_mut(),
            scratch,
        }),
    }
}

/// What the guest gets to see. The process keeps why something was refused; a limit is reported to the host, too.
pub(crate) fn number<E: GuestError>(state: &State, result: Result<(), E>) -> u32 {
    let Err(error) = result else { return 0 };
    if let Some(error) = error.kernel() {
        let process = &state.process;
        process.note_denial(error);
        if let Some(limit) = error.limit() {
            process.kernel().audit().limit_exceeded(limit, Some(process.pid()));
        }
    }
    error.number()
}

/// Defines a table of imports; see the head of this module for the kinds.
macro_rules! imports {
    ($linker:ident, $module:expr; $($kind:ident $name:ident($($arg:ident: $ty:ty),* $(,)?) = $path:expr;)*) => {
        $($crate::imports::imports!(@$kind $linker, $module, stringify!($name), ($($arg: $ty),*), $path);)*
    };
    (@now $linker:ident, $module:expr, $name:expr, ($($arg:ident: $ty:ty),*), $path:expr) => {
        $linker.func_wrap($module, $name, |mut caller: wasmtime::Caller<'_, $crate::process::State>, $($arg: $ty),*| -> u32 {
            $crate::imports::now(&mut caller, |cx| $path(cx, $($arg),*))
        })?;
    };
    (@wait $linker:ident, $module:expr, $name:expr, ($($arg:ident: $ty:ty),*), $path:expr) => {
        $linker.func_wrap_async($module, $name, |caller: wasmtime::Caller<'_, $crate::process::State>, ($($arg,)*): ($($ty,)*)| {
            Box::new($crate::imports::wait(caller, move |cx, waker| $path(cx, waker, $($arg),*)))
        })?;
    };
    (@own $linker:ident, $module:expr, $name:expr, ($($arg:ident: $ty:ty),*), $path:expr) => {
        $linker.func_wrap_async($module, $name, |caller: wasmtime::Caller<'_, $crate::process::State>, ($($arg,)*): ($($ty,)*)| {
            Box::new($path(caller, $($arg),*))
        })?;
    };
}
pub(crate) use imports;
