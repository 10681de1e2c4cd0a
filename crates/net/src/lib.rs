//! The way out of a VM: what of the host's network a guest may reach, and how it gets there.
//!
//! [`Guard`] implements the kernel's [`Egress`](agentos_kernel::net::Egress). A request goes down this list, and the
//! first that refuses ends it:
//!
//! 1. [`classify`]: what kind of address it is. Only public addresses and exempted ports of the host's loopback go on.
//! 2. The VM's policy, asked about the address and about every name under which the VM's resolver gave it out.
//! 3. A [`Dialer`] opens a socket to exactly that address.
//! 4. The ends of the connected socket are compared with what was meant.
//! 5. An [`Interceptor`], if the operator has one and it wants the connection, stands between guest and peer.
//!
//! Names are resolved by this crate, with the operator's servers, never by the host's resolver library. What comes back is
//! judged by the same list.
//!
//! Bytes of a connection without an interceptor go straight between the host's socket and the guest's buffer.
#![forbid(unsafe_code)]

mod activity;
mod addresses;
mod config;
mod counted;
mod counters;
mod denial;
mod dial;
mod dialer;
mod direct;
mod dns;
mod errors;
mod fan;
mod flow;
mod guard;
pub mod hook;
pub mod intercept;
mod interfaces;
mod ledger;
mod names;
mod outlet;
mod parse;
mod passage;
mod piped;
pub mod proxy;
mod ranges;
mod reactor;
mod rewrite;
pub mod roots;
mod runtime;
pub mod secrets;
mod watched;

pub use addresses::{Classifier, Reach, Verdict, classify, is_loopback};
pub use config::{DnsConfig, GuardConfig, NetworkLimits};
pub use counters::NetworkUsage;
pub use denial::{Access, Denial};
pub use dial::Dial;
pub use dialer::{Dialer, HostDialer, Purpose};
pub use guard::Guard;
pub use outlet::{Outlet, OutletConfig};
pub use parse::{Host, InvalidHost, parse_host};
pub use passage::{BoxFuture, ByteStream, Connected, HostEnd, Interceptor, Target, copy};
pub use piped::GuestEnd;
pub use ranges::Range;
