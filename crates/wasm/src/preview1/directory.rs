//! Listing directories.

use super::types::file_type;
use crate::imports::Cx;
use agentos_abi::Record;
use agentos_kernel::fd::IoResult;
use agentos_kernel::id::Fd;
use agentos_kernel::vfs::DirEntry;
use std::ops::ControlFlow;
use std::task::{Poll, Waker};

/// Bytes of a `dirent`, which the name follows.
const DIRENT: usize = 24;

/// Fills the buffer with entries. The last one may be cut, which tells the guest that there is more; a buffer that is not full
/// means the end.
pub(super) fn readdir(cx: &mut Cx<'_>, _: &Waker, fd: u32, buf: u32, len: u32, cookie: u64, out: u32) -> IoResult<()> {
    cx.memory.check::<u32>(out)?;
    let buf = cx.memory.bytes_mut(buf, len)?;
    let mut used = 0;
    cx.state.process.readdir(Fd(fd), cookie, &mut |entry| {
        let header = header(&entry);
        for part in [header.as_slice(), entry.name] {
            let room = buf.get_mut(used..).unwrap_or_default();
            let fits = part.len().min(room.len());
            if let (Some(to), Some(from)) = (room.get_mut(..fits), part.get(..fits)) {
                to.copy_from_slice(from);
            }
            used += fits;
        }
        if used < buf.len() {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    })?;
    Poll::Ready(Ok(cx.memory.put(out, &(used as u32))?))
}

fn header(entry: &DirEntry<'_>) -> [u8; DIRENT] {
    let mut header = [0; DIRENT];
    let mut at = 0;
    let mut put = |bytes: &[u8]| {
        if let Some(slot) = header.get_mut(at..at + bytes.len()) {
            slot.copy_from_slice(bytes);
        }
        at += bytes.len();
    };
    put(&entry.next.to_le_bytes());
    put(&entry.ino.0.to_le_bytes());
    put(&(entry.name.len() as u32).to_le_bytes());
    put(&[file_type(entry.kind)]);
    debug_assert_eq!(at, 2 * u64::SIZE + u32::SIZE + 1);
    header
}
