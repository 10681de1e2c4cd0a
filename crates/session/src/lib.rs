//! Agents in a VM, over the Agent Client Protocol.
//!
//! A session is one conversation with one agent, which is a process of the VM: a program that speaks the protocol (version 1,
//! JSON-RPC 2.0, one message a line) on its standard input and output. [`Sessions`] starts agents, prompts them, serves what
//! they ask of the VM, decides or asks about what they want to do, and keeps what was said.
//!
//! The layer knows neither a server nor a database nor how a VM is made: a [`Computer`] runs programs and has files, a
//! [`Storage`] keeps rows, a [`Clock`] counts time. The SDK and the server bring theirs; the tests of this crate bring others,
//! and with them agents that lie, flood, hang and die.
//!
//! What holds whatever an agent does:
//!
//! * Whoever waits gets an answer or a typed error: every wait ends with the agent's answer, its end, or a deadline.
//! * Events have numbers from 0 without gaps, and are stored before anybody hears of them.
//! * Memory is bounded: lines, events, requests at once, remembered answers, error output.
//! * An agent acts as a guest. What the VM's policy refuses stays refused, whatever was approved.
#![forbid(unsafe_code)]

mod agent;
mod approvals;
mod client;
mod clock;
mod computer;
mod core;
mod error;
mod events;
mod instructions;
mod limits;
mod model;
mod notice;
mod patterns;
mod session;
mod sessions;
mod stocks;
mod storage;
mod stored;
mod text;
mod transcript;

pub use agent::names::AgentListing;
pub use agent::{AgentSpec, Agents};
pub use clock::{Clock, HostClock};
pub use computer::{
    BoxFuture, Child, ChildControl, ChildInput, ChildOutput, Computer, Exit, Launch, Stream, VmError, VmResult,
};
pub use error::{Error, McpFailure, Result};
pub use events::EventStream;
pub use limits::SessionLimits;
pub use model::{
    ApprovalPolicy, CreateOptions, EnvValue, EventQuery, Grant, GrantScope, McpServer, Outcome, PermissionOption,
    PermissionRequest, PromptOutcome, Reply, ResumedVia, SessionEvent, SessionRecord, Status, Via,
};
pub use notice::Notice;
pub use sessions::{Config, Sessions, WeakSessions};
pub use storage::{
    MemoryStorage, OutcomeBounds, OutcomeRow, Secrets, SessionChange, SessionRow, Storage, StoredEvent,
    too_many_grants, too_many_sessions,
};
pub use stored::Stored;
