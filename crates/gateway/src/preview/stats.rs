//! What the proxy has done, for the metrics.

use http::StatusCode;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub struct Stats {
    answers: [AtomicU64; Outcome::ALL.len()],
    upgrades: AtomicU64,
    failures: AtomicU64,
    to_guests: AtomicU64,
    from_guests: AtomicU64,
}

/// What a request came to, for counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A guest answered, whatever it answered.
    Answered,
    /// A preflight was answered.
    Preflight,
    /// The token was refused, or the address had too many refusals.
    Refused,
    /// The address is no preview.
    NotFound,
    /// Too many requests at a time, or the actor is not available.
    Busy,
    /// No listener, no answer, no HTTP.
    Failed,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Answered,
        Self::Preflight,
        Self::Refused,
        Self::NotFound,
        Self::Busy,
        Self::Failed,
    ];

    /// Its name as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Preflight => "preflight",
            Self::Refused => "refused",
            Self::NotFound => "not_found",
            Self::Busy => "busy",
            Self::Failed => "failed",
        }
    }

    pub(super) fn of(status: StatusCode) -> Self {
        match status.as_u16() {
            204 => Self::Preflight,
            403 | 429 => Self::Refused,
            404 => Self::NotFound,
            503 => Self::Busy,
            _ => Self::Failed,
        }
    }
}

impl Stats {
    /// Requests that came to this.
    pub fn answers(&self, outcome: Outcome) -> u64 {
        self.answers[outcome as usize].load(Ordering::Relaxed)
    }

    /// WebSockets that were opened.
    pub fn upgrades(&self) -> u64 {
        self.upgrades.load(Ordering::Relaxed)
    }

    /// Tokens that were refused.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Bytes of bodies and WebSockets, to guests and from them.
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.to_guests.load(Ordering::Relaxed),
            self.from_guests.load(Ordering::Relaxed),
        )
    }

    pub(super) fn count(&self, outcome: Outcome) {
        self.answers[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn upgraded(&self) {
        self.upgrades.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn sent(&self, bytes: usize) {
        self.to_guests.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn received(&self, bytes: usize) {
        self.from_guests.fetch_add(bytes as u64, Ordering::Relaxed);
    }
}
