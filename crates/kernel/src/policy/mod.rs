//! The permission policy: what guests and clients of a VM may do.
//!
//! A policy has six scopes. Each is a plain mode or a list of rules, of which the last that matches decides. A decision is
//! a pure function of policy, operation and resource: no I/O, no clock, no memory of earlier calls.
//!
//! ```text
//!   JSON, TOML ──► parse ──► checked rules ──► rules + matcher      one automaton per scope
//!   PolicyBuilder ─┘                              ▲
//!                                                 │ operation, resource
//!   vfs, process ──► Policy::check ───► cache ────┤
//!   net ───────────► Policy::check_network ───────┤  candidate set
//!   people ────────► Policy::explain ─────────────┘
//! ```
//!
//! Invariants:
//!
//! * What a policy does not say is what its profile says; what a rule set does not say is denied.
//! * Nothing unknown in a configuration is skipped.
//! * Resources and patterns are normalised by the same code ([`Host`]) or are real paths already.
//! * Enforcement and [`Policy::explain`] ask the same function.
//! * Whatever cannot be decided is refused.
//!
//! The rules say who may ask for what. They are not the only guard: what a connection may reach is up to the egress guard,
//! and how much a guest may use is up to the [limits](crate::limits); no policy widens these.

mod below;
mod builder;
mod cache;
mod denied;
mod explain;
mod glob;
mod host;
mod invalid;
mod matcher;
mod network;
mod operation;
mod parse;
#[allow(clippy::module_inception)]
mod policy;
mod rules;
mod target;
mod tier;

pub use builder::{PolicyBuilder, Rule, Rules};
pub use denied::Denied;
pub use explain::{Explanation, InvalidQuery};
pub use host::{Host, InvalidHost};
pub use invalid::{InvalidPolicy, Problem};
pub use operation::{Operation, Scope};
pub use parse::Profile;
pub use policy::Policy;
pub use rules::Mode;
pub use target::{NetworkTarget, Protocol};
pub use tier::Tier;
