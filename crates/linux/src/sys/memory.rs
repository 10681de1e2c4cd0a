//! Memory of guests. Whatever is read is a copy, and the caller asks afterwards whether the guest still waits in its call.

use std::collections::HashMap;
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

/// Strings of a guest, by whole pages: most of those that belong together lie beside each other. A page is copied once, as long as
/// there are not too many.
pub(crate) struct Pages {
    tid: u32,
    pages: HashMap<u64, Box<[u8]>>,
}

impl Pages {
    /// Pages that are kept.
    const MOST: usize = 64;
    /// Pages that are asked for at once.
    const AT_ONCE: usize = 4;

    pub(crate) fn new(tid: u32) -> Self {
        Self {
            tid,
            pages: HashMap::new(),
        }
    }

    /// The bytes from an address to the end of its page.
    fn from(&mut self, at: u64) -> io::Result<&[u8]> {
        let page = at / PAGE;
        if !self.pages.contains_key(&page) {
            if self.pages.len() >= Self::MOST {
                self.pages.clear();
            }
            self.fetch(page)?;
        }
        let bytes = self
            .pages
            .get(&page)
            .and_then(|bytes| bytes.get((at % PAGE) as usize..));
        bytes.ok_or_else(|| io::Error::from_raw_os_error(libc::EFAULT))
    }

    /// Copies a page, and those behind it that are there.
    fn fetch(&mut self, page: u64) -> io::Result<()> {
        const SIZE: usize = PAGE as usize;
        let mut bytes = vec![0u8; SIZE * Self::AT_ONCE];
        let local = libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        };
        // One for each page: of what a vector names the host copies all or nothing.
        let remote: [_; Self::AT_ONCE] = std::array::from_fn(|index| libc::iovec {
            iov_base: page.wrapping_add(index as u64).wrapping_mul(PAGE) as *mut libc::c_void,
            iov_len: SIZE,
        });
        // SAFETY: the local vector is `bytes`; the remote ones are looked at in the other process alone.
        let count = unsafe {
            let count = remote.len() as libc::c_ulong;
            libc::process_vm_readv(self.tid.cast_signed(), &raw const local, 1, remote.as_ptr(), count, 0)
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        let whole = bytes.get(..count).unwrap_or_default().chunks_exact(SIZE);
        self.pages.extend((page..).zip(whole.map(Box::from)));
        Ok(())
    }

    /// A number of eight bytes.
    pub(crate) fn word(&mut self, at: u64) -> io::Result<u64> {
        let mut word = [0; 8];
        let mut filled = 0;
        while filled < word.len() {
            let from = self.from(at.wrapping_add(filled as u64))?;
            let count = from.len().min(word.len() - filled);
            word[filled..filled + count].copy_from_slice(&from[..count]);
            filled += count;
        }
        Ok(u64::from_le_bytes(word))
    }

    /// As [`read_string`].
    pub(crate) fn string(&mut self, at: u64, most: usize, too_long: i32) -> io::Result<Vec<u8>> {
        let mut string = Vec::new();
        loop {
            let from = self.from(at.wrapping_add(string.len() as u64))?;
            let end = from.iter().position(|byte| *byte == 0);
            string.extend_from_slice(from.get(..end.unwrap_or(from.len())).unwrap_or_default());
            if string.len() > most {
                return Err(io::Error::from_raw_os_error(too_long));
            }
            if end.is_some() {
                return Ok(string);
            }
        }
    }
}

/// As [`write_memory`], also where the guest itself may only read. Where it may write, the dearer way by a file is not taken.
pub(crate) fn write_private(tid: u32, at: u64, data: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    if write_memory(tid, at, data).is_ok() {
        return Ok(());
    }
    std::fs::OpenOptions::new()
        .write(true)
        .open(format!("/proc/{tid}/mem"))?
        .write_all_at(data, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_read_across_pages_and_up_to_where_memory_ends() {
        let page = PAGE as usize;
        // SAFETY: new memory of three pages, of which the last is given up again.
        let start = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let start = libc::mmap(std::ptr::null_mut(), page * 3, protection, flags, -1, 0).cast::<u8>();
            libc::munmap(start.add(page * 2).cast(), page);
            // Ends with the memory, and begins in the page before.
            start.add(page - 2).write_bytes(b'a', page + 1);
            start.add(page * 2 - 8).cast::<u64>().write_unaligned(7);
            start.add(page - 2).cast::<u64>().write_unaligned(0x6161_6161_6161_6161);
            start as u64
        };
        let mut pages = Pages::new(std::process::id());
        let from = start + PAGE - 2;
        assert_eq!(pages.word(from).unwrap(), 0x6161_6161_6161_6161);
        assert_eq!(pages.word(start + 2 * PAGE - 8).unwrap(), 7);
        let expected = [vec![b'a'; page - 6], vec![7]].concat();
        assert_eq!(pages.string(from, page, libc::E2BIG).unwrap(), expected);
        let error = |read: io::Result<Vec<u8>>| crate::sys::errno_of(&read.unwrap_err());
        assert_eq!(error(pages.string(from, 10, libc::E2BIG)), libc::E2BIG);
        assert_eq!(error(pages.string(start + 2 * PAGE, 10, libc::E2BIG)), libc::EFAULT);
        assert_eq!(
            crate::sys::errno_of(&pages.word(start + 2 * PAGE - 4).unwrap_err()),
            libc::EFAULT
        );
        assert_eq!(error(pages.string(u64::MAX, 10, libc::E2BIG)), libc::EFAULT);
    }
}
