//! What travels with the bytes of unix sockets: descriptors of whoever sends them (`SCM_RIGHTS`), in a form that only executors know.
//!
//! It is attached to the first byte of what one send gave, or to a packet, and goes to whoever takes that and asks for it. Who reads
//! past it without asking, or closes over it, drops it. It is dropped without any lock held, because that may close anything.

use core::any::Any;
use std::collections::VecDeque;

/// Something that goes along with bytes.
pub type Cargo = Box<dyn Any + Send + Sync>;

/// Cargo in a stream of bytes, by where it is attached.
#[derive(Default)]
pub(super) struct Attached {
    /// Bytes that were ever written.
    written: u64,
    queue: VecDeque<Item>,
}

struct Item {
    /// Number of the first byte.
    at: u64,
    /// Bytes that came with it.
    len: u64,
    cargo: Cargo,
}

impl Attached {
    /// `len` bytes were written, perhaps with cargo.
    pub(super) fn push(&mut self, len: usize, cargo: Option<Cargo>) {
        if let Some(cargo) = cargo {
            let (at, len) = (self.written, len as u64);
            self.queue.push_back(Item { at, len, cargo });
        }
        self.written += len as u64;
    }

    /// How many of the `held` unread bytes go together: those before the next cargo, or those that came with it.
    pub(super) fn together(&self, held: usize) -> usize {
        let next = self.written.saturating_sub(held as u64);
        let Some(first) = self.queue.front() else { return held };
        let count = match first.at.checked_sub(next) {
            None | Some(0) => first.len.saturating_sub(next.saturating_sub(first.at)),
            Some(before) => before,
        };
        usize::try_from(count).unwrap_or(held).min(held)
    }

    /// Takes what is attached to bytes of which `held` are left unread, and everything before.
    pub(super) fn take(&mut self, held: usize) -> Vec<Cargo> {
        let next = self.written.saturating_sub(held as u64);
        let mut taken = Vec::new();
        while self.queue.front().is_some_and(|item| item.at < next) {
            taken.extend(self.queue.pop_front().map(|item| item.cargo));
        }
        taken
    }

    /// Takes everything.
    pub(super) fn clear(&mut self) -> Vec<Cargo> {
        core::mem::take(&mut self.queue)
            .into_iter()
            .map(|item| item.cargo)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(cargo: Vec<Cargo>) -> Vec<u32> {
        let number = |cargo: Cargo| *cargo.downcast::<u32>().unwrap();
        cargo.into_iter().map(number).collect()
    }

    #[test]
    fn cargo_stays_with_its_bytes() {
        let mut attached = Attached::default();
        assert_eq!(attached.together(0), 0);
        attached.push(5, None);
        attached.push(3, Some(Box::new(1u32)));
        attached.push(4, Some(Box::new(2u32)));
        attached.push(2, None);
        // Five bytes without, three with, four with, two without.
        assert_eq!(attached.together(14), 5);
        assert_eq!(attached.together(12), 3);
        assert!(attached.take(9).is_empty());
        assert_eq!(attached.together(9), 3);
        assert_eq!(numbers(attached.take(8)), [1]);
        assert_eq!(attached.together(8), 2);
        assert_eq!(attached.together(6), 4);
        assert_eq!(numbers(attached.take(5)), [2]);
        assert_eq!(attached.together(5), 5);
        attached.push(1, Some(Box::new(3u32)));
        assert_eq!(attached.together(6), 5);
        assert_eq!(numbers(attached.clear()), [3]);
        assert_eq!(attached.together(6), 6);
    }
}
