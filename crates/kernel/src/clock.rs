//! Time and randomness, both given to the kernel from outside so that tests can drive them.

use core::task::Waker;

/// Nanoseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

/// Nanoseconds on a clock that never goes back and starts at an arbitrary point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(pub u64);

impl Instant {
    /// The instant `nanos` later, saturating at the end of time.
    #[must_use]
    pub const fn after(self, nanos: u64) -> Self {
        Self(self.0.saturating_add(nanos))
    }

    /// Nanoseconds from `earlier` to `self`, zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The source of time of a VM.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time.
    fn now(&self) -> Timestamp;

    /// Monotonic time.
    fn instant(&self) -> Instant;

    /// Wakes `waker` at `deadline` or soon after. Spurious and repeated wakes are allowed; a waker whose deadline was
    /// superseded is still woken.
    fn wake_at(&self, deadline: Instant, waker: &Waker);
}

/// The source of randomness of a VM; must be fit for keys.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `buf`.
    fn fill(&self, buf: &mut [u8]);
}
