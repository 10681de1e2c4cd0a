//! Zones of the world and when their clocks change.
//!
//! The tables are one run of bytes, `zones.bin`: no pointers in it, so that a library that has it loads it without writing a
//! page, and only what is looked up is ever read. It is made from the tables of the `chrono-tz` crate, which come from the IANA
//! database; `tests/zones.rs` makes it and proves that both agree. All numbers are little endian:
//!
//! ```text
//!   u16 zones, u16 tables
//!   zones x  { u32 where its name begins, u16 the name's bytes, u16 its table }     sorted by name
//!   (tables + 1) x  u32 number of its first entry
//!   names
//!   entries x  i64: seconds since 1970 from which it holds, times 2^20, plus seconds east of UTC, plus 2^19
//! ```
//!
//! Entries of a table are sorted; its first holds from the beginning of time, and its last to the end.

/// The tables.
pub(super) static DATA: &[u8] = include_bytes!("zones.bin");

/// Bits of an entry below its time.
pub(super) const OFFSET_BITS: u32 = 20;
/// What is added to an offset so that it is not negative.
pub(super) const OFFSET_BIAS: i64 = 1 << (OFFSET_BITS - 1);
/// Bytes of an entry.
const ENTRY: usize = 8;
/// Bytes of a zone in the directory.
const ZONE: usize = 8;
/// More seconds than any clock was ever away from UTC.
pub(super) const MOST_OFFSET: i64 = 26 * 3600;

/// A zone, by the entries of its table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Zone {
    /// Byte at which they begin.
    start: usize,
    pub(super) count: usize,
}

impl Zone {
    /// UTC, which needs no table.
    pub(super) const UTC: Self = Self { start: 0, count: 0 };

    /// The zone with this IANA name, upper and lower case as there.
    pub(super) fn named(name: &str) -> Option<Self> {
        let zones = usize::from(u16_at(0)?);
        let tables = usize::from(u16_at(2)?);
        let directory = 4 + zones * ZONE;
        let (mut low, mut high) = (0, zones);
        while low < high {
            let middle = low.midpoint(high);
            let at = 4 + middle * ZONE;
            let begin = u32_at(at)?;
            let found = DATA.get(begin..begin + usize::from(u16_at(at + 4)?))?;
            match found.cmp(name.as_bytes()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => {
                    let table = directory + usize::from(u16_at(at + 6)?) * 4;
                    let (first, end) = (u32_at(table)?, u32_at(table + 4)?);
                    let all = u32_at(directory + tables * 4)?;
                    let entries = DATA.len().checked_sub(all * ENTRY)?;
                    return Some(Self {
                        start: entries + first * ENTRY,
                        count: end.checked_sub(first)?,
                    });
                }
            }
        }
        None
    }

    /// Seconds that its clocks are ahead of UTC at an instant, in seconds since 1970.
    pub(super) fn offset_at(self, instant: i64) -> i64 {
        match self.count {
            0 => 0,
            _ => self.entry(self.holding(instant)).1,
        }
    }

    /// The first instant at which its clocks show a time, given as seconds since 1970 as if it were UTC; `None` if they never do.
    pub(super) fn first_instant_of(self, local: i64) -> Option<i64> {
        if self.count == 0 {
            return Some(local);
        }
        let (first, last) = (
            self.holding(local.saturating_sub(MOST_OFFSET)),
            self.holding(local.saturating_add(MOST_OFFSET)),
        );
        (first..=last).find_map(|number| {
            let (from, offset) = self.entry(number);
            let instant = local.checked_sub(offset)?;
            let ends = number + 1 < self.count && self.entry(number + 1).0 <= instant;
            (from <= instant && !ends).then_some(instant)
        })
    }

    /// Number of the entry that holds at an instant.
    fn holding(self, instant: i64) -> usize {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            match self.entry(middle).0 <= instant {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low.saturating_sub(1)
    }

    /// From when on an entry holds, and its offset.
    pub(super) fn entry(self, number: usize) -> (i64, i64) {
        let at = self.start + number * ENTRY;
        let bytes = DATA.get(at..at + ENTRY).and_then(|bytes| bytes.try_into().ok());
        let entry = i64::from_le_bytes(bytes.unwrap_or_default());
        let from = match number {
            0 => i64::MIN,
            _ => entry >> OFFSET_BITS,
        };
        (from, (entry & ((1 << OFFSET_BITS) - 1)) - OFFSET_BIAS)
    }
}

fn u16_at(at: usize) -> Option<u16> {
    let bytes = DATA.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_le_bytes(bytes))
}

fn u32_at(at: usize) -> Option<usize> {
    let bytes = DATA.get(at..at + 4)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}
