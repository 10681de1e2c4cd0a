//! agentOS: how deep filters may nest. A recursive filter must end in an error before the stack ends.

use core::sync::atomic::{AtomicUsize, Ordering};

/// Lowest address that the stack may reach; 0 while nobody watches.
static FLOOR: AtomicUsize = AtomicUsize::new(0);

/// Says that filters may use so many bytes of the stack below the caller. For programs with one thread.
pub fn limit_stack(bytes: usize) {
    FLOOR.store(here().saturating_sub(bytes), Ordering::Relaxed);
}

/// Whether the stack has reached its floor.
pub(crate) fn exceeded() -> bool {
    here() < FLOOR.load(Ordering::Relaxed)
}

/// An address in the frame of this call; stacks grow down.
#[inline(never)]
fn here() -> usize {
    let marker = 0u8;
    core::hint::black_box(&marker as *const u8 as usize)
}
