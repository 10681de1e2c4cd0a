//! Who is at the other end of a connection, and how many connections that is.

use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::TaskTracker;

use super::phase::{Phase, PhaseWatch};
use super::pulse::Pulse;

/// One transport connection. The connection counts against the limits until the last clone is gone.
#[derive(Clone, Debug)]
pub struct Peer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    secure: bool,
    pulse: Arc<Pulse>,
    phase: PhaseWatch,
    tasks: TaskTracker,
    _slot: Slot,
}

impl Peer {
    pub(crate) fn new(address: SocketAddr, secure: bool, phase: PhaseWatch, tasks: TaskTracker, slot: Slot) -> Self {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        Self(Arc::new(Inner {
            address,
            secure,
            pulse: Arc::new(Pulse::default()),
            phase,
            tasks,
            _slot: slot,
        }))
    }

    /// The address that the connection comes from; an IPv4 address in IPv6 clothes is shown as IPv4.
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Whether the connection comes from this machine.
    pub fn is_loopback(&self) -> bool {
        self.0.address.ip().is_loopback()
    }

    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.0.secure
    }

    /// Whether the server finishes: nothing new may begin.
    pub fn is_draining(&self) -> bool {
        self.0.phase.now() >= Phase::Draining
    }

    /// Resolves when the server begins to finish: what was begun may be completed.
    pub async fn draining(&self) {
        self.0.phase.reached(Phase::Draining).await;
    }

    /// Resolves when everything must end at once.
    pub async fn closing(&self) {
        self.0.phase.reached(Phase::Closing).await;
    }

    /// Runs the rest of an upgraded connection. The server's drain waits for it.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(work);
    }

    pub(crate) fn pulse(&self) -> &Arc<Pulse> {
        &self.0.pulse
    }
}

/// The address by which a peer is counted: an IPv6 customer owns a /64.
pub(crate) fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// How many connections each address has. Entries exist only for addresses that have one.
#[derive(Debug, Default)]
pub(crate) struct Population(Mutex<HashMap<IpAddr, usize>>);

impl Population {
    /// Counts one more connection; `None` if the address has its share already.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr, most: usize, permit: OwnedSemaphorePermit) -> Option<Slot> {
        let key = counted_as(address);
        let mut counts = self.0.lock();
        let count = counts.entry(key).or_insert(0);
        if *count >= most && !key.is_loopback() && !address.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Slot {
            population: Arc::clone(self),
            key,
            _permit: permit,
        })
    }

    /// Connections of all addresses.
    pub(crate) fn total(&self) -> usize {
        self.0.lock().values().sum()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// One counted connection.
#[derive(Debug)]
pub(crate) struct Slot {
    population: Arc<Population>,
    key: IpAddr,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut counts = self.population.0.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::Semaphore;

    fn permit(semaphore: &Arc<Semaphore>) -> OwnedSemaphorePermit {
        Arc::clone(semaphore).try_acquire_owned().expect("a permit")
    }

    #[test]
    fn an_address_has_its_share_and_leaves_nothing_behind() {
        let population = Arc::new(Population::default());
        let semaphore = Arc::new(Semaphore::new(10));
        let near = "2001:db8::1".parse().expect("an address");
        let same_customer = "2001:db8::2".parse().expect("an address");
        let first = population.enter(near, 2, permit(&semaphore)).expect("room");
        let second = population.enter(same_customer, 2, permit(&semaphore)).expect("room");
        assert!(population.enter(near, 2, permit(&semaphore)).is_none());
        drop((first, second));
        assert_eq!((population.len(), semaphore.available_permits()), (0, 10));
    }

    #[test]
    fn loopback_has_no_share() {
        let population = Arc::new(Population::default());
        let semaphore = Arc::new(Semaphore::new(10));
        let held: Vec<_> = (0..5)
            .map(|_| population.enter("127.0.0.1".parse().expect("an address"), 1, permit(&semaphore)))
            .collect();
        assert!(held.iter().all(Option::is_some));
    }
}
