//! Reading, writing, seeking.
//!
//! One vector is read or written in place, without a copy. Several go through a buffer if they concern a stream, because one
//! call there must stay one operation: a terminal gives one line per read, and short writes of several processes into a pipe
//! must not mix. Files have no such rule, and offsets make up for interruptions.

use crate::imports::Cx;
use crate::memory::Range;
use agentos_kernel::fd::{IoResult, SeekFrom};
use agentos_kernel::id::Fd;
use agentos_kernel::{Errno, Error, Result};
use smallvec::SmallVec;
use std::task::{Poll, Waker, ready};

/// Most bytes that several vectors of a stream move in one call.
const GATHERED: u32 = 64 << 10;

type Vectors = SmallVec<[Range; 4]>;

/// The vectors of one call, which together move at most `most` bytes (`maxPreadBytes`, `maxFdWriteBytes`).
fn vectors(cx: &Cx<'_>, iovs: u32, count: u32, out: u32, most: usize) -> Result<Vectors> {
    cx.memory.check::<u32>(out)?;
    let mut left = u32::try_from(most).unwrap_or(u32::MAX);
    let clipped = cx.memory.vectors(iovs, count)?.map(|range| {
        let len = range.len.min(left);
        left -= len;
        Range { len, ..range }
    });
    Ok(clipped.collect())
}

fn most_read(cx: &Cx<'_>) -> usize {
    cx.state.process.kernel().fd_limits().max_read()
}

fn most_written(cx: &Cx<'_>) -> usize {
    cx.state.process.kernel().fd_limits().max_write()
}

/// Bytes in all, at most `cap`; the sum was bounded when the vectors were read.
fn total(vectors: &Vectors, cap: u32) -> u32 {
    vectors
        .iter()
        .fold(0u32, |sum, range| sum.saturating_add(range.len))
        .min(cap)
}

/// Whether the descriptor is a file or directory, which need no gathering.
fn is_file(cx: &Cx<'_>, fd: u32) -> Result<bool> {
    Ok(cx.state.process.file(Fd(fd))?.handle().is_some())
}

pub(super) fn read(cx: &mut Cx<'_>, waker: &Waker, fd: u32, iovs: u32, count: u32, out: u32) -> IoResult<()> {
    let vectors = vectors(cx, iovs, count, out, most_read(cx))?;
    let process = &cx.state.process;
    let got = match vectors.as_slice() {
        [] => ready!(process.read(Fd(fd), &mut [], Some(waker)))?,
        [range] => ready!(process.read(Fd(fd), cx.memory.bytes_mut(range.start, range.len)?, Some(waker)))?,
        _ if is_file(cx, fd)? => read_file(cx, &vectors, |cx, range, _| {
            let buf = cx.memory.bytes_mut(range.start, range.len)?;
            complete(cx.state.process.read(Fd(fd), buf, None))
        })?,
        _ => {
            let mut bytes = vec![0; total(&vectors, GATHERED) as usize];
            let got = ready!(process.read(Fd(fd), &mut bytes, Some(waker)))?;
            scatter(cx, &vectors, bytes.get(..got).unwrap_or_default())?;
            got
        }
    };
    Poll::Ready(Ok(cx.memory.put(out, &(got as u32))?))
}

/// The result of a call that never waits.
fn complete<T>(result: IoResult<T>) -> Result<T> {
    match result {
        Poll::Ready(result) => result,
        Poll::Pending => Err(Errno::EAGAIN.into()),
    }
}

/// Fills vectors one after another until one is not full; an error counts only if nothing was read before.
fn read_file(
    cx: &mut Cx<'_>,
    vectors: &Vectors,
    mut read: impl FnMut(&mut Cx<'_>, Range, u64) -> Result<usize>,
) -> Result<usize> {
    let mut got = 0;
    for range in vectors {
        match read(cx, *range, got as u64) {
            Ok(count) => {
                got += count;
                if count < range.len as usize {
                    break;
                }
            }
            Err(_) if got > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

fn scatter(cx: &mut Cx<'_>, vectors: &Vectors, mut bytes: &[u8]) -> Result<()> {
    for range in vectors {
        let (here, rest) = bytes.split_at(bytes.len().min(range.len as usize));
        cx.memory
            .bytes_mut(range.start, here.len() as u32)?
            .copy_from_slice(here);
        bytes = rest;
    }
    Ok(())
}

pub(super) fn pread(
    cx: &mut Cx<'_>,
    waker: &Waker,
    fd: u32,
    iovs: u32,
    count: u32,
    offset: u64,
    out: u32,
) -> IoResult<()> {
    let vectors = vectors(cx, iovs, count, out, most_read(cx))?;
    let process = &cx.state.process;
    let got = match vectors.as_slice() {
        [] => ready!(process.pread(Fd(fd), offset, &mut [], Some(waker)))?,
        [range] => ready!(process.pread(
            Fd(fd),
            offset,
            cx.memory.bytes_mut(range.start, range.len)?,
            Some(waker)
        ))?,
        _ => read_file(cx, &vectors, |cx, range, done| {
            let buf = cx.memory.bytes_mut(range.start, range.len)?;
            complete(cx.state.process.pread(Fd(fd), offset.saturating_add(done), buf, None))
        })?,
    };
    Poll::Ready(Ok(cx.memory.put(out, &(got as u32))?))
}

pub(super) fn write(cx: &mut Cx<'_>, waker: &Waker, fd: u32, iovs: u32, count: u32, out: u32) -> IoResult<()> {
    if let Some(written) = cx.scratch.written {
        return settled(cx, waker, fd, written, out);
    }
    let vectors = vectors(cx, iovs, count, out, most_written(cx))?;
    if vectors.len() > 1 && total(&vectors, u32::MAX) <= GATHERED && !is_file(cx, fd)? {
        return write_gathered(cx, waker, fd, &vectors, out);
    }
    ready!(cx.state.process.room(Fd(fd), &mut cx.scratch.settle, waker))?;
    let written = ready!(write_all(cx, &vectors, |cx, data, _| cx.0.write(
        Fd(fd),
        data,
        Some(waker)
    )))?;
    settled(cx, waker, fd, written, out)
}

/// The end of a write: what must be on the disk first is waited for. From here on a further step of the call comes here, too.
fn settled(cx: &mut Cx<'_>, waker: &Waker, fd: u32, written: u32, out: u32) -> IoResult<()> {
    cx.scratch.written = Some(written);
    ready!(cx.state.process.settled(Fd(fd), &mut cx.scratch.settle, waker))?;
    Poll::Ready(Ok(cx.memory.put(out, &written)?))
}

fn write_gathered(cx: &mut Cx<'_>, waker: &Waker, fd: u32, vectors: &Vectors, out: u32) -> IoResult<()> {
    if cx.scratch.bytes.is_empty() {
        let mut bytes = Vec::with_capacity(total(vectors, GATHERED) as usize);
        for range in vectors {
            bytes.extend_from_slice(cx.memory.bytes(range.start, range.len)?);
        }
        cx.scratch.bytes = bytes;
    }
    let process = &cx.state.process;
    let scratch = &mut *cx.scratch;
    loop {
        let rest = usize::try_from(scratch.done)
            .ok()
            .and_then(|done| scratch.bytes.get(done..))
            .unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        match ready!(process.write(Fd(fd), rest, Some(waker))) {
            Ok(0) => break,
            Ok(count) => scratch.done += count as u64,
            Err(error) if scratch.done == 0 => return Poll::Ready(Err(error)),
            Err(_) => break,
        }
    }
    let written = scratch.done as u32;
    Poll::Ready(Ok(cx.memory.put(out, &written)?))
}

/// The process, for a closure that must not see the rest.
struct Writer<'a>(&'a agentos_kernel::process::Process);

/// Writes everything, however many steps it takes: a blocking write is whole unless a signal or an error cuts it short, and
/// then the guest learns how far it came.
fn write_all(
    cx: &mut Cx<'_>,
    vectors: &Vectors,
    mut write: impl FnMut(&Writer<'_>, &[u8], u64) -> IoResult<usize>,
) -> IoResult<u32> {
    let writer = Writer(&cx.state.process);
    if vectors.is_empty() {
        return Poll::Ready(ready!(write(&writer, &[], 0)).map(|_| 0));
    }
    let mut begins: u64 = 0;
    for range in vectors {
        let ends = begins + u64::from(range.len);
        while cx.scratch.done < ends {
            // Within this vector, since those before are done.
            let skip = (cx.scratch.done - begins) as usize;
            let data = cx.memory.bytes(range.start, range.len)?.get(skip..).unwrap_or_default();
            match ready!(write(&writer, data, cx.scratch.done)) {
                Ok(0) => return Poll::Ready(Ok(cx.scratch.done as u32)),
                Ok(count) => cx.scratch.done += count as u64,
                Err(error) => return Poll::Ready(cut_short(cx.scratch.done, error)),
            }
        }
        begins = ends;
    }
    Poll::Ready(Ok(cx.scratch.done as u32))
}

fn cut_short(done: u64, error: Error) -> Result<u32> {
    if done > 0 { Ok(done as u32) } else { Err(error) }
}

pub(super) fn pwrite(
    cx: &mut Cx<'_>,
    waker: &Waker,
    fd: u32,
    iovs: u32,
    count: u32,
    offset: u64,
    out: u32,
) -> IoResult<()> {
    if let Some(written) = cx.scratch.written {
        return settled(cx, waker, fd, written, out);
    }
    let vectors = vectors(cx, iovs, count, out, most_written(cx))?;
    ready!(cx.state.process.room(Fd(fd), &mut cx.scratch.settle, waker))?;
    let written = ready!(write_all(cx, &vectors, |cx, data, done| {
        cx.0.pwrite(Fd(fd), offset.saturating_add(done), data, Some(waker))
    }))?;
    settled(cx, waker, fd, written, out)
}

pub(super) fn seek(cx: &mut Cx<'_>, _: &Waker, fd: u32, offset: i64, whence: u32, out: u32) -> IoResult<()> {
    cx.memory.check::<u64>(out)?;
    let to = match whence {
        0 => SeekFrom::Start(u64::try_from(offset).map_err(|_| Errno::EINVAL)?),
        1 => SeekFrom::Current(offset),
        2 => SeekFrom::End(offset),
        _ => return Poll::Ready(Err(Errno::EINVAL.into())),
    };
    let at = cx.state.process.seek(Fd(fd), to)?;
    Poll::Ready(Ok(cx.memory.put(out, &at)?))
}

pub(super) fn tell(cx: &mut Cx<'_>, _: &Waker, fd: u32, out: u32) -> IoResult<()> {
    let at = cx.state.process.seek(Fd(fd), SeekFrom::Current(0))?;
    Poll::Ready(Ok(cx.memory.put(out, &at)?))
}
