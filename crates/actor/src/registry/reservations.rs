//! How many ids one address may reserve before a hook accepts one.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use agentos_value::{ActorError, ActorId};
use parking_lot::Mutex;

/// The window that reservations are counted in.
const WINDOW_MS: i64 = 60_000;
/// Bytes of inputs that one address may have waiting.
const MAX_INPUT_BYTES: usize = 16 << 20;
/// Addresses with reservations in one window, at most; further ones are refused.
const MAX_ADDRESSES: usize = 100_000;

/// Reservations of the last minute that nobody accepted, by address.
#[derive(Debug, Default)]
pub(crate) struct Reservations(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    by_address: HashMap<IpAddr, VecDeque<(i64, ActorId, usize)>>,
    by_id: HashMap<ActorId, IpAddr>,
}

impl Reservations {
    /// Counts one reservation with an input of `bytes`.
    ///
    /// # Errors
    /// `guard/too_many_requests` when the address has had its share of this minute.
    pub(crate) fn count(
        &self,
        peer: Option<IpAddr>,
        id: &ActorId,
        bytes: usize,
        max: usize,
        now_ms: i64,
    ) -> Result<(), ActorError> {
        let Some(peer) = peer.filter(|peer| !is_loopback(peer)) else {
            return Ok(());
        };
        let peer = network(peer);
        let mut inner = self.0.lock();
        inner.forget_before(now_ms - WINDOW_MS, peer);
        if inner.by_address.len() >= MAX_ADDRESSES && !inner.by_address.contains_key(&peer) {
            inner.forget_all_before(now_ms - WINDOW_MS);
            if inner.by_address.len() >= MAX_ADDRESSES {
                return Err(rate_limited(max));
            }
        }
        let known = inner.by_address.entry(peer).or_default();
        let waiting: usize = known.iter().map(|(_, _, bytes)| bytes).sum();
        if known.len() >= max || waiting.saturating_add(bytes) > MAX_INPUT_BYTES {
            return Err(rate_limited(max));
        }
        known.push_back((now_ms, id.clone(), bytes));
        inner.by_id.insert(id.clone(), peer);
        Ok(())
    }

    /// A hook accepted this reservation: it counts no more.
    pub(crate) fn accepted(&self, id: &ActorId) {
        let mut inner = self.0.lock();
        let Some(peer) = inner.by_id.remove(id) else { return };
        if let Some(known) = inner.by_address.get_mut(&peer) {
            known.retain(|(_, reserved, _)| reserved != id);
            if known.is_empty() {
                inner.by_address.remove(&peer);
            }
        }
    }
}

impl Inner {
    fn forget_before(&mut self, oldest_ms: i64, peer: IpAddr) {
        let Some(known) = self.by_address.get_mut(&peer) else {
            return;
        };
        while let Some((at, id, _)) = known.front()
            && *at <= oldest_ms
        {
            self.by_id.remove(id);
            known.pop_front();
        }
        if known.is_empty() {
            self.by_address.remove(&peer);
        }
    }

    fn forget_all_before(&mut self, oldest_ms: i64) {
        let peers: Vec<_> = self.by_address.keys().copied().collect();
        peers.into_iter().for_each(|peer| self.forget_before(oldest_ms, peer));
    }
}

fn is_loopback(peer: &IpAddr) -> bool {
    peer.to_canonical().is_loopback()
}

/// What counts as one address: whoever has one IPv6 address has all of its /64.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

fn rate_limited(max: usize) -> ActorError {
    let text = format!("more than {max} new actors in one minute from one address that no hook has accepted");
    ActorError::guard("too_many_requests", text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;

    #[test]
    fn an_address_has_its_share_of_each_minute() {
        let reservations = Reservations::default();
        let peer = Some("192.0.2.1".parse().unwrap());
        let ids: Vec<_> = (0..3).map(|_| random::actor_id()).collect();
        assert!(reservations.count(peer, &ids[0], 0, 2, 0).is_ok());
        assert!(reservations.count(peer, &ids[1], 0, 2, 1).is_ok());
        assert!(
            reservations
                .count(peer, &ids[2], 0, 2, 59_999)
                .unwrap_err()
                .is("guard", "too_many_requests")
        );
        assert!(
            reservations
                .count(Some("192.0.2.2".parse().unwrap()), &ids[2], 0, 2, 59_999)
                .is_ok()
        );
        assert!(reservations.count(peer, &ids[2], 0, 2, 60_000).is_ok());
        reservations.accepted(&ids[1]);
        assert!(reservations.count(peer, &ids[0], 0, 2, 60_000).is_ok());
    }

    #[test]
    fn loopback_is_exempt_and_networks_are_one_address() {
        let reservations = Reservations::default();
        for peer in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            for _ in 0..3 {
                assert!(
                    reservations
                        .count(Some(peer.parse().unwrap()), &random::actor_id(), 0, 1, 0)
                        .is_ok()
                );
            }
        }
        let of = |text: &str| Some(text.parse().unwrap());
        assert!(
            reservations
                .count(of("2001:db8::1"), &random::actor_id(), 0, 1, 0)
                .is_ok()
        );
        assert!(
            reservations
                .count(of("2001:db8::2"), &random::actor_id(), 0, 1, 0)
                .is_err()
        );
        assert!(
            reservations
                .count(of("2001:db8:0:1::2"), &random::actor_id(), 0, 1, 0)
                .is_ok()
        );
    }
}
