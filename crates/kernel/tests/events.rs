//! Warnings and the audit trail, driven by a clock that stands still.
// A test that cannot go on fails.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use agentos_kernel::clock::{Clock, Instant, Timestamp};
use agentos_kernel::events::{Audit, AuditKind, Event, EventSink, Ignore, Text};
use agentos_kernel::limits::Counter;
use agentos_kernel::{Errno, LimitExceeded};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;

const SECOND: u64 = 1_000_000_000;

/// A clock that only goes when it is told; wakes whose deadline has passed come at once, on the caller's stack.
#[derive(Default)]
struct Hand {
    now: AtomicU64,
    timers: Mutex<Vec<(Instant, Waker)>>,
}

impl Hand {
    fn go(&self, nanos: u64) {
        self.now.fetch_add(nanos, Ordering::SeqCst);
        let now = self.instant();
        let mut due = Vec::new();
        self.timers.lock().unwrap().retain(|(deadline, waker)| {
            let later = *deadline > now;
            if !later {
                due.push(waker.clone());
            }
            later
        });
        due.into_iter().for_each(Waker::wake);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp(i64::try_from(self.now.load(Ordering::SeqCst)).unwrap())
    }

    fn instant(&self) -> Instant {
        Instant(self.now.load(Ordering::SeqCst))
    }

    fn wake_at(&self, deadline: Instant, waker: &Waker) {
        if deadline <= self.instant() {
            return waker.wake_by_ref();
        }
        self.timers.lock().unwrap().push((deadline, waker.clone()));
    }
}

#[derive(Default)]
struct Kept(Mutex<Vec<Event>>);

impl Kept {
    fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl EventSink for Kept {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

fn setup() -> (Arc<Hand>, Arc<Kept>, Arc<Audit>) {
    let (clock, sink) = (Arc::new(Hand::default()), Arc::new(Kept::default()));
    let audit = Audit::new(clock.clone(), sink.clone());
    (clock, sink, audit)
}

fn denied(resource: &str) -> AuditKind {
    AuditKind::EgressDenied {
        protocol: "tcp",
        host: Text::from(resource),
        port: 80,
        address: None,
        label: "private",
        range: Text::from("10.0.0.0/8"),
    }
}

fn warnings(events: &[Event]) -> Vec<(u64, u64)> {
    let seen = events.iter().filter_map(|event| match event {
        Event::LimitWarning(warning) => Some((warning.observed, warning.fill_percent)),
        _ => None,
    });
    seen.collect()
}

#[test]
fn a_stock_warns_once_until_it_has_emptied_by_half() {
    let (clock, sink, audit) = setup();
    let counter = Counter::new("limits.resources.maxPipes", "pipes", 10, Errno::EAGAIN);
    counter.watch(&audit);
    let turn = |take: u64, give: u64| {
        counter.take(take, "pipe").unwrap();
        counter.give(give);
        clock.go(SECOND);
        warnings(&sink.take())
    };
    assert_eq!(turn(7, 0), []);
    assert_eq!(turn(1, 0), [(8, 80)]);
    assert_eq!(turn(2, 0), []);
    assert_eq!(turn(0, 5), [], "five of ten is not below a half");
    assert_eq!(turn(3, 4), []);
    assert_eq!(turn(5, 0), [(9, 90)]);
    assert_eq!(turn(0, 9), []);
    assert_eq!(turn(10, 10), [(10, 100)]);
}

#[test]
fn small_caps_and_unwatched_stocks_are_silent() {
    let (clock, sink, audit) = setup();
    let small = Counter::new("limits.resources.maxPipes", "pipes", 4, Errno::EAGAIN);
    small.watch(&audit);
    let unwatched = Counter::new("limits.resources.maxPipes", "pipes", 10, Errno::EAGAIN);
    small.take(4, "pipe").unwrap();
    unwatched.take(10, "pipe").unwrap();
    clock.go(SECOND);
    assert!(sink.take().is_empty());
    unwatched.watch(&audit);
    clock.go(SECOND);
    assert_eq!(warnings(&sink.take()), [(10, 100)], "what was there before counts");
}

#[test]
fn a_flood_becomes_ten_and_a_count() {
    let (clock, sink, audit) = setup();
    for _ in 0..1000 {
        audit.record(denied("10.0.0.1"));
    }
    assert!(sink.take().is_empty(), "recording never calls the host");
    clock.go(2_000_000);
    assert_eq!(sink.take().len(), 10);
    clock.go(SECOND);
    let folded = sink.take();
    let [Event::Audit(event)] = &folded[..] else {
        panic!("{folded:?}")
    };
    assert_eq!(event.count, 990);
    assert_eq!(event.to_json()["count"], 990);
    audit.record(denied("10.0.0.1"));
    clock.go(SECOND);
    assert_eq!(sink.take().len(), 1, "a new second begins anew");
    clock.go(SECOND);
    assert!(clock.timers.lock().unwrap().is_empty(), "silence needs no timers");
}

#[test]
fn a_stock_that_swings_cannot_flood_the_host() {
    let (clock, sink, audit) = setup();
    let counter = Counter::new("limits.resources.maxPipes", "pipes", 10, Errno::EAGAIN);
    counter.watch(&audit);
    for _ in 0..10_000 {
        counter.take(10, "pipe").unwrap();
        counter.give(10);
    }
    clock.go(SECOND);
    assert_eq!(sink.take().len(), 10);
}

#[test]
fn nothing_is_recorded_for_nobody() {
    let clock = Arc::new(Hand::default());
    let audit = Audit::new(clock.clone(), Arc::new(Ignore));
    audit.record(denied("10.0.0.1"));
    assert!(clock.timers.lock().unwrap().is_empty());
}

#[test]
fn flushing_hands_over_what_was_held_back() {
    let (_, sink, audit) = setup();
    (0..20).for_each(|_| audit.record(denied("10.0.0.1")));
    audit.flush();
    let counts: u64 = sink
        .take()
        .iter()
        .map(|event| {
            if let Event::Audit(event) = event {
                event.count
            } else {
                0
            }
        })
        .sum();
    assert_eq!(counts, 20);
}

/// A clock on which time passes with each look, so that every deadline is over by the time it is set.
struct Late(AtomicU64);

impl Clock for Late {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }

    fn instant(&self) -> Instant {
        Instant(self.0.fetch_add(10 * SECOND, Ordering::SeqCst))
    }

    fn wake_at(&self, deadline: Instant, waker: &Waker) {
        assert!(deadline <= self.instant());
        waker.wake_by_ref();
    }
}

#[test]
fn a_clock_that_wakes_at_once_does_not_call_the_host_from_a_record() {
    let sink = Arc::new(Kept::default());
    let audit = Audit::new(Arc::new(Late(AtomicU64::new(0))), sink.clone());
    audit.record(denied("10.0.0.1"));
    assert!(sink.take().is_empty());
    audit.flush();
    assert_eq!(sink.take().len(), 1);
}

#[test]
fn the_trail_has_the_documented_fields() {
    let (_, sink, audit) = setup();
    let limit = LimitExceeded::new(
        "limits.resources.maxProcesses",
        "processes",
        65,
        64,
        "spawn",
        Errno::EAGAIN,
    );
    audit.limit_exceeded(&limit, None);
    audit.record(denied("evil\n{\"event\":\"forged\"}"));
    audit.flush();
    let events = sink.take();
    let json = |event: &Event| match event {
        Event::Audit(event) => event.to_json().to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&json(&events[0])).unwrap(),
        serde_json::json!({"capacity": 64, "event": "security.limit.exceeded", "limit": "maxProcesses", "observed": 65,
            "pid": null, "time": 0})
    );
    assert!(
        json(&events[1]).contains(r#""host":"evil\\n{\"event\":\"forged\"}""#),
        "{}",
        json(&events[1])
    );
}
