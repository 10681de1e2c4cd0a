//! How often an address has failed lately.
//!
//! Windows are a minute long and fixed. The book is bounded: when it is full, windows that are over are forgotten, and if
//! that is not enough, everything is; whoever owns that many addresses has that many allowances anyway.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::server::peer::counted_as;

const WINDOW: Duration = Duration::from_secs(60);
const MOST_ADDRESSES: usize = 65_536;

/// A count per address and minute.
#[derive(Debug)]
pub(crate) struct Attempts {
    most: u32,
    windows: Mutex<HashMap<IpAddr, Window>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    count: u32,
}

impl Attempts {
    pub(crate) fn new(most: u32) -> Self {
        Self {
            most,
            windows: Mutex::new(HashMap::new()),
        }
    }

    /// Whether an address has used up its allowance. Cheap when nobody has failed.
    pub(crate) fn exhausted(&self, address: IpAddr, now: Instant) -> bool {
        let windows = self.windows.lock();
        if windows.is_empty() {
            return false;
        }
        windows
            .get(&counted_as(address))
            .is_some_and(|w| now - w.since < WINDOW && w.count >= self.most)
    }

    /// Counts one; false if the allowance was used up already.
    pub(crate) fn count(&self, address: IpAddr, now: Instant) -> bool {
        let mut windows = self.windows.lock();
        let key = counted_as(address);
        if windows.len() >= MOST_ADDRESSES && !windows.contains_key(&key) {
            windows.retain(|_, window| now - window.since < WINDOW);
            if windows.len() >= MOST_ADDRESSES {
                windows.clear();
            }
        }
        let window = windows.entry(key).or_insert(Window { since: now, count: 0 });
        if now - window.since >= WINDOW {
            *window = Window { since: now, count: 0 };
        }
        let allowed = window.count < self.most;
        window.count = window.count.saturating_add(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_lasts_a_minute() {
        let attempts = Attempts::new(3);
        let now = Instant::now();
        let (bad, good): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        assert!((0..3).all(|_| attempts.count(bad, now)));
        assert!(attempts.exhausted(bad, now) && !attempts.count(bad, now) && !attempts.exhausted(good, now));
        let later = now + WINDOW;
        assert!(!attempts.exhausted(bad, later) && attempts.count(bad, later));
    }

    #[test]
    fn the_book_is_bounded() {
        let attempts = Attempts::new(1);
        for number in 0..u32::try_from(MOST_ADDRESSES + 10).expect("small") {
            attempts.count(IpAddr::from(number.to_be_bytes()), Instant::now());
        }
        assert!(attempts.windows.lock().len() <= MOST_ADDRESSES);
    }
}
