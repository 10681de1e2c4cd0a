//! What waits inside sockets: bytes of streams, packets.

use std::collections::VecDeque;

/// Bytes in order. Memory follows the content: consumed parts are freed, so that an idle connection holds nothing even after
/// it carried much.
#[derive(Debug, Default)]
pub(super) struct Bytes {
    parts: VecDeque<Vec<u8>>,
    /// Consumed bytes of the first part.
    taken: usize,
    len: usize,
}

/// Smallest and largest part.
const PART: (usize, usize) = (512, 16 * 1024);

impl Bytes {
    pub(super) fn push(&mut self, mut data: &[u8]) {
        self.len += data.len();
        while !data.is_empty() {
            let spare = self.parts.back().map_or(0, |last| last.capacity() - last.len());
            if spare == 0 {
                self.parts
                    .push_back(Vec::with_capacity(data.len().clamp(PART.0, PART.1)));
                continue;
            }
            let (now, later) = data.split_at(spare.min(data.len()));
            if let Some(last) = self.parts.back_mut() {
                last.extend_from_slice(now);
            }
            data = later;
        }
    }

    /// Copies the oldest bytes to `buf` without removing them.
    pub(super) fn peek(&self, buf: &mut [u8]) -> usize {
        let (mut rest, mut skip) = (buf, self.taken);
        let mut copied = 0;
        for part in &self.parts {
            let part = part.get(skip..).unwrap_or_default();
            skip = 0;
            let count = part.len().min(rest.len());
            let (now, later) = rest.split_at_mut(count);
            now.copy_from_slice(part.split_at(count).0);
            rest = later;
            copied += count;
            if rest.is_empty() {
                break;
            }
        }
        copied
    }

    /// Removes the oldest `count` bytes.
    pub(super) fn consume(&mut self, count: usize) {
        let count = count.min(self.len);
        self.len -= count;
        self.taken += count;
        while let Some(first) = self.parts.front()
            && self.taken >= first.len()
        {
            self.taken -= first.len();
            self.parts.pop_front();
            if self.parts.is_empty() {
                // The ring of parts itself may have grown, too.
                self.parts = VecDeque::new();
            }
        }
    }

    /// Removes everything and returns how much it was.
    pub(super) fn clear(&mut self) -> usize {
        core::mem::take(self).len
    }
}

/// Copies the start of a packet; the rest of it is lost.
pub(super) fn copy_start(packet: &[u8], buf: &mut [u8]) -> usize {
    let count = packet.len().min(buf.len());
    buf.split_at_mut(count).0.copy_from_slice(packet.split_at(count).0);
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_keep_their_order(ops in prop::collection::vec((any::<bool>(), 0usize..40_000), 1..40)) {
            let mut queue = Bytes::default();
            let mut model: VecDeque<u8> = VecDeque::new();
            for (push, size) in ops {
                if push {
                    let data: Vec<u8> = (0..size).map(|at| (at * 7 + model.len()) as u8).collect();
                    queue.push(&data);
                    model.extend(data);
                } else {
                    let mut buf = vec![0; size];
                    let count = queue.peek(&mut buf);
                    prop_assert_eq!(count, size.min(model.len()));
                    queue.consume(count);
                    prop_assert!(buf[..count].iter().copied().eq(model.drain(..count)));
                }
                prop_assert_eq!(queue.len, model.len());
                let held: usize = queue.parts.iter().map(Vec::capacity).sum();
                prop_assert!(held <= queue.len + 3 * PART.1, "{held} for {}", queue.len);
            }
        }
    }
}
