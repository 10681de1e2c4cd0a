//! Memory for large contents that are copied.
//!
//! Copying 64 MiB takes a few milliseconds; having the kernel find the 16384 pages of 4 KiB to copy them to takes several times as
//! long. So large buffers ask for huge pages, which a host that has them for the asking (`madvise` or `always` in
//! `/sys/kernel/mm/transparent_hugepage/enabled`) gives in steps of 2 MiB. Elsewhere nothing changes.

/// Smaller buffers are left to the allocator.
const HUGE_FROM: usize = 4 << 20;

/// An empty buffer with room for exactly this many bytes.
pub(crate) fn room_for(length: usize) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(length);
    advise(buffer.as_mut_ptr(), buffer.capacity());
    buffer
}

/// A buffer of this many zeros.
pub(crate) fn zeroed(length: usize) -> Vec<u8> {
    // Memory of this size comes from the system, zeroed and untouched.
    let mut buffer = vec![0; length];
    advise(buffer.as_mut_ptr(), buffer.len());
    buffer
}

/// Asks for huge pages in a buffer.
#[cfg(target_os = "linux")]
fn advise(start: *mut u8, length: usize) {
    /// Page size of the platforms that addons are built for.
    const PAGE: usize = 4096;
    if length < HUGE_FROM {
        return;
    }
    let skipped = start.align_offset(PAGE);
    let whole = (length - skipped.min(length)) / PAGE * PAGE;
    // SAFETY: the range lies within a live buffer of the caller's, and the advice changes nothing of its content. Where it is
    // refused, for instance because pages are larger, nothing is lost.
    unsafe { libc::madvise(start.add(skipped).cast(), whole, libc::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn advise(_: *mut u8, _: usize) {}
