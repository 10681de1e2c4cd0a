//! Bytes of a regular file.
//!
//! A file is a size, a sparse array of pages, and possibly an immutable image (a bundled program) that shows through wherever
//! no page is. Invariant: no byte at or past the size is kept, so that a file that is cut and extended again reads zeros.
//!
//! An image is either free, as a bundled program is for every VM, or *adopted*: content that a host gave away instead of having
//! it copied, which the VM pays for. An adopted image is held as a whole and paid as its pages would be; before the first
//! change it is split into these, so that what is paid is always what is held.
//!
//! A file that native programs have opened keeps its bytes in the host's memory instead (see `native`), and has no pages.

use super::native::{self, Native, recharge};
use super::pages::{PAGE, Page, Pages};
use super::quota::Ledger;
use crate::errno::Errno;
use crate::error::Result;
use crate::vfs::filesystem::{Blob, SeekTarget};
use bytes::Bytes;
use core::ops::Range;
use std::sync::Arc;

/// Least charge of a page but the first, which covers what a nearly empty page costs.
const LEAST_CHARGE: u64 = 128;
/// Content below this size is not worth an image of its own.
const ADOPTED_FROM: u64 = 64 * PAGE;

#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    size: u64,
    pages: Pages,
    base: Option<Base>,
    /// Sum of the charges of all pages and of an adopted image, or what the bytes of `native` were charged.
    charge: u64,
    native: Option<Native>,
}

#[derive(Debug, Clone)]
struct Base {
    blob: Arc<Blob>,
    /// How much of it still shows.
    len: u64,
    /// Whether it was adopted, and is paid for.
    adopted: bool,
}

impl Content {
    pub(super) fn of_blob(blob: Arc<Blob>) -> Self {
        Self {
            size: blob.len(),
            base: Some(Base {
                len: blob.len(),
                blob,
                adopted: false,
            }),
            ..Self::default()
        }
    }

    /// Takes the whole content of an empty file; false if it has to be written instead.
    pub(super) fn adopt(&mut self, ledger: &mut Ledger, content: Bytes) -> Result<bool> {
        let len = content.len() as u64;
        if len < ADOPTED_FROM || self.native.is_some() || self.size > 0 || self.base.is_some() || !self.pages.is_empty()
        {
            return Ok(false);
        }
        let (whole, rest) = (len / PAGE, (len % PAGE) as usize);
        let charge = whole * PAGE + if rest == 0 { 0 } else { charge_of(whole, rest) };
        self.charge = ledger.take(charge, "write")?;
        self.size = len;
        self.base = Some(Base {
            blob: Blob::new(content),
            len,
            adopted: true,
        });
        Ok(true)
    }

    /// Makes pages of an adopted image, because something of it is about to change.
    fn split(&mut self) {
        let Some(base) = self.base.take_if(|base| base.adopted) else {
            return;
        };
        let paid = self.charge > 0;
        for (index, bytes) in (0..).zip(base.blob.bytes().chunks(PAGE as usize)) {
            // At most PAGE.
            let charge = if paid { charge_of(index, bytes.len()) as u16 } else { 0 };
            let bytes = Arc::from(bytes);
            self.pages.insert(index, Page { bytes, charge });
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.native.as_ref().map_or(self.size, |native| native.now().size)
    }

    /// The bytes as native programs use them, where they do.
    pub(super) fn native(&self) -> Option<&Native> {
        self.native.as_ref()
    }

    /// Moves the bytes to where native programs can use them too. With `write` this fails where the quota is used up.
    pub(super) fn make_native(&mut self, ledger: &mut Ledger, write: bool) -> Result<&Native> {
        if self.native.is_none() {
            self.split();
            let mut native = Native::new()?;
            let mut at = 0;
            let mut buf = native::piece(self.size);
            while let Some(data) = self.seek(at, SeekTarget::Data).filter(|_| at < self.size) {
                let end = self.seek(data, SeekTarget::Hole).unwrap_or(self.size);
                at = data;
                while at < end {
                    let wanted = usize::try_from(end - at).unwrap_or(buf.len()).min(buf.len());
                    let piece = buf.get_mut(..wanted).unwrap_or_default();
                    let count = self.read(at, piece);
                    if count == 0 || native.fill(at, piece.get(..count).unwrap_or_default())? < count {
                        return Err(Errno::EIO.into());
                    }
                    at += count as u64;
                }
            }
            // What ends in a hole.
            if at < self.size {
                native.resize(self.size)?;
            }
            native.settle();
            self.discard(ledger, 0, u64::MAX);
            self.base = None;
            self.native = Some(native);
        }
        let charged = self.settle(ledger);
        match &mut self.native {
            Some(native) => {
                native.uses += 1;
                charged
                    .map(|()| &*native)
                    .or_else(|full| if write { Err(full) } else { Ok(native) })
            }
            // It was made above.
            None => Err(Errno::EIO.into()),
        }
    }

    /// Charges what natives have made of the file.
    pub(super) fn settle(&mut self, ledger: &mut Ledger) -> Result<()> {
        match &self.native {
            // What it takes nobody counts who has no limit, and asking costs a call.
            Some(native) if ledger.limited() => {
                recharge(ledger, &mut self.charge, native.now().blocks.saturating_mul(512))
            }
            _ => Ok(()),
        }
    }

    /// As [`settle`](Self::settle); what could not be charged.
    pub(super) fn settle_all(&mut self, ledger: &mut Ledger) -> u64 {
        match self.settle(ledger) {
            Ok(()) => 0,
            Err(_) => self.blocks().saturating_mul(512).saturating_sub(self.charge),
        }
    }

    /// What natives have done to the bytes so far is known: their time of change is the inode's from now on.
    pub(super) fn notice_changes(&mut self) {
        if let Some(native) = &mut self.native {
            native.settle();
        }
    }

    /// The same bytes in pages, for a copy of the filesystem. The charge stays what it is.
    pub(super) fn on_heap(&self) -> Self {
        let Some(native) = &self.native else {
            return self.clone();
        };
        let mut copy = Self {
            size: native.now().size,
            charge: self.charge,
            ..Self::default()
        };
        native.each_part(copy.size, |at, part| {
            let mut from = 0;
            while let Some(rest) = part.get(from..).filter(|rest| !rest.is_empty()) {
                let (index, start) = place(at + from as u64);
                let piece = rest.get(..PAGE as usize - start).unwrap_or(rest);
                copy.put(index, start, piece, 0);
                from += piece.len();
            }
        });
        copy.spread_charge();
        copy
    }

    /// Says which page was charged what, where only the sum is known; what the pages cannot bear stays with the first.
    fn spread_charge(&mut self) {
        let mut left = self.charge;
        let mut next = 0;
        while let Some(index) = self.pages.next_from(next).map(|(index, _)| index) {
            let share = left.min(PAGE);
            if let Some(page) = self.pages.get_mut(index) {
                // At most PAGE.
                page.charge = share as u16;
            }
            left -= share;
            next = index + 1;
        }
        // Pages are what gives charges back, so no charge may be without one.
        self.charge -= left;
    }

    pub(super) fn charge(&self) -> u64 {
        self.charge
    }

    /// Allocated 512-byte blocks.
    pub(super) fn blocks(&self) -> u64 {
        if let Some(native) = &self.native {
            return native.now().blocks;
        }
        let base = self.base.as_ref().map_or(0, |base| base.len.div_ceil(PAGE));
        (self.pages.len() as u64 + base) * (PAGE / 512)
    }

    /// The image, if nothing of it was changed.
    pub(super) fn blob(&self) -> Option<Arc<Blob>> {
        let base = self.base.as_ref()?;
        let whole = self.pages.is_empty() && base.len == base.blob.len() && self.size == base.len;
        whole.then(|| Arc::clone(&base.blob))
    }

    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> usize {
        if let Some(native) = &self.native {
            return native.read(offset, buf);
        }
        let left = self.size.saturating_sub(offset);
        let count = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        let mut rest = buf.get_mut(..count).unwrap_or_default();
        let mut at = offset;
        while !rest.is_empty() {
            let (index, from) = place(at);
            let now = rest.len().min(PAGE as usize - from);
            let (piece, after) = rest.split_at_mut(now);
            match self.pages.get(index) {
                Some(page) => copy(&page.bytes, from, piece),
                None => copy(self.base_bytes(index), from, piece),
            }
            rest = after;
            at += now as u64;
        }
        count
    }

    /// Stores what the quota allows and returns how much that was. The caller has checked the largest size.
    pub(super) fn write(&mut self, ledger: &mut Ledger, offset: u64, data: &[u8]) -> Result<usize> {
        if data.is_empty() {
            return Ok(0);
        }
        self.split();
        if self.native.is_some() {
            self.settle(ledger)?;
            let count = self
                .native
                .as_mut()
                .map_or(Ok(0), |native| native.write(offset, data))?;
            // What was written is there, charged or not.
            let _ = self.settle(ledger);
            return Ok(count);
        }
        let mut done = 0;
        while let Some(rest) = data.get(done..).filter(|rest| !rest.is_empty()) {
            let (index, from) = place(offset + done as u64);
            let piece = rest.get(..PAGE as usize - from).unwrap_or(rest);
            let stored = self.write_page(ledger, index, from, piece);
            done += stored;
            if stored < piece.len() {
                break;
            }
        }
        if done == 0 {
            return Err(ledger.refuse(data.len() as u64, "write"));
        }
        self.size = self.size.max(offset + done as u64);
        Ok(done)
    }

    /// Cuts or extends with a hole.
    ///
    /// # Errors
    /// `ENOMEM` for one that native programs use, if the host has none left.
    pub(super) fn resize(&mut self, ledger: &mut Ledger, size: u64) -> Result<()> {
        if let Some(native) = &mut self.native {
            native.resize(size)?;
            let _ = self.settle(ledger);
            return Ok(());
        }
        if size == 0 && self.base.take_if(|base| base.adopted).is_some() {
            ledger.give(std::mem::take(&mut self.charge));
        } else if size < self.size {
            self.split();
        }
        // Also when the size stays: what was reserved beyond it goes.
        if size <= self.size {
            let (index, used) = place(size);
            let first_gone = if used == 0 { index } else { index + 1 };
            self.discard(ledger, first_gone, u64::MAX);
            if let Some(base) = &mut self.base {
                base.len = base.len.min(size);
            }
            self.shorten_page(ledger, index, used);
            if self.base.as_ref().is_some_and(|base| base.len == 0) {
                self.base = None;
            }
        }
        self.size = size;
        Ok(())
    }

    /// Makes a range a hole, also where it is beyond the end; the size stays. Pages that are covered in part are kept.
    pub(super) fn punch(&mut self, ledger: &mut Ledger, range: Range<u64>) -> Result<()> {
        self.split();
        if let Some(native) = &mut self.native {
            native.allocate(&range, true)?;
            let _ = self.settle(ledger);
            return Ok(());
        }
        let (first, from) = place(range.start);
        let (last, to) = place(range.end);
        if first == last && to > 0 {
            return self.zero_page(ledger, first, from..to);
        }
        let whole_from = if from > 0 { first + 1 } else { first };
        if from > 0 {
            self.zero_page(ledger, first, from..PAGE as usize)?;
        }
        if whole_from < last {
            self.discard(ledger, whole_from, last);
            self.hide_base(ledger, whole_from..last)?;
        }
        if to > 0 {
            self.zero_page(ledger, last, 0..to)?;
        }
        Ok(())
    }

    /// Reserves room for a range, all or nothing. What is reserved reads zeros, and later writes to it cannot fail.
    pub(super) fn reserve(&mut self, ledger: &mut Ledger, range: Range<u64>) -> Result<()> {
        if let Some(native) = &mut self.native {
            native.allocate(&range, false)?;
            return self.settle(ledger);
        }
        let pages = range.start / PAGE..range.end.div_ceil(PAGE);
        if !ledger.limited() {
            return Ok(());
        }
        self.split();
        let mut held = 0;
        let mut next = pages.start;
        while let Some((index, page)) = self.pages.next_from(next).filter(|(index, _)| *index < pages.end) {
            held += u64::from(page.charge);
            next = index + 1;
        }
        let wanted = (pages.end - pages.start).saturating_mul(PAGE).saturating_sub(held);
        ledger.take(wanted, "fallocate")?;
        self.charge += wanted;
        for index in pages {
            match self.pages.get_mut(index) {
                Some(page) => page.charge = PAGE as u16,
                None => {
                    let bytes = Arc::from(self.base_bytes(index));
                    self.pages.insert(
                        index,
                        Page {
                            bytes,
                            charge: PAGE as u16,
                        },
                    );
                }
            }
        }
        Ok(())
    }

    /// Finds data or a hole at or after `offset`, which is before the end. `None` if only a hole follows.
    pub(super) fn seek(&self, offset: u64, target: SeekTarget) -> Option<u64> {
        if let Some(native) = &self.native {
            return native.seek(offset, target);
        }
        match target {
            SeekTarget::Data => self.next_data(offset),
            SeekTarget::Hole => {
                let mut at = offset;
                while at < self.size && self.is_data(at / PAGE) {
                    at = (at / PAGE + 1) * PAGE;
                }
                Some(at.min(self.size))
            }
        }
    }

    fn next_data(&self, offset: u64) -> Option<u64> {
        let mut index = offset / PAGE;
        if self.is_data(index) {
            return Some(offset);
        }
        loop {
            index += 1;
            let stored = self.pages.next_from(index).map(|(index, _)| index);
            let base_ends = self.base.as_ref().map_or(0, |base| base.len.div_ceil(PAGE));
            index = match stored {
                _ if index < base_ends => index,
                Some(stored) => stored,
                None => return None,
            };
            if self.is_data(index) {
                return Some(index * PAGE).filter(|at| *at < self.size);
            }
        }
    }

    fn is_data(&self, index: u64) -> bool {
        match self.pages.get(index) {
            Some(page) => !page.bytes.is_empty(),
            None => !self.base_range(index).is_empty(),
        }
    }

    /// Writes within one page; returns how much was stored.
    fn write_page(&mut self, ledger: &mut Ledger, index: u64, from: usize, data: &[u8]) -> usize {
        let old_len = match self.pages.get(index) {
            Some(page) => page.bytes.len(),
            None => self.base_bytes(index).len(),
        };
        let mut end = from + data.len();
        let held = self.pages.get(index).map_or(0, |page| page.charge);
        let wanted = charge_of(index, old_len.max(end)).saturating_sub(u64::from(held));
        let taken = ledger.take_up_to(wanted);
        let charge = u64::from(held) + taken;
        if taken < wanted {
            // As much as the charge pays for, but not less than what is there anyway.
            let affordable = usize::try_from(charge).unwrap_or(usize::MAX);
            end = end.min(affordable);
            if charge_of(index, old_len.max(end)) > charge || end <= from {
                ledger.give(taken);
                return 0;
            }
        }
        let charge = if ledger.limited() { charge } else { u64::from(held) };
        self.charge += charge - u64::from(held);
        let data = data.get(..end - from).unwrap_or(data);
        self.put(index, from, data, charge);
        data.len()
    }

    /// Puts bytes into a page, which gets the given charge.
    fn put(&mut self, index: u64, from: usize, data: &[u8], charge: u64) {
        // A page's charge is at most PAGE.
        let charge = charge as u16;
        let end = from + data.len();
        if let Some(page) = self.pages.get_mut(index) {
            page.charge = charge;
            if let Some(target) = Arc::get_mut(&mut page.bytes).and_then(|bytes| bytes.get_mut(from..end)) {
                target.copy_from_slice(data);
            } else {
                page.bytes = spliced(&page.bytes, from, data);
            }
            return;
        }
        let bytes = spliced(self.base_bytes(index), from, data);
        self.pages.insert(index, Page { bytes, charge });
    }

    /// Zeros a part of a page, if it holds anything there.
    fn zero_page(&mut self, ledger: &mut Ledger, index: u64, range: Range<usize>) -> Result<()> {
        let len = match self.pages.get(index) {
            Some(page) => page.bytes.len(),
            None => self.base_bytes(index).len(),
        };
        let end = range.end.min(len);
        if range.start >= end {
            return Ok(());
        }
        let held = self.pages.get(index).map_or(0, |page| u64::from(page.charge));
        let wanted = charge_of(index, len).saturating_sub(held);
        let taken = ledger.take(wanted, "fallocate")?;
        self.charge += taken;
        let zeros = [0; PAGE as usize];
        self.put(
            index,
            range.start,
            zeros.get(range.start..end).unwrap_or_default(),
            held + taken,
        );
        Ok(())
    }

    /// Cuts a page to its first `used` bytes; 0 means that it is gone already.
    fn shorten_page(&mut self, ledger: &mut Ledger, index: u64, used: usize) {
        let Some(page) = self.pages.get_mut(index).filter(|page| page.bytes.len() > used) else {
            return;
        };
        page.bytes = Arc::from(page.bytes.get(..used).unwrap_or_default());
        let kept = charge_of(index, used).min(u64::from(page.charge));
        let given = u64::from(page.charge) - kept;
        page.charge = kept as u16;
        self.charge -= given;
        ledger.give(given);
    }

    /// Drops stored pages.
    fn discard(&mut self, ledger: &mut Ledger, first: u64, end: u64) {
        let charges = self.pages.remove_range(first, end);
        self.charge -= charges;
        ledger.give(charges);
    }

    /// Covers the image by holes.
    fn hide_base(&mut self, ledger: &mut Ledger, pages: Range<u64>) -> Result<()> {
        let base_ends = self.base.as_ref().map_or(0, |base| base.len.div_ceil(PAGE));
        for index in pages.start..pages.end.min(base_ends) {
            let charge = ledger.take(LEAST_CHARGE, "fallocate")?;
            self.charge += charge;
            let hole = Page {
                bytes: Arc::from([]),
                charge: charge as u16,
            };
            self.pages.insert(index, hole);
        }
        Ok(())
    }

    fn base_range(&self, index: u64) -> Range<u64> {
        let len = self.base.as_ref().map_or(0, |base| base.len);
        let start = (index * PAGE).min(len);
        start..len.min((index + 1) * PAGE)
    }

    /// The part of the image that shows in a page.
    fn base_bytes(&self, index: u64) -> &[u8] {
        let range = self.base_range(index);
        let Some(base) = self.base.as_ref().filter(|_| !range.is_empty()) else {
            return &[];
        };
        let bytes = base.blob.bytes();
        // A lazy image whose loading failed is shorter than it said.
        let (start, end) = (range.start as usize, (range.end as usize).min(bytes.len()));
        bytes.get(start..end).unwrap_or_default()
    }
}

/// What a page of `len` bytes is charged. The first page's fixed cost is part of the inode's.
fn charge_of(index: u64, len: usize) -> u64 {
    let len = len as u64;
    if index == 0 { len } else { len.max(LEAST_CHARGE) }
}

/// Page and offset in it.
fn place(offset: u64) -> (u64, usize) {
    (offset / PAGE, (offset % PAGE) as usize)
}

/// Copies what `page` holds from `from` on, and zeros after it.
fn copy(page: &[u8], from: usize, to: &mut [u8]) {
    let held = page.get(from..).unwrap_or_default();
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
    let mut page = [0; PAGE as usize];
    let len = old.len().max(end);
    if let Some(kept) = page.get_mut(..old.len()) {
        kept.copy_from_slice(old);
    }
    if let Some(target) = page.get_mut(from..end) {
        target.copy_from_slice(data);
    }
    Arc::from(page.get(..len).unwrap_or_default())
}
