//! The states of one actor as a pure machine: events in, decisions out, no time and no tasks of its own.
//!
//! ```text
//!          want            booted             stop
//! Asleep ───────► Booting ───────► Ready ─────────────► Stopping ──► Asleep
//!   ▲               │ failed         │ crash ► Stopping     stopped
//!   │ (none)        ▼                │
//!   │            Failed ── want, after the back-off ► Booting
//!   any ── destroy ► Destroying ── destroyed ► Gone
//! ```
//!
//! Invariants: at most one boot, stop or destroy is under way; every boot has an epoch greater than all before it, and the
//! end of a boot of another epoch than the current one changes nothing; `Gone` is final.

use std::time::Duration;

/// The first wait after a failed boot; it doubles up to [`BACK_OFF_MAX`].
const BACK_OFF_FIRST: Duration = Duration::from_millis(100);
/// The longest wait after a failed boot.
const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// Where an actor stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Nothing runs; storage exists unless no connection was accepted yet.
    Asleep,
    /// It starts.
    Booting,
    /// It runs.
    Ready,
    /// It ends, to be asleep then.
    Stopping,
    /// Its last boot failed.
    Failed,
    /// It ends for good. To clients it does not exist.
    Destroying,
    /// It does not exist.
    Gone,
}

impl Phase {
    /// `asleep`, `booting` and so on.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asleep => "asleep",
            Self::Booting => "booting",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
            Self::Destroying => "destroying",
            Self::Gone => "destroyed",
        }
    }
}

/// Counts boots of one actor within this process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Epoch(pub(crate) u64);

/// What somebody who needs the awake actor has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Use it.
    Ready,
    /// Start the boot of this epoch, then wait.
    Boot(Epoch),
    /// Wait for a change.
    Wait(Epoch),
    /// Ask again after this time, or after a change.
    Later(Duration),
    /// Give up: it does not exist.
    Gone,
}

/// The machine.
#[derive(Debug)]
pub(crate) struct Machine {
    phase: Phase,
    epoch: Epoch,
    /// Boots that failed since the last one that did not.
    failures: u32,
    retry_at_ms: i64,
}

impl Machine {
    pub(crate) const fn asleep() -> Self {
        Self {
            phase: Phase::Asleep,
            epoch: Epoch(0),
            failures: 0,
            retry_at_ms: 0,
        }
    }

    pub(crate) const fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Somebody needs the awake actor.
    pub(crate) fn want(&mut self, now_ms: i64) -> Want {
        match self.phase {
            Phase::Ready => Want::Ready,
            Phase::Booting | Phase::Stopping => Want::Wait(self.epoch),
            Phase::Destroying | Phase::Gone => Want::Gone,
            Phase::Failed if now_ms < self.retry_at_ms => {
                Want::Later(Duration::from_millis(self.retry_at_ms.abs_diff(now_ms)))
            }
            Phase::Asleep | Phase::Failed => {
                self.phase = Phase::Booting;
                self.epoch.0 += 1;
                Want::Boot(self.epoch)
            }
        }
    }

    /// A boot ended well. `false` means that nobody waits for it any more and its result must be thrown away.
    #[must_use]
    pub(crate) fn booted(&mut self, epoch: Epoch) -> bool {
        let current = self.phase == Phase::Booting && self.epoch == epoch;
        if current {
            self.phase = Phase::Ready;
            self.failures = 0;
        }
        current
    }

    /// A boot failed; the next use tries again after the back-off that this returns.
    pub(crate) fn boot_failed(&mut self, epoch: Epoch, now_ms: i64) -> Option<Duration> {
        if self.phase != Phase::Booting || self.epoch != epoch {
            return None;
        }
        let back_off = BACK_OFF_FIRST
            .saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX))
            .min(BACK_OFF_MAX);
        self.phase = Phase::Failed;
        self.failures = (self.failures + 1).min(16);
        self.retry_at_ms = now_ms.saturating_add(i64::try_from(back_off.as_millis()).unwrap_or(i64::MAX));
        Some(back_off)
    }

    /// The running actor shall end and be asleep, because it has nothing to do, was told to, or crashed.
    #[must_use]
    pub(crate) fn stop(&mut self) -> bool {
        let runs = self.phase == Phase::Ready;
        if runs {
            self.phase = Phase::Stopping;
        }
        runs
    }

    /// What [`Machine::stop`] began is done.
    pub(crate) fn stopped(&mut self) {
        if self.phase == Phase::Stopping {
            self.phase = Phase::Asleep;
        }
    }

    /// The actor shall end for good. Returns the phase it was in, or `None` if that has begun before.
    #[must_use]
    pub(crate) fn destroy(&mut self) -> Option<Phase> {
        match self.phase {
            Phase::Destroying | Phase::Gone => None,
            from => {
                self.phase = Phase::Destroying;
                Some(from)
            }
        }
    }

    /// What [`Machine::destroy`] began is done.
    pub(crate) fn destroyed(&mut self) {
        if self.phase == Phase::Destroying {
            self.phase = Phase::Gone;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_up_to_its_cap() {
        let mut machine = Machine::asleep();
        let mut now = 0;
        let mut waits = Vec::new();
        for _ in 0..12 {
            let Want::Boot(epoch) = machine.want(now) else {
                panic!("{machine:?}")
            };
            let wait = machine.boot_failed(epoch, now).unwrap();
            assert_eq!(machine.want(now), Want::Later(wait));
            now += i64::try_from(wait.as_millis()).unwrap();
            waits.push(wait.as_millis());
        }
        assert_eq!(
            waits,
            [
                100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000, 30_000
            ]
        );
        let Want::Boot(epoch) = machine.want(now) else {
            panic!("{machine:?}")
        };
        assert!(machine.booted(epoch) && machine.stop());
        machine.stopped();
        let Want::Boot(epoch) = machine.want(now) else {
            panic!("{machine:?}")
        };
        assert_eq!(machine.boot_failed(epoch, now), Some(BACK_OFF_FIRST));
    }

    #[test]
    fn the_end_of_a_former_boot_changes_nothing() {
        let mut machine = Machine::asleep();
        let Want::Boot(first) = machine.want(0) else {
            panic!("{machine:?}")
        };
        assert_eq!(machine.want(0), Want::Wait(first));
        assert_eq!(machine.destroy(), Some(Phase::Booting));
        assert!(!machine.booted(first));
        assert_eq!((machine.boot_failed(first, 0), machine.destroy()), (None, None));
        machine.destroyed();
        assert_eq!((machine.phase(), machine.want(0)), (Phase::Gone, Want::Gone));
    }
}
