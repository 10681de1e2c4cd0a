//! Masks values in a stream of bytes, whatever its pieces are.
//!
//! Every occurrence of a pattern becomes asterisks, as many as it had bytes, so that lengths, ranges and frames stay what they
//! were announced to be. A piece may end within an occurrence; what could be the beginning of one is held back until the next
//! piece decides. That must not stop a conversation in which the other side waits for exactly these bytes, so up to
//! [`RELEASED`] held bytes are given out when nothing follows ([`Scrubber::release`]); should the rest of the value come after
//! all, it is masked.
//!
//! Invariant: of an occurrence never more than its first [`RELEASED`] bytes come out.

use super::encoding::Form;
use bytes::{Bytes, BytesMut};
use memchr::{memchr_iter, memmem};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What to look for.
#[derive(Clone)]
pub(crate) struct Patterns(Arc<[Arc<Form>]>);

/// Bytes of a possible occurrence that may come out before it is decided.
pub(crate) const RELEASED: usize = 3;

/// What stands in place of a value.
const MASK: u8 = b'*';

impl Patterns {
    /// Patterns of at least two bytes each.
    pub(super) fn new(forms: impl IntoIterator<Item = Form>) -> Self {
        Self(forms.into_iter().filter(|form| form.len() > 1).map(Arc::new).collect())
    }

    /// The patterns of all of them.
    pub(super) fn all<'a>(sets: impl Iterator<Item = &'a Self>) -> Self {
        Self(sets.flat_map(|set| set.0.iter().cloned()).collect())
    }

    /// The bytes with every occurrence masked, if there is one.
    pub(crate) fn mask(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        let found = self.find(bytes);
        (!found.is_empty()).then(|| {
            let mut masked = bytes.to_vec();
            mask_ranges(&mut masked, &found);
            masked
        })
    }

    /// Whether it occurs, in any letter case. For names, which are lowered on their way.
    pub(crate) fn occur_lowered(&self, name: &str) -> bool {
        let lowered = |form: &Arc<Form>| Zeroizing::new(form.to_ascii_lowercase());
        self.0
            .iter()
            .any(|form| memmem::find(name.as_bytes(), &lowered(form)).is_some())
    }

    /// Where patterns occur, in any order and also where they overlap.
    fn find(&self, bytes: &[u8]) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        for form in self.0.iter().filter(|form| form.len() <= bytes.len()) {
            let finder = memmem::Finder::new(form.as_slice());
            let mut from = 0;
            while let Some(at) = bytes.get(from..).and_then(|rest| finder.find(rest)) {
                found.push((from + at, from + at + form.len()));
                from += at + 1;
            }
        }
        found
    }

    /// How many of the last bytes could be the beginning of an occurrence.
    fn open_end(&self, bytes: &[u8]) -> usize {
        let longest = |form: &Arc<Form>| {
            let tail = bytes
                .get(bytes.len().saturating_sub(form.len() - 1)..)
                .unwrap_or_default();
            let first = form.first().copied().unwrap_or_default();
            memchr_iter(first, tail)
                .map(|at| tail.get(at..).unwrap_or_default())
                .find(|rest| form.starts_with(rest))
                .map_or(0, <[u8]>::len)
        };
        self.0.iter().map(longest).max().unwrap_or(0)
    }
}

fn mask_ranges(bytes: &mut [u8], ranges: &[(usize, usize)]) {
    for &(start, end) in ranges {
        if let Some(range) = bytes.get_mut(start..end) {
            range.fill(MASK);
        }
    }
}

/// One direction of one stream.
pub(crate) struct Scrubber {
    patterns: Patterns,
    /// The beginning of a possible occurrence, as it came.
    held: Zeroizing<Vec<u8>>,
    /// How many of the held bytes belong to an occurrence that ends within them.
    masked: usize,
    /// How many of the held bytes came out already.
    released: usize,
}

impl Scrubber {
    pub(crate) fn new(patterns: Patterns) -> Self {
        Self {
            patterns,
            held: Zeroizing::new(Vec::new()),
            masked: 0,
            released: 0,
        }
    }

    /// Takes a piece and gives what of the stream is decided now; possibly nothing.
    pub(crate) fn push(&mut self, piece: Bytes) -> Bytes {
        if piece.is_empty() {
            return piece;
        }
        if self.held.is_empty() {
            let found = self.patterns.find(&piece);
            let open = self.patterns.open_end(&piece);
            if found.is_empty() {
                let mut decided = piece;
                let held = decided.split_off(decided.len() - open);
                self.held.extend_from_slice(&held);
                return decided;
            }
            return self.decide(&piece, &found, open);
        }
        let mut all = Zeroizing::new(Vec::with_capacity(self.held.len() + piece.len()));
        all.extend_from_slice(&self.held);
        all.extend_from_slice(&piece);
        let found = self.patterns.find(&all);
        let open = self.patterns.open_end(&all);
        self.decide(&all, &found, open)
    }

    /// Gives out held bytes that should not wait any longer because nothing follows for now.
    pub(crate) fn release(&mut self) -> Option<Bytes> {
        if self.held.len() > RELEASED || self.released >= self.held.len() {
            return None;
        }
        Some(self.rest())
    }

    /// The end of the stream: what was held is no occurrence.
    pub(crate) fn finish(&mut self) -> Bytes {
        let rest = self.rest();
        self.held.clear();
        (self.masked, self.released) = (0, 0);
        rest
    }

    /// Bytes that are in here and did not come out.
    pub(crate) fn pending(&self) -> usize {
        self.held.len() - self.released
    }

    fn rest(&mut self) -> Bytes {
        let mut held = Zeroizing::new(self.held.to_vec());
        // A shorter pattern may lie within the beginning of a longer one.
        mask_ranges(&mut held, &self.patterns.find(&self.held));
        mask_ranges(&mut held, &[(0, self.masked)]);
        let rest = held.get(self.released..).unwrap_or_default();
        self.released = self.held.len();
        Bytes::copy_from_slice(rest)
    }

    fn decide(&mut self, all: &[u8], found: &[(usize, usize)], open: usize) -> Bytes {
        let end = all.len() - open;
        let mut out = BytesMut::from(all);
        mask_ranges(&mut out, found);
        mask_ranges(&mut out, &[(0, self.masked)]);
        out.truncate(end);
        let out = out.freeze().slice(self.released.min(end)..);
        // Occurrences that begin in what comes out and end in what is held.
        let reach = found.iter().filter(|(start, _)| *start < end).map(|(_, stop)| *stop);
        let reach = reach.max().unwrap_or(0).max(self.masked);
        self.masked = reach.saturating_sub(end);
        self.released = self.released.saturating_sub(end);
        self.held = Zeroizing::new(all.get(end..).unwrap_or_default().to_vec());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn patterns(all: &[&str]) -> Patterns {
        Patterns::new(all.iter().map(|text| Zeroizing::new(text.as_bytes().to_vec())))
    }

    fn scrub<'a>(patterns: &Patterns, pieces: impl IntoIterator<Item = &'a [u8]>, idle: bool) -> Vec<u8> {
        let mut scrubber = Scrubber::new(patterns.clone());
        let mut out = Vec::new();
        for piece in pieces {
            out.extend(scrubber.push(Bytes::copy_from_slice(piece)));
            if idle {
                out.extend(scrubber.release().unwrap_or_default());
            }
        }
        out.extend(scrubber.finish());
        out
    }

    #[test]
    fn a_value_is_masked_wherever_it_is_cut() {
        let patterns = patterns(&["secretvalue"]);
        let text = b"xx secretvalue yy secretsecretvalue";
        for first in 0..text.len() {
            for second in first..text.len() {
                let pieces = [&text[..first], &text[first..second], &text[second..]];
                let out = scrub(&patterns, pieces, false);
                assert_eq!(out, b"xx *********** yy secret***********", "{first} {second}");
            }
        }
        let bytes = text.chunks(1);
        assert_eq!(scrub(&patterns, bytes, false), b"xx *********** yy secret***********");
    }

    #[test]
    fn with_pauses_no_more_than_the_first_bytes_come_out() {
        let out = scrub(&patterns(&["secretvalue"]), b"a secretvalue b".chunks(1), true);
        assert_eq!(out, b"a sec******** b");
    }

    #[test]
    fn overlapping_occurrences_leave_nothing() {
        let patterns = patterns(&["abxab", "xabcd"]);
        for size in 1..12 {
            assert_eq!(
                scrub(&patterns, b"1abxabxab2abxabcd3".chunks(size), false),
                b"1********2*******3"
            );
        }
    }

    #[test]
    fn what_only_begins_like_a_value_comes_out_in_the_end() {
        let patterns = patterns(&["secretvalue"]);
        assert_eq!(scrub(&patterns, [&b"secretvalu"[..]], false), b"secretvalu");
        let mut scrubber = Scrubber::new(patterns);
        assert_eq!(scrubber.push(Bytes::from_static(b"xsec")), "x");
        assert_eq!(scrubber.release().unwrap(), "sec");
        assert_eq!((scrubber.release(), scrubber.pending()), (None, 0));
        assert_eq!(scrubber.push(Bytes::from_static(b"r")), "");
        assert_eq!(scrubber.release(), None);
        assert_eq!(scrubber.push(Bytes::from_static(b"ot")), "rot");
        assert_eq!(scrubber.finish(), "");
    }

    #[test]
    fn a_piece_without_anything_is_not_copied() {
        let piece = Bytes::from(vec![b'x'; 100]);
        let out = Scrubber::new(patterns(&["secretvalue"])).push(piece.clone());
        assert_eq!(out.as_ptr(), piece.as_ptr());
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            text in "[ab]{0,60}",
            patterns_ in proptest::collection::vec("[ab]{2,6}", 1..4),
            cuts in proptest::collection::vec(0usize..60, 0..8),
        ) {
            let all: Vec<&str> = patterns_.iter().map(String::as_str).collect();
            let patterns = patterns(&all);
            let whole = patterns.mask(text.as_bytes()).unwrap_or_else(|| text.clone().into_bytes());
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).chain([0, text.len()]).collect();
            cuts.sort_unstable();
            let pieces = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]);
            prop_assert_eq!(scrub(&patterns, pieces, false), whole);
        }
    }
}
