//! The names under which the VM's resolver gave out addresses.
//!
//! Guests connect to addresses; rules speak of names. So the guard remembers, for as long as an answer may be used, which names
//! led to an address. The table is bounded: the entry that was renewed longest ago is forgotten first.

use core::net::IpAddr;
use core::time::Duration;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// A name is remembered at least this long, however short its time to live.
const SHORTEST: Duration = Duration::from_secs(60);
/// And at most this long.
const LONGEST: Duration = Duration::from_secs(3600);

/// Recorded names of one VM.
pub(crate) struct Names {
    capacity: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    by_address: HashMap<IpAddr, Vec<Entry>>,
    entries: usize,
    /// Renewals, oldest first; those that were overtaken by another of the same entry stay until they come up.
    order: VecDeque<(u64, IpAddr)>,
    renewals: u64,
}

struct Entry {
    name: Box<str>,
    until: Instant,
    renewal: u64,
}

impl Names {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            table: Mutex::default(),
        }
    }

    /// Remembers that `name` led to `address`; `lifetime` is the record's time to live.
    pub(crate) fn record(&self, address: IpAddr, name: &str, lifetime: Duration, now: Instant) {
        let until = now + lifetime.clamp(SHORTEST, LONGEST);
        let mut table = self.table.lock();
        table.renewals += 1;
        let renewal = table.renewals;
        let names = table.by_address.entry(address.to_canonical()).or_default();
        match names.iter_mut().find(|entry| &*entry.name == name) {
            Some(entry) => (entry.until, entry.renewal) = (entry.until.max(until), renewal),
            None => {
                let name = name.into();
                names.push(Entry { name, until, renewal });
                table.entries += 1;
            }
        }
        table.order.push_back((renewal, address.to_canonical()));
        while table.entries > self.capacity && table.forget_oldest() {}
        if table.order.len() > self.capacity.saturating_mul(2) {
            table.drop_overtaken();
        }
    }

    /// The names of an address, the latest first.
    pub(crate) fn of(&self, address: IpAddr, now: Instant) -> Vec<Box<str>> {
        let table = self.table.lock();
        let Some(entries) = table.by_address.get(&address.to_canonical()) else {
            return Vec::new();
        };
        let mut alive: Vec<&Entry> = entries.iter().filter(|entry| entry.until > now).collect();
        alive.sort_unstable_by_key(|entry| core::cmp::Reverse(entry.renewal));
        alive.into_iter().map(|entry| entry.name.clone()).collect()
    }
}

impl Table {
    /// Takes the oldest renewal off, and its entry with it unless that was renewed since. False if there is none.
    fn forget_oldest(&mut self) -> bool {
        let Some((renewal, address)) = self.order.pop_front() else {
            return false;
        };
        if let Some(names) = self.by_address.get_mut(&address) {
            let before = names.len();
            names.retain(|entry| entry.renewal != renewal);
            self.entries -= before - names.len();
            if names.is_empty() {
                self.by_address.remove(&address);
            }
        }
        true
    }
}

impl Table {
    /// Keeps of the renewals those that are an entry's latest.
    fn drop_overtaken(&mut self) {
        let Self { by_address, order, .. } = self;
        order.retain(|(renewal, address)| {
            let names = by_address.get(address);
            names.is_some_and(|names| names.iter().any(|entry| entry.renewal == *renewal))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([93, 184, 216, last])
    }

    #[test]
    fn a_name_lives_as_long_as_its_record_within_bounds() {
        let names = Names::new(16);
        let now = Instant::now();
        names.record(ip(1), "short.example", Duration::ZERO, now);
        names.record(ip(1), "long.example", Duration::from_secs(1 << 30), now);
        let at = |seconds| names.of(ip(1), now + Duration::from_secs(seconds)).join(" ");
        assert_eq!(at(0), "long.example short.example");
        assert_eq!(at(59), "long.example short.example");
        assert_eq!(at(61), "long.example");
        assert_eq!(at(3601), "");
    }

    #[test]
    fn the_oldest_is_forgotten_and_a_renewed_one_is_not_old() {
        let names = Names::new(2);
        let now = Instant::now();
        names.record(ip(1), "a", LONGEST, now);
        names.record(ip(2), "b", LONGEST, now);
        names.record(ip(1), "a", LONGEST, now);
        names.record(ip(3), "c", LONGEST, now);
        let known = [1, 2, 3].map(|last| names.of(ip(last), now).len());
        assert_eq!(known, [1, 0, 1]);
    }

    #[test]
    fn renewing_for_ever_keeps_the_table_small() {
        let names = Names::new(4);
        let now = Instant::now();
        for turn in 0..1000_u32 {
            names.record(ip((turn % 3) as u8), "same", LONGEST, now);
        }
        let table = names.table.lock();
        assert!(
            table.order.len() <= 8 && table.entries == 3,
            "{} {}",
            table.order.len(),
            table.entries
        );
    }

    #[test]
    fn a_mapped_address_is_its_ipv4_address() {
        let names = Names::new(4);
        let now = Instant::now();
        names.record("::ffff:93.184.216.1".parse().unwrap(), "a", LONGEST, now);
        assert_eq!(names.of(ip(1), now).len(), 1);
    }
}
