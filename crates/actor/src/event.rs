//! What an actor tells its subscribers.

use agentos_value::Value;

/// One event. It goes to every connection that subscribed to its name when it was emitted, in the order of emission.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// What clients subscribe to.
    pub name: String,
    /// What their callbacks receive; for the VM's own events one payload object.
    pub args: Vec<Value>,
    /// Whether the event can be read again later, by cursor. A slow connection loses others first.
    pub durable: bool,
    /// What a `streamError` says was lost when a slow connection loses this event.
    pub scope: Option<StreamScope>,
}

/// The stream that an event is part of, as `streamError` names it.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamScope {
    /// `process`, `shell`, `session` or `cron`.
    pub kind: &'static str,
    /// Which process, shell, session or job.
    pub id: Value,
}

impl Event {
    /// An event that cannot be read again.
    pub fn new(name: impl Into<String>, args: Vec<Value>) -> Self {
        Self {
            name: name.into(),
            args,
            durable: false,
            scope: None,
        }
    }

    /// The same event, marked as one that clients can read again by cursor.
    #[must_use]
    pub const fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// The same event as part of a stream.
    #[must_use]
    pub fn scope(mut self, kind: &'static str, id: impl Into<Value>) -> Self {
        self.scope = Some(StreamScope { kind, id: id.into() });
        self
    }

    /// Roughly the bytes that the event takes in a queue.
    pub fn size(&self) -> usize {
        size_of::<Self>() + self.name.len() + self.args.iter().map(Value::size).sum::<usize>()
    }
}
