//! Actors by name and key: life of sleep and wake, connections, events, schedules, queues.
//!
//! An *actor* is a durable object that clients reach by a name (which [`ActorDefinition`] it is) and a key (which one of
//! its kind). It exists from its first accepted connection until it is destroyed, and most of that time it is asleep: an
//! entry in the index of the host and a directory of files. Work that needs it wakes it; when nothing keeps it awake for
//! its idle time, it goes back to sleep.
//!
//! ```text
//! Registry ── get_or_create, connect, call, destroy, drain          what gateways and programs use
//!    │ one Cell per actor that is awake, connected or in use
//! Cell ── lifecycle: asleep → booting → ready → stopping → asleep   one boot for all waiting work, one writer
//!    │ ── connections: ordered bounded queues that outlive sleep    events of an action before its reply
//! ActorDefinition (hooks, stored actions) → Actor (the awake instance)
//!    └── ActorContext: state, kv, broadcast, keep-awake guards, calls to other actors
//! ```
//!
//! The runtime knows no HTTP server, no wire format and no VM. Everything that a client may see is an
//! [`agentos_value::ActorError`]; everything else is masked with a correlation id, and hooks that fail, panic or take too
//! long refuse.
#![forbid(unsafe_code)]

mod audit;
pub mod clock;
mod connection;
mod context;
pub mod cron;
mod definition;
mod due;
mod error;
mod event;
mod hooks;
mod lifecycle;
mod options;
mod preview;
pub mod queue;
mod random;
mod registry;
mod request;
mod schedule;
mod store;
pub mod workflow;

pub use agentos_store::UserLimits;
pub use clock::{Clock, ManualClock, SystemClock};
pub use connection::{CloseReason, Conn, Connection, Outgoing};
pub use context::{ActorContext, Client, Db, HookContext, Kv};
pub use definition::{
    ActionCall, ActionKind, Actor, ActorDefinition, Boot, BoxFuture, ByteStream, HookSet, RawBody, RawMessage,
    RawSocket, ShutdownReason,
};
pub use due::DueTimes;
pub use error::Failure;
pub use event::{Event, StreamScope};
pub use lifecycle::{KeepAwake, Phase};
pub use options::{ActorOptions, PreviewBounds, RegistryLimits};
pub use preview::{NewPreview, PortStream, Preview, PreviewGrant};
pub use registry::{
    ActorFilter, ActorInfo, ActorStatus, BuildError, CreateOptions, DefinitionInfo, Histogram, LifecycleEvent,
    MetricsSnapshot, Registry, RegistryBuilder,
};
pub use request::{ConnectRequest, RequestInfo, Transport};
pub use schedule::{Schedule, ScheduledAction};
pub use store::is_of_storage;

/// The examples of the guides are compiled with the tests.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../../docs/actors.md")]
    mod actors {}
    #[doc = include_str!("../../../docs/cron.md")]
    mod cron {}
}
