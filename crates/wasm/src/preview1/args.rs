//! Arguments and environment.

use crate::imports::Cx;
use crate::memory::Memory;
use agentos_abi::Record;
use agentos_kernel::{Errno, Result};

/// Bytes that the strings take, each with a NUL.
fn size(strings: &[Vec<u8>]) -> Result<u32> {
    let bytes: usize = strings.iter().map(|string| string.len() + 1).sum();
    Ok(u32::try_from(bytes).map_err(|_| Errno::EOVERFLOW)?)
}

fn put_sizes(memory: &mut Memory<'_>, strings: &[Vec<u8>], count: u32, bytes: u32) -> Result<()> {
    memory.put(count, &u32::try_from(strings.len()).map_err(|_| Errno::EOVERFLOW)?)?;
    Ok(memory.put(bytes, &size(strings)?)?)
}

fn put(memory: &mut Memory<'_>, strings: &[Vec<u8>], pointers: u32, buf: u32) -> Result<()> {
    let count = u32::try_from(strings.len()).map_err(|_| Errno::EOVERFLOW)?;
    let mut at = buf;
    let table = memory.bytes_mut(pointers, count.checked_mul(u32::SIZE as u32).ok_or(Errno::EFAULT)?)?;
    for (slot, string) in table.chunks_exact_mut(u32::SIZE).zip(strings) {
        at.encode(slot);
        at = at.checked_add(string.len() as u32 + 1).ok_or(Errno::EFAULT)?;
    }
    let mut rest = memory.bytes_mut(buf, size(strings)?)?;
    for string in strings {
        let (here, after) = rest.split_at_mut_checked(string.len() + 1).ok_or(Errno::EFAULT)?;
        if let Some((end, text)) = here.split_last_mut() {
            text.copy_from_slice(string);
            *end = 0;
        }
        rest = after;
    }
    Ok(())
}

pub(super) fn args_sizes_get(cx: &mut Cx<'_>, count: u32, bytes: u32) -> Result<()> {
    let image = cx.state.process.image();
    put_sizes(&mut cx.memory, &image.argv, count, bytes)
}

pub(super) fn args_get(cx: &mut Cx<'_>, argv: u32, buf: u32) -> Result<()> {
    let image = cx.state.process.image();
    put(&mut cx.memory, &image.argv, argv, buf)
}

pub(super) fn environ_sizes_get(cx: &mut Cx<'_>, count: u32, bytes: u32) -> Result<()> {
    let image = cx.state.process.image();
    put_sizes(&mut cx.memory, &image.env, count, bytes)
}

pub(super) fn environ_get(cx: &mut Cx<'_>, environ: u32, buf: u32) -> Result<()> {
    let image = cx.state.process.image();
    put(&mut cx.memory, &image.env, environ, buf)
}
