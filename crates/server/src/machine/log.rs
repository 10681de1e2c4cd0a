//! What a process wrote, as far as it is kept: the beginning and the end of each stream (`guestLogHeadBytes`,
//! `guestLogTailBytes` of limits.md section 4.7). What was in between is gone, and counted.

use agentos_value::{Object, Value};
use bytes::Bytes;
use std::collections::VecDeque;

/// How much is kept of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct LogBounds {
    /// Bytes of its beginning.
    pub(crate) head: usize,
    /// Bytes of its end.
    pub(crate) tail: usize,
}

/// One stream.
#[derive(Debug, Default)]
pub(super) struct Log {
    bounds: LogBounds,
    head: Vec<u8>,
    /// What follows the head, without what was discarded.
    tail: VecDeque<u8>,
    discarded: u64,
}

impl Log {
    pub(super) fn new(bounds: LogBounds) -> Self {
        Self {
            bounds,
            ..Self::default()
        }
    }

    /// Takes what was written.
    pub(super) fn push(&mut self, data: &[u8]) {
        let (head, rest) = data.split_at(data.len().min(self.bounds.head - self.head.len()));
        self.head.extend_from_slice(head);
        // What would be pushed out again is never taken in.
        let skipped = rest.len().saturating_sub(self.bounds.tail);
        let kept = &rest[skipped..];
        let excess = (self.tail.len() + kept.len()).saturating_sub(self.bounds.tail);
        self.tail.drain(..excess);
        self.tail.extend(kept);
        self.discarded += (skipped + excess) as u64;
    }

    /// Gives up what is kept; it counts as discarded.
    pub(super) fn forget(&mut self) {
        self.discarded += (self.head.len() + self.tail.len()) as u64;
        (self.head, self.tail) = (Vec::new(), VecDeque::new());
        self.bounds = LogBounds::default();
    }

    /// `{head, tail, discarded}`. Whoever puts them together has everything that was written, less `discarded` bytes in between.
    pub(super) fn to_value(&self) -> Value {
        let bytes = |parts: &[&[u8]]| Value::Bytes(Bytes::from(parts.concat()));
        let (front, back) = self.tail.as_slices();
        let mut object = Object::new();
        object.insert("head", bytes(&[&self.head]));
        object.insert("tail", bytes(&[front, back]));
        object.insert("discarded", crate::errors::number(self.discarded));
        Value::Object(object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(log: &Log) -> (Vec<u8>, Vec<u8>, u64) {
        (log.head.clone(), log.tail.iter().copied().collect(), log.discarded)
    }

    #[test]
    fn beginning_and_end_are_kept_and_the_rest_is_counted() {
        // The same bytes, in pieces of every size.
        let written: Vec<u8> = (0..=255).collect();
        for piece in 1..=written.len() {
            let mut log = Log::new(LogBounds { head: 4, tail: 6 });
            written.chunks(piece).for_each(|piece| log.push(piece));
            let wanted = (written[..4].to_vec(), written[250..].to_vec(), 246);
            assert_eq!(parts(&log), wanted, "in pieces of {piece}");
        }
        let mut log = Log::new(LogBounds { head: 4, tail: 6 });
        log.push(b"abc");
        assert_eq!(parts(&log), (b"abc".to_vec(), vec![], 0));
        log.push(b"defghij");
        assert_eq!(parts(&log), (b"abcd".to_vec(), b"efghij".to_vec(), 0));
        log.push(b"k");
        assert_eq!(parts(&log), (b"abcd".to_vec(), b"fghijk".to_vec(), 1));
        log.forget();
        log.push(b"more");
        assert_eq!(parts(&log), (vec![], vec![], 15));
    }

    #[test]
    fn nothing_may_be_kept() {
        let mut log = Log::new(LogBounds::default());
        log.push(b"abc");
        assert_eq!(parts(&log), (vec![], vec![], 3));
    }
}
