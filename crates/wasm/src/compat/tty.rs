//! The terminal of a program that edits lines itself.

use crate::imports::{Cx, GuestError};
use agentos_kernel::fd::{IoResult, PollEvents};
use agentos_kernel::id::Fd;
use agentos_kernel::process::{PollEntry, PollSource};
use agentos_kernel::tty::When;
use agentos_kernel::{Error, Result};
use std::task::{Poll, Waker, ready};

/// Standard input, which is what is meant.
const STDIN: Fd = Fd(0);
/// Bytes that one read of what is typed gives at most.
const READ_MAX: u32 = 1 << 16;

/// A count, where other calls answer the number of an error.
pub(super) struct Count(u32);

impl GuestError for Count {
    fn number(&self) -> u32 {
        self.0
    }

    fn kernel(&self) -> Option<&Error> {
        None
    }
}

/// Reads what is typed, for so many milliseconds at most (negative: for ever). How much it was, and nothing at an end, after
/// that time, and for every error.
pub(super) fn read(
    cx: &mut Cx<'_>,
    waker: &Waker,
    buf: u32,
    len: u32,
    timeout: i32,
) -> Poll<std::result::Result<(), Count>> {
    let read = ready!(try_read(cx, waker, buf, len.min(READ_MAX), timeout));
    Poll::Ready(Err(Count(read.unwrap_or(0))))
}

fn try_read(cx: &mut Cx<'_>, waker: &Waker, buf: u32, len: u32, timeout: i32) -> IoResult<u32> {
    cx.memory.bytes(buf, len)?;
    let deadline = cx.deadline(i64::from(timeout).saturating_mul(1_000_000));
    let process = &cx.state.process;
    let mut watched = [PollEntry {
        source: PollSource::Fd(STDIN),
        interest: PollEvents::IN,
        ready: PollEvents::empty(),
    }];
    if ready!(process.poll(&mut watched, deadline, None, Some(waker)))? == 0 {
        return Poll::Ready(Ok(0));
    }
    let count = ready!(process.read(STDIN, cx.memory.bytes_mut(buf, len)?, Some(waker)))?;
    Poll::Ready(Ok(u32::try_from(count).unwrap_or(READ_MAX)))
}

/// Makes the terminal pass bytes untouched, or be again what it was before.
pub(super) fn set_raw(cx: &mut Cx<'_>, waker: &Waker, raw: u32) -> IoResult<()> {
    let process = &cx.state.process;
    let before = &mut cx.state.foreign.cooked;
    if raw == 0 {
        let Some(cooked) = *before else {
            return Poll::Ready(Ok(()));
        };
        ready!(process.set_tty_attributes(STDIN, When::Now, cooked, Some(waker)))?;
        *before = None;
        return Poll::Ready(Ok(()));
    }
    let now: Result<_> = process.tty_attributes(STDIN);
    let now = now?;
    ready!(process.set_tty_attributes(STDIN, When::Now, now.raw(), Some(waker)))?;
    before.get_or_insert(now);
    Poll::Ready(Ok(()))
}
