//! The table of directories, which guests read (`loader/answers.rs` has the same layout).
//!
//! ```text
//!   word 0        number of changes
//!   word 512..    256 entries of 32 words, each at the place that the hash of its path says:
//!     0  number of the entry, odd while it is being written
//!     1  number of changes of before it was found out
//!     2  time of before it was found out, by the processor's counter
//!     3  how long it holds, by the same
//!     4  length of the path
//!     5  the path
//! ```

use crate::sys::{self, Words};
use agentos_kernel::vfs::Watch;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const HEAD: usize = 512;
const SLOTS: usize = 256;
const SLOT: usize = 32;
/// Longest path that has room, and the zero that it ends with; then the VM's thread is asked as ever.
const PATH_MAX: usize = 215;
const HASH_SEED: u32 = 0x811c_9dc5;
const HASH_FACTOR: u32 = 0x0100_0193;

/// What guests read. Changes are counted at once, by whoever makes them.
#[derive(Debug)]
pub(crate) struct Shown(Words);

impl Watch for Shown {
    fn changed(&self) {
        if let Some(changes) = self.0.first() {
            changes.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// The table of a VM, for the only thread that writes it.
#[derive(Debug)]
pub(crate) struct Table {
    shown: Arc<Shown>,
    readable: OwnedFd,
    pace: Pace,
}

/// When something begins to be found out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Before {
    changes: u64,
    ticks: u64,
}

impl Table {
    pub(crate) fn new() -> io::Result<Self> {
        let (words, readable) = Words::new(HEAD + SLOTS * SLOT)?;
        Ok(Self {
            shown: Arc::new(Shown(words)),
            readable,
            pace: Pace::begin(),
        })
    }

    /// What is to be told of changes.
    pub(crate) fn shown(&self) -> Arc<Shown> {
        Arc::clone(&self.shown)
    }

    /// The file by which guests read it.
    pub(crate) fn file(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }

    /// What is found out from now on.
    pub(crate) fn before(&self) -> Before {
        Before {
            changes: self.shown.0.first().map_or(0, |changes| changes.load(Ordering::SeqCst)),
            ticks: sys::ticks(),
        }
    }

    /// Tells guests that a path is a directory, and for how long that holds.
    pub(crate) fn tell(&mut self, path: &[u8], before: Before, holds: Duration) {
        let Some(life) = self.pace.ticks(holds).filter(|_| has_room(path)) else {
            return;
        };
        let start = HEAD + place(path) * SLOT;
        let Some([number, changes, since, span, length, text @ ..]) = self.shown.0.get(start..start + SLOT) else {
            return;
        };
        let now = number.load(Ordering::Relaxed);
        number.store(now | 1, Ordering::Relaxed);
        fence(Ordering::Release);
        let set = |word: &AtomicU64, value: u64| word.store(value, Ordering::Relaxed);
        set(changes, before.changes);
        set(since, before.ticks);
        set(span, life);
        set(length, path.len() as u64);
        for (word, bytes) in text.iter().zip(path.chunks(8)) {
            let mut whole = [0; 8];
            whole.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
            set(word, u64::from_le_bytes(whole));
        }
        number.store((now | 1).wrapping_add(1), Ordering::Release);
    }
}

/// Whether the table can have a path.
pub(crate) fn has_room(path: &[u8]) -> bool {
    path.first() == Some(&b'/') && path.len() <= PATH_MAX && !path.contains(&0)
}

fn place(path: &[u8]) -> usize {
    let hash = path.iter().fold(HASH_SEED, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(HASH_FACTOR)
    });
    (hash ^ (hash >> 16)) as usize % SLOTS
}

/// How fast the processor's counter counts.
#[derive(Debug)]
struct Pace {
    since: Instant,
    ticks: u64,
    /// In a millisecond; 0 if nobody knows.
    per_ms: u64,
}

/// Steps of the processor's counter in a millisecond, more than any makes; then it is measured anew.
const PER_MS_MAX: u64 = 8_000_000;
/// Between these it is measured, and after the latter anew.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(1);

impl Pace {
    fn begin() -> Self {
        Self {
            since: Instant::now(),
            ticks: sys::ticks(),
            per_ms: 0,
        }
    }

    /// What the counter counts in that time.
    fn ticks(&mut self, time: Duration) -> Option<u64> {
        let (elapsed, ticks) = (self.since.elapsed(), sys::ticks());
        self.measure(elapsed, ticks);
        let count = time.as_micros().saturating_mul(self.per_ms.into()) / 1000;
        u64::try_from(count).ok().filter(|count| *count > 0)
    }

    fn measure(&mut self, elapsed: Duration, ticks: u64) {
        let counted = ticks.checked_sub(self.ticks);
        let pace = |counted: u64| u128::from(counted).saturating_mul(1_000_000) / elapsed.as_nanos().max(1);
        match counted.map(pace).and_then(|pace| u64::try_from(pace).ok()) {
            Some(_) if elapsed < SHORTEST => {}
            Some(pace) if (1..=PER_MS_MAX).contains(&pace) => {
                self.per_ms = pace;
                if elapsed > LONGEST {
                    (self.since, self.ticks) = (self.since + elapsed, ticks);
                }
            }
            // It went back, or the machine slept.
            _ => *self = Self::begin(),
        }
    }
}

/// Whether the processor's counter counts time here, whatever the processor does.
pub(crate) fn is_possible() -> bool {
    static POSSIBLE: OnceLock<bool> = OnceLock::new();
    *POSSIBLE.get_or_init(|| {
        let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        counts_time(&text) && super::thunk().is_some()
    })
}

fn counts_time(cpuinfo: &str) -> bool {
    let mut flags = cpuinfo.lines().filter(|line| line.starts_with("flags")).peekable();
    let has = |line: &str, flag: &str| line.split_ascii_whitespace().any(|word| word == flag);
    flags.peek().is_some() && flags.all(|line| has(line, "constant_tsc") && has(line, "nonstop_tsc"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a guest finds, as `loader/answers.rs` looks.
    fn holds(table: &Table, path: &[u8]) -> bool {
        let words = &table.shown.0;
        let slot = &words[HEAD + place(path) * SLOT..][..SLOT];
        let word = |at: usize| slot[at].load(Ordering::Acquire);
        let text: Vec<u8> = (5..SLOT).flat_map(|at| word(at).to_le_bytes()).collect();
        word(0).is_multiple_of(2)
            && word(4) == path.len() as u64
            && &text[..path.len()] == path
            && sys::ticks().wrapping_sub(word(2)) < word(3)
            && word(1) == words[0].load(Ordering::Acquire)
    }

    /// A table that knows how fast time goes.
    fn table() -> Table {
        let mut table = Table::new().unwrap();
        while table.pace.ticks(SHORTEST).is_none() {
            std::hint::spin_loop();
        }
        table
    }

    #[test]
    fn what_is_told_holds_until_something_changes() {
        const LONG: Duration = Duration::from_secs(3600);
        let mut table = table();
        let before = table.before();
        assert!(!holds(&table, b"/usr"));
        table.tell(b"/usr", before, LONG);
        table.tell(b"/usr/lib", before, LONG);
        assert!(holds(&table, b"/usr") && holds(&table, b"/usr/lib") && !holds(&table, b"/us"));
        table.shown().changed();
        assert!(!holds(&table, b"/usr") && !holds(&table, b"/usr/lib"));
        // Found out before the change.
        table.tell(b"/usr", before, LONG);
        assert!(!holds(&table, b"/usr"));
        table.tell(b"/usr", table.before(), LONG);
        assert!(holds(&table, b"/usr"));
    }

    #[test]
    fn it_holds_for_a_while() {
        let mut table = table();
        let (before, since) = (table.before(), Instant::now());
        table.tell(b"/usr", before, Duration::from_millis(20));
        while holds(&table, b"/usr") {
            assert!(since.elapsed() < Duration::from_secs(5));
        }
        assert!(since.elapsed() > Duration::from_millis(18), "{:?}", since.elapsed());
    }

    #[test]
    fn paths_that_do_not_fit_are_left_out() {
        let mut table = table();
        let long = [b"/".to_vec(), vec![b'a'; PATH_MAX]].concat();
        let fits = &long[..PATH_MAX];
        for path in [&long[..], b"usr", b"", fits] {
            let before = table.before();
            table.tell(path, before, Duration::from_secs(60));
        }
        assert!(!has_room(&long) && !has_room(b"/a\0") && holds(&table, fits));
    }

    /// Numbers that look like chance, the same each time.
    fn chance() -> impl FnMut(usize) -> usize {
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 33) as usize % below
        }
    }

    #[test]
    fn of_whatever_paths_it_says_only_what_it_was_told_last_and_since_the_last_change() {
        const LONG: Duration = Duration::from_secs(3600);
        let (mut table, mut chance) = (table(), chance());
        // What was told for each place, as nothing else can be known.
        let mut told: Vec<Option<Vec<u8>>> = vec![None; SLOTS];
        let mut early = table.before();
        let mut known = 0;
        for turn in 0..200_000 {
            // Few letters, and half of the paths short, so that beginnings, ends and places are often the same.
            let len = match chance(2) {
                0 => chance(6),
                _ => chance(PATH_MAX + 24),
            };
            let letters = b"//ab\xff\0";
            let start: &[u8] = if chance(16) == 0 { b"" } else { b"/" };
            let letters = &letters[..if chance(64) == 0 { 6 } else { 5 }];
            let rest = (0..len).map(|_| letters[chance(letters.len())]);
            let path: Vec<u8> = start.iter().copied().chain(rest).collect();
            match chance(64) {
                0 => {
                    early = table.before();
                    table.shown().changed();
                    told.fill(None);
                }
                1..24 => {
                    let before = table.before();
                    table.tell(&path, before, LONG);
                    if has_room(&path) {
                        told[place(&path)] = Some(path.clone());
                    }
                }
                24 => {
                    // Found out before the last change, if there was any: as good as nothing.
                    table.tell(&path, early, LONG);
                    if has_room(&path) {
                        let holds = early.changes == table.before().changes;
                        told[place(&path)] = holds.then(|| path.clone());
                    }
                }
                _ => {}
            }
            if !has_room(&path) {
                continue;
            }
            let expected = told[place(&path)].as_ref() == Some(&path);
            assert_eq!(holds(&table, &path), expected, "{turn}: {}", path.escape_ascii());
            known += usize::from(expected);
        }
        assert!(known > 10_000, "{known}");
    }

    #[test]
    fn the_pace_is_measured_and_never_believed_to_be_absurd() {
        let mut pace = Pace::begin();
        let start = pace.ticks;
        pace.measure(Duration::from_micros(10), start + 30_000);
        assert_eq!(pace.per_ms, 0);
        pace.measure(Duration::from_millis(2), start + 6_000_000);
        assert_eq!(pace.per_ms, 3_000_000);
        pace.measure(Duration::from_millis(3), start + 900_000_000);
        assert_eq!(pace.per_ms, 0);
        let start = pace.ticks;
        pace.measure(Duration::from_millis(3), start - 1);
        assert_eq!(pace.per_ms, 0);
    }

    #[test]
    fn a_counter_that_stops_is_not_used() {
        assert!(counts_time("flags\t\t: fpu constant_tsc x nonstop_tsc y\nmodel: 1\n"));
        assert!(!counts_time("flags\t\t: fpu constant_tsc\n") && !counts_time(""));
        assert!(!counts_time("flags : constant_tsc nonstop_tsc\nflags : constant_tsc\n"));
    }
}
