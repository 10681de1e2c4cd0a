//! Memory of guests. Whatever is read is a copy, and the caller asks afterwards whether the guest still waits in its call.

use std::io;

/// Bytes of a page, over whose end a string may not be readable.
const PAGE: u64 = 4096;

/// Fills `buf` from a guest's memory.
pub(crate) fn read_memory(tid: u32, at: u64, buf: &mut [u8]) -> io::Result<()> {
    if buf.is_empty() {
        return Ok(());
    }
    let local = libc::iovec {
        iov_base: buf.as_mut_ptr().cast(),
        iov_len: buf.len(),
    };
    let remote = libc::iovec {
        iov_base: at as *mut libc::c_void,
        iov_len: buf.len(),
    };
    // SAFETY: the local vector is `buf`; the remote one is looked at in the other process alone.
    let count = unsafe { libc::process_vm_readv(tid.cast_signed(), &raw const local, 1, &raw const remote, 1, 0) };
    full(count, buf.len())
}

/// Copies `data` to a guest's memory.
pub(crate) fn write_memory(tid: u32, at: u64, data: &[u8]) -> io::Result<()> {
    if data.is_empty() {
        return Ok(());
    }
    let local = libc::iovec {
        iov_base: data.as_ptr().cast_mut().cast(),
        iov_len: data.len(),
    };
    let remote = libc::iovec {
        iov_base: at as *mut libc::c_void,
        iov_len: data.len(),
    };
    // SAFETY: the local vector is `data`, which is only read; the remote one is in the other process.
    let count = unsafe { libc::process_vm_writev(tid.cast_signed(), &raw const local, 1, &raw const remote, 1, 0) };
    full(count, data.len())
}

fn full(count: isize, wanted: usize) -> io::Result<()> {
    match usize::try_from(count) {
        Ok(count) if count == wanted => Ok(()),
        Ok(_) => Err(io::Error::from_raw_os_error(libc::EFAULT)),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

/// Reads a string that ends in a NUL, which is left out. `too_long` is the error for one of more than `most` bytes.
pub(crate) fn read_string(tid: u32, at: u64, most: usize, too_long: i32) -> io::Result<Vec<u8>> {
    let mut string = Vec::new();
    let mut from = at;
    loop {
        let mut chunk = [0; 256];
        let whole = (PAGE - from % PAGE).min(chunk.len() as u64) as usize;
        let piece = chunk.get_mut(..whole).unwrap_or_default();
        read_memory(tid, from, piece)?;
        if let Some(end) = piece.iter().position(|byte| *byte == 0) {
            string.extend_from_slice(piece.get(..end).unwrap_or_default());
            return match string.len() > most {
                true => Err(io::Error::from_raw_os_error(too_long)),
                false => Ok(string),
            };
        }
        string.extend_from_slice(piece);
        if string.len() > most {
            return Err(io::Error::from_raw_os_error(too_long));
        }
        from = from
            .checked_add(whole as u64)
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EFAULT))?;
    }
}

/// As [`write_memory`], also where the guest itself may only read.
pub(crate) fn write_private(tid: u32, at: u64, data: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    std::fs::OpenOptions::new()
        .write(true)
        .open(format!("/proc/{tid}/mem"))?
        .write_all_at(data, at)
}
