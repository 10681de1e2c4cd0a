//! `poll_oneoff`: clocks and descriptors.

use super::clock::deadline;
use crate::imports::{Cx, GuestError};
use agentos_abi::{Record, errno};
use agentos_kernel::clock::Instant;
use agentos_kernel::fd::{IoResult, PollEvents};
use agentos_kernel::id::Fd;
use agentos_kernel::process::{PollEntry, PollSource};
use agentos_kernel::{Errno, Result};
use std::task::{Poll, Waker, ready};

const SUBSCRIPTION: usize = 48;
const EVENT: usize = 32;
const CLOCK: u8 = 0;
const FD_READ: u8 = 1;
const FD_WRITE: u8 = 2;
/// `subclockflags`: the timeout is a moment, not a span.
const ABSTIME: u16 = 1;
/// `eventrwflags`: the other side has hung up.
const HANGUP: u16 = 1;
/// What is said about room to write: it is at least this much.
const ROOM: u64 = 4096;

/// One subscription, as far as it matters here.
struct Subscription {
    userdata: u64,
    tag: u8,
    /// A clock's moment, or why it has none.
    clock: Option<Result<Instant>>,
    fd: Fd,
}

/// What happened to one subscription.
struct Event {
    error: u32,
    bytes: u64,
    flags: u16,
}

pub(super) fn oneoff(
    cx: &mut Cx<'_>,
    waker: &Waker,
    subscriptions: u32,
    events: u32,
    count: u32,
    out: u32,
) -> IoResult<()> {
    cx.memory.check::<u32>(out)?;
    let cap = cx.state.process.kernel().limits().max_open_fds_per_process;
    if count == 0 || u64::from(count) > cap.saturating_mul(2) {
        return Poll::Ready(Err(Errno::EINVAL.into()));
    }
    let bytes = |size: usize| count.checked_mul(size as u32).ok_or(Errno::EFAULT);
    cx.memory.bytes(events, bytes(EVENT)?)?;
    let wanted = read(cx, subscriptions, bytes(SUBSCRIPTION)?)?;
    let mut watched: Vec<PollEntry> = wanted
        .iter()
        .filter(|one| one.tag != CLOCK)
        .map(Subscription::entry)
        .collect();
    let process = &cx.state.process;
    let ready = if wanted.iter().any(|one| matches!(one.clock, Some(Err(_)))) {
        // A clock that cannot be waited for is an event at once.
        process.poll(&mut watched, Some(Instant(0)), None, Some(waker))
    } else {
        let first = wanted
            .iter()
            .filter_map(|one| one.clock.as_ref()?.as_ref().ok())
            .min()
            .copied();
        process.poll(&mut watched, first, None, Some(waker))
    };
    ready!(ready)?;
    let reported = report(cx, &wanted, &watched, events)?;
    Poll::Ready(Ok(cx.memory.put(out, &reported)?))
}

fn read(cx: &mut Cx<'_>, start: u32, len: u32) -> Result<Vec<Subscription>> {
    let process = &cx.state.process;
    let began = *cx
        .scratch
        .began
        .get_or_insert_with(|| process.kernel().clock().instant());
    let records = cx.memory.bytes(start, len)?;
    records
        .chunks_exact(SUBSCRIPTION)
        .map(|record| subscription(cx, record, began))
        .collect()
}

fn subscription(cx: &Cx<'_>, record: &[u8], began: Instant) -> Result<Subscription> {
    let at = |at: usize| record.get(at..).unwrap_or_default();
    let tag = u8::decode(at(8));
    let id = u32::decode(at(16));
    let clock = match tag {
        CLOCK => {
            let absolute = u16::decode(at(40)) & ABSTIME != 0;
            Some(deadline(cx, id, u64::decode(at(24)), absolute, began))
        }
        FD_READ | FD_WRITE => None,
        _ => return Err(Errno::EINVAL.into()),
    };
    Ok(Subscription {
        userdata: u64::decode(record),
        tag,
        clock,
        fd: Fd(id),
    })
}

impl Subscription {
    fn entry(&self) -> PollEntry {
        let interest = if self.tag == FD_READ {
            PollEvents::IN
        } else {
            PollEvents::OUT
        };
        PollEntry {
            source: PollSource::Fd(self.fd),
            interest,
            ready: PollEvents::empty(),
        }
    }
}

/// Writes the events and returns their number.
fn report(cx: &mut Cx<'_>, wanted: &[Subscription], watched: &[PollEntry], events: u32) -> Result<u32> {
    let now = cx.state.process.kernel().clock().instant();
    let mut entries = watched.iter();
    let mut reported = 0;
    for one in wanted {
        let event = match &one.clock {
            Some(Ok(deadline)) if *deadline > now => continue,
            Some(Ok(_)) => Event {
                error: errno::SUCCESS,
                bytes: 0,
                flags: 0,
            },
            Some(Err(error)) => Event {
                error: error.number(),
                bytes: 0,
                flags: 0,
            },
            None => match entries.next() {
                Some(entry) if !entry.ready.is_empty() => ready_event(cx, one, entry.ready),
                _ => continue,
            },
        };
        let at = events.saturating_add(reported * EVENT as u32);
        put(cx, at, one, &event)?;
        reported += 1;
    }
    Ok(reported)
}

fn ready_event(cx: &Cx<'_>, one: &Subscription, ready: PollEvents) -> Event {
    if ready.contains(PollEvents::NVAL) {
        return Event {
            error: errno::EBADF,
            bytes: 0,
            flags: 0,
        };
    }
    let bytes = match one.tag {
        FD_READ => cx.state.process.available(one.fd).unwrap_or(1),
        _ => ROOM,
    };
    Event {
        error: errno::SUCCESS,
        bytes,
        flags: if ready.contains(PollEvents::HUP) { HANGUP } else { 0 },
    }
}

fn put(cx: &mut Cx<'_>, at: u32, one: &Subscription, event: &Event) -> Result<()> {
    let record = cx.memory.bytes_mut(at, EVENT as u32)?;
    let head = u64::from(event.error) | u64::from(one.tag) << 16;
    for (slot, field) in
        record
            .chunks_exact_mut(u64::SIZE)
            .zip([one.userdata, head, event.bytes, u64::from(event.flags)])
    {
        field.encode(slot);
    }
    Ok(())
}
