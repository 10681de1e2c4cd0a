//! What a VM reports to its host: warnings before a limit is reached, and an audit trail of what was refused.
//!
//! ```text
//!   where something happens          Audit (one per VM)                    the host
//!   kernel.audit().record(kind) -->  folds equal events, queues  --tick--> EventSink::emit
//!   Counter crosses 80 %        -->
//! ```
//!
//! Invariants:
//!
//! * Reporting never waits and never calls the host. [`Audit`] only takes its own lock, which is a leaf, so that events may
//!   be recorded under any lock; the clock brings them to the sink a moment later, on the clock's own thread.
//! * A guest decides how often something happens, not how much the host gets to see: equal events beyond ten in a second
//!   become one with a count, and the table of what was seen in that second is bounded.
//! * What a guest chose reaches the host only as [`Text`]: printable, one line, at most 512 bytes.

mod audit;
mod folding;
mod reporter;
mod text;
mod warning;

pub use audit::{AuditEvent, AuditKind};
pub use reporter::Audit;
pub use text::Text;
pub use warning::LimitWarning;

/// Takes the events of a VM.
pub trait EventSink: Send + Sync + 'static {
    /// Takes one event. Called on the clock's thread without any lock; must neither wait nor panic.
    fn emit(&self, event: Event);

    /// Whether anybody wants events now. Asked before an event is made, so that a VM that nobody listens to pays nothing.
    fn listens(&self) -> bool {
        true
    }
}

/// Something that the host may want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Usage has reached 80 % of a limit.
    LimitWarning(LimitWarning),
    /// Something was refused, killed, mounted or made.
    Audit(AuditEvent),
}

/// Lets every event go.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ignore;

impl EventSink for Ignore {
    fn emit(&self, _: Event) {}

    fn listens(&self) -> bool {
        false
    }
}
