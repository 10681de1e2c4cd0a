//! `proc_clone`: a second instance on a copy of the caller's memory.

use super::dirty;
use super::guest::Guest;
use super::run::start_clone;
use super::state::State;
use agentos_kernel::process::{Process, Signal};
use std::sync::Arc;
use wasmtime::{AsContextMut, Caller, Extern, Val};

const PAGE: u64 = 1 << 16;

/// Runs `child`, a copy of the caller's process, on a copy of the caller's instance. A host that has no memory left for it
/// ends the child as it would end any process then.
pub(crate) async fn clone_process(caller: &mut Caller<'_, State>, child: Arc<Process>, arg: u32) {
    let data = caller.data();
    let state = State::new(&data.core, &data.vm, &data.code, &child);
    let made = match data.core.slot() {
        Ok(slot) => Guest::new(state, slot, false).await.map_err(|_| ()),
        Err(_) => Err(()),
    };
    let copied = match made {
        Ok(mut guest) => copy(caller, &mut guest).await.map(|()| guest),
        Err(()) => Err(()),
    };
    match copied {
        Ok(guest) => start_clone(guest, child, arg),
        Err(()) => {
            child.exit_by(Signal::KILL);
            child.finish();
        }
    }
}

async fn copy(caller: &mut Caller<'_, State>, guest: &mut Guest) -> Result<(), ()> {
    copy_memory(caller, guest).await?;
    copy_globals(caller, guest)
}

async fn copy_memory(caller: &mut Caller<'_, State>, guest: &mut Guest) -> Result<(), ()> {
    let (Some(from), Some(to)) = (caller.data().memory, guest.store.data().memory) else {
        return Ok(());
    };
    let missing = from.size(&*caller).saturating_sub(to.size(&guest.store));
    debug_assert_eq!(from.page_size(&*caller), PAGE);
    if missing > 0 {
        to.grow_async(&mut guest.store, missing).await.map_err(drop)?;
    }
    let source = from.data(&*caller);
    let target = to.data_mut(&mut guest.store);
    dirty::for_each(source, |range| {
        if let (Some(to), Some(from)) = (target.get_mut(range.clone()), source.get(range)) {
            to.copy_from_slice(from);
        }
    });
    Ok(())
}

/// Copies the exported globals: the stack pointer above all. Others cannot be reached, and compilers make none.
fn copy_globals(caller: &mut Caller<'_, State>, guest: &mut Guest) -> Result<(), ()> {
    let code = Arc::clone(&caller.data().code);
    let Some(instance) = caller.data().instance else {
        return Err(());
    };
    // The caller may run on the other engine, where exports are numbered alike but known by other handles.
    let names = code.globals();
    for name in names {
        let from = instance.get_global(caller.as_context_mut(), name).ok_or(())?;
        let value = from.get(caller.as_context_mut());
        if !matches!(
            value,
            Val::I32(_) | Val::I64(_) | Val::F32(_) | Val::F64(_) | Val::V128(_)
        ) {
            continue;
        }
        let to = guest
            .instance
            .get_export(&mut guest.store, name)
            .and_then(Extern::into_global)
            .ok_or(())?;
        to.set(&mut guest.store, value).map_err(drop)?;
    }
    Ok(())
}
