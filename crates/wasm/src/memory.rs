//! Access to what guests point at. Nothing here can panic or trap: a range outside of the memory is `EFAULT`.

use agentos_abi::{PATH_MAX, Record};
use agentos_kernel::Errno;

type Result<T> = core::result::Result<T, Errno>;

/// A guest's linear memory, borrowed for one step of one import.
pub(crate) struct Memory<'a>(&'a mut [u8]);

/// A range of guest memory that was not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Range {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// Bytes of an encoded preview-1 `iovec`.
const IOVEC: usize = 8;
/// Most vectors of one call, `IOV_MAX` of Linux.
const IOVECS_MAX: u32 = 1024;

impl<'a> Memory<'a> {
    pub(crate) fn new(bytes: &'a mut [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes at `start`.
    pub(crate) fn bytes(&self, start: u32, len: u32) -> Result<&[u8]> {
        let start = start as usize;
        self.0
            .get(start..start.saturating_add(len as usize))
            .ok_or(Errno::EFAULT)
    }

    /// The bytes at `start`, to be filled.
    pub(crate) fn bytes_mut(&mut self, start: u32, len: u32) -> Result<&mut [u8]> {
        let start = start as usize;
        self.0
            .get_mut(start..start.saturating_add(len as usize))
            .ok_or(Errno::EFAULT)
    }

    /// Whether a record can be written at `start`: asked before a call does something that could not be undone.
    pub(crate) fn check<T: Record>(&self, start: u32) -> Result<()> {
        self.bytes(start, T::SIZE as u32).map(drop)
    }

    /// Reads a record.
    pub(crate) fn get<T: Record>(&self, start: u32) -> Result<T> {
        self.bytes(start, T::SIZE as u32).map(T::decode)
    }

    /// Writes a record.
    pub(crate) fn put<T: Record>(&mut self, start: u32, value: &T) -> Result<()> {
        value.encode(self.bytes_mut(start, T::SIZE as u32)?);
        Ok(())
    }

    /// Reads a request that begins with its own size: a short one ends in zeros, the unknown end of a long one must be zero.
    ///
    /// # Errors
    /// `EINVAL` for a size that does not even hold itself, `E2BIG`, `EFAULT`.
    pub(crate) fn get_sized<T: Record>(&self, start: u32) -> Result<T> {
        let size: u32 = self.get(start)?;
        if size < 4 {
            return Err(Errno::EINVAL);
        }
        if size > SIZED_MAX {
            return Err(Errno::E2BIG);
        }
        let bytes = self.bytes(start, size)?;
        let unknown = bytes.get(T::SIZE..).unwrap_or_default();
        if unknown.iter().any(|byte| *byte != 0) {
            return Err(Errno::E2BIG);
        }
        Ok(T::decode(bytes))
    }

    /// Reads a path.
    ///
    /// # Errors
    /// `ENAMETOOLONG`, `EFAULT`, `EINVAL` for one with a NUL byte.
    pub(crate) fn path(&self, start: u32, len: u32) -> Result<&[u8]> {
        if len > PATH_MAX {
            return Err(Errno::ENAMETOOLONG);
        }
        let path = self.bytes(start, len)?;
        if path.contains(&0) {
            Err(Errno::EINVAL)
        } else {
            Ok(path)
        }
    }

    /// Copies `value` out, as far as it fits into `cap` bytes; the full length goes to `len_out`.
    ///
    /// # Errors
    /// `ERANGE` if it does not fit and `cap` is not zero (which asks for the length only), `EFAULT`.
    pub(crate) fn put_bytes(&mut self, value: &[u8], buf: u32, cap: u32, len_out: u32) -> Result<()> {
        let len = u32::try_from(value.len()).map_err(|_| Errno::EOVERFLOW)?;
        if cap > 0 {
            if len > cap {
                return Err(Errno::ERANGE);
            }
            self.check::<u32>(len_out)?;
            self.bytes_mut(buf, len)?.copy_from_slice(value);
        }
        self.put(len_out, &len)
    }

    /// The buffers that preview-1 vectors describe, without the empty ones. All are checked, and their sum is bounded so that
    /// a count always fits its 32 bits.
    ///
    /// # Errors
    /// `EINVAL` for too many or too much, `EFAULT`.
    pub(crate) fn vectors(&self, start: u32, count: u32) -> Result<impl Iterator<Item = Range> + '_> {
        if count > IOVECS_MAX {
            return Err(Errno::EINVAL);
        }
        let records = self.bytes(start, count.saturating_mul(IOVEC as u32))?;
        let ranges = records.chunks_exact(IOVEC).map(|record| Range {
            start: u32::decode(record),
            len: u32::decode(record.get(4..).unwrap_or_default()),
        });
        let mut total: u32 = 0;
        for range in ranges.clone() {
            self.bytes(range.start, range.len)?;
            total = total
                .checked_add(range.len)
                .filter(|total| i32::try_from(*total).is_ok())
                .ok_or(Errno::EINVAL)?;
        }
        Ok(ranges.filter(|range| range.len > 0))
    }
}

/// Largest request that says its own size.
const SIZED_MAX: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const WILD: [(u32, u32); 6] = [
        (64, 1),
        (63, 2),
        (0, 65),
        (u32::MAX, 1),
        (u32::MAX, u32::MAX),
        (1, u32::MAX),
    ];

    #[test]
    fn ranges_outside_are_faults() {
        let mut bytes = [0; 64];
        let mut memory = Memory::new(&mut bytes);
        for (start, len) in WILD {
            assert_eq!(memory.bytes(start, len), Err(Errno::EFAULT));
            assert_eq!(memory.bytes_mut(start, len), Err(Errno::EFAULT));
        }
        assert_eq!(memory.bytes(64, 0), Ok(&[][..]));
        assert_eq!(memory.bytes(65, 0), Err(Errno::EFAULT));
        assert_eq!(memory.put(61, &7u32), Err(Errno::EFAULT));
        memory.put(60, &7u32).unwrap();
        assert_eq!(memory.get::<u32>(60), Ok(7));
    }

    #[test]
    fn sized_requests_grow_in_both_directions() {
        agentos_abi_limit();
        let mut bytes = [0; 64];
        let mut memory = Memory::new(&mut bytes);
        memory.put(0, &4u32).unwrap();
        memory.put(4, &9u32).unwrap();
        assert_eq!(memory.get_sized::<[u8; 8]>(0), Ok([4, 0, 0, 0, 0, 0, 0, 0]));
        memory.put(0, &12u32).unwrap();
        assert!(memory.get_sized::<[u8; 8]>(0).is_ok());
        memory.put(8, &1u32).unwrap();
        assert_eq!(memory.get_sized::<[u8; 8]>(0), Err(Errno::E2BIG));
        memory.put(0, &3u32).unwrap();
        assert_eq!(memory.get_sized::<[u8; 8]>(0), Err(Errno::EINVAL));
        memory.put(0, &u32::MAX).unwrap();
        assert_eq!(memory.get_sized::<[u8; 8]>(0), Err(Errno::E2BIG));
    }

    /// The longest path fits the kernel's own bound, which refuses one byte earlier than the ABI does.
    fn agentos_abi_limit() {
        assert!(PATH_MAX as usize >= agentos_kernel::vfs::PATH_MAX);
    }

    #[test]
    fn vectors_are_bounded() {
        let mut bytes = [0; 64];
        let mut memory = Memory::new(&mut bytes);
        memory.put(0, &32u32).unwrap();
        memory.put(4, &8u32).unwrap();
        assert_eq!(
            memory.vectors(0, 2).unwrap().collect::<Vec<_>>(),
            [Range { start: 32, len: 8 }]
        );
        memory.put(4, &33u32).unwrap();
        assert_eq!(memory.vectors(0, 1).err(), Some(Errno::EFAULT));
        assert_eq!(memory.vectors(0, 9).err(), Some(Errno::EFAULT));
        assert_eq!(memory.vectors(0, u32::MAX).err(), Some(Errno::EINVAL));
    }
}
