//! Memory of guests. Whatever is read is a copy, and the caller asks afterwards whether the guest still waits in its call.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

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
    pages: Vec<(u64, Box<[u8]>)>,
}

impl Pages {
    /// Pages that are kept.
    const MOST: usize = 64;
    /// Pages that are asked for at once.
    const AT_ONCE: usize = 4;

    pub(crate) fn new(tid: u32) -> Self {
        Self { tid, pages: Vec::new() }
    }

    /// Copies the pages of these places, as many as are there, in one step: for who is about to look at them.
    pub(crate) fn expect(&mut self, places: &[u64]) {
        let mut pages: Vec<u64> = Vec::with_capacity(places.len());
        for page in places.iter().map(|at| at / PAGE) {
            if !pages.contains(&page) {
                pages.push(page);
            }
        }
        // One that is not there is found out by who wants it.
        let _ = self.fetch(&pages);
    }

    /// The bytes from an address to the end of its page.
    fn from(&mut self, at: u64) -> io::Result<&[u8]> {
        let page = at / PAGE;
        if self.place_of(page).is_none() {
            if self.pages.len() >= Self::MOST {
                self.pages.clear();
            }
            // Who comes from the page before goes on.
            let many = match page.checked_sub(1).and_then(|before| self.place_of(before)) {
                Some(_) => Self::AT_ONCE,
                None => 1,
            };
            let pages: Vec<u64> = (page..).take(many).collect();
            self.fetch(&pages)?;
        }
        let bytes = self.place_of(page).and_then(|place| self.pages.get(place));
        bytes
            .and_then(|(_, bytes)| bytes.get((at % PAGE) as usize..))
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EFAULT))
    }

    /// Where a page is that was copied. What was copied last is what is mostly looked at.
    fn place_of(&self, page: u64) -> Option<usize> {
        self.pages.iter().rposition(|(copied, _)| *copied == page)
    }

    /// Copies pages, up to the first that is not there.
    fn fetch(&mut self, pages: &[u64]) -> io::Result<()> {
        const SIZE: usize = PAGE as usize;
        let mut copies: Vec<Box<[u8]>> = pages.iter().map(|_| vec![0; SIZE].into_boxed_slice()).collect();
        let vector = |at: *mut libc::c_void| libc::iovec {
            iov_base: at,
            iov_len: SIZE,
        };
        let local: Vec<_> = copies.iter_mut().map(|copy| vector(copy.as_mut_ptr().cast())).collect();
        // One for each page: of what a vector names the host copies all or nothing.
        let remote: Vec<_> = pages
            .iter()
            .map(|page| vector(page.wrapping_mul(PAGE) as *mut libc::c_void))
            .collect();
        // SAFETY: the local vectors are `copies`; the remote ones are looked at in the other process alone.
        let count = unsafe {
            let count = pages.len() as libc::c_ulong;
            libc::process_vm_readv(self.tid.cast_signed(), local.as_ptr(), count, remote.as_ptr(), count, 0)
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        self.pages.extend(pages.iter().copied().zip(copies).take(count / SIZE));
        Ok(())
    }

    /// As [`read_memory`].
    pub(crate) fn bytes(&mut self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let mut filled = 0;
        while filled < into.len() {
            let from = self.from(at.wrapping_add(filled as u64))?;
            let count = from.len().min(into.len() - filled);
            into[filled..filled + count].copy_from_slice(&from[..count]);
            filled += count;
        }
        Ok(())
    }

    /// A number of eight bytes.
    pub(crate) fn word(&mut self, at: u64) -> io::Result<u64> {
        let mut word = [0; 8];
        self.bytes(at, &mut word)?;
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

/// As [`write_memory`], also where the guest itself may only read. Where it may write, the dearer way by a file is not taken; that file is
/// kept in `file`, and stands for the memory that the guest has now: whoever keeps it forgets it when the guest gets another.
pub(crate) fn write_private(tid: u32, file: &mut Option<File>, at: u64, data: &[u8]) -> io::Result<()> {
    if let Some(file) = file
        && file.write_all_at(data, at).is_ok()
    {
        return Ok(());
    }
    if write_memory(tid, at, data).is_ok() {
        return Ok(());
    }
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(format!("/proc/{tid}/mem"))?;
    file.insert(opened).write_all_at(data, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_only_be_read_is_written_by_a_file_that_is_kept() {
        // SAFETY: new memory of one page, which nobody but this test uses.
        let at = unsafe {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            libc::mmap(std::ptr::null_mut(), PAGE as usize, libc::PROT_READ, flags, -1, 0) as u64
        };
        let (own, mut file) = (std::process::id(), None);
        let mut now = [0; 2];
        for text in [b"x\0", b"/u"] {
            write_private(own, &mut file, at + 7, text).unwrap();
            assert!(file.is_some());
            read_memory(own, at + 7, &mut now).unwrap();
            assert_eq!(&now, text);
        }
        let mut writable = [0u8; 2];
        let place = writable.as_mut_ptr() as u64;
        write_private(own, &mut None, place, b"ab").unwrap();
        read_memory(own, place, &mut now).unwrap();
        assert_eq!(&now, b"ab");
    }

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
        let mut expecting = Pages::new(std::process::id());
        expecting.expect(&[from, start, start + PAGE, start + 2 * PAGE]);
        assert_eq!(expecting.pages.len(), 2);
        assert_eq!(expecting.string(from, page, libc::E2BIG).unwrap(), expected);
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
