//! Folding of equal events: the first ten in a second as they come, then one that counts the rest.

use super::audit::{AuditEvent, AuditKind};
use crate::clock::{Instant, Timestamp};
use std::collections::HashMap;

/// Equal events of one second that are reported one by one (security.md section 8).
const SINGLY: u64 = 10;
/// Length of a window in ns.
const WINDOW: u64 = 1_000_000_000;
/// Different events that are told apart within a second; further ones are folded by name alone.
const DISTINCT: usize = 256;

/// What was seen in one second.
#[derive(Debug)]
pub(super) struct Folding {
    began: Instant,
    seen: HashMap<Key, Seen>,
    warnings: HashMap<&'static str, u64>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
enum Key {
    Equal(AuditKind),
    Name(&'static str),
}

#[derive(Debug)]
struct Seen {
    singly: u64,
    /// Those that were held back, and the last of them.
    held: u64,
    last: Option<(Timestamp, AuditKind)>,
}

impl Folding {
    /// A second that begins now.
    pub(super) fn new(began: Instant) -> Self {
        Self {
            began,
            seen: HashMap::new(),
            warnings: HashMap::new(),
        }
    }

    /// Takes an event, and gives it back if it is to be reported now.
    pub(super) fn take(&mut self, time: Timestamp, kind: AuditKind) -> Option<AuditEvent> {
        let mut key = Key::Equal(kind.essence());
        if self.seen.len() >= DISTINCT && !self.seen.contains_key(&key) {
            key = Key::Name(kind.name());
        }
        let seen = self.seen.entry(key).or_insert(Seen {
            singly: 0,
            held: 0,
            last: None,
        });
        if seen.singly < SINGLY {
            seen.singly += 1;
            return Some(AuditEvent { time, count: 1, kind });
        }
        seen.held = seen.held.saturating_add(1);
        seen.last = Some((time, kind));
        None
    }

    /// Whether one more warning about this limit may be reported in this second.
    pub(super) fn admits_warning(&mut self, path: &'static str) -> bool {
        // The paths are those of the table of limits, so there cannot be many.
        let count = self.warnings.entry(path).or_default();
        *count = count.saturating_add(1);
        *count <= SINGLY
    }

    /// When the second is over.
    pub(super) fn ends(&self) -> Instant {
        self.began.after(WINDOW)
    }

    /// Whether it is over.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        now >= self.ends()
    }

    /// What was held back, each with its count, by time.
    pub(super) fn end(self) -> Vec<AuditEvent> {
        let folded = self.seen.into_values().filter_map(|seen| {
            let (time, kind) = seen.last?;
            Some(AuditEvent {
                time,
                count: seen.held,
                kind,
            })
        });
        let mut folded: Vec<AuditEvent> = folded.collect();
        folded.sort_by_key(|event| event.time);
        folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::Text;
    use crate::id::Pid;

    fn denied(resource: u32, pid: u32) -> AuditKind {
        AuditKind::PermissionDenied {
            scope: "fs",
            operation: "read",
            resource: Text::from(resource.to_string()),
            rule: Text::from("permissions.fs"),
            pid: Some(Pid(pid)),
        }
    }

    #[test]
    fn the_rest_of_a_second_becomes_one() {
        let mut window = Folding::new(Instant(5));
        let singly = (0..100)
            .filter_map(|pid| window.take(Timestamp(7), denied(1, pid)))
            .count();
        assert_eq!(singly as u64, SINGLY);
        assert!(window.take(Timestamp(8), denied(2, 1)).is_some());
        assert!(!window.is_over(Instant(WINDOW)) && window.is_over(Instant(5 + WINDOW)));
        let folded = window.end();
        assert_eq!(folded.len(), 1);
        assert_eq!((folded[0].count, &folded[0].kind), (90, &denied(1, 99)));
    }

    #[test]
    fn many_different_events_cost_no_more_than_some() {
        let mut window = Folding::new(Instant(0));
        let singly = (0..100_000)
            .filter_map(|n| window.take(Timestamp(0), denied(n, 1)))
            .count();
        assert_eq!(singly, DISTINCT + 10);
        assert_eq!(window.seen.len(), DISTINCT + 1);
        let rest: u64 = window.end().iter().map(|event| event.count).sum();
        assert_eq!(singly as u64 + rest, 100_000);
    }

    #[test]
    fn warnings_of_one_limit_are_bounded() {
        let mut window = Folding::new(Instant(0));
        assert_eq!((0..100).filter(|_| window.admits_warning("a")).count(), 10);
        assert!(window.admits_warning("b"));
    }
}
