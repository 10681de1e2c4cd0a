//! The pages of a file: a sparse array that is copied in constant time once it is large.

use imbl::OrdMap;
use smallvec::SmallVec;
use std::sync::Arc;

/// Bytes of a page; holes come and go in such units.
pub(super) const PAGE: u64 = 4096;
/// Files of more pages than this are kept in a tree.
const FEW: usize = 8;

/// A page that exists. Bytes beyond `bytes` are zeros.
#[derive(Debug, Clone)]
pub(super) struct Page {
    /// At most [`PAGE`] bytes; shared with copies of the filesystem until written. Empty for a page that was only reserved.
    pub(super) bytes: Arc<[u8]>,
    /// What the quota was charged for it.
    pub(super) charge: u16,
}

/// Pages by index.
#[derive(Debug, Clone)]
pub(super) enum Pages {
    /// Sorted by index.
    Few(SmallVec<[(u64, Page); 1]>),
    Many(OrdMap<u64, Page>),
}

impl Default for Pages {
    fn default() -> Self {
        Self::Few(SmallVec::new())
    }
}

impl Pages {
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Few(few) => few.len(),
            Self::Many(many) => many.len(),
        }
    }

    pub(super) fn get(&self, index: u64) -> Option<&Page> {
        match self {
            Self::Few(few) => find(few, index).ok().and_then(|at| few.get(at)).map(|(_, page)| page),
            Self::Many(many) => many.get(&index),
        }
    }

    pub(super) fn get_mut(&mut self, index: u64) -> Option<&mut Page> {
        match self {
            Self::Few(few) => {
                let at = find(few, index).ok()?;
                few.get_mut(at).map(|(_, page)| page)
            }
            Self::Many(many) => many.get_mut(&index),
        }
    }

    /// Adds a page where none is.
    pub(super) fn insert(&mut self, index: u64, page: Page) {
        if let Self::Few(few) = self {
            if few.len() < FEW {
                let (Ok(at) | Err(at)) = find(few, index);
                few.insert(at, (index, page));
                return;
            }
            *self = Self::Many(few.drain(..).collect());
        }
        if let Self::Many(many) = self {
            many.insert(index, page);
        }
    }

    /// Index of the first page at or after `index`.
    pub(super) fn next_from(&self, index: u64) -> Option<(u64, &Page)> {
        match self {
            Self::Few(few) => {
                let (Ok(at) | Err(at)) = find(few, index);
                few.get(at).map(|(index, page)| (*index, page))
            }
            Self::Many(many) => many.get_next(&index).map(|(index, page)| (*index, page)),
        }
    }

    /// Removes the pages from `first` up to but without `end`, and returns the sum of their charges.
    pub(super) fn remove_range(&mut self, first: u64, end: u64) -> u64 {
        let mut charges = 0;
        match self {
            Self::Few(few) => few.retain(|(index, page)| {
                let goes = (first..end).contains(index);
                if goes {
                    charges += u64::from(page.charge);
                }
                !goes
            }),
            Self::Many(many) => {
                if first == 0 && many.get_max().is_none_or(|(last, _)| *last < end) {
                    charges = many.values().map(|page| u64::from(page.charge)).sum();
                    *self = Self::default();
                    return charges;
                }
                while let Some((index, page)) = many.get_next(&first).map(|(index, page)| (*index, page.charge)) {
                    if index >= end {
                        break;
                    }
                    charges += u64::from(page);
                    many.remove(&index);
                }
            }
        }
        charges
    }
}

fn find(few: &[(u64, Page)], index: u64) -> Result<usize, usize> {
    // Appending is the common case.
    match few.last() {
        Some((last, _)) if *last < index => Err(few.len()),
        _ => few.binary_search_by_key(&index, |(index, _)| *index),
    }
}
