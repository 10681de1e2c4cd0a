//! Memory that guests may read while this process writes it.

use super::{check, memfd, reopen};
use std::io;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// Words of memory that others have, too: whoever maps the file that [`new`](Self::new) returns. Nobody but this process can write them,
/// and nobody can change how many there are.
#[derive(Debug)]
pub(crate) struct Words {
    start: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the words are atomic, and the mapping lasts as long as this.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// New words, all zero, and a file by which they can be read.
    pub(crate) fn new(count: usize) -> io::Result<(Self, OwnedFd)> {
        let file = memfd(c"words", true)?;
        let len = count.saturating_mul(size_of::<AtomicU64>());
        let size = libc::off_t::try_from(len).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
        // SAFETY: takes numbers alone.
        check(unsafe { libc::ftruncate(file.as_raw_fd(), size) }.into())?;
        // SAFETY: a new mapping wherever there is room.
        let start = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            libc::mmap(
                std::ptr::null_mut(),
                len,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        let start = match start {
            libc::MAP_FAILED => return Err(io::Error::last_os_error()),
            start => NonNull::new(start.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?,
        };
        let words = Self { start, count };
        // From here on nothing but this mapping can be written by.
        let seals = libc::F_SEAL_FUTURE_WRITE | libc::F_SEAL_GROW | libc::F_SEAL_SHRINK | libc::F_SEAL_SEAL;
        // SAFETY: takes numbers alone.
        check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }.into())?;
        let readable = reopen(file.as_fd(), libc::O_RDONLY)?;
        Ok((words, readable))
    }
}

impl Deref for Words {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: that many words are mapped, and aligned as pages are; zeros are valid, and all access is atomic.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: what `new` mapped, which nobody uses any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.count * size_of::<AtomicU64>()) };
    }
}

/// The processor's counter of time.
pub(crate) fn ticks() -> u64 {
    // SAFETY: every x86-64 processor has it, and this process has not forbidden it to itself.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use std::sync::atomic::Ordering;

    #[test]
    fn others_read_the_words_and_nobody_else_writes_them() {
        let (words, file) = Words::new(1024).unwrap();
        words[1000].store(7, Ordering::Release);
        let mut read = [0; 8];
        File::from(file.try_clone().unwrap())
            .read_exact_at(&mut read, 8000)
            .unwrap();
        assert_eq!(u64::from_le_bytes(read), 7);
        // Not even who could open the file for writing.
        let other = File::from(reopen(file.as_fd(), libc::O_RDWR).unwrap());
        assert!(other.write_at(&[1], 8000).is_err() && other.set_len(4096).is_err() && other.set_len(16384).is_err());
        for (file, protection) in [
            (file.as_raw_fd(), libc::PROT_READ),
            (other.as_raw_fd(), libc::PROT_READ),
        ] {
            // SAFETY: a mapping of its own, which nobody looks at.
            unsafe {
                let (null, writable) = (std::ptr::null_mut(), libc::PROT_READ | libc::PROT_WRITE);
                assert_eq!(
                    libc::mmap(null, 8192, writable, libc::MAP_SHARED, file, 0),
                    libc::MAP_FAILED
                );
                let map = libc::mmap(null, 8192, protection, libc::MAP_SHARED, file, 0);
                assert_ne!(map, libc::MAP_FAILED);
                assert_eq!(libc::mprotect(map, 8192, writable), -1);
                assert_eq!(libc::madvise(map, 8192, libc::MADV_REMOVE), -1);
                libc::munmap(map, 8192);
            }
        }
        assert_eq!(words[1000].load(Ordering::Acquire), 7);
    }
}
