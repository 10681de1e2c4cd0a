//! The queue from the keyboard to the program.
//!
//! ```text
//!   tail            canon           head
//!    |  ended lines   |  open line    |        canonical: lines are read, the open line is edited
//!    |           committed            |        raw: everything is read
//! ```
//!
//! Positions count bytes since the terminal was made. `ends` holds the positions of bytes that end a line; one that is
//! [`DISABLED`] stands for an end of file and is not read itself.

use super::discipline::DISABLED;
use std::collections::VecDeque;

#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: VecDeque<u8>,
    ends: VecDeque<u64>,
    tail: u64,
    canon: u64,
    /// End of what a raw read may take.
    committed: u64,
    canonical: bool,
    started: bool,
}

impl Input {
    fn head(&self) -> u64 {
        self.tail + self.bytes.len() as u64
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that may be read: of ended lines, or all that came in raw.
    pub(super) fn committed(&self) -> usize {
        let end = if self.is_canonical() {
            self.canon
        } else {
            self.committed
        };
        // No more than the queue's length, which is a `usize`.
        usize::try_from(end.saturating_sub(self.tail)).unwrap_or(0)
    }

    /// A terminal begins canonical.
    fn is_canonical(&self) -> bool {
        self.canonical || !self.started
    }

    /// Changes between lines and bytes. What is queued becomes one line, or loses its ends.
    pub(super) fn set_canonical(&mut self, canonical: bool) {
        self.started = true;
        self.canonical = canonical;
        self.ends.clear();
        self.committed = self.head();
        if canonical && !self.bytes.is_empty() {
            self.canon = self.head();
            self.ends.push_back(self.canon - 1);
        } else {
            self.canon = self.tail;
        }
    }

    pub(super) fn push(&mut self, byte: u8) {
        self.bytes.push_back(byte);
    }

    /// Makes what came in raw readable.
    pub(super) fn commit(&mut self) {
        self.committed = self.head();
    }

    /// Ends the open line with `byte`.
    pub(super) fn end_line(&mut self, byte: u8) {
        self.ends.push_back(self.head());
        self.push(byte);
        self.canon = self.head();
    }

    /// Keeps the open line below `max` bytes by taking back the last one, so that one more, which may end it, has room.
    pub(super) fn make_room_in_line(&mut self, max: usize) {
        if self.line_len() >= max {
            self.bytes.pop_back();
        }
    }

    /// Bytes of the open line.
    pub(super) fn line_len(&self) -> usize {
        // Within the queue, whose length is a `usize`.
        usize::try_from(self.head().saturating_sub(self.canon)).unwrap_or(0)
    }

    /// The open line.
    pub(super) fn line(&self) -> impl DoubleEndedIterator<Item = u8> + '_ {
        let start = self.bytes.len().saturating_sub(self.line_len());
        self.bytes.range(start..).copied()
    }

    /// The byte `count` from the end of the open line: 1 is the last.
    pub(super) fn line_from_end(&self, count: usize) -> Option<u8> {
        let at = self.bytes.len().checked_sub(count)?;
        self.bytes.get(at).copied().filter(|_| count <= self.line_len())
    }

    /// Removes the last `count` bytes of the open line.
    pub(super) fn drop_from_line(&mut self, count: usize) -> Vec<u8> {
        let count = count.min(self.line_len());
        self.bytes.split_off(self.bytes.len() - count).into()
    }

    /// Removes the open line.
    pub(super) fn drop_line(&mut self) {
        self.drop_from_line(self.line_len());
    }

    pub(super) fn has_line(&self) -> bool {
        self.canon != self.tail
    }

    /// Bytes of ended lines without ends of file.
    pub(super) fn line_bytes(&self) -> usize {
        let is_eof = |end: &&u64| self.at(**end) == Some(DISABLED);
        self.committed() - self.ends.iter().filter(is_eof).count()
    }

    fn at(&self, position: u64) -> Option<u8> {
        let index = position.checked_sub(self.tail)?;
        self.bytes.get(usize::try_from(index).ok()?).copied()
    }

    /// Reads up to and with the end of the next line; an end of file ends it without a byte.
    pub(super) fn read_line(&mut self, buf: &mut [u8]) -> Option<usize> {
        if !self.has_line() {
            return None;
        }
        let end = self
            .ends
            .front()
            .copied()
            .filter(|end| *end < self.tail + buf.len() as u64);
        let Some(end) = end else {
            let count = self.committed().min(buf.len());
            let count = self.take(buf, count);
            // An end of file that comes next would otherwise be read on its own.
            if self.ends.front() == Some(&self.tail) && self.at(self.tail) == Some(DISABLED) {
                self.skip_end();
            }
            return Some(count);
        };
        self.ends.pop_front();
        // The end lies within the buffer, whose length is a `usize`.
        let before = usize::try_from(end - self.tail).unwrap_or(0);
        if self.at(end) == Some(DISABLED) {
            let count = self.take(buf, before);
            self.bytes.pop_front();
            self.tail += 1;
            return Some(count);
        }
        Some(self.take(buf, before + 1))
    }

    fn skip_end(&mut self) {
        self.ends.pop_front();
        self.bytes.pop_front();
        self.tail += 1;
    }

    pub(super) fn read_bytes(&mut self, buf: &mut [u8]) -> usize {
        let count = self.committed().min(buf.len());
        let count = self.take(buf, count);
        self.canon = self.canon.max(self.tail);
        count
    }

    fn take(&mut self, buf: &mut [u8], count: usize) -> usize {
        for (slot, byte) in buf.iter_mut().zip(self.bytes.drain(..count)) {
            *slot = byte;
        }
        self.tail += count as u64;
        count
    }

    pub(super) fn clear(&mut self) {
        self.tail = self.head();
        self.bytes.clear();
        self.bytes.shrink_to(4096);
        self.ends.clear();
        self.canon = self.tail;
        self.committed = self.tail;
    }
}
