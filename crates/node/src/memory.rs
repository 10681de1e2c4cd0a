//! Memory for large contents.
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

/// Gives back the addon's own code and constants that are mapped now: starting the engine touches most of them once, and not
/// again. What is used later comes back from the file, or from the system's copy of it, page by page.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(crate) fn give_back_code() {
    // SAFETY: the callback is called during this call only, with valid descriptions of the objects that are loaded.
    unsafe { libc::dl_iterate_phdr(Some(give_back_object), std::ptr::null_mut()) };
}

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(crate) fn give_back_code() {}

/// Gives back the parts of one loaded object that are only read and run, if it is the one that this function is in.
///
/// # Safety
/// Only the loader calls it, with the description of an object.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
unsafe extern "C" fn give_back_object(
    object: *mut libc::dl_phdr_info,
    _: libc::size_t,
    _: *mut std::ffi::c_void,
) -> libc::c_int {
    const PAGE: u64 = 4096;
    // SAFETY: the loader says so; the headers are as many as it says and live as long as the object.
    let (base, headers) = unsafe {
        let object = &*object;
        if object.dlpi_phdr.is_null() {
            return 0;
        }
        let headers = std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum));
        (object.dlpi_addr, headers)
    };
    let own = (give_back_code as fn()) as usize as u64;
    let parts = || headers.iter().filter(|part| part.p_type == libc::PT_LOAD);
    let range = |part: &libc::Elf64_Phdr| base + part.p_vaddr..base + part.p_vaddr + part.p_filesz;
    if !parts().any(|part| range(part).contains(&own)) {
        return 0;
    }
    for part in parts().filter(|part| part.p_flags & libc::PF_W == 0) {
        let part = range(part);
        let (start, end) = (part.start.next_multiple_of(PAGE), part.end / PAGE * PAGE);
        if start < end {
            // SAFETY: whole pages of a private mapping of a file that nobody writes to: the loader maps a part without
            // leave to write so, and moves nothing in it. They have the same content when they are read again.
            unsafe {
                libc::madvise(
                    start as *mut std::ffi::c_void,
                    (end - start) as usize,
                    libc::MADV_DONTNEED,
                )
            };
        }
    }
    1
}
