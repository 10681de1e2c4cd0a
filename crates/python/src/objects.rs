//! VMs, processes, terminals, events and queues behind the numbers that Python holds.

use crate::desk::Desk;
use crate::events::Feed;
use crate::failure::Failure;
use crate::process::Running;
use crate::queue::Queue;
use crate::terminal::Terminal;
use agentos::AgentOs;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a handle stands for.
#[derive(Clone)]
pub(crate) enum Object {
    /// A VM.
    Vm(AgentOs),
    /// A process that it runs.
    Process(Arc<Running>),
    /// A terminal of it.
    Terminal(Arc<Terminal>),
    /// What it reports.
    Events(Arc<Feed>),
    /// Outcomes for an event loop.
    Queue(Arc<Queue>),
    /// Calls of host tools.
    Desk(Arc<Desk>),
}

/// A number that is never used twice; 0 stands for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Handle(pub(crate) u64);

static OBJECTS: Mutex<Option<HashMap<Handle, Object>>> = Mutex::new(None);
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Keeps an object until it is released.
pub(crate) fn keep(object: Object) -> Handle {
    let handle = Handle(NEXT.fetch_add(1, Ordering::Relaxed));
    OBJECTS.lock().get_or_insert_default().insert(handle, object);
    handle
}

/// The object of a handle.
///
/// # Errors
/// It was released, or never was.
pub(crate) fn find(handle: Handle) -> Result<Object, Failure> {
    let objects = OBJECTS.lock();
    objects
        .as_ref()
        .and_then(|all| all.get(&handle).cloned())
        .ok_or_else(Failure::gone)
}

/// Lets go of an object. The last to do so ends a VM.
pub(crate) fn release(handle: Handle) {
    let object = OBJECTS.lock().as_mut().and_then(|all| all.remove(&handle));
    // Not while the table is locked: what ends here may take its time.
    drop(object);
}
