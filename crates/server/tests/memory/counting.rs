//! An allocator that counts.
#![allow(
    unsafe_code,
    reason = "an allocator is an unsafe trait; this one passes everything on to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};

#[global_allocator]
static COUNTING: Counting = Counting;

static LIVE: AtomicI64 = AtomicI64::new(0);

/// Bytes of this program that are in use.
pub(crate) fn live() -> i64 {
    LIVE.load(Ordering::SeqCst)
}

/// Bytes of SQLite, which has an allocator of its own, that are in use.
pub(crate) fn sqlite() -> i64 {
    // SAFETY: the function takes no argument, may be called from any thread at any time, and reads a counter.
    unsafe { rusqlite::ffi::sqlite3_memory_used() }
}

struct Counting;

fn count(bytes: usize, sign: i64) {
    // A layout has fewer bytes than an `isize` can say.
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    LIVE.fetch_add(sign * bytes, Ordering::SeqCst);
}

// SAFETY: every call goes to the system's allocator with the arguments that it came with, and its answer is returned unchanged;
// counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        // SAFETY: the caller's promises about `layout` are those that the system's allocator asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        // SAFETY: `block` came from `alloc` above, that is from the system's allocator, with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}
