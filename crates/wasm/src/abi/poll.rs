//! Waiting for descriptors, children and signals at once.

use crate::imports::Cx;
use agentos_abi::Record;
use agentos_abi::fd as abi;
use agentos_kernel::fd::{IoResult, PollEvents};
use agentos_kernel::id::Fd;
use agentos_kernel::process::{PollEntry, PollSource, SigSet, WaitTarget};
use agentos_kernel::{Errno, Result};
use smallvec::SmallVec;
use std::task::{Poll, Waker, ready};

/// Bytes of the record from its start to the place of the ready bits.
const READY_AT: usize = abi::PollEntry::SIZE - u32::SIZE;

pub(super) fn poll(
    cx: &mut Cx<'_>,
    waker: &Waker,
    entries: u32,
    count: u32,
    timeout: i64,
    mask: u32,
    out: u32,
) -> IoResult<()> {
    cx.memory.check::<u32>(out)?;
    let cap = cx.state.process.kernel().limits().max_open_fds_per_process;
    // Every descriptor, and as many children and signals.
    if u64::from(count) > cap.saturating_mul(2) {
        return Poll::Ready(Err(Errno::EINVAL.into()));
    }
    let len = count.checked_mul(abi::PollEntry::SIZE as u32).ok_or(Errno::EFAULT)?;
    let mut watched = read(cx.memory.bytes(entries, len)?)?;
    let mask = if mask == 0 {
        None
    } else {
        Some(SigSet(cx.memory.get::<u64>(mask)?))
    };
    let deadline = cx.deadline(timeout);
    let process = &cx.state.process;
    let ready = ready!(process.poll(&mut watched, deadline, mask, Some(waker)))?;
    for (record, entry) in cx
        .memory
        .bytes_mut(entries, len)?
        .chunks_exact_mut(abi::PollEntry::SIZE)
        .zip(&watched)
    {
        entry
            .ready
            .bits()
            .encode(record.get_mut(READY_AT..).unwrap_or_default());
    }
    // At most as many as there are entries.
    Poll::Ready(Ok(cx.memory.put(out, &(ready as u32))?))
}

fn read(records: &[u8]) -> Result<SmallVec<[PollEntry; 8]>> {
    records
        .chunks_exact(abi::PollEntry::SIZE)
        .map(|record| entry(&abi::PollEntry::decode(record)))
        .collect()
}

fn entry(record: &abi::PollEntry) -> Result<PollEntry> {
    let source = match record.kind {
        abi::POLL_KIND_FD => PollSource::Fd(Fd(record.id.cast_unsigned())),
        abi::POLL_KIND_CHILD => PollSource::Child(WaitTarget::from_raw(record.id)),
        abi::POLL_KIND_SIGNAL => PollSource::Signal,
        _ => return Err(Errno::EINVAL.into()),
    };
    let interest = PollEvents::from_bits_truncate(record.events);
    Ok(PollEntry {
        source,
        interest,
        ready: PollEvents::empty(),
    })
}
