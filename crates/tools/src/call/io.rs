//! Reading and writing as the process does it.

use agentos_kernel::id::Fd;
use agentos_kernel::process::{Dir, OpenHow, Process};
use agentos_kernel::{Errno, Error};
use std::future::poll_fn;

/// The process has to end.
#[derive(Debug)]
pub(super) struct Doomed;

pub(super) const STDIN: Fd = Fd(0);
pub(super) const STDOUT: Fd = Fd(1);
pub(super) const STDERR: Fd = Fd(2);

/// Bytes that are read at once.
const PIECE: usize = 16 << 10;

/// What reading a whole input gives.
pub(super) enum Read {
    /// All of it.
    Whole(Vec<u8>),
    /// It has more bytes than allowed.
    TooMuch,
    /// The VM has no memory for it.
    NoMemory,
    /// It cannot be read.
    Failed(Error),
}

/// Writes everything. Whether that was possible: a reader that is gone, or a descriptor that is closed, is no reason to fail
/// in another way than programs do.
pub(super) async fn write(process: &Process, fd: Fd, mut data: &[u8]) -> Result<bool, Doomed> {
    while !data.is_empty() {
        match poll_fn(|cx| process.write(fd, data, Some(cx.waker()))).await {
            Ok(0) => return Ok(false),
            Ok(count) => data = data.get(count..).unwrap_or_default(),
            Err(error) if error == Errno::EINTR && process.should_yield() => return Err(Doomed),
            Err(error) if error == Errno::EINTR => {}
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}

/// Reads to the end, at most `max` bytes, on the process's account.
pub(super) async fn read(process: &Process, fd: Fd, max: usize) -> Result<Read, Doomed> {
    let mut content = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        let room = max.saturating_add(1).saturating_sub(content.len());
        let part = piece.get_mut(..room.min(PIECE)).unwrap_or_default();
        match poll_fn(|cx| process.read(fd, part, Some(cx.waker()))).await {
            Ok(0) => return Ok(Read::Whole(content)),
            Ok(count) => {
                if !process.grow_memory(count as u64) {
                    return Ok(Read::NoMemory);
                }
                content.extend_from_slice(part.get(..count).unwrap_or_default());
                if content.len() > max {
                    return Ok(Read::TooMuch);
                }
            }
            Err(error) if error == Errno::EINTR && process.should_yield() => return Err(Doomed),
            Err(error) if error == Errno::EINTR => {}
            Err(error) => return Ok(Read::Failed(error)),
        }
    }
}

/// Reads a file.
pub(super) async fn read_file(process: &Process, path: &str, max: usize) -> Result<Read, Doomed> {
    let mut how = OpenHow::default();
    (how.options.read, how.no_tty, how.cloexec) = (true, true, true);
    let opened = poll_fn(|cx| process.open(Dir::Cwd, path.as_bytes(), &how, Some(cx.waker()))).await;
    match opened {
        Ok(fd) => {
            let read = read(process, fd, max).await;
            // It was just opened.
            let _ = process.close(fd);
            read
        }
        Err(error) if error == Errno::EINTR && process.should_yield() => Err(Doomed),
        Err(error) => {
            process.note_denial(&error);
            Ok(Read::Failed(error))
        }
    }
}
