//! Bytes of a regular file.
//!
//! A file is a size and a sparse array of blocks. Which blocks there are is known of a whole file or not at all; their bytes
//! come one by one when they are read. Invariants: no byte at or past the size is kept, so that a file that is cut and
//! extended again reads zeros; the bytes of a block that are not in memory are on disk as they are.

use core::ops::Range;
use std::collections::BTreeMap;
use std::sync::Arc;

use agentos_kernel::error::Result;
use agentos_kernel::vfs::SeekTarget;

use super::journal::Marker;
use super::ledger::{Ledger, block_charge};
use super::node::Row;

/// Bytes of a block; holes come and go in such units.
pub(super) const BLOCK: u64 = 4096;

/// Memory of a block without its bytes.
const BLOCK_WEIGHT: u64 = 48;

/// A block that exists. Bytes beyond `len` are zeros; none at all is room that was only reserved.
#[derive(Debug, Clone)]
pub(super) struct Block {
    /// What the quota was charged for it.
    pub(super) room: u16,
    pub(super) len: u16,
    /// The bytes, if they are in memory; shared with a commit in progress until written.
    pub(super) bytes: Option<Arc<[u8]>>,
}

/// All blocks of a file, by index.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    map: BTreeMap<u64, Block>,
    /// Bytes in memory.
    held: u64,
}

impl Blocks {
    /// Blocks as the database lists them: index, charge, length.
    pub(super) fn listed(list: Vec<(u64, u16, u16)>) -> Self {
        let map = list.into_iter().map(|(index, room, len)| {
            let bytes = None;
            (index, Block { room, len, bytes })
        });
        Self {
            map: map.collect(),
            held: 0,
        }
    }

    pub(super) fn get(&self, index: u64) -> Option<&Block> {
        self.map.get(&index)
    }

    pub(super) fn count(&self) -> u64 {
        self.map.len() as u64
    }

    pub(super) fn weight(&self) -> u64 {
        self.map.len() as u64 * BLOCK_WEIGHT + self.held
    }

    /// Whether all bytes of a range of blocks are in memory.
    pub(super) fn is_loaded(&self, range: Range<u64>) -> bool {
        self.map.range(range).all(|(_, block)| block.bytes.is_some())
    }

    /// Takes bytes that were read from disk; false if they are not what belongs there.
    pub(super) fn fill(&mut self, index: u64, bytes: Arc<[u8]>) -> bool {
        let Some(block) = self.map.get_mut(&index).filter(|block| block.bytes.is_none()) else {
            // Changed or removed in memory since; what is on disk is the past.
            return true;
        };
        if bytes.len() != usize::from(block.len) {
            return false;
        }
        self.held += bytes.len() as u64;
        block.bytes = Some(bytes);
        true
    }

    /// Forgets the bytes of blocks that are on disk as they are.
    pub(super) fn forget(&mut self, is_dirty: impl Fn(u64) -> bool) {
        for (index, block) in &mut self.map {
            if block.bytes.is_some() && !is_dirty(*index) {
                self.held -= u64::from(block.len);
                block.bytes = None;
            }
        }
    }

    /// Reads what is there; `None` if bytes are not in memory. `size` is the file's.
    pub(super) fn read(&self, size: u64, offset: u64, buf: &mut [u8]) -> Option<usize> {
        let left = size.saturating_sub(offset);
        let count = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        let mut rest = buf.get_mut(..count).unwrap_or_default();
        let mut at = offset;
        while !rest.is_empty() {
            let (index, from) = place(at);
            let now = rest.len().min(BLOCK as usize - from);
            let (piece, after) = rest.split_at_mut(now);
            match self.map.get(&index) {
                Some(block) => copy(block.bytes.as_deref()?, from, piece),
                None => piece.fill(0),
            }
            rest = after;
            at += now as u64;
        }
        Some(count)
    }

    /// Finds data or a hole at or after `offset`, which is before the end. `None` if only a hole follows.
    pub(super) fn seek(&self, size: u64, offset: u64, target: SeekTarget) -> Option<u64> {
        let (index, _) = place(offset);
        match target {
            SeekTarget::Data => {
                let mut data = self.map.range(index..).filter(|(_, block)| block.len > 0);
                let at = data.next().map(|(found, _)| offset.max(found * BLOCK));
                at.filter(|at| *at < size)
            }
            SeekTarget::Hole => {
                let mut at = offset;
                while at < size && self.map.get(&(at / BLOCK)).is_some_and(|block| block.len > 0) {
                    at = (at / BLOCK + 1) * BLOCK;
                }
                Some(at.min(size))
            }
        }
    }
}

/// A file that is being changed. The bytes of blocks that are changed in part are in memory.
pub(super) struct Content<'a> {
    pub(super) row: &'a mut Row,
    pub(super) blocks: &'a mut Blocks,
    pub(super) marker: Marker<'a>,
    pub(super) ledger: &'a mut Ledger,
}

impl Content<'_> {
    /// Stores what the quota allows and returns how much that was. The caller has checked the largest size.
    pub(super) fn write(&mut self, offset: u64, data: &[u8]) -> Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        let mut done = 0;
        while let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) {
            let (index, from) = place(offset + done as u64);
            let piece = rest.get(..BLOCK as usize - from).unwrap_or(rest);
            let stored = self.write_block(index, from, piece);
            done += stored;
            if stored < piece.len() {
                break;
            }
        }
        if done == 0 {
            return Err(self.ledger.refuse(data.len() as u64, "write"));
        }
        self.row.size = self.row.size.max(offset + done as u64);
        Ok(done)
    }

    /// Cuts or extends with a hole.
    pub(super) fn resize(&mut self, size: u64) {
        // Also when the size stays: what was reserved beyond it goes.
        if size <= self.row.size {
            let (index, used) = place(size);
            self.discard_from(if used == 0 { index } else { index + 1 });
            self.shorten_block(index, used);
        }
        self.row.size = size;
    }

    /// Makes a range a hole, also where it is beyond the end; the size stays. Blocks that are covered in part are kept.
    pub(super) fn punch(&mut self, range: Range<u64>) -> Result<()> {
        let (first, from) = place(range.start);
        let (last, to) = place(range.end);
        if first == last && to > 0 {
            return self.zero_block(first, from..to);
        }
        let whole_from = if from > 0 { first + 1 } else { first };
        if from > 0 {
            self.zero_block(first, from..BLOCK as usize)?;
        }
        if whole_from < last {
            let goes: Vec<u64> = self.blocks.map.range(whole_from..last).map(|(at, _)| *at).collect();
            for index in goes {
                self.discard(index);
                self.marker.block(index);
            }
        }
        if to > 0 {
            self.zero_block(last, 0..to)?;
        }
        Ok(())
    }

    /// Reserves room for a range, all or nothing. What is reserved reads zeros, and later writes to it cannot fail for want
    /// of quota.
    pub(super) fn reserve(&mut self, range: Range<u64>) -> Result<()> {
        if !self.ledger.limited() {
            return Ok(());
        }
        let span = range.start / BLOCK..range.end.div_ceil(BLOCK);
        let held: u64 = self
            .blocks
            .map
            .range(span.clone())
            .map(|(_, b)| u64::from(b.room))
            .sum();
        let wanted = (span.end - span.start).saturating_mul(BLOCK).saturating_sub(held);
        self.ledger.take(wanted, "fallocate")?;
        self.row.room += wanted;
        for index in span {
            let stored = &mut self.row.stored;
            let block = self.blocks.map.entry(index).or_insert_with(|| {
                *stored += 1;
                Block {
                    room: 0,
                    len: 0,
                    bytes: Some(Arc::from([])),
                }
            });
            if u64::from(block.room) != BLOCK {
                block.room = BLOCK as u16;
                self.marker.block(index);
            }
        }
        Ok(())
    }

    /// Writes within one block; returns how much was stored.
    fn write_block(&mut self, index: u64, from: usize, data: &[u8]) -> usize {
        let (old_len, held) = self.measure(index);
        let mut end = from + data.len();
        let needs = |end: usize| block_charge(index, old_len.max(end as u64));
        let wanted = needs(end).saturating_sub(held);
        let taken = self.ledger.take_up_to(wanted);
        let charge = held + taken;
        if taken < wanted {
            // As much as the charge pays for, but not less than what is there anyway.
            end = end.min(usize::try_from(charge).unwrap_or(usize::MAX));
            if needs(end) > charge || end <= from {
                self.ledger.give(taken);
                return 0;
            }
        }
        self.row.room += taken;
        let data = data.get(..end - from).unwrap_or(data);
        self.put(index, from, data, charge);
        data.len()
    }

    /// Length and charge of a block.
    fn measure(&self, index: u64) -> (u64, u64) {
        let block = self.blocks.get(index);
        block.map_or((0, 0), |block| (u64::from(block.len), u64::from(block.room)))
    }

    /// Puts bytes into a block, which gets the given charge.
    fn put(&mut self, index: u64, from: usize, data: &[u8], charge: u64) {
        let stored = &mut self.row.stored;
        let block = self.blocks.map.entry(index).or_insert_with(|| {
            *stored += 1;
            Block {
                room: 0,
                len: 0,
                bytes: None,
            }
        });
        // Neither charge nor length is more than BLOCK.
        block.room = charge as u16;
        let before = block.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        let end = from + data.len();
        let bytes = match block.bytes.take() {
            Some(mut bytes) => match Arc::get_mut(&mut bytes).and_then(|bytes| bytes.get_mut(from..end)) {
                Some(target) => {
                    target.copy_from_slice(data);
                    bytes
                }
                None => spliced(&bytes, from, data),
            },
            None => spliced(&[], from, data),
        };
        block.len = bytes.len() as u16;
        self.blocks.held = self.blocks.held - before + bytes.len() as u64;
        block.bytes = Some(bytes);
        self.marker.block(index);
    }

    /// Zeros a part of a block, if it holds anything there.
    fn zero_block(&mut self, index: u64, range: Range<usize>) -> Result<()> {
        let (len, held) = self.measure(index);
        let end = range.end.min(len as usize);
        if range.start >= end {
            return Ok(());
        }
        let wanted = block_charge(index, len).saturating_sub(held);
        self.ledger.take(wanted, "fallocate")?;
        self.row.room += wanted;
        let zeros = [0; BLOCK as usize];
        let zeros = zeros.get(range.start..end).unwrap_or_default();
        self.put(index, range.start, zeros, held + wanted);
        Ok(())
    }

    /// Cuts a block to its first `used` bytes; 0 means that it is gone already.
    fn shorten_block(&mut self, index: u64, used: usize) {
        let Some(block) = self.blocks.map.get_mut(&index).filter(|b| usize::from(b.len) > used) else {
            return;
        };
        let bytes = block.bytes.as_deref().and_then(|bytes| bytes.get(..used));
        let bytes: Arc<[u8]> = Arc::from(bytes.unwrap_or_default());
        self.blocks.held = self.blocks.held.saturating_sub(u64::from(block.len)) + bytes.len() as u64;
        block.len = bytes.len() as u16;
        block.bytes = Some(bytes);
        let kept = block_charge(index, used as u64).min(u64::from(block.room));
        let given = u64::from(block.room) - kept;
        block.room = kept as u16;
        self.row.room -= given;
        self.ledger.give(given);
        self.marker.block(index);
    }

    /// Drops the blocks from `first` on.
    fn discard_from(&mut self, first: u64) {
        let gone = self.blocks.map.split_off(&first);
        if gone.is_empty() {
            return;
        }
        for block in gone.values() {
            self.dropped(block);
        }
        self.marker.cut(first);
    }

    fn discard(&mut self, index: u64) {
        if let Some(block) = self.blocks.map.remove(&index) {
            self.dropped(&block);
        }
    }

    fn dropped(&mut self, block: &Block) {
        self.blocks.held -= block.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        self.row.stored -= 1;
        self.row.room -= u64::from(block.room);
        self.ledger.give(u64::from(block.room));
    }
}

/// Block and offset in it.
pub(super) fn place(offset: u64) -> (u64, usize) {
    (offset / BLOCK, (offset % BLOCK) as usize)
}

/// The blocks that a range of bytes touches.
pub(super) fn touched(offset: u64, len: u64) -> Range<u64> {
    offset / BLOCK..offset.saturating_add(len).div_ceil(BLOCK)
}

/// Copies what `block` holds from `from` on, and zeros after it.
fn copy(block: &[u8], from: usize, to: &mut [u8]) {
    let held = block.get(from..).unwrap_or_default();
    let count = held.len().min(to.len());
    let (data, zeros) = to.split_at_mut(count);
    data.copy_from_slice(held.get(..count).unwrap_or_default());
    zeros.fill(0);
}

/// `old` with `data` at `from`, and zeros in between where `old` is shorter.
fn spliced(old: &[u8], from: usize, data: &[u8]) -> Arc<[u8]> {
    let end = from + data.len();
    if from == 0 && end >= old.len() {
        return Arc::from(data);
    }
    let mut block = [0; BLOCK as usize];
    let len = old.len().max(end);
    if let Some(kept) = block.get_mut(..old.len()) {
        kept.copy_from_slice(old);
    }
    if let Some(target) = block.get_mut(from..end) {
        target.copy_from_slice(data);
    }
    Arc::from(block.get(..len).unwrap_or_default())
}
