//! Pages that starting touched once.
//!
//! Loading the addon reads its tables of addresses, and starting the engine runs through most of its code; little of either is
//! needed again. Once the first VM is there the TypeScript side has these pages given back: they are unchanged pages of a file,
//! and what is used later comes back from the file, or from the system's copy of it. It asks twice: at once, and when the
//! threads that were started have gone to rest, because the system maps as much as two mebibytes around each instruction that
//! they still run. It asks from the JavaScript thread, so that nothing of the addon runs afterwards but the way back.

#[cfg(not(all(target_os = "linux", target_pointer_width = "64")))]
pub(crate) fn give_back_code() {}

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
pub(crate) fn give_back_code() {
    // SAFETY: the callback is called during this call only, with valid descriptions of the objects that are loaded.
    unsafe { libc::dl_iterate_phdr(Some(objects::look_at), std::ptr::null_mut()) };
}

/// What the loader tells of what it has loaded.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod objects {
    use std::ffi::c_void;

    /// Page size of the platforms that addons are built for.
    const PAGE: u64 = 4096;
    /// Gives back the parts of one object that are only read and run, if it is the addon itself.
    ///
    /// # Safety
    /// Only the loader calls it, with the description of an object.
    pub(super) unsafe extern "C" fn look_at(
        object: *mut libc::dl_phdr_info,
        _: libc::size_t,
        _: *mut c_void,
    ) -> libc::c_int {
        // SAFETY: the loader says so; the headers are as many as it says and live as long as the object.
        let (base, headers) = unsafe {
            let object = &*object;
            if object.dlpi_phdr.is_null() {
                return 0;
            }
            let headers = std::slice::from_raw_parts(object.dlpi_phdr, usize::from(object.dlpi_phnum));
            (object.dlpi_addr, headers)
        };
        let own = (super::give_back_code as fn()) as usize as u64;
        let parts = || headers.iter().filter(|part| part.p_type == libc::PT_LOAD);
        let range = |part: &libc::Elf64_Phdr| base + part.p_vaddr..base + part.p_vaddr + part.p_filesz;
        if !parts().any(|part| range(part).contains(&own)) {
            return 0;
        }
        for part in parts().filter(|part| part.p_flags & libc::PF_W == 0) {
            let part = range(part);
            let (start, end) = (part.start.next_multiple_of(PAGE), part.end / PAGE * PAGE);
            if start < end {
                // SAFETY: whole pages of a private mapping of a file that nobody writes to: the loader maps a part
                // without leave to write so, and moves nothing in it. They have the same content when they are read again.
                unsafe { libc::madvise(start as *mut c_void, (end - start) as usize, libc::MADV_DONTNEED) };
            }
        }
        1
    }
}
