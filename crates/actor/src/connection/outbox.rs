//! What waits to be sent to one client: ordered, bounded, and never losing a reply.
//!
//! Events are cheap to lose and replies are not, so only events count against the cap. When one more does not fit, the
//! oldest event that cannot be read again by cursor makes room (the oldest of all if there is none), and the gap is told
//! in one `streamError` at its place. Replies are bounded by the connection's actions in flight, each of which counts as
//! in flight until its reply was taken from here.

use std::collections::VecDeque;
use std::sync::Arc;

use agentos_value::{ActorError, Value};

use crate::{Event, StreamScope};

/// Why and how a connection ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    /// The code of the WebSocket's close frame.
    pub code: u16,
    /// `group.code`, which is all that clients look at.
    pub reason: String,
}

impl CloseReason {
    /// A close with any code and reason.
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.into(),
        }
    }

    /// The client went away or asked to.
    pub fn client() -> Self {
        Self::new(1000, "")
    }

    /// The actor was destroyed.
    pub fn destroyed() -> Self {
        Self::new(1000, "actor.destroyed")
    }

    /// The server drains; clients reconnect.
    pub fn going_away() -> Self {
        Self::new(1012, "ws.going_away")
    }

    /// Try again later.
    pub fn unavailable() -> Self {
        Self::new(1013, "guard.service_unavailable")
    }

    /// After an error message with this error.
    pub fn error(error: &ActorError) -> Self {
        Self::new(1011, error.close_reason())
    }
}

/// One thing for the client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Outgoing {
    /// An event that the client subscribed to.
    Event(Arc<Event>),
    /// The end of the action that was dispatched under `tag`.
    Reply {
        /// The tag of [`crate::Connection::dispatch`].
        tag: u64,
        /// What the action returned.
        result: Result<Value, ActorError>,
    },
    /// The connection is over; nothing comes after this.
    Close(CloseReason),
}

#[derive(Debug)]
enum Item {
    Event(Arc<Event>),
    Reply {
        tag: u64,
        result: Result<Value, ActorError>,
        bytes: usize,
    },
}

#[derive(Debug)]
struct Lag {
    at: u64,
    skipped: u64,
    /// The stream that all lost events were part of.
    scope: Option<StreamScope>,
}

/// What stands at the head of an [`Outbox`].
#[derive(Debug)]
pub(crate) enum Head {
    Nothing,
    /// An event, to be taken with its number if the connection may receive it.
    Event(u64, Arc<Event>),
    /// Something that was taken.
    Taken(Outgoing),
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Outbox {
    max_events: usize,
    max_bytes: usize,
    items: VecDeque<(u64, Item)>,
    next: u64,
    events: usize,
    bytes: usize,
    reply_bytes: usize,
    lag: Option<Lag>,
    close: Option<CloseReason>,
}

impl Outbox {
    pub(crate) const fn new(max_events: usize, max_bytes: usize) -> Self {
        Self {
            max_events,
            max_bytes,
            items: VecDeque::new(),
            next: 0,
            events: 0,
            bytes: 0,
            reply_bytes: 0,
            lag: None,
            close: None,
        }
    }

    /// Adds an event, unless the connection is closed; returns how many events were lost for it.
    pub(crate) fn push_event(&mut self, event: Arc<Event>) -> u64 {
        if self.close.is_some() {
            return 0;
        }
        self.events += 1;
        self.bytes += event.size();
        self.push(Item::Event(event));
        let mut lost = 0;
        while self.events > self.max_events || self.bytes > self.max_bytes {
            if !self.lose_one() {
                break;
            }
            lost += 1;
        }
        lost
    }

    /// Adds the reply of an action. After the close it goes nowhere.
    pub(crate) fn push_reply(&mut self, tag: u64, result: Result<Value, ActorError>) {
        if self.close.is_some() {
            return;
        }
        let bytes = result.as_ref().map_or(0, Value::size);
        self.reply_bytes += bytes;
        self.push(Item::Reply { tag, result, bytes });
    }

    /// Ends the queue; what waits is still delivered. The first reason stays.
    pub(crate) fn close(&mut self, reason: CloseReason) {
        self.close.get_or_insert(reason);
    }

    /// Bytes of replies that wait.
    pub(crate) const fn reply_bytes(&self) -> usize {
        self.reply_bytes
    }

    /// Looks at the head and takes it, unless it is an event: those are decided by the caller with
    /// [`Outbox::take_event`] or [`Outbox::skip_event`].
    pub(crate) fn head(&mut self) -> Head {
        if let Some(lag) = self
            .lag
            .take_if(|lag| self.items.front().is_none_or(|(number, _)| *number > lag.at))
        {
            return Head::Taken(Outgoing::Event(Arc::new(lag.event())));
        }
        match self.items.front() {
            Some((number, Item::Event(event))) => Head::Event(*number, Arc::clone(event)),
            Some((_, Item::Reply { .. })) => match self.items.pop_front() {
                Some((_, Item::Reply { tag, result, bytes })) => {
                    self.reply_bytes -= bytes;
                    Head::Taken(Outgoing::Reply { tag, result })
                }
                _ => Head::Nothing,
            },
            None => self
                .close
                .clone()
                .map_or(Head::Nothing, |reason| Head::Taken(Outgoing::Close(reason))),
        }
    }

    /// Removes the event with this number from the head; `false` if it was lost in the meantime.
    pub(crate) fn take_event(&mut self, number: u64) -> bool {
        let there = matches!(self.items.front(), Some((front, Item::Event(_))) if *front == number);
        if there && let Some((_, Item::Event(event))) = self.items.pop_front() {
            self.forget(&event);
        }
        there
    }

    fn push(&mut self, item: Item) {
        self.items.push_back((self.next, item));
        self.next += 1;
    }

    fn forget(&mut self, event: &Event) {
        self.events -= 1;
        self.bytes -= event.size();
    }

    /// Loses the event that is cheapest to lose.
    fn lose_one(&mut self) -> bool {
        let is_event = |item: &Item, durable: bool| matches!(item, Item::Event(event) if durable || !event.durable);
        let victim = self
            .items
            .iter()
            .position(|(_, item)| is_event(item, false))
            .or_else(|| self.items.iter().position(|(_, item)| is_event(item, true)));
        let Some((number, Item::Event(event))) = victim.and_then(|index| self.items.remove(index)) else {
            return false;
        };
        self.forget(&event);
        match &mut self.lag {
            Some(lag) => {
                lag.skipped += 1;
                lag.at = lag.at.min(number);
                if lag.scope != event.scope {
                    lag.scope = None;
                }
            }
            None => {
                self.lag = Some(Lag {
                    at: number,
                    skipped: 1,
                    scope: event.scope.clone(),
                });
            }
        }
        true
    }
}

impl Lag {
    fn event(self) -> Event {
        let skipped = i64::try_from(self.skipped).unwrap_or(i64::MAX);
        let mut members = vec![
            ("code", Value::from("event_stream_lagged")),
            ("skipped", Value::from(skipped)),
            (
                "message",
                Value::from(format!("the connection was too slow and lost {skipped} events")),
            ),
        ];
        if let Some(scope) = self.scope {
            members.push(("scope", Value::from(scope.kind)));
            members.push(("id", scope.id));
        }
        Event::new("streamError", vec![Value::object(members)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str) -> Arc<Event> {
        Arc::new(Event::new(name, Vec::new()).scope("process", 7))
    }

    /// Everything that a client reads, in short form.
    fn drain(outbox: &mut Outbox) -> Vec<String> {
        let mut read = Vec::new();
        loop {
            match outbox.head() {
                Head::Nothing => return read,
                Head::Event(number, event) => {
                    assert!(outbox.take_event(number));
                    read.push(event.name.clone());
                }
                Head::Taken(Outgoing::Event(event)) => {
                    let skipped = event.args[0].get("skipped").and_then(Value::as_int).unwrap();
                    read.push(format!("{} {skipped}", event.name));
                }
                Head::Taken(Outgoing::Reply { tag, .. }) => read.push(format!("reply {tag}")),
                Head::Taken(Outgoing::Close(close)) => {
                    read.push(close.reason);
                    return read;
                }
            }
        }
    }

    #[test]
    fn a_slow_client_loses_the_oldest_events_and_no_reply() {
        let mut outbox = Outbox::new(3, usize::MAX);
        outbox.push_event(event("a"));
        outbox.push_reply(1, Ok(Value::Null));
        let durable = Arc::new(Event::new("durable", Vec::new()).durable());
        outbox.push_event(durable);
        for name in ["b", "c", "d"] {
            outbox.push_event(event(name));
        }
        outbox.push_reply(2, Ok(Value::Null));
        outbox.close(CloseReason::going_away());
        outbox.close(CloseReason::client());
        assert_eq!(outbox.push_event(event("late")), 0);
        let read = drain(&mut outbox);
        assert_eq!(
            read,
            [
                "streamError 2",
                "reply 1",
                "durable",
                "c",
                "d",
                "reply 2",
                "ws.going_away"
            ]
        );
        assert_eq!((outbox.events, outbox.bytes, outbox.reply_bytes), (0, 0, 0));
    }

    #[test]
    fn an_event_larger_than_the_queue_is_lost_alone() {
        let mut outbox = Outbox::new(10, 100);
        assert_eq!(
            outbox.push_event(Arc::new(Event::new("big", vec![Value::from("x".repeat(1000))]))),
            1
        );
        assert_eq!(drain(&mut outbox), ["streamError 1"]);
    }

    #[test]
    fn an_event_lost_while_it_is_decided_about_is_not_taken() {
        let mut outbox = Outbox::new(1, usize::MAX);
        outbox.push_event(event("a"));
        let Head::Event(number, _) = outbox.head() else {
            panic!("no event")
        };
        outbox.push_event(event("b"));
        assert!(!outbox.take_event(number));
        assert_eq!(drain(&mut outbox), ["streamError 1", "b"]);
    }
}
