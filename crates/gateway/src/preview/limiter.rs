//! Who asks too often, and who asks for too much at once.
//!
//! Invariants: an entry of either table exists only for a VM with open requests or for an address with fresh failures, and the
//! table of addresses never has more than [`ADDRESSES`] entries.

use agentos_actor::Clock;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Addresses whose failures are remembered.
const ADDRESSES: usize = 4096;
const WINDOW_MS: i64 = 60_000;

/// Refused tokens by address.
pub(super) struct Failures {
    clock: Arc<dyn Clock>,
    most: u32,
    seen: Mutex<HashMap<IpAddr, Window>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since_ms: i64,
    count: u32,
}

impl Failures {
    pub(super) fn new(most: u32, clock: Arc<dyn Clock>) -> Self {
        let seen = Mutex::new(HashMap::new());
        Self { clock, most, seen }
    }

    /// Whether the address must wait, and for how many seconds.
    pub(super) fn blocked(&self, address: IpAddr) -> Option<u64> {
        let mut seen = self.seen.lock();
        let window = *seen.get(&counted(address))?;
        let left = window.left(self.clock.now_ms());
        if left == 0 {
            seen.remove(&counted(address));
            return None;
        }
        (window.count >= self.most).then_some(left.div_ceil(1000))
    }

    pub(super) fn record(&self, address: IpAddr) {
        let now = self.clock.now_ms();
        let mut seen = self.seen.lock();
        let key = counted(address);
        if seen.len() >= ADDRESSES && !seen.contains_key(&key) {
            make_room(&mut seen, now);
        }
        let fresh = Window {
            since_ms: now,
            count: 0,
        };
        let window = seen.entry(key).or_insert(fresh);
        if window.left(now) == 0 {
            *window = fresh;
        }
        window.count = window.count.saturating_add(1);
    }
}

impl Window {
    /// Milliseconds until it is over. A clock that was set back ends it.
    fn left(self, now_ms: i64) -> u64 {
        let since = now_ms.saturating_sub(self.since_ms);
        if since < 0 {
            0
        } else {
            u64::try_from(WINDOW_MS.saturating_sub(since)).unwrap_or(0)
        }
    }
}

/// Forgets what is over; if nothing is, whoever began first.
fn make_room(seen: &mut HashMap<IpAddr, Window>, now_ms: i64) {
    seen.retain(|_, window| window.left(now_ms) > 0);
    if seen.len() >= ADDRESSES
        && let Some(oldest) = seen
            .iter()
            .min_by_key(|(_, window)| window.since_ms)
            .map(|(key, _)| *key)
    {
        seen.remove(&oldest);
    }
}

/// A customer of IPv6 has a /64 and counts once.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Requests in progress by actor.
#[derive(Debug)]
pub(super) struct Slots {
    used: Mutex<HashMap<Arc<str>, usize>>,
}

impl Slots {
    pub(super) fn new() -> Arc<Self> {
        let used = Mutex::new(HashMap::new());
        Arc::new(Self { used })
    }

    /// One more request of an actor, unless it has `most` already.
    pub(super) fn enter(self: &Arc<Self>, actor: &str, most: usize) -> Option<Slot> {
        let mut used = self.used.lock();
        let count = used.get(actor).copied().unwrap_or(0);
        if count >= most {
            return None;
        }
        let key = used
            .get_key_value(actor)
            .map_or_else(|| Arc::from(actor), |(key, _)| key.clone());
        used.insert(key.clone(), count + 1);
        Some(Slot {
            slots: self.clone(),
            actor: key,
        })
    }

    /// Requests in progress, of all actors.
    pub(super) fn active(&self) -> usize {
        self.used.lock().values().sum()
    }
}

/// One request in progress.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    actor: Arc<str>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut used = self.slots.used.lock();
        if let Some(count) = used.get_mut(&self.actor) {
            *count -= 1;
            if *count == 0 {
                used.remove(&self.actor);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use agentos_actor::ManualClock;
    use std::time::Duration;

    #[test]
    fn failures_block_their_address_for_the_rest_of_a_minute() {
        let clock = ManualClock::default();
        let failures = Failures::new(2, Arc::new(clock.clone()));
        let (near, same, far): (IpAddr, IpAddr, IpAddr) = (
            "2001:db8::1".parse().unwrap(),
            "2001:db8::2".parse().unwrap(),
            "2001:db8:0:1::1".parse().unwrap(),
        );
        failures.record(near);
        assert_eq!(failures.blocked(near), None);
        clock.advance(Duration::from_secs(20));
        failures.record(same);
        assert_eq!((failures.blocked(near), failures.blocked(far)), (Some(40), None));
        clock.advance(Duration::from_secs(40));
        assert_eq!(failures.blocked(near), None);
        assert!(failures.seen.lock().is_empty());
    }

    #[test]
    fn a_host_with_many_addresses_fills_no_memory() {
        let clock = ManualClock::default();
        let failures = Failures::new(1, Arc::new(clock.clone()));
        for number in 0..u32::try_from(ADDRESSES).unwrap() + 100 {
            failures.record(IpAddr::V4(number.into()));
            clock.advance(Duration::from_millis(1));
        }
        assert_eq!(failures.seen.lock().len(), ADDRESSES);
        assert_eq!(failures.blocked(IpAddr::V4(0.into())), None);
        assert!(failures.blocked(IpAddr::V4(4000.into())).is_some());
    }

    #[test]
    fn an_actor_has_its_share_and_leaves_nothing_behind() {
        let slots = Slots::new();
        let held: Vec<_> = (0..3).map(|_| slots.enter("a", 2)).collect();
        assert_eq!(held.iter().flatten().count(), 2);
        assert!(slots.enter("b", 2).is_some());
        assert_eq!(slots.active(), 2);
        drop(held);
        assert!(slots.used.lock().is_empty());
    }
}
