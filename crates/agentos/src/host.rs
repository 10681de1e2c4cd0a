//! The host's time and randomness, as a VM sees them by default.
//!
//! One thread per process serves the timers of all VMs. It sleeps until the nearest deadline and does not exist until the
//! first timer is set.

use agentos_kernel::clock::{Clock, Entropy, Instant, Timestamp};
use parking_lot::{Condvar, Mutex};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Host time.
#[derive(Debug, Default)]
pub(crate) struct SystemClock;

impl SystemClock {
    /// The clock that all VMs of the process share.
    pub(crate) fn shared() -> Arc<dyn Clock> {
        static CLOCK: OnceLock<Arc<SystemClock>> = OnceLock::new();
        CLOCK.get_or_init(Arc::default).clone()
    }
}

/// The host's clock, as VMs have it; for filesystems of your own.
pub fn system_clock() -> Arc<dyn Clock> {
    SystemClock::shared()
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    fn instant(&self) -> Instant {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let nanos = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
        Instant(u64::try_from(nanos).unwrap_or(0))
    }

    fn wake_at(&self, deadline: Instant, waker: &Waker) {
        Timers::shared().add(deadline, waker, self.instant());
    }
}

/// Pending deadlines of the process.
///
/// A guest decides how often and how far ahead timers are set, so both are bounded: a waker stands here once, with its
/// nearest deadline, and no longer than [`HORIZON`]. A wake that comes early makes the waiting call look again and set its
/// timer anew, which the kernel's calls do by themselves because they keep no state between polls.
struct Timers {
    pending: Mutex<Pending>,
    changed: Condvar,
}

/// Longest time that a waker is kept, in ns.
const HORIZON: u64 = 30_000_000_000;

#[derive(Default)]
struct Pending {
    by_deadline: BTreeMap<(Instant, Identity), Waker>,
    deadlines: HashMap<Identity, Instant>,
}

/// What tells one waker from another: its data and its function table.
type Identity = (usize, usize);

fn identity(waker: &Waker) -> Identity {
    (waker.data() as usize, std::ptr::from_ref(waker.vtable()) as usize)
}

impl Timers {
    fn shared() -> &'static Self {
        static TIMERS: OnceLock<Timers> = OnceLock::new();
        static THREAD: OnceLock<()> = OnceLock::new();
        let timers = TIMERS.get_or_init(|| Self {
            pending: Mutex::default(),
            changed: Condvar::new(),
        });
        THREAD.get_or_init(|| {
            // Without the thread timers would never fire; a process that cannot start one thread is past helping, and the
            // guests' waits simply last until something else wakes them.
            let _ = std::thread::Builder::new()
                .name("agentos-timer".to_owned())
                .spawn(move || Self::serve(timers));
        });
        timers
    }

    fn add(&self, deadline: Instant, waker: &Waker, now: Instant) {
        if deadline <= now {
            return waker.wake_by_ref();
        }
        let deadline = deadline.min(now.after(HORIZON));
        let identity = identity(waker);
        let mut pending = self.pending.lock();
        if let Some(known) = pending.deadlines.get(&identity).copied() {
            if known <= deadline {
                return;
            }
            pending.by_deadline.remove(&(known, identity));
        }
        pending.deadlines.insert(identity, deadline);
        pending.by_deadline.insert((deadline, identity), waker.clone());
        if pending
            .by_deadline
            .first_key_value()
            .is_some_and(|(first, _)| *first == (deadline, identity))
        {
            self.changed.notify_one();
        }
    }

    fn serve(timers: &Self) {
        let clock = SystemClock;
        loop {
            let mut pending = timers.pending.lock();
            let due = pending.take_due(clock.instant());
            if due.is_empty() {
                match pending.by_deadline.first_key_value() {
                    None => timers.changed.wait(&mut pending),
                    Some((&(first, _), _)) => {
                        let sleep = Duration::from_nanos(first.since(clock.instant()));
                        timers.changed.wait_for(&mut pending, sleep);
                    }
                }
            }
            drop(pending);
            for waker in due {
                waker.wake();
            }
        }
    }
}

impl Pending {
    fn take_due(&mut self, now: Instant) -> Vec<Waker> {
        let later = self.by_deadline.split_off(&(now.after(1), (0, 0)));
        let due = std::mem::replace(&mut self.by_deadline, later);
        for (_, identity) in due.keys() {
            self.deadlines.remove(identity);
        }
        due.into_values().collect()
    }
}

/// Randomness of the host.
#[derive(Debug, Default)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buf: &mut [u8]) {
        let mut filled = 0;
        while filled < buf.len() {
            match rustix::rand::getrandom(&mut buf[filled..], rustix::rand::GetRandomFlags::empty()) {
                Ok(n) => filled += n,
                Err(rustix::io::Errno::INTR) => {}
                // The kernel's generator does not fail once it is seeded; weak bytes must never pass for random ones.
                Err(error) => unreachable!("getrandom: {error}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::task::Wake;

    struct Signal(mpsc::Sender<u32>, u32);

    impl Wake for Signal {
        fn wake(self: Arc<Self>) {
            let _ = self.0.send(self.1);
        }
    }

    #[test]
    fn a_waker_stands_once_with_its_nearest_deadline() {
        let timers = Timers {
            pending: Mutex::default(),
            changed: Condvar::new(),
        };
        let (sender, _receiver) = mpsc::channel();
        let waker = Waker::from(Arc::new(Signal(sender, 0)));
        for deadline in [u64::MAX, 500, 900, 400] {
            timers.add(Instant(deadline), &waker, Instant(1));
        }
        let mut pending = timers.pending.lock();
        assert_eq!((pending.by_deadline.len(), pending.deadlines.len()), (1, 1));
        assert!(pending.take_due(Instant(399)).is_empty());
        assert_eq!(pending.take_due(Instant(400)).len(), 1);
        assert!(pending.deadlines.is_empty());
    }

    #[test]
    fn timers_fire_in_order_whatever_order_they_were_set_in() {
        let clock = SystemClock;
        let (sender, receiver) = mpsc::channel();
        let now = clock.instant();
        for (name, delay) in [(2, 40_000_000), (1, 20_000_000), (0, 0)] {
            let waker = Waker::from(Arc::new(Signal(sender.clone(), name)));
            clock.wake_at(now.after(delay), &waker);
        }
        assert_eq!([(); 3].map(|()| receiver.recv().unwrap()), [0, 1, 2]);
        assert!(clock.instant() >= now.after(40_000_000));
    }
}
